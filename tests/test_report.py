"""What ends a command: two sentences, an exit code, and with ``--debug`` one report without anything private."""

from __future__ import annotations

import errno
import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.cli import run

from rknn_zoo_e2e.cli.ui import report
from rknn_zoo_e2e.cli.ui.failures import explained
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.hub import privacy
from rknn_zoo_e2e.hub.privacy import without_traces
from rknn_zoo_e2e.toolkit.buildlog import layers, readable

TOKEN = "hf_" + "aB3" * 10
# `info` with a resolve() of our own: what a mistake in the code, a hang or a vendor does.
BROKEN = """
import sys, time
from rknn_zoo_e2e import cli, errors, zoo
def resolve(*_, **__):
    {}
zoo.resolve = resolve
cli.main()
"""


def broken(body: str, *args: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """``e2erknn info shapes`` where the zoo's ``resolve`` does ``body``."""
    command = [sys.executable, "-c", BROKEN.format(body), "info", "shapes", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | environment)


def reports(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.glob("e2erknn-debug-*.txt")]


def test_a_bug_is_named_in_two_sentences(tmp_path: Path):
    out = broken("return [].pop()", "--json", cwd=tmp_path)
    error = json.loads(out.stdout)["error"]
    assert out.returncode == 1 and "Traceback" not in out.stderr and not reports(tmp_path)
    assert error["what"].startswith("This is a bug in e2erknn: IndexError: pop from empty list (cli/info.py, line ")
    assert out.stderr.splitlines() == [f"Error: {error['what']}", error["fix"]] and "--debug" in error["fix"]


def test_the_report_of_a_bug(tmp_path: Path):
    out = broken("return [].pop()", "--debug", cwd=tmp_path)
    (text,) = reports(tmp_path)
    assert out.returncode == 1 and "Traceback" not in out.stderr and out.stdout == ""
    assert out.stderr.splitlines()[1:] == [
        "Attach the report to an issue.",
        f"Report: {next(tmp_path.glob('e2erknn-debug-*')).name}",
    ]
    for part in ("info shapes --debug", "model = 'shapes'", "exit code: 1", "This is a bug", "IndexError: pop from"):
        assert part in text
    assert 'File "rknn_zoo_e2e/cli/info.py", line' in text  # code by its place in the package
    assert "\ntorch 2." in text and "\nultralytics 8." in text and "\nPython 3." in text and "\nok   system:" in text


@pytest.mark.slow
def test_the_vendors_log_is_in_the_report(tmp_path: Path):
    """A toolkit that fails: the worker, the capture of its output and the way of its log are real."""
    (tmp_path / "fake/rknn").mkdir(parents=True)
    (tmp_path / "fake/rknn/api.py").write_text("print('E vendor: no such op', flush=True)\nraise ValueError('No op')\n")
    paths = os.pathsep.join([str(tmp_path / "fake"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "TMPDIR": str(tmp_path)}
    args = ("convert", "shapes", "--soc", "rk3566", "--calib-images", 2)
    out = run(*args, "--debug", cwd=tmp_path, env=environment)
    (text,) = reports(tmp_path)
    assert out.returncode == 1 and "vendor: no such op" not in out.stderr
    assert "## Log\nE vendor: no such op" in text and "s] shapes: export" in text and "in stage 'start'" in text


def test_nothing_private_is_in_the_report(tmp_path: Path):
    home, work = tmp_path / "José Maria's home", tmp_path / "secret project"
    home.mkdir()
    work.mkdir()
    facts = [
        TOKEN,
        f"Authorization: Bearer {TOKEN[3:]}",
        "rtsp://admin:hunter2@10.0.0.9/1",
        f"{home}/a b.pt",
        str(work),
    ]
    facts += [sys.prefix, "/mnt/customer/x.jpg", f"/tmp/{'x' * 5}", f"{getpass.getuser()}@{socket.gethostname()}:"]
    facts += [f"http://{socket.gethostname()}:3128", f"../{socket.gethostname()}/b.pt"]
    facts += ["https://hub/x?X-Amz-Signature=abcdef12&token=tttt1234"]
    body = f"raise errors.UserError({' '.join(facts)!r}, 'Fix.', {chr(10).join(facts)!r})"
    out = broken(body, "--debug", cwd=work, HOME=str(home), HF_TOKEN=TOKEN, E2ERKNN_WEIGHTS=str(home), TMPDIR=str(home))
    (text,) = reports(work)
    assert out.returncode == 1
    private = (TOKEN, TOKEN[3:], "hunter2", "José", "secret project", str(tmp_path), "customer", "abcdef12", "tttt1234")
    assert [word for word in (*private, *privacy.names()) if word in text] == []
    assert "HF_TOKEN=(set)" in text and "rtsp://(credentials)@10.0.0.9/1" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/model.22/dfl/conv /m/Add", "/model.22/dfl/conv /m/Add"),  # nodes of a graph
        ("/usr/lib/librknnrt.so /dev/dri/card1 https://a.b/home/x", "/usr/lib/librknnrt.so /dev/dri/card1 https://a.b/home/x"),
        ("'/home/ann/My Pictures/a.jpg' and /home/ann/b.jpg:3", "'(path)' and (path):3"),
        ("C:\\Users\\ann\\x.pt", "(path)"),
        ("Authorization: Bearer abc.def, next", "Authorization: Bearer (token), next"),
        ("hf_hub_download failed", "hf_hub_download failed"),
        (f"x{TOKEN} {TOKEN}", f"x{TOKEN} (token)"),
        ("http://u:p@w@h/x@y", "http://(credentials)@h/x@y"),
    ],
)  # fmt: skip
def test_masking(monkeypatch, text, expected):
    monkeypatch.setattr(privacy, "roots", lambda: ("home", "m.", "work"))
    assert without_traces(text) == expected


@pytest.fixture
def called(monkeypatch):
    """A function that gives this user and machine other names, and this user another home."""
    caches = privacy.names, privacy.folders, privacy.roots

    def call(user: str, host: str, home: str = "/home/somebody") -> None:
        monkeypatch.setattr(getpass, "getuser", lambda: user)
        monkeypatch.setattr(socket, "gethostname", lambda: host)
        monkeypatch.setenv("HOME", home)
        for cache in caches:
            cache.cache_clear()

    yield call
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


WORDS = ("model", "a", "root", "rknn", "conv", "rk3566", "int8", "Conv", "cv2", "dfl", "m", "NPU", "RKNN", "D", "0")


@pytest.mark.slow
@pytest.mark.parametrize("home", ["/home/ann", "/model", "/a", "/", "/conv/m", "/home/José Maria's home"])
@pytest.mark.parametrize("word", WORDS)
def test_a_log_says_the_same_whoever_builds(converted: Path, called, word, home):
    """Users, machines and homes may have the names of layers, operators and SoCs."""
    log = (converted / "shapes_rknn_model/shapes-rk3566-int8.log").read_text()
    called("nobody-in-particular", "host-in-particular", "/home/nobody")
    table, masked = layers(log), without_traces(log)
    assert len(table) > 50 and layers(masked) == table
    called(word, word, home)
    assert without_traces(log) == masked
    assert layers(readable(log, home)) == table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.22 of model", "model.22 of model"),
        ("model@conv: ssh model@conv.local", "(name)@(name): ssh (name)@(name).local"),
        ("remodel@convex x-model@conv-2", "remodel@convex x-model@conv-2"),
        ("http://conv:3128/x tcp://conv", "http://(name):3128/x tcp://(name)"),
        ("./model/x.pt ../../model/a b", "./(name)/x.pt ../../(name)/a b"),
        ("../model.22/x ./models/conv.pt", "../model.22/x ./models/conv.pt"),
        ("~model/x.pt and ~/x.pt", "(path) and (path)"),
        ("/scratch/model/x.pt, /dev/shm/model/y", "(path), (path)"),
        (r"\\conv\share\x.pt D:\model\y", "(path) (path)"),
        ("file:///home/model/x", "file://(path)"),
        ("/home/model.", "(path)"),
        ("'/home/José Maria's home/a.pt' /home/José Maria's home/b.pt", "'(path)' (path)"),
        ("/model.22/conv/Conv, model/conv", "/model.22/conv/Conv, model/conv"),
    ],
)
def test_names_are_masked_where_they_are_names(called, text, expected):
    called("model", "conv", "/home/José Maria's home")
    assert without_traces(text) == expected


def test_a_host_is_known_by_its_first_name_too(called):
    called("ann", "conv.example.org")
    assert without_traces("ann@conv ann@conv.example.org") == "(name)@(name) (name)@(name)"


def test_a_token_that_is_none_is_no_secret(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a")
    assert without_traces("a model") == "a model"


@pytest.mark.parametrize(
    ("text", "private", "expected"),
    [
        ("/home/me/x /home/method/x", "/home/me", "./x /home/method/x"),
        ("/model.22/conv /model/x", "/model", "/model.22/conv ./x"),
        ("in /home/me.", "/home/me", "in .."),
        ("/usr/lib/x", "/", "/usr/lib/x"),
        ("/a b/c", "/a b", "./c"),
    ],
)
def test_a_folder_is_left_out_of_a_log_where_it_is_one(text, private, expected):
    assert readable(text, private) == f"{expected}\n"


def test_paths_given_on_the_command_line_stay_there(tmp_path: Path):
    path = tmp_path / "no.pt"
    out = run("info", path, "--debug", cwd=tmp_path)
    (text,) = reports(tmp_path)
    before, _, after = text.partition("## Messages")
    assert out.returncode != 0 and f"info {path} --debug" in before and str(tmp_path) not in after


def test_secrets_given_on_the_command_line_do_not(tmp_path: Path):
    out = run("info", f"rtsp://me:hunter2@cam/{TOKEN}", "--debug", cwd=tmp_path)
    (text,) = reports(tmp_path)
    assert out.returncode == 2 and "hunter2" not in text and TOKEN not in text
    assert "info 'rtsp://cam/***' --debug" in text


def test_success_is_reported_too(tmp_path: Path):
    out = run("list", "shapes", "--json", "--debug", cwd=tmp_path)
    (text,) = reports(tmp_path)
    assert out.returncode == 0 and len(json.loads(out.stdout)) == 4 and out.stderr.startswith("Report: ")
    assert "exit code: 0" in text and "## Traceback" not in text


def test_ctrl_c_says_where_it_hung(tmp_path: Path):
    code = BROKEN.format("print('ready', file=sys.stderr, flush=True); time.sleep(60)")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)" + code
    )  # ignored in background jobs
    command = [sys.executable, "-c", code, "info", "shapes", "--debug"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr and process.stderr.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    (text,) = reports(tmp_path)
    assert process.returncode == 130 and told.startswith("Interrupted") and "Report: " in told
    assert "KeyboardInterrupt" in text and 'File "rknn_zoo_e2e/cli/info.py"' in text


@pytest.fixture
def full_disk(tmp_path: Path):
    """A folder on a file system of its own without a free byte."""
    folder = tmp_path / "full"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True).returncode:
        pytest.skip("a file system of its own needs root")
    try:
        with (folder / "filling").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
    except OSError as error:
        assert error.errno == errno.ENOSPC
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_the_report_where_the_disk_is_full(tmp_path: Path, full_disk: Path):
    spare = tmp_path / "spare"
    spare.mkdir()
    out = run("info", "nope", "--debug", cwd=full_disk, env=os.environ | {"TMPDIR": str(spare)})
    assert out.returncode == 2 and len(reports(spare)) == 1 and str(spare) in out.stderr
    assert [path.name for path in full_disk.iterdir()] == ["filling"]


def test_no_folder_takes_the_report(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(report, "places", lambda: iter([tmp_path / "gone", Path("/proc")]))
    assert report.write_report(report.Run({}, 1, ValueError("so"))) is None
    assert "ValueError: so" in capsys.readouterr().err


def test_a_broken_machine_still_gets_its_report(monkeypatch):
    monkeypatch.setattr(report, "version_of", lambda name: 1 / 0)
    text = report.report(report.Run({"model": Path("x.pt")}, 1, None))
    assert "## Versions\nnot to be had: ZeroDivisionError" in text and "## Machine\n" in text and "model = x.pt" in text


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (UserError("What.", "Fix."), "What."),
        (MemoryError(), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device", "a.png"), "a.png: No space left on device."),
        (PermissionError(errno.EACCES, "Permission denied", "a.png"), "a.png: Permission denied."),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), f"{'a' * 60}: File name too long."),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.png"), "This is a bug"),
        (AssertionError(), "This is a bug in e2erknn: AssertionError (outside its own code)."),
    ],
)
def test_whose_fault_it_is(error, what):
    assert what in explained(error).what and explained(error).exit_code == 1
