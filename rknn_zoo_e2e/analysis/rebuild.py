"""An artifact built once more with other regions out of INT8, in its own place in the bundle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.drop import KIND
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import with_numbers
from rknn_zoo_e2e.bundle.reader import check_file, graph_of, read_bundle, read_ranges
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.conversion.build import Build, run_build
from rknn_zoo_e2e.conversion.bundle_builder import artifact_of
from rknn_zoo_e2e.conversion.custom_string import custom_string
from rknn_zoo_e2e.conversion.graphs import Graphs
from rknn_zoo_e2e.conversion.prepare_worker import choose_checks
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.isolation.workfolder import work_folder
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.toolkit.job import BuildJob


def rebuilt(
    bundle: Bundle,
    artifact: Artifact,
    regions: Sequence[tuple[str, str]],
    calibration: Calibration,
    drop: dict[str, Any],
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Builds, verifies where the artifact was, and replaces it, with what led to it.

    Args:
        drop: kept beside it (:mod:`rknn_zoo_e2e.bundle.drop`).

    Raises:
        UserError: the toolkit failed, or the bundle cannot be written.
    """
    graph, soc = graph_of(bundle, artifact).absolute(), SOCS[artifact.soc]
    ranges = check_file(bundle, artifact.calibration, artifact.calibration_sha256).read_bytes()
    said, left_out = custom_string(bundle.spec, soc.name, artifact.layout)
    checks = choose_checks(Graphs(bundle.spec, graph, artifact.layout), calibration) if artifact.parity else []
    with work_folder() as folder:
        picture = folder / "grey.png"
        Image.new("RGB", bundle.spec.imgsz[::-1], (114, 114, 114)).save(picture)
        job = BuildJob(
            onnx=graph,
            soc=soc.name,
            precision=artifact.precision,
            hybrid=tuple(dict.fromkeys(regions)),
            pictures=(picture,),
            ranges=read_ranges(bundle, artifact)["ranges"],
            rknn=folder / artifact.file,
            custom_string=said,
        )
        build = Build(job, bundle.spec, checks, layout=artifact.layout, left_out=left_out)
        result = run_build(build, progress, threading.Event())
        new, made = artifact_of(build, result, ranges, artifact.fingerprint)
        made.update(with_numbers(KIND, drop)(new))
        with locked(bundle.path, "convert", say):
            held = read_bundle(bundle.path)
            places = [new if one.sha256 == artifact.sha256 else one for one in held.artifacts]
            write_bundle(replace(held, artifacts=places), made)
