"""Whatever a runtime gives: detections that can be, or one error that says why there are none."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.tasks.base import Task, Thresholds
from rknn_zoo_e2e.tasks.registry import TASKS, task_of
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import Quantized

SPECIAL = [np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 65504, 1e6, -1, -1e-9, -0.0, 0, 1e-30, 0.25, 1, 1.005, 1.02, 2]
SOURCES = [(1, 1), (1, 16000), (16000, 1), (480, 640), (7, 3), (641, 13)]


@st.composite
def tasks(draw) -> Task:
    name = draw(st.sampled_from(list(TASKS)))
    return task_of(
        ModelSpec(
            "any",
            name,
            tuple(f"c{i}" for i in range(draw(st.sampled_from([1, 2, 80, 1000])))),
            draw(st.sampled_from([(64, 64), (32, 96), (640, 640), (320, 32)])),
            kpt_shape=draw(st.sampled_from([(17, 3), (4, 2), (1, 3)])) if name == "pose" else None,
            skeleton=((0, 0),) if name == "pose" else (),
            masks=draw(st.sampled_from([1, 8, 32])) if name == "segment" else 0,
            nms_free=draw(st.booleans()),
        )
    )


@st.composite
def outputs(draw, task: Task) -> list:
    """Plausible values with special ones among them, as float32, fp16 or INT8, flat or as a grid."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    anchors = draw(st.sampled_from([1, 2, 21, 84, 300]))
    out = rng.uniform(0, 1, (1, len(task.scale), anchors)).astype(np.float32)
    out[0, 4 : task.extra_from] *= draw(st.sampled_from([1, 0.3])) * rng.random(anchors)
    made = [out]
    if task.name == "segment":
        height, width = (side // 4 for side in task.spec.imgsz)
        made.append(rng.normal(size=(1, task.spec.masks, height, width)).astype(np.float32))
    for array in made:
        for _ in range(draw(st.integers(0, 3))):
            array.reshape(-1)[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from(SPECIAL))
    kind = draw(st.sampled_from(["float32", "float16", "int8"]))
    if kind == "int8":
        scale = draw(st.sampled_from([1 / 256, 0.01, 1e-9, 1e9]))
        made[0] = Quantized(rng.integers(-128, 128, out.shape, np.int8), scale, draw(st.integers(-128, 127)))
    else:
        with np.errstate(over="ignore"):
            made = [array.astype(kind) for array in made]
    if draw(st.booleans()):
        made[0] = made[0].reshape(1, len(task.scale), anchors, 1)
    return made


thresholds = st.builds(
    Thresholds, st.sampled_from([0, 0.001, 0.25, 1]), st.sampled_from([0, 0.7, 1]), st.sampled_from([1, 10, 300])
)


def check(result: Result, limits: Thresholds) -> None:
    """What holds for every result."""
    height, width = result.shape
    box, scores = result.boxes, result.scores
    assert len(box) == len(scores) == len(result.class_ids) <= limits.max_det
    assert ((scores > limits.conf) | (scores == 1)).all() and (scores <= 1).all() and (np.diff(scores) <= 0).all()
    assert (box >= 0).all() and (box[:, ::2] <= width).all() and (box[:, 1::2] <= height).all()
    assert (box[:, 2:] >= box[:, :2]).all()
    assert (result.class_ids >= 0).all() and (result.class_ids < len(result.spec.names)).all()
    if result.keypoints is not None:
        xy = result.keypoints[..., :2]
        assert np.isfinite(result.keypoints).all() and (xy >= 0).all() and (xy <= (width, height)).all()
    if result.obb is not None:
        assert np.isfinite(result.obb).all() and (result.obb[:, 2:4] > 0).all()
        assert (result.obb[:, 4] >= 0).all() and (result.obb[:, 4] < np.pi / 2 + 1e-6).all()
    for mask in result.masks or ():
        assert mask.full(height, width)[mask.top :, mask.left :][: mask.crop.shape[0], : mask.crop.shape[1]].shape
        assert mask.crop.size and mask.top + mask.crop.shape[0] <= height
        assert mask.left + mask.crop.shape[1] <= width
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.data(), tasks(), thresholds, st.sampled_from(SOURCES))
def test_detections_can_be_or_there_is_an_error(data, task, limits, source):
    made = data.draw(outputs(task))
    task.check(made)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy's would be lines on stderr
        try:
            result = task.decode(made, Letterbox.fit(source, task.spec.imgsz), limits)
        except FloatingPointError:
            return
        check(result, limits)
        drawn = result.draw(np.zeros((*source, 3), np.uint8))
    assert drawn.shape == (*source, 3)


@settings(max_examples=200, deadline=None)
@given(st.data(), tasks(), st.sampled_from([np.nan, np.inf, 1.02, 3e38]))
def test_a_score_that_is_none_is_noticed_at_any_anchor(data, task, value):
    made = data.draw(outputs(task))
    assume(isinstance(made[0], np.ndarray))
    scores = made[0][0, 4 : task.extra_from].reshape(task.extra_from - 4, -1)
    place = data.draw(st.integers(0, scores.shape[0] - 1)), data.draw(st.integers(0, scores.shape[1] - 1))
    with np.errstate(over="ignore"):
        scores[place] = value
    with pytest.raises(FloatingPointError):
        task.decode(made, Letterbox.fit((48, 64), task.spec.imgsz), Thresholds())


@settings(max_examples=100, deadline=None)
@given(st.data(), tasks())
def test_what_no_detection_depends_on_is_not_looked_at(data, task):
    """NaN in the box of an anchor below the threshold changes nothing."""
    made = data.draw(outputs(task))
    assume(all(isinstance(array, np.ndarray) and np.isfinite(array).all() for array in made))
    out = made[0].reshape(len(task.scale), -1)
    weak = out[4 : task.extra_from].max(0) < 0.25
    letterbox = Letterbox.fit((48, 64), task.spec.imgsz)
    try:
        before = task.decode(made, letterbox, Thresholds())
    except FloatingPointError:
        return
    out[:4, weak] = out[task.extra_from :, weak] = np.nan
    after = task.decode(made, letterbox, Thresholds())
    np.testing.assert_array_equal(before.boxes, after.boxes)
    np.testing.assert_array_equal(before.scores, after.scores)


class Gives:
    """A runtime that answers with the same outputs, however odd."""

    backend = "simulator"

    def __init__(self, made) -> None:
        self.made = made

    def infer(self, rgb: np.ndarray):
        return self.made

    def close(self) -> None:
        pass


def predictor(task: Task, made) -> Predictor:
    return Predictor(task.spec, Pool([lambda: Gives(made)]), Thresholds())


DETECT = task_of(ModelSpec("d", "detect", ("a", "b"), (64, 96)))
SEGMENT = task_of(ModelSpec("s", "segment", ("a", "b"), (64, 96), masks=8))
FITTING = np.zeros((1, 6, 126), np.float32)
PROTOS, FLAT = np.zeros((1, 8, 16, 24), np.float32), np.zeros((1, 14, 126), np.float32)


@pytest.mark.parametrize(
    ("task", "made", "said"),
    [
        (DETECT, [], "0 outputs, not 1"),
        (DETECT, [FITTING, FITTING], "2 outputs, not 1"),
        (DETECT, [FITTING[:, :5]], r"output0 of shape \(1, 5, 126\), not \(1, 6, ...\)"),
        (DETECT, [FITTING.transpose(0, 2, 1)], "shape"),
        (DETECT, [FITTING[0]], "shape"),
        (DETECT, [FITTING.repeat(2, 0)], "shape"),
        (DETECT, [FITTING[..., :0]], "shape"),
        (DETECT, [FITTING.reshape(-1)], "shape"),
        (DETECT, [np.float32(0)], "type"),
        (DETECT, [None], "type NoneType"),
        (DETECT, [FITTING.astype(np.int8)], "type int8"),
        (DETECT, [FITTING.astype(complex)], "type complex128"),
        (DETECT, [FITTING.astype(object)], "type object"),
        (SEGMENT, [FLAT], "1 outputs, not 2"),
        (SEGMENT, [PROTOS, FLAT], "output0 of shape"),
        (SEGMENT, [FLAT, PROTOS[:, :7]], "output1 of shape"),
        (SEGMENT, [FLAT, PROTOS[0]], "output1 of shape"),
        (SEGMENT, [FLAT, PROTOS.transpose(0, 1, 3, 2)], "for an input of"),
    ],
)
def test_outputs_of_another_model_are_told(task, made, said):
    with pytest.raises(UserError, match=f"The simulator gave|simulator gave does not fit {task.spec.name}: .*{said}"):
        predictor(task, made)(np.zeros((9, 9, 3), np.uint8))


@pytest.mark.parametrize(
    ("channel", "value", "said"),
    [(4, np.nan, "not finite numbers"), (4, 8.0, "scores above 1"), (0, 1e9, "boxes far from the picture")],
)
def test_values_that_mean_nothing_are_told(channel, value, said):
    out = FITTING.copy()
    out[0, :5, 3] = 0.5
    out[0, channel, 3] = value
    with pytest.raises(UserError, match=f"The simulator gave .*{said}"):
        predictor(DETECT, [out])(np.zeros((9, 9, 3), np.uint8))


@pytest.mark.parametrize(
    "values",
    [{"conf": np.nan}, {"conf": -0.1}, {"iou": 1.5}, {"iou": np.inf}, {"max_det": 0}, {"classes": (2,)}],
)
def test_thresholds_that_mean_nothing_are_refused(values):
    with pytest.raises(UsageError):
        Predictor(DETECT.spec, Pool([lambda: Gives([FITTING])]), Thresholds(**values))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9), np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((9, 9, 3), np.float32),
        np.zeros((0, 9, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_picture_are_refused(image):
    with pytest.raises(ValueError, match="uint8 RGB"):
        predictor(DETECT, [FITTING])(image)
