"""Data sets and lists as people write them: read as Ultralytics does, or refused with what is true."""

from __future__ import annotations

import codecs
import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.paths import expanded, user_path
from rknn_zoo_e2e.media.dataset import parts_of, pictures_of, read_data

NAMES = "names: ['行人']\n"
HERE = Path(__file__).parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """Roboflow's layout, sets/robo/{train,valid}/images, and elsewhere/images; the working folder is another."""
    for folder in ("sets/robo/train/images", "sets/robo/valid/images", "elsewhere/images", "work/pics"):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("a.jpg", "b.png"):
            Image.new("RGB", (8, 8)).save(tmp_path / folder / name)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


ROBO = "sets/robo/valid/images"
# What a data.yaml in sets/robo says -> the folder whose pictures are meant.
DIALECTS = {
    "Roboflow": ("train: ../train/images\nval: ../valid/images\n", ROBO),
    "empty path": ("path:\nval: valid/images\n", ROBO),
    "path of nothing": ("path: ''\nval: valid/images\n", ROBO),
    "None as text": ("path: None\ntrain: train/images\nval: None\n", "sets/robo/train/images"),
    "path from the file": ("path: ../robo\nval: valid/images\n", ROBO),
    "path from the working folder": ("path: ../elsewhere\nval: images\n", "elsewhere/images"),
    "absolute path": ("path: {root}/elsewhere\nval: images\n", "elsewhere/images"),
    "absolute entry": ("path: nowhere\nval: {root}/elsewhere/images\n", "elsewhere/images"),
    "list": ("val: [valid/images]\n", ROBO),
    "list of Roboflow's": ("val:\n- ../valid/images\n", ROBO),
    "validation": ("train: train/images\nvalidation: valid/images\n", ROBO),
    "train only": ("train: train/images\n", "sets/robo/train/images"),
    "test only": ("test: valid/images\n", ROBO),
    "empty val": ("val:\ntrain: train/images\n", "sets/robo/train/images"),
    "Windows": ("path: .\\\nval: ..\\valid\\images\n", ROBO),
    "Windows, within": ("val: valid\\images\n", ROBO),
    "quoted": ('val: "valid/images"\n', ROBO),
    "comments": ("# a set\nval: valid/images  # the best\n\n", ROBO),
    "CRLF": ("train: train/images\r\nval: valid/images\r\n", ROBO),
    "with a script": ("val: valid/images\ndownload: open('ran', 'w')\n", ROBO),
    "a list file": ("val: val.txt\n", ROBO),
    "home": ("path: ~/elsewhere\nval: images\n", "elsewhere/images"),
}


@pytest.mark.parametrize("kind", DIALECTS)
def test_every_dialect_names_its_pictures(home: Path, monkeypatch, kind):
    text, meant = DIALECTS[kind]
    monkeypatch.setenv("HOME", str(home))
    data = home / "sets/robo/data.yaml"
    data.write_bytes(text.format(root=home).encode())
    (data.parent / "val.txt").write_text("./valid/images/a.jpg\nvalid/images/b.png\n")
    found = pictures_of(data).files
    assert [path.resolve() for path in found] == [home / meant / "a.jpg", home / meant / "b.png"]
    assert not list(home.rglob("ran"))


ULTRALYTICS = [
    "Roboflow",
    "empty path",
    "None as text",
    "path from the working folder",
    "absolute path",
    "list",
    "CRLF",
]


@pytest.mark.parametrize("kind", ULTRALYTICS)
def test_ultralytics_itself_means_the_same(home: Path, kind):
    from ultralytics.data.utils import check_det_dataset

    text = DIALECTS[kind][0].format(root=home)
    data = home / "sets/robo/data.yaml"
    missing = "" if "train" in text else "train: valid/images\n"
    data.write_bytes((text + missing + NAMES).encode())
    split = "train" if "val: None" in text else "val"
    theirs = check_det_dataset(str(data), autodownload=False, split=split)[split]
    theirs = theirs if isinstance(theirs, list) else [theirs]
    file, document = read_data(data)
    assert [Path(os.path.realpath(path)) for path in parts_of(file, document, (split,))] == [*map(Path, theirs)]


ENCODINGS = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16 (PowerShell)": lambda text: text.encode("utf-16"),
    "UTF-16 BE": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("suffix", [".yaml", ".txt"])
def test_every_encoding_with_a_mark_is_read(home: Path, encoding, suffix):
    folder = home / "work" / "行人"
    (home / "work/pics").rename(folder)
    source = home / f"work/data{suffix}"
    text = f"val: 行人\n{NAMES}" if suffix == ".yaml" else "行人/a.jpg\n行人/b.png\n"
    source.write_bytes(ENCODINGS[encoding](text))
    assert [path.name for path in pictures_of(source).files] == ["a.jpg", "b.png"]


@pytest.mark.parametrize(("encoding", "name"), [("gbk", "行人"), ("gb18030", "行人"), ("latin-1", "café")])
@pytest.mark.parametrize("suffix", [".yaml", ".txt"])
def test_another_encoding_is_named_and_the_advice_works(home: Path, encoding, name, suffix):
    source = home / f"work/my data{suffix}"
    text = f"val: pics\nnames: ['{name}']\n" if suffix == ".yaml" else f"# {name}\npics/a.jpg\npics/b.png\n"
    source.write_bytes(text.encode(encoding))
    with pytest.raises(UserError, match="is not UTF-8 text") as refused:
        pictures_of(source)
    subprocess.run(refused.value.fix.partition("with: ")[2], shell=True, check=True)
    assert len(pictures_of(home / f"work/my data-utf8{suffix}").files) == 2


LISTS = {
    "names": "pics/a.jpg\npics/b.png\n",
    "from the list": "./pics/a.jpg\n./pics/b.png",
    "quoted": "\"pics/a.jpg\"\n'pics/b.png'\n",
    "comments and blanks": "# mine\n\n  pics/a.jpg  \n\npics/b.png\n",
    "Windows": "pics\\a.jpg\r\n.\\pics\\b.png\r\n",
    "absolute": "{root}/work/pics/a.jpg\n{root}/work/pics/b.png\n",
    "boxes behind": "pics/a.jpg 10,10,50,50,0 1,2,3,4,1\npics/b.png\n",
    "a table": 'path,label\npics/a.jpg,cat\n"pics/b.png",dog\n',
}


@pytest.mark.parametrize("kind", LISTS)
def test_every_list_names_its_pictures(home: Path, kind):
    (home / "work/list.txt").write_bytes(LISTS[kind].format(root=home).encode())
    assert [path.name for path in pictures_of(Path("list.txt")).files] == ["a.jpg", "b.png"]


def test_a_line_may_start_at_the_working_folder(home: Path):
    """As Darknet's lists and Ultralytics have it."""
    (home / "elsewhere/list.txt").write_text("pics/a.jpg\n")
    assert [*pictures_of(home / "elsewhere/list.txt").files] == [Path("pics/a.jpg")]


# What a data.yaml says -> what is said of it, which is to be true.
REFUSED = {
    "names nothing": ("names: [a]\n", r"has no val or train or test entry \(it has names\)"),
    "empty": ("# nothing\n", "is not an Ultralytics data.yaml"),
    "a list": ("- a\n- b\n", "is not an Ultralytics data.yaml"),
    "no yaml": ("val: [a\nb: }\n", r"is not valid YAML, line \d"),
    "tabs": ("val:\n\t- a\n", "is not valid YAML, line 2"),
    "code": ("val: !!python/object/apply:os.system ['touch ran']\n", "is not valid YAML"),
    "deep": ("val: " + "[" * 20_000, "is not valid YAML"),
    "a number with point": ("val: 1.5\n", "val entry .* names no folder"),
    "a mapping": ("val: {{a: b}}\n", "val entry .* names no folder"),
    "another machine": (
        "path: /content/drive/set\nval: images\n",
        r"val entry does not exist .*/content/drive/set/images",
    ),
    "another system": ("path: C:\\sets\nval: images\n", "val entry does not exist"),
    "gone": ("val: ../gone/images\n", r"sets/gone/images, .*sets/robo/gone/images"),
    "NUL": ('val: "a\\0b"\n', "val entry does not exist"),
    "too long": ("val: " + "a" * 5000, "val entry does not exist"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_is_said(home: Path, kind):
    text, said = REFUSED[kind]
    data = home / "sets/robo/data.yaml"
    data.write_text(text.replace("{{", "{").replace("}}", "}"))
    with pytest.raises(UserError, match=said):
        pictures_of(data)
    assert not list(home.rglob("ran"))


def test_ultralytics_own_sets_are_known_by_name_and_never_fetched(home: Path):
    with pytest.raises(UserError, match=r"coco8\.yaml cannot be used") as refused:
        pictures_of(Path("coco8.yaml"))
    assert "check_det_dataset" in refused.value.fix
    with pytest.raises(UserError, match=r"mine\.yaml does not exist"):
        pictures_of(Path("mine.yaml"))


# What is given as a list -> what is said of it.
NO_LIST = {
    "coco.json": ('{"images": [{"file_name": "pics/a.jpg"}]}', r"names no picture; its first line is '\{"),
    "notes.txt": ("the pictures are on the other disk\n", "names no picture; its first line is 'the pictures"),
    "gone.txt": ("pics/a.jpg\npics/gone.jpg 1,2,3,4,0\n", "names 1 missing pictures, first .*gone.jpg"),
    "heading.txt": ("pics/gone.raw\npics/a.jpg\n", "names 1 missing pictures, first .*gone.raw"),
    "pics.zip": ("PK", "is a packed archive"),
}


@pytest.mark.parametrize("name", NO_LIST)
def test_what_is_no_list_is_named(home: Path, name):
    (home / "work" / name).write_text(NO_LIST[name][0])
    with pytest.raises(UserError, match=NO_LIST[name][1]):
        pictures_of(Path(name))


@pytest.mark.parametrize("name", ["list.txt", "data.yaml", "noSuffix"])
def test_what_is_no_text_is_named(home: Path, name):
    source = home / "work" / name
    source.write_bytes(b"\0\1\2\xff" * 100)
    with pytest.raises(UserError, match="is not a text file"):
        pictures_of(source)
    source.unlink()
    os.mkfifo(source)
    with pytest.raises(UserError, match="is not a file"):
        pictures_of(source)
    source.unlink()
    with pytest.raises(UserError, match="does not exist"):
        pictures_of(source)


def test_what_is_passed_over_is_counted_and_links_end(home: Path):
    pics = home / "work/pics"
    for name in ("c.raw", "d.RAW", "e.txt", "README", ".hidden.jpg", "._a.jpg"):
        (pics / name).touch()
    (pics / "up").symlink_to("..")
    (pics / "other").symlink_to(home / "elsewhere")
    found = pictures_of(pics)
    assert found.passed_over == {".raw": 2, ".txt": 1, "without any": 1}
    assert [str(path.relative_to(pics)) for path in found.files] == [
        "a.jpg", "b.png", "other/images/a.jpg", "other/images/b.png",
    ]  # fmt: skip


def test_home_is_expanded_wherever_a_path_begins_with_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert user_path("~/pics", "--calib") == Path("/home/me/pics") == Path(expanded("~/pics"))
    assert user_path("a~", "--calib") == Path("a~") and expanded("hf:~/x") == "hf:~/x"
    assert user_path("~nobody-here/x", "--calib") == Path("~nobody-here/x")
    for wrong in ("", None, 5, b"x", ["a"]):
        with pytest.raises(UserError, match="is not a path"):
            user_path(wrong, "--calib")
