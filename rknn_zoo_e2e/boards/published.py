"""Speeds that Rockchip publishes, and what its compiler says of the graphs they are of: what predictions are fitted to.

Speeds are frames a second of rknn_model_zoo 2.3.2 (its README): INT8, 640 x 640 px, one core at the highest NPU clock,
inference alone. Its graphs end level by level, before boxes are decoded. The compiler's figures are of such graphs,
built by rknn-toolkit2 2.3.2 with random weights, on which they do not depend: ``scripts/published_graphs.py`` makes
them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Model -> SoC -> frames a second, cycles, traffic in KB. What is said of rk3566 is said of rk3568 too.
FIGURES: dict[str, dict[str, tuple[float, int, int]]] = {
    "yolov8n": {
        "rk3562": (40.9, 10_911_270, 34_564),
        "rk3566": (34.0, 11_150_094, 34_565),
        "rk3576": (90.2, 7_629_497, 34_699),
        "rk3588": (73.5, 6_224_600, 34_701),
    },
    "yolov8s": {
        "rk3562": (18.4, 30_352_963, 70_461),
        "rk3566": (15.1, 30_593_040, 70_462),
        "rk3576": (40.8, 16_698_200, 70_592),
        "rk3588": (38.0, 15_050_283, 70_595),
    },
    "yolov8m": {
        "rk3562": (8.2, 82_179_663, 134_720),
        "rk3566": (6.5, 82_481_172, 134_721),
        "rk3576": (16.7, 44_304_045, 137_795),
        "rk3588": (16.2, 42_395_883, 134_850),
    },
    "yolov8n-pose": {
        "rk3562": (31.0, 12_098_652, 45_152),
        "rk3566": (22.6, 13_372_431, 43_690),
        "rk3576": (66.8, 8_057_229, 45_152),
        "rk3588": (55.9, 6_620_557, 45_154),
    },
    "yolov8n-seg": {
        "rk3562": (33.0, 14_990_926, 40_034),
        "rk3566": (27.8, 15_284_445, 40_035),
        "rk3576": (71.1, 9_872_039, 40_169),
        "rk3588": (60.8, 8_200_996, 40_171),
    },
    "yolov8s-seg": {
        "rk3562": (14.1, 44_425_171, 81_026),
        "rk3566": (11.7, 44_749_836, 81_027),
        "rk3576": (30.8, 24_046_894, 81_157),
        "rk3588": (28.9, 21_982_431, 81_160),
    },
    "yolov8m-seg": {
        "rk3562": (6.4, 113_351_433, 150_883),
        "rk3566": (5.2, 113_769_900, 150_884),
        "rk3576": (12.7, 60_751_815, 154_931),
        "rk3588": (12.6, 58_195_382, 151_013),
    },
    "yolov8n-obb": {
        "rk3562": (41.3, 10_293_248, 35_635),
        "rk3566": (33.9, 10_502_326, 35_422),
        "rk3576": (90.2, 7_108_666, 35_635),
        "rk3588": (74.0, 5_843_117, 35_637),
    },
    "yolo11n": {
        "rk3562": (34.0, 9_403_419, 38_304),
        "rk3566": (20.6, 9_937_161, 38_832),
        "rk3576": (77.9, 7_328_846, 38_389),
        "rk3588": (60.0, 5_432_357, 38_445),
    },
    "yolo11s": {
        "rk3562": (16.7, 24_316_764, 76_661),
        "rk3566": (10.2, 25_029_302, 78_119),
        "rk3576": (38.2, 14_726_065, 76_692),
        "rk3588": (33.0, 12_192_995, 76_802),
    },
    "yolo11m": {
        "rk3562": (6.5, 72_238_029, 159_463),
        "rk3566": (4.6, 73_231_439, 160_923),
        "rk3576": (14.6, 39_579_295, 159_494),
        "rk3588": (12.7, 35_837_143, 159_608),
    },
    "yolov10n": {
        "rk3562": (34.1, 9_699_661, 38_147),
        "rk3566": (20.7, 10_346_985, 38_882),
        "rk3576": (80.2, 7_595_707, 38_232),
        "rk3588": (61.2, 5_472_358, 38_294),
    },
    "yolov10s": {
        "rk3562": (16.9, 25_043_277, 75_727),
        "rk3566": (10.3, 26_139_139, 77_194),
        "rk3576": (39.9, 15_413_260, 75_758),
        "rk3588": (33.8, 12_459_338, 75_877),
    },
}


def _attention(heads: int) -> tuple[tuple[str, str], ...]:
    """The operators of a block of attention on 20 x 20 cells, with 64 channels of values a head, that rk3566 leaves."""
    return (
        ("Transpose", f"(1,{heads},64,400)"),
        ("Transpose", f"({heads},400,1,64)"),
        ("Reshape", f"(1,{64 * heads},20,20)"),
        ("exSoftmax13", f"({heads},400,1,400)"),
    )


# SoC -> model -> kind and output shape of each operator its compiler leaves to the CPU; elsewhere there is none. Shapes
# of yolo11n and yolov8n-pose were read from its table, those of the others follow by the heads and channels of the
# graphs; how many operators there are was read of all.
ON_THE_CPU: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {
    "rk3566": {
        "yolov8n-pose": (("Reshape", "(1,51,20,80)"), ("Reshape", "(1,51,5,80)"), ("Reshape", "(1,17,3,8400)")),
        "yolov8n-obb": (("Reshape", "(1,1,20,80)"), ("Reshape", "(1,1,5,80)"), ("Reshape", "(1,1,8400)")),
        "yolo11n": _attention(2),
        "yolo11s": _attention(4),
        "yolo11m": _attention(4),
        "yolov10n": _attention(2),
        "yolov10s": _attention(4),
    }
}


@dataclass(frozen=True)
class Published:
    """One graph on one SoC: milliseconds a picture, and its placement as a bundle states it (``toolkit.buildlog``)."""

    model: str
    soc: str
    ms: float
    placement: dict[str, Any]

    @property
    def family(self) -> str:
        """Graphs of one architecture and task: the name without its size."""
        name, dash, task = self.model.partition("-")
        return name[:-1] + dash + task


def published() -> Iterator[Published]:
    """All of them."""
    for model, socs in FIGURES.items():
        for soc, (fps, cycles, traffic_kb) in socs.items():
            left = ON_THE_CPU.get(soc, {}).get(model, ())
            cpu = [{"op": op, "name": "", "shape": shape} for op, shape in left]
            yield Published(model, soc, 1000 / fps, {"cpu": cpu, "traffic_kb": traffic_kb, "cycles": cycles})
