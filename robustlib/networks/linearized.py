"""Nets linearised in their weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..checks import check_weights
from ..models import copy_of, departure, known_as
from .base import Network
from .streams import Neurons
from .two_layer import TwoLayerNet


class LinearizedNet(Network):
    """f(W_0, x) + <grad_W f(W_0, x), W - W_0>: exactly affine in its weights W.

    Made by ``linearize``; its parameters have the names that the net's have.
    """

    def __init__(self, net: Network) -> None:
        super().__init__()
        if not isinstance(net, Network) or isinstance(net, LinearizedNet):
            raise TypeError(f"net must be a TwoLayerNet or DeepNet, got {type(net).__name__}")
        # ``expand`` is a formula, right for the function of the class that it was written in
        source = next(cls for cls in type(net).__mro__ if "expand" in vars(cls))
        if (other := departure(net, (source,))) is not None:
            raise TypeError(f"net must be expanded by its own expand(step, x), got {other}")
        check_weights("net", net)
        base_net = copy_of(net)
        # The trained weights move here, under their own names; what stays is fixed.
        for name in list(base_net._parameters):
            self.register_parameter(name, base_net._parameters.pop(name))
        for name in list(base_net._modules):
            self.add_module(name, base_net._modules.pop(name))
        self.base_net, self.d, self.bias = base_net, net.d, net.bias

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor per trained layer."""
        return self.base_net.start()

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """The affine function at other weights than the net's own: one tensor per layer."""
        given = self._layers("weights", weights)
        return self.base_net.expand([w - w0 for w, w0 in zip(given, self.start(), strict=True)], x)

    def expand(self, step: Sequence[Tensor], x: Tensor) -> Tensor:
        """That of the net that was linearised: it is its own expansion."""
        return self.base_net.expand(step, x)

    def neurons(self) -> Neurons | None:
        """The expansion as a sum over neurons, where the net that was linearised is one."""
        net = self.base_net
        if not isinstance(net, TwoLayerNet) or known_as(net, (TwoLayerNet,)) is None:
            return None
        (weight,) = self.parameters()
        return net.expansion_along(weight.detach() - net.initial)

    def extra_repr(self) -> str:
        """The net that was linearised."""
        return repr(self.base_net)


def linearize(net: Network) -> LinearizedNet:
    """The first-order expansion of ``net`` in its weights around its initialisation W_0.

    The result carries its own copy of the weights, starting from where ``net`` is now; ``net`` is
    not touched. Raises ``TypeError`` where ``net`` is no such net, or where a hook, say, or a
    forward of its own may make its function another than its class says; ``ValueError`` for NaN.
    """
    return LinearizedNet(net)
