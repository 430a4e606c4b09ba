"""The sections of a page about answers: a section for each output that is compared with a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.runtime.data.data_errors import counted
from dlc.runtime.report import figures
from dlc.runtime.report.blocks import (
    Beside,
    DrawnFigure,
    Figures,
    Matrix,
    MatrixCell,
    PageSection,
    Table,
    Words,
    percent,
    spelled,
)
from dlc.runtime.report.cards import cards_of, continued, word_of
from dlc.runtime.report.class_counts import CountsByClass
from dlc.runtime.report.evaluations import (
    MANY_EDITS,
    BinaryEvaluation,
    ClassEvaluation,
    NumberEvaluation,
    SequenceEvaluation,
)
from dlc.runtime.report.texts import clipped
from dlc.runtime.written_numbers import written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.runtime.report.blocks import Block, Numbering
    from dlc.runtime.report.class_counts import Calibration, ClassFigures
    from dlc.runtime.report.errors_of_numbers import Errors
    from dlc.runtime.report.evaluated_rows import EvaluatedRows
    from dlc.runtime.report.evaluations import AnswerEvaluation

IN_TABLE = 16  # maximum number of classes of a confusion matrix that is a table
LISTED = 40  # maximum number of classes of a table
PAIRS = 10  # maximum number of confusions that are listed
DRAWN = 4  # maximum number of entries of a vector that get figures
NAME = 40  # letters of the name of a class
SHADE = 0.62  # of the darkest cell, on which text can still be read


def sections(of: EvaluatedRows, number: Numbering) -> list[PageSection]:
    """The sections of all outputs."""
    found = [
        PageSection(f"answers-{place}", f"Answers: {evaluation.output}", blocks(evaluation, of, number))
        for place, evaluation in enumerate(of.evaluations)
    ]
    return found + [
        PageSection(f"continued-{place}", f"Answers: {some.output}", [continued(some, of)])
        for place, some in enumerate(of.continued)
    ]


def blocks(evaluation: AnswerEvaluation, of: EvaluatedRows, number: Numbering) -> list[Block]:
    what = counted(of.evaluated, f"{of.part} {word_of(of)}")
    some = f", of {of.count}, at equal distances" if of.evaluated < of.count else ""
    told: list[Block] = [Words(f"The artifact has answered {what}{some}.")]
    if isinstance(evaluation, ClassEvaluation):
        told += of_classes(evaluation.counts, evaluation.calibration, number)
    elif isinstance(evaluation, BinaryEvaluation):
        told += of_binary(evaluation, number)
    elif isinstance(evaluation, NumberEvaluation):
        told += of_numbers(evaluation.errors.of, number)
    elif isinstance(evaluation, SequenceEvaluation):
        told += of_sequences(evaluation, number)
    cards = cards_of(evaluation, of)
    return [*told, *([cards] if cards else [])]


# --- classes ----------------------------------------------------------------------------------------------


def of_classes(counts: CountsByClass, calibration: Calibration | None, number: Numbering) -> list[Block]:
    """What is told about answers that are classes."""
    if not counts.total:
        return [Words("No entry of the targets counts, so nothing can be said about the answers.")]
    right = int(counts.right.sum())
    told: list[Block] = [
        Words(f"{right:_} of {counts.total:_} answers are right: {percent(counts.accuracy)}.")
    ]
    told += confusion(counts, number)
    return [*told, *(calibrated(calibration, number, binary=False) if calibration else ())]


def of_binary(evaluation: BinaryEvaluation, number: Numbering) -> list[Block]:
    told = of_classes(evaluation.counts, None, number)
    if evaluation.apart:
        rows = [
            (label, apart.figures()[1])
            for label, apart in zip(evaluation.labels, evaluation.apart, strict=True)
        ]
        told.append(
            Table(
                "Precision and recall of each label",
                ("label", "yes", "answered", "precision", "recall", "F1"),
                [(clipped(label, NAME), *class_row(found)[1:]) for label, found in rows],
            )
        )
    return [*told, *calibrated(evaluation.calibration, number, binary=True)]


def confusion(counts: CountsByClass, number: Numbering) -> list[Block]:
    """The confusion matrix: a table of few classes, colours of more; precision and recall by class; and the
    pairs that are confused most."""
    found: list[Block] = []
    beside: list[Block] = []
    labels = [clipped(label, NAME) for label in counts.labels]
    if counts.matrix is not None and len(labels) <= IN_TABLE:
        beside.append(Matrix("Confusion matrix", labels, shaded(counts.matrix)))
    elif counts.matrix is not None:
        alt = f"Confusion matrix of {len(labels)} classes; a table has the largest numbers off its diagonal"
        drawn = figures.heat(labels, counts.matrix, alt, number.next())
        note = "Shares of the rows of each true class. Answers off the diagonal are wrong."
        note += " Classes have their numbers, from 0." if len(labels) > figures.NAMED else ""
        found.append(Figures([DrawnFigure("Confusion matrix", drawn, note=note)]))
    beside.append(class_table(counts.figures()))
    pairs = counts.confusions(PAIRS) if len(labels) > 2 else []
    if pairs:
        rows = [(clipped(true, NAME), clipped(answer, NAME), f"{n:_}") for true, answer, n in pairs]
        beside.append(Table("Confused most often", ("true", "answered", "times"), rows))
    return [*found, Beside(beside)]


def shaded(matrix: np.ndarray) -> list[list[MatrixCell]]:
    whole = np.maximum(matrix.sum(1, keepdims=True), 1)
    shades = (SHADE * matrix / whole).tolist()
    return [
        [
            MatrixCell(count, max(shades[row][column], 0.08), row == column)
            for column, count in enumerate(cells)
        ]
        for row, cells in enumerate(matrix.tolist())
    ]


def class_table(found: Sequence[ClassFigures]) -> Table:
    """Precision and recall by class. Of many classes, those with the lowest F1."""
    head, note = ("class", "rows", "answered", "precision", "recall", "F1"), ""
    shown = [some for some in found if some.rows or some.answered]
    if len(shown) > LISTED:
        note = f"These are the {LISTED} classes with the lowest F1, of {len(shown)} that occur."
        shown = sorted(shown, key=lambda some: some.f1 or 0.0)[:LISTED]
    absent = len(found) - len([some for some in found if some.rows or some.answered])
    if absent:
        note = f"{note} {absent} of {len(found)} classes never occur here.".strip()
    return Table("Precision and recall", head, [class_row(some) for some in shown], note)


def class_row(found: ClassFigures) -> tuple[str, ...]:
    figures = map(spelled, (found.precision, found.recall, found.f1))
    return clipped(found.label, NAME), f"{found.rows:_}", f"{found.answered:_}", *figures


def calibrated(calibration: Calibration, number: Numbering, *, binary: bool) -> list[Block]:
    """The reliability diagram, and the expected calibration error."""
    points, error = calibration.points(), calibration.error
    if error is None:
        return []
    x, y = ("probability of yes", "share of yes") if binary else ("probability of the answer", "share right")
    mean = sum(p * n for p, _, n in points) / sum(n for *_, n in points)
    came = sum(share * n for _, share, n in points) / sum(n for *_, n in points)
    told = f"On average the {x} is {percent(mean)}, and the {y} {percent(came)}."
    if not binary and abs(mean - came) >= 0.02:
        told += f" The model is {'surer' if mean > came else 'less sure'} than it should be."
    alt = f"Reliability diagram: {y} over {x} in {len(points)} bins; the table has the numbers. {told}"
    drawn = figures.reliability(points, alt, number.next(), x, y)
    rows = [(spelled(p), spelled(share), f"{n:_}") for p, share, n in points]
    note = f"{told} Expected calibration error: {spelled(error)}."
    return [
        Figures([DrawnFigure("Calibration", drawn, note=note)]),
        Table("Calibration in numbers", (f"mean {x}", y, "answers"), rows, folded=True),
    ]


# --- numbers ----------------------------------------------------------------------------------------------


def of_numbers(found: Sequence[Errors], number: Numbering) -> list[Block]:
    """What is told about answers that are numbers."""
    if not any(errors.count for errors in found):
        return [Words("No entry of the targets counts, so nothing can be said about the answers.")]
    endless = sum(errors.endless for errors in found)
    told: list[Block] = []
    if endless:
        told.append(
            Words(f"{counted(endless, 'pair')} of target and answer are left out: not finite.", "warn")
        )
    rows = [
        (clipped(e.name, NAME), f"{e.count:_}", *map(spelled, (e.mae, e.rmse, e.bias, e.r2))) for e in found
    ]
    errors_table = Table("Errors", ("", "numbers", "mean absolute", "root mean square", "bias", "R2"), rows,
                         "The bias is the mean of answer minus target.")  # fmt: skip
    told.append(Beside([errors_table, of_residuals(found)]))
    drawn = sorted((e for e in found if e.count), key=lambda e: -(1 - (e.r2 if e.r2 is not None else 1)))
    pictures = [figure for errors in drawn[:DRAWN] for figure in figures_of(errors, len(found) > 1, number)]
    return [*told, Figures(pictures)]


def of_residuals(found: Sequence[Errors]) -> Table:
    """Quantiles of answer minus target."""
    shares = (0.05, 0.25, 0.5, 0.75, 0.95)
    rows = []
    for errors in (e for e in found if len(e.sample)):
        apart = errors.sample[:, 1] - errors.sample[:, 0]
        rows.append((clipped(errors.name, NAME), *map(spelled, np.quantile(apart, shares).tolist())))
    head = ("answer minus target", *(f"{100 * share:.0f} %" for share in shares))
    return Table("Residuals below which a share of them is", head, rows)


def figures_of(errors: Errors, named: bool, number: Numbering) -> list[DrawnFigure]:
    pairs = errors.sample
    of = f" of {clipped(errors.name, NAME)}" if named else ""
    apart = pairs[:, 1] - pairs[:, 0]
    alt = f"Answers{of} over true values {span(pairs)}; R2 is {spelled(errors.r2)}"
    other = f"Histogram of answer minus target{of}, {span(apart)}"
    note = "On the dashed line, answers equal the true values."
    note += f" One pair in {errors.step} is drawn." if errors.step > 1 else ""
    return [
        DrawnFigure(f"Answers and true values{of}", figures.scatter(pairs, alt, number.next()), note=note),
        DrawnFigure(f"Residuals{of}", figures.residuals(apart, other, number.next())),
    ]


def span(values: np.ndarray) -> str:
    return f"from {written(float(values.min()), 4)} to {written(float(values.max()), 4)}"


# --- sequences --------------------------------------------------------------------------------------------


def of_sequences(evaluation: SequenceEvaluation, number: Numbering) -> list[Block]:
    """What is told about answers that are sequences with lengths of their own."""
    total = int(evaluation.edits.sum())
    if not total:
        return [Words("No target counts, so nothing can be said about the answers.")]
    right = int(evaluation.edits[0])
    told = f"{right:_} of {total:_} answers are right as a whole: {percent(right / total)}. An answer " \
           f"needs {spelled(evaluation.mean)} edits on average to become its target."  # fmt: skip
    labels = [*map(str, range(MANY_EDITS)), f"{MANY_EDITS}+"]
    values = evaluation.edits.tolist()
    alt = "How many answers need each number of edits; the table has the numbers"
    drawn = figures.bars(labels, values, alt, number.next(), "edits", "answers")
    rows = [(label, f"{n:_}") for label, n in zip(labels, values, strict=True)]
    return [
        Words(told),
        Figures([DrawnFigure("Edits", drawn)]),
        Table("Edits in numbers", ("edits", "answers"), rows, folded=True),
    ]
