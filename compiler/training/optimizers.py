"""Optimizers: how the weights follow their gradients. Names and defaults are those of `torch.optim`."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Boolean, Keyword, ListOf, MemberOf, Number, Reject
from dlc.compiler.training.initial_state import Meant, NetOrWeight

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from dlc.compiler.ir.graph import Weight

# Where torch has kernels that update all weights in one call.
FUSED_ON = ("cpu", "cuda", "mps")


class Optimizer(Definition, family="optimizer", what="an optimizer"):
    # True if a step computes loss and gradients as often as it likes: it is given a function for it.
    recomputes: ClassVar[bool] = False

    lr: float  # each has a default of its own
    weight_decay: float = setting(
        "the optimizer's own decay: this times a weight is added to its gradient",
        Number(minimum=0),
        0,
        keyword=True,
    )
    decay: str = setting("which weights `weight_decay` acts on; `weights` are those of layers, without "
                         "biases and norms", Keyword("all", "weights"), "all", keyword=True)  # fmt: skip
    on: tuple[Any, ...] = setting(
        "the nets and declared weights that it changes; without, what no other entry of a list takes",
        ListOf(NetOrWeight()), (), keyword=True,
    )  # fmt: skip

    def check(self) -> None:
        """Reject settings that do not go together."""
        if self.decay == "weights" and not self.weight_decay:
            raise Reject("`decay` says which weights decay, and none does", at="optimizer", code="E0408",
                         help="add `weight_decay=0.01`")  # fmt: skip

    @abstractmethod
    def torch(self, optim: Any, weights: list[Any]) -> Any:
        """The optimizer of `torch.optim` over these weights, all on one device."""
        raise NotImplementedError

    def over(self, optim: Any, weights: list[Any], matrices: Sequence[Any] = (),
             undecayed: Sequence[Any] = ()) -> list[Any]:  # fmt: skip
        """Optimizers of `torch.optim` that together change these weights, each some of them. Of all weights
        `matrices` are those that a layer multiplies by, and `undecayed` biases and norms.
        `Reject` where this torch has none such."""
        return [each.torch(optim, some) for each, some in self.parted(weights, undecayed)]

    def parted(self, weights: list[Any], undecayed: Sequence[Any]) -> list[tuple[Self, list[Any]]]:
        """The weights that decay, and those that do not, each with the optimizer that treats them so."""
        still = {id(w) for w in undecayed} if self.decay == "weights" and self.weight_decay else set()
        decaying = [w for w in weights if id(w) not in still]
        rest = [w for w in weights if id(w) in still]
        parts = ((self, decaying), (self.knowing(weight_decay=0.0), rest))
        return [(optimizer, some) for optimizer, some in parts if some]


class Optimizers(ListOf):
    """An optimizer, or a list of them, each for weights of its own."""

    def __init__(self) -> None:
        super().__init__(MemberOf("optimizer"))

    def describe(self) -> str:
        return f"{self.each.describe()}, or a list of them with `on=`"

    def accept(self, value):
        if value is None or value in ([], ()):
            raise self.mismatch(value)
        return super().accept(value)


def shares(optimizers: Sequence[Optimizer], weights: Iterable[Weight]) -> list[list[Weight]]:
    """The weights that each optimizer of a list changes: a weight belongs to the first that names it, else to
    the one without `on=`; what none takes is in no list."""
    named = [Meant(optimizer.on) for optimizer in optimizers]
    rest = next((place for place, optimizer in enumerate(optimizers) if not optimizer.on), None)
    found: list[list[Weight]] = [[] for _ in optimizers]
    for weight in weights:
        place = next((place for place, meant in enumerate(named) if weight in meant), rest)
        if place is not None:
            found[place].append(weight)
    return found


def leading(optimizers: Sequence[Optimizer]) -> Optimizer:
    """The optimizer whose rate is told: the one without `on=`, else the first."""
    return next((optimizer for optimizer in optimizers if not optimizer.on), optimizers[0])


class Sgd(Optimizer):
    """Stochastic gradient descent: `w = w - lr * gradient`, with momentum if asked (torch `SGD`).

    With it `v = momentum * v + gradient` and `w = w - lr * v`; `nesterov` takes `gradient + momentum * v` in
    place of `v`.
    """

    usage = "sgd(lr=0.1, momentum=0.9)"

    lr: float = setting("learning rate", Number(above=0), usual=(1e-5, 1))
    momentum: float = setting("share of the last change that is kept", Number(minimum=0, below=1), 0)
    nesterov: bool = setting("look ahead along the momentum", Boolean(), False)

    def check(self):
        super().check()
        if self.nesterov and not self.momentum:
            raise Reject("`nesterov` needs a momentum", at="optimizer", code="E0408",
                         help="add `momentum=0.9`")  # fmt: skip

    def torch(self, optim, weights):
        return optim.SGD(weights, self.lr, momentum=self.momentum, nesterov=self.nesterov,
                         weight_decay=self.weight_decay, fused=fused(weights))  # fmt: skip


class Rmsprop(Optimizer):
    """Gradients divided by the root of their running mean square (Hinton 2012; torch `RMSprop`).

    `v = alpha * v + (1 - alpha) * g ** 2` and `w = w - lr * g / (sqrt(v) + eps)`, g the gradient.
    """

    lr: float = setting("learning rate", Number(above=0), 1e-2, usual=(1e-6, 0.05))
    alpha: float = setting("decay of the running mean square", Number(minimum=0, below=1), 0.99)
    eps: float = setting("added to the root", Number(above=0), 1e-8)
    momentum: float = setting("share of the last change that is kept", Number(minimum=0, below=1), 0)
    centered: bool = setting("divide by the running deviation instead", Boolean(), False)

    def torch(self, optim, weights):
        return optim.RMSprop(weights, self.lr, alpha=self.alpha, eps=self.eps, momentum=self.momentum,
                             centered=self.centered, weight_decay=self.weight_decay,
                             foreach=True)  # fmt: skip


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of their squares (Duchi et al. 2011; torch `Adagrad`).

    `s = s + g ** 2` and `w = w - lr * g / (sqrt(s) + eps)`, g the gradient; step `t`, counted from 0, has the
    learning rate `lr / (1 + t * lr_decay)`.
    """

    lr: float = setting("learning rate", Number(above=0), 1e-2, usual=(1e-5, 1))
    lr_decay: float = setting("decay of the learning rate", Number(minimum=0), 0)
    initial_accumulator_value: float = setting("what the sum of squares begins with", Number(minimum=0), 0)
    eps: float = setting("added to the root", Number(above=0), 1e-10)

    def torch(self, optim, weights):
        return optim.Adagrad(weights, self.lr, lr_decay=self.lr_decay, weight_decay=self.weight_decay,
                             initial_accumulator_value=self.initial_accumulator_value, eps=self.eps,
                             foreach=True)  # fmt: skip


class Adadelta(Optimizer):
    """Gradients scaled by the running size of the last changes over that of the gradients
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
