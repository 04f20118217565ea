"""Files of numbers beside an artifact: kept with it, gone with it, and not believed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rknn_zoo_e2e.bundle.numbers import change_artifact, read_numbers, with_numbers
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.validation import listed, number

NUMBERS = listed(number(), 10)


@pytest.fixture
def bundle(converted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(converted / "shapes_rknn_model", tmp_path / "shapes_rknn_model"))


def keep(folder: Path, data: object) -> None:
    sha256 = read_bundle(folder).artifacts[0].sha256
    change_artifact(folder, sha256, "test", lambda text: None, with_numbers("analysis", data))


def test_numbers_are_kept_beside_the_artifact(bundle: Path):
    assert read_numbers(read_bundle(bundle), read_bundle(bundle).artifacts[0], "analysis", NUMBERS) is None
    for data in ([1, 2.5], [3]):
        keep(bundle, data)
        held = read_bundle(bundle)
        assert read_numbers(held, held.artifacts[0], "analysis", NUMBERS) == data
    assert "analysis-rk3566-int8.json" in held.files, "so it is published, pulled and copied"


def test_another_artifact_is_left_alone(bundle: Path):
    change_artifact(bundle, "0" * 64, "test", lambda text: None, with_numbers("analysis", [1]))
    assert not read_bundle(bundle).artifacts[0].numbers and not list(bundle.glob("analysis-*"))


@pytest.mark.parametrize("data", [{"a": 1}, ["x"], [0] * 11])
def test_other_numbers_are_refused(bundle: Path, data):
    keep(bundle, data)
    held = read_bundle(bundle)
    with pytest.raises(UserError, match="analysis"):
        read_numbers(held, held.artifacts[0], "analysis", NUMBERS)


def test_changed_numbers_are_refused(bundle: Path):
    keep(bundle, [1])
    (bundle / "analysis-rk3566-int8.json").write_text(json.dumps([2]))
    held = read_bundle(bundle)
    with pytest.raises(UserError, match="checksum"):
        read_numbers(held, held.artifacts[0], "analysis", NUMBERS)
