"""The rows that a model gets most wrong, as cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.passes.lengths import length_name
from dlc.runtime.data.data_errors import plural
from dlc.runtime.report.blocks import Card, Cards, percent, spelled
from dlc.runtime.report.evaluations import BinaryEvaluation, NumberEvaluation, SequenceEvaluation, labels_of
from dlc.runtime.report.shown_rows import PALETTE, Shown, named, shown, together
from dlc.runtime.report.texts import clipped
from dlc.runtime.training.meter import counted, prediction_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.runtime.report.evaluated_rows import Continued, EvaluatedRows
    from dlc.runtime.report.evaluations import AnswerEvaluation
    from dlc.runtime.report.worst import WorstRow

FILE = 120  # letters of a path
UNSURE = 6  # cards if no answer is wrong
INPUTS = 12  # maximum number of inputs of a card
KEYS = 19  # maximum number of classes in the legend of masks


def cards_of(evaluation: AnswerEvaluation, of: EvaluatedRows) -> Cards | None:
    """The cards of one output; None if none of its rows counts."""
    cases, what = evaluation.worst.cases(), word_of(of)
    if not cases:
        return None
    if isinstance(evaluation, NumberEvaluation):
        title = f"The {plural(what)} with the largest errors"
    elif not evaluation.worst.wrong:
        cases = cases[:UNSURE]
        title = f"No {what} is answered wrongly. The least sure answers"
    else:
        cases = [case for case in cases if case.wrong]
        wrong = evaluation.worst.wrong
        title = "The only wrong answer" if wrong == 1 else f"The most wrong of {wrong:_} wrong answers"
        if evaluation.type.rank and not isinstance(evaluation, SequenceEvaluation):
            title = f"The most wrong of {wrong:_} {plural(what)} with wrong entries"
    masks = evaluation.type.element == "class" and evaluation.type.rank > 1
    file, places = common_file([of.rows.place(case.number) for case in cases])
    cards = [card(case, place, evaluation, of) for case, place in zip(cases, places, strict=True)]
    return Cards(
        title + (f", from {clipped(file, FILE)}" if file else ""), cards, colours(evaluation) if masks else ()
    )


def word_of(of: EvaluatedRows) -> str:
    """What a row is: a row, a window or a series."""
    return str(getattr(of.rows, "what", "row"))


def colours(evaluation: AnswerEvaluation) -> list[tuple[str, str]]:
    """The classes of a mask and their colours."""
    labels = labels_of(evaluation.type)[:KEYS]
    return [(clipped(name, 40), "rgb({}, {}, {})".format(*PALETTE[1 + place].tolist()))
            for place, name in enumerate(labels)]  # fmt: skip


def common_file(places: Sequence[str]) -> tuple[str, list[str]]:
    """The file that all places are in, empty if there is none, and the places in it."""
    files = {place.rpartition(", ")[0] for place in places}
    if len(files) != 1 or "" in files:
        return "", list(places)
    [file] = files
    return file, [place.removeprefix(f"{file}, ") for place in places]


def card(case: WorstRow, place: str, evaluation: AnswerEvaluation, of: EvaluatedRows) -> Card:
    tone = "wrong" if case.wrong else "right"
    tone = "" if isinstance(evaluation, NumberEvaluation) else tone
    return Card(clipped(place, FILE), told(case, evaluation), tone,
                [*compared(case, evaluation), *inputs(case, of)])  # fmt: skip


def told(case: WorstRow, evaluation: AnswerEvaluation) -> str:
    """How wrong the answer is, in a few words."""
    target = case.fields[evaluation.target]
    if isinstance(evaluation, SequenceEvaluation):
        return f"{case.badness:.2f} edits for each right one" if case.wrong else "right"
    if isinstance(evaluation, NumberEvaluation):
        if not np.isfinite(case.badness):
            return "the answer is not a finite number"
        error = spelled(case.badness)
        return f"wrong by {error}" if np.ndim(target) == 0 else f"root mean squared error {error}"
    if np.ndim(target) == 0:
        return "wrong" if case.wrong else "right"
    answers = {name: np.asarray(value)[None] for name, value in case.answers.items()}
    answer = prediction_of(answers, evaluation.output, evaluation.type)
    value = np.reshape(np.asarray(answer.value), np.shape(target))
    truth = target >= 0.5 if isinstance(evaluation, BinaryEvaluation) else target
    length = length_of(case.fields, evaluation.target)
    [counts] = counted(evaluation.type, target[None], None if length is None else np.array([length]))
    return f"{int((value == truth)[counts].sum())} of {int(counts.sum())} entries right"


def compared(case: WorstRow, evaluation: AnswerEvaluation) -> list[Shown]:
    """The target and the answer beside each other; of a class also how probable the model holds them."""
    target, type = case.fields[evaluation.target], evaluation.type
    if type.element not in ("class", "binary", "bool"):
        answer = case.answers[evaluation.output]
        truth, own = (pair_member(*of, evaluation, case) for of in (("true", target), ("answered", answer)))
        lines = truth.curves and own.curves and np.ndim(target) == 1
        return [together(truth, own, [target, np.reshape(answer, -1)])] if lines else [truth, own]
    answers = {name: np.asarray(value)[None] for name, value in case.answers.items()}
    found = prediction_of(answers, evaluation.output, type)
    value, p = np.asarray(found.value)[0], found.probability
    if type.element == "class" and not np.ndim(target) and p is not None:
        return with_probabilities(target, value, np.ravel(p), labels_of(type))
    value = value if type.element == "class" else np.reshape(value, np.shape(target))
    pair = [pair_member("true", target, evaluation, case), pair_member("answered", value, evaluation, case)]
    if type.element == "binary" and not np.ndim(target) and p is not None:
        yes = clipped(labels_of(type)[1], 40)
        pair.append(Shown(f"probability of {yes}", percent(float(np.ravel(p)[0]))))
    return pair


def with_probabilities(
    target: np.ndarray, value: np.ndarray, p: np.ndarray, labels: Sequence[str]
) -> list[Shown]:
    """The true class and the answer, with the probability of each."""
    pairs = (("true", int(target)), ("answered", int(value)))
    return [
        Shown(title, f"{clipped(named(labels, i), 60)} ({percent(float(p[i])) if 0 <= i < len(p) else '-'})")
        for title, i in pairs
    ]


def pair_member(title: str, value: np.ndarray, evaluation: AnswerEvaluation, case: WorstRow) -> Shown:
    """The target or the answer. An answer of a length of its own ends by itself."""
    free = title == "answered" and (evaluation.type.blank or evaluation.type.decoded)
    length = None if free else length_of(case.fields, evaluation.target)
    return shown(
        title, evaluation.type, value, unit=evaluation.unit, columns=evaluation.columns, length=length
    )


def length_of(fields: Mapping[str, np.ndarray], name: str) -> int | None:
    found = fields.get(length_name(name))
    return None if found is None else int(found)


def inputs(case: WorstRow, of: EvaluatedRows) -> list[Shown]:
    """The inputs of a row."""
    units, columns = of.dataset.units, of.dataset.columns
    return [
        shown(name, type, case.fields[name], unit=units.get(name, ""), columns=columns.get(name, ()),
              length=length_of(case.fields, name))
        for name, type in [*of.inputs.items()][:INPUTS]
    ]  # fmt: skip


def continued(some: Continued, of: EvaluatedRows) -> Cards:
    """Beginnings of rows, and how the model goes on."""
    cards = []
    file, places = common_file([of.rows.place(number) for number, *_ in some.rows])
    for place, (_, prompt, answer, truth) in zip(places, some.rows, strict=True):
        values = [
            shown("beginning", some.prompt, prompt, unit=some.unit),
            shown("the model goes on", some.answer, answer, unit=some.unit),
            shown("the row goes on", some.prompt, truth, unit=some.unit),
        ]
        cards.append(Card(clipped(place, FILE), "", "", values))
    title = f"How it continues the beginnings of {of.part} {plural(word_of(of))}"
    return Cards(title + (f", from {clipped(file, FILE)}" if file else ""), cards)
