"""Who is told how far something is."""

from __future__ import annotations

from rknn_zoo_e2e.progress import Silent, Timed, following, silent


def test_a_function_of_two_arguments_is_told_both():
    told = []
    progress = following(lambda stage, share: told.append((stage, share)))
    progress("load")
    progress("build", 0.5)
    assert told == [("load", 0.0), ("build", 0.5)]


def test_stages_are_timed_and_passed_on(monkeypatch):
    clock = iter([10.0, 11.5, 12.0, 20.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    told = []
    timed = Timed(following(lambda *given: told.append(given)))
    for stage, share in (("load", 0.0), ("load", 0.9), ("build", 0.0), ("load", 0.0)):
        timed(stage, share)
    assert told == [("load", 0.0), ("load", 0.9), ("build", 0.0), ("load", 0.0)]
    assert timed.seconds() == {"load": 1.5 + 8.0, "build": 0.5}


def test_nobody_is_told_of_several_as_of_one():
    tracker = Silent()
    tracker.expect("m", ["m-rk3566-int8"])
    assert tracker.of("m") is silent and silent("load") is None and silent("load", 0.5) is None
    tracker.done("m", "ok", reused=True)
