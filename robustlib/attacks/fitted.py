"""The one rule for dtypes: a sample is brought to that of the model which it meets."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ..models import undisturbed
from ..samples import Labelled, check_labelled, in_dtype


def fitted(sample: object, model: object) -> Labelled:
    """``sample``, checked, in the dtype of the weights of ``model``: itself where that is its own.

    Samples and nets are made without a word on dtypes, so it is for us to make them fit; tensors
    are somebody's choice, and have to agree. A model that answers in the sample's own dtype, or
    has weights of several dtypes or of none, is given the sample as it is.
    """
    check_labelled(sample)
    labelled = cast(Labelled, sample)
    if not isinstance(model, nn.Module):
        return labelled
    kinds = {w.dtype for w in (*model.parameters(), *model.buffers()) if w.is_floating_point()}
    if len(kinds) != 1:
        return labelled
    recast = in_dtype(labelled, kinds.pop())
    return labelled if recast is labelled or _converts(model, labelled.x) else recast


def _converts(model: nn.Module, x: Tensor) -> bool:
    """Whether the model answers in the dtype of ``x``, although its weights have another."""
    with undisturbed(model, x.device), torch.no_grad():
        try:
            f = model(x[:1].clone())
        except Exception:  # mostly torch's, on two dtypes
            return False
    return isinstance(f, Tensor) and f.dtype == x.dtype
