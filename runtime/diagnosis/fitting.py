"""Overfitting and underfitting."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from dlc.runtime.diagnosis.course import UNSEEN
from dlc.runtime.diagnosis.kinds import Kind, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.diagnosis.course import Course
    from dlc.runtime.diagnosis.kinds import Finding

RISE, OF_FIRST = 0.25, 0.1  # of the validation loss above its lowest, and the same of its first value
GAP, SURE = 0.15, 2.5  # between training and other rows in skill, and in standard errors
POOR = 0.35  # skill on the training rows


class Overfitting(Kind):
    """The network knows its training rows, and other rows less well: it learnt what is true of these rows
    alone."""

    name, title = "overfitting", "overfitting"
    rule = (
        f"The validation loss of the kept weights is {RISE:.0%} above that of an earlier epoch, and by "
        f"{OF_FIRST:.0%} of its first value, while the training loss fell since. Or the answers to "
        f"training rows are better than those to validation and test rows, by {GAP} of what there is to "
        f"gain over the same answer to all rows, and by {SURE} standard errors, which grow as rows "
        "become few."
    )
    remedy = (
        "`early_stop = patience(10)` keeps the epoch with the lowest validation loss. `dropout(0.3)`, "
        "`weight_decay`, augmentation of pictures and a smaller network leave less to learn by heart. "
        "More rows are best."
    )

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        rise, gap = self._rise(course), self._gap(course)
        if not rise and not gap:
            return None
        return self.told(course, "; ".join(filter(None, [rise, gap])), self._fix(course, bool(rise)))

    def _rise(self, course: Course) -> str:
        """The validation loss rose since its lowest, and the training loss fell."""
        train, validation = course.curve("train"), course.curve("validation")
        if not train or not validation or not all(map(isfinite, [*validation[: course.kept + 1]])):
            return ""
        until = validation[: course.kept + 1]
        lowest = until.index(min(until))
        rise = until[-1] - until[lowest]
        if rise < RISE * abs(until[lowest]) or rise < OF_FIRST * abs(until[0]):
            return ""
        if not train[course.kept] < train[lowest]:
            return ""
        return (
            f"the validation loss was {number(until[lowest])} after epoch {course.epoch(lowest)} and rose to "
            f"{number(until[-1])} in epoch {course.epoch(course.kept)}, while the training loss fell from "
            f"{number(train[lowest])} to {number(train[course.kept])}"
        )

    def _gap(self, course: Course) -> str:
        """The answers to training rows are better than those to others."""
        for output in course.outputs:
            seen, other = course.skill(output, "train"), course.skill(output, *UNSEEN)
            if seen is None or other is None:
                continue
            other = other.scaled(seen.variance)
            gap = seen.value - other.value
            if gap >= max(GAP, SURE * other.error) and seen.value > POOR:
                parts = " and ".join(part for part in UNSEEN if output in course.answers.get(part, {}))
                return f"`{output}` has {seen.words} on the training rows and {other.words} on the " \
                       f"{other.rows} {parts} rows"  # fmt: skip
        return ""

    def _fix(self, course: Course, rises: bool) -> str:
        settings = course.phase.settings if course.phase else None
        ways = []
        if rises and settings is not None and settings.early_stop is None:
            ways.append("`early_stop = patience(10)` keeps the best epoch")
        if not course.uses("dropout"):
            ways.append("`dropout(0.3)` before the last layer")
        optimizer = course.optimizer
        if optimizer is not None and not optimizer.weight_decay:
            ways.append("`weight_decay=0.01` in the optimizer")
        pictures = any(node.operator.spatial for node in course.nodes())
        if pictures and not any(n.operator.random and not n.operator.drops() for n in course.nodes()):
            ways.insert(0, "augmentation of the pictures, such as `random_flip`")
        return ", ".join([*ways[:3], "a smaller network, or more training rows"])


class Underfitting(Kind):
    """The network does not even learn its training rows: it is too simple for them, is held back, is not
    trained long enough, or the inputs do not tell the target."""

    name, title = "underfitting", "underfitting"
    rule = (
        "On the training rows, an output is answered little better than by the same answer to all rows: "
        f"by less than {POOR} of what there is to gain, which is the share of the variance of numbers "
        "(R2), and of the rows without the most frequent class; and so it is if each class counts as "
        "much as the others. It is not told if another finding explains it."
    )
    remedy = (
        "A wider or deeper network with an activation between layers; less `dropout` and smaller "
        "`regularize`; more epochs. If nothing helps, the inputs may not tell the target."
    )

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        poor = [
            (output, skill)
            for output in course.outputs
            if (skill := course.skill(output, "train")) is not None and skill.value < POOR
            and not course.evenly(output, "train") >= POOR  # else it answers rare classes
        ]  # fmt: skip
        if not poor:
            return None
        output, skill = min(poor, key=lambda pair: pair[1].value)
        if skill.value + SURE * skill.error >= POOR and skill.rows < 30:
            return None  # too few rows to say so
        same = "the mean of all rows has R2 0" if skill.words.startswith("R2") else \
            f"the most frequent class alone has {number(self._most(course, output))}"  # fmt: skip
        evidence = f"`{output}` has {skill.words} on the training rows themselves, and {same}"
        train = course.curve("train")
        if train and isfinite(train[0]) and isfinite(train[-1]):
            evidence += f"; the training loss went from {number(train[0])} to {number(train[-1])}"
        return self.told(course, evidence, self._fix(course))

    def _most(self, course: Course, output: str) -> float:
        rows = course.answers["train"][output]["rows"]
        return max(rows) / sum(rows)

    def _fix(self, course: Course) -> str:
        objectives = course.phase.objectives if course.phase else ()
        if any(objective.regularize for objective in objectives):
            written = next(r for objective in objectives for r in objective.regularize)
            return f"a smaller penalty than `regularize = {written!r}`, or none"
        if course.program is not None and not self._bends(course):
            return "an activation and one more layer, as `dense(64) -> relu ->` before the last one: " \
                   "without one, the network is a linear function of its inputs"  # fmt: skip
        drops = [n.operator for n in course.nodes() if n.operator.drops()]
        if any(getattr(drop, "p", 0) >= 0.5 for drop in drops):
            return "less `dropout`, then a wider network and more epochs"
        return "wider or more layers, more epochs or a larger rate; inputs that tell more"

    @staticmethod
    def _bends(course: Course) -> bool:
        """Whether there is an activation between two layers."""
        nodes = [n for n in course.nodes() if n.operator.linear and n.operator.multiply_adds()]
        bent = (n.operator.initial is not None or n.operator.recurs or n.operator.sight is not None
                for n in course.nodes())  # fmt: skip
        return len(nodes) != 1 and any(bent)
