"""Connected regions of masks, and their growth."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def label(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the regions of a mask whose pixels share sides.

    Parameters
    ----------
    mask : bool (y, x)

    Returns
    -------
    int32 (y, x)
        0 outside, then 1, 2... in the order of the regions' first pixels.
    """
    ny, nx = mask.shape
    out = np.zeros((ny, nx), np.int32)
    stack = np.empty((mask.size, 2), np.int32)
    number = 0
    for y0 in range(ny):
        for x0 in range(nx):
            if not mask[y0, x0] or out[y0, x0]:
                continue
            number += 1
            out[y0, x0] = number
            stack[0] = (y0, x0)
            height = 1
            while height:
                height -= 1
                y, x = stack[height]
                for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                    b, a = y + dy, x + dx
                    if 0 <= b < ny and 0 <= a < nx and mask[b, a] and not out[b, a]:
                        out[b, a] = number
                        stack[height] = (b, a)
                        height += 1
    return out


def prune(mask: NDArray[np.bool_], least_pix: float) -> NDArray[np.bool_]:
    """Take out the regions of fewer than ``least_pix`` pixels."""
    numbers = label(mask)
    keep = np.bincount(numbers.ravel()) >= least_pix
    keep[0] = False
    return keep[numbers]


def grow(mask: NDArray[np.bool_], inside: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Let a mask grow over the sides of its pixels, so many times, where ``inside`` is set; both bool (y, x)."""
    out = mask.copy()
    for _ in range(steps):
        wider = out.copy()
        wider[1:] |= out[:-1]
        wider[:-1] |= out[1:]
        wider[:, 1:] |= out[:, :-1]
        wider[:, :-1] |= out[:, 1:]
        wider = (wider & inside) | out
        if (wider == out).all():
            break
        out = wider
    return out
