"""How sure a loss of mAP is: two models on the same pictures, and the loss's spread over other choices of these.

As many pictures are drawn from them with replacement, again and again, and mAP50-95 of both is taken on each draw
(paired bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rknn_zoo_e2e.measure.evaluate import fed_validator
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.quantization.calibration import told_skipped
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.vision.arrays import Array

MATCHES = {"box": "tp", "obb": "tp", "mask": "tp_m", "pose": "tp_p"}  # Ultralytics' statistic of a kind of metric
RESAMPLES = 400
Statistics = dict[str, list[Array]]  # of each picture: what was found right, how sure, of which class


@dataclass(frozen=True)
class Loss:
    """In points of mAP50-95 x 100: both models', their difference, its deviation, and between what 95 % of it lie."""

    first: float
    second: float
    loss: float
    deviation: float
    low: float
    high: float


def statistics(
    predictor: Predictor,
    data: Path,
    only: Sequence[Path] | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> Statistics:
    """What Ultralytics' validator counts on each picture, of ``only`` those of the data set's val part where given.

    ``say`` is told which pictures cannot be used. Raises as :func:`~rknn_zoo_e2e.measure.evaluate.evaluate`.
    """
    with fed_validator(predictor, data, progress=progress, only=only) as (validator, _, skipped):
        for line in told_skipped(skipped):
            say(line)
        return {key: [np.asarray(v) for v in values] for key, values in validator.metrics.stats.items()}


def mean_ap(found: Statistics, metric: str, pictures: Array) -> float:
    """mAP50-95 x 100 on some of the pictures, each as often as it is named."""
    from ultralytics.utils.metrics import ap_per_class  # not before evaluating has told Ultralytics to be quiet

    keys = (MATCHES[metric], "conf", "pred_cls", "target_cls")
    parts = [np.concatenate([found[key][i] for i in pictures]) for key in keys]
    return 100 * float(ap_per_class(*parts)[5].mean())


def whole(found: Statistics, metric: str) -> float:
    """mAP50-95 x 100 on all pictures."""
    return mean_ap(found, metric, np.arange(len(found["conf"])))


def resampled(first: Statistics, second: Statistics, metric: str, resamples: int = RESAMPLES) -> tuple[Array, Array]:
    """mAP50-95 x 100 of both on all pictures, then on each of the same draws: (1 + resamples,) each."""
    count = len(first["conf"])
    draws = [np.arange(count), *np.random.default_rng(0).integers(0, count, (resamples, count))]
    one, two = (np.array([mean_ap(found, metric, draw) for draw in draws]) for found in (first, second))
    return one, two


def compared(first: Statistics, second: Statistics, metric: str, resamples: int = RESAMPLES) -> Loss:
    """What the second loses against the first."""
    one, two = resampled(first, second, metric, resamples)
    losses = one - two
    low, high = np.percentile(losses[1:], [2.5, 97.5])
    return Loss(*(float(v) for v in (one[0], two[0], losses[0], losses[1:].std(), low, high)))
