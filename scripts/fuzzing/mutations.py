"""Bytes and documents made wrong at random; equal generators give equal results."""

from __future__ import annotations

import copy
import struct
from random import Random
from typing import Any

# Where parsers go wrong: limits of integers, and the least negative ones.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = (
    "", " ", ".", "..", "../../touched", "/etc/passwd", "/dev/zero", "~", "$HOME", "$(touch touched)", "x.pt",
    "-", "--", "--json", "\x00", "\x1b[2J\x1b]0;title\x07", "a\nb", "\r", "\u202egnp.exe", "\ufeff", "\ud800",
    "ü" * 300, "a" * 5000, "%s%n", "{{7*7}}", "<script>touch()</script>", "---", "null", "nan", "inf", "-1", "1e999",
    "0x10", "9" * 400, "hf:", "hf:../..", "hf:a/b@../c", "http://[", "http://127.0.0.1:1/x", "file:///etc/passwd",
    "rk3566", "shapes", "[", "*", "?" * 50, "**/*", "yolov8n*", "con.pt", "640,640,640", "0", "32", "100000000", "🙂",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**200, -(2**200), 0.5, float("nan"), float("inf"), -0.0, 1e308,
    [], {}, [[]], [None], {"": ""}, [1, 2, 3], {"a": {"b": {"c": 1}}}, b"\xff\x00", *WORDS,
)  # fmt: skip


def scrambled(rng: Random, data: bytes, most: int = 4) -> bytes:
    """A copy with a few changes: bits, runs, lengths, edges of integers; one time in six only its beginning."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, most)):
        if not changed:
            break
        place = rng.randrange(len(changed))
        if rng.random() < 0.5:
            place = min(place, rng.randrange(256))  # headers are where the decisions are
        run = rng.choice((1, 2, 4, 16, 64, 1024))
        kind = rng.randrange(6)
        if kind == 0:
            changed[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[place : place + run] = rng.randbytes(run)
        elif kind == 2:
            del changed[place : place + run]
        elif kind == 3:
            changed[place:place] = changed[place : place + run]
        elif kind == 4:
            edge, order = rng.choice(EDGES), rng.choice("<>")
            changed[place : place + 4] = struct.pack(f"{order}I", edge)
        else:
            changed[place : place + run] = bytes(run)
    return bytes(changed[: rng.randrange(len(changed) + 1)] if rng.random() < 1 / 6 else changed)


def altered(rng: Random, document: Any, most: int = 3) -> Any:
    """A copy with a few values, keys or branches changed, moved, doubled or gone."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, most)):
        branches = [document] if isinstance(document, (dict, list)) else []
        for branch in branches:
            inside = branch.values() if isinstance(branch, dict) else branch
            branches += [value for value in inside if isinstance(value, (dict, list))]
        filled = [branch for branch in branches if branch]
        if not filled:
            return rng.choice(VALUES)
        branch = rng.choice(filled)
        key = rng.choice(list(branch) if isinstance(branch, dict) else range(len(branch)))
        kind = rng.randrange(6)
        if kind == 0:
            del branch[key]
        elif kind == 1 and isinstance(branch, dict):
            branch[rng.choice(WORDS)] = branch.pop(key)
        elif kind == 2:
            branch[key] = copy.deepcopy(rng.choice(branches))
        elif kind == 3 and isinstance(branch, list):
            branch *= rng.choice((2, 100))
            del branch[5000:]
        elif kind == 4 and isinstance(branch[key], str):
            branch[key] += rng.choice(WORDS)
        else:
            branch[key] = rng.choice(VALUES)
    return document
