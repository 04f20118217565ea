"""Tells which program or project made a checkpoint, by the classes it asks for."""

from __future__ import annotations

import re
from importlib.util import find_spec

from rknn_zoo_e2e.checkpoint.refusals import Refused

RETRAIN = "It cannot be converted; train again with Ultralytics, from yolov5nu.pt or yolov8n.pt for example."
# Packages whose models are no Ultralytics checkpoints, and what they call themselves.
OTHERS = {
    "yolov5": "YOLOv5", "yolov6": "YOLOv6", "yolov7": "YOLOv7", "yolox": "YOLOX", "super_gradients": "YOLO-NAS",
    "mmdet": "MMDetection", "mmyolo": "MMYOLO", "mmengine": "MMEngine", "mmcv": "MMCV", "detectron2": "Detectron2",
    "torchvision": "torchvision", "timm": "timm", "transformers": "Transformers", "rfdetr": "RF-DETR",
    "nanodet": "NanoDet", "damo": "DAMO-YOLO", "segment_anything": "Segment Anything", "sam2": "Segment Anything 2",
    "mobile_sam": "MobileSAM", "groundingdino": "Grounding DINO", "pytorch_lightning": "PyTorch Lightning",
    "lightning": "PyTorch Lightning", "fastai": "fastai", "sklearn": "scikit-learn",
}  # fmt: skip
# Name of a class; what a file is that asks for it; what to do; what to do where the file is trusted.
ORIGINS: tuple[tuple[re.Pattern[str], str, str, str], ...] = (
    (
        re.compile(r"models\.(yolo|common|experimental)\.\w+"),
        "is an anchor-based checkpoint of the YOLOv5 repository, or of one made from it such as YOLOv7",
        RETRAIN,
        "",
    ),
    (
        re.compile(r"ultralytics\.(models|engine|yolo)\.([\w.]+\.)?(YOLO|YOLOWorld|YOLOE|RTDETR|NAS|SAM|FastSAM)"),
        "is a whole YOLO object, as torch.save(YOLO(...)) writes it, not a checkpoint",
        'Open it with the Ultralytics that saved it and save it as a checkpoint: model.save("best.pt").',
        'Save it as a checkpoint, model.save("best.pt"), or, if you trust who made it, add {flag}.',
    ),
    (
        re.compile(r"torch\.nn\.parallel\.[\w.]+"),
        "holds a model wrapped for several GPUs",
        'Save what it wraps: torch.save({"model": model.module}, "best.pt").',
        "",
    ),
    (
        re.compile(r"torch\._dynamo\.[\w.]+"),
        "holds a model wrapped by torch.compile",
        'Save what it wraps: torch.save({"model": model._orig_mod}, "best.pt").',
        "",
    ),
    (
        re.compile(r"ultralytics\.[\w.]+"),
        "needs {name}, which the Ultralytics installed here does not have: it is of a newer release or of a fork",
        "Upgrade Ultralytics, or put the fork that saved it on PYTHONPATH.",
        "",
    ),
    (
        re.compile(r"__main__\.[\w.]+"),
        "needs classes other than YOLO's own ({name}), of a script that nobody can import",
        "Move them into a module of their own, and save the checkpoint again.",
        "",
    ),
)


class NeedsClass(Refused):
    """The model asks for a class that is not known; the refusal says who made the file, as far as its name tells.

    Args:
        name: of the class, with its module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(*told_by(name))


def told_by(name: str) -> tuple[str, str, str]:
    """What a file is, what to do, and what to do where it is trusted, told by the name of a class it asks for."""
    for pattern, what, fix, trust in ORIGINS:
        if pattern.fullmatch(name):
            return what.replace("{name}", name), fix, trust
    top = name.split(".")[0]
    if top in OTHERS:
        return f"is a checkpoint of {OTHERS[top]} ({name}), not of Ultralytics", RETRAIN, ""
    trust = "If you trust who made it, load it with {flag}."
    if not is_installed(top):
        trust = f"Put the package {top} on PYTHONPATH and, if you trust who made the file, add {{flag}}."
    fix = f"Put the release of {top} it was saved with on PYTHONPATH."
    return f"needs classes other than YOLO's own ({name})", fix, trust


def is_installed(package: str) -> bool:
    """Whether Python would find it; nothing is imported."""
    try:
        return package.isidentifier() and find_spec(package) is not None
    except ValueError:  # loaded by no ordinary loader
        return True
