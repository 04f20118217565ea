"""Many builds in one command: patterns, failures among them, interruptions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from rich.console import Console
from support.cli import run
from support.interrupted import stop_after

from rknn_zoo_e2e.boards.soc import SOCS, find_soc
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.cli import end
from rknn_zoo_e2e.cli.ui import live
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.conversion.build import BuildResult
from rknn_zoo_e2e.conversion.interrupt import held_back, wait_until
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.pipeline import convert_all
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.zoo import Source, resolve
from rknn_zoo_e2e.zoo.selection import select

pytestmark = pytest.mark.slow


def test_after_ctrl_c_the_same_command_goes_on(resumed):
    assert resumed.interrupted.returncode == 130 and "2 of 6 builds are finished and kept" in resumed.interrupted.stderr
    assert resumed.kept == ("shapes-rk3566-int8.rknn", "shapes-rk3588-int8.rknn")
    assert resumed.again.returncode == 0, resumed.again.stderr
    documents = json.loads(resumed.again.stdout)
    assert [d["model"] for d in documents] == ["shapes", "shapes-pose"]
    assert [[a["soc"] for a in d["artifacts"]] for d in documents] == [["rk3566", "rk3588", "rv1106"]] * 2
    assert tuple(name for d in documents for name in d["reused"]) == resumed.kept
    assert resumed.again.stderr.count(": done") == 4
    for document in documents:  # what was kept and what was added make one bundle
        bundle = read_bundle(resumed.folder / document["bundle"])
        assert (
            len({(a.graph, a.calibration) for a in bundle.artifacts}) == 2 and bundle.onnx.is_file()
        )  # rv1106: its own
        assert len({a.calibration for a in bundle.artifacts if not a.graph}) == 1
        assert all(a.parity["passed"] for a in bundle.artifacts)


def test_after_sigkill_the_same_command_goes_on(tmp_path: Path):
    socs = [part for soc in SOCS.values() if soc.fp16 for part in ("--soc", soc.name)]
    assert len(socs) == 12
    args = ("convert", "shapes", *socs, "--precision", "fp16", "--no-verify", "--calib-images", "4", "--json")
    killed = stop_after(signal.SIGKILL, 2, args, tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert len(read_bundle(tmp_path / "shapes_rknn_model").artifacts) == 2
    again = run(*args, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(json.loads(again.stdout)["reused"]) == 2 and again.stderr.count(": done") == 4


def test_a_pattern_means_models_of_the_zoo(converted: Path, tmp_path: Path):
    out = run("convert", "shapes*", "shapes", "--soc", "rk3566", "--calib-images", 8, "-o", converted, cwd=tmp_path)
    assert out.returncode == 0 and "4 reused" in out.stdout, out.stderr
    out = run("convert", "shapez*", "--soc", "rk3566", cwd=tmp_path)
    assert out.returncode == 2 and "Did you mean shapes" in out.stderr


def test_arguments_are_names_paths_and_patterns(tmp_path: Path):
    nano = {"yolov8n", "yolov8n-seg", "yolov8n-pose", "yolov8n-obb"}
    found = select(["yolov8n*", "shapes", "yolov8n"])
    assert set(found[:4]) == nano and found[4:] == ["shapes"]
    assert select(["yolo11?"]) == [f"yolo11{size}" for size in "nsmlx"]
    assert select([str(tmp_path / "[best].pt")]) == [str(tmp_path / "[best].pt")]
    with pytest.raises(UsageError, match="Did you mean yolov8n-pose"):
        select(["yolo8n-pose*"])


def test_json_of_several_with_a_failure_is_one_document(converted: Path, tmp_path: Path):
    shutil.copytree(converted / "shapes_rknn_model", tmp_path / "shapes_rknn_model")
    (tmp_path / "bad.pt").write_bytes(b"no checkpoint")
    args = ("convert", "bad.pt", "shapes", "yolov8x", "--soc", "rk3566", "--calib-images", 8, "--json")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "E2ERKNN_WEIGHTS": "", "XDG_CACHE_HOME": str(tmp_path)}
    out = run(*args, cwd=tmp_path, env=environment | {"HF_HOME": str(tmp_path)})
    assert out.returncode == 1 and "2 of 3 builds failed" in out.stderr
    bad, shapes, absent = json.loads(out.stdout)
    assert bad["model"] == "bad" and "--calib" in bad["error"]["fix"]
    assert shapes["reused"] == ["shapes-rk3566-int8.rknn"] and not shapes["failed"]
    assert absent["model"] == "yolov8x" and "HF_HUB_OFFLINE" in absent["error"]["what"]


class StandIn:
    """Builds nothing: writes the SoC's name, fails where it is told to, and counts."""

    def __init__(self, width: int = 1, failing: tuple[str, ...] = ()) -> None:
        self.width, self.ahead, self.failing = width, width - 1, failing
        self.built: list[str] = []
        self.busy = self.most = 0
        self.lock = threading.Lock()

    def check(self) -> None:
        pass

    def run(self, build, on_stage, cancelled) -> BuildResult:
        with self.lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        time.sleep(0.3)
        with self.lock:
            self.busy -= 1
        if build.job.soc in self.failing:
            raise UserError("The vendor toolkit died.", "Run the same command again.")
        self.built.append(build.rknn.stem)
        build.rknn.write_text(build.job.soc)
        return BuildResult(build.job.ranges, "0", "log", {"npu": 1, "cpu": [], "traffic_kb": 1, "cycles": 1}, {}, {})


def test_a_failure_stops_neither_other_builds_nor_other_models(tmp_path: Path):
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no checkpoint")
    sources = [resolve("shapes"), Source(broken, "broken"), resolve("shapes-obb")]
    socs = tuple(map(find_soc, ("rk3566", "rk3588", "rv1126b")))
    options = Options(socs, "fp16", calib_images=2, out=tmp_path / "out", verify=False)
    executor = StandIn(2, failing=("rk3588",))
    shapes, bad, obb = convert_all(sources, options, executor=executor)
    assert executor.most == 2
    for one in (shapes, obb):
        assert [a.soc for a in one.wanted] == ["rk3566", "rv1126b"] and list(one.failed) == ["rk3588"]
        assert one.bundle and read_bundle(one.bundle.path).artifacts == one.wanted
    assert bad.error and set(bad.failed) == {"rk3566", "rk3588", "rv1126b"} and "broken.pt" in bad.error.what
    healed = StandIn()
    again = convert_all([sources[0], sources[2]], options, executor=healed)
    assert healed.built == ["shapes-rk3588-fp16", "shapes-obb-rk3588-fp16"]
    assert [len(c.reused) for c in again] == [2, 2] and all(c.passed for c in again)


def test_two_models_of_one_name_are_refused(tmp_path: Path):
    sources = [Source(tmp_path / "a" / "best.pt", "best"), Source(tmp_path / "b" / "best.pt", "best")]
    with pytest.raises(UsageError, match="named best"):
        convert_all(sources, Options((find_soc("rk3566"),)))


def test_the_table_shows_what_matters_where_not_all_fits(monkeypatch):
    console = Console(width=100, height=9, force_terminal=False, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    monkeypatch.setattr(live, "stderr", lambda: console)
    table = live.BuildTable(Output())
    table.expect("m", [f"m-soc{i}-int8" for i in range(5)])
    table.stage("m", "export")
    table.done("m-soc0-int8", reused=True)
    table.done("m-soc1-int8", UserError("It broke.", "Mend it."))
    table.stage("m-soc2-int8", "build", 0.5)
    console.print(table.render())
    text = console.export_text()
    assert "It broke." in text and "build" in text and "reused" not in text.split("1 under way")[0]
    assert "1 under way, 1 failed, 2 waiting, 1 reused; 2 not shown" in text
    assert table.finished == 1


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_ends_the_wait_and_strikes_nowhere_else(number, raised):
    """Raised where it strikes, it leaves a future locked now and then, and its build never ends."""
    event, future = threading.Event(), Future()
    own = signal.signal(signal.SIGTERM, end)
    try:
        with held_back(event) as check:
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            assert event.is_set()
            with pytest.raises(raised):
                wait_until([future], 0, check)
            future.set_result(None)
            with pytest.raises(raised):
                check()
        with pytest.raises(raised):
            os.kill(os.getpid(), number)
            time.sleep(1)
    finally:
        signal.signal(signal.SIGTERM, own)
