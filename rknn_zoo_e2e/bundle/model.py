"""The facts of a bundle: one model's folder with an artifact per SoC and precision, the graph, the labels, metadata.

Read by :mod:`~rknn_zoo_e2e.bundle.reader`, written by :mod:`~rknn_zoo_e2e.bundle.writer`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.boards.speed import Prediction, predict
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.yaml_data import write_yaml
from rknn_zoo_e2e.tasks.contract import find_contract
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec

FORMAT_VERSION = 4  # earlier ones are read too (bundle.formats)
SUFFIX = "_rknn_model"  # of the folder's name; Ultralytics recognises RKNN models by it
ZOO_KEY = "zoo"  # metadata key: name of the zoo model the checkpoint was (proven, or as the user said)
METADATA, LABELS, ONNX = "metadata.yaml", "labels.txt", "model.onnx"


@dataclass
class Artifact:
    """One built model, for one SoC in one precision.

    Attributes:
        file: name inside the bundle.
        toolkit: version of rknn-toolkit2.
        fingerprint: digest of all inputs of the build; an artifact with the same fingerprint is not built again.
        layout: "flat", whose first output is (1, C, A), or "grid", whose is (1, C, H, W).
        left_out: which of "names" and "skeleton" the custom string of its file had no room for; None where nobody noted
            that (bundles of format 3).
        hybrid: regions that are not INT8, [first tensor, last tensor].
        calibration: file with the calibration's ranges inside the bundle, "" for fp16.
        log: file with the vendor's build log inside the bundle.
        graph: file with its own graph inside the bundle, "" where it was made from ``model.onnx``.
        calibration_sha256, log_sha256, graph_sha256: of those files.
        placement: ops on the NPU and elsewhere, traffic, cycles.
        parity: agreement with fp32; empty if it was not verified.
        seconds: wall time of the build by stage.
        evaluations: what ``eval`` measured: backend, data, images, skipped and metrics.
        measured: what ``bench --save`` measured on boards (:mod:`~rknn_zoo_e2e.bundle.measurement`).
        numbers: SHA-256 of its files of numbers by their names inside the bundle (:mod:`~rknn_zoo_e2e.bundle.numbers`).
    """

    soc: str
    precision: str
    file: str
    sha256: str
    bytes: int
    toolkit: str
    fingerprint: str
    layout: str = "flat"
    left_out: list[str] | None = None
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
    measured: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of its files by their names inside the bundle."""
        sums = {
            self.file: self.sha256,
            self.log: self.log_sha256,
            self.calibration: self.calibration_sha256,
            self.graph: self.graph_sha256,
        }
        return {name: value for name, value in sums.items() if name} | self.numbers

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files inside the bundle."""
        return tuple(self.checksums)

    @property
    def predicted(self) -> Prediction | None:
        """The speed its placement lets expect on a board; None where there is nothing to predict it from."""
        return predict(self.soc, self.precision, self.placement)

    def report(self) -> dict[str, Any]:
        """Its entry in the JSON of convert and inspect."""
        keys = ("soc", "precision", "layout", "file", "sha256", "bytes", "toolkit", "placement", "parity")
        speed = self.predicted
        return {
            **{key: getattr(self, key) for key in keys},
            "predicted": speed.report() if speed else None,
            "measured": self.measured,
            "seconds": round(sum(self.seconds.values()), 2),
        }


def layouts_of(artifacts: Iterable[Artifact]) -> dict[str, list[str]]:
    """Layout -> the SoCs that have it, each once."""
    found: dict[str, dict[str, None]] = {}
    for artifact in artifacts:
        found.setdefault(artifact.layout, {})[artifact.soc] = None
    return {layout: [*socs] for layout, socs in found.items()}


@dataclass
class Bundle:
    """A bundle on disk, or about to be.

    Attributes:
        path: its folder.
        onnx_layout: of ``model.onnx``, "flat" or "grid"; artifacts of another layout have a graph of their own.
        weights_sha256: of the checkpoint.
        onnx_sha256: of ``model.onnx``.
        origin: further entries of ``metadata.yaml`` (version, date, licence, ...).
    """

    path: Path
    spec: ModelSpec
    onnx_layout: str
    weights_sha256: str
    onnx_sha256: str
    artifacts: list[Artifact] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def onnx(self) -> Path:
        """The fp32 graph, which the ``onnx`` backend runs."""
        return self.path / ONNX

    def artifact(self, soc: str | None = None, precision: str | None = None) -> Artifact:
        """The first artifact for a SoC and precision; None stands for any.

        Raises:
            UserError: there is none.
        """
        for one in self.artifacts:
            if soc in (None, one.soc) and precision in (None, one.precision):
                return one
        # The zoo's name only where it was made from the zoo's checkpoint: any file may have that name.
        checkpoint = self.spec.name if self.origin.get(ZOO_KEY) == self.spec.name else f"{self.spec.name}.pt"
        raise UserError(
            f"{self.path} holds no artifact for {soc or 'any SoC'} {precision or ''}".rstrip()
            + f" (it holds {self.held}).",
            f"Build it with: e2erknn convert {shlex.quote(checkpoint)} --soc {soc or 'rk3566'}",
        )

    @property
    def held(self) -> str:
        """The SoCs and precisions it was built for, for messages."""
        return ", ".join(f"{a.soc} {a.precision}" for a in self.artifacts) or "nothing"

    def only(self, artifact: Artifact) -> Bundle:
        """A copy with one artifact only: what a folder of the Hub holds."""
        return replace(self, artifacts=[artifact])

    @property
    def files(self) -> list[str]:
        """Names of all files in its folder."""
        return [*self.text_names, *self.checksums]

    @property
    def text_names(self) -> list[str]:
        """Names of :attr:`texts`, without making them."""
        return [METADATA, LABELS, *find_contract(self.spec.contract).files]

    @property
    def texts(self) -> dict[str, str]:
        """Content by name of the files that are made from all the rest: metadata, labels, what its readers need."""
        further = find_contract(self.spec.contract).texts(self.spec, {a.soc: a.file for a in self.artifacts})
        return {METADATA: self.metadata_text(), LABELS: self.labels_text(), **further}

    @property
    def checksums(self) -> dict[str, str]:
        """SHA-256 by file name, of all files in its folder but the metadata (which lists them) and the labels."""
        return {ONNX: self.onnx_sha256} | {name: value for a in self.artifacts for name, value in a.checksums.items()}

    def metadata_text(self) -> str:
        """``metadata.yaml``."""
        return write_yaml(self.metadata())

    def labels_text(self) -> str:
        """``labels.txt``."""
        return "\n".join(self.spec.names) + "\n"

    def metadata(self) -> dict[str, Any]:
        """The content of ``metadata.yaml``."""
        contract = find_contract(self.spec.contract)
        outputs = [
            {
                "name": output.name,
                "channels": [vars(c) for c in output.channels],
                "dtype": "float32",
            }
            for output in task_of(self.spec).form.outputs
        ]
        return {
            **self.origin,
            **self.spec.to_metadata(),
            # Ultralytics multiplies normalised coordinates by the input size where this says 8, whatever the precision.
            "args": {"batch": 1, "quantize": contract.quantize, "imgsz": list(self.spec.imgsz)},
            "format_version": FORMAT_VERSION,
            "outputs": outputs,
            "weights_sha256": self.weights_sha256,
            "onnx_layout": self.onnx_layout,
            "onnx_sha256": self.onnx_sha256,
            "artifacts": [vars(a) for a in self.artifacts],
        }

    def inspection(self) -> dict[str, Any]:
        """The JSON of inspect: that of convert, and what commands found out since."""
        facts = self.metadata()
        keys = ("imgsz", "contract", "outputs", "weights_sha256", "onnx_layout", "onnx_sha256", "versions")
        artifacts = [a.report() | {"evaluations": a.evaluations} for a in self.artifacts]
        return self.report() | {"artifacts": artifacts} | {key: facts.get(key) for key in keys}

    def report(self) -> dict[str, Any]:
        """The JSON of convert and inspect."""
        return {
            "model": self.spec.name,
            "task": self.spec.task,
            "contract": self.spec.contract,
            "bundle": str(self.path),
            "artifacts": [a.report() for a in self.artifacts],
        }
