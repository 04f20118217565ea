"""Outputs no model should give."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzzing.harness import Attempt
from fuzzing.material import Material
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.vision.arrays import Array, Floats, Pixels

TENSORS = 50  # bad ones an attempt


def tensors(rng: Random, material: Material, folder: Path) -> Attempt:
    """Outputs no model should give, decoded and drawn."""
    spec = read_bundle(rng.choice(material.bundles)).spec
    seed = rng.getrandbits(32)
    return Attempt(lambda: decode_all(spec, seed, material.scene), TENSORS)


class Given:
    """A runtime that answers what it was given."""

    backend = "simulator"

    def __init__(self) -> None:
        self.outputs: list[Array] = []

    def infer(self, rgb: Pixels) -> list[Floats]:
        return self.outputs

    def close(self) -> None:
        pass


def decode_all(spec: Any, seed: int, image: Pixels) -> None:
    """Raises AssertionError where detections are not in the picture, or a value that is no number went unnoticed."""
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.runtime.pool import Pool
    from rknn_zoo_e2e.runtime.predictor import Predictor
    from rknn_zoo_e2e.tasks.base import Thresholds
    from rknn_zoo_e2e.tasks.registry import task_of

    given = Given()
    rng, numbers = Random(seed), np.random.default_rng(seed)
    predictor = Predictor(
        spec, Pool([lambda: given]), Thresholds(rng.choice((0.0, 0.001, 0.25, 1.0)), rng.random(), rng.choice((1, 300)))
    )
    anchors = sum((spec.imgsz[0] // s) * (spec.imgsz[1] // s) for s in (8, 16, 32))
    for _ in range(TENSORS):
        shapes = [[1, output.count, anchors] for output in task_of(spec).outputs]
        shapes[1:] = [[1, s[1], spec.imgsz[0] // 4, spec.imgsz[1] // 4] for s in shapes[1:]]
        wanted, outputs = [tuple(shape[:2]) for shape in shapes], []
        for shape in shapes:
            if rng.random() < 0.2:
                shape[rng.randrange(len(shape))] = rng.choice((0, 1, 2, 99))
            output = numbers.normal(0.2, 0.4, shape).astype(rng.choice((np.float32, np.float32, np.float16)))
            if output.size and rng.random() < 0.7:
                places = numbers.integers(0, output.size, rng.choice((1, 10, 1000)))
                with np.errstate(over="ignore"):
                    output.flat[places] = rng.choice((np.nan, np.inf, -np.inf, 1e30, -1e30, 6e4, 0, -1))
            outputs.append(output)
        if rng.random() < 0.1:
            outputs = outputs[:-1] if rng.random() < 0.5 else [*outputs, outputs[0]]
        given.outputs = outputs
        try:
            result = predictor(image)
        except UserError:
            continue
        values = [v for v in (result.boxes, result.scores, result.keypoints, result.obb) if v is not None]
        assert [output.shape[:2] for output in outputs] == wanted, "other channels went through"
        assert all(np.isfinite(v).all() for v in values), "a value that is no number went through"
        scores = outputs[0][0, 4 : 4 + len(spec.names)]
        assert not np.isnan(scores).any(), "a score was NaN, unnoticed"
        height, width = image.shape[:2]
        limits = np.array([width, height, width, height])
        assert (result.boxes >= 0).all() and (result.boxes <= limits).all(), "a box lies outside the picture"
        result.draw(image)
        result.to_dict()
