"""What a kernel matrix is: square, finite, symmetric and positive semidefinite, to rounding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..checks import check_floats

_SYMMETRIC = {torch.float32: 2e-5, torch.float64: 1e-10}  # asymmetry that is rounding


def check_gram(name: str, K: Tensor) -> None:
    """Raise where ``K`` is not the matrix (n, n) of a kernel at n points.

    To rounding: entries differ from their mirror images by at most 2e-5 of the largest in float32
    and 1e-10 in float64, and no eigenvalue is below -4 sqrt(n) machine epsilons of the greatest.
    """
    check_symmetric(name, K)
    if not K.numel():
        return
    wide = K.double()
    wide = (wide + wide.T) / 2
    # No eigenvalue exceeds the greatest of the matrix, nor does an entry of the diagonal: what
    # factorises with that little added passes, and only what does not is looked at closely.
    least_room = noise(len(K), float(wide.diagonal().max()), K.dtype)
    if least_room > 0:
        shifted = wide.clone()
        shifted.diagonal().add_(least_room)
        if not int(torch.linalg.cholesky_ex(shifted).info):
            return
    values = torch.linalg.eigvalsh(wide)
    least, greatest = float(values[0]), float(values[-1])
    if least < -noise(len(K), greatest, K.dtype):
        raise ValueError(_refusal(name, f"eigenvalues from {least:.3g} to {greatest:.3g}"))


def noise(n: int, greatest: float, dtype: torch.dtype) -> float:
    """What rounding of entries and of the eigenvalue routine may add to an eigenvalue."""
    return 4 * math.sqrt(n) * torch.finfo(dtype).eps * abs(greatest)


def check_symmetric(name: str, K: Tensor) -> None:
    """Raise where ``K`` is not a symmetric matrix, to rounding as in ``check_gram``."""
    check_floats(name, K)
    if K.dim() != 2 or K.shape[0] != K.shape[1]:
        raise ValueError(_refusal(name, f"shape {tuple(K.shape)}"))
    if not K.numel():
        return
    gap, scale = float((K - K.T).abs().max()), float(K.abs().max())
    if gap > _SYMMETRIC[K.dtype] * scale:
        raise ValueError(
            _refusal(name, f"entries that differ by {gap:.3g} from their mirror image")
        )


def _refusal(name: str, seen: str) -> str:
    return (
        f"{name} must be a kernel matrix: square, symmetric and positive semidefinite, got {seen}"
    )
