"""The zoo: its cards, which checkpoint a MODEL argument means, and whose weights that checkpoint holds."""

from rknn_zoo_e2e.zoo.catalogue import (
    MODELS,
    WILD,
    asset,
    calibration_sets,
    catalogue,
    find_card,
    is_pattern,
    matching,
    nearest,
)
from rknn_zoo_e2e.zoo.identity import OWN, Identity, identity_of_bundle, identity_of_file
from rknn_zoo_e2e.zoo.measured import Measured, find_measured
from rknn_zoo_e2e.zoo.resolve import Source, local_weights, resolve, said_of_other, same_weights, shipped_file

__all__ = [
    "MODELS",
    "OWN",
    "WILD",
    "Identity",
    "Measured",
    "Source",
    "asset",
    "calibration_sets",
    "catalogue",
    "find_card",
    "find_measured",
    "identity_of_bundle",
    "identity_of_file",
    "is_pattern",
    "local_weights",
    "matching",
    "nearest",
    "resolve",
    "said_of_other",
    "same_weights",
    "shipped_file",
]
