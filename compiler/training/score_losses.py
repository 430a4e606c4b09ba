"""Losses of class scores and binary scores."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.parameter_types import Number
from dlc.compiler.dims.dim import Size
from dlc.compiler.operators.base import Example, setting
from dlc.compiler.training.class_losses import (
    check_scores,
    class_axis,
    of_classes,
    torch_scores,
    without_classes,
)
from dlc.compiler.training.losses import Loss, agree, check_number, reduced, torch_agree
from dlc.compiler.types import Tensor

LEAST = 1e-30  # minimum of the base of a power, whose gradient may be infinite at 0


class _OfScores(Loss, abstract=True):
    of_scores = ("class", "binary")

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The type of the unreduced loss: class scores without their class axis."""
        if not of_classes(prediction, target):
            check_number(self, target, "classes or booleans")
            return agree(self, prediction, target)
        check_scores(self, prediction, target)
        return without_classes(prediction)

    def torch_each(self, F, reduction, prediction, target):
        have, wanted = self.operands
        if of_classes(have, wanted):
            prediction, target = torch_scores(F, prediction, target, have, wanted)
            axis = class_axis(have) + 1
            loss = self.torch_classes(F, prediction, target, axis, have.shape[axis - 1])
        else:
            loss = self.torch_binary(F, *torch_agree(F, prediction, target, have, wanted))
        return reduced(loss, reduction)

    @abstractmethod
    def torch_classes(self, F: Any, scores: Any, target: Any, axis: int, classes: Size) -> Any:
        """The unreduced loss of class scores along an axis."""
        raise NotImplementedError

    @abstractmethod
    def torch_binary(self, F: Any, scores: Any, target: Any) -> Any:
        """The unreduced loss of scores and targets from 0 to 1."""
        raise NotImplementedError


class Focal(_OfScores):
    """Cross-entropy with smaller weights for correct answers: `-(1 - p) ** gamma * log(p)`, p the probability
    of the true class (Lin et al. 2017; torchvision `sigmoid_focal_loss` without alpha).

    With gamma 0 it is `cross_entropy` or `bce`.
    """

    gamma: float = setting("exponent of the weights", Number(minimum=0), 2.0, keyword=True)

    def torch_classes(self, F, scores, target, axis, classes):
        log = F.log_softmax(scores, axis).gather(axis, target.unsqueeze(axis)).squeeze(axis)
        return -((-log.expm1()).clamp(min=LEAST) ** self.gamma) * log

    def torch_binary(self, F, scores, target):
        p = F.sigmoid(scores)
        wrong = (p + target - 2 * p * target).clamp(min=LEAST)
        return wrong**self.gamma * F.binary_cross_entropy_with_logits(scores, target, reduction="none")

    examples = (
        Example("focal", ("float[3]", "class(3)"), "float"),
        Example("focal(gamma=0)", ("float[T, 3]", "class(3)[T]"), "float"),
        Example("focal(gamma=1.5, reduce=none)", ("float[3, H, W]", "class(3)[H, W]"), "float[H, W]"),
        Example("focal", ("float", "bool"), "float"),
        Example("focal(gamma=3, reduce=sum)", ("float[5]", "float[5]"), "float", low=0, high=1),
        Example("focal(gamma=-1)", ("float", "bool"), rejects="E0403"),
        Example("focal", ("float[4]", "class(3)"), rejects="E0203"),
    )


class Hinge(_OfScores):
    """Hinge loss with a margin of 1 (Cortes and Vapnik 1995; torch `multi_margin_loss` for classes).

    For booleans `max(0, 1 - s)` if true, `max(0, 1 + s)` if false; for classes
    `sum(max(0, 1 - s[true] + s[other])) / classes`, the sum over the other classes.
    """

    def torch_classes(self, F, scores, target, axis, classes):
        true = target.unsqueeze(axis)
        shortfall = F.relu(1 - scores.gather(axis, true) + scores)
        return shortfall.scatter(axis, true, 0).sum(axis) / F.size(classes)

    def torch_binary(self, F, scores, target):
        return F.relu(1 - (2 * target - 1) * scores)

    examples = (
        Example("hinge", ("float[3]", "class(3)"), "float"),
        Example("hinge(reduce=sum)", ("float[T, 3]", "class(3)[T]"), "float"),
        Example("hinge(reduce=none)", ("float[3, H, W]", "class(3)[H, W]"), "float[H, W]"),
        Example("hinge", ("float", "bool"), "float"),
        Example("hinge", ("float[1]", "bool"), "float"),
        Example("hinge", ("float[3]", "bool"), rejects="E0203"),
    )
