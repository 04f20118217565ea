"""What a model card says of running the model: Python where Rockchip has a runtime for it, C++ for cameras' chips."""

from __future__ import annotations

from rknn_zoo_e2e.boards.install import PROJECT
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.model import LABELS, METADATA, Bundle
from rknn_zoo_e2e.publishing.markdown import code
from rknn_zoo_e2e.tasks.contract import find_contract
from rknn_zoo_e2e.tasks.registry import TASKS

PAGE = f"docs/cpp.md in a clone of {PROJECT}"

# Ten lines that run as they are, on a board or, with --soc's choice left open, on a PC with the simulator.
PYTHON = """\
import numpy as np
from rknn_zoo_e2e import load

model = load("hf:{repo}")  # fetched once, this board's part only
result = model("image.jpg")  # numpy arrays, in pixels of the picture
for index in np.argsort(-result.scores):
    x1, y1, x2, y2 = result.boxes[index].round().astype(int)
    print(f"{{result.label(index)}} {{result.scores[index]:.2f}} at ({{x1}}, {{y1}}) to ({{x2}}, {{y2}})")
print({extra})
model.close()
"""

# A whole program. No text of a bundle is in it: the file is named when it is run.
CPP = """\
#include <cstdio>
#include <vector>
#include <e2erknn/e2erknn.hpp>

int main(int, char **words) {{
    try {{
        e2erknn::Model model(words[1]);  // the .rknn
        std::vector<unsigned char> rgb({width} * {height} * 3, 114);  // your picture, of any size
        for (const auto &d : model.detect({{rgb.data(), {width}, {height}, {width} * 3}})) {{
            std::printf("%s %.2f ", model.spec().name(d.class_id).c_str(), d.score);
            std::printf("at (%.0f, %.0f) to (%.0f, %.0f)\\n", d.x1, d.y1, d.x2, d.y2);{extra}
        }}
    }} catch (const e2erknn::Error &error) {{
        std::fprintf(stderr, "%s\\n%s\\n", error.problem().c_str(), error.fix().c_str());
        return 1;
    }}
}}
"""


def on_the_board(repo: str, bundles: list[Bundle]) -> str:
    """How to run them.

    Args:
        repo: owner/name.
        bundles: at least one, each with one artifact, all of one model.
    """
    artifacts, parts = [bundle.artifacts[0] for bundle in bundles], list[str]()
    known = {artifact.soc: SOCS[artifact.soc] for artifact in artifacts if artifact.soc in SOCS}
    cameras = [name for name, soc in known.items() if soc.vision]
    if not known or any(soc.python for soc in known.values()):
        parts += [
            f"In Python: `pip install '.[board,hub]'` in a clone of {PROJECT}, then",
            f"```python\n{python(repo, bundles[0])}```",
        ]
    if not find_contract(bundles[0].spec.contract).cpp:
        return "\n\n".join(parts)
    if not cameras:
        return "\n\n".join([*parts, f"In C++: the program `e2erknn-run` and a library, by {PAGE}."])
    alone = not any(known[name].python for name in cameras)
    example = next(artifact for artifact in artifacts if artifact.soc in cameras)
    parts += [
        f"In C++, for {', '.join(cameras)}{' (Rockchip has no Python runtime there)' if alone else ''}: fetch a folder "
        f"on a PC with `e2erknn pull {repo} --soc {example.soc}`, copy its {code(example.file)}, `{METADATA}` and "
        f"`{LABELS}` to the board, and give the first to this program, built by {PAGE}:",
        f"```cpp\n{cpp(bundles[0])}```",
    ]
    return "\n\n".join(parts)


def python(repo: str, bundle: Bundle) -> str:
    """The Python for the board."""
    return PYTHON.format(repo=repo, extra=TASKS[bundle.spec.task].card_line)


def cpp(bundle: Bundle) -> str:
    """The C++ for the board."""
    (height, width), line = bundle.spec.imgsz, TASKS[bundle.spec.task].cpp_line
    return CPP.format(width=width, height=height, extra=f"\n            {line}" if line else "")
