"""What arrays hold, in the words of every room of training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Sound = npt.NDArray[np.int16]
"""Recorded sound, full scale at 32767."""
