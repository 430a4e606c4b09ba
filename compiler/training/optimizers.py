"""Optimizers: how the weights follow their gradients. Names and defaults are those of `torch.optim`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from dlc.compiler.definition import Definition, setting
from dlc.compiler.kinds import Flag, Number, Reject

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

    def check(self) -> None:
        """Reject settings that do not go together."""

    @abstractmethod
    def torch(self, optim: Any, weights: list[Any]) -> Any:
        """The optimizer of `torch.optim` over these weights, all on one device."""
        raise NotImplementedError

    def over(self, optim: Any, weights: list[Any], matrices: list[Any]) -> Any:
        """The same, told which of the weights are matrices that a layer multiplies by.
        `Reject` where this torch has none such."""
        return self.torch(optim, weights)


class Sgd(Optimizer):
    """Stochastic gradient descent: `w = w - lr * gradient`, with momentum if asked (torch `SGD`).

    With it `v = momentum * v + gradient` and `w = w - lr * v`; `nesterov` takes `gradient + momentum * v` in
    place of `v`.
    """

    usage = "sgd(lr=0.1, momentum=0.9)"

    lr: float = setting("learning rate", Number(above=0), usual=(1e-5, 1))
    momentum: float = setting("share of the last change that is kept", Number(minimum=0, below=1), 0)
    nesterov: bool = setting("look ahead along the momentum", Flag(), False)

    def check(self):
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
    centered: bool = setting("divide by the running deviation instead", Flag(), False)

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
