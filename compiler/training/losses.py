"""Losses, which compare a prediction with a target.

A loss is an operator of the training graph only: it has a PyTorch form and no ONNX form.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import reduce
from operator import and_
from typing import Any, ClassVar

from dlc.compiler.definitions.parameter_types import Keyword, Nothing, OneOf
from dlc.compiler.dims.dim import Size, product, same
from dlc.compiler.operators.base import Operator, Reject, setting
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.operators.padding import IGNORE, Padding
from dlc.compiler.operators.validity import torch_valid
from dlc.compiler.types import Tensor

LEAST = 1e-30  # minimum of the total weight that a mean is divided by


class InLosses(Operator, family="loss", what="a loss"):
    """An operator that is allowed only in losses."""

    batchless = True
    mixes = True  # numbers and declared weights can be combined with values of the batch
    training_only = True
    # True if a call with only an output compares it with the target of the output.
    of_target: ClassVar[bool] = True


class Loss(InLosses, abstract=True):
    """A loss per position, or its mean. A mean is a sum divided by a total weight, which can be computed over
    several batches."""

    leaves_out_ignored = True
    # A target may have any element: `type` rejects others and names the appropriate loss.
    takes = ("float", "any")

    def takes_only(self) -> tuple[str, str] | None:
        return ("probabilities", "`softmax`") if self.of_probabilities else None

    reduce: str | None = setting(
        "`mean` over the batch, `sum` over each sample and then the mean over the batch, `none` to keep "
        "the axes of the sample",
        OneOf(Keyword("mean", "sum"), Nothing()),
        "mean",
        keyword=True,
    )

    def reduced(self, each: Tensor) -> Tensor:
        """The type of the loss, given the type of the unreduced loss."""
        return each if self.reduce is None else Tensor("float", batched=False)

    @abstractmethod
    def each(self, *operands: Tensor) -> Tensor:
        """The type of the unreduced loss, or `Reject`."""
        raise NotImplementedError

    @abstractmethod
    def torch_each(self, F: Any, reduction: str, *operands: Any) -> Any:
        """The loss with a `reduction` of `torch.nn.functional` (`none`, `sum` or `mean`), whose kernels fuse
        it."""
        raise NotImplementedError

    def torch(self, F: Any, *operands: Any) -> Any:
        if self.ignores:
            return self.torch_valid(F, *operands)
        if self.reduce != "sum":
            return self.torch_each(F, self.reduce or "none", *operands)
        loss, each = self.torch_each(F, "none", *operands), self.each(*self.positional)
        axes = list(range(int(each.batched), each.batched + each.rank))
        return (loss.sum(axes) if axes else loss).mean()

    @property
    def averages(self) -> bool:
        return self.reduce is not None and not self.of_batch and self.each(*self.positional).batched

    def sum_and_weight(self, F: Any, *operands: Any) -> tuple[Any, Any]:
        if self.ignores:
            each, valid, filled = self.valid_losses(F, *operands)
            return each.sum(), self.valid_weight(F, valid, *filled)
        return self.torch_each(F, "sum", *operands), self.total_weight(F, *operands)

    def total_weight(self, F: Any, *operands: Any) -> Any:
        """The divisor of the mean: the number of values, or with `reduce=sum` the number of rows."""
        per_sample = F.size(product(self.each(*self.positional).shape))
        return F.batch * per_sample if self.reduce == "mean" else F.batch

    def padding_of(self, place: int, axis: int) -> Padding:
        return IGNORE

    # --- ignored entries ----------------------------------------------------------------------------------

    @property
    def ignores(self) -> bool:
        """Whether entries of its operands may be ignored. They weigh 0."""
        return any(x.ignore for x in self.operands)

    @property
    def weighs_rows(self) -> bool:
        return not self.ignores

    def torch_valid(self, F: Any, *operands: Any) -> Any:
        """The loss of the entries that count; 0 if there are none."""
        if self.reduce is None:
            return self.valid_losses(F, *operands)[0]
        sum, weight = self.sum_and_weight(F, *operands)
        return sum / weight.clamp(min=LEAST)

    def valid_losses(self, F: Any, *operands: Any) -> tuple[Any, Any, tuple[Any, ...]]:
        """The unreduced loss, 0 where nothing counts; the mask of what counts in it; and the operands with 0
        in place of ignored entries, so that no gradient is NaN."""
        masks = self.masks(F, *operands)
        filled, valid = self.filled(F, masks, operands), self.counted_entries(masks)
        return self.torch_each(F, "none", *filled).where(valid, 0), valid, filled

    def valid_entries(self, F: Any, *operands: Any) -> Any:
        """The mask of what counts in the unreduced loss."""
        return self.counted_entries(self.masks(F, *operands))

    def counted_entries(self, masks: list[Any]) -> Any:
        """The same, from the masks of the operands."""
        known = zip(masks, self.operands, strict=True)
        return reduce(and_, [self.counted(mask, type) for mask, type in known if mask is not None])

    def masks(self, F: Any, *operands: Any) -> list[Any]:
        """For each operand the mask of the entries that count; None if none of them can be ignored."""
        types = zip(operands, self.operands, strict=True)
        return [torch_valid(F, x, type) if type.ignore else None for x, type in types]

    def filled(self, F: Any, masks: list[Any], operands: tuple[Any, ...]) -> tuple[Any, ...]:
        """The operands with 0 in place of ignored entries; class 0 in place of ignored classes."""
        return tuple(x if mask is None else x.where(mask, 0)
                     for mask, x in zip(masks, operands, strict=True))  # fmt: skip

    def counted(self, mask: Any, type: Tensor) -> Any:
        """What counts in the unreduced loss, from the mask of an operand of this type. [1] is one value."""
        rank = self.each(*self.positional).rank
        return mask if type.rank == rank else mask.squeeze(-1) if rank == 0 else mask.unsqueeze(-1)

    def valid_weight(self, F: Any, valid: Any, *filled: Any) -> Any:
        """The number of values that count; with `reduce=sum` the number of rows that have any."""
        if self.reduce == "sum" and self.each(*self.positional).rank:
            valid = valid.flatten(1).any(1)
        return valid.sum().to(F.float32)


def reduced(each: Any, reduction: str) -> Any:
    """A `reduction` of `torch.nn.functional`: `none`, `sum` or `mean`."""
    return each if reduction == "none" else getattr(each, reduction)()


# --- predictions and targets ------------------------------------------------------------------------------


def is_number(x: Tensor) -> bool:
    """True for a number that is broadcast to all positions, as in `bce(fake, 1)`."""
    return not x.batched and not x.rank


def clash(a: tuple[Size, ...], b: tuple[Size, ...]) -> str:
    """The error code for two shapes that differ (E0203) or cannot be proved equal (E0204); empty if equal."""
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
    """The common type of a prediction and a target of the same shape. A number matches any shape, and [1]
    matches a single value."""
    if is_number(target):
        return prediction
    if is_number(prediction):
        return target.with_element("float")
    code = clash(prediction.shape, target.shape)
    if code == "E0204":
        raise Reject(
            f"`{loss.name}` compares tensors of the same shape, which cannot be proved of {prediction} and "
            f"{target}",
            code=code,
        )
    if code and {prediction.shape, target.shape} != {(1,), ()}:
        raise Reject(f"`{loss.name}` compares tensors of the same shape, found {prediction} and {target}",
                     code=code, help=shape_help(prediction, target))  # fmt: skip
    return prediction if prediction.batched or not target.batched else target.with_element("float")


def shape_help(prediction: Tensor, target: Tensor) -> str:
    if not target.rank:
        return "the target is one value: end in `dense(1)` or a reduction"
    known = all(isinstance(size, int) for size in (*prediction.shape, *target.shape))
    if known and product(prediction.shape) == product(target.shape):
        return f"`reshape({', '.join(map(str, target.shape))})` gives the prediction the shape of the target"
    return ""


def torch_agree(F: Any, prediction: Any, target: Any, have: Tensor, wanted: Tensor) -> tuple[Any, Any]:
    """The prediction and the target with the same shape and element."""
    target = target.type_as(prediction)
    if have.batched != wanted.batched or is_number(have) or is_number(wanted):
        both = F.broadcast_tensors(prediction, target)
        return both[0], both[1]
    return prediction, target if have.rank == wanted.rank else target.reshape_as(prediction)
