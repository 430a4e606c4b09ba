"""Muon, an optimizer of matrices."""

from __future__ import annotations

from dlc.compiler.definitions.definition import Reject, setting
from dlc.compiler.definitions.parameter_types import Boolean, Integer, Keyword, Number
from dlc.compiler.training.optimizers import Optimizer, fused

MISSING = "E0807"


class Muon(Optimizer):
    """Orthogonalized updates of matrices (Jordan et al. 2024; torch `Muon`, from torch 2.9 on).

    It updates the matrices that layers multiply by, including those of the first and the last layer. Muon is
    defined for matrices only: all other weights (biases, scales, embeddings and filters) are updated by
    `adamw` with the same learning rate and weight decay.
    """

    lr: float = setting("learning rate, also that of `adamw`", Number(above=0), 1e-3,
                        usual=(1e-6, 0.2))  # fmt: skip
    momentum: float = setting("share of the last update that is kept", Number(minimum=0, below=1), 0.95)
    nesterov: bool = setting("use Nesterov momentum", Boolean(), True)
    eps: float = setting("added to the norm", Number(above=0), 1e-7)
    ns_steps: int = setting("Newton-Schulz iterations", Integer(1, 99), 5)
    adjust_lr_fn: str = setting("how the learning rate depends on the shape of a matrix; with "
                                "`match_rms_adamw` one rate suits both kinds of weights",
                                Keyword("original", "match_rms_adamw"), "original")  # fmt: skip
    weight_decay: float = setting("decay of the weights at each step, times the learning rate",
                                  Number(minimum=0), 0.1, keyword=True)  # fmt: skip

    def torch(self, optim, weights):
        if not hasattr(optim, "Muon"):
            raise Reject("this version of torch has no `muon`, which needs torch 2.9", code=MISSING,
                         help="install a newer torch, or use `adamw`")  # fmt: skip
        return optim.Muon(weights, self.lr, weight_decay=self.weight_decay, momentum=self.momentum,
                          nesterov=self.nesterov, eps=self.eps, ns_steps=self.ns_steps,
                          adjust_lr_fn=self.adjust_lr_fn)  # fmt: skip

    def over(self, optim, weights, matrices=(), undecayed=()):
        matrix_ids = {id(w) for w in matrices}
        own = [w for w in weights if id(w) in matrix_ids]
        rest = [w for w in weights if id(w) not in matrix_ids]
        optimizers = [self.torch(optim, own)] if own else []
        for each, some in self.split_by_decay(rest, undecayed):
            optimizers.append(optim.AdamW(some, self.lr, weight_decay=each.weight_decay, fused=fused(some)))
        return optimizers
