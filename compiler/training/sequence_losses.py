"""Losses of sequences without an alignment of predictions and targets."""

from __future__ import annotations

from typing import Any

from dlc.compiler.operators.base import Example, Reject
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.operators.padding import LENGTHS, Fill
from dlc.compiler.training.losses import Loss
from dlc.compiler.types import Tensor


class Ctc(Loss):
    """Connectionist temporal classification: the negative logarithm of the probability of a text, summed over
    all alignments of its symbols with the frames (Graves et al. 2006; torch `ctc_loss`).

    Scores are `[frames, y.classes + 1]`: class 0 of the scores is the blank between symbols, and class `k` of
    the target is their class `k + 1`. The target `[symbols]` has a length of its own, which the number of
    frames does not bind. In the artifact the output is the best class of each frame, repeats and blanks taken
    out, and after them -1 or `""`; its probabilities are those of all classes with the blank.

    The mean divides the loss of a text by its number of symbols, and is then over the texts, as in PyTorch;
    `sum` is over a text. Ignored symbols are left out of a text; a text of which all symbols are ignored does
    not count. Nor does a text that does not fit into the frames (each symbol takes one, and two equal symbols
    take a blank between them), where PyTorch has an infinite loss.
    """

    usage = """
    input  frames: float[32, 8]
    output text: class(26)[6]

    frames -> dense(64) -> relu -> dense(text.classes + 1) -> text

    train { loss = ctc(text) }
    """

    of_scores = ("class",)
    aligns = True

    @property
    def ignores(self) -> bool:
        """True: texts that do not fit do not count."""
        return True

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        if not prediction.batched or prediction.rank != 2:
            raise Reject(f"`ctc` takes scores [frames, classes], found {prediction}", at="prediction")
        spelled, count = spell_classes(target), target.classes.count if target.classes else None
        if target.rank != 1 or not (target.element == "class" or target.is_integer):
            raise Reject(f"`ctc` takes a target of classes, [symbols], found {spelled}", at="target")
        if count is not None and prediction.shape[1] != count + 1:
            raise Reject(f"`ctc` takes scores of the blank and of the {count} classes of {spelled}, found "
                         f"{prediction}", at="prediction", code="E0203",
                         help=f"the blank is not a class of the target: give the layer before it {count + 1} "
                              "units, the blank first")  # fmt: skip
        return prediction.with_shape()

    def padding_of(self, place, axis):
        if place == 1 and self.operands[1].element in ("uint8", "uint16"):
            raise Reject("`ctc` marks the end of a text by -1, which is no number of its target", at="target",
                         help="declare the target as `class(...)`, or as `int64`")  # fmt: skip
        return Fill(-1) if place == 1 else LENGTHS

    def torch(self, F, prediction, target, lengths=None):
        return self.torch_valid(F, prediction, target, lengths)

    def sum_and_weight(self, F, prediction, target, lengths=None):
        return super().sum_and_weight(F, prediction, target, lengths)

    def valid_losses(self, F, prediction, target, lengths=None):
        text, symbols, frames, valid = self.texts(F, target, lengths)
        symbols = symbols.where(valid, 0)
        if lengths is not None:  # PyTorch takes no batch without frames
            prediction = F.pad(prediction, [0, 0, 0, 1])
        each = self.torch_each(F, "none", prediction, text + 1, frames, symbols)
        each = each / symbols.clamp(min=1) if self.reduce == "mean" else each
        return each.where(valid, 0), valid, ()

    def valid_entries(self, F, prediction, target, lengths=None):
        return self.texts(F, target, lengths)[3]

    def texts(self, F: Any, target: Any, lengths: Any) -> tuple[Any, Any, Any, Any]:
        """The texts without ignored symbols, their numbers of symbols and of frames, and the mask of those
        that count. `lengths` are the numbers of frames, if they differ."""
        given = target >= 0
        first = F.argsort((~given).to(F.int8), dim=1, stable=True)
        text, given, symbols = target.gather(1, first), given.gather(1, first), given.sum(1)
        repeats = ((text[:, 1:] == text[:, :-1]) & given[:, 1:]).sum(1)
        size = self.operands[0].shape[0]
        frames = F.full_like(symbols, F.size(size)) if lengths is None else lengths
        valid = symbols + repeats <= frames
        return text, symbols, frames, valid & (symbols > 0) if self.operands[1].ignore else valid

    def torch_each(self, F, reduction, prediction, text, frames, symbols):
        log = F.log_softmax(prediction, -1).transpose(0, 1)
        return F.ctc_loss(log, text.to(F.int64), frames, symbols, reduction=reduction)

    examples = (
        Example("ctc", ("float[8, 4]", "class(3)[3]"), "float"),
        Example("ctc", ("float[T, 4]", "class(3)[U]"), "float"),
        Example("ctc(reduce=sum)", ("float[T, 4]", "class(3)[3]"), "float"),
        Example("ctc(reduce=none)", ("float[8, 4]", "int64[3]"), "float", low=0, high=2),
        Example("ctc", ("float[8]", "class(4)[3]"), rejects="E0201"),
        Example("ctc", ("float[8, 4]", "float[3]"), rejects="E0201"),
        Example("ctc", ("float[8, 4]", "class(4)[3]"), rejects="E0203"),
    )
