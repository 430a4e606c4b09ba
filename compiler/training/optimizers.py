"""Optimizers: how the weights follow their gradients. Names and defaults are those of `torch.optim`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definition import Definition, setting
from dlc.compiler.kinds import Flag, Number, Reject

# Where torch has kernels that update all weights in one call.
FUSED_ON = ("cpu", "cuda", "mps")


class Optimizer(Definition, family="optimizer"):
    lr: float  # each has a default of its own
    weight_decay: float = setting(
        "the optimizer's own decay of the weights", Number(minimum=0), 0, keyword=True
    )

    def check(self) -> None:
        """Reject settings that do not go together."""

    @abstractmethod
    def torch(self, optim: Any, weights: list[Any]) -> Any:
        """The optimizer of `torch.optim` over these weights, all on one device."""
        raise NotImplementedError


class Sgd(Optimizer):
    """Stochastic gradient descent: `w = w - lr * gradient`, with momentum if asked (torch `SGD`)."""

    lr: float = setting("learning rate", Number(above=0), usual=(1e-5, 1))
    momentum: float = setting("share of the last change that is kept", Number(minimum=0, below=1), 0)
    nesterov: bool = setting("look ahead along the momentum", Flag(), False)

    def check(self):
        if self.nesterov and not self.momentum:
            raise Reject("`nesterov` needs a momentum", at="nesterov", code="E0408",
                         help="add `momentum=0.9`")  # fmt: skip

    def torch(self, optim, weights):
        return optim.SGD(weights, self.lr, momentum=self.momentum, nesterov=self.nesterov,
                         weight_decay=self.weight_decay, fused=fused(weights))  # fmt: skip


class Rmsprop(Optimizer):
    """Gradients divided by the root of their running mean square (Hinton 2012; torch `RMSprop`)."""

    lr: float = setting("learning rate", Number(above=0), 1e-2, usual=(1e-6, 0.05))
    alpha: float = setting("decay of the running mean square", Number(minimum=0, below=1), 0.99)
    eps: float = setting("added to the root", Number(above=0), 1e-8)
    momentum: float = setting("share of the last change that is kept", Number(minimum=0, below=1), 0)
    centered: bool = setting("divide by the running deviation instead", Flag(), False)

    def torch(self, optim, weights):
        return optim.RMSprop(weights, self.lr, alpha=self.alpha, eps=self.eps, momentum=self.momentum,
                             centered=self.centered, weight_decay=self.weight_decay,
                             foreach=True)  # fmt: skip


class Adam(Optimizer):
    """Running means of gradients and of their squares (Kingma and Ba 2014; torch `Adam`).

    `weight_decay` is added to the gradients; `adamw` keeps it apart from them.
    """

    lr: float = setting("learning rate", Number(above=0), 1e-3, usual=(1e-6, 0.05))
    beta1: float = setting("decay of the running mean", Number(minimum=0, below=1), 0.9)
    beta2: float = setting("decay of the running mean square", Number(minimum=0, below=1), 0.999)
    eps: float = setting("added to the root", Number(above=0), 1e-8)

    def torch(self, optim, weights):
        return optim.Adam(weights, self.lr, betas=(self.beta1, self.beta2), eps=self.eps,
                          weight_decay=self.weight_decay, fused=fused(weights))  # fmt: skip


class Adamw(Adam):
    """Adam with weight decay apart from the gradients (Loshchilov and Hutter 2019; torch `AdamW`)."""

    weight_decay: float = setting("decay of the weights at every step, times the learning rate",
                                  Number(minimum=0), 1e-2, keyword=True)  # fmt: skip

    def torch(self, optim, weights):
        return optim.AdamW(weights, self.lr, betas=(self.beta1, self.beta2), eps=self.eps,
                           weight_decay=self.weight_decay, fused=fused(weights))  # fmt: skip


def fused(weights: list[Any]) -> bool:
    return bool(weights) and weights[0].device.type in FUSED_ON
