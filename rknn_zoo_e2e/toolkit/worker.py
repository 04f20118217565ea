"""The child process that holds the vendor's toolkit. Run by :mod:`rknn_zoo_e2e.toolkit.client`, never by hand."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import yaml

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.isolation.worker import LibraryError
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.toolkit.bands import cut_maps
from rknn_zoo_e2e.toolkit.concat import place_channels
from rknn_zoo_e2e.toolkit.graph import between, makers_of
from rknn_zoo_e2e.toolkit.job import BuildJob, Built, Ranges
from rknn_zoo_e2e.toolkit.versions import known_crash
from rknn_zoo_e2e.toolkit.weight_grids import choose_grids

# Passes of the compiler that do harm. A toolkit passes over names it does not know: the first two are 2.5.0's.
WITHOUT = [
    "fuse_exmatmul_add_mul_exsoftmax13_exmatmul_to_sdpa",  # crashes on stock attention (IndexError)
    # Halves of a convolution, each rounded to INT8 before they are added: tensors the calibration never saw.
    "fuse_concat_conv",
    # 2.3.2 has these two. They move a Reshape of the levels behind the Concat that joins them, where it is larger, and
    # end in an IndexError at some input sizes (640 x 384: maps of 80 x 48 brought to a width of 80).
    "reduce_reshape_op_around_concat",
    "reduce_reshape_op_around_split",
]

# What the toolkit calls the type of a region, by what the SoC computes it in.
TYPES = {"fp16": "float16", "int16": "int16"}


def check(returned: Any, call: str) -> None:
    """The toolkit says 0 or None for success."""
    if returned not in (0, None):
        raise LibraryError(f"rknn-toolkit2 {call} returned {returned}")


def read_ranges(config: Path) -> Ranges:
    """Ranges from the toolkit's hybrid quantisation file."""
    parameters = yaml.load(config.read_text(), yaml.CSafeLoader)["quantize_parameters"]
    return {name: (p["min"], p["max"]) for name, p in parameters.items()}


def float_tensors(job: BuildJob) -> tuple[str, ...]:
    """Tensors within blocks computed in fp16, which need no range, nor does what the toolkit makes of them.

    Every SoC has the same tensors in its decode tail, but not in its attention. So only of regions that end within the
    graph is nothing known.
    """
    if not SOCS[job.soc].fp16:
        return ()
    graph = onnx.load(str(job.onnx), load_external_data=False).graph
    makers, inside = makers_of(graph), set[str]()
    for first, last in job.hybrid:
        if last != graph.output[0].name:
            inside |= between(graph, first, last)
    sources = {name for made in inside for name in makers[made].input if name in makers}
    return (*inside, *(name for name in sources if makers[name].op_type == "Constant"))


def write_ranges(config: Path, ranges: Ranges, floats: tuple[str, ...]) -> list[str]:
    """Puts ranges into the toolkit's file (only min and max may be edited in it).

    Args:
        floats: tensors computed in fp16. What the toolkit makes of one is called as it is, with something added.

    Returns:
        Tensors that need a range and have none; constants need none.
    """
    document = yaml.load(config.read_text(), yaml.CSafeLoader)
    missing = []
    for name, parameters in document["quantize_parameters"].items():
        known = name if name in ranges else name.removesuffix("_int8")  # the toolkit's copy of an input or output
        if known in ranges:
            parameters["min"], parameters["max"] = ranges[known]
        elif name.startswith("/") and not name.startswith(floats):
            missing.append(name)
    config.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))
    return missing


def complete_regions(config: Path, job: BuildJob) -> None:
    """Puts into the toolkit's file the tensors of regions it passes over: those from a tensor that others read first.

    What it finds of a region is what is written here, and the tensors it makes of these itself.
    """
    if not job.hybrid:
        return
    graph = onnx.load(str(job.onnx), load_external_data=False).graph
    inside = {name for first, last in job.hybrid for name in (*between(graph, first, last), last)}
    document = yaml.load(config.read_text(), yaml.CSafeLoader)
    layers = document["custom_quantize_layers"] or {}
    left = [name for name in document["quantize_parameters"] if name in inside and name not in layers]
    if left:
        document["custom_quantize_layers"] = layers | dict.fromkeys(left, TYPES[SOCS[job.soc].tail])
        config.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))


def fitted(job: BuildJob) -> BuildJob:
    """The job with its graph rewritten, in the working folder, where the SoC needs that."""
    soc = SOCS[job.soc]
    if not soc.aligned and soc.reshapes is None:
        return job
    model = onnx.load(str(job.onnx))
    if reason := known_crash({node.op_type for node in model.graph.node}, job.soc):
        raise LibraryError(reason)
    ranges, hybrid = job.ranges or {}, job.hybrid
    if soc.reshapes is not None:
        ranges, hybrid = cut_maps(model, ranges, hybrid, soc.reshapes)
    if soc.aligned:
        ranges = place_channels(model, ranges)
    path = Path(f"{job.onnx.stem}-{job.soc}.onnx").resolve()
    onnx.save(model, str(path))
    return replace(job, onnx=path, ranges=ranges, hybrid=hybrid)


class Session:
    """One toolkit session: a build, then any number of pictures through the simulator."""

    def __init__(self, enter: Progress) -> None:
        self.enter = enter
        self.rknn: Any = None

    @property
    def verbs(self) -> dict[str, Callable[[Any], object]]:
        """What the parent may ask for."""
        return {"build": self.build, "infer": self.infer}

    def fresh(self) -> Any:
        """A new toolkit object."""
        from rknn.api import RKNN

        self.rknn = RKNN(verbose=True)
        return self.rknn

    def load(self, job: BuildJob) -> None:
        """A fresh toolkit object with the graph in it."""
        rknn = self.fresh()
        options = {
            "mean_values": [[0, 0, 0]],
            "std_values": [[255, 255, 255]],
            "target_platform": job.soc,
            "disable_rules": WITHOUT,
        }
        check(rknn.config(**options, custom_string=job.custom_string or None), "config")
        check(rknn.load_onnx(str(job.onnx)), "load_onnx")

    def build(self, job: BuildJob) -> Built:
        """Builds, writes the ``.rknn`` if one is wanted, and readies the simulator.

        Raises:
            LibraryError: a call of the toolkit failed.
        """
        import rknn.api  # noqa: F401 - a slow import, in no stage of ours

        self.enter("load")
        job = fitted(job)
        self.load(job)
        own = None
        if job.precision == "fp16":
            self.enter("build")
            check(self.rknn.build(do_quantization=False), "build")
        else:
            own = self.build_int8(job)
        if job.rknn is not None:
            check(self.rknn.export_rknn(str(job.rknn)), "export_rknn")
        check(self.rknn.init_runtime(), "init_runtime")
        ctypes.CDLL(None).fflush(None)  # the compiler's table sits in the C library's buffer
        sys.stdout.flush()
        return Built(version("rknn-toolkit2"), own)

    def build_int8(self, job: BuildJob) -> Ranges | None:
        """Hybrid quantisation in the toolkit's two steps, with the given ranges.

        Returns:
            All ranges, where the toolkit had to calibrate tensors that the given ones do not know; else None.
        """
        stem, own = job.onnx.stem, None
        config = Path(f"{stem}.quantization.cfg")
        self.enter("prepare")
        self.first_step(job, job.pictures[:1])  # one picture makes the toolkit write its files
        floats = float_tensors(job)
        missing = write_ranges(config, job.ranges or {}, floats)
        if missing:
            if len(job.pictures) == 1:
                raise LibraryError(f"the calibration has no range for {missing[0]}")
            print("Calibrating with the toolkit itself for", *missing, flush=True)
            self.load(job)
            self.enter("calibrate")
            self.first_step(job, job.pictures)
            own = read_ranges(config) | (job.ranges or {})  # those given are clipped, the toolkit's are not
            write_ranges(config, own, floats)
        self.enter("build")
        files = (f"{stem}.model", f"{stem}.data", str(config))
        choose_grids(*map(Path, files))
        self.fresh()  # 2.5.0 refuses the second step to an object that holds a graph
        check(self.rknn.hybrid_quantization_step2(*files), "hybrid_quantization_step2")
        return own

    def first_step(self, job: BuildJob, pictures: tuple[Path, ...]) -> None:
        """Calibrates with ``pictures`` and writes the toolkit's files into the working folder."""
        links = [Path(f"picture-{index:05}{path.suffix}") for index, path in enumerate(pictures)]
        for link, path in zip(links, pictures, strict=True):  # it splits the lines of its list at blanks
            link.unlink(missing_ok=True)
            link.symlink_to(path.absolute())
        Path("pictures.txt").write_text("\n".join(map(str, links)) + "\n")
        pairs = [list(pair) for pair in job.hybrid] or None
        check(self.rknn.hybrid_quantization_step1("pictures.txt", custom_hybrid=pairs), "hybrid_quantization_step1")
        complete_regions(Path(f"{job.onnx.stem}.quantization.cfg"), job)

    def infer(self, rgb: Any) -> list[Any]:
        """One letterboxed picture (H, W, 3) uint8 through the simulator."""
        outputs = self.rknn.inference([rgb[None]], data_format="nhwc")
        if outputs is None:
            raise LibraryError("rknn-toolkit2 inference returned nothing")
        return list(outputs)


def verbs_of(enter: Progress) -> dict[str, Callable[[Any], object]]:
    """What the process of a :class:`~rknn_zoo_e2e.toolkit.client.Toolkit` does."""
    return Session(enter).verbs
