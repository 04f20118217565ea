"""The demo on a pretended board, with a model that sees an "a" in the middle of everything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from support.board import SPEC, make_bundle, on_board


def make_tiny(folder: Path) -> Path:
    """A folder with a bundle that sees an "a" in the middle of everything."""
    out = np.zeros((1, 6, 126), np.float32)
    out[0, :5, 7] = 0.5, 0.5, 0.2, 0.2, 0.9
    make_bundle(folder, SPEC, "rk3588")
    np.savez(folder / "t.npz", **{"any-0": out})
    return folder


def demo(tiny: Path, *args: object, cwd: Path, **environment: object) -> subprocess.CompletedProcess:
    arguments = ("demo", *args, "--model", tiny / "tiny_rknn_model")
    return on_board(*arguments, cwd=cwd, soc="rk3588", TENSORS=tiny / "t.npz", **environment)
