"""Optimizers. Names and defaults are those of `torch.optim`."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Boolean, Keyword, ListOf, MemberOf, Number, Reject
from dlc.compiler.training.initial_state import NetOrWeight, WeightSelection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from dlc.compiler.ir.graph import Weight

# The devices for which torch has fused optimizers.
FUSED_ON = ("cpu", "cuda", "mps")


class Optimizer(Definition, family="optimizer", what="an optimizer"):
    # True if a step evaluates the loss and its gradients several times, through a closure.
    recomputes: ClassVar[bool] = False
    # True if its first steps are smaller than later ones, without a schedule.
    warms_up: ClassVar[bool] = False

    lr: float  # each optimizer has its own default
    weight_decay: float = setting(
        "weight decay of the optimizer: this times the weight is added to its gradient",
        Number(minimum=0),
        0,
        keyword=True,
    )
    decay: str = setting("the weights that `weight_decay` acts on; `weights` are those of layers, without "
                         "biases and norms", Keyword("all", "weights"), "all", keyword=True)  # fmt: skip
    on: tuple[Any, ...] = setting(
        "the nets and declared weights that it updates; if empty, all that no other entry of a list takes",
        ListOf(NetOrWeight()), (), keyword=True,
    )  # fmt: skip

    def check(self) -> None:
        """Reject incompatible settings."""
        if self.decay == "weights" and not self.weight_decay:
            raise Reject("`decay` has no effect without `weight_decay`", at="optimizer", code="E0408",
                         help="add `weight_decay=0.01`")  # fmt: skip

    @abstractmethod
    def torch(self, optim: Any, weights: list[Any]) -> Any:
        """The optimizer of `torch.optim` for these weights, all on one device."""
        raise NotImplementedError

    def over(self, optim: Any, weights: list[Any], matrices: Sequence[Any] = (),
             undecayed: Sequence[Any] = ()) -> list[Any]:  # fmt: skip
        """Optimizers of `torch.optim` that together update these weights, each a part of them. Of all weights
        `matrices` are those that a layer multiplies by, and `undecayed` are biases and norms.
        `Reject` if this version of torch does not have the optimizer."""
        return [each.torch(optim, some) for each, some in self.split_by_decay(weights, undecayed)]

    def split_by_decay(self, weights: list[Any], undecayed: Sequence[Any]) -> list[tuple[Self, list[Any]]]:
        """The weights with and those without weight decay, each with an optimizer that has that decay."""
        excluded = {id(w) for w in undecayed} if self.decay == "weights" and self.weight_decay else set()
        decaying = [w for w in weights if id(w) not in excluded]
        rest = [w for w in weights if id(w) in excluded]
        parts = ((self, decaying), (self.knowing(weight_decay=0.0), rest))
        return [(optimizer, some) for optimizer, some in parts if some]


class Optimizers(ListOf):
    """An optimizer, or a list of them, each for its own weights."""

    def __init__(self) -> None:
        super().__init__(MemberOf("optimizer"))

    def describe(self) -> str:
        return f"{self.each.describe()}, or a list of them with `on=`"

    def accept(self, value):
        if value is None or value in ([], ()):
            raise self.mismatch(value)
        return super().accept(value)


def shares(optimizers: Sequence[Optimizer], weights: Iterable[Weight]) -> list[list[Weight]]:
    """The weights that each optimizer of a list updates. A weight belongs to the first optimizer that names
    it, else to the one without `on=`. A weight of no optimizer is in no list."""
    named = [WeightSelection(optimizer.on) for optimizer in optimizers]
    rest = next((k for k, optimizer in enumerate(optimizers) if not optimizer.on), None)
    found: list[list[Weight]] = [[] for _ in optimizers]
    for weight in weights:
        index = next((k for k, selection in enumerate(named) if weight in selection), rest)
        if index is not None:
            found[index].append(weight)
    return found


def main_optimizer(optimizers: Sequence[Optimizer]) -> Optimizer:
    """The optimizer whose learning rate is reported: the one without `on=`, else the first."""
    return next((optimizer for optimizer in optimizers if not optimizer.on), optimizers[0])


class Sgd(Optimizer):
    """Stochastic gradient descent: `w = w - lr * gradient`, optionally with momentum (torch `SGD`).

    With momentum `v = momentum * v + gradient` and `w = w - lr * v`; `nesterov` uses
    `gradient + momentum * v` in place of `v`.
    """

    usage = "sgd(lr=0.1, momentum=0.9)"

    lr: float = setting("learning rate", Number(above=0), usual=(1e-5, 1))
    momentum: float = setting("share of the last update that is kept", Number(minimum=0, below=1), 0)
    nesterov: bool = setting("use Nesterov momentum", Boolean(), False)

    def check(self):
        super().check()
        if self.nesterov and not self.momentum:
            raise Reject("`nesterov` needs a momentum", at="optimizer", code="E0408",
                         help="add `momentum=0.9`")  # fmt: skip

    def torch(self, optim, weights):
        return optim.SGD(weights, self.lr, momentum=self.momentum, nesterov=self.nesterov,
                         weight_decay=self.weight_decay, fused=fused(weights))  # fmt: skip


class Rmsprop(Optimizer):
    """Gradients divided by their running root mean square (Hinton 2012; torch `RMSprop`).

    `v = alpha * v + (1 - alpha) * g ** 2` and `w = w - lr * g / (sqrt(v) + eps)`, g the gradient.
    """

    lr: float = setting("learning rate", Number(above=0), 1e-2, usual=(1e-6, 0.05))
    alpha: float = setting("decay of the running mean square", Number(minimum=0, below=1), 0.99)
    eps: float = setting("added to the square root", Number(above=0), 1e-8)
    momentum: float = setting("share of the last update that is kept", Number(minimum=0, below=1), 0)
    centered: bool = setting("divide by the running standard deviation instead", Boolean(), False)

    def torch(self, optim, weights):
        return optim.RMSprop(weights, self.lr, alpha=self.alpha, eps=self.eps, momentum=self.momentum,
                             centered=self.centered, weight_decay=self.weight_decay,
                             foreach=True)  # fmt: skip


class Adagrad(Optimizer):
    """Gradients divided by the square root of the sum of their squares (Duchi et al. 2011; torch `Adagrad`).

    `s = s + g ** 2` and `w = w - lr * g / (sqrt(s) + eps)`, g the gradient; step `t`, counted from 0, has the
    learning rate `lr / (1 + t * lr_decay)`.
    """

    lr: float = setting("learning rate", Number(above=0), 1e-2, usual=(1e-5, 1))
    lr_decay: float = setting("decay of the learning rate", Number(minimum=0), 0)
    initial_accumulator_value: float = setting("initial value of the sum of squares", Number(minimum=0), 0)
    eps: float = setting("added to the square root", Number(above=0), 1e-10)

    def torch(self, optim, weights):
        return optim.Adagrad(weights, self.lr, lr_decay=self.lr_decay, weight_decay=self.weight_decay,
                             initial_accumulator_value=self.initial_accumulator_value, eps=self.eps,
                             foreach=True)  # fmt: skip


class Adadelta(Optimizer):
    """Gradients scaled by the ratio of the running root mean squares of updates and gradients
    (Zeiler 2012; torch `Adadelta`).

    `v = rho * v + (1 - rho) * g ** 2`, g the gradient; `d = sqrt(u + eps) / sqrt(v + eps) * g` and then
    `u = rho * u + (1 - rho) * d ** 2`; `w = w - lr * d`.
    """

    lr: float = setting("learning rate", Number(above=0), 1.0, usual=(1e-3, 10))
    rho: float = setting("decay of the running mean squares", Number(minimum=0, below=1), 0.9)
    eps: float = setting("added to the mean squares", Number(above=0), 1e-6)

    def torch(self, optim, weights):
        return optim.Adadelta(weights, self.lr, rho=self.rho, eps=self.eps, weight_decay=self.weight_decay,
                              foreach=True)  # fmt: skip


def fused(weights: list[Any]) -> bool:
    return bool(weights) and weights[0].device.type in FUSED_ON
