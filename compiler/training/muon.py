"""Muon, which changes matrices as a whole."""

from __future__ import annotations

from dlc.compiler.definitions.definition import Reject, setting
from dlc.compiler.definitions.parameter_types import Boolean, Integer, Keyword, Number
from dlc.compiler.training.optimizers import Optimizer, fused

MISSING = "E0807"


class Muon(Optimizer):
    """Changes of matrices made orthogonal (Jordan et al. 2024; torch `Muon`, from torch 2.9 on).

    It changes the matrices that layers multiply by, the first and the last layer's too. All other weights,
    which are biases, scales, tables of embeddings and filters, follow `adamw` at the same learning rate and
    weight decay, as Muon is defined for matrices alone.
    """

    lr: float = setting("learning rate, also of what follows `adamw`", Number(above=0), 1e-3,
                        usual=(1e-6, 0.2))  # fmt: skip
    momentum: float = setting("share of the last change that is kept", Number(minimum=0, below=1), 0.95)
    nesterov: bool = setting("look ahead along the momentum", Boolean(), True)
    eps: float = setting("added to the norm", Number(above=0), 1e-7)
    ns_steps: int = setting("steps of Newton and Schulz", Integer(1, 99), 5)
    adjust_lr_fn: str = setting("how the learning rate follows the shape of a matrix; `match_rms_adamw` lets "
                                "one rate suit both kinds of weights",
                                Keyword("original", "match_rms_adamw"), "original")  # fmt: skip
    weight_decay: float = setting("decay of the weights at every step, times the learning rate",
                                  Number(minimum=0), 0.1, keyword=True)  # fmt: skip

    def torch(self, optim, weights):
        if not hasattr(optim, "Muon"):
            raise Reject("this torch has no `muon`: it came with torch 2.9", code=MISSING,
                         help="install a newer torch, or write `adamw`")  # fmt: skip
        return optim.Muon(weights, self.lr, weight_decay=self.weight_decay, momentum=self.momentum,
                          nesterov=self.nesterov, eps=self.eps, ns_steps=self.ns_steps,
                          adjust_lr_fn=self.adjust_lr_fn)  # fmt: skip

    def over(self, optim, weights, matrices=(), undecayed=()):
        known = {id(w) for w in matrices}
        chosen = [w for w in weights if id(w) in known]
        rest = [w for w in weights if id(w) not in known]
        made = [self.torch(optim, chosen)] if chosen else []
        for each, some in self.parted(rest, undecayed):
            made.append(optim.AdamW(some, self.lr, weight_decay=each.weight_decay, fused=fused(some)))
        return made
