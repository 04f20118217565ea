"""Which Python packages this machine has, and within which versions they must be; no package is imported.

Versions are compared by the ``packaging`` library alone.
"""

from __future__ import annotations

import platform
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

# Versions of rknn-toolkit2 tried with this package (2.3.2, 2.5.0), and the one the extra "convert" installs: a board's
# librknnrt must be as new as the toolkit, and 2.5.0 crashes on a model that 2.3.2 builds (YOLO26 for rv1106).
TOOLKITS, USUAL_TOOLKIT = ">=2.3.2,<2.6", "2.3.2"
HOST_PACKAGES = ("rknn-toolkit2", "torch", "onnx", "onnxruntime", "numpy", "setuptools", "ultralytics")


def version_of(package: str) -> str | None:
    """The installed version of a Python package, which is not imported; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Package:
    """A Python package: its installed version, None if there is none, and the versions allowed ("" for any)."""

    name: str
    version: str | None
    bounds: str


@dataclass(frozen=True)
class Host:
    """This machine, as far as ``convert`` and the simulator depend on it; shown by ``doctor``.

    Attributes:
        temporary: folder for temporary files, "" if none can be written.
        free: bytes free there.
    """

    system: str
    machine: str
    python: Package
    packages: tuple[Package, ...]
    temporary: str = "/tmp"
    free: float = float("inf")


def read_host() -> Host:
    """Reads the facts of this machine; no package is imported."""
    ours, toolkits = requirements("rknn-zoo-e2e", "convert"), requirements("rknn-toolkit2")
    packages = tuple(
        Package(name, version_of(name), ",".join(b[name] for b in (ours, toolkits) if b.get(name)))
        for name in HOST_PACKAGES
    )
    python = metadata.metadata("rknn-zoo-e2e")["Requires-Python"] if version_of("rknn-zoo-e2e") else ""
    interpreter = Package("python", platform.python_version(), python or "")
    return Host(platform.system(), platform.machine(), interpreter, packages, *temporary_folder())


def temporary_folder() -> tuple[str, float]:
    """The folder for temporary files and the bytes free in it; ("", 0) if there is none."""
    try:
        folder = tempfile.gettempdir()
        return folder, shutil.disk_usage(folder).free
    except OSError:
        return "", 0


def requirements(package: str, extra: str = "") -> dict[str, str]:
    """Versions a package, or an extra of it, allows: name -> such as ``>=2.3.2,<2.5``. Empty if not installed."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return {}
    found = {}
    for requirement in map(Requirement, lines):
        named = re.search(r"extra == ['\"](.+?)['\"]", str(requirement.marker or ""))
        if (named[1] if named else "") == extra:
            found[requirement.name.lower()] = str(requirement.specifier)
    return found


def fits(version: str, bounds: str) -> bool:
    """Whether a version is within bounds (PEP 440), such as ``>=2.3.2,<2.5``. A pre-release counts as its release."""
    return SpecifierSet(bounds).contains(release(version), prereleases=True)


def release(version: str) -> Version:
    """The release number a version begins with, to compare: 2.3.0 of "2.3.0 (c949ad88@2024-11-07)", 0 of ""."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return Version(found[0] if found else "0")
