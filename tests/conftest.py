"""Shared fixtures: the starter models, a photograph, and the larger weights and data where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def shared_folder(variable: str) -> Path:
    """The folder an environment variable names; skips without it, fails where it is promised."""
    folder = os.environ.get(variable)
    if folder and Path(folder).is_dir():
        return Path(folder).resolve()
    if os.environ.get("E2ERKNN_REQUIRE_SHARED"):
        pytest.fail(f"{variable} does not name a folder")
    pytest.skip(f"{variable} is not set")


@pytest.fixture(scope="session")
def weights() -> Path:
    return shared_folder("E2ERKNN_WEIGHTS")


@pytest.fixture(scope="session")
def data() -> Path:
    return shared_folder("E2ERKNN_DATA")


@pytest.fixture(scope="session")
def models() -> Path:
    return ROOT / "models"


@pytest.fixture(scope="session")
def bus() -> Path:
    """Ultralytics' picture of a bus and four persons."""
    from ultralytics.utils import ASSETS

    return ASSETS / "bus.jpg"
