"""Regularizers: penalties on weights or tensors that are added to the loss."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Nothing, Number, OneOf
from dlc.compiler.training.initial_state import NetOrWeight


class NetOrTensor(NetOrWeight):
    """A net, as a name for its weights, or a tensor of the graph."""

    def describe(self) -> str:
        return "a net or a tensor"


class Regularizer(Definition, family="regularizer", what="a regularizer"):
    """A penalty on the weights of layers (role `weight`), not on biases or norms.

    For a tensor it is the penalty on the entries of each sample, averaged over the batch.
    """

    on: Any = setting("the net whose weights, or the tensor whose entries, are penalized",
                      OneOf(NetOrTensor(), Nothing()), None, keyword=True,
                      shown="all weights of layers")  # fmt: skip

    @property
    def value(self) -> Any:
        """The tensor it acts on, an `ir.Value`; none if it acts on weights."""
        from dlc.compiler.ir.graph import Value

        return self.on if isinstance(self.on, Value) else None

    def acts_on(self, weight: Any) -> bool:
        """True if it acts on this `ir.Weight`."""
        if weight.role != "weight" or self.value is not None:
            return False
        return self.on is None or weight.net == self.on.net

    def decays(self) -> bool:
        """True if its gradient is proportional to the weights, like that of `weight_decay`."""
        return False

    @abstractmethod
    def torch(self, torch: Any, tensors: list[Any]) -> Any:
        """The penalty on these tensors, a scalar that is added to the loss."""
        raise NotImplementedError


class L1(Regularizer):
    """Adds `x * sum(abs(w))` to the loss, which makes weights sparse (lasso)."""

    usage = "l1(1e-5)"

    x: float = setting("strength", Number(minimum=0))

    def torch(self, torch, tensors):
        return self.x * total(torch, [t.abs().sum() for t in tensors])


class L2(Regularizer):
    """Adds `x * sum(w ** 2)` to the loss, which keeps weights small (ridge)."""

    usage = "l2(1e-4)"

    x: float = setting("strength", Number(minimum=0))

    def decays(self):
        return self.x > 0

    def torch(self, torch, tensors):
        flat = [t.reshape(-1) for t in tensors]
        return self.x * total(torch, [torch.dot(f, f) for f in flat])


class Elastic(Regularizer):
    """Adds `a * sum(abs(w)) + b * sum(w ** 2)` to the loss (elastic net)."""

    usage = "elastic(1e-5, 1e-4)"

    a: float = setting("strength of the absolute values", Number(minimum=0))
    b: float = setting("strength of the squares", Number(minimum=0))

    def decays(self):
        return self.b > 0

    def torch(self, torch, tensors):
        return L1(x=self.a).torch(torch, tensors) + L2(x=self.b).torch(torch, tensors)


def total(torch: Any, sums: list[Any]) -> Any:
    return torch.stack(sums).sum() if len(sums) > 1 else sums[0]
