"""Ultralytics' own decode, in this project's channel order and normalisation: what everything is compared with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.heads.patch import blocks_patched, patched
from rknn_zoo_e2e.tasks.registry import TASKS, task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec

TOLERANCE = 1e-3  # px, on the same features; fp32 rounding at 640 px is up to 7e-4
# px, of a whole network summed in another order: Ultralytics' own boxes move by 2e-3 with the number of threads.
ROUNDING_TOLERANCE = 1e-2


def reference_outputs(model: nn.Module, x: Tensor, spec: ModelSpec) -> list[Tensor]:
    """The model's outputs in layout flat, decoded by Ultralytics.

    Args:
        model: with its head in place.
        x: (1, 3, H, W) float32, 0..1.
    """
    head = model.model[-1]
    # One-to-one heads select their best boxes themselves; here every anchor is wanted.
    head.postprocess = lambda predictions: predictions.permute(0, 2, 1)
    try:
        with torch.no_grad():
            decoded = model(x)[0]
    finally:
        del head.postprocess
    outputs = [o.clone() for o in (decoded if isinstance(decoded, tuple) else (decoded,))]
    if head.end2end and TASKS[spec.task].corners:
        one, two = outputs[0][:, :2].clone(), outputs[0][:, 2:4].clone()
        outputs[0][:, :2], outputs[0][:, 2:4] = (one + two) / 2, two - one
    outputs[0] /= torch.from_numpy(task_of(spec).input_scale())
    return outputs


def check_decode(model: nn.Module, spec: ModelSpec) -> float:
    """Largest difference between the tail's decode and Ultralytics', in px, on a picture of noise.

    Raises:
        UserError: it is more than fp32 rounding explains, so this head is not one the tail understands; or the
            rewritten blocks change the output.
    """
    x = torch.rand(1, 3, *spec.imgsz, generator=torch.Generator().manual_seed(0))
    scale = torch.from_numpy(task_of(spec).input_scale())
    stock = reference_outputs(model, x, spec)[0]
    with blocks_patched(model):
        expected = reference_outputs(model, x, spec)[0]
        with torch.no_grad(), patched(model, spec, "flat"):
            found = model(x)
    given = [o.numpy() for o in (found if isinstance(found, tuple) else (found,))]
    actual = torch.from_numpy(np.asarray(task_of(spec).form.ours(given)[0]))
    worst, moved = (float(((a - expected) * scale).abs().max()) for a in (actual, stock))
    larger = max(1.0, max(spec.imgsz) / 640)
    for what, px, limit in (("decode", worst, TOLERANCE), ("rewritten graph", moved, ROUNDING_TOLERANCE)):
        if not px <= limit * larger:  # also NaN
            raise UserError(
                f"The {what} of {spec.name} differs from Ultralytics' by {px:.4f} px.",
                "Report this with the checkpoint's origin; it holds something this tool does not know.",
            )
    return worst
