"""Mixup: in training, samples of a batch and their targets are mixed."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import MemberOf, Number
from dlc.compiler.operators.augmentation import WithTargets
from dlc.compiler.operators.base import Example, Operator, setting
from dlc.compiler.operators.regularization import Stochastic
from dlc.compiler.types import Tensor


class Mixup(Stochastic):
    """In training `share * x + (1 - share) * partner`. The partner is another sample of the batch, from a
    random permutation; the share, one per batch, is drawn from Beta(alpha, alpha) (torchvision `MixUp`).

    The loss is mixed in the same way: `share` times the loss of the targets, and `1 - share` times the loss
    of the partners' targets (Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017). Regularizers
    are not mixed. At inference the identity.
    """

    batchless = False
    mixes_targets = True

    alpha: float = setting("both parameters of the Beta distribution of the share", Number(above=0))

    def augments_target(self, target):
        return True

    def with_targets(self, smooth):
        return Mixed(mixup=self)

    def draws(self, F: Any, x: Any) -> tuple[Any, Any]:
        """The share, and for each sample the index of its partner."""
        return F.beta(x, self.alpha), F.uniform(x).argsort()

    def torch(self, F, x):
        return self.mix(x, *self.draws(F, x))

    def mix(self, x: Any, share: Any, partner: Any) -> Any:
        return x * share + x.index_select(0, partner) * (1 - share)

    examples = (
        Example("mixup(0.2)", "float[3, 8, 6]", "float[3, 8, 6]"),
        Example("mixup(1)", "float[T, 4]", "float[T, 4]"),
        Example("mixup(alpha=0.4)", "uint8[3]", "float[3]", low=0, high=255),
        Example("mixup(0)", "float[3]", rejects="E0403"),
        Example("mixup", "float[3]", rejects="E0405"),
    )


class Mixed(WithTargets):
    """The mixed tensor, the share, and each of the other tensors in the order of the partners."""

    mixup: Any = setting("the augmentation", MemberOf("operator"))

    def type(self, x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        return x, Tensor("float", batched=False), *others

    def torch(self, F, x, *others):
        share, partner = self.mixup.draws(F, x)
        return self.mixup.mix(x, share, partner), share, *(t.index_select(0, partner) for t in others)


class Blend(Operator):
    """`share * a + (1 - share) * b` of two losses."""

    public = False
    training_only = True
    batchless = True

    def type(self, share: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return a

    def torch(self, F, share, a, b):
        return share * a + (1 - share) * b
