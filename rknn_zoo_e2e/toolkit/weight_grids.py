"""Which grid of 256 values each channel of a convolution's weights is rounded on.

The toolkit's own grid spans a channel's smallest to largest weight. Weights that already lie on a symmetric grid (after
quantisation-aware training, or from a TFLite INT8 file) fall between the values of that one and lose a second time. So
both grids are tried and the one that loses less is kept: weights stay exact on the grid they were made for.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import numpy_helper

from rknn_zoo_e2e.vision.arrays import Array

LOW, HIGH = -128, 127
MIN_STEP = 1e-12  # step of a channel of zeros


def choose_grids(graph: Path, data: Path, config: Path) -> None:
    """Puts the better grids where the toolkit's second step looks for them.

    Its configuration file cannot say them: of a list it takes the first channel alone.

    Args:
        graph: ``.model`` of the first step, an ONNX file with the weights.
        data: ``.data`` of it, a pickle that the toolkit in this process has just written.
        config: its hybrid quantisation file; what leaves INT8 there keeps the toolkit's grid.
    """
    model = onnx.load(str(graph))
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    left: dict[str, Any] = pickle.loads(data.read_bytes())
    elsewhere = yaml.load(config.read_text(), yaml.CSafeLoader)["custom_quantize_layers"] or {}
    for node in model.graph.node:
        if node.op_type != "Conv" or node.output[0] in elsewhere or node.input[1] not in weights:
            continue
        entry = left["quant_tab"].get(node.input[1])
        if entry and entry["dtype"] == "int8" and entry["qmethod"] == "channel":
            array = numpy_helper.to_array(weights[node.input[1]])
            step, zero = better_grid(array.reshape(len(array), -1).astype(np.float64))
            low, high = ((LOW - zero) * step).tolist(), ((HIGH - zero) * step).tolist()
            entry.update(min=low, max=high, ori_min=low, ori_max=high)
            entry.update(scale=step.tolist(), zero_point=zero.astype(int).tolist())
    data.write_bytes(pickle.dumps(left))


def better_grid(weights: Array) -> tuple[Array, Array]:
    """Steps and zero points (C,) on which each channel of weights (C, N) has the smaller square error."""
    low, high = np.minimum(weights.min(1), 0), np.maximum(weights.max(1), 0)
    spanning = np.maximum((high - low) / (HIGH - LOW), MIN_STEP)
    zero = LOW - np.round(low / spanning)
    symmetric, centre = np.maximum(np.maximum(-low, high) / HIGH, MIN_STEP), np.zeros_like(zero)
    choice = square_error(weights, symmetric, centre) < square_error(weights, spanning, zero)
    return np.where(choice, symmetric, spanning), np.where(choice, centre, zero)


def square_error(weights: Array, step: Array, zero: Array) -> Array:
    """What each channel of weights (C, N) loses on its grid, (C,)."""
    lost: Array = np.square(on_grid(weights, step[:, None], zero[:, None]) - weights).sum(1)
    return lost


def on_grid(values: Array, step: Array | float, zero: Array | float) -> Array:
    """Values as INT8 holds them: the nearest of 256 steps, of which number ``zero`` of -128..127 is 0."""
    rounded: Array = (np.clip(np.round(values / step) + zero, LOW, HIGH) - zero) * step
    return rounded
