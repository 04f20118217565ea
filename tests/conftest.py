"""Shared fixtures: the starter models, a photograph, and the larger weights and data where they are at hand."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from support.folders import written

ROOT = Path(__file__).parent.parent
SHARED: dict[Path, dict[str, tuple[int, int]]] = {}  # folders that tests share, as they were made


def pytest_configure() -> None:
    """Started in the background or under ``nohup``, we ignore these two, and so would every program a test starts.

    What has a handler of Python here has the system's own treatment in a new program.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, lambda *_: None)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for builds, of real models or of the C++ part, is slow, whichever test has them made."""
    builds = {"converted", "resumed", "weights", "data"}
    for item in items:
        cpp = item.path.is_relative_to(ROOT / "tests" / "cpp")
        if builds & set(getattr(item, "fixturenames", ())) or cpp:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)  # there may be no pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """See there."""
    from support.scheduling import Scheduling

    return Scheduling(config, log)


def shared_folder(variable: str) -> Path:
    """The folder an environment variable names; skips without it, fails where it is promised."""
    folder = os.environ.get(variable)
    if folder and Path(folder).is_dir():
        return Path(folder).resolve()
    if os.environ.get("E2ERKNN_REQUIRE_SHARED"):
        pytest.fail(f"{variable} does not name a folder")
    pytest.skip(f"{variable} is not set")


@pytest.fixture(scope="session")
def weights() -> Path:
    return shared_folder("E2ERKNN_WEIGHTS")


@pytest.fixture(scope="session")
def data() -> Path:
    return shared_folder("E2ERKNN_DATA")


@pytest.fixture(scope="session")
def models() -> Path:
    return ROOT / "models"


@pytest.fixture(scope="session")
def bus() -> Path:
    """Ultralytics' picture of a bus and four persons."""
    from ultralytics.utils import ASSETS

    return ASSETS / "bus.jpg"


@pytest.fixture(scope="session")
def converted(tmp_path_factory) -> Path:
    """A folder with a bundle of every starter model for rk3566, made through the CLI, and what it reported."""
    from support.cli import run

    folder = tmp_path_factory.mktemp("bundles")
    names = ("shapes", "shapes-pose", "shapes-seg", "shapes-obb")
    out = run("convert", *names, "--soc", "rk3566", "--calib-images", 8, "--json", cwd=folder)
    assert out.returncode == 0, out.stderr
    (folder / "report.json").write_text(out.stdout)
    SHARED[folder] = written(folder)
    return folder


@pytest.fixture(autouse=True)
def shared_bundles_stay_as_they_are(request: pytest.FixtureRequest):
    """A test that writes takes a copy: who comes next counts on what was converted."""
    yield
    for folder, before in SHARED.items():
        assert written(folder) == before, f"{request.node.nodeid} wrote into the bundles that all tests share"


@pytest.fixture(scope="session")
def resumed(tmp_path_factory):
    """Two starter models for three SoCs: Ctrl-C after two of six builds, then once more."""
    from support.cli import run
    from support.interrupted import SIX, Resumed, stop_after

    folder = tmp_path_factory.mktemp("resumed")
    args = ("convert", *SIX, "--calib-images", "4")
    interrupted = stop_after(signal.SIGINT, 2, args, folder)
    kept = tuple(path.name for path in sorted(folder.glob("*/*.rknn")))
    again = run(*args, "--jobs", "2", "--json", cwd=folder)
    return Resumed(folder, interrupted, kept, again)


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """A working folder, an empty cache, no folder of weights, and no network."""
    for name in ("E2ERKNN_WEIGHTS", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # where the client was imported before
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def mirror():
    """A server on this machine that stands for the Hub and for Ultralytics' releases."""
    from support.mirror import Mirror

    server = Mirror()
    yield server
    server.shutdown()
    server.server_close()
