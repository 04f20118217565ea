"""The compiler's per-layer table, read from the vendor's build log: placement, traffic and cycles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

ROW = re.compile(
    r"^(?:D RKNN: \[[\d:.]+\] )?(?P<id>\d+)\s+(?P<op>\S+)\s+(?P<dtype>\S+)\s+(?P<target>NPU|CPU|GPU)\s+\S+\s+"
    r"(?P<output>\S+)\s+(?P<cycles>\d+/\d+/\d{1,15})\s+(?:\d+(?:\.\d+)?%\s+)?(?P<kb>\d{1,15})\s+(?P<name>\S.*?)\s*$"
)
HEADER = re.compile(r"\bID\s+OpType\s+DataType\s+Target\b")
ENDS = ("InputOperator", "OutputOperator")
LONGEST_ROW = 4000  # characters; a row has some hundreds


@dataclass(frozen=True)
class Layer:
    """One compiled operator: its kind, data type, where it runs, output shape, cycles, KB moved, name."""

    op: str
    dtype: str
    target: str
    shape: str
    cycles: int
    kb: int
    name: str


def layers(log: str) -> list[Layer]:
    """The last table in the log (the toolkit compiles more than once), without the input and output operators."""
    rows: list[Layer] = []
    for line in log.splitlines():
        if HEADER.search(line):
            rows = []
        elif len(line) <= LONGEST_ROW and (match := ROW.match(line)):  # the log may be a stranger's
            op = match["op"]
            if op in ENDS:
                continue
            cycles, kb = int(match["cycles"].split("/")[2]), int(match["kb"])
            rows.append(Layer(op, match["dtype"], match["target"], match["output"], cycles, kb, match["name"]))
    return rows


def placement(log: str) -> dict[str, Any]:
    """``{"npu", "cpu": [{"op", "name", "shape"}], "traffic_kb", "cycles"}``; every op not on the NPU counts as CPU."""
    table = layers(log)
    return {
        "npu": sum(layer.target == "NPU" for layer in table),
        "cpu": [{"op": x.op, "name": x.name, "shape": x.shape} for x in table if x.target != "NPU"],
        "traffic_kb": sum(layer.kb for layer in table),
        "cycles": sum(layer.cycles for layer in table),
    }


MEMORY = re.compile(r"Total (Internal|Weight) Memory Size: (\d{1,12}(?:\.\d{1,6})?)KB")


def memory(log: str) -> dict[str, float] | None:
    """``{"internal_kb", "weights_kb"}``, what the model takes on the board by the compiler; None where it does not say.

    Internal is what lies between operators; a picture and the outputs come on top.
    """
    found = {f"{kind.lower()}_kb": float(size) for kind, size in MEMORY.findall(log)}  # the last of several
    return {"internal_kb": found["internal_kb"], "weights_kb": found["weight_kb"]} if len(found) == 2 else None


ERROR = re.compile(r"^E (?!RKNN: \[[\d:.]+\] *$)\S.*", re.MULTILINE)


def last_error(log: str) -> str:
    """The last line the vendor marks as an error (a readable log), "" if there is none."""
    found = ERROR.findall(log)
    return found[-1].strip(" .") if found else ""


COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def readable(log: str, *private: str) -> str:
    """The log without colours, repeated progress bars and the given private paths."""
    lines = [COLOUR.sub("", line.rsplit("\r", 1)[-1]).rstrip() for line in log.split("\n") if line.strip()]
    text = "\n".join(lines) + "\n"
    for path in private:
        if path != "/":  # the home of users that have none
            text = re.sub(rf"(?<![\w.-]){re.escape(path)}(?![\w-]|\.\w)", ".", text)
    return text
