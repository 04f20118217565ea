"""What people are told to install is something that exists, wherever this package came from."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from rknn_zoo_e2e.boards import install as module
from rknn_zoo_e2e.boards.install import EXTRAS, PROJECT, install, install_elsewhere, remedy

ROOT = Path(__file__).parent.parent
GIT = {"vcs": "git", "commit_id": "c0ffee"}
BY_NAME = "pip install huggingface_hub"


@pytest.fixture
def came_from(monkeypatch, tmp_path: Path):
    """A function that makes this an installation with such a record, and not a clone."""

    def become(record: dict) -> None:
        monkeypatch.setattr(module, "CLONE", tmp_path / "site-packages")
        monkeypatch.setattr(module, "origin", lambda: record)
        monkeypatch.setattr(metadata, "requires", lambda _: ["huggingface_hub ; extra == 'hub'", "numpy>=1.23"])

    return become


@pytest.mark.parametrize(
    ("record", "here", "elsewhere"),
    [
        ({}, BY_NAME, None),
        (
            {"url": "https://git.example/a/b.git", "vcs_info": GIT},
            "pip install 'rknn-zoo-e2e[hub] @ git+https://git.example/a/b.git@c0ffee'",
            "pip install 'rknn-zoo-e2e[hub] @ git+https://git.example/a/b.git@c0ffee'",
        ),
        (
            {"url": "ssh://git@git.example/b.git", "vcs_info": GIT | {"requested_revision": "v1"}, "subdirectory": "x"},
            "pip install 'rknn-zoo-e2e[hub] @ git+ssh://git@git.example/b.git@c0ffee#subdirectory=x'",
            "pip install 'rknn-zoo-e2e[hub] @ git+ssh://git@git.example/b.git@c0ffee#subdirectory=x'",
        ),
        (
            {"url": "file:///a/clone", "vcs_info": GIT},
            "pip install 'rknn-zoo-e2e[hub] @ git+file://localhost/a/clone@c0ffee'",
            None,
        ),
        (
            {"url": "https://ann:s3cret@git.example/b.git", "vcs_info": GIT},
            "pip install 'rknn-zoo-e2e[hub] @ git+https://git.example/b.git@c0ffee'",
            "pip install 'rknn-zoo-e2e[hub] @ git+https://git.example/b.git@c0ffee'",
        ),
        (
            {"url": "https://a.example/b.whl", "archive_info": {}},
            "pip install 'rknn-zoo-e2e[hub] @ https://a.example/b.whl'",
            "pip install 'rknn-zoo-e2e[hub] @ https://a.example/b.whl'",
        ),
        ({"url": "https://a.example/b.whl?signature=s3cret", "archive_info": {}}, BY_NAME, None),
        ({"url": "file:///gone/clone", "dir_info": {"editable": True}}, BY_NAME, None),
        ({"url": "file:///gone/b.whl", "archive_info": {}}, BY_NAME, None),
    ],
)
def test_what_is_advised(came_from, record, here, elsewhere):
    came_from(record)
    assert install("hub") == here
    assert install_elsewhere("hub") == (elsewhere or "pip install '.[hub]' in a clone of rknn-zoo-e2e")


@pytest.mark.parametrize(("editable", "option"), [(True, "-e "), (False, "")])
def test_from_a_folder_that_is_still_there(came_from, tmp_path: Path, monkeypatch, editable, option):
    folder = tmp_path / "my clone"
    folder.mkdir()
    came_from({"url": folder.as_uri(), "dir_info": {"editable": editable}})
    assert install("hub") == BY_NAME
    (folder / "pyproject.toml").touch()
    assert install("hub", "dask") == f"pip install {option}'{folder}[hub,dask]'"
    monkeypatch.chdir(folder)
    assert install("hub") == f"pip install {option}'.[hub]'"


def test_from_a_wheel_that_is_still_there(came_from, tmp_path: Path):
    wheel = tmp_path / "b.whl"
    wheel.touch()
    came_from({"url": wheel.as_uri(), "archive_info": {}})
    assert install("hub") == f"pip install '{wheel}[hub]'"


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"url": 3}', '{"url": "file:///x"}', None])
def test_a_record_that_cannot_be_read(monkeypatch, tmp_path: Path, text):
    class Distribution:
        requires = ("onnxruntime>=1.17; extra == 'onnx'",)

        def read_text(self, name: str) -> str | None:
            return text

    monkeypatch.setattr(module, "CLONE", tmp_path)
    monkeypatch.setattr(metadata, "distribution", lambda _: Distribution())
    assert install("onnx") == "pip install 'onnxruntime>=1.17'"


@pytest.mark.parametrize("extra", EXTRAS)
def test_without_metadata_the_packages_are_those_of_the_extra(came_from, monkeypatch, extra):
    came_from({})

    def requires(_: str) -> list[str]:
        raise metadata.PackageNotFoundError

    real = metadata.requires(PROJECT)
    text = (ROOT / "pyproject.toml").read_text()
    monkeypatch.setattr(metadata, "requires", requires)
    named = install(extra).split()[2:]
    section = re.search(rf"^{extra} = \[(.*?)\]\s*(?:#.*)?$", text, re.M | re.S)
    assert real is not None and section is not None
    wanted = re.findall(r'"([\w-]+)', section[1])
    assert set(named) <= set(wanted) and named


def test_here_it_is_the_clone():
    assert re.fullmatch(r"pip install (-e )?\S*\[hub\]'", install("hub"))


FORM = re.compile(rf"pip install [^@\n]*{PROJECT}(\[|==|['\"\s`]|$)")
FILES = [path for folder in ("rknn_zoo_e2e", "scripts", "docs", "models") for path in (ROOT / folder).rglob("*")]


def test_nobody_is_told_to_install_a_name_that_is_not_ours():
    """The package is on no index: whoever takes its name there would be installed."""
    assert FORM.search("pip install 'rknn-zoo-e2e[hub]'") and FORM.search("pip install -U rknn-zoo-e2e==1")
    texts = [path for path in [ROOT / "README.md", *FILES] if path.suffix in (".py", ".md", ".sh", ".yaml")]
    found = [str(path) for path in texts if FORM.search(path.read_text("utf-8")) and path.name != "install.py"]
    assert len(texts) > 100 and found == []


def test_what_a_python_cannot_have_is_told_with_one_that_can(came_from, monkeypatch):
    came_from({})
    line = "torch>=2 ; python_version < '3.13' and extra == 'convert'"
    monkeypatch.setattr(metadata, "requires", lambda _: [line])
    assert remedy("convert", "them", "3.12.1").startswith("Install them with: pip install ")
    assert remedy("convert", python="3.13.0").startswith("Use Python 3.10 to 3.12, such as: python3.12 -m venv ")
