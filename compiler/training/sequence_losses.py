"""Losses of sequences without an alignment of predictions and targets."""

from __future__ import annotations

from dlc.compiler.operators.base import Example, Reject
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.training.losses import Loss, reduced
from dlc.compiler.types import Tensor


class Ctc(Loss):
    """Connectionist temporal classification: the negative logarithm of the probability of a text, summed over
    all alignments of its symbols with the steps (Graves et al. 2006; torch `ctc_loss`).

    Scores are `[steps, classes]`, the target classes `[symbols]`. Class 0 is the blank between symbols. Zeros
    in a target are padding of shorter texts, and so are ignored symbols; a text of ignored symbols alone does
    not count. The mean is over symbols, as in PyTorch; `sum` is over a text.
    """

    usage = """
    input  frames: float[32, 8]
    input  text: class(27)[6]
    output symbols: class(27)[32]

    frames -> dense(64) -> relu -> dense(27) -> symbols

    train { loss = ctc(symbols, text) }
    """

    of_scores = ("class",)
    domain = "texts that fit into the steps, with an additional step between two equal symbols"

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        if not prediction.batched or prediction.rank != 2:
            raise Reject(f"`ctc` takes scores [steps, classes], found {prediction}", at="prediction")
        spelled = spell_classes(target)
        if target.rank != 1 or not (target.element == "class" or target.is_integer):
            raise Reject(f"`ctc` takes a target of classes, [symbols], found {spelled}", at="target")
        if target.classes is not None and target.classes.count != prediction.shape[-1]:
            raise Reject(f"`ctc` takes a score for each of the {target.classes.count} classes of {spelled}, "
                         f"found {prediction}", at="prediction", code="E0203")  # fmt: skip
        return prediction.with_shape()

    def counted(self, mask, type):
        return mask.any(1)

    def torch_each(self, F, reduction, prediction, target):
        log = F.log_softmax(prediction, -1).transpose(0, 1)
        symbols_first = F.argsort((target == 0).to(F.int8), dim=1, stable=True)
        target, lengths = target.gather(1, symbols_first), (target != 0).sum(1)
        steps = F.full_like(lengths, F.size(self.operands[0].shape[0]))
        each = F.ctc_loss(log, target.to(F.int64), steps, lengths, reduction="none")
        return reduced(each / lengths.clamp(min=1) if self.reduce == "mean" else each, reduction)

    examples = (
        Example("ctc", ("float[8, 4]", "class(4)[3]"), "float"),
        Example("ctc(reduce=sum)", ("float[T, 4]", "class(4)[3]"), "float"),
        Example("ctc(reduce=none)", ("float[8, 4]", "int64[3]"), "float", low=0, high=3),
        Example("ctc", ("float[8]", "class(4)[3]"), rejects="E0201"),
        Example("ctc", ("float[8, 4]", "float[3]"), rejects="E0201"),
        Example("ctc", ("float[8, 5]", "class(4)[3]"), rejects="E0203"),
    )
