"""Mixup and CutMix: in training, samples of a batch and their targets are mixed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.parameter_types import MemberOf, Number
from dlc.compiler.operators.augmentation import WithTargets, check_moved, need_pixels
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.regularization import Stochastic
from dlc.compiler.types import Tensor


class Mixing(Stochastic, abstract=True):
    """Mixes each sample with its partner, another sample of the batch from a random permutation. The loss is
    mixed in the same way: `share` times the loss of the targets, and `1 - share` times the loss of the
    partners' targets."""

    batchless = False
    mixes_targets = True

    def padding_of(self, place, axis):
        raise Reject(f"`{self.name}` would mix samples of different length", at=place,
                     help="leave it out; `dropout` and `gaussian_noise` take any length")  # fmt: skip

    def augments_target(self, target):
        return True

    def with_targets(self, smooth):
        return Mixed(mixing=self)

    @abstractmethod
    def draws(self, F: Any, x: Any) -> tuple[Any, ...]:
        """The share, for each sample the index of its partner, and what else is drawn."""
        raise NotImplementedError

    @abstractmethod
    def mix(self, F: Any, x: Any, share: Any, partner: Any, *more: Any) -> Any:
        """`x` mixed with the partners, for these draws."""
        raise NotImplementedError

    def torch(self, F, x):
        return self.mix(F, x, *self.draws(F, x))


class Mixup(Mixing):
    """In training `share * x + (1 - share) * partner`. The partner is another sample of the batch, from a
    random permutation; the share, one per batch, is drawn from Beta(alpha, alpha) (torchvision `MixUp`).

    The loss is mixed in the same way: `share` times the loss of the targets, and `1 - share` times the loss
    of the partners' targets (Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017). Regularizers
    are not mixed. At inference the identity.
    """

    alpha: float = setting("both parameters of the Beta distribution of the share", Number(above=0))

    def draws(self, F, x):
        return F.beta(x, self.alpha), F.uniform(x).argsort()

    def mix(self, F, x, share, partner):
        return x * share + x.index_select(0, partner) * (1 - share)

    examples = (
        Example("mixup(0.2)", "float[3, 8, 6]", "float[3, 8, 6]"),
        Example("mixup(1)", "float[T, 4]", "float[T, 4]"),
        Example("mixup(alpha=0.4)", "uint8[3]", "float[3]", low=0, high=255),
        Example("mixup(0)", "float[3]", rejects="E0403"),
        Example("mixup", "float[3]", rejects="E0405"),
    )


class Cutmix(Mixing):
    """In training a rectangle of each image is replaced by that of its partner, another image of the batch,
    from a random permutation (torchvision `CutMix`).

    The rectangle, one per batch, has the sides of the image times `sqrt(1 - b)`, with b from Beta(alpha,
    alpha), and a uniform centre; what lies outside of the image is cut off. The loss is mixed: with the share
    of the image that is kept, `share` times the loss of the targets, and `1 - share` times the loss of the
    partners' targets (Yun et al., CutMix: Regularization Strategy to Train Strong Classifiers, 2019). In
    targets that are images the same rectangle is replaced. At inference the identity.
    """

    alpha: float = setting("both parameters of the Beta distribution of the kept share", Number(above=0))

    def type(self, x: Tensor) -> Tensor:
        need_pixels(x, self.name)
        return x

    def blends_target(self, target):
        return target.rank < 2

    def check_target(self, target):
        if not self.blends_target(target):
            check_moved(target, self.operands[0])

    def draws(self, F, x):
        reach = (1 - F.beta(x, self.alpha)).sqrt() / 2
        centre = F.uniform(x, 2)[0]
        height, width = map(F.size, self.operands[0].shape[-2:])
        rows = around(F, centre[0] * height, reach * height, height)
        inside = rows.unsqueeze(1) & around(F, centre[1] * width, reach * width, width)
        return 1 - inside.float().mean(), F.uniform(x).argsort(), inside

    def mix(self, F, x, share, partner, inside):
        return F.where(inside, x.index_select(0, partner), x)

    examples = (
        Example("cutmix(1)", "float[3, 8, 6]", "float[3, 8, 6]"),
        Example("cutmix(0.5)", "float[H, W]", "float[H, W]"),
        Example("cutmix(alpha=2)", "uint8[1, 8, 6]", "float[1, 8, 6]", low=0, high=255),
        Example("cutmix(0)", "float[3, 8, 6]", rejects="E0403"),
        Example("cutmix", "float[3, 8, 6]", rejects="E0405"),
        Example("cutmix(1)", "float[64]", rejects="E0201"),
    )


def around(F: Any, centre: Any, reach: Any, size: Any) -> Any:
    """Which positions on an axis of this size are at most `reach` from `centre`, in whole pixels."""
    places, middle, reach = F.indices(centre, size), centre.floor(), reach.floor()
    return (places >= middle - reach) & (places < middle + reach)


class Mixed(WithTargets):
    """The mixed tensor, the share, and for each target the partner's target, or the target that replaces
    it."""

    mixing: Any = setting("the augmentation", MemberOf("operator"))

    def type(self, x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        return x, Tensor("float", batched=False), *others

    def torch(self, F, x, *others):
        mixing = self.mixing.bind(self.operands[0])
        share, partner, *more = mixing.draws(F, x)
        return (
            mixing.mix(F, x, share, partner, *more),
            share,
            *(
                t.index_select(0, partner)
                if mixing.blends_target(have)
                else mixing.mix(F, t, share, partner, *more)
                for t, have in zip(others, self.operands[1:], strict=True)
            ),
        )


class Blend(Operator):
    """`share * a + (1 - share) * b` of two losses."""

    elementwise = True
    public = False
    training_only = True
    batchless = True

    def type(self, share: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return a

    def torch(self, F, share, a, b):
        return share * a + (1 - share) * b
