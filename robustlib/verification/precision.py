"""In what precision torch computes the products of a float32 model, on which device."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import torch
from torch import backends

# Relative error of one operation where float32 products may be computed in a shorter format.
_UNITS = {"ieee": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-8}
_OLD = {"highest": "ieee", "high": "tf32", "medium": "bf16"}


def float32_unit(device: torch.device, *, convolved: bool) -> float:
    """The relative error of one operation of a float32 model on ``device``.

    Products may be shortened by torch's settings, the older one of
    ``torch.set_float32_matmul_precision`` or any ``fp32_precision``; what is not known to be
    longer counts as bfloat16.
    """
    found = set(_settings(device, convolved))
    return max(_UNITS.get(name, _UNITS["bf16"]) for name in found)


def _settings(device: torch.device, convolved: bool) -> Iterator[str]:
    """The precisions that are set, for what the model uses."""
    yield "ieee"
    products = {"cpu": [backends.mkldnn], "cuda": [backends.cuda]}
    convolutions = {"cpu": [backends.mkldnn], "cuda": [backends.cudnn]}
    every: list[object] = [backends.cuda, backends.mkldnn]
    for module in products.get(device.type, every):
        yield _setting(module, "matmul")
    if convolved:
        for module in convolutions.get(device.type, [backends.cudnn, backends.mkldnn]):
            yield _setting(module, "conv")


def _setting(module: object, operation: str) -> str:
    """What one backend is set to; torch answers with what it inherits, "none" is full precision."""
    found = getattr(getattr(module, operation, None), "fp32_precision", None)
    if found is None:  # before torch 2.9 there was one setting for all but cuDNN
        if module is backends.cudnn:
            return "tf32" if backends.cudnn.allow_tf32 else "ieee"
        return _OLD[torch.get_float32_matmul_precision()]
    return "ieee" if found == "none" else str(found)


def convolution_by_transform(device: torch.device, dtype: torch.dtype) -> str | None:
    """Where torch may convolve by Winograd's or Fourier's transform, why; None where it does not.

    Their rounding is relative to the largest products of a window, not to those of the sum, so
    that running error analysis says nothing of it.
    """
    if device.type != "cpu":
        if device.type == "cuda" and not backends.cudnn.enabled:
            return None
        return f"may be computed by transforms on {device.type}; move the model to the CPU"
    if dtype == torch.float64:
        return None
    intel = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
    direct = backends.mkldnn.is_available() and backends.mkldnn.enabled  # type: ignore[no-untyped-call]
    if intel and direct:
        return None
    return "may be computed by transforms in float32; use net.double()"
