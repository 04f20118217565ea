"""What all builds of a model share: load, patch, export, pictures, calibrate.

It runs in a process of its own (:mod:`rknn_zoo_e2e.conversion.prepare_client`): PyTorch and ONNX Runtime may crash,
hang or run out of memory on what somebody trained, and what they took is given back before the builds begin.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.bundle.model import ONNX
from rknn_zoo_e2e.bundle.schema import HYBRID, LARGEST, check_model
from rknn_zoo_e2e.conversion.build import Build, Check
from rknn_zoo_e2e.conversion.options import VERIFY_PICTURES, Options, artifact_name
from rknn_zoo_e2e.conversion.verify import SURE
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.isolation.worker import Enter
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.runtime.onnx import OnnxRuntime
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.job import BuildJob, Ranges
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.zoo import Source

CUSTOM_STRING_LIMIT = 1024  # the toolkit's, characters


class Preparation:
    """One model's files in a working folder, from its checkpoint to the builds to run.

    Attributes:
        spec: the model's facts.
        onnx: the patched graph.
        graphs: SoC -> its own graph, for those that need another.
    """

    def __init__(self, enter: Enter) -> None:
        self.enter = enter

    @property
    def verbs(self) -> dict[str, Callable[[Any], object]]:
        return {"export": lambda given: self.export(*given), "builds": lambda given: self.builds(*given)}

    def export(self, source: Source, options: Options, work: Path) -> tuple[ModelSpec, dict[str, Path]]:
        """Writes the graph, and beside it those for SoCs that need another.

        Returns:
            The model's facts, and all graphs by name.

        Raises:
            UserError: the checkpoint is no model this tool converts.
        """
        from rknn_zoo_e2e.checkpoint.source import load_source, require_torch

        require_torch()
        from rknn_zoo_e2e.checkpoint import load  # noqa: F401 - slow imports, in no stage
        from rknn_zoo_e2e.conversion.export import export_onnx
        from rknn_zoo_e2e.heads.attention import attention_patched, attentions
        from rknn_zoo_e2e.heads.reference import check_decode

        self.options, self.work, self.onnx = options, work, work / ONNX
        self.enter("load")
        model, self.spec = load_source(source, options.imgsz)
        check_buildable(self.spec, source, options)
        self.enter("patch")
        check_decode(model, self.spec)
        self.enter("export")
        export_onnx(model, self.spec, options.layout, self.onnx)
        self.graphs: dict[str, Path] = {}
        attends, has_bins = bool(attentions(model)), model.model[-1].reg_max > 1
        needs = {s.name: (attends and not s.softmax, has_bins and not s.fp16) for s in options.socs}
        for need in sorted({*needs.values()} - {(False, False)}):
            softmax_free, integer = need
            own = work / f"model{'-softmax-free' * softmax_free}{'-integer' * integer}"
            with attention_patched(model, self.spec.imgsz) if softmax_free else nullcontext():
                export_onnx(model, self.spec, options.layout, own, floats=not integer)
            # Named by its content, as a calibration is: a kept artifact never finds another one in its place.
            named = own.rename(f"{own}-{sha256(own)[:8]}.onnx")
            self.graphs |= {soc: named for soc, its in needs.items() if its == need}
        graphs = {path.name: path for path in (self.onnx, *self.graphs.values())}
        for path in graphs.values():
            if (size := path.stat().st_size) > LARGEST[".onnx"]:
                raise UserError(
                    f"The graph of {source.path} has {size:,} bytes, more than {LARGEST['.onnx']:,}.",
                    "Convert a smaller model of its family.",
                )
        return self.spec, graphs

    def builds(self, socs: Sequence[Soc], calibration: Calibration | None) -> list[Build]:
        """A build for each SoC; those made from one graph share its ranges."""
        int8, spec = self.options.precision == "int8", self.spec
        checks: list[Check] = []
        pictures: tuple[Path, ...] = ()
        if calibration is not None:
            self.enter("pictures")
            checks = self.checks(calibration) if self.options.verify else []
            pictures = calibration.write(self.work / "calibration", spec.imgsz) if int8 else ()
        # Graphs differ in attention and tail alone. Where these are fp16 they need no ranges of their own.
        graphs = {soc.name: self.graphs.get(soc.name, self.onnx) for soc in socs}
        measured_on = {soc.name: self.onnx if soc.fp16 else graphs[soc.name] for soc in socs}
        ranges = self.ranges(dict.fromkeys(measured_on.values()), pictures) if int8 else {}
        builds = []
        for soc in socs:
            graph = graphs[soc.name]
            job = BuildJob(
                onnx=graph,
                soc=soc.name,
                precision=self.options.precision,
                hybrid=regions(graph, soc) if int8 else (),
                pictures=pictures,
                ranges=ranges.get(measured_on[soc.name]),
                rknn=self.work / f"{artifact_name(spec.name, soc.name, self.options.precision)}.rknn",
                custom_string=essentials(spec, soc, self.options.layout),
            )
            builds.append(Build(job, spec, checks, self.options.time_limit))
        return builds

    def ranges(self, graphs: Collection[Path], pictures: Sequence[Path]) -> dict[Path, Ranges]:
        """Ranges of each graph's tensors over the letterboxed pictures."""
        from rknn_zoo_e2e.quantization.precision import int8_tensors
        from rknn_zoo_e2e.quantization.ranges import measure_ranges

        self.enter("calibrate")
        found: dict[Path, Ranges] = {}
        total = len(graphs) * len(pictures)
        for graph in graphs:

            def follow(done: int, before: int = len(found) * len(pictures)) -> None:
                self.enter("calibrate", (before + done) / total)

            found[graph] = measure_ranges(graph, map(read_image, pictures), int8_tensors(graph), follow)
        return found

    def checks(self, calibration: Calibration) -> list[Check]:
        """Pictures to verify with, spread evenly: those on which fp32 finds something, as far as there are such."""
        step = max(1, len(calibration) // VERIFY_PICTURES)
        spread = sorted(range(len(calibration)), key=lambda index: (index % step, index))
        showing: list[Check] = []
        empty: list[Check] = []
        with closing(OnnxRuntime(self.onnx)) as runtime:
            for index in spread[: 3 * VERIFY_PICTURES]:
                image = calibration.read(index)
                letterbox = Letterbox.of(image, self.spec.imgsz)
                rgb = letterbox.apply(image)
                check = Check(rgb, letterbox, runtime.infer(rgb))
                found = task_of(self.spec).decode(check.outputs, letterbox, SURE)
                (showing if len(found) else empty).append(check)
                if len(showing) == VERIFY_PICTURES:
                    break
        return (showing + empty)[:VERIFY_PICTURES]


def regions(graph: Path, soc: Soc) -> tuple[tuple[str, str], ...]:
    """What of a graph is not INT8. Raises :class:`UserError` where a bundle could not name it."""
    from rknn_zoo_e2e.quantization.precision import hybrid_regions

    found = hybrid_regions(graph, soc)
    try:
        HYBRID([list(pair) for pair in found], "the name of a layer")
    except ValueError as error:
        raise UserError(
            f"The model cannot be converted: {error}.", "Give its layers shorter names of printable text."
        ) from error
    return found


def check_buildable(spec: ModelSpec, source: Source, options: Options) -> None:
    """Raises :class:`UserError` for whatever would be refused of the finished bundle, or is not what its name says."""
    try:
        check_model(spec)
    except ValueError as error:
        raise UserError(
            f"{source.path} cannot be converted: {error}.",
            "Correct that in the model with Ultralytics, and save it again.",
        ) from error
    wrong = source.identity.contradicts(spec)
    if wrong and options.calib is None and options.precision == "int8":
        raise UserError(
            f"{source.path} is {wrong}: it is your own, and the zoo's calibration pictures are not for it.",
            "Add --calib with a folder of 20 to 100 pictures like those it will see, a data.yaml or a list.txt.",
        )


def essentials(spec: ModelSpec, soc: Soc, layout: str) -> str:
    """What a lone ``.rknn`` says of itself: JSON, with the class names (one a line) as far as they fit."""
    facts: dict[str, object] = {"soc": soc.name, "task": spec.task, "imgsz": spec.imgsz, "layout": layout}
    facts |= {"nms_free": spec.nms_free, "kpt_shape": spec.kpt_shape, "classes": len(spec.names)}
    named = json.dumps({**facts, "names": "\n".join(spec.names)}, separators=(",", ":"))
    return named if len(named) < CUSTOM_STRING_LIMIT else json.dumps(facts, separators=(",", ":"))


def verbs_of(enter: Enter) -> dict[str, Callable[[Any], object]]:
    """What the process of a :class:`~rknn_zoo_e2e.conversion.prepare_client.Preparer` does."""
    return Preparation(enter).verbs
