"""What all builds of a model share: load, patch, export, pictures, calibrate.

It runs in a process of its own (:mod:`rknn_zoo_e2e.conversion.prepare_client`): PyTorch and ONNX Runtime may crash,
hang or run out of memory on what somebody trained, and what they took is given back before the builds begin.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.bundle.model import ONNX
from rknn_zoo_e2e.bundle.schema import HYBRID, LARGEST, check_model
from rknn_zoo_e2e.conversion.build import Build, Check
from rknn_zoo_e2e.conversion.custom_string import custom_string
from rknn_zoo_e2e.conversion.graphs import Graphs
from rknn_zoo_e2e.conversion.options import Options, artifact_name
from rknn_zoo_e2e.conversion.verify import EXPECTED_THRESHOLDS
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.runtime.onnx import OnnxRuntime
from rknn_zoo_e2e.tasks.contract import find_contract
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.job import BuildJob, Ranges
from rknn_zoo_e2e.vision.arrays import Pixels
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.zoo import Source

if TYPE_CHECKING:
    from torch import nn

VERIFY_PICTURES = 6


def export(enter: Progress, source: Source, options: Options, layout: str, work: Path) -> Graphs:
    """Writes the graph, in that layout, and beside it those for SoCs that need another.

    Raises:
        UserError: the checkpoint is no model this tool converts.
    """
    from rknn_zoo_e2e.checkpoint.source import load_source, require_torch

    require_torch()
    from rknn_zoo_e2e.checkpoint import load  # noqa: F401 - slow imports, in no stage
    from rknn_zoo_e2e.conversion.export import export_onnx
    from rknn_zoo_e2e.heads.attention import attention_patched
    from rknn_zoo_e2e.heads.qkv import attentions
    from rknn_zoo_e2e.heads.reference import check_decode

    onnx = work / ONNX
    enter("load")
    model, spec = load_source(source, options.imgsz)
    spec = replace(spec, contract=options.contract)
    check_buildable(spec, source, options)
    enter("patch")
    check_decode(model, spec)
    enter("export")
    export_onnx(model, spec, layout, onnx)
    graphs: dict[str, Path] = {}
    attends, has_bins = bool(attentions(model)), model.model[-1].reg_max > 1
    needs = {s.name: (attends and not s.softmax, has_bins and not s.fp16, options.layout_of(s)) for s in options.socs}
    for need in sorted({*needs.values()} - {(False, False, layout)}):
        softmax_free, integer, its_layout = need
        other = f"-{its_layout}" if its_layout != layout else ""
        own = work / f"model{'-softmax-free' * softmax_free}{'-integer' * integer}{other}"
        with attention_patched(model, spec.imgsz) if softmax_free else nullcontext():
            export_onnx(model, spec, its_layout, own, floats=not integer)
        # Named by its content, as a calibration is: a kept artifact never finds another one in its place.
        named = own.rename(f"{own}-{sha256(own)[:8]}.onnx")
        graphs |= {soc: named for soc, its in needs.items() if its == need}
    exported = Graphs(spec, onnx, layout, graphs, options.imgsz is None or is_trained_size(model, spec, source))
    for path in exported.files.values():
        if (size := path.stat().st_size) > LARGEST[".onnx"]:
            raise UserError(
                f"The graph of {source.path} has {size:,} bytes, more than {LARGEST['.onnx']:,}.",
                "Convert a smaller model of its family.",
            )
    return exported


def is_trained_size(model: nn.Module, spec: ModelSpec, source: Source) -> bool:
    """Whether a model's input has the size it would have had if none had been asked for."""
    from rknn_zoo_e2e.checkpoint.describe import spec_of

    try:
        return spec_of(model, source.name).imgsz == spec.imgsz
    except UserError:  # it was trained at a size no input can have
        return False


def plan_builds(
    enter: Progress, exported: Graphs, options: Options, socs: Sequence[Soc], calibration: Calibration | None
) -> list[Build]:
    """A build for each SoC; those made from one graph share its ranges."""
    int8, spec, onnx = options.precision == "int8", exported.spec, exported.main
    checks: list[Check] = []
    pictures: tuple[Path, ...] = ()
    if calibration is not None:
        enter("pictures")
        checks = choose_checks(exported, calibration) if options.verify else []
        pictures = calibration.write(onnx.parent / "calibration", spec.imgsz) if int8 else ()
    # Graphs differ in attention and tail alone. Where these are fp16 they need no ranges of their own.
    graphs = {soc.name: exported.of(soc.name) for soc in socs}
    measured_on = {soc.name: onnx if soc.fp16 else graphs[soc.name] for soc in socs}
    ranges = ranges_of(enter, dict.fromkeys(measured_on.values()), pictures) if int8 else {}
    builds = []
    for soc in socs:
        graph, layout = graphs[soc.name], options.layout_of(soc)
        said, left_out = custom_string(spec, soc.name, layout)
        job = BuildJob(
            onnx=graph,
            soc=soc.name,
            precision=options.precision,
            hybrid=regions(graph, soc) if int8 else (),
            pictures=pictures,
            ranges=ranges.get(measured_on[soc.name]),
            rknn=onnx.parent / f"{artifact_name(spec.name, soc.name, options.precision)}.rknn",
            custom_string=said,
        )
        builds.append(Build(job, spec, checks, options.time_limit, layout, left_out))
    return builds


def ranges_of(enter: Progress, graphs: Collection[Path], pictures: Sequence[Path]) -> dict[Path, Ranges]:
    """Ranges of each graph's tensors over the letterboxed pictures."""
    from rknn_zoo_e2e.quantization.precision import int8_tensors
    from rknn_zoo_e2e.quantization.ranges import measure_ranges

    total = len(graphs) * len(pictures)

    def read(begun: int) -> Iterator[Pixels]:
        """The pictures, each told of when it is asked for."""
        for index, path in enumerate(pictures):
            enter("calibrate", (begun + index) / total)
            yield read_image(path)

    return {
        graph: measure_ranges(graph, read(index * len(pictures)), int8_tensors(graph))
        for index, graph in enumerate(graphs)
    }


def choose_checks(exported: Graphs, calibration: Calibration) -> list[Check]:
    """Pictures to verify with, spread evenly: those on which fp32 finds something, as far as there are such."""
    step = max(1, len(calibration) // VERIFY_PICTURES)
    spread = sorted(range(len(calibration)), key=lambda index: (index % step, index))
    showing: list[Check] = []
    empty: list[Check] = []
    with closing(OnnxRuntime(exported.main)) as runtime:
        for index in spread[: 3 * VERIFY_PICTURES]:
            image = calibration.read(index)
            letterbox = Letterbox.of(image, exported.spec.imgsz)
            rgb = letterbox.apply(image)
            check = Check(rgb, letterbox, runtime.infer(rgb))
            found = task_of(exported.spec).decode(check.outputs, letterbox, EXPECTED_THRESHOLDS)
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
    contract = find_contract(spec.contract)
    contract.check_task(spec)
    contract.check_imgsz(spec.imgsz)
    wrong = source.identity.contradicts(spec)
    if wrong and options.calib is None and options.precision == "int8":
        raise UserError(
            f"{source.path} is {wrong}: it is your own, and the zoo's calibration pictures are not for it.",
            "Add --calib with a folder of 20 to 100 pictures like those it will see, a data.yaml or a list.txt.",
        )


def verbs_of(enter: Progress) -> dict[str, Callable[[Any], object]]:
    """What the process of a :class:`~rknn_zoo_e2e.conversion.prepare_client.Preparer` does."""
    return {"export": lambda given: export(enter, *given), "builds": lambda given: plan_builds(enter, *given)}
