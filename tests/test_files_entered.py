"""``scripts/files_entered.py`` counts the files whose functions are called, in the process and in its workers."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from files_entered import Traced, ways  # type: ignore[import-not-found]

PACKAGE = {
    "__init__.py": "",
    "__main__.py": "from rknn_zoo_e2e.command import run\nrun()",
    "command.py": """
import subprocess, sys, threading
from rknn_zoo_e2e import constants, imported
def run():
    from rknn_zoo_e2e import lazily
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    subprocess.run([sys.executable, "-m", "rknn_zoo_e2e.worker"], check=True)
def in_a_thread():
    from rknn_zoo_e2e.threaded import work
    list(work())
""",
    "constants.py": "def made():\n    return 1\nONE = made()\n",
    "imported.py": "class Empty:\n    number = 1\n    def method(self): pass\n",
    "lazily.py": "from rknn_zoo_e2e.constants import made\nTWO = made() + 1\n",
    "threaded.py": "def work():\n    yield 1\n",
    "worker.py": """
import os
from rknn_zoo_e2e.rooms.far import answer
answer()
if __name__ == "__main__":
    os._exit(0)  # as one that is killed
""",
    "rooms/__init__.py": "",
    "rooms/far.py": "class Answer:\n    @property\n    def text(self): return ''\ndef answer(): return Answer().text\n",
}


def test_a_file_counts_where_its_functions_are_called(tmp_path: Path):
    for name, text in PACKAGE.items():
        path = tmp_path / "tree" / "rknn_zoo_e2e" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "work").mkdir()
    traced = Traced(tmp_path / "tree", tmp_path / "work")
    traced.run("checkpoint", "-m", "rknn_zoo_e2e")
    assert traced.entered() == {
        "checkpoint": ["command.py", "threaded.py"],
        "checkpoint, rknn_zoo_e2e.worker": ["rooms/far.py"],
    }
    assert ways(traced.entered()) == {"checkpoint": ["command.py", "rooms/far.py", "threaded.py"]}
