"""What the pages name is there: files they link to, tests, scripts and data they send people to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
NAMED = re.compile(r"(?<![\w/.])((?:tests|scripts|models|docs|rknn_zoo_e2e|cpp)/[\w./-]*[\w/])")


def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}


ALL_TESTS = {name for path in ROOT.glob("tests/**/*.py") for name in functions_of(path) if name.startswith("test_")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_tests_are_there(page):
    text = re.sub(r"\]\([^)]*\)", "]", page.read_text("utf-8"))
    files = {name for name in NAMED.findall(text) if not re.search(r"[A-Z]{2}", name)}  # NAME.py is to be made
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    named = set(re.findall(r"`(test_\w+)`", text))
    assert named - ALL_TESTS == set()
