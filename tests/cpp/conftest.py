"""The C++ library, built once: by scripts/test.sh into the folder E2ERKNN_CPP_BUILD names, else here."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from native import RUNNER, STATIC, Library
from PIL import Image
from recording import EVERY_LAYOUT, Simulated, record

from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

CPP = Path(__file__).parents[2] / "cpp"
TASKS = {"detect": "shapes", "pose": "shapes-pose", "segment": "shapes-seg", "obb": "shapes-obb"}
PICTURES = 20


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The folder with libe2erknn.so, e2erknn-run and the pretended runtimes."""
    if folder := os.environ.get("E2ERKNN_CPP_BUILD"):
        return Path(folder).resolve()
    if not (shutil.which("cmake") and shutil.which("c++")):
        pytest.skip("no C++ compiler: apt-get install g++ cmake make libjpeg62-turbo-dev libpng-dev")
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
def simulated(request, tmp_path_factory) -> dict[str, Simulated]:
    """By task: pictures of many sizes, and what the vendor's simulator makes of them.

    E2ERKNN_SIMULATED names a folder to keep them in, for further builds of the same library."""
    kept = os.environ.get("E2ERKNN_SIMULATED")
    root = Path(kept).resolve() if kept else tmp_path_factory.mktemp("simulated")
    for task, name in TASKS.items():
        if not (root / task).exists():
            simulate(request.getfixturevalue("converted") / f"{name}_rknn_model", root / task, task == "pose")
    return {task: read_simulated(root / task) for task in TASKS}


def simulate(bundle: Path, kept: Path, pose: bool) -> None:
    """Draws pictures, runs them in the simulator, and keeps what a board needs of the bundle beside them."""
    from rknn_zoo_e2e import load
    from rknn_zoo_e2e.media.synthetic import draw_scene

    kept.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=kept.parent))
    rng, outputs = np.random.default_rng(7), {}
    with load(bundle, backend="simulator") as predictor:
        for number in range(PICTURES):
            size = (320, 320) if number == 0 else tuple(int(v) for v in rng.integers(90, 700, 2))
            path = folder / f"picture-{number}.{'png' if number % 4 == 3 else 'jpg'}"
            Image.fromarray(draw_scene(900 + number, size, pose=pose)[0]).save(path)
            image = read_image(path)
            rgb = Letterbox.of(image, predictor.spec.imgsz).apply(image)
            outputs |= {f"{number}-{i}": np.asarray(o, np.float32) for i, o in enumerate(predictor.infer(rgb))}
    for file in ("metadata.yaml", "labels.txt", next(bundle.glob("*.rknn")).name):
        shutil.copy(bundle / file, folder)
    np.savez(folder / "outputs.npz", **outputs)
    folder.rename(kept)


def read_simulated(folder: Path) -> Simulated:
    spec = ModelSpec.from_metadata(yaml.safe_load((folder / "metadata.yaml").read_text()))
    pictures = tuple(sorted(folder.glob("picture-*"), key=lambda path: int(path.stem.split("-")[1])))
    outputs = np.load(folder / "outputs.npz")
    count = len(outputs.files) // len(pictures)
    each = tuple([outputs[f"{number}-{i}"] for i in range(count)] for number in range(len(pictures)))
    return Simulated(spec, next(folder.glob("*.rknn")), pictures, each)


@pytest.fixture(scope="session")
def recorded(simulated, tmp_path_factory):
    """Folder of the pretended runtime's answers for a task and a layout by name, made once."""
    made: dict[tuple[str, str], Path] = {}
    root = tmp_path_factory.mktemp("recorded")

    def of(task: str, layout: str) -> Path:
        if (task, layout) not in made:
            made[task, layout] = record(root / f"{task}-{len(made)}", simulated[task], EVERY_LAYOUT[layout])
        return made[task, layout]

    return of
