"""Size and peak memory of e2erknn-run: python scripts/measure_cpp.py, after bash scripts/test_cpp.sh --rest

Sizes are of programs cross-built for both kinds of boards, stripped, libstdc++ linked in, with the board's own libjpeg
and libpng. Memory is VmHWM on this machine after ten frames on the pretended runtime, which has the buffers told
beside it. A model is not read into memory here; on a board the vendor's library holds it.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "cpp"))
from conftest import read_simulated  # type: ignore[import-not-found]
from recording import LAYOUTS, record  # type: ignore[import-not-found]

ROOT = Path(__file__).parents[1]
BOARDS = {"aarch64": ("aarch64-linux-gnu", "arm64"), "armhf": ("arm-linux-gnueabihf", "armhf")}
FRAMES = ((480, 640), (720, 1280), (1080, 1920))
BUILD = ROOT / ".test" / "cpp-memory"  # as docs/cpp.md builds it: the library within the program
SHELL = """set -e
source scripts/cpp_sysroot.sh
root=$(sysroot {debian})
mapfile -t pictures < <(with_pictures "$root" {triple} so)
cmake -S cpp -B .test/cpp-size-{name} -DCMAKE_TOOLCHAIN_FILE="$PWD/cpp/cmake/{name}.cmake" "${{pictures[@]}}"
cmake --build .test/cpp-size-{name} -j 2
{triple}-strip -o .test/e2erknn-run-{name} .test/cpp-size-{name}/app/e2erknn-run
"""


def size(name: str) -> int:
    """Bytes of the program for a kind of board."""
    triple, debian = BOARDS[name]
    script = SHELL.format(name=name, triple=triple, debian=debian)
    subprocess.run(["bash", "-c", script], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (ROOT / ".test" / f"e2erknn-run-{name}").stat().st_size


def peak(task: str, shape: tuple[int, int], folder: Path) -> tuple[int, int]:
    """(VmHWM, bytes of the pretended runtime's buffers) after ten frames of random smooth JPEGs."""
    simulated = read_simulated(ROOT / ".test" / "cpp-simulated" / task)
    record(folder, simulated, LAYOUTS["fp16 grid, blocks of 8"])
    outputs = sum(path.stat().st_size for path in folder.glob("output-0-*.bin"))
    # Its input, each output as the NPU and as the program sees it, and the largest recorded file it reads.
    buffers = (folder / "input-0.bin").stat().st_size + 2 * outputs
    buffers += max(path.stat().st_size for path in folder.glob("output-0-*.bin"))
    small = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(small).resize(shape[::-1]).save(jpeg, "JPEG")
    env = dict(os.environ, E2ERKNN_STANDIN=str(folder), E2ERKNN_STANDIN_ANY="1")
    env["E2ERKNN_RKNNRT"] = str(BUILD / "tests" / "librknnrt.so")
    command = [str(BUILD / "app" / "e2erknn-run"), str(simulated.model), "--stdin", "mjpeg", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin and stdout
        # Written beside, as a pipe full of polygons would stop the program before it has read all.
        frames = jpeg.getvalue() * 11  # the eleventh keeps it alive
        feeding = threading.Thread(target=lambda: (stdin.write(frames), stdin.flush()))
        feeding.start()
        for _ in range(10):
            stdout.readline()
        feeding.join()
        status = Path(f"/proc/{process.pid}/status").read_text()
        stdin.close()
        stdout.read()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found and process.returncode == 0
    return int(found[1]) * 1024, buffers


def build() -> None:
    """The program and the pretended runtime for this machine."""
    for command in (["-S", "cpp", "-B", str(BUILD), "-DE2ERKNN_TESTS=ON"], ["--build", str(BUILD), "-j", "2"]):
        subprocess.run(["cmake", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    print("| program | bytes |\n|---|---:|")
    for name in BOARDS:
        print(f"| {name} | {size(name):,} |", flush=True)
    build()
    print("\n| task, JPEG frame | peak MB | of it buffers of the runtime |\n|---|---:|---:|")
    for task in ("detect", "segment"):
        for shape in FRAMES:
            with tempfile.TemporaryDirectory() as folder:
                most, buffers = peak(task, shape, Path(folder) / "r")
            print(f"| {task}, {shape[1]}x{shape[0]} | {most / 1e6:.1f} | {buffers / 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    main()
