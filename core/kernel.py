"""How kernels are compiled: the same sums on every machine, in every batch and process.

No fast-math, so floating-point sums keep their written order; no GIL, so that threads of a
server run side by side; cached on disk, so that a process starts warm. The cache looks at one
file at a time: a kernel calls kernels and uses constants of its own file only, or a change
would not reach it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)
Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile a function over arrays and numbers."""
    return cast("Function", numba.njit(nogil=True, cache=True, fastmath=False)(function))


def kernel_array(values: npt.ArrayLike, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    """Return a contiguous, writable array of a dtype: kernels compile once for those."""
    return np.require(values, dtype, ["C_CONTIGUOUS", "WRITEABLE"])
