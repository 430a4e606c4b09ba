"""Losses of class scores."""

from __future__ import annotations

from typing import Any

from dlc.compiler import output_kinds
from dlc.compiler.definitions.parameter_types import ListOf, Nothing, Number, OneOf
from dlc.compiler.operators.base import Example, Reject, setting
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.training.losses import LEAST, Loss, agree, check_number, clash, is_number, torch_agree
from dlc.compiler.types import Tensor


class CrossEntropy(Loss):
    """The negative logarithm of the softmax probability of the true class (torch `cross_entropy`).

    The scores have one axis more than the target: the last, or the first for image-like targets with two or
    more axes. With `weight` the mean is weighted. It is 0 if the total weight of a batch is 0, where PyTorch
    returns NaN.

    A target of floats in the shape of the scores is the probability of each class, such as the softmax of a
    teacher (Hinton et al. 2015): `-sum(t * log(softmax(s)))` over the classes. `weight` then multiplies the
    terms, and the mean is not weighted, as in PyTorch. Probabilities of which one is ignored do not count.
    """

    of_scores = ("class",)
    label_smoothing: float = setting(
        "share of the target that is distributed evenly over all classes", Number(0, 1), 0, keyword=True
    )
    weight: tuple[float, ...] | None = setting(
        "the weight of each class in the mean",
        OneOf(ListOf(Number(minimum=0)), Nothing()),
        None,
        keyword=True,
        shown="all equal",
    )

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        if is_soft(target):
            check_soft_scores(self, prediction, target)
        elif target.element != "class" and not target.is_integer:
            help = "`bce` is the loss for booleans" if target.element == "bool" else ""
            raise Reject(f"`cross_entropy` takes classes, and the target is {target}", at="target", help=help)
        else:
            check_scores(self, prediction, target)
        classes = prediction.shape[class_axis(prediction)]
        if self.weight is not None and isinstance(classes, int) and len(self.weight) != classes:
            raise Reject(
                f"`weight` has {len(self.weight)} entries for {classes} classes", at="weight", code="E0404"
            )
        if self.weight is not None and not any(self.weight):
            raise Reject("the weights of all classes are 0", at="weight", code="E0404")
        return without_classes(prediction)

    def torch_each(self, F, reduction, prediction, target):
        axis = class_axis(self.operands[0]) + 1
        if is_soft(self.operands[1]):
            return self.torch_soft(F, reduction, prediction, target, axis)
        prediction, target = torch_scores(F, prediction, target, *self.operands)
        weight: Any = None if self.weight is None else prediction.new_tensor(self.weight)
        may_be_zero = reduction == "mean" and 0 in (self.weight or ())
        loss = F.cross_entropy(
            prediction if axis == 1 else prediction.movedim(axis, 1),
            target,
            weight=weight,
            label_smoothing=self.label_smoothing,
            reduction="sum" if may_be_zero else reduction,
        )
        return loss / weight.take(target).sum().clamp(min=LEAST) if may_be_zero else loss

    def torch_soft(self, F: Any, reduction: str, prediction: Any, target: Any, axis: int) -> Any:
        """The loss for a target of probabilities."""
        target = target.type_as(prediction)
        if axis != 1:
            prediction, target = prediction.movedim(axis, 1), target.movedim(axis, 1)
        weight: Any = None if self.weight is None else prediction.new_tensor(self.weight)
        return F.cross_entropy(
            prediction, target, weight=weight, label_smoothing=self.label_smoothing, reduction=reduction
        )

    def counted(self, mask, type):
        """Probabilities count if those of all classes are known."""
        return mask.all(class_axis(type) + 1) if is_soft(type) else super().counted(mask, type)

    @property
    def weighs_rows(self) -> bool:
        return super().weighs_rows and not self.weighs_classes

    @property
    def weighs_classes(self) -> bool:
        """Whether the mean is weighted by the classes."""
        return self.weight is not None and self.reduce != "sum" and not is_soft(self.operands[1])

    def total_weight(self, F, prediction, target):
        """With `weight` the sum of the weights of the true classes."""
        if not self.weighs_classes:
            return super().total_weight(F, prediction, target)
        return self.class_weights(F, prediction, target).sum()

    def valid_weight(self, F, valid, prediction, target):
        if not self.weighs_classes:
            return super().valid_weight(F, valid, prediction, target)
        return self.class_weights(F, prediction, target).where(valid, 0).sum()

    def class_weights(self, F: Any, prediction: Any, target: Any) -> Any:
        """The weight of the true class of each entry."""
        _, target = torch_scores(F, prediction, target, *self.operands)
        return target.new_tensor(self.weight, dtype=F.float32).take(target)

    examples = (
        Example("cross_entropy", ("float[3]", "class(3)"), "float"),
        Example("cross_entropy", ("float[T, 3]", "class(3)[T]"), "float"),
        Example("cross_entropy", ("float[3, H, W]", "class(3)[H, W]"), "float"),
        Example("cross_entropy(reduce=none)", ("float[T, 3]", "class(3)[T]"), "float[T]"),
        Example("cross_entropy(label_smoothing=0.1, weight=[1, 2, 0.5])", ("float[3]", "class(3)"), "float"),
        Example("cross_entropy(weight=[0, 1, 0.5])", ("float[3, H, W]", "class(3)[H, W]"), "float"),
        Example("cross_entropy(weight=[1, 2])", ("float[3]", "class(3)"), rejects="E0404"),
        Example("cross_entropy(weight=[0, 0, 0])", ("float[3]", "class(3)"), rejects="E0404"),
        Example("cross_entropy", ("float[4]", "class(3)"), rejects="E0203"),
        Example("cross_entropy", ("float[3]", "float[3]"), "float", low=0, high=1),
        Example(
            "cross_entropy(label_smoothing=0.1, weight=[1, 2, 0])",
            ("float[T, 3]", "float[T, 3]"),
            "float",
            low=0,
            high=1,
        ),
        Example(
            "cross_entropy(reduce=none)", ("float[3, H, W]", "float[3, H, W]"), "float[H, W]", low=0, high=1
        ),
        Example("cross_entropy", ("float[3]", "float"), rejects="E0201"),
        Example("cross_entropy", ("float[3]", "float[4]"), rejects="E0203"),
        Example("cross_entropy", ("float[2]", "bool"), rejects="E0201"),
        Example("cross_entropy", ("float[3]", "class(3)[3]"), rejects="E0203"),
    )


class Dice(Loss):
    """1 - soft Dice: `1 - (2 * sum(p * t) + 1) / (sum(p) + sum(t) + 1)`, sums over the batch,
    the mean over classes.

    The probabilities `p` are the softmax or sigmoid of the scores. It is one number for the whole batch.
    """

    of_scores = ("class", "binary")
    of_batch = True

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        if self.reduce != "mean":
            raise Reject("`dice` is one number for the whole batch and has no other reduction", at="reduce")
        if of_classes(prediction, target):
            check_scores(self, prediction, target)
        else:
            check_number(self, target, "classes or booleans")
            agree(self, prediction, target)
        return Tensor("float", batched=False)

    def torch_each(self, F, reduction, prediction, target):
        return self.torch_dice(*self.probabilities(F, prediction, target), self.summed_axes())

    def torch_valid(self, F, *operands):
        masks = self.masks(F, *operands)
        p, t = self.probabilities(F, *self.filled(F, masks, operands))
        for mask in masks:
            if mask is not None:
                mask = mask.reshape_as(p) if self.axis is None else mask.reshape_as(t.select(self.axis, 0))
                mask = mask if self.axis is None else mask.unsqueeze(self.axis)
                p, t = p.where(mask, 0), t.where(mask, 0)
        return self.torch_dice(p, t, self.summed_axes())

    @property
    def axis(self) -> int | None:
        """The axis of the classes in the whole tensor; None for booleans."""
        have, wanted = self.operands
        return class_axis(have) + 1 if of_classes(have, wanted) else None

    def summed_axes(self) -> list[int] | None:
        rank = self.operands[0].rank + 1
        return None if self.axis is None else [axis for axis in range(rank) if axis != self.axis]

    def probabilities(self, F: Any, prediction: Any, target: Any) -> tuple[Any, Any]:
        """The probabilities and the targets, 0 or 1, in the shape of the scores."""
        have, wanted = self.operands
        if self.axis is None:
            prediction, target = torch_agree(F, prediction, target, have, wanted)
            return F.sigmoid(prediction), target
        prediction, target = torch_scores(F, prediction, target, have, wanted)
        one_hot = F.one_hot(target, F.size(have.shape[self.axis - 1])).movedim(-1, self.axis)
        return F.softmax(prediction, self.axis), one_hot.type_as(prediction)

    @staticmethod
    def torch_dice(p: Any, t: Any, axes: list[int] | None) -> Any:
        return (1 - (2 * (p * t).sum(axes) + 1) / (p.sum(axes) + t.sum(axes) + 1)).mean()

    examples = (
        Example("dice", ("float[3, H, W]", "class(3)[H, W]"), "float"),
        Example("dice", ("float[1, H, W]", "bool[1, H, W]"), "float"),
        Example("dice", ("float[3]", "class(3)"), "float"),
        Example("dice(reduce=sum)", ("float[3]", "class(3)"), rejects="E0201"),
        Example("dice", ("float[4, H, W]", "class(3)[H, W]"), rejects="E0203"),
        Example("dice", ("float[H, W]", "bool[1, H, W]"), rejects="E0203"),
    )


# --- scores -----------------------------------------------------------------------------------------------


def class_axis(scores: Tensor) -> int:
    """The axis of the classes among the sample axes of scores, as an index from 0."""
    return output_kinds.class_axis(scores.rank) % scores.rank


def without_classes(scores: Tensor) -> Tensor:
    """The type of scores without the axis of the classes."""
    axis = class_axis(scores)
    return scores.with_shape(*scores.shape[:axis], *scores.shape[axis + 1 :])


def of_classes(prediction: Tensor, target: Tensor) -> bool:
    """True if the target holds class indices; false if it holds 0 and 1 in the shape of the scores."""
    return target.element == "class" or (target.is_integer and prediction.rank == target.rank + 1)


def is_soft(target: Tensor) -> bool:
    """True if the target holds a probability for each class."""
    return target.is_float


def check_soft_scores(loss: Loss, prediction: Tensor, target: Tensor) -> None:
    """Reject scores and probabilities of different shapes."""
    if not target.rank:
        raise Reject(f"`{loss.name}` takes classes, and the target is {target}", at="target",
                     help="`mse` is the loss for numbers, `bce` for booleans")  # fmt: skip
    if not (prediction.batched and target.batched):
        which, at = (target, "target") if prediction.batched else (prediction, "prediction")
        raise Reject(f"`{loss.name}` takes values of each sample; {which} is the same for all", at=at)
    if code := clash(prediction.shape, target.shape):
        raise Reject(
            f"`{loss.name}` takes classes, or probabilities in the shape of the scores {prediction}, and the "
            f"target is {target}", at="target", code=code,
        )  # fmt: skip


def check_scores(loss: Loss, prediction: Tensor, target: Tensor) -> None:
    """Reject scores that do not have the shape of the target and an axis with its number of classes."""
    if not prediction.batched:
        raise Reject(
            f"`{loss.name}` takes scores of each sample; these are the same for all", at="prediction"
        )
    if prediction.ignore:
        raise Reject(f"`{loss.name}` takes scores of the network; these depend on a target", at="prediction")
    if not prediction.rank:
        raise Reject(f"`{loss.name}` takes a score for each class, found one value: {prediction}",
                     at="prediction", help="`bce` is the loss of one score, for booleans")  # fmt: skip
    if is_number(target):
        return
    wanted = [] if target.shape == (1,) and prediction.rank == 1 else list(target.shape)
    count = target.classes.count if target.classes else prediction.shape[class_axis(prediction)]
    wanted.insert(output_kinds.class_axis(len(wanted) + 1) % (len(wanted) + 1), count)
    code = clash(prediction.shape, tuple(wanted))
    if code and target.rank == 1 and prediction.rank == 2 and prediction.shape[1] == count + 1:
        raise Reject(f"`{loss.name}` takes a score for each class of {spell_classes(target)}, and "
                     f"{prediction} has one more", code=code, at="prediction",
                     help="`ctc` is the loss with one more, the blank")  # fmt: skip
    if code:
        raise Reject(f"for the target {spell_classes(target)}, `{loss.name}` takes scores "
                     f"{prediction.with_shape(*wanted)}, found {prediction}", code=code, at="prediction",
                     help="one score for each class, on the last axis; on the first if the target has two "
                          "or more axes")  # fmt: skip


def torch_scores(F: Any, prediction: Any, target: Any, have: Tensor, wanted: Tensor) -> tuple[Any, Any]:
    """The scores, and the class indices as int64 in the shape of the scores without their class axis."""
    target = target.to(F.int64)
    if not wanted.batched:
        target = target.expand_as(prediction.select(class_axis(have) + 1, 0))
    elif wanted.shape == (1,) and have.rank == 1:
        target = target.squeeze(-1)
    return prediction, target
