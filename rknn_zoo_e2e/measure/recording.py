"""A measurement on a board, recorded for others: with what it was made of and on, and nothing personal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.boards.machine import board_facts, versions
from rknn_zoo_e2e.bundle.measurement import ENTRY
from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.runtime.loading import FALLBACK, find_bundle
from rknn_zoo_e2e.runtime.options import LoadOptions
from rknn_zoo_e2e.runtime.registry import BACKENDS, chosen

MOUNT = "-v /proc/device-tree/compatible:/proc/device-tree/compatible"


def to_record(options: LoadOptions, target: Path) -> Bundle:
    """The bundle that a measurement can be recorded of; asked before anything is loaded.

    Args:
        options: what is to be loaded.
        target: the file to write.

    Raises:
        UserError: the backend is no NPU, the model is no bundle, or there can be no such file.
    """
    runner = chosen(options.backend, "bundles")
    if not runner.has_npu:
        raise UserError(
            f"The backend {runner.name} is no board, so there is nothing to save.",
            "Run it on a board, or here without --save.",
        )
    if target.is_dir() or not target.parent.is_dir():
        raise UserError(f"There can be no file {target}.", "Give another one, such as --save board.json.")
    folder = find_bundle(options.model, options.soc, options.precision, options.progress, options.backend)
    if folder is None:
        name = options.model or FALLBACK
        raise UserError(
            f"{name} is a checkpoint, and a board's figures are kept for bundles.",
            f"Convert it first, on a PC, with: e2erknn convert {name} --soc {probe.board_soc() or 'rk3566'}",
        )
    return read_bundle(folder)


def machine(backend: str) -> dict[str, Any]:
    """``board`` and ``software`` of a measurement; asked when the model is loaded, and with it what runs it.

    Raises:
        UserError: nothing tells which board this is.
    """
    board = board_facts(probe.ROOT)
    if board is None:
        raise UserError(
            "This machine does not say which board it is, so what it measures cannot be saved.",
            f"In a container, start it with {MOUNT}; or measure without --save.",
        )
    software = {"e2erknn": resolve_name("rknn_zoo_e2e:__version__"), "backend": backend}
    return {"board": board, "software": software | {"runtime": BACKENDS[backend].runtime()} | versions(probe.ROOT)}


def entry(on: Mapping[str, Any], measured: Mapping[str, Any], **run: float) -> dict[str, Any]:
    """An entry of an artifact's ``measured`` (:mod:`~rknn_zoo_e2e.bundle.measurement`).

    Args:
        on: what :func:`machine` says.
        measured: what :func:`~rknn_zoo_e2e.measure.bench.bench` and a :class:`~rknn_zoo_e2e.boards.clocks.Watch` say.
        run: how it was measured, but for ``detections`` and ``megapixels``.
    """
    how = {**run, "detections": measured["detections"], "megapixels": measured["megapixels"]}
    facts = {"date": date.today().isoformat(), **on, "run": how, **measured}
    return {key: facts[key] for key in ENTRY}
