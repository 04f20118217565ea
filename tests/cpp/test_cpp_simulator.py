"""On what the vendor's simulator gives for real models, C++ finds the same as Python, whatever the type and layout."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from agreement import agree, overlap
from native import RUNNER, Found, as_npu, essentials
from recording import EVERY_LAYOUT

from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

TASKS = ("detect", "pose", "segment", "obb")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("layout", EVERY_LAYOUT.values(), ids=EVERY_LAYOUT)
def test_through_the_c_abi(native, simulated, task, layout):
    one = simulated[task]
    total = 0
    for path, outputs in zip(one.pictures, one.held(layout), strict=True):
        source = read_image(path).shape[:2]
        for thresholds in (Thresholds(), Thresholds(conf=0.001)):
            letterbox = Letterbox.fit(source, one.spec.imgsz)
            wanted = task_of(one.spec).decode(outputs, letterbox, thresholds)
            tensors = [as_npu(output, layout.block) for output in outputs]
            found = native.decode(essentials(one.spec), [t for t, _ in tensors], source, thresholds)
            agree(found, outputs, letterbox, wanted, thresholds)
            assert overlap(found, wanted) >= 0.999
            total += len(wanted)
    assert total > 20, "the pictures show something"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("layout", EVERY_LAYOUT)
def test_from_the_npus_memory(built, recorded, simulated, task, layout):
    """Inputs written and outputs read in place, on this processor or an emulated one (E2ERKNN_CPP_RUNNER)."""
    one, folder = simulated[task], recorded(task, layout)
    sources = [read_image(path).shape[:2] for path in one.pictures]
    words = [[folder / f"input-{n}.bin", width, height] for n, (height, width) in enumerate(sources)]
    env = dict(os.environ, E2ERKNN_STANDIN=str(folder), E2ERKNN_RKNNRT=str(built / "tests" / "librknnrt.so"))
    env.pop("LD_PRELOAD", None)
    command = [*RUNNER, built / "tests" / "exact", one.model, *(str(w) for word in words for w in word)]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    lines = pictures_of(done.stdout)
    for rows, outputs, source in zip(lines, one.held(EVERY_LAYOUT[layout]), sources, strict=True):
        letterbox, thresholds = Letterbox.fit(source, one.spec.imgsz), Thresholds()
        wanted, found = task_of(one.spec).decode(outputs, letterbox, thresholds), found_in(rows, one.spec)
        agree(found, outputs, letterbox, wanted, thresholds)
        assert overlap(found, wanted) >= 0.999


def pictures_of(text: str) -> list[list[str]]:
    """Lines of each picture; an empty line ends one."""
    pictures: list[list[str]] = [[]]
    for line in text.splitlines():
        if line:
            pictures[-1].append(line)
        else:
            pictures.append([])
    return pictures[:-1]


def found_in(rows: list[str], spec) -> Found:
    words = [row.split() for row in rows]
    points = spec.kpt_shape[0] * 3 if spec.kpt_shape else 0
    numbers = (
        np.array([w[: 11 + points] for w in words], np.float64).reshape(len(words), 11 + points).astype(np.float32)
    )
    masks = []
    for word in words if spec.masks else ():
        left, top, width, height = map(int, word[-5:-1])
        masks.append((left, top, np.array(list(word[-1]), "U1").reshape(height, width) == "1"))
    return Found(
        numbers[:, 2:6], numbers[:, 1], numbers[:, 0].astype(np.int64), numbers[:, 11:], numbers[:, 6:11], masks
    )
