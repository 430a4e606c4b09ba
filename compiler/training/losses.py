"""Losses: what training makes small, each of a prediction and what it is held against.

A loss is an operator of the training graph alone: it has a form in PyTorch and none in ONNX.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

from dlc.compiler import answers
from dlc.compiler.dims import Size, product, same
from dlc.compiler.kinds import ListOf, Nothing, Number, OneOf, Word
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.types import Tensor


class Loss(Operator, family="loss"):
    # A target may be of any element: `type` says which it takes, and names the loss that was meant.
    takes = ("float", "any")
    batchless = True
    mixes = True  # a number or a declared weight may stand beside values of the batch
    training_only = True
    # The elements of outputs whose scores it takes: it looks behind the activation that matches one of them.
    scores: ClassVar[tuple[str, ...]] = ()

    reduce: str | None = setting(
        "`mean` over the batch, `sum` over a sample and then the mean over the batch, `none` to keep "
        "the sample's axes",
        OneOf(Word("mean", "sum"), Nothing()),
        "mean",
        keyword=True,
    )

    @property
    def reduction(self) -> str:
        """The reduction left to torch."""
        return "mean" if self.reduce == "mean" else "none"

    def reduced(self, each: Tensor) -> Tensor:
        """The type of the loss, from that of the loss of each place."""
        return each if self.reduce is None else Tensor("float", batched=False)

    def torch_reduced(self, loss: Any, each: Tensor) -> Any:
        """What torch did not reduce."""
        if self.reduce != "sum":
            return loss
        axes = list(range(int(each.batched), each.batched + each.rank))
        return (loss.sum(axes) if axes else loss).mean()


# --- losses of every place --------------------------------------------------------------------------------


class Pointwise(Loss, abstract=True):
    meant: ClassVar[str] = "numbers"

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        check_number(self, target, self.meant)
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The type of the loss of each place."""
        return agree(self, prediction, target)

    def torch(self, F, prediction, target):
        prediction, target = torch_agree(F, prediction, target, *self.operands)
        return self.torch_reduced(self.torch_each(F, prediction, target), self.each(*self.operands))

    @abstractmethod
    def torch_each(self, F: Any, prediction: Any, target: Any) -> Any:
        """The loss of each place, or the mean of all: `reduction`."""
        raise NotImplementedError


class Mse(Pointwise):
    """Squared error: `(prediction - target) ** 2` (torch `mse_loss`)."""

    def torch_each(self, F, prediction, target):
        return F.mse_loss(prediction, target, reduction=self.reduction)

    examples = (
        Example("mse", ("float[3]", "float[3]"), "float"),
        Example("mse(reduce=sum)", ("float[T, 3]", "float[T, 3]"), "float"),
        Example("mse(reduce=none)", ("float[3]", "float[3]"), "float[3]"),
        Example("mse", ("float[1]", "float"), "float"),
        Example("mse", ("float[3]", "float[4]"), rejects="E0203"),
        Example("mse", ("float[T]", "float[3]"), rejects="E0204"),
        Example("mse", ("float[3]", "class(3)"), rejects="E0201"),
    )


class Mae(Pointwise):
    """Absolute error: `abs(prediction - target)` (torch `l1_loss`)."""

    def torch_each(self, F, prediction, target):
        return F.l1_loss(prediction, target, reduction=self.reduction)

    examples = (
        Example("mae", ("float[3]", "float[3]"), "float"),
        Example("mae(reduce=none)", ("float", "float"), "float"),
        Example("mae", ("float[3]", "float"), rejects="E0203"),
    )


class Huber(Pointwise):
    """`d ** 2 / 2` up to a difference `d` of `delta`, `delta * (d - delta / 2)` beyond
    (torch `huber_loss`)."""

    delta: float = setting("where the square ends", Number(above=0), 1.0, keyword=True)

    def torch_each(self, F, prediction, target):
        return F.huber_loss(prediction, target, reduction=self.reduction, delta=self.delta)

    examples = (
        Example("huber", ("float[3]", "float[3]"), "float"),
        Example("huber(delta=0.5, reduce=sum)", ("float[3]", "float[3]"), "float"),
        Example("huber(delta=0)", ("float[3]", "float[3]"), rejects="E0403"),
    )


class Bce(Pointwise):
    """Binary cross-entropy of scores: `-t * log(sigmoid(s)) - (1 - t) * log(1 - sigmoid(s))`.

    Targets are 0 and 1, or probabilities (torch `binary_cross_entropy_with_logits`).
    """

    meant = "yes or no, or probabilities"
    scores = ("binary",)

    def torch_each(self, F, prediction, target):
        return F.binary_cross_entropy_with_logits(prediction, target, reduction=self.reduction)

    examples = (
        Example("bce", ("float", "bool"), "float"),
        Example("bce", ("float[5]", "float[5]"), "float", low=0, high=1),
        Example("bce(reduce=sum)", ("float[1, H, W]", "bool[1, H, W]"), "float"),
        Example("bce", ("float[3]", "class(3)"), rejects="E0201"),
        Example("bce", ("float[3]", "bool"), rejects="E0203"),
    )


class Perceptron(Pointwise):
    """Rosenblatt's rule: `(threshold(s) - t) * s` for scores `s` and targets 0 or 1,
    the threshold held still."""

    meant = "yes or no"
    scores = ("binary",)

    def torch_each(self, F, prediction, target):
        loss = ((prediction >= 0).type_as(prediction) - target) * prediction
        return loss.mean() if self.reduce == "mean" else loss

    examples = (
        Example("perceptron", ("float", "bool"), "float"),
        Example("perceptron(reduce=none)", ("float[2]", "bool[2]"), "float[2]"),
        Example("perceptron", ("float[3]", "class(3)"), rejects="E0201"),
    )


# --- losses of classes ------------------------------------------------------------------------------------


class CrossEntropy(Loss):
    """The negative logarithm of the probability that softmax gives to the right class
    (torch `cross_entropy`).

    The scores have one axis more than the target: the last,
    or the first for image-like targets of two or more axes. With `weight`, the mean is weighted too.
    """

    scores = ("class",)
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
        return self.reduced(self.each(prediction))

    @staticmethod
    def each(prediction: Tensor) -> Tensor:
        shape = list(prediction.shape)
        del shape[class_axis(prediction)]
        return replace(prediction, shape=tuple(shape), batched=True)

    def torch(self, F, prediction, target):
        prediction, target = torch_scores(F, prediction, target, *self.operands)
        weight = None if self.weight is None else prediction.new_tensor(self.weight)
        place = class_axis(self.operands[0]) + 1
        loss = F.cross_entropy(
            prediction if place == 1 else prediction.movedim(place, 1),
            target,
            weight=weight,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )
        return self.torch_reduced(loss, self.each(self.operands[0]))

    examples = (
        Example("cross_entropy", ("float[3]", "class(3)"), "float"),
        Example("cross_entropy", ("float[T, 3]", "class(3)[T]"), "float"),
        Example("cross_entropy", ("float[3, H, W]", "class(3)[H, W]"), "float"),
        Example("cross_entropy(reduce=none)", ("float[T, 3]", "class(3)[T]"), "float[T]"),
        Example("cross_entropy(label_smoothing=0.1, weight=[1, 2, 0.5])", ("float[3]", "class(3)"), "float"),
        Example("cross_entropy(weight=[1, 2])", ("float[3]", "class(3)"), rejects="E0404"),
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

    scores = ("class", "binary")

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
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

    def torch(self, F, prediction, target):
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


# --- numbers side by side ---------------------------------------------------------------------------------


def is_number(x: Tensor) -> bool:
    """True for one number that stands for all places, as in `bce(fake, 1)`."""
    return not x.batched and not x.rank


def clash(a: tuple[Size, ...], b: tuple[Size, ...]) -> str:
    """The code of two shapes that differ (E0203) or cannot be proved equal (E0204); empty if they are."""
    pairs = [(m, n) for m, n in zip(a, b, strict=False) if not same(m, n)]
    if len(a) != len(b) or any(isinstance(m, int) and isinstance(n, int) for m, n in pairs):
        return "E0203"
    return "E0204" if pairs else ""


def check_number(loss: Loss, target: Tensor, wanted: str) -> None:
    if not target.is_number:
        raise Reject(f"`{loss.name}` takes {wanted}, and the target is {spell_classes(target)}", at="target",
                     help="`cross_entropy` is the loss for classes" if target.element == "class"
                          else "")  # fmt: skip


def agree(loss: Loss, prediction: Tensor, target: Tensor) -> Tensor:
    """The type they have in common: of one shape; a number fits any, and [1] fits one value."""
    if is_number(target):
        return prediction
    if is_number(prediction):
        return target.with_element("float")
    code = clash(prediction.shape, target.shape)
    if code == "E0204":
        raise Reject(
            f"what `{loss.name}` compares cannot be proved to be of one shape: {prediction} and {target}",
            code=code,
        )
    if code and {prediction.shape, target.shape} != {(1,), ()}:
        raise Reject(f"`{loss.name}` compares tensors of one shape, found {prediction} and {target}",
                     code=code, help=shape_help(prediction, target))  # fmt: skip
    return prediction if prediction.batched or not target.batched else target.with_element("float")


def shape_help(prediction: Tensor, target: Tensor) -> str:
    if not target.rank:
        return "one value is wanted: end in `dense(1)` or a reduction"
    known = all(isinstance(size, int) for size in (*prediction.shape, *target.shape))
    if known and product(prediction.shape) == product(target.shape):
        return f"`reshape({', '.join(map(str, target.shape))})` gives the prediction the shape of the target"
    return ""


def torch_agree(F: Any, prediction: Any, target: Any, have: Tensor, wanted: Tensor) -> tuple[Any, Any]:
    """Both of them, of one shape and element."""
    target = target.type_as(prediction)
    if have.batched != wanted.batched or is_number(have) or is_number(wanted):
        both = F.broadcast_tensors(prediction, target)
        return both[0], both[1]
    return prediction, target if have.rank == wanted.rank else target.reshape_as(prediction)


# --- classes ----------------------------------------------------------------------------------------------


def class_axis(scores: Tensor) -> int:
    """The axis of the classes in a sample of scores, counted from its first."""
    return answers.class_axis(scores.rank) % scores.rank


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
    wanted.insert(answers.class_axis(len(wanted) + 1) % (len(wanted) + 1), count)
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
