"""Every stage of convert goes wrong in every way, for real: what is told, what is left, and whether it works again.

The faults strike in the product's own processes (tests/faults/sitecustomize.py): real exceptions, real signals, real
hangs, a real small disk.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import COMMAND, PATIENCE, run
from support.folders import left_over, small_disk, tree

from rknn_zoo_e2e.bundle.reader import read_bundle

pytestmark = pytest.mark.slow

FAULTS = Path(__file__).parent / "faults"
SLEEPER = b"sleep\x0086399\0"  # what a hanging fault starts, and leaves to others to end
QUICK = ("--calib-images", "2", "--no-verify")
LIMIT = "20"  # seconds: far more than any stage of a starter model takes

# What a fault is told as, after "The preparation" or "The vendor toolkit".
TOLD = {
    "RuntimeError": "failed in stage {stage!r}: RuntimeError: out of order.",
    "MemoryError": "failed in stage {stage!r}: MemoryError: out of order.",
    "exit": "failed in stage {stage!r}: SystemExit: 3.",
    "SIGSEGV": "died in stage {stage!r} with SIGSEGV.",
    "SIGABRT": "died in stage {stage!r} with SIGABRT.",
    "SIGKILL": "died in stage {stage!r} with SIGKILL (often: out of memory).",
    "hang": "was stopped: no progress in stage {stage!r} for " + LIMIT + " s.",
    "-1": "failed in stage {stage!r}: rknn-toolkit2 {call} returned -1 (E build: The layer at fault, as the vendor "
    "names it).",
}
# What each stage calls; a checkpoint just loaded is tried once.
PREPARATION = {"load": "load_checkpoint", "patch": "Detect.forward 2", "export": "export"}
PREPARATION["calibrate"] = "InferenceSession.run"
# A checkpoint a name: a copy of the starter model, at whose preparation this goes wrong.
PREPARED = {
    f"{stage}-{fault}": (stage, fault)
    for stage, faults in {
        "load": ("exit", "SIGSEGV", "SIGKILL"),
        "patch": ("RuntimeError", "SIGSEGV", "SIGKILL"),
        "export": ("RuntimeError", "SIGSEGV", "SIGKILL"),
        "calibrate": ("MemoryError", "SIGABRT", "SIGKILL"),
    }.items()
    for fault in faults
}
TOOLKIT = {"load": "load_onnx", "prepare": "hybrid_quantization_step1", "build": "hybrid_quantization_step2"}
TOOLKIT["verify"] = "inference"
BUILT = {
    "rk3562": ("load", "RuntimeError"),
    "rk3566": ("load", "-1"),
    "rk3568": ("load", "SIGSEGV"),
    "rk3576": ("prepare", "exit"),
    "rk3588": ("build", "RuntimeError"),
    "rv1126b": ("build", "-1"),
    "rv1103": ("build", "SIGABRT"),
    "rv1106": ("build", "SIGKILL"),
    "rv1103b": ("verify", "RuntimeError"),
    "rv1106b": ("verify", "SIGSEGV"),
}
HUNG = {"rk3562": ("load", "hang"), "rk3566": ("build", "hang"), "rk3568": ("verify", "hang")}


def told(who: str, stage: str, fault: str) -> str:
    """The sentence a fault is told in."""
    return f"The {who} {TOLD[fault].format(stage=stage, call=TOOLKIT.get(stage))}"


def faulty(faults: dict[str, tuple[str, str]], calls: dict[str, str]) -> dict[str, str]:
    """The environment in which they happen."""
    ordered = {name: (calls[stage], fault) for name, (stage, fault) in faults.items()}
    toolkit = {name: (f"RKNN.{call}" if calls is TOOLKIT else call, fault) for name, (call, fault) in ordered.items()}
    return {**os.environ, "PYTHONPATH": str(FAULTS), "E2ERKNN_FAULTS": json.dumps(toolkit)}


def begin(*args: object, cwd: Path, **kwargs) -> subprocess.Popen:
    """The CLI in the background."""
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *map(str, args)], cwd=cwd, stdout=pipe, stderr=pipe, text=True, **kwargs)


def socs(names) -> list[str]:
    return [part for name in names for part in ("--soc", name)]


def command_lines() -> list[bytes]:
    """Of every process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def small_tmp() -> Iterator[Path]:
    """A folder for work files of these tests alone, to see what is left in it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def calib(tmp_path_factory, models: Path) -> Path:
    """Two pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("sample.jpg", "sample-pose.jpg"):
        shutil.copy(models / name, folder)
    return folder


@pytest.fixture(scope="module")
def hung_folder(tmp_path_factory) -> Path:
    """Where the toolkit hangs."""
    return tmp_path_factory.mktemp("hung")


@pytest.fixture(scope="module")
def hung(
    tmp_path_factory, models: Path, calib: Path, small_tmp: Path, hung_folder: Path
) -> Iterator[dict[str, subprocess.Popen]]:
    """Conversions that hang, one a stage of the preparation and one for the toolkit's, begun before they are needed."""
    processes = {}
    for stage in PREPARATION:
        folder = tmp_path_factory.mktemp(f"hung-{stage}")
        shutil.copy(models / "weights" / "shapes.pt", folder / "custom.pt")
        environment = faulty({"custom": (stage, "hang")}, PREPARATION) | {"TMPDIR": str(small_tmp)}
        args = ("convert", "custom.pt", "--soc", "rk3566", "--calib", calib, "--no-verify", "--time-limit", LIMIT)
        processes[stage] = begin(*args, cwd=folder, env=environment)
        processes[stage].folder = folder
    environment = faulty(HUNG, TOOLKIT) | {"TMPDIR": str(small_tmp)}
    args = ("convert", "shapes", *socs(HUNG), "--calib-images", 2, "--time-limit", LIMIT, "--jobs", 3, "--json")
    processes["toolkit"] = begin(*args, cwd=hung_folder, env=environment)
    yield processes
    for process in processes.values():
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def prepared(
    hung, building, tmp_path_factory, models: Path, calib: Path
) -> tuple[Path, subprocess.CompletedProcess, dict]:
    """The folder, what the CLI said, and its document by model."""
    folder = tmp_path_factory.mktemp("prepared")
    for name in PREPARED:
        shutil.copy(models / "weights" / "shapes.pt", folder / f"{name}.pt")
    files = [f"{name}.pt" for name in PREPARED]
    args = ("convert", *files, "--soc", "rk3566", "--calib", calib, "--no-verify", "--json")
    before = tree(folder)
    out = run(*args, cwd=folder, env=faulty(PREPARED, PREPARATION))
    assert tree(folder) == before
    return folder, out, {document["model"]: document for document in json.loads(out.stdout)}


@pytest.mark.parametrize("name", PREPARED)
def test_a_fault_while_preparing_is_named_and_leaves_nothing(prepared, name):
    _, out, documents = prepared
    assert out.returncode == 1 and "Traceback" not in out.stderr
    assert documents[name]["error"]["what"] == told("preparation", *PREPARED[name])
    assert f"{len(PREPARED)} of {len(PREPARED)} builds failed" in out.stderr


def test_what_could_not_be_prepared_can_be_with_the_same_command(prepared, calib: Path):
    folder, _, _ = prepared
    files = [f"{name}.pt" for name in PREPARED]
    out = run("convert", *files, "--soc", "rk3566", "--calib", calib, "--no-verify", "--jobs", 2, cwd=folder)
    assert out.returncode == 0 and all((folder / f"{name}_rknn_model").is_dir() for name in PREPARED), out.stderr
    assert not left_over(folder)


@pytest.fixture(scope="module")
def building(tmp_path_factory) -> Iterator[tuple[Path, subprocess.Popen]]:
    """The folder and the process, begun before it is needed."""
    folder = tmp_path_factory.mktemp("built")
    args = ("convert", "shapes", *socs(BUILT), "--calib-images", 2, "--jobs", 2, "--json")
    process = begin(*args, cwd=folder, env=faulty(BUILT, TOOLKIT))
    yield folder, process
    process.kill()


@pytest.fixture(scope="module")
def built(building) -> tuple[Path, int, str, dict]:
    """The folder, exit code, what the CLI said, and its document."""
    folder, process = building
    out, error = process.communicate(timeout=PATIENCE)
    assert not list(folder.iterdir())
    return folder, process.returncode, error, json.loads(out)


@pytest.mark.parametrize("soc", BUILT)
def test_a_fault_of_the_toolkit_is_named_and_leaves_nothing(built, soc):
    _, code, error, document = built
    assert code == 1 and "Traceback" not in error
    assert document["failed"][soc]["what"] == told("vendor toolkit", *BUILT[soc])
    assert "--debug" in document["failed"][soc]["fix"] or "Close other programs" in document["failed"][soc]["fix"]


def test_what_could_not_be_built_can_be_with_the_same_command(built):
    folder, *_ = built
    out = run("convert", "shapes", *socs(BUILT), *QUICK, "--jobs", 2, cwd=folder)
    assert out.returncode == 0, out.stderr
    bundle = read_bundle(folder / "shapes_rknn_model")
    assert [a.soc for a in bundle.artifacts] == list(BUILT) and not left_over(folder)


@pytest.mark.parametrize("stage", PREPARATION)
def test_a_hang_while_preparing_is_cut_off(hung, stage, calib: Path):
    process = hung[stage]
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "Traceback" not in error
    what, fix = error.splitlines()[-2:]
    assert what == "Error: " + told("preparation", stage, "hang") and "--time-limit" in fix
    folder = process.folder
    assert [path.name for path in folder.iterdir()] == ["custom.pt"]
    out = run("convert", "custom.pt", "--soc", "rk3566", "--calib", calib, "--no-verify", cwd=folder)
    assert out.returncode == 0 and not left_over(folder), out.stderr


def test_a_hang_of_the_toolkit_is_cut_off_with_all_it_started(hung, small_tmp: Path, hung_folder: Path):
    out, _ = hung["toolkit"].communicate(timeout=PATIENCE)
    assert hung["toolkit"].returncode == 1
    failed = json.loads(out)["failed"]
    assert [failed[soc]["what"] for soc in HUNG] == [told("vendor toolkit", *HUNG[soc]) for soc in HUNG]
    for process in hung.values():
        process.wait(PATIENCE)
    assert SLEEPER not in command_lines()  # neither SIGTERM ignored nor a child of its own helps it
    assert not list(small_tmp.iterdir()) and not list(hung_folder.iterdir())
    out = run("convert", "shapes", *socs(HUNG), *QUICK, "--jobs", 2, cwd=hung_folder)
    assert out.returncode == 0 and not left_over(hung_folder), out.stderr


def test_a_full_disk_keeps_the_bundle_that_is_there(converted: Path, tmp_path: Path):
    """The old bundle is whole, whatever the new one lacks; with more room it is done."""
    with small_disk(tmp_path / "disk", "size=64m") as disk:
        shutil.copytree(converted / "shapes_rknn_model", disk / "shapes_rknn_model")
        before = tree(disk)
        used = shutil.disk_usage(disk).used
        subprocess.run(["mount", "-o", f"remount,size={used + (600 << 10)}", disk], check=True)
        args = ("convert", "shapes", *socs(("rk3588", "rk3576")), *QUICK, "-o", disk)
        out = run(*args, cwd=tmp_path)
        what, fix = out.stderr.splitlines()[-2:]
        assert out.returncode == 1 and f"No space left to write {disk}/shapes_rknn_model." in what, out.stderr
        assert "-o" in fix and "Traceback" not in out.stderr and tree(disk) == before
        assert "shapes-rk3576-int8: start" not in out.stderr, "no further build is made in vain"
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        out = run(*args, cwd=tmp_path)
        assert out.returncode == 0 and not left_over(disk), out.stderr
        assert [a.soc for a in read_bundle(disk / "shapes_rknn_model").artifacts] == ["rk3566", "rk3588", "rk3576"]


@pytest.mark.parametrize(("calls", "stage"), [(PREPARATION, "export"), (PREPARATION, "calibrate"), (TOOLKIT, "build")])
def test_a_full_disk_for_work_files_is_named(tmp_path: Path, calls, stage):
    with small_disk(tmp_path / "disk", "size=40m") as disk:
        name = "rk3566" if calls is TOOLKIT else "shapes"
        environment = faulty({name: (stage, "fill")}, calls) | {"TMPDIR": str(disk)}
        out = run("convert", "shapes", "--soc", "rk3566", *QUICK, "-o", "out", cwd=tmp_path, env=environment)
        what, fix = out.stderr.splitlines()[-2:]
        assert out.returncode == 1 and what == f"Error: No space left for work files in {disk} (stage {stage!r})."
        assert "TMPDIR" in fix and not list(disk.iterdir()) and not (tmp_path / "out").exists()
        again = {**os.environ, "TMPDIR": str(disk)}  # what filled it is gone
        out = run("convert", "shapes", "--soc", "rk3566", *QUICK, "-o", "out", cwd=tmp_path, env=again)
        assert out.returncode == 0 and not list(disk.iterdir()), out.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_it_clears_up(tmp_path: Path, number):
    """As ``timeout``, a service manager and a closed terminal do it."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = begin("convert", "shapes", "--soc", "rk3566", *QUICK, "-o", "out", cwd=tmp_path, env=environment)
    for line in process.stderr:
        if line.endswith("shapes: load\n"):
            break
    process.send_signal(number)
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number and "Traceback" not in error
    assert not list(temporary.iterdir()) and not (tmp_path / "out").exists()


def test_after_sigkill_of_the_whole_command_the_next_one_clears_up(tmp_path: Path, small_tmp: Path):
    environment = {**os.environ, "TMPDIR": str(small_tmp)}
    args = ("convert", "shapes", "--soc", "rk3566", *QUICK)
    process = begin(*args, cwd=tmp_path, env=environment)
    for line in process.stderr:
        if line.endswith(": prepare\n"):
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(list(small_tmp.iterdir())) == 2, "the model's files and the toolkit's"
    stage = tmp_path / ".shapes_rknn_model.abcd_123"  # as one killed while writing leaves it
    stage.mkdir()
    (stage / "model.onnx").write_bytes(b"half")
    (tmp_path / ".shapes_rknn_model.mine").mkdir()
    kept = small_tmp / "e2erknn-work-of-mine"
    kept.mkdir()
    out = run(*args, cwd=tmp_path, env=environment)
    assert out.returncode == 0, out.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == [".shapes_rknn_model.mine", "shapes_rknn_model"]
    assert list(small_tmp.iterdir()) == [kept], "what is not ours stays"
    kept.rmdir()
