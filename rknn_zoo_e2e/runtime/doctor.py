"""From the facts about this machine to what fits, what does not, and the fix."""

from __future__ import annotations

from dataclasses import dataclass

from rknn_zoo_e2e.boards.environment import TOOLKITS, Host, Package, fits, release, requirements
from rknn_zoo_e2e.boards.install import PROJECT, install, offered, remedy
from rknn_zoo_e2e.boards.native import remedy_for_board
from rknn_zoo_e2e.boards.probe import Board, runs_on
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.tasks.contract import DEFAULT

# What librknnrt 1.5.2 to 2.3 recommends in its log; they do run on 0.8.2 and say so.
RECOMMENDED_DRIVER = "0.8.8"
# Older ones refuse, or run with warnings, what rknn-toolkit2 2.3 builds ("Invalid RKNN model version 6").
OLDEST_LIBRARY = "2.3"
# Bytes for the temporary files of a build: yolov8n's are 0.13 GB (measured), and size x has twenty times its weights.
MIN_FREE_BYTES = 3e9

LIBRARY_URL = "https://github.com/airockchip/rknn-toolkit2/tree/master/rknpu2/runtime/Linux/librknn_api/aarch64"
IN_CPP = f"Run the .rknn in C++, with the SDK's librknnmrt.so or .a: docs/cpp.md in a clone of {PROJECT} tells how."
UDEV_RULE = (
    """echo 'KERNEL=="{}", GROUP="video", MODE="0660"' | sudo tee /etc/udev/rules.d/99-npu.rules """
    "&& sudo udevadm trigger && "
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        state: "ok", "warn" (something optional is missing, or may go wrong) or "fail".
        what: what was found, a sentence or a version.
        fix: what to do, "" where it is ok.
    """

    name: str
    state: str
    what: str
    fix: str = ""


def examine(host: Host, board: Board | None, bundle: Bundle | None = None) -> list[Finding]:
    """What fits: of the board where this is one (and whether it runs ``bundle``), else of the PC for ``convert``."""
    if board is None:
        findings = [Finding("board", "ok", "This is no Rockchip board."), *of_host(host)]
        return findings + (
            [Finding("bundle", "ok", f"{bundle.path.name} is for {bundle.held}{reader(bundle)}.")] if bundle else []
        )
    findings = [of_soc(board), of_python(host), of_driver(board), *of_nodes(board)]
    fitting = [a for a in bundle.artifacts if runs_on(a.soc, board.soc or "")] if bundle else []
    if board.soc in SOCS and not SOCS[board.soc].python:
        what = f"Rockchip's Python runtime does not know {board.soc}."
        findings.append(Finding("rknn-toolkit-lite2", "warn", what, IN_CPP))
    else:
        # What does not run here, for its SoC, still tells with which toolkit this user builds.
        toolkit = newest_toolkit(fitting or (bundle.artifacts if bundle else []))
        findings += [of_library(board, toolkit), *of_runtimes(host, board, toolkit)]
    if bundle and board.soc:
        findings.append(of_bundle(bundle, board, fitting))
    return findings


def of_soc(board: Board) -> Finding:
    """Whether the board has an NPU known here."""
    if board.soc:
        return Finding("SoC", "ok", f"{board.soc}, {board.cores} NPU core{'s' if board.cores > 1 else ''}")
    known = f"Use a board with one of: {', '.join(SOCS)}; or without an NPU: {install('onnx')}"
    if board.compatible:
        return Finding("SoC", "fail", f"No SoC with a known NPU: {board.compatible}.", known)
    mount = "In a container, start it with -v /proc/device-tree/compatible:/proc/device-tree/compatible. "
    return Finding("SoC", "fail", "Linux on aarch64 without a device tree: no Rockchip board.", mount + known)


def of_driver(board: Board) -> Finding:
    """The NPU's driver in the kernel."""
    name, kernel = "NPU driver", "Boot the board vendor's kernel: the driver (rknpu) is a part of it."
    if not board.has_driver and board.mainline:
        return Finding(name, "fail", "Mainline's driver (rocket) has the NPU; librknnrt cannot use it.", kernel)
    if not board.has_driver:
        return Finding(name, "fail", "There is no NPU driver.", kernel + " If it is a module: sudo modprobe rknpu")
    if board.driver is None:
        return Finding(name, "warn", "present, version unreadable (needs root)", "See it with: sudo e2erknn doctor")
    if release(board.driver) < release(RECOMMENDED_DRIVER):
        what = f"{board.driver}; librknnrt recommends {RECOMMENDED_DRIVER} or newer."
        return Finding(name, "warn", what, "Update the board's image or kernel: the driver is a part of it.")
    return Finding(name, "ok", board.driver)


def of_nodes(board: Board) -> list[Finding]:
    """Whether this user, and a container, may reach the NPU's device; nothing where there is no driver."""
    name, findings = "NPU device", []
    if board.not_in_container and not board.by_library:
        mounts = " ".join(f"-v {path}:{path}" for path in board.not_in_container)
        what = f"rknn-toolkit-lite2 refuses containers without {' and '.join(board.not_in_container)}."
        findings.append(Finding("container", "fail", what, f"Start the container with --device /dev/dri {mounts}"))
    shut, usable = [n for n in board.nodes if not n.usable], [n.path for n in board.nodes if n.usable]
    if usable:  # the driver takes the same requests on its card and on its render node
        findings.append(Finding(name, "ok", f"{', '.join(usable)} may be read and written."))
    elif shut:
        groups = sorted({node.group for node in shut if node.group})
        rule = "" if groups else UDEV_RULE.format("|".join(node.path.rpartition("/")[2] for node in shut))
        what = f"No permission to read and write {', '.join(node.path for node in shut)}."
        fix = f"Log in again after: {rule}sudo usermod -aG {','.join(groups) or 'video'} $USER"
        findings.append(Finding(name, "fail", what, fix))
    elif board.has_driver:
        what = "The driver has no device node (/dev/dri/renderD129 on most boards, /dev/rknpu on some)."
        fix = "In a container, start it with --device /dev/dri; else see: sudo dmesg | grep -i npu"
        findings.append(Finding(name, "fail", what, fix))
    return findings


def of_library(board: Board, toolkit: str) -> Finding:
    """Whether librknnrt is found and loads what ``toolkit`` (a version, "" for any) builds."""
    name, put = "librknnrt", f"Put librknnrt.so {toolkit or OLDEST_LIBRARY} or newer into /usr/lib, from {LIBRARY_URL}"
    if board.library is None:
        return Finding(name, "fail", "There is no librknnrt.so.", put)
    who, looks = "rknn-toolkit-lite2", board.loadable
    if board.by_library:  # the linker's places are the distribution's, and it goes by the name
        who, looks = "the C++ library", board.library.endswith("/librknnrt.so")
    if not looks:
        link = f"sudo ln -s {board.library} /usr/lib/librknnrt.so"
        return Finding(name, "fail", f"{board.library} is where {who} does not look.", link)
    if board.library_version is None:
        return Finding(name, "warn", f"{board.library} does not tell its version.", put)
    found = f"{board.library_version} ({board.library})"
    if release(board.library_version) < release(toolkit):
        # convert takes a range of toolkits, so an older one is a way out where it is in that range.
        again = f"; or build the bundle again with rknn-toolkit2 {board.library_version}"
        fix = put + (again if fits(board.library_version, TOOLKITS) else "")
        return Finding(name, "fail", f"{found} is older than the bundle's toolkit, {toolkit}.", fix)
    if release(board.library_version) < release(OLDEST_LIBRARY):
        return Finding(name, "fail", f"{found} is too old for what rknn-toolkit2 {OLDEST_LIBRARY} builds.", put)
    return Finding(name, "ok", found)


def of_runtimes(host: Host, board: Board, toolkit: str) -> list[Finding]:
    """What drives the NPU, rknn-toolkit-lite2 or the C++ library: one of them is enough."""
    python = host.python.version or ""
    if board.lite2 is None and board.native is None:
        what = "It is not installed." if offered("board", python) else f"There is none for Python {python}."
        return [Finding("rknn-toolkit-lite2", "fail", what, remedy_for_board(python))]
    findings = [] if board.lite2 is None else [of_lite2(board.lite2, toolkit)]
    if library := board.native:
        what, broken = f"{library.version} ({library.name})", "fail" if board.by_library else "warn"
        findings.append(Finding("C++ library", broken if library.fault else "ok", library.fault or what, library.fix))
    return findings


def of_lite2(version: str, toolkit: str) -> Finding:
    """Rockchip's Python runtime, against the ``board`` extra and ``toolkit`` (a version, "" for any)."""
    name, again = "rknn-toolkit-lite2", install("board")
    bounds = requirements("rknn-zoo-e2e", "board").get(name, "")
    if not fits(version, bounds):
        return Finding(name, "fail", f"{version} is not {bounds}.", again)
    if release(version) < release(toolkit):
        # Only a warning: librknnrt reads the model, this just calls it; Rockchip releases them in pairs.
        what = f"{version} is older than the bundle's toolkit, {toolkit}."
        return Finding(name, "warn", what, f"pip install 'rknn-toolkit-lite2>={toolkit}'")
    return Finding(name, "ok", version)


def of_bundle(bundle: Bundle, board: Board, fitting: list[Artifact]) -> Finding:
    """Whether the board, one with a known SoC, runs it; ``fitting`` are its artifacts that do."""
    if not fitting:
        what = f"{bundle.path.name} holds nothing for {board.soc} (it holds {bundle.held})."
        fix = f"Build it on a PC with: e2erknn convert {bundle.spec.name} --soc {board.soc}"
        return Finding("bundle", "fail", what, fix)
    what = ", ".join(f"{a.soc} {a.precision} (rknn-toolkit2 {a.toolkit})" for a in fitting)
    return Finding("bundle", "ok", f"{bundle.path.name} has {what}{reader(bundle)}.")


def reader(bundle: Bundle) -> str:
    """Whose program its outputs are for, where they are not ours."""
    return "" if bundle.spec.contract == DEFAULT else f", with outputs for {bundle.spec.contract}"


def of_python(host: Host, extra: str = "") -> Finding:
    """Python, against this package's metadata, and whether what an extra brings exists for it."""
    version = host.python.version or ""
    if not fits(version, host.python.bounds):
        return Finding("Python", "fail", f"{version} is not {host.python.bounds}.", "Use Python 3.10 to 3.12.")
    if extra and not offered(extra, version):
        return Finding("Python", "warn", f"{version} is too new for {extra}.", remedy(extra, python=version))
    return Finding("Python", "ok", version)


def of_host(host: Host) -> list[Finding]:
    """Of a PC: everything but Python itself is needed by ``convert`` and the simulator only."""
    here = f"{host.system} {host.machine}"
    if here != "Linux x86_64":
        what, onnx = f"{here}: rknn-toolkit2 runs on Linux x86_64 only.", install("onnx")
        fix = f"Convert in Docker or a VM; {onnx} runs a bundle's model.onnx here."
        return [of_python(host), Finding("system", "warn", what, fix)]
    toolkit = any(p.version for p in host.packages if p.name == "rknn-toolkit2")
    packages = [of_package(package, toolkit) for package in host.packages]
    if not offered("convert", host.python.version or ""):
        packages = []  # the Python that they exist for comes first
    return [of_python(host, "convert"), Finding("system", "ok", here), *packages, of_disk(host)]


def of_package(package: Package, toolkit: bool) -> Finding:
    """A package of ``convert``; ``toolkit`` tells whether rknn-toolkit2 is installed."""
    if package.version is None:
        what = "It is not installed; convert and the simulator need it."
        return Finding(package.name, "warn", what, install("convert"))
    if not fits(package.version, package.bounds):
        fix = f"pip install '{package.name}{package.bounds}'"
        if package.name == "rknn-toolkit2" and fits(package.version, TOOLKITS):
            what = f"{package.version}: what it builds needs librknnrt {package.version} or newer on the board."
            return Finding(package.name, "warn", what, f"For boards with an older one: {fix}")
        # Without the toolkit nothing here converts, so nothing is broken.
        return Finding(package.name, "fail" if toolkit else "warn", f"{package.version} is not {package.bounds}.", fix)
    return Finding(package.name, "ok", package.version)


def of_disk(host: Host) -> Finding:
    """Whether the folder for temporary files has room for a build."""
    name, fix = "disk", "Free some space, or name another folder with the environment variable TMPDIR."
    if not host.temporary:
        return Finding(name, "fail", "There is no folder for temporary files that can be written.", fix)
    if host.free < MIN_FREE_BYTES:
        what = f"Only {host.free / 1e9:.1f} GB are free for temporary files in {host.temporary}."
        return Finding(name, "warn", what, fix)
    return Finding(name, "ok", f"room for temporary files in {host.temporary}")


def newest_toolkit(artifacts: list[Artifact]) -> str:
    """The newest toolkit among those that built ``artifacts``, "" if there are none."""
    return max((a.toolkit for a in artifacts), key=release, default="")
