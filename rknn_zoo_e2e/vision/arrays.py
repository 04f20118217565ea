"""The package's arrays by the type of their elements; shapes and units stand in the docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # of more than one type: trained weights, constants, an output before it is made real
Floats = NDArray[np.float32]  # outputs, boxes, scores, key points
Indices = NDArray[np.int64]  # places in another array, and class ids
Flags = NDArray[np.bool_]  # which of another array's elements
Pixels = NDArray[np.uint8]  # pictures
