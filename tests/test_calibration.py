"""Calibration pictures: bad ones are replaced, skipped and named; memory does not grow with their number."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.quantization import calibration
from rknn_zoo_e2e.quantization.calibration import choose, from_pictures, from_shapes
from rknn_zoo_e2e.quantization.clipping import MOST_PICTURES, PER_PICTURE, Sample, _error


def pictures(folder: Path, number: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:03}.png" for index in range(number)]
    for index, path in enumerate(paths):
        Image.new("RGB", (8, 8), (index % 256, 0, 0)).save(path)
    return paths


def truncated(path: Path) -> None:
    Image.effect_noise((400, 300), 90).convert("RGB").save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:4000])


def a_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


# What may be in a folder under a picture's name.
BAD = {
    "truncated": truncated,
    "empty": lambda path: path.touch(),
    "text": lambda path: path.write_text("no picture"),
    "dangling link": lambda path: path.symlink_to("gone.jpg"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "socket": a_socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "floats": lambda path: Image.fromarray(np.ones((4, 4), np.float32)).save(path, "TIFF"),
    "bomb": lambda path: Image.new("1", (17_000, 17_000)).save(path, "PNG"),
    "postscript": lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n(x) (w) file\n"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_skipped_and_named(tmp_path: Path, kind):
    good = pictures(tmp_path, 4)
    BAD[kind](tmp_path / "002-bad.jpg")
    found = from_pictures(tmp_path)
    assert found.pictures == tuple(path.name for path in good)
    assert len(found.skipped) == 1 and "002-bad.jpg" in found.skipped[0]
    assert f"Skipped: {found.skipped[0]}" in found.notes
    assert found.digest == from_pictures_digest(good) and found.read(3)[0, 0, 0] == 3


def from_pictures_digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 70))
def test_as_many_are_chosen_as_there_are_good_ones(good, wanted):
    files = [Path(str(index)) for index in range(len(good))]

    def check(path: Path) -> None:
        if not good[int(str(path))]:
            raise UserError(f"{path} is bad.", "")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(calibration, "check_readable", check)
        chosen, faults = choose(files, min(wanted, len(files)))
    numbers = [int(str(path)) for path in chosen]
    assert len(chosen) == min(wanted, sum(good)) and all(good[number] for number in numbers)
    assert numbers == sorted(set(numbers)) and not any(good[int(str(path))] for path in faults)
    if all(good):  # spread as ever
        even = np.linspace(0, len(files) - 1, min(wanted, len(files))).round().astype(int)
        assert numbers == even.tolist()


@pytest.mark.parametrize(
    ("good", "bad", "asked", "said"),
    [
        (4, 2, None, None),
        (4, 2, 4, None),
        (4, 2, 6, r"Only 4 of the 6 pictures wanted of .*--calib-images 4"),
        (4, 2, 100, r"Only 4 of the 6 pictures"),
        (2, 6, None, r"Only 2 of the 8 pictures.*--calib-images 2"),
        (0, 3, None, r"None of the 3 pictures"),
        (50, 30, None, None),
        (50, 30, 51, r"Only 50 of the 51 pictures wanted of .*--calib-images 50"),
    ],
)
def test_too_few_are_refused_and_the_advice_works(tmp_path: Path, good, bad, asked, said):
    pictures(tmp_path, good)
    for index in range(bad):
        (tmp_path / f"{index:03}-bad.jpg").touch()
    if said is None:
        assert len(from_pictures(tmp_path, asked)) == min(good, asked or 40)
        return
    with pytest.raises(UserError, match=said) as refused:
        from_pictures(tmp_path, asked)
    assert "-bad.jpg is empty" in refused.value.what
    if good:
        fewer = int(refused.value.fix.rpartition(" ")[2].rstrip("."))
        assert len(from_pictures(tmp_path, fewer)) == good


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.raw", "b.raw", "c.txt"], "3 files with other suffixes were passed over: 2 .raw, 1 .txt."),
        (["notes"], "1 file with another suffix was passed over: 1 without any."),
        ([".DS_Store", "._x.png"], None),
    ],
)
def test_what_is_passed_over_is_said(tmp_path: Path, names, said):
    pictures(tmp_path, 20)
    for name in names:
        (tmp_path / name).touch()
    assert from_pictures(tmp_path).notes == ((said,) if said else ())


def test_suffixes_that_more_can_be_installed_for_are_said_with_how(tmp_path: Path, monkeypatch):
    from rknn_zoo_e2e.media import pictures as module

    monkeypatch.setattr(module, "SUFFIXES", frozenset({".png"}))
    pictures(tmp_path, 20)
    (tmp_path / "IMG_1.HEIC").touch()
    (note,) = from_pictures(tmp_path).notes
    assert "1 .heic. To read HEIF: pip install " in note and "[heic]" in note
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    (tmp_path / "IMG_1.HEIC").touch()
    with pytest.raises(UserError, match=r"No pictures in .* 1 \.heic\. To read HEIF"):
        from_pictures(tmp_path)


def test_few_pictures_are_worth_a_word(tmp_path: Path):
    pictures(tmp_path, 3)
    assert "only 3 pictures" in from_pictures(tmp_path).notes[0]
    assert "8 were asked for" in from_pictures(tmp_path, 8).notes[0]
    assert not from_pictures(tmp_path, 2).notes


def test_a_picture_that_is_gone_meanwhile_is_named(tmp_path: Path):
    paths = pictures(tmp_path, 3)
    found = pickle.loads(pickle.dumps(from_pictures(tmp_path)))  # as it reaches the other process
    paths[1].unlink()
    assert found.read(0).shape == (8, 8, 3)
    with pytest.raises(UserError, match=r"not what it was when this began: .*001\.png is not a file"):
        found.read(1)


def values(index: int) -> np.ndarray:
    return np.random.default_rng(index).normal(0, 1 + index / 7, (3, PER_PICTURE)).astype(np.float32)


@pytest.mark.parametrize("number", [1, 7, MOST_PICTURES])
def test_up_to_a_hundred_pictures_all_count(number):
    """What is kept is every picture's part and tail, in order, as if there were no limit."""
    sample, random = Sample(), np.random.default_rng(0)
    parts, tails = [], []
    for index in range(number):
        sample.add(values(index))
        flat = values(index).ravel()
        parts.append(flat[random.integers(0, flat.size, PER_PICTURE)])
        tails.append(flat[(flat > parts[-1].max()) | (flat < parts[-1].min())])
    for kept, expected in ((sample.parts, parts), (sample.tails, tails)):
        assert all(np.array_equal(a, b) for a, b in zip(kept, expected, strict=True))
    whole = 3.0 * sum(_error(part, -2, 2, 2) for part in parts) + sum(_error(tail, -2, 2, 2) for tail in tails)
    assert sample.error(-2, 2, 2) == whole


@pytest.mark.parametrize("size", [16, 2 * PER_PICTURE])
def test_more_pictures_take_no_more_memory_and_each_is_as_likely(size):
    kept = np.zeros(400)
    for seed in range(30):
        sample = Sample()
        sample.places = np.random.default_rng(seed)
        for index in range(400):
            sample.add(np.full(size, index, np.float32))
        assert len(sample.parts) == MOST_PICTURES and len(sample.tails) in (0, MOST_PICTURES)
        kept[[int(part[0]) for part in sample.parts]] += 1
    quarters = kept.reshape(4, 100).sum(1)
    assert abs(quarters - 30 * 25).max() < 150  # 750 each if all are alike, standard deviation 22
    assert sum(part.nbytes for part in sample.parts) <= MOST_PICTURES * PER_PICTURE * 4


def test_equal_pictures_make_equal_choices():
    first, second = Sample(), Sample()
    for index in range(150):
        first.add(values(index)[:, :5])
        second.add(values(index)[:, :5])
    assert all(map(np.array_equal, first.parts, second.parts)) and sys.getsizeof(first.parts) < 2000


def test_some_of_the_pictures_are_those_of_a_folder_that_holds_no_others(tmp_path: Path):
    for index in range(5):
        Image.new("RGB", (64, 64), (index, 0, 0)).save(tmp_path / f"{index}.png")
    some = from_pictures(tmp_path).some(2)
    for name in ("1", "3", "4"):
        (tmp_path / f"{name}.png").unlink()
    alone = from_pictures(tmp_path)
    assert (some.pictures, some.digest, some.digests) == (alone.pictures, alone.digest, alone.digests)
    assert len(some.digests) == 2 and all(np.array_equal(some.read(i), alone.read(i)) for i in range(2))


def test_some_of_drawn_pictures_are_not_told_to_be_all():
    whole = from_shapes(6, pose=False)
    some = whole.some(4)
    assert some.pictures == ("seed-900000", "seed-900001", "seed-900003", "seed-900004") and some.digests == ()
    assert some.digest != whole.digest == whole.some(6).digest and np.array_equal(some.read(2), whole.read(3))
