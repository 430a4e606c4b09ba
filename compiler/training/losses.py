"""Losses: what training makes small, each of a prediction and what it is held against.

A loss is an operator of the training graph alone: it has a form in PyTorch and none in ONNX.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from dlc.compiler.definitions.parameter_types import Keyword, Nothing, OneOf
from dlc.compiler.dims.dim import Size, product, same
from dlc.compiler.operators.base import Operator, Reject, setting
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.types import Tensor


class InLosses(Operator, family="loss", what="a loss"):
    """What may stand in losses alone."""

    batchless = True
    mixes = True  # a number or a declared weight may stand beside values of the batch
    training_only = True
    # True if an output alone is held against its target.
    of_target: ClassVar[bool] = True


class Loss(InLosses, abstract=True):
    """The loss of each place, or their mean: a sum over a weight, which several batches have in common."""

    # A target may be of any element: `type` says which it takes, and names the loss that was meant.
    takes = ("float", "any")

    def takes_only(self) -> tuple[str, str] | None:
        return ("probabilities", "`softmax`") if self.of_probabilities else None

    reduce: str | None = setting(
        "`mean` over the batch, `sum` over a sample and then the mean over the batch, `none` to keep "
        "the sample's axes",
        OneOf(Keyword("mean", "sum"), Nothing()),
        "mean",
        keyword=True,
    )

    def reduced(self, each: Tensor) -> Tensor:
        """The type of the loss, from that of the loss of each place."""
        return each if self.reduce is None else Tensor("float", batched=False)

    @abstractmethod
    def each(self, *operands: Tensor) -> Tensor:
        """The type of the loss of each place, or `Reject`."""
        raise NotImplementedError

    @abstractmethod
    def torch_each(self, F: Any, reduction: str, *operands: Any) -> Any:
        """The loss of each place (`none`), their `sum` or their `mean`: the words of `torch.nn.functional`,
        whose kernels reduce at once."""
        raise NotImplementedError

    def torch(self, F: Any, *operands: Any) -> Any:
        if self.reduce != "sum":
            return self.torch_each(F, self.reduce or "none", *operands)
        loss, each = self.torch_each(F, "none", *operands), self.each(*self.operands)
        axes = list(range(int(each.batched), each.batched + each.rank))
        return (loss.sum(axes) if axes else loss).mean()

    @property
    def averages(self) -> bool:
        return self.reduce is not None and not self.of_batch and self.each(*self.operands).batched

    def sum_and_weight(self, F: Any, *operands: Any) -> tuple[Any, Any]:
        return self.torch_each(F, "sum", *operands), self.weighed(F, *operands)

    def weighed(self, F: Any, *operands: Any) -> Any:
        """What the mean is over: all places, or with `reduce=sum` the rows."""
        places = F.size(product(self.each(*self.operands).shape))
        return F.batch * places if self.reduce == "mean" else F.batch


def reduced(each: Any, reduction: str) -> Any:
    """The losses of all places (`none`), their `sum` or their `mean`."""
    return each if reduction == "none" else getattr(each, reduction)()


# --- a prediction beside its target -----------------------------------------------------------------------


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
