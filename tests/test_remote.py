"""Pictures and streams at addresses, from a server on this machine: what comes of each, and what is said of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from support.cli import run
from support.demo import demo, make_tiny
from support.media_server import camera, serving

from rknn_zoo_e2e.cli.media.sources import find_sources
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media import picture
from rknn_zoo_e2e.media.address import Address
from rknn_zoo_e2e.media.picture import Picture
from rknn_zoo_e2e.vision.image import read_image

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def server():
    with serving() as one:
        yield one


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("jpeg.jpg", "jpeg"),
        ("jpeg", "jpeg"),  # neither suffix
        ("jpeg.mp4?x=.mp4", "jpeg"),  # nor query matters
        ("png.png", "png"),
        ("webp", "webp"),
        ("bmp.jpg", "bmp"),
        ("binary.bin", "binary"),
        ("untyped.html", "untyped"),
        ("packed.jpg", "packed"),
        ("to-picture.cgi", "to-picture"),
        ("to-other-host", "to-other-host"),
        ("jpeg/a b/ü ß.jpg", "ü-ß"),
        ("jpeg/user=Secret9/x", "x"),
        ("jpeg/user=Secret9", "127.0.0.1"),
        ("jpeg/Secret9abcdefghijklmnop.jpg", "127.0.0.1"),
        ("jpeg/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("jpeg/", "127.0.0.1"),
    ],
)
def test_pictures(server, path, name):
    [source] = find_sources([f"HTTP://127.0.0.1:{server.port}/{path}"])
    assert (source.kind, source.name, source.live) == ("picture", name, False)
    assert isinstance(source.place, Picture) and read_image(source.place).shape == (120, 160, 3)
    assert len([seen for seen in server.seen if seen.startswith(("/jpeg", "/" + path[:3]))]) >= 1


@pytest.mark.parametrize("path", ["motion", "motion.jpg", "text", "playlist.m3u8"])
def test_streams(server, path):
    [source] = find_sources([f"http://127.0.0.1:{server.port}/{path}"])
    assert source.live and isinstance(source.place, Address)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("page", "is a web page, not a picture or a stream"),
        ("hidden-page", "is a web page"),
        ("empty", "is empty"),
        ("half", "is cut off"),
        ("bomb", "is larger than 64 MB"),
        ("endless", "is larger than 64 MB"),
        ("badly-packed", "cannot be understood"),
        ("nothing", "There is nothing at"),
        ("s403", "forbids it"),
        ("s404", "There is nothing at"),
        ("s410", "any more"),
        ("s400", "answers 400"),
        ("s405", "answers 405"),
        ("s500", "answers 500"),
        ("s503", "answers 503"),
        ("loop", "leads in circles"),
        ("to-file", "neither http nor https"),
        ("to-rtsp", "neither http nor https"),
        ("to-nothing", "cannot be understood"),
    ],
)
def test_what_cannot_be_used(server, path, said):
    text = f"http://me:Se#c/ret9@127.0.0.1:{server.port}/{path}?token=Secret8"
    with pytest.raises(UserError, match=said) as caught:
        find_sources([text])
    assert f"http://127.0.0.1:{server.port}/{path}" in caught.value.what
    assert "ret" not in str(caught.value).replace("there", "") and caught.value.__cause__ is None
    assert server.seen[0] == f"/{path}?token=Secret8"


@pytest.mark.parametrize(("path", "said"), [("truncated", "truncated"), ("no-picture", "is not a picture")])
def test_pictures_that_cannot_be_read(server, path, said):
    [source] = find_sources([f"http://127.0.0.1:{server.port}/{path}?token=Secret8"])
    with pytest.raises(UserError, match=said) as caught:
        read_image(source.place)
    assert f"http://127.0.0.1:{server.port}/{path}" in caught.value.what and "Secret8" not in str(caught.value)


@pytest.mark.parametrize("path", ["slow", "mute"])
def test_a_slow_server_is_given_up(server, monkeypatch, path):
    monkeypatch.setattr(picture, "MAX_SECONDS", 1.0)
    start = time.monotonic()
    with pytest.raises(UserError, match=r"was not there whole after 1 s|did not answer in 1 s"):
        find_sources([f"http://127.0.0.1:{server.port}/{path}"])
    assert time.monotonic() - start > 0.9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://127.0.0.1:9/x", r"cannot be reached \(Connection refused\)"),
        ("http://no.such.invalid/x", "there is no such host"),
        ("https://127.0.0.1:{port}/jpeg", "cannot be reached"),  # no TLS there
    ],
)
def test_servers_that_are_not_there(server, text, said):
    with pytest.raises(UserError, match=said):
        find_sources([text.format(port=server.port)])


def test_user_and_password_are_sent_where_they_are_asked_for(server):
    """With every odd sign, and never to another host."""
    for password in ("a#w?r%d [9]/ü", "a@b/c d", "a:b@c"):
        server.users["me"] = password
        for written in (password, quote(password, safe="")):
            [source] = find_sources([f"http://me:{written}@127.0.0.1:{server.port}/jpeg"])
            assert source.kind == "picture"
    # This one can be read in two ways: it is said how to write it.
    with pytest.raises(UserError, match=r"http://\*\*\* cannot be reached.*%40 for an @"):
        find_sources([f"http://me:a@b/c?d@127.0.0.1:{server.port}/jpeg"])
    with pytest.raises(UserError, match=r"refuses the user and password given \(401\)"):
        find_sources([f"http://me:wrong@127.0.0.1:{server.port}/jpeg"])
    with pytest.raises(UserError, match=r"wants a user and a password \(401\)"):
        find_sources([f"http://127.0.0.1:{server.port}/jpeg"])
    with pytest.raises(UserError, match="401"):  # localhost is not the host they were given for
        find_sources([f"http://me:{password}@127.0.0.1:{server.port}/to-other-host"])


def test_a_file_address_is_a_file(tmp_path: Path, models: Path):
    (tmp_path / "a b.jpg").write_bytes((models / "sample.jpg").read_bytes())
    for text in (f"file://{tmp_path}/a b.jpg", f"FILE://localhost{tmp_path}/a%20b.jpg"):
        [source] = find_sources([text])
        assert source.place == tmp_path / "a b.jpg"
    for text in ("file:///no/such.jpg", f"file://host{tmp_path}/a b.jpg"):
        with pytest.raises(UserError, match="no file on this machine"):
            find_sources([text])


# --- as users run it ---

PASSWORD = "Zq[1]/Zq#2?Zq%Zqü"


def clean(out, folder: Path) -> str:
    """All that was printed and written, checked for secrets."""
    text = out.stdout + out.stderr
    for path in folder.rglob("*"):
        text += str(path) + (path.read_text() if path.suffix in (".txt", ".json") else "")
    assert "Zq" not in text and "Traceback (most" not in out.stderr, text
    return text


def test_a_picture_of_an_address(tiny, server, tmp_path):
    server.users["Zqme"] = PASSWORD
    place = f"127.0.0.1:{server.port}"
    text = f"http://Zqme:{PASSWORD}@{place}/jpeg/user=Zqme/front door.jpg?token=Zqtoken#Zqfragment"
    out = demo(tiny, text, "--json", "--debug", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    clean(out, tmp_path)
    [image] = json.loads(out.stdout)["images"]
    assert image["path"] == f"http://{place}/jpeg/user=***/front door.jpg"
    assert image["drawn"] == "e2erknn-demo/front-door.jpg" and image["detections"]
    assert Image.open(tmp_path / image["drawn"]).format == "JPEG"
    out = demo(tiny, text, cwd=tmp_path)
    assert out.stdout.startswith(f"http://{place}/jpeg/user=***/front door.jpg: 1 a (")


def test_bench_takes_a_picture_of_an_address(server, tmp_path):
    text = f"http://127.0.0.1:{server.port}/png?token=Zqtoken"
    out = run("bench", "shapes", "--images", text, "--runs", 2, "--warmup", 1, "--json", cwd=tmp_path)
    assert out.returncode == 0 and json.loads(out.stdout)["stages"]["read"]["p50"] > 0, out.stderr
    clean(out, tmp_path)


@pytest.mark.parametrize("variables", [{}, {"OPENCV_LOG_LEVEL": "VERBOSE", "OPENCV_FFMPEG_DEBUG": "1",
                                            "OPENCV_VIDEOIO_DEBUG": "1", "OPENCV_FFMPEG_LOGLEVEL": "56"}])  # fmt: skip
def test_a_stream_with_secrets_everywhere(tiny, server, tmp_path, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    server.users["Zqme"] = PASSWORD
    place = f"127.0.0.1:{server.port}"
    out = demo(
        tiny, f"HTTP://Zqme:{PASSWORD}@{place}/motion/key=Zqkey?token=Zqtoken", "--json", "--debug", cwd=tmp_path
    )
    clean(out, tmp_path)
    document = json.loads(out.stdout) if out.stdout.strip() else {}
    assert out.returncode == 1 and f"http://{place}/motion/key=*** ended after" in out.stderr, (out.stderr, document)
    [written] = (tmp_path / "e2erknn-demo").iterdir()
    assert written.name == f"127.0.0.1-{server.port}-motion-key.mp4"


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", ""])
def test_a_camera_that_lets_nobody_in(tiny, tmp_path, status):
    with camera(status) as port:
        text = f"RTSP://Zqme:{PASSWORD}@127.0.0.1:{port}/live/pwd:Zqpath?token=Zqtoken"
        environment = {"OPENCV_FFMPEG_LOGLEVEL": "56", "OPENCV_LOG_LEVEL": "VERBOSE"}
        os.environ.update(environment)
        try:
            out = demo(tiny, text, "--json", "--debug", cwd=tmp_path)
        finally:
            for name in environment:
                del os.environ[name]
    clean(out, tmp_path)
    error = json.loads(out.stdout)["error"]
    assert out.returncode == 1
    assert error["what"] == f"rtsp://127.0.0.1:{port}/live/pwd:*** cannot be opened."


BAD = [
    ("demo", "a.jpg", "--conf", "{}"),
    ("demo", "{}", "a.jpg", "--model", "shapes"),
    ("demo", "a.jpg", "--model", "{}", "--debug"),
    ("demo", "a.jpg", "--{}"),
    ("{}",),
    ("info", "{}", "--json", "--debug"),
    ("pull", "{}", "--debug"),
    ("inspect", "{}", "--json"),
    ("convert", "{}", "--soc", "rk3566"),
    ("convert", "shapes", "--soc", "{}"),
    ("convert", "shapes", "--soc", "rk3566", "--calib", "{}", "--debug"),
    ("bench", "shapes", "--images", "{}"),
    ("eval", "shapes", "--data", "{}"),
    ("publish", "{}", "--repo", "{}", "--dry-run"),
]


@pytest.mark.parametrize("text", ["rtsp://Zqme:Zq/se#cr@host/x?k=Zqtoken", "Zqme:Zqsecret@10.0.0.5/live"])
@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_an_address_where_none_is_wanted(tmp_path, models, words, text):
    (tmp_path / "a.jpg").write_bytes((models / "sample.jpg").read_bytes())
    out = run(*(word.format(text) for word in words), cwd=tmp_path, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert out.returncode in (1, 2)
    assert "Zq" not in clean(out, tmp_path)
