"""The C++ library, built once: by scripts/test.sh into the folder E2ERKNN_CPP_BUILD names, else here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from native import Library

CPP = Path(__file__).parents[2] / "cpp"


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The folder with libe2erknn.so, e2erknn-run and the stand-in runtimes."""
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
    return Library(built / "libe2erknn.so")
