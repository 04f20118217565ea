"""Addresses: what people mean by them, and that nothing secret of them is ever shown."""

from __future__ import annotations

import base64
import json
import re
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rknn_zoo_e2e.cli.media.sources import Source, _name, find_sources
from rknn_zoo_e2e.cli.ui import output, report
from rknn_zoo_e2e.cli.ui.failures import explained
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.media import capture, picture, video
from rknn_zoo_e2e.media.address import parse, shown
from rknn_zoo_e2e.media.redaction import Redaction, is_meant_as_address

CASES = [  # address, shown, user and password
    ("rtsp://cam/live", "rtsp://cam/live", None),
    ("rtsp://admin:12@34/5@10.0.0.5:554/live", "rtsp://10.0.0.5:554/live", ("admin", "12@34/5")),
    ("rtsp://admin:a?b@cam/live", "rtsp://cam/live", ("admin", "a?b")),
    ("rtsp://admin:a#b@cam/live", "rtsp://cam/live", ("admin", "a#b")),
    ("rtsp://admin:a/b@cam/live", "rtsp://cam/live", ("admin", "a/b")),
    ("rtsp://me:a#b/c?@host/live", "rtsp://host/live", ("me", "a#b/c?")),
    ("rtsp://me:a b\tc@host/live", "rtsp://host/live", ("me", "a b\tc")),
    ("rtsp://me:p%40s%2Fs@host/live", "rtsp://host/live", ("me", "p@s/s")),  # escaped already
    ("rtsp://me:50%off%@host/live", "rtsp://host/live", ("me", "50%off%")),  # not escaped at all
    ("rtsp://admin:[Secret9]@host/s", "rtsp://host/s", ("admin", "[Secret9]")),
    ("http://[me:secret@host/s", "http://host/s", ("[me", "secret")),
    ("rtsp://me:Ｓecret９＃＠／@host/s", "rtsp://host/s", ("me", "Ｓecret９＃＠／")),
    ("rtsp://me:пароль@host/s", "rtsp://host/s", ("me", "пароль")),
    ("rtsp://me:a:b:c@host/s", "rtsp://host/s", ("me", "a:b:c")),
    ("rtsp://me@host/s", "rtsp://host/s", ("me", "")),
    ("rtsp://me:@host/s", "rtsp://host/s", ("me", "")),
    ("RTSP://Me:pw@Host:554/S", "rtsp://Host:554/S", ("Me", "pw")),
    ("Rtsps://host/S", "rtsps://host/S", None),
    ("http://cam/video.cgi?user=admin&pwd=1", "http://cam/video.cgi", None),
    ("http://cam/a.jpg#token", "http://cam/a.jpg", None),
    ("http://10.0.0.5/a@2x.png", "http://10.0.0.5/a@2x.png", None),
    ("http://me:pw@10.0.0.5/a@2x.png?x=a@b", "http://10.0.0.5/a@2x.png", ("me", "pw")),
    ("http://[::1]:80/a@2x.png", "http://[::1]:80/a@2x.png", None),
    ("http://localhost:8000/s?mail=me:x@y.org", "http://localhost:8000/s", None),
    ("rtsp://me:se/cr@10.0.0.5/s?tok=x@y", "rtsp://10.0.0.5/s", ("me", "se/cr")),
    # Nobody can tell: only the scheme is shown.
    ("rtsp://admin:12@34/5@cam:554/live", "rtsp://***", ("admin", "12@34/5")),
    ("rtsp://cam:554/user=@pw/x", "rtsp://***", ("cam", "554/user=")),
    ("http://cam/a@2x.png", "http://***", None),
    ("http://cam/s?mail=me:x@y.org", "http://***", None),
    ("rtsp://admin:1/b?c@cam/live", "rtsp://***", None),
    ("rtsp://admin:a/b@cam/live?tok=Se@cret9", "rtsp://***", ("admin", "a/b")),
    ("rtsp://admin:p@ss?word@cam/live", "rtsp://***", ("admin", "p@ss?word")),
    # Values and tokens in a path.
    ("http://cam/user=admin/pwd:x/live", "http://cam/user=***/pwd:***/live", None),
    ("http://cam/live;user=admin;pwd=x", "http://cam/live;user=***", None),
    ("http://cam/user%3Dadmin/pwd%253Ax", "http://cam/user%3D***/pwd%253A***", None),
    ("http://cam/user＝admin", "http://cam/user＝***", None),
    ("http://cam/0123456789abcdefghij/live", "http://cam/***/live", None),
    ("http://cam/0123456789abcdefghi/live", "http://cam/0123456789abcdefghi/live", None),
    ("http://cam/6ba7b810-9dad-11d1-80b4-00c04fd430c8/live", "http://cam/***/live", None),
    ("http://cam/%30123456789abcdefghij", "http://cam/***", None),
    ("udp://@:1234", "udp://:1234", None),
    ("http://行.com/行.jpg", "http://行.com/行.jpg", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected", "credentials"), CASES)
def test_what_people_mean(text, expected, credentials):
    address = parse(text)
    assert (str(address), address.credentials) == (expected, credentials)
    assert repr(address) == f"{address}" == shown(text)


@pytest.mark.parametrize(("text", "_", "credentials"), CASES)
def test_what_is_opened_is_plain_and_means_the_same(text, _, credentials):
    opened = parse(text).to_open
    assert opened.isascii() and not re.search(r"\s", opened)
    assert parse(opened).credentials == credentials
    assert parse(opened).to_open == opened


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("rtsp://me:a#b/c?@host/live", "rtsp://me:a%23b%2Fc%3F@host/live"),
        ("http://h/e f.jpg?x=y z&t=ü", "http://h/e%20f.jpg?x=y%20z&t=%C3%BC"),
        ("http://h/100%/a%20b", "http://h/100%25/a%20b"),
        ("http://行.com/", "http://xn--jn2a.com/"),
        ("udp://@:1234?fifo_size=5", "udp://@:1234?fifo_size=5"),
    ],
)
def test_what_is_opened(text, opened):
    assert parse(text).to_open == opened


@pytest.mark.parametrize(
    "text",
    ["http://me:Secret9", "http://host:Secret9/x", "http://Sec ret9/x", "http://host:99999/Secret9", "http://[Secret9/x",
     "Secret9@http://x", "://me:Secret9@x", "http://ho%Secret9st/", "rtsp://me:Secret9＠host/s",
     "http://Secret9@12345/x", "http://Secret9@1.2.3/x"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_a_word_of_it(text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert "Secret9" not in str(caught.value) + shown(text) and "ret9" not in shown(text)
    with pytest.raises(UsageError) as told:
        find_sources([text])
    assert "ret9" not in str(told.value)


@pytest.mark.parametrize(
    "text",
    ["admin:Secret9@10.0.0.5/live", "//me:Secret9@host/x", "rtsp:/me:Secret9@host/x", "me@host/Secret9",
     "http:/x/Secret9", "me:Sec/ret9@host", "the admin:Sec ret9@10.0.0.5/x", f"admin:Secret9@10.0.0.5/{'x' * 300}"],
)  # fmt: skip
def test_half_an_address_is_told_what_a_whole_one_is(text):
    with pytest.raises(UsageError, match="address") as caught:
        find_sources([text])
    assert "ret9" not in str(caught.value) and "rtsp://USER:PASSWORD@HOST" in caught.value.fix


# --- nothing secret, wherever it stands ---

ODD = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~é行＠／９\t"
CHUNK = st.text(string.ascii_letters + string.digits, min_size=5, max_size=8).map("Zq".__add__)


@st.composite
def secrets(draw, but: str = "", least: int = 1) -> str:
    """Chunks that stand nowhere else, with odd characters between them."""
    odd = st.text([c for c in ODD if c not in but], max_size=3)
    parts = draw(st.lists(CHUNK, min_size=least, max_size=least + 2))
    return draw(odd) + "".join(part + draw(odd) for part in parts)


@st.composite
def addresses(draw) -> tuple[str, list[str]]:
    """An address with secrets in some of the places where people have them, and those secrets."""
    scheme = draw(st.sampled_from(["rtsp", "RTSP", "http", "https", "Rtmp", "udp"]))
    host = draw(st.sampled_from(["cam", "cam.example.org", "10.0.0.5", "[::1]", "localhost", "кам"]))
    port = draw(st.sampled_from(["", ":554"]))
    found: list[str] = []

    def secret(*args, **options) -> str:
        found.append(draw(secrets(*args, **options)))
        return found[-1]

    login = ""
    if draw(st.booleans()):
        # Without a password nobody could tell a user's name with an @ or / from a host and path.
        login = f"{secret('@:/?#')}@" if draw(st.integers(0, 3)) == 0 else f"{secret(':')}:{secret()}@"
    path = draw(st.sampled_from(["", "/live", "/a.jpg", "/Streaming/Channels/101"]))
    if draw(st.booleans()):
        path += f"/{draw(st.sampled_from(['user', 'pwd', 'k']))}{draw(st.sampled_from('=:'))}{secret('/?#')}/x"
    if draw(st.booleans()):
        path += f"/{secret('/?#', least=3)}"
    query = f"?{draw(st.sampled_from(['', 'token=', 'user=a&pwd=']))}{secret('#')}" if draw(st.booleans()) else ""
    fragment = f"#{secret()}" if draw(st.booleans()) else ""
    return f"{scheme}://{login}{host}{port}{path}{query}{fragment}", found


def leaked(secrets: list[str], text: str) -> list[str]:
    """The chunks of secrets that stand in a text."""
    return [chunk for secret in secrets for chunk in re.findall(r"Zq[A-Za-z0-9]{5,8}", secret) if chunk in text]


@pytest.mark.slow
@given(addresses())
@settings(max_examples=600, deadline=None)
@example(("rtsp://Zqabcde:Zqfghij/1@ZqKLMNO?x@cam/live?t=Zqpqrst@b", ["Zqabcde", "Zqfghij/1@ZqKLMNO?x", "Zqpqrst@b"]))
@example(("rtsp://Zqabcde/:Zqfghij?@cam", ["Zqabcde/", "Zqfghij?"]))
def test_no_secret_is_in_what_is_shown(made):
    text, hidden = made
    said = [shown(text)]
    try:
        address = parse(text)
    except ValueError as error:
        said.append(str(error))
    else:
        source = Source("video", address, _name(str(address)))
        reason = "netloc '" + text.partition("://")[2] + "' contains invalid characters"
        errors = [
            OSError(111, reason),
            ValueError(reason),
            TimeoutError(reason),
            picture.HTTPError(text, 404, reason, {}, None),
        ]
        said += [
            repr(source),
            source.name,
            source.shown,
            _name(address.last_segment),
            str(picture.Picture(address, b"")),
        ]
        said += [str(picture.explained(address, error)) for error in errors]
        said += [str(picture.refused(address, status)) for status in (301, 401, 403, 404, 410, 500)]
    assert leaked(hidden, "\n".join(said)) == []


@pytest.mark.slow
@given(addresses())
@settings(max_examples=300, deadline=None)
def test_no_secret_gets_through_the_masks(made):
    """However a library, a shell or Python itself writes an address, or pieces of it."""
    text, hidden = made
    mask = Redaction(["demo", text, f"--model={text}"])
    rest = text.partition("://")[2]
    said = [
        text,
        repr(text),
        json.dumps(text),
        repr(rest),
        re.sub("/+", "/", text),
        f"--model={text}",
        rest.split("/")[0],
    ]
    try:
        address = parse(text)
    except ValueError:
        pass
    else:
        said += [address.to_open, address.without_login]
        if address.credentials:
            said += [*address.credentials, ":".join(address.credentials)]
            login = ":".join(address.credentials).encode("utf-8", "surrogateescape")
            assert base64.b64encode(login).decode() not in mask(f"Basic {base64.b64encode(login).decode()}")
    assert is_meant_as_address(text)
    assert leaked(hidden, "\n".join(map(mask, said))) == []


@pytest.fixture
def no_machine(monkeypatch):
    """A report of a command, an error and messages; what doctor finds is of no interest here."""
    monkeypatch.setattr(report, "machine", lambda run: "")
    monkeypatch.setattr(report, "versions", lambda run: "")
    sections = [s for s in report.SECTIONS if s[0] not in ("Versions", "Machine")]
    monkeypatch.setattr(report, "SECTIONS", tuple(sections))


@pytest.mark.parametrize("text", ["HTTP://127.0.0.1:8799/", "rtsp://cam/a b", "RTSP://cam.local:554/live"])
def test_what_may_be_shown_is_not_hidden(text):
    """Though it is written in another way than it is shown."""
    mask = Redaction(["demo", text])
    assert (
        mask(f"{shown(text)} cannot be opened. Give rtsp://HOST") == f"{shown(text)} cannot be opened. Give rtsp://HOST"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("no_machine")
@given(addresses())
@settings(max_examples=200, deadline=None)
def test_no_secret_is_in_errors_lines_documents_and_the_report(made):
    text, hidden = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report.sys, "argv", ["e2erknn", "demo", text, "--debug"])
        try:
            raise ValueError(f"netloc {text!r} contains invalid characters") from OSError(2, "gone", text)
        except ValueError as error:
            told, said = explained(error), output.Output()
            said.remember(f"{text}: {error}")
            line = output.printable(f"{text} {error} {told.what}")
            whole = report.report(report.Run({"sources": [text], "model": text}, 1, error, said.history))
    assert "## Traceback" in whole and "## Messages" in whole and "sources = " in whole
    assert leaked(hidden, line + whole) == []


@given(addresses())
@settings(max_examples=200, deadline=None)
def test_no_secret_is_in_what_is_said_of_streams(made):
    """Opened for real, on a port where nobody listens or a host that is none."""
    text, hidden = made
    text = re.sub(r"\b(cam|cam\.example\.org|кам)(?=[:/?#]|$)", "cam.invalid", text)
    with pytest.MonkeyPatch.context() as patch:
        opened: list[str] = []
        patch.setattr(capture.cv2, "VideoCapture", lambda url, *_: opened.append(url) or Closed())
        patch.setattr(picture, "fetch", lambda address: None)
        with pytest.raises(UserError) as caught:
            [source] = find_sources([text])
            video.VideoReader(source.place)
    assert leaked(hidden, f"{caught.value} {caught.value.detail}") == []
    assert all(url.isascii() for url in opened)


class Closed:
    """A ``cv2.VideoCapture`` of what cannot be opened."""

    def isOpened(self) -> bool:
        return False


def test_no_secret_of_a_server_in_a_variable_gets_through(monkeypatch):
    for name, value in (
        ("HTTPS_PROXY", "http://me:Zqpass1/x@proxy:3128"),
        ("HF_ENDPOINT", "https://me:Zqpass2@mirror/x"),
    ):
        monkeypatch.setenv(name, value)
        text = output.masked(f"{value} failed: {value.partition('//')[2]}")
        assert leaked(["Zqpass1", "Zqpass2"], text) == [] and shown(value) in text
