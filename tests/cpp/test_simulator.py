"""On what the vendor's simulator gives for real models, C++ finds the same as Python, whatever the type and layout."""

from __future__ import annotations

import pytest
from native import as_npu, essentials
from recording import LAYOUTS
from test_decode import agree

from rknn_zoo_e2e.tasks import task_of
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox


@pytest.mark.parametrize("task", ["detect", "pose", "segment", "obb"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_simulated_pictures(native, simulated, task, layout):
    one = simulated[task]
    total = 0
    for path, outputs in zip(one.pictures, one.held(layout), strict=True):
        source = read_image(path).shape[:2]
        for thresholds in (Thresholds(), Thresholds(conf=0.001)):
            wanted = task_of(one.spec).decode(outputs, Letterbox.fit(source, one.spec.imgsz), thresholds)
            tensors = [as_npu(output, layout.block) for output in outputs]
            agree(native.decode(essentials(one.spec), [t for t, _ in tensors], source, thresholds), wanted)
            total += len(wanted)
    assert total > 20, "the pictures show something"
