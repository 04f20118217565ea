"""The doctor on fake boards: a healthy file tree with one fault at a time, each named together with its fix."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bundle import made
from support.cli import run

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.boards.environment import Host, Package, fits, read_host, release, requirements
from rknn_zoo_e2e.boards.install import install
from rknn_zoo_e2e.boards.native import Library, how_to_build
from rknn_zoo_e2e.boards.probe import board_soc, read_board, runs_on
from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.runtime.doctor import Finding, examine
from rknn_zoo_e2e.toolkit.versions import known_crash

NOBODY = 65534
RELEASE = "librknnrt version: 2.3.2 (429f97ae6b@2025-04-09T09:09:27)"
HOST = Host("Linux", "aarch64", Package("python", "3.11.2", ">=3.10,<3.13"), ())


def write(root: Path, path: str, content: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content.encode())


def healthy(root: Path) -> Path:
    """An rk3566 as vendors ship it: the NPU is card1 and renderD129 beside the display's card0."""
    write(root, "proc/device-tree/compatible", "radxa,zero3\0rockchip,rk3566\0")
    write(root, "sys/module/rknpu/version", "0.9.8\n")
    write(root, "usr/lib/librknnrt.so", f"\x7fELF\0librknnrt version: %s\0{RELEASE}\0rest")
    for node, driver in {"card0": "rockchip-drm", "card1": "RKNPU", "renderD129": "RKNPU"}.items():
        write(root, f"dev/dri/{node}")
        write(root, f"sys/class/drm/{node}/device/uevent", f"DRIVER={driver}\nOF_NAME=x\n")
    return root


def examined(
    root: Path,
    bundle: Bundle | None = None,
    lite2: str | None = "2.3.2",
    library: Library | None = None,
    host: Host = HOST,
) -> dict[str, Finding]:
    """What is not ok, by name."""
    board = read_board(root, "aarch64", {"rknn-toolkit-lite2": lite2}.get, lambda: library)
    findings = examine(host, board, bundle)
    assert all(bool(f.fix) == (f.state != "ok") for f in findings)
    return {f.name: f for f in findings if f.state != "ok"}


def expect(found: dict[str, Finding], states: dict[str, str], what: str, fix: str) -> None:
    """Exactly these faults; ``what`` and ``fix`` are parts of the first one's."""
    assert {name: finding.state for name, finding in found.items()} == states
    first = found[next(iter(states))]
    assert what in first.what and fix in first.fix


def test_a_healthy_board_has_no_fault(tmp_path: Path):
    root = healthy(tmp_path / "root")
    assert examined(root) == {} == examined(root, made(tmp_path))
    board = read_board(root, "aarch64", {"rknn-toolkit-lite2": "2.3.2"}.get)
    assert board and (board.soc, board.cores, board.driver, board.library_version) == ("rk3566", 1, "0.9.8", "2.3.2")
    assert [node.path for node in board.nodes] == ["/dev/dri/card1", "/dev/dri/renderD129"]


def test_no_driver(tmp_path: Path):
    root = healthy(tmp_path)
    for path in ("sys", "dev"):
        shutil.rmtree(root / path)
    expect(examined(root), {"NPU driver": "fail"}, "no NPU driver", "vendor's kernel")
    (root / "sys/module/rocket").mkdir(parents=True)
    expect(examined(root), {"NPU driver": "fail"}, "rocket", "vendor's kernel")


@pytest.mark.parametrize(
    ("path", "content", "state", "what"),
    [
        ("sys/kernel/debug/rknpu/version", "RKNPU driver: v0.9.6\n", {}, ""),
        ("proc/rknpu/version", "RKNPU driver: v0.8.2\n", {"NPU driver": "warn"}, "0.8.2; librknnrt recommends 0.8.8"),
        ("sys/bus/platform/drivers/RKNPU/bind", "", {"NPU driver": "warn"}, "unreadable (needs root)"),
    ],
)
def test_the_drivers_version_is_found_where_there_is_one(tmp_path: Path, path, content, state, what):
    root = healthy(tmp_path)
    (root / "sys/module/rknpu/version").unlink()
    write(root, path, content)
    found = examined(root)
    assert {name: finding.state for name, finding in found.items()} == state
    assert all(what in finding.what for finding in found.values())


@pytest.mark.parametrize(
    ("version", "with_bundle", "what"),
    [
        ("2.3.0", True, "2.3.0 (/usr/lib/librknnrt.so) is older than the bundle's toolkit, 2.3.2."),
        ("2.0.0b0", False, "2.0.0 (/usr/lib/librknnrt.so) is too old"),
        ("1.4.0", False, "1.4.0 (/usr/lib/librknnrt.so) is too old"),
        ("", False, "no librknnrt.so"),
    ],
)
def test_old_library(tmp_path: Path, version, with_bundle, what):
    root = healthy(tmp_path / "root")
    (root / "usr/lib/librknnrt.so").unlink()
    if version:
        write(root, "usr/lib/librknnrt.so", RELEASE.replace("2.3.2", version))
    found = examined(root, made(tmp_path) if with_bundle else None)
    put = f"Put librknnrt.so {'2.3.2' if with_bundle else '2.3'} or newer into /usr/lib, from https://github.com/"
    expect(found, {"librknnrt": "fail"}, what, put)
    assert "build the bundle again" not in found["librknnrt"].fix  # convert takes no toolkit that old


def test_a_library_where_lite2_does_not_look(tmp_path: Path):
    root = healthy(tmp_path)
    (root / "usr/lib/aarch64-linux-gnu").mkdir()
    (root / "usr/lib/librknnrt.so").rename(root / "usr/lib/aarch64-linux-gnu/librknnrt.so")
    link = "sudo ln -s /usr/lib/aarch64-linux-gnu/librknnrt.so /usr/lib/librknnrt.so"
    expect(examined(root), {"librknnrt": "fail"}, "does not look", link)
    write(root, "usr/lib/librknn_runtime.so")  # taken before librknnrt.so; mmap refuses empty files
    expect(examined(root), {"librknnrt": "warn"}, "/usr/lib/librknn_runtime.so does not tell", "Put librknnrt.so")


def test_wrong_soc(tmp_path: Path):
    root, bundle = healthy(tmp_path / "root"), made(tmp_path)
    bundle.artifacts[0].soc = "rk3588"
    fix = "e2erknn convert x --soc rk3566"
    expect(examined(root, bundle), {"bundle": "fail"}, "nothing for rk3566 (it holds rk3588 int8)", fix)
    bundle.artifacts[0].toolkit = "2.4.1"  # the next one it is built for would be too new as well
    assert set(examined(root, bundle)) == {"librknnrt", "rknn-toolkit-lite2", "bundle"}
    bundle.artifacts[0].soc, bundle.artifacts[0].toolkit = "rk3568", "2.3.2"
    assert examined(root, bundle) == {}
    write(root, "proc/device-tree/compatible", "pine64,rockpro64\0rockchip,rk3399\0")
    expect(examined(root, bundle), {"SoC": "fail"}, "pine64,rockpro64, rockchip,rk3399", "rk3566, rk3568")
    (root / "proc/device-tree/compatible").unlink()
    expect(examined(root), {"SoC": "fail"}, "without a device tree", "-v /proc/device-tree/compatible:")
    assert read_board(root, "x86_64") is None


@pytest.fixture
def shared_root() -> Iterator[Path]:
    """A healthy board in a folder that any user may read, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield healthy(Path(folder))


def as_user(root: Path) -> dict[str, Finding]:
    """What a user without privileges is told: root may open everything."""
    if os.geteuid():
        return examined(root)
    os.seteuid(NOBODY)
    try:
        return examined(root)
    finally:
        os.seteuid(0)


def test_no_permission(shared_root: Path):
    nodes = [shared_root / "dev/dri" / name for name in ("card1", "renderD129")]
    for node in nodes:
        node.chmod(0)
    what, rule = "No permission to read and write /dev/dri/card1, /dev/dri/renderD129.", 'KERNEL=="card1|renderD129"'
    expect(as_user(shared_root), {"NPU device": "fail"}, what, rule)
    nodes[1].chmod(0o666)
    assert as_user(shared_root) == {}


def test_no_permission_outside_the_group(shared_root: Path, monkeypatch):
    for name in ("card1", "renderD129"):
        (shared_root / "dev/dri" / name).chmod(0)
    monkeypatch.setattr(probe, "open_to", lambda path: {"card1": "video", "renderD129": "render"}[path.name])
    fix = "Log in again after: sudo usermod -aG render,video $USER"
    expect(as_user(shared_root), {"NPU device": "fail"}, "No permission", fix)


@pytest.mark.parametrize(("mode", "gid", "group"), [(0o660, 44, "some"), (0o600, 44, ""), (0o660, 0, "")])
def test_the_group_that_may_use_a_node(tmp_path: Path, monkeypatch, mode, gid, group):
    facts = os.stat_result((mode, 0, 0, 1, 0, gid, 0, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda self: facts)
    monkeypatch.setattr(Path, "group", lambda self: "some")
    assert probe.open_to(tmp_path) == group


def test_a_driver_without_a_node_and_a_driver_without_drm(tmp_path: Path):
    root = healthy(tmp_path)
    for name in ("card1", "renderD129"):
        (root / "dev/dri" / name).unlink()
    expect(examined(root), {"NPU device": "fail"}, "no device node", "--device /dev/dri")
    write(root, "dev/rknpu")
    assert examined(root) == {}


def test_a_node_only_udev_knows(tmp_path: Path):
    root = healthy(tmp_path)
    for name in ("card1", "renderD129"):
        write(root, f"sys/class/drm/{name}/device/uevent")
    (root / "dev/dri/by-path").mkdir()
    (root / "dev/dri/by-path/platform-fde40000.npu-render").symlink_to("../renderD129")
    assert [node.path for node in probe.npu_nodes(root)] == ["/dev/dri/renderD129"]


def test_a_container_without_what_lite2_insists_on(tmp_path: Path):
    root = healthy(tmp_path)
    write(root, ".dockerenv")
    assert examined(root) == {}
    (root / "dev/dri/renderD129").rename(root / "dev/dri/renderD128")
    write(root, "sys/class/drm/renderD128/device/uevent", "DRIVER=RKNPU\n")
    expect(examined(root), {"container": "fail"}, "/dev/dri/renderD129", "-v /dev/dri/renderD129:/dev/dri/renderD129")


def test_missing_or_old_lite2(tmp_path: Path):
    root = healthy(tmp_path)
    fix = install("board")
    expect(examined(root, lite2=None), {"rknn-toolkit-lite2": "fail"}, "not installed", fix)
    expect(examined(root, lite2="2.0.0b0"), {"rknn-toolkit-lite2": "fail"}, "2.0.0b0 is not >=2.3.2", fix)


LIBRARY = Library("libe2erknn.so", "0.1.0")
BROKEN = Library(
    "libe2erknn.so", "", "libe2erknn.so is version 0.0.1, and this package is version 0.1.0.", "Build both."
)


def test_the_cpp_library_is_enough(tmp_path: Path):
    """One of the two drives the NPU; what only the other minds is not asked for."""
    root = healthy(tmp_path)
    assert examined(root, lite2=None, library=LIBRARY) == {} == examined(root, library=LIBRARY)
    expect(examined(root, lite2=None, library=BROKEN), {"C++ library": "fail"}, "version 0.0.1", "Build both.")
    expect(examined(root, library=BROKEN), {"C++ library": "warn"}, "version 0.0.1", "Build both.")
    write(root, ".dockerenv")
    (root / "dev/dri/renderD129").unlink()
    (root / "usr/local/lib").mkdir(parents=True)
    (root / "usr/lib/librknnrt.so").rename(root / "usr/local/lib/librknnrt.so")
    assert set(examined(root)) == {"container", "librknnrt"} and examined(root, lite2=None, library=LIBRARY) == {}
    (root / "usr/local/lib/librknnrt.so").rename(root / "usr/lib/librknn_runtime.so")
    found = examined(root, lite2=None, library=LIBRARY)
    expect(found, {"librknnrt": "fail"}, "the C++ library does not look", "/usr/lib/librknnrt.so")


def test_a_python_without_a_runtime_of_the_vendor(tmp_path: Path):
    """There is no rknn-toolkit-lite2 to install, so only the library is named."""
    root, host = healthy(tmp_path), Host("Linux", "aarch64", Package("python", "3.13.5", ">=3.10,<3.15"), ())
    found = examined(root, lite2=None, host=host)
    expect(found, {"rknn-toolkit-lite2": "fail"}, "There is none for Python 3.13.5.", how_to_build())
    assert "pip install" not in found["rknn-toolkit-lite2"].fix
    assert how_to_build() in examined(root, lite2=None)["rknn-toolkit-lite2"].fix


def test_a_pc_whose_python_is_too_new_for_the_toolkit():
    findings = {f.name: f for f in examine(pc(None, python="3.13.5", bounds=">=3.10,<3.15"), None) if f.state != "ok"}
    expect(findings, {"Python": "warn"}, "too new for convert", "Use Python 3.10 to 3.12, such as: python3.12 -m venv")


def test_a_bundle_from_a_newer_toolkit(tmp_path: Path):
    root, bundle = healthy(tmp_path / "root"), made(tmp_path)
    bundle.artifacts[0].toolkit = "2.4.1"
    found = examined(root, bundle)
    states = {"librknnrt": "fail", "rknn-toolkit-lite2": "warn"}
    expect(
        found, states, "older than the bundle's toolkit, 2.4.1", "or build the bundle again with rknn-toolkit2 2.3.2"
    )
    assert "librknnrt.so 2.4.1 or newer" in found["librknnrt"].fix
    assert found["rknn-toolkit-lite2"].fix == "pip install 'rknn-toolkit-lite2>=2.4.1'"
    write(root, "usr/lib/librknnrt.so", RELEASE.replace("2.3.2", "2.4.1"))
    assert set(examined(root, bundle)) == {"rknn-toolkit-lite2"}
    assert examined(root, bundle, "2.5.0") == {}


def test_a_board_without_a_python_runtime(tmp_path: Path):
    root = healthy(tmp_path)
    write(root, "proc/device-tree/compatible", "rockchip,rv1106g-evb\0rockchip,rv1106\0")
    expect(
        examined(root, lite2=None),
        {"rknn-toolkit-lite2": "warn"},
        "does not know rv1106",
        "librknnmrt.so or .a: docs/cpp.md",
    )


@pytest.mark.parametrize(
    ("names", "soc"),
    [
        (["rockchip,rk3588s-orangepi-5", "rockchip,rk3588"], "rk3588"),
        (["xunlong,orangepi-5", "rockchip,rk3588s"], "rk3588"),
        (["radxa,zero3", "rockchip,rk3566"], "rk3566"),
        (["rockchip,rk3568b2-evb"], "rk3568"),
        (["rockchip,rv1106b-evb"], "rv1106b"),
        (["rockchip,rv1106g-evb"], "rv1106"),
        (["raspberrypi,5-model-b", "brcm,bcm2712"], None),
        (["pine64,rockpro64", "rockchip,rk3399"], None),
    ],
)
def test_the_soc_of_a_board(tmp_path: Path, names, soc):
    write(tmp_path, "proc/device-tree/compatible", "".join(f"{name}\0" for name in names))
    assert board_soc(tmp_path) == soc


def test_which_boards_run_a_file():
    assert runs_on("rk3588", "rk3588") and runs_on("rk3566", "rk3568") and runs_on("rk3568", "rk3566")
    assert not runs_on("rk3566", "rk3588") and not runs_on("rv1106", "rv1106b") and not runs_on("rk3566", "")


@pytest.mark.parametrize(
    ("version", "bounds", "inside"),
    [
        ("2.3.2", "<2.5,>=2.3.2", True),
        ("2.3", ">=2.3.0", True),
        ("2.3.0", "<=2.3", True),
        ("2.4.0+cpu", "<=2.4.0,>=1.10.1", True),
        ("82.0.1", "<82", False),
        ("1.19.0", "<1.19,>=1.16.1", False),
        ("2.10", ">=2.9", True),
        ("1.0", "!=1.0", False),
        ("1.0", "", True),
        ("", ">=1.0", False),
        ("1.0", "~=2.3", False),
        ("2.3.2", "~=2.3", True),
        ("3.0", "~=2.3", False),
        ("2.3.2", "~=2.3.1", True),
        ("2.4.0", "~=2.3.1", False),
        ("2.3.2", "==2.3.*", True),
        ("2.30.1", "==2.3.*", False),
        ("2.3.2", "!=2.3.*", False),
        ("1.0", "===1.0", True),
        ("2.3.0b0", ">=2.3.0", True),  # the vendor's own way to number what it releases
        ("2.3.0 (c949ad889d@2024-11-07T11:35:33)", ">=2.3.0,<2.4", True),
    ],
)
def test_versions_in_bounds(version, bounds, inside):
    assert fits(version, bounds) == inside


def test_releases_are_compared_by_their_numbers():
    assert release("2.3.0b0") == release("2.3") and release("0.9.8") > release("0.9.2") > release("") == release("0")
    assert release("0.9.10") > release("0.9.9")


def test_the_bounds_are_those_of_the_packages_own_metadata():
    assert requirements("rknn-zoo-e2e", "board") == {"rknn-toolkit-lite2": ">=2.3.2"}
    assert requirements("rknn-zoo-e2e", "convert")["setuptools"] == "<82"
    assert "numpy" in requirements("rknn-zoo-e2e") and requirements("no-such-package") == {}
    packages = {package.name: package for package in read_host().packages}
    assert packages["torch"].bounds and fits(packages["torch"].version or "", packages["torch"].bounds)


def pc(toolkit: str | None, system: str = "Linux", python: str = "3.11.2", bounds: str = ">=3.10,<3.13") -> Host:
    packages = Package("rknn-toolkit2", toolkit, "<2.5,>=2.3.2"), Package("setuptools", "82.0", "<82")
    return Host(system, "x86_64", Package("python", python, bounds), packages)


@pytest.mark.parametrize(
    ("host", "states", "fix"),
    [
        (pc(None), {"rknn-toolkit2": "warn", "setuptools": "warn"}, install("convert")),
        (pc("2.3.2"), {"setuptools": "fail"}, "pip install 'setuptools<82'"),
        (pc("2.3.0"), {"rknn-toolkit2": "fail", "setuptools": "fail"}, "pip install 'rknn-toolkit2<2.5,>=2.3.2'"),
        (pc(None, "Darwin"), {"system": "warn"}, install("onnx")),
        (pc(None, "Darwin", "3.13.1"), {"Python": "fail", "system": "warn"}, "Use Python 3.10 to 3.12."),
    ],
)
def test_a_pc(host, states, fix):
    findings = examine(host, None)
    assert findings[0] == Finding("board", "ok", "This is no Rockchip board.")
    expect({f.name: f for f in findings if f.state != "ok"}, states, "", fix)


def test_the_command_on_this_machine(tmp_path: Path):
    bundle = made(tmp_path)
    out = run("doctor", "--json", cwd=tmp_path)
    document = json.loads(out.stdout)
    assert set(document) == {"board", "findings", "ok"} and out.returncode == (0 if document["ok"] else 1)
    assert all(set(finding) == {"name", "state", "what", "fix"} for finding in document["findings"])
    assert document["findings"][-1]["name"] == "bundle"  # the newest one here
    (bundle.path / "metadata.yaml").write_text("format_version: 1")
    out = run("doctor", bundle.path, cwd=tmp_path, env=os.environ | {"COLUMNS": "400"})
    assert out.returncode == 1 and "To fix bundle:" in out.stdout and "has bundle format 1" in out.stdout
    assert "Python" in out.stdout and not out.stderr


def test_the_command_on_a_board(tmp_path: Path):
    """The whole way on a fake board; on a PC rknn-toolkit-lite2 is not installed, so there is a fault."""
    code = (
        "import sys; from pathlib import Path; from rknn_zoo_e2e import cli; from rknn_zoo_e2e.boards import probe;"
        "read = probe.read_board;"
        "probe.read_board = lambda: read(Path(sys.argv.pop()), version_of=lambda name: None); cli.main()"
    )
    command = [sys.executable, "-c", code, "doctor"]
    root = healthy(tmp_path / "root")
    out = subprocess.run([*command, "--json", "--", root], capture_output=True, text=True, cwd=tmp_path, check=False)
    document = json.loads(out.stdout)
    assert out.returncode == 1 and document["board"]["soc"] == "rk3566"
    assert next(f["name"] for f in document["findings"] if f["state"] == "fail") == "rknn-toolkit-lite2"


def test_nothing_heavy_is_loaded():
    heavy = {"torch", "cv2", "onnx", "ultralytics"}
    code = f"import sys, rknn_zoo_e2e.runtime.doctor; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def another_toolkit(folder: Path, version: str) -> dict[str, str]:
    """An environment in which rknn-toolkit2 says it is ``version``, and fails when it is asked to do anything."""
    info = folder / f"rknn_toolkit2-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rknn-toolkit2\nVersion: {version}\n")
    (folder / "rknn").mkdir()
    (folder / "rknn/api.py").write_text("raise IndexError('list index out of range')\n")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "state", "what", "refused", "fix"),
    [
        ("2.3.0", "fail", "2.3.0 is not ", "2.3.0 is installed; this was tried with >=2.3.2,<2.6", "the usual one"),
        ("2.6.0", "fail", "2.6.0 is not ", "2.6.0 is installed; this was tried with >=2.3.2,<2.6", "the usual one"),
        (
            "2.5.0",
            "warn",
            "needs librknnrt 2.5.0",
            "in stage 'start': IndexError: list index out of range",
            "is rknn-toolkit2 2.5.0",
        ),
    ],
)
def test_another_toolkit_is_told_and_refused(tmp_path: Path, version, state, what, refused, fix):
    environment = another_toolkit(tmp_path / "site", version)
    out = run("doctor", "--json", cwd=tmp_path, env=environment)
    (finding,) = (f for f in json.loads(out.stdout)["findings"] if f["name"] == "rknn-toolkit2")
    assert finding["state"] == state and what in finding["what"] and "pip install 'rknn-toolkit2" in finding["fix"]
    out = run("convert", "shapes", "--soc", "rk3566", "--calib-images", 2, cwd=tmp_path, env=environment)
    assert out.returncode == 1 and refused in out.stderr and "Traceback" not in out.stderr
    assert fix in out.stderr and "pip install 'rknn-toolkit2==2.3.2'" in out.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_the_simulator_of_another_toolkit_is_no_stand_in(tmp_path: Path, monkeypatch):
    from rknn_zoo_e2e.runtime.simulator import SimulatorRuntime

    another_toolkit(tmp_path / "site", "2.5.0")
    monkeypatch.syspath_prepend(tmp_path / "site")
    bundle = made(tmp_path)
    with pytest.raises(UserError, match=r"built with rknn-toolkit2 2\.3\.2; the simulator of 2\.5\.0") as caught:
        SimulatorRuntime(bundle, bundle.artifacts[0])
    assert "--backend onnx" in caught.value.fix


@pytest.mark.parametrize(
    ("version", "operators", "crashes"),
    [
        ("2.5.0", {"Conv", "Softmax"}, True),
        ("2.5.0", {"Conv"}, False),
        ("2.3.2", {"Conv", "Softmax"}, False),
    ],
)
def test_a_crash_that_is_known_is_not_suffered(tmp_path: Path, monkeypatch, version, operators, crashes):
    another_toolkit(tmp_path, version)
    monkeypatch.syspath_prepend(tmp_path)
    told = f"rknn-toolkit2 {version} crashes on attention (Softmax) for rv1106"
    assert known_crash(operators, "rv1106") == (told if crashes else "")


@pytest.mark.parametrize(
    ("bundles", "library", "lite2", "states"),
    [
        ("2.3.2", "2.5.0", "2.5.0", {}),
        ("2.3.2", "2.5.0", "2.3.2", {}),
        ("2.5.0", "2.5.0", "2.5.0", {}),
        ("2.5.0", "2.5.0", "2.3.2", {"rknn-toolkit-lite2": "warn"}),
        ("2.5.0", "2.3.2", "2.5.0", {"librknnrt": "fail"}),
        ("2.5.0", "2.3.2", "2.3.2", {"librknnrt": "fail", "rknn-toolkit-lite2": "warn"}),
    ],
)
def test_what_built_the_bundle_against_what_runs_it(tmp_path: Path, bundles, library, lite2, states):
    root, bundle = healthy(tmp_path / "root"), made(tmp_path)
    bundle.artifacts[0].toolkit = bundles
    write(root, "usr/lib/librknnrt.so", RELEASE.replace("2.3.2", library))
    found = examined(root, bundle, lite2)
    assert {name: finding.state for name, finding in found.items()} == states
    if "librknnrt" in states:
        assert "librknnrt.so 2.5.0 or newer" in found["librknnrt"].fix
        assert "build the bundle again with rknn-toolkit2 2.3.2" in found["librknnrt"].fix


@pytest.mark.parametrize(
    ("temporary", "free", "state", "what"),
    [
        ("/tmp", 50e9, "ok", "/tmp"),
        ("/tmp", 0.2e9, "warn", "Only 0.2 GB are free for temporary files in /tmp."),
        ("", 0, "fail", "no folder for temporary files"),
    ],
)
def test_room_for_temporary_files(temporary, free, state, what):
    host = Host("Linux", "x86_64", Package("python", "3.11.2", ">=3.10,<3.13"), (), temporary, free)
    found = examine(host, None)[-1]
    assert (
        (found.name, found.state) == ("disk", state)
        and what in found.what
        and (state == "ok") != ("TMPDIR" in found.fix)
    )
