"""What Frigate is told of a model: a stanza for its configuration, and its label map.

Its rknn detector takes a path with a slash for a model of one's own, and ``num_cores`` 0 where a SoC's NPU has one core
(frigate/detectors/plugins/rknn.py: the mask is ``2 ** num_cores - 1``, which the runtimes of such SoCs refuse).
"""

from __future__ import annotations

from collections.abc import Mapping

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.files.yaml_data import write_yaml
from rknn_zoo_e2e.tasks.spec import ModelSpec

FOLDER = "/config/model_cache"  # where Frigate's own pages put models, inside its container


def stanza(spec: ModelSpec, artifacts: Mapping[str, str]) -> str:
    """``frigate.yml``: detector and model, for the first artifact; what differs for the others stands in comments."""
    place = f"{FOLDER}/{spec.name}_rknn_model"
    parts = {soc: (f"{place}/{file}", cores_of(soc)) for soc, file in artifacts.items()}
    (first, (path, cores)), *others = parts.items()
    height, width = spec.imgsz
    document = {
        "detectors": {"rknn": {"type": "rknn", "num_cores": cores}},
        "model": {
            "path": path,
            "model_type": "yolo-generic",
            "width": width,
            "height": height,
            "input_tensor": "nhwc",
            "input_pixel_format": "rgb",
            "labelmap_path": f"{place}/labelmap.txt",
        },
    }
    lines = [f"# For Frigate on {first}. Copy this folder to {place} (of its container), and this into its config.yml."]
    lines += [f"# On {soc}: path {path}, num_cores {cores}." for soc, (path, cores) in others]
    return "\n".join(lines) + "\n" + write_yaml(document)


def cores_of(soc: str) -> int:
    """What ``num_cores`` has to be."""
    return SOCS[soc].cores if SOCS[soc].cores > 1 else 0


def label_map(spec: ModelSpec, _: Mapping[str, str]) -> str:
    """``labelmap.txt``: number and name of a class a line."""
    return "".join(f"{index} {name}\n" for index, name in enumerate(spec.names))
