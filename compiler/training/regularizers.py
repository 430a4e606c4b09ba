"""Regularizers: what is added to the loss to keep weights, or values of the network, small."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Nothing, Number, OneOf
from dlc.compiler.training.initial_state import NetOrWeight


class NetOrTensor(NetOrWeight):
    """A net, whose weights are meant, or a tensor of the graph."""

    def describe(self) -> str:
        return "a net or a tensor"


class Regularizer(Definition, family="regularizer", what="a regularizer"):
    """Acts on the weights of layers (role `weight`), never on biases or norms.

    On a tensor it acts on the entries of a sample, and the mean over the batch is taken.
    """

    on: Any = setting("the net whose weights, or the tensor whose entries, are kept small",
                      OneOf(NetOrTensor(), Nothing()), None, keyword=True,
                      shown="all weights of layers")  # fmt: skip

    @property
    def value(self) -> Any:
        """The tensor it acts on, an `ir.Value`, or none where it acts on weights."""
        from dlc.compiler.ir.graph import Value

        return self.on if isinstance(self.on, Value) else None

    def acts_on(self, weight: Any) -> bool:
        """True if it acts on this `ir.Weight`."""
        if weight.role != "weight" or self.value is not None:
            return False
        return self.on is None or weight.net == self.on.net

    def decays(self) -> bool:
        """True if it pulls weights towards 0 as `weight_decay` does."""
        return False

    @abstractmethod
    def torch(self, torch: Any, tensors: list[Any]) -> Any:
        """What is added to the loss, a scalar, for these weights."""
        raise NotImplementedError


class L1(Regularizer):
    """Adds `x * sum(abs(w))`: draws weights to exactly 0."""

    usage = "l1(1e-5)"

    x: float = setting("strength", Number(minimum=0))

    def torch(self, torch, tensors):
        return self.x * total(torch, [t.abs().sum() for t in tensors])


class L2(Regularizer):
    """Adds `x * sum(w ** 2)`: keeps weights small."""

    usage = "l2(1e-4)"

    x: float = setting("strength", Number(minimum=0))

    def decays(self):
        return self.x > 0

    def torch(self, torch, tensors):
        flat = [t.reshape(-1) for t in tensors]
        return self.x * total(torch, [torch.dot(f, f) for f in flat])


class Elastic(Regularizer):
    """Adds `a * sum(abs(w)) + b * sum(w ** 2)`: both at once (elastic net)."""

    usage = "elastic(1e-5, 1e-4)"

    a: float = setting("strength of the absolute values", Number(minimum=0))
    b: float = setting("strength of the squares", Number(minimum=0))

    def decays(self):
        return self.b > 0

    def torch(self, torch, tensors):
        return L1(x=self.a).torch(torch, tensors) + L2(x=self.b).torch(torch, tensors)


def total(torch: Any, sums: list[Any]) -> Any:
    return torch.stack(sums).sum() if len(sums) > 1 else sums[0]
