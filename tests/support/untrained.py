"""Untrained models of Ultralytics' families."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from ultralytics.nn.tasks import DetectionModel, OBBModel, PoseModel, SegmentationModel

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from placing import config_of  # noqa: F401 - for the tests

BUILDERS = {"": DetectionModel, "-pose": PoseModel, "-seg": SegmentationModel, "-obb": OBBModel}
# The smallest model of a family, where that is not "n".
SMALLEST = {"yolov3": "yolov3-tiny", "yolov5-p6": "yolov5n-p6", "yolov9": "yolov9t", "yolov9-seg": "yolov9c-seg"}


def built(family: str, suffix: str, classes: int = 3, **kwargs) -> torch.nn.Module:
    """An untrained model whose last convolutions are scaled to give values of a trained one's spread (about 3)."""
    torch.manual_seed(0)
    stem = SMALLEST.get(f"{family}{suffix}", f"{family}n{suffix}")
    model = BUILDERS[suffix](f"{stem}.yaml", nc=classes, verbose=False, **kwargs)
    head = model.model[-1]
    model.args, model.task = {}, {"": "detect", "-seg": "segment"}.get(suffix, suffix[1:])
    if getattr(head, "one2one_cv2", None) is not None:
        head.end2end = True
    model.fuse(verbose=False)
    model.eval().requires_grad_(False)

    def spread(conv, inputs, output):
        wanted = 0.5 if conv.out_channels == 1 and suffix == "-obb" else 3  # YOLO26's angle is in radians
        conv.weight *= wanted / output.std().clamp(min=1e-6)

    last = [
        m for n, m in head.named_modules() if type(m) is torch.nn.Conv2d and m.kernel_size == (1, 1) and "dfl" not in n
    ]
    hooks = [conv.register_forward_hook(spread) for conv in last]
    model(torch.rand(1, 3, 320, 320))
    for hook in hooks:
        hook.remove()
    return model
