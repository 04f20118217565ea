"""The precision plan: which tensors of the exported graph leave INT8.

Measured on yolov8n, 640 px, 308 COCO pictures, rk3566, in the vendor's simulator (mAP50-95; fp32 0.3879): everything
INT8 0.3580; only sigmoids and decode in fp16 0.3787; from the input of every branch's last convolution 0.3858.
Attention in INT8 costs yolo11n 2.6 of 44.5 points; in fp16 too it keeps 44.1.

Key points are distances in cells, so the noise of eight bits moves them further on coarser levels. There the second
convolution of their stems leaves INT8 too: the median error of yolo26n-pose falls by a fifth, OKS rises from 55.1 to
55.6 of 56.5, for 6 % more cycles (yolov8n-pose: by a quarter, 49.3 to 49.4 of 49.5, 3 %). On the finest level it costs
three times as much and gains nothing.

Tensors are clipped at the least square error, those of the first two convolutions at the least error to the power of
1.5: there extremes are edges, which matter less than the rounding of everything else. The mean error of scores falls by
2 to 15 % so (yolov8n, yolov8n-seg, yolo11n, yolo26n; 50 pictures, eight sets of calibration pictures, emulated). In
later layers the extremes are what the model looks for: with the power of 1.5 everywhere it rises by 60 %.
"""

from __future__ import annotations

import re
from pathlib import Path

import onnx

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.quantization.ranges import quantised_tensors, readers_of

LAST = re.compile(r"/last\.\d+/Conv$")  # heads.branch.Branch.last
# heads.pose.PoseTail.stems of all levels but the finest, their second convolution
KEY_POINTS = re.compile(r"^(/model\.\d+/stems\.[1-9]\d*/stems\.\d+\.1)/conv/Conv$")
ATTENTION = re.compile(r"^(/model\.\d+)/.*\battn/")  # C2PSA, and YOLO26's C3k2 with attention

STEM = re.compile(r"^/model\.[01]/")  # the first two convolutions of every YOLO here
STEM_POWER, POWER = 1.5, 2.0


def int8_tensors(path: Path) -> dict[str, float]:
    """Tensors of the graph outside every region, those at which one begins or ends among them, whatever the SoC.

    Returns:
        Name -> the power of its error that clipping it is to make least.
    """
    graph = onnx.load(str(path), load_external_data=False).graph
    readers, output = readers_of(graph), graph.output[0].name
    inside: set[str] = set()
    for first, last in regions(path):
        ahead = [first]
        while ahead:
            for node in readers.get(ahead.pop(), []):
                ahead += [name for name in node.output if name not in inside and name != last]
                inside.update(name for name in node.output if name != last or last == output)
    names = [name for name in quantised_tensors(path) if name not in inside]
    return {name: STEM_POWER if STEM.match(name) else POWER for name in names}


def hybrid_regions(path: Path, soc: Soc) -> tuple[tuple[str, str], ...]:
    """[first tensor, last tensor] of each region that is not INT8 on this SoC."""
    return () if soc.tail == "int8" else regions(path)


def regions(path: Path) -> tuple[tuple[str, str], ...]:
    """[first tensor, last tensor] of each region that leaves INT8 where the SoC can."""
    graph = onnx.load(str(path), load_external_data=False).graph
    output = graph.output[0].name
    earlier = {
        f"{match[1]}/act/Mul_output_0": node.input[0] for node in graph.node if (match := KEY_POINTS.match(node.name))
    }
    inputs = [node.input[0] for node in graph.node if LAST.search(node.name)]
    starts = dict.fromkeys(earlier.get(name, name) for name in inputs)
    found = [(start, output) for start in starts]
    tensors = {name for node in graph.node for name in node.output}
    blocks = dict.fromkeys(match[1] for node in graph.node if (match := ATTENTION.match(node.name)))
    for block in blocks:
        first, last = f"{block}/cv1/act/Mul_output_0", f"{block}/cv2/act/Mul_output_0"
        if first in tensors and last in tensors:
            found.append((first, last))
    return tuple(found)
