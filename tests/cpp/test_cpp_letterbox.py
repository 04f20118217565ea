"""The C++ letterbox against Python's, which is OpenCV's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import NativeError

from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

SIDE = st.one_of(st.integers(1, 40), st.integers(41, 900))


@given(height=SIDE, width=SIDE, imgsz=st.sampled_from([(320, 320), (96, 160), (64, 32)]), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_size(native, height, width, imgsz, seed):
    """Noise is the hardest: every neighbour differs."""
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    ours, letterbox = native.letterbox(rgb, imgsz), Letterbox.fit((height, width), imgsz)
    theirs = letterbox.apply(rgb)
    inner = np.zeros(imgsz, bool)
    top, left = letterbox.top, letterbox.left
    inner[top : top + letterbox.inner[0], left : left + letterbox.inner[1]] = True
    assert (ours[~inner] == 114).all()
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_rows_may_lie_apart(native):
    wide = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    part = wide[5:45, 10:70]
    np.testing.assert_array_equal(native.letterbox(part, (64, 64)), native.letterbox(part.copy(), (64, 64)))


def test_a_photograph(native, bus):
    rgb = read_image(bus)
    ours, theirs = native.letterbox(rgb, (640, 640)), Letterbox.of(rgb, (640, 640)).apply(rgb)
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.001


def test_an_impossible_size_is_wrong_use(native):
    with pytest.raises(NativeError) as error:
        native.letterbox(np.zeros((1, 40_000, 3), np.uint8), (64, 64))
    assert error.value.code == 2
