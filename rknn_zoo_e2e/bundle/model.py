"""A bundle: one model's folder with an artifact per SoC and precision, its graph, its labels and all that is known."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.file import AGAIN, DO_NOT_USE, check_kind, check_size, checked, leads_out
from rknn_zoo_e2e.bundle.schema import CALIBRATION, check_manifest, read_manifest
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.validation import shown, write_yaml
from rknn_zoo_e2e.tasks.spec import ModelSpec

FORMAT_VERSION = 3
SUFFIX = "_rknn_model"  # Ultralytics knows RKNN folders by it
MAKE_ONE = "Make one with: e2erknn convert MODEL --soc rk3566"
ZOO_KEY = "zoo"  # of the metadata: the model of the zoo the checkpoint was, or was said to be
METADATA, LABELS, ONNX = "metadata.yaml", "labels.txt", "model.onnx"


@dataclass
class Artifact:
    """One built model.

    Attributes:
        file: name inside the bundle.
        toolkit: version of rknn-toolkit2.
        fingerprint: digest of everything that went into it; an equal one need not be built again.
        hybrid: regions that are not INT8, [first tensor, last tensor].
        calibration: file with the calibration's ranges inside the bundle, "" for fp16.
        log: file with the vendor's build log inside the bundle.
        graph: file with its own graph inside the bundle, "" where it was made from ``model.onnx``.
        calibration_sha256, log_sha256, graph_sha256: of those files.
        placement: ops on the NPU and elsewhere, traffic, cycles.
        parity: agreement with fp32; empty if it was not verified.
        seconds: wall time of the build by stage.
        evaluations: what ``eval`` measured: backend, data, images and metrics.
    """

    soc: str
    precision: str
    file: str
    sha256: str
    bytes: int
    toolkit: str
    fingerprint: str
    hybrid: list[list[str]] = field(default_factory=list)
    calibration: str = ""
    calibration_sha256: str = ""
    log: str = ""
    log_sha256: str = ""
    graph: str = ""
    graph_sha256: str = ""
    placement: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    evaluations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of its files by their names inside the bundle."""
        sums = {
            self.file: self.sha256,
            self.log: self.log_sha256,
            self.calibration: self.calibration_sha256,
            self.graph: self.graph_sha256,
        }
        return {name: value for name, value in sums.items() if name}

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files inside the bundle."""
        return tuple(self.checksums)

    def report(self) -> dict[str, Any]:
        """Its entry in the JSON of convert and inspect."""
        keys = ("soc", "precision", "file", "sha256", "bytes", "toolkit", "placement", "parity")
        return {**{key: getattr(self, key) for key in keys}, "seconds": round(sum(self.seconds.values()), 2)}


@dataclass
class Bundle:
    """A bundle on disk, or about to be.

    Attributes:
        path: its folder.
        layout: "flat" or "grid".
        weights_sha256: of the checkpoint.
        onnx_sha256: of ``model.onnx``.
        origin: further facts for ``metadata.yaml`` (version, date, licence, ...).
    """

    path: Path
    spec: ModelSpec
    layout: str
    weights_sha256: str
    onnx_sha256: str
    artifacts: list[Artifact] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def onnx(self) -> Path:
        return self.path / ONNX

    def artifact(self, soc: str | None = None, precision: str | None = None) -> Artifact:
        """The artifact for a SoC and precision, the first that fits where one is left open.

        Raises:
            UserError: there is none.
        """
        for one in self.artifacts:
            if soc in (None, one.soc) and precision in (None, one.precision):
                return one
        # By the zoo's name only where it was made from the zoo's: a file's name is anybody's.
        checkpoint = self.spec.name if self.origin.get(ZOO_KEY) == self.spec.name else f"{self.spec.name}.pt"
        raise UserError(
            f"{self.path} holds no artifact for {soc or 'any SoC'} {precision or ''}".rstrip()
            + f" (it holds {self.held}).",
            f"Build it with: e2erknn convert {shlex.quote(checkpoint)} --soc {soc or 'rk3566'}",
        )

    @property
    def held(self) -> str:
        """What it was built for, in words."""
        return ", ".join(f"{a.soc} {a.precision}" for a in self.artifacts) or "nothing"

    def only(self, artifact: Artifact) -> Bundle:
        """The bundle as if it held nothing but one artifact."""
        return replace(self, artifacts=[artifact])

    @property
    def files(self) -> list[str]:
        """Names of all files in its folder."""
        return [METADATA, LABELS, *self.checksums]

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of all files in its folder, by name; the metadata says them, and the labels."""
        return {ONNX: self.onnx_sha256} | {name: value for a in self.artifacts for name, value in a.checksums.items()}

    def metadata_text(self) -> str:
        """``metadata.yaml``."""
        return write_yaml(self.metadata())

    def labels_text(self) -> str:
        """``labels.txt``."""
        return "\n".join(self.spec.names) + "\n"

    def metadata(self) -> dict[str, Any]:
        """The content of ``metadata.yaml``."""
        from rknn_zoo_e2e.tasks.registry import task_of

        outputs = [
            {
                "name": output.name,
                "channels": [vars(c) for c in output.channels],
                "dtype": "float32",
            }
            for output in task_of(self.spec).outputs
        ]
        return {
            **self.origin,
            **self.spec.to_metadata(),
            # Ultralytics multiplies normalised coordinates by the input size where this says 8, whatever the precision.
            "args": {"batch": 1, "quantize": 8, "imgsz": list(self.spec.imgsz)},
            "format_version": FORMAT_VERSION,
            "layout": self.layout,
            "outputs": outputs,
            "weights_sha256": self.weights_sha256,
            "onnx_sha256": self.onnx_sha256,
            "artifacts": [vars(a) for a in self.artifacts],
        }

    def report(self) -> dict[str, Any]:
        """The JSON of convert and inspect."""
        return {
            "model": self.spec.name,
            "task": self.spec.task,
            "bundle": str(self.path),
            "artifacts": [a.report() for a in self.artifacts],
        }


def is_bundle(path: Path) -> bool:
    """Whether a folder looks like a bundle."""
    return (path / METADATA).is_file()


def newest(folder: Path) -> Path | None:
    """The bundle changed last in a folder, None if there is none."""
    found: dict[Path, int] = {}
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # removed just now
            if is_bundle(path):
                found[path] = changed(path)
    return max(found, key=lambda path: found[path], default=None)


def changed(bundle: Path) -> int:
    """When a bundle was changed last, ns."""
    return (bundle / METADATA).stat().st_mtime_ns


def read_bundle(path: Path) -> Bundle:
    """A bundle, as far as its metadata goes: what it says is possible, and its files are files.

    Raises:
        UserError: ``path`` is no bundle of this format, or one that nobody should use.
    """
    if not is_bundle(path):
        part = path.is_file() and is_bundle(path.parent)
        fix = f"Give the folder it lies in: {path.parent}" if part else MAKE_ONE
        raise UserError(f"{path} is not a bundle (it has no {METADATA}).", fix)
    check_kind(path, METADATA)
    try:
        data = read_manifest(path / METADATA)
        if data.get("format_version") != FORMAT_VERSION:
            version = shown(data.get("format_version"))
            what = f"{path} has bundle format {version}; this e2erknn reads {FORMAT_VERSION}."
            raise UserError(what, "Build it again with: e2erknn convert")
        if leads_out(data.get("artifacts")):
            raise UserError(f"{path} names files outside itself.", DO_NOT_USE)
        known = check_manifest(data)
        artifacts = [Artifact(**a) for a in data["artifacts"]]
    except (OSError, ValueError) as error:
        fix = "Do not use it unless you made it; build it again with: e2erknn convert"
        raise UserError(f"{path / METADATA} is damaged ({error}).", fix) from error
    keys = {*known.to_metadata(), "args", "format_version", "layout", "outputs", "artifacts"}
    origin = {k: v for k, v in data.items() if k not in keys | {"weights_sha256", "onnx_sha256"}}
    bundle = Bundle(path, known, data["layout"], data["weights_sha256"], data["onnx_sha256"], artifacts, origin)
    for name in bundle.files:
        check_kind(path, name)
    labels = path / LABELS
    if labels.exists():
        check_size(labels)
        if labels.read_bytes().replace(b"\r\n", b"\n") != bundle.labels_text().encode():
            raise UserError(f"{labels} does not name the classes {METADATA} does.", AGAIN)
    return bundle


def check_file(bundle: Bundle, name: str, expected: str) -> Path:
    """A file of the bundle, checked by its recorded checksum. Raises :class:`UserError` as :func:`checked` does."""
    return checked(bundle.path / name, expected)


def graph_of(bundle: Bundle, artifact: Artifact) -> Path:
    """The graph an artifact was made from, checked. Raises :class:`UserError` where it is missing or another."""
    if artifact.graph:
        return check_file(bundle, artifact.graph, artifact.graph_sha256)
    return check_file(bundle, ONNX, bundle.onnx_sha256)


def read_ranges(bundle: Bundle, artifact: Artifact) -> dict[str, Any]:
    """The calibration of an INT8 artifact: ``pictures``, ``name``, ``digest`` and ``ranges``.

    Raises:
        UserError: it is missing, another, or not what it should be.
    """
    path = check_file(bundle, artifact.calibration, artifact.calibration_sha256)
    try:
        found = json.loads(path.read_text("utf-8"))
        CALIBRATION(found, "the calibration")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}).", "Build the bundle again with: e2erknn convert") from error
    return found
