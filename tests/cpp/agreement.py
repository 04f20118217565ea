"""How near the C++ decode must come to Python's."""

from __future__ import annotations

import numpy as np
from native import Found

from rknn_zoo_e2e.tasks.result import Result

COORDINATES = {"obb": 1e-3}  # px; others 2e-4


def agree(found: Found, wanted: Result) -> None:
    """Same set and order; coordinates, scores and masks to what float32 leaves open."""
    assert found.class_ids.tolist() == wanted.class_ids.tolist()
    near = {"atol": COORDINATES.get(wanted.spec.task, 2e-4), "rtol": 0}
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-6, rtol=0)
    np.testing.assert_allclose(found.boxes, wanted.boxes, **near)
    if wanted.keypoints is not None:
        values = wanted.keypoints.shape[2]
        np.testing.assert_allclose(
            found.keypoints.reshape(-1, 3)[:, :values], wanted.keypoints.reshape(-1, values), **near
        )
    if wanted.obb is not None:
        np.testing.assert_allclose(found.obb, wanted.obb, **near)
    for (left, top, crop), mask in zip(found.masks, wanted.masks or [], strict=True):
        assert (left, top, crop.shape) == (mask.left, mask.top, mask.crop.shape)
        # Logits are sums whose order is left open, so pixels on the very edge (integers make some) fall to either side.
        assert (crop != mask.crop).sum() <= max(3, 1e-3 * crop.size)
