"""Losses of classes: scores of each class, and the class that is right."""

from __future__ import annotations

from typing import Any

from dlc.compiler import output_kinds
from dlc.compiler.definitions.parameter_types import ListOf, Nothing, Number, OneOf
from dlc.compiler.operators.base import Example, Reject, setting
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.training.losses import Loss, agree, check_number, clash, is_number, torch_agree
from dlc.compiler.types import Tensor

LEAST = 1e-30  # what counts, at least, where a mean is taken of it


class CrossEntropy(Loss):
    """The negative logarithm of the probability that softmax gives to the right class
    (torch `cross_entropy`).

    The scores have one axis more than the target: the last,
    or the first for image-like targets of two or more axes. With `weight`, the mean is weighted too; it is 0
    where nothing in the batch counts, which PyTorch makes NaN.
    """

    of_scores = ("class",)
    label_smoothing: float = setting(
        "share of the target that is spread evenly over all classes", Number(0, 1), 0, keyword=True
    )
    weight: tuple[float, ...] | None = setting(
        "how much each class counts",
        OneOf(ListOf(Number(minimum=0)), Nothing()),
        None,
        keyword=True,
        shown="all alike",
    )

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        if target.element != "class" and not target.is_integer:
            meant = "`bce` is the loss for yes or no" if target.element == "bool" else \
                "`mse` is the loss for numbers, `bce` for yes or no"  # fmt: skip
            raise Reject(
                f"`cross_entropy` takes classes, and the target is {target}", at="target", help=meant
            )
        check_scores(self, prediction, target)
        classes = prediction.shape[class_axis(prediction)]
        if self.weight is not None and isinstance(classes, int) and len(self.weight) != classes:
            raise Reject(
                f"`weight` has {len(self.weight)} entries for {classes} classes", at="weight", code="E0404"
            )
        if self.weight is not None and not any(self.weight):
            raise Reject("with these weights no class counts", at="weight", code="E0404")
        return of_places(prediction)

    def torch_each(self, F, reduction, prediction, target):
        prediction, target = torch_scores(F, prediction, target, *self.operands)
        weight: Any = None if self.weight is None else prediction.new_tensor(self.weight)
        place = class_axis(self.operands[0]) + 1
        counted = reduction == "mean" and 0 in (self.weight or ())
        loss = F.cross_entropy(
            prediction if place == 1 else prediction.movedim(place, 1),
            target,
            weight=weight,
            label_smoothing=self.label_smoothing,
            reduction="sum" if counted else reduction,
        )
        return loss / weight.take(target).sum().clamp(min=LEAST) if counted else loss

    @property
    def weighs_rows(self) -> bool:
        return self.weight is None or self.reduce == "sum"

    def weighed(self, F, prediction, target):
        """With `weight`, the mean is over the weights of the classes that are right."""
        if self.weighs_rows:
            return super().weighed(F, prediction, target)
        _, target = torch_scores(F, prediction, target, *self.operands)
        return target.new_tensor(self.weight, dtype=F.float32).take(target).sum()

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
        Example("cross_entropy", ("float[3]", "float[3]"), rejects="E0201"),
        Example("cross_entropy", ("float[2]", "bool"), rejects="E0201"),
        Example("cross_entropy", ("float[3]", "class(3)[3]"), rejects="E0203"),
    )


class Dice(Loss):
    """1 - soft Dice: `1 - (2 * sum(p * t) + 1) / (sum(p) + sum(t) + 1)`, sums over the batch,
    the mean over classes.

    Probabilities `p` are softmax or sigmoid of the scores; it is one number for the whole batch.
    """

    of_scores = ("class", "binary")
    of_batch = True

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        if self.reduce != "mean":
            raise Reject(
                "`dice` is one number for the whole batch, and cannot be reduced in another way", at="reduce"
            )
        if of_classes(prediction, target):
            check_scores(self, prediction, target)
        else:
            check_number(self, target, "classes, or yes and no")
            agree(self, prediction, target)
        return Tensor("float", batched=False)

    def torch_each(self, F, reduction, prediction, target):
        have, wanted = self.operands
        if not of_classes(have, wanted):
            prediction, target = torch_agree(F, prediction, target, have, wanted)
            return self.torch_dice(F.sigmoid(prediction), target, None)
        prediction, target = torch_scores(F, prediction, target, have, wanted)
        place = class_axis(have) + 1
        one_hot = F.one_hot(target, F.size(have.shape[place - 1])).movedim(-1, place).type_as(prediction)
        others = [axis for axis in range(have.rank + 1) if axis != place]
        return self.torch_dice(F.softmax(prediction, place), one_hot, others)

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
    """The axis of the classes in a sample of scores, counted from its first."""
    return output_kinds.class_axis(scores.rank) % scores.rank


def of_places(scores: Tensor) -> Tensor:
    """The type of a number for each place: scores without the axis of the classes."""
    axis = class_axis(scores)
    return scores.with_shape(*scores.shape[:axis], *scores.shape[axis + 1 :])


def of_classes(prediction: Tensor, target: Tensor) -> bool:
    """True where the target counts classes, and is not 0 and 1 beside scores of the same shape."""
    return target.element == "class" or (target.is_integer and prediction.rank == target.rank + 1)


def check_scores(loss: Loss, prediction: Tensor, target: Tensor) -> None:
    """Scores with one axis more than the target, of as many classes as it has."""
    if not prediction.batched:
        raise Reject(
            f"`{loss.name}` takes scores of each sample; these are the same for all", at="prediction"
        )
    if not prediction.rank:
        raise Reject(f"`{loss.name}` takes a score for each class, found one value: {prediction}",
                     at="prediction", help="`bce` is the loss of one score, for yes or no")  # fmt: skip
    if is_number(target):
        return
    wanted = [] if target.shape == (1,) and prediction.rank == 1 else list(target.shape)
    count = target.classes.count if target.classes else prediction.shape[class_axis(prediction)]
    wanted.insert(output_kinds.class_axis(len(wanted) + 1) % (len(wanted) + 1), count)
    code = clash(prediction.shape, tuple(wanted))
    if code:
        raise Reject(f"for the target {spell_classes(target)}, `{loss.name}` takes scores "
                     f"{prediction.with_shape(*wanted)}, found {prediction}", code=code, at="prediction",
                     help="one score for each class, on the last axis; on the first where the target has "
                          "two axes or more")  # fmt: skip


def torch_scores(F: Any, prediction: Any, target: Any, have: Tensor, wanted: Tensor) -> tuple[Any, Any]:
    """The scores, and for every place the number of its class."""
    target = target.to(F.int64)
    if not wanted.batched:
        target = target.expand_as(prediction.select(class_axis(have) + 1, 0))
    elif wanted.shape == (1,) and have.rank == 1:
        target = target.squeeze(-1)
    return prediction, target
