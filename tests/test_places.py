"""Homes, folders, names, locales and terminals that convert meets: what it can live with, and what it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.cli import COMMAND, run
from support.folders import left_over, small_disk, tree

from rknn_zoo_e2e.bundle.reader import read_bundle

pytestmark = pytest.mark.slow

ODD = 'o d\'d "q" #1 %s ünï'
LONG = "/".join(["long" * 30] * 2)
QUICK = ("--soc", "rk3566", "--calib-images", "2", "--no-verify")


def odd(tmp_path: Path, name: str) -> Path:
    """A folder whose path has blanks, quotes, other letters, and more than 200 characters."""
    folder = tmp_path / ODD / LONG / name
    folder.mkdir(parents=True)
    assert len(str(folder)) > 250
    return folder


def test_everything_in_odd_and_long_places(tmp_path: Path, models: Path):
    """TMPDIR, HOME, the working folder, the bundle, the calibration pictures, and the checkpoint's own name."""
    home, temporary, work = (odd(tmp_path, name) for name in ("home", "tmp", "work"))
    shutil.copy(models / "weights" / "shapes.pt", work / "mein Modell ü #1.pt")
    shutil.copytree(models, work / "bil der", ignore=lambda _, names: [n for n in names if not n.endswith(".jpg")])
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(temporary)}
    args = ("convert", "mein Modell ü #1.pt", "--soc", "rk3566", "--calib", "bil der", "-o", "aus gabe")
    out = run(*args, cwd=work, env=environment)
    assert out.returncode in (0, 1) and "Traceback" not in out.stderr, out.stderr  # so few pictures: parity may differ
    path = work / "aus gabe" / "mein Modell ü #1_rknn_model"
    bundle = read_bundle(path)
    assert bundle.spec.name == "mein Modell ü #1" and bundle.artifacts[0].parity
    for content in tree(path).values():
        assert b"longlong" not in content
    assert not list(temporary.iterdir()) and not left_over(path.parent)
    # Shown as text that can be typed again, and found by its name.
    assert f"--model 'aus gabe/{path.name}'" in out.stdout or out.returncode == 1
    out = run("demo", "bil der/sample.jpg", "--model", path, "--backend", "simulator", cwd=work, env=environment)
    assert out.returncode == 0, out.stderr


NOBODY = ("unshare", "--user", "--map-user=54321", "--map-group=54321")  # has no entry in passwd


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        (NOBODY, {"HOME": None, "USER": None, "LOGNAME": None}),
        ((), {"HOME": "/proc", "TMPDIR": "/nonexistent"}),  # where nothing can be written
        ((), {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb"}),
    ],
    ids=["no home", "unusable home and tmp", "ascii"],
)
def test_environments_it_can_live_with(tmp_path: Path, before, changed):
    if before and subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")
    environment = {k: v for k, v in (os.environ | changed).items() if v is not None}
    command = [*before, *COMMAND, "convert", "shapes", *QUICK]
    out = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert out.returncode == 0 and "Traceback" not in out.stderr, out.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["shapes_rknn_model"]


@pytest.mark.parametrize("closed", ["<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_as_good_as_none(converted: Path, tmp_path: Path, closed):
    """No file opened later takes their numbers, and with them what is printed."""
    before = tree(converted)
    line = f'"$@" {closed}'
    args = ("convert", "shapes", "--soc", "rk3566", "--calib-images", "8", "--json", "-o", str(converted))
    out = subprocess.run(["sh", "-c", line, "sh", *COMMAND, *args], cwd=tmp_path, capture_output=True)
    assert out.returncode == 0, out.stderr
    assert tree(converted) == before and not list(tmp_path.iterdir())


def file_in_place(folder: Path) -> Path:
    (folder / "out").write_text("a file")
    return folder / "out"


def other_bundle(folder: Path) -> Path:
    (folder / "shapes_rknn_model").mkdir()
    (folder / "shapes_rknn_model" / "mine.txt").write_text("precious")
    return folder


def file_for_bundle(folder: Path) -> Path:
    (folder / "shapes_rknn_model").write_text("precious")
    return folder


def dangling(folder: Path) -> Path:
    (folder / "shapes_rknn_model").symlink_to(folder / "nowhere")
    return folder


def lock_is_a_link(folder: Path) -> Path:
    (folder / "precious").touch()
    (folder / ".shapes_rknn_model.lock").symlink_to(folder / "precious")
    return folder


def too_long(folder: Path) -> Path:
    path = folder
    while len(str(path)) < 4096:
        path = path / ("x" * 200)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (file_in_place, "out cannot be written (File exists)"),
        (lambda folder: file_in_place(folder) / "deeper", "cannot be written (Not a directory)"),
        (other_bundle, "shapes_rknn_model is there and is not a bundle."),
        (file_for_bundle, "shapes_rknn_model is there and is not a bundle."),
        (dangling, "shapes_rknn_model is a link that leads nowhere."),
        (lock_is_a_link, "cannot be written (Too many levels of symbolic links)"),
        (too_long, "cannot be written (File name too long)"),
    ],
)
def test_where_it_cannot_write_is_said_before_any_work(tmp_path: Path, make, message):
    folder = tmp_path / "place"
    folder.mkdir()
    out_folder = make(folder)
    before = tree(folder)
    out = run("convert", "shapes", *QUICK, "-o", out_folder, cwd=tmp_path)
    assert out.returncode == 1 and message in out.stderr and "Traceback" not in out.stderr, out.stderr
    assert ": start" not in out.stderr and tree(folder) == before
    assert "-o" in out.stderr.splitlines()[-1]


def test_a_read_only_disk_is_said_before_any_work(tmp_path: Path):
    with small_disk(tmp_path / "disk", "ro") as disk:
        out = run("convert", "shapes", *QUICK, "-o", disk, cwd=tmp_path)
        assert out.returncode == 1 and f"{disk} cannot be written (Read-only file system)" in out.stderr
        assert ": start" not in out.stderr and not list(disk.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop root")
def test_another_users_folder_is_said_before_any_work(tmp_path: Path):
    tmp_path.chmod(0o500)
    out = run("convert", "shapes", *QUICK, "-o", tmp_path, cwd=tmp_path)
    tmp_path.chmod(0o700)
    assert out.returncode == 1 and "cannot be written (Permission denied)" in out.stderr
    assert ": start" not in out.stderr and not list(tmp_path.iterdir())


def test_a_link_to_a_bundle_stays_one(converted: Path, tmp_path: Path):
    real = tmp_path / "other disk" / "shapes"
    shutil.copytree(converted / "shapes_rknn_model", real)
    link = tmp_path / "shapes_rknn_model"
    link.symlink_to(real)
    out = run("convert", "shapes", "--soc", "rk3588", "--calib-images", 8, "--no-verify", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert link.is_symlink() and [a.soc for a in read_bundle(real).artifacts] == ["rk3566", "rk3588"]
    assert not left_over(tmp_path) and [path.name for path in real.parent.iterdir()] == ["shapes"]


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("x" * 240, 1, "bytes too long for a file's name"),
        ("ü" * 120, 1, "bytes too long for a file's name"),
        (b"latin-\xfc", 1, "is no text in UTF-8"),
    ],
    ids=["long", "long in bytes", "latin-1"],
)
def test_names_nothing_can_be_called_by(tmp_path: Path, models: Path, name, code, message):
    checkpoint = os.fsencode(tmp_path) + b"/" + (name if isinstance(name, bytes) else name.encode()) + b".pt"
    shutil.copy(models / "weights" / "shapes.pt", checkpoint)
    command = [*COMMAND, "convert", checkpoint, *QUICK, "--calib", str(models)]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert out.returncode == code and message in out.stderr and "Traceback" not in out.stderr, out.stderr
    assert len(os.listdir(tmp_path)) == 1


def test_a_model_argument_longer_than_a_path_is_no_file(tmp_path: Path):
    for argument in ("x" * 300, "x" * 300 + ".pt", "x" * 5000):
        out = run("convert", argument, *QUICK, cwd=tmp_path)
        assert out.returncode == 2 and "Traceback" not in out.stderr, out.stderr


def test_work_files_can_be_nowhere(tmp_path: Path):
    """No folder at all for them: said as such."""
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.isolation import workfolder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workfolder.tempfile, "tempdir", str(tmp_path / "gone"))
        with pytest.raises(UserError, match="No folder for work files") as caught, workfolder.work_folder():
            pass
    assert "TMPDIR" in caught.value.fix
