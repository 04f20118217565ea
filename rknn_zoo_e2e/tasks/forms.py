"""What an artifact's outputs are, and how they become those that tasks decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rknn_zoo_e2e.tasks.outputs import Output, check_fit
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.tensors import Raw, real


class Form:
    """The outputs are ours: boxes normalised to the input, on one grid.

    Args:
        spec: the model.
        ours: the outputs its task decodes.
    """

    def __init__(self, spec: ModelSpec, ours: tuple[Output, ...]) -> None:
        self.spec, self._ours = spec, ours

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Those of the file, by name, with their channels in order."""
        return self._ours

    def check(self, outputs: Sequence[Raw]) -> None:
        """Raises :class:`ValueError` where a runtime's outputs are not such: their number, shapes or types."""
        check_fit(outputs, self.outputs)

    def ours(self, outputs: Sequence[Raw]) -> Sequence[Raw]:
        """A file's outputs, passed by :meth:`check`, as the task decodes them."""
        return outputs


class PixelForm(Form):
    """Boxes in px of the input, all else as ours: Frigate divides by the input's sides itself."""

    @property
    def outputs(self) -> tuple[Output, ...]:
        """One output; its boxes are in px."""
        [output] = self._ours
        box, *others = output.channels
        return (replace(output, channels=(replace(box, coordinates="cx, cy, w, h in input px"), *others)),)

    def ours(self, outputs: Sequence[Raw]) -> Sequence[Raw]:
        """Boxes divided by the input's sides."""
        [output] = outputs
        normalised = np.array(real(output).reshape(output.shape[1], -1))
        height, width = self.spec.imgsz
        normalised[:4] /= np.array([[width], [height], [width], [height]], np.float32)
        return [normalised[None]]
