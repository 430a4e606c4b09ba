"""Classes that are hardly ever answered."""

from __future__ import annotations

from math import comb, sqrt
from typing import TYPE_CHECKING, Any

from dlc.runtime.diagnosis.kinds import Kind, listed, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.runtime.diagnosis.course import Course
    from dlc.runtime.diagnosis.kinds import Finding

SHARE = 0.3  # of the rows of a class that are right, compared with all rows
RIGHT = 0.5  # of all rows
CHANCE = 1e-3  # that a class is right so seldom by chance, if half of what is usual were
FEWEST = 5  # training rows of a class of which none is right, where nearly all others are
FREQUENT = 0.8  # share of a class that a network learns to answer always
MANY = 10  # classes whose weights are written out


class NeglectedClasses(Kind):
    """The network is right about most rows, and hardly ever about those of one class: often a rare one, which
    it pays to leave out."""

    name, title = "neglected_classes", "neglected classes"
    rule = (
        f"Of the rows of a class, fewer than {SHARE} times as many are right as of all rows, of which at "
        "least half are, in the training, validation or test rows; and the class has so many rows that "
        f"this is no chance (below {CHANCE}), or {FEWEST} training rows of which none is right where "
        f"{FREQUENT:.0%} of all rows are. A network that answers one class always is meant only if "
        f"{FREQUENT:.0%} of the rows have it."
    )
    explains = ("underfitting",)
    remedy = (
        "Weights for the classes in the loss: `cross_entropy(y, weight=[...])`, or `bce(y, "
        "positive=...)`; `stratify` in `data`; more rows of the class. And look at `recall`, `f1` or "
        "`confusion_matrix` in place of `accuracy`."
    )

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        for output in course.outputs:
            told = [*self._neglected(course, output)]
            if told:
                evidence = listed(told)
                return self.told(course, evidence, self._fix(course, output))
        return None

    def _neglected(self, course: Course, output: str) -> Iterator[str]:
        """The neglected classes in words, each in the first part of the data in which that shows."""
        learnt = course.answers.get("train", {}).get(output, {}).get("rows")
        if not isinstance(learnt, list):
            return
        seen = {place for place, rows in enumerate(learnt) if not rows}  # W0703 tells these
        for part in ("train", "validation", "test"):
            counts = course.answers.get(part, {}).get(output)
            if counts is None or len(counts.get("right", ())) != len(learnt) or not sum(counts["rows"]):
                continue
            accuracy = sum(counts["right"]) / sum(counts["rows"])
            if is_constant(counts["rows"], accuracy):
                continue
            for place, (rows, right) in enumerate(zip(counts["rows"], counts["right"], strict=True)):
                if place in seen or accuracy < RIGHT or right >= SHARE * accuracy * rows:
                    continue
                never = part == "train" and not right and accuracy >= FREQUENT and rows >= FEWEST
                if chance(rows, right, accuracy if never else accuracy / 2) < CHANCE:
                    seen.add(place)
                    share = percent(rows / sum(counts["rows"]))
                    of = "training" if part == "train" else part
                    right_words = f"{right or 'none'} {'is' if right < 2 else 'are'} right"
                    of_class = f"`{output}` = {counts['labels'][place]!s} ({share} of them)"
                    all_rows = f"of all rows {percent(accuracy)}"
                    yield f"of the {rows} {of} rows with {of_class} {right_words}, {all_rows}"

    def _fix(self, course: Course, output: str) -> str:
        counts: Any = course.answers.get("train", {}).get(output, {})
        rows = counts.get("rows", [])
        if len(rows) > MANY or not rows or not all(rows):
            return f"weights for the classes: `cross_entropy({output}, weight=[...])`, larger for rare ones"
        if self._is_binary(course, output):
            return f"`loss = bce({output}, positive={rows[0] / rows[1]:.2g})`, and look at `f1` or `recall`"
        weights = ", ".join(f"{sum(rows) / len(rows) / n:.2g}" for n in rows)
        return f"`loss = cross_entropy({output}, weight=[{weights}])`, and look at `f1` or `recall`"

    @staticmethod
    def _is_binary(course: Course, output: str) -> bool:
        found = course.program.outputs if course.program else ()
        return any(o.name == output and o.declared.element == "binary" for o in found)


def is_constant(rows: list[int], accuracy: float) -> bool:
    """Whether the network may as well answer one class always, which is not much more than half of the rows:
    it has learnt nothing, of any class."""
    share, error = max(rows) / sum(rows), sqrt(max(rows) * (sum(rows) - max(rows)) / sum(rows) ** 3)
    return share < FREQUENT and accuracy < share + 2.5 * error


def chance(rows: int, right: int, share: float) -> float:
    """The probability that so few of the rows are right or fewer, if each is with this probability."""
    if rows > 1000:
        rows, right = 1000, right * 1000 // rows
    return sum(comb(rows, k) * share**k * (1 - share) ** (rows - k) for k in range(right + 1))
