"""Large matrices block by block: only the upper half where they are symmetric."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# On the CPU a block and its scratch stay in the second-level cache; on a GPU they fill the machine.
_CPU_TILE, _GPU_TILE = 256, 4096

Tile = tuple[slice, slice]


def tile_size(device: torch.device) -> int:
    """Rows and columns of a block of pairs that suits ``device``."""
    return _CPU_TILE if device.type == "cpu" else _GPU_TILE


def tiles(n: int, m: int, size: int, *, symmetric: bool) -> Iterator[Tile]:
    """Blocks that cover an n x m matrix or, ``symmetric``, its upper half with square corners."""
    for top in range(0, n, size):
        bottom = min(top + size, n)
        left = 0
        if symmetric:
            yield slice(top, bottom), slice(top, bottom)
            left = bottom
        for start in range(left, m, size):
            yield slice(top, bottom), slice(start, min(start + size, m))


def place(gram: Tensor, block: Tensor, r: slice, c: slice, *, symmetric: bool) -> None:
    """Write one of ``tiles`` and, ``symmetric``, its mirror image."""
    if symmetric and r == c:
        block = torch.triu(block)
        block = block + torch.triu(block, 1).T
    gram[r, c] = block
    if symmetric and r != c:
        gram[c, r] = block.T
