"""Adam and its variants: optimizers with running means of gradients and of their squares."""

from __future__ import annotations

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Number
from dlc.compiler.training.optimizers import Optimizer, fused


class Adam(Optimizer):
    """Running means of gradients and of their squares (Kingma and Ba 2014; torch `Adam`).

    `m = beta1 * m + (1 - beta1) * g` and `v = beta2 * v + (1 - beta2) * g ** 2`, g the gradient; step `t` is
    `w = w - lr * m' / (sqrt(v') + eps)` with `m' = m / (1 - beta1 ** t)` and `v' = v / (1 - beta2 ** t)`.
    `weight_decay` is added to g; `adamw` applies it separately.
    """

    lr: float = setting("learning rate", Number(above=0), 1e-3, usual=(1e-6, 0.05))
    beta1: float = setting("decay of the running mean", Number(minimum=0, below=1), 0.9)
    beta2: float = setting("decay of the running mean square", Number(minimum=0, below=1), 0.999)
    eps: float = setting("added to the square root", Number(above=0), 1e-8)

    def torch(self, optim, weights):
        return optim.Adam(weights, self.lr, betas=(self.beta1, self.beta2), eps=self.eps,
                          weight_decay=self.weight_decay, fused=fused(weights))  # fmt: skip


class Adamw(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019; torch `AdamW`).

    `w = w - lr * weight_decay * w`, then the step of `adam`.
    """

    weight_decay: float = setting("decay of the weights at each step, times the learning rate",
                                  Number(minimum=0), 1e-2, keyword=True)  # fmt: skip

    def torch(self, optim, weights):
        return optim.AdamW(weights, self.lr, betas=(self.beta1, self.beta2), eps=self.eps,
                           weight_decay=self.weight_decay, fused=fused(weights))  # fmt: skip


class Nadam(Adam):
    """Adam with Nesterov momentum (Dozat 2016; torch `NAdam`).

    A step uses `mu * m + (1 - mu) * g` in place of `m`. `mu` increases to beta1:
    `beta1 * (1 - 0.96 ** (t * momentum_decay) / 2)`.
    """

    lr: float = setting("learning rate", Number(above=0), 2e-3, usual=(1e-6, 0.05))
    momentum_decay: float = setting("speed of the momentum warm-up", Number(minimum=0), 4e-3)

    def torch(self, optim, weights):
        return optim.NAdam(weights, self.lr, betas=(self.beta1, self.beta2), eps=self.eps,
                           weight_decay=self.weight_decay, momentum_decay=self.momentum_decay,
                           foreach=True)  # fmt: skip


class Radam(Adam):
    """Adam that divides by the mean square only when its variance is small enough
    (Liu et al. 2020; torch `RAdam`)."""

    warms_up = True

    def torch(self, optim, weights):
        return optim.RAdam(weights, self.lr, betas=(self.beta1, self.beta2), eps=self.eps,
                           weight_decay=self.weight_decay, foreach=True)  # fmt: skip


class Adamax(Adam):
    """Adam with the running maximum of the gradients in place of their mean square
    (Kingma and Ba 2014; torch `Adamax`).

    `u = max(beta2 * u, abs(g) + eps)`, and step `t` is `w = w - lr / (1 - beta1 ** t) * m / u`.
    """

    lr: float = setting("learning rate", Number(above=0), 2e-3, usual=(1e-6, 0.05))

    def torch(self, optim, weights):
        return optim.Adamax(weights, self.lr, betas=(self.beta1, self.beta2), eps=self.eps,
                            weight_decay=self.weight_decay, foreach=True)  # fmt: skip
