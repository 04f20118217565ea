"""The C++ library, built once: by scripts/test.sh into the folder E2ERKNN_CPP_BUILD names, else here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from native import RUNNER, STATIC, Library
from PIL import Image
from recording import LAYOUTS, Simulated, record

CPP = Path(__file__).parents[2] / "cpp"
TASKS = {"detect": "shapes", "pose": "shapes-pose", "segment": "shapes-seg", "obb": "shapes-obb"}
PICTURES = 20


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The folder with libe2erknn.so, e2erknn-run and the pretended runtimes."""
    if folder := os.environ.get("E2ERKNN_CPP_BUILD"):
        return Path(folder).resolve()
    if not (shutil.which("cmake") and shutil.which("c++")):
        pytest.skip("no C++ compiler: apt-get install g++ cmake libjpeg62-turbo-dev libpng-dev")
    folder = tmp_path_factory.mktemp("cpp")
    subprocess.run(["cmake", "-S", CPP, "-B", folder, "-DBUILD_SHARED_LIBS=ON", "-DE2ERKNN_TESTS=ON"], check=True)
    subprocess.run(["cmake", "--build", folder, "-j", "2"], check=True)
    return folder


@pytest.fixture(scope="session")
def native(built: Path) -> Library:
    if RUNNER or STATIC:
        pytest.skip("programs only")
    return Library(built / "libe2erknn.so")


@pytest.fixture(scope="session")
def bundles(request) -> Path:
    """A folder with a bundle of every starter model, made through the CLI; E2ERKNN_TEST_BUNDLES names one at hand."""
    folder = os.environ.get("E2ERKNN_TEST_BUNDLES")
    return Path(folder) if folder else request.getfixturevalue("converted")


@pytest.fixture(scope="session")
def simulated(bundles: Path, tmp_path_factory) -> dict[str, Simulated]:
    """By task: pictures of many sizes, and what the vendor's simulator makes of them."""
    from rknn_zoo_e2e import load
    from rknn_zoo_e2e.shapes import draw_scene
    from rknn_zoo_e2e.vision.image import read_image
    from rknn_zoo_e2e.vision.letterbox import Letterbox

    found = {}
    for task, name in TASKS.items():
        folder, rng = tmp_path_factory.mktemp(task), np.random.default_rng(7)
        pictures = []
        for number in range(PICTURES):
            size = (320, 320) if number == 0 else tuple(int(v) for v in rng.integers(90, 700, 2))
            path = folder / f"picture-{number}.{'png' if number % 4 == 3 else 'jpg'}"
            Image.fromarray(draw_scene(900 + number, size, pose=task == "pose")[0]).save(path)
            pictures.append(path)
        bundle = bundles / f"{name}_rknn_model"
        with load(bundle, backend="simulator") as predictor:
            images = [read_image(path) for path in pictures]
            inputs = [Letterbox.of(image, predictor.spec.imgsz).apply(image) for image in images]
            outputs = tuple([np.asarray(o, np.float32) for o in predictor.infer(rgb)] for rgb in inputs)
            found[task] = Simulated(predictor.spec, next(bundle.glob("*.rknn")), tuple(pictures), outputs)
    return found


@pytest.fixture(scope="session")
def recorded(simulated, tmp_path_factory):
    """Folder of the pretended runtime's answers for a task and a layout by name, made once."""
    made: dict[tuple[str, str], Path] = {}
    root = tmp_path_factory.mktemp("recorded")

    def of(task: str, layout: str) -> Path:
        if (task, layout) not in made:
            made[task, layout] = record(root / f"{task}-{len(made)}", simulated[task], LAYOUTS[layout])
        return made[task, layout]

    return of
