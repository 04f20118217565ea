"""What ``bench --save`` writes on a board, without one."""

from __future__ import annotations


def measured(**changes: object) -> dict:
    """The content of such a file, about a bundle of ``support.board`` for rk3588."""
    times = {"p50": 18.1, "p90": 19.0, "p99": 25.5}
    document = {
        "format_version": 1,
        "model": {
            "name": "tiny", "task": "detect", "contract": "ultralytics", "imgsz": [64, 96], "weights_sha256": "a" * 64
        },
        "artifact": {"sha256": "b" * 64, "soc": "rk3588", "precision": "int8", "layout": "flat", "toolkit": "2.3.2"},
        "date": "2026-11-26",
        "board": {"soc": "rk3588", "name": "xunlong,orangepi-5", "cores": 3},
        "software": {
            "e2erknn": "0.1.0", "python": "3.11.2", "backend": "board", "runtime": "rknn-toolkit-lite2 2.3.2",
            "librknnrt": "2.3.2", "driver": "0.9.8", "kernel": "6.1.43",
        },
        "clocks": [
            {"part": "npu", "governor": "performance", "max_mhz": 1000, "lowest_mhz": 1000, "highest_mhz": 1000},
        ],
        "temperatures": [{"zone": "npu-thermal", "start": 41.2, "end": 55.5}],
        "run": {
            "pictures": 1, "megapixels": 0.173, "runs": 200, "warmup": 10, "contexts": 3, "conf": 0.25,
            "detections": 4.0,
        },
        "stages": dict.fromkeys(("read", "letterbox", "infer", "post", "draw"), times),
        "cores": [times] * 3,
        "fps": {"one_by_one": 50.0, "pooled": 140.0},
        "cpu_ms": 0.9,
    }  # fmt: skip
    return document | changes
