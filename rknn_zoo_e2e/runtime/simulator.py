"""The vendor's simulator on a PC. It cannot load a ``.rknn``, so the model is built again from its graph and ranges."""

from __future__ import annotations

from PIL import Image

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import graph_of, read_ranges
from rknn_zoo_e2e.isolation.workfolder import work_folder
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.runtime.base import Prepared
from rknn_zoo_e2e.toolkit.client import Toolkit, require_toolkit
from rknn_zoo_e2e.toolkit.job import BuildJob
from rknn_zoo_e2e.toolkit.versions import check_same
from rknn_zoo_e2e.vision.arrays import Floats, Pixels


def prepare(bundle: Bundle, soc: str | None, precision: str | None, progress: Progress) -> Prepared:
    """An artifact for the simulator. Raises :class:`UserError` where the bundle has none such."""
    artifact = bundle.artifact(soc, precision)
    return Prepared(artifact, lambda core: SimulatorRuntime(bundle, artifact, progress))


class SimulatorRuntime:
    """An artifact of a bundle, rebuilt exactly as it was: same graph, same ranges, nothing calibrated."""

    backend = "simulator"

    def __init__(self, bundle: Bundle, artifact: Artifact, progress: Progress = silent) -> None:
        check_same(artifact.toolkit, artifact.file)
        require_toolkit("use --backend onnx")
        onnx = graph_of(bundle, artifact)
        self.toolkit = Toolkit(progress)
        self.toolkit.__enter__()
        try:
            with work_folder() as folder:
                ranges, picture = None, folder / "grey.png"
                if artifact.precision == "int8":
                    ranges = read_ranges(bundle, artifact)["ranges"]
                    Image.new("RGB", bundle.spec.imgsz[::-1], (114, 114, 114)).save(picture)
                self.toolkit.build(
                    BuildJob(
                        onnx=onnx.absolute(),  # not resolve(): the toolkit wants .onnx at its end, caches have links
                        soc=artifact.soc,
                        precision=artifact.precision,
                        hybrid=tuple((first, last) for first, last in artifact.hybrid),
                        pictures=(picture,),
                        ranges=ranges,
                    )
                )
        except BaseException:
            self.close()
            raise

    def infer(self, rgb: Pixels) -> list[Floats]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs, float32.

        Raises:
            UserError: the toolkit failed or died.
        """
        return self.toolkit.infer(rgb)

    def close(self) -> None:
        """Ends the toolkit's process."""
        self.toolkit.__exit__()
