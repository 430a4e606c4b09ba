"""Learning rates that are too high or too low."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from statistics import mean, median
from typing import TYPE_CHECKING

from dlc.runtime.diagnosis.kinds import Kind, number, pair, percent
from dlc.runtime.diagnosis.units import DeadUnits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.runtime.diagnosis.course import Course, Skill
    from dlc.runtime.diagnosis.kinds import Finding

FEWEST = 5  # epochs from which a curve says something
JUMP, OFTEN = 0.08, 0.3  # of the first loss, in this share of the later epochs
GOOD = 0.9  # skill with which a loss may jump
TIMES, REPLACED = 3, 0.5  # a loss above the later ones, and the part of the weights that an epoch replaces
STILL, SLOW = 0.3, 0.8  # the way of the weights, and the share of later epochs in which the loss falls
LEFT = 0.5  # of the first loss
LAST = 0.25  # of the epochs, in which the validation loss is lowest if it still falls
FAR, UNIT = -0.5, 10  # the skill of numbers whose mean is not reached, and numbers that are large


class RateTooHigh(Kind):
    """Steps are so large that they leap over what they aim at: the loss jumps, is lost in the first epoch, or
    becomes infinite."""

    name, title = "rate_too_high", "learning rate too high"
    rule = (
        "The training diverged, and gradients were of a usual size before. Or the training loss rises "
        f"in {OFTEN:.0%} of the epochs of the second half, by {JUMP:.0%} of its first value on average, "
        f"while the training rows are not learnt (skill below {GOOD}). Or one epoch replaced "
        f"{REPLACED:.0%} of the weights, its loss was {TIMES} times what it is later or units are dead "
        "since, and little is learnt."
    )
    remedy = "A tenth of the rate; a `schedule` such as `cosine(warmup=100)`; `clip = norm(1)`."
    explains = ("underfitting", "overfitting", "neglected_classes", "rate_too_low")

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        evidence = self._diverged(course, found) or self._jumps(course) or self._thrown(course)
        if not evidence:
            return None
        clips = course.phase is not None and any(o.clip for o in course.phase.objectives)
        ways = [course.with_rate(0.1), *([] if clips else ["or `clip = norm(1)`"])]
        if course.takes_raw_numbers and DeadUnits().among(course):
            ways.append("`standardize` for the inputs if their numbers are large")
        return self.told(course, evidence, ", ".join(ways))

    def _diverged(self, course: Course, found: Mapping[str, Finding]) -> str:
        if not course.diverged or "exploding_gradients" in found:
            return ""
        last = course.statistics[-1]
        rates = [epoch["rate"] for epoch in course.epochs if isinstance(epoch.get("rate"), (int, float))]
        rate = max(rates) if rates else course.optimizer.lr if course.optimizer else None
        at = f" at a learning rate of {rate:g}" if rate is not None else ""
        return f"the training diverged in epoch {last['epoch'] + 1}{at}"

    def _jumps(self, course: Course) -> str:
        train = course.curve("train")
        if len(train) < FEWEST or not all(map(isfinite, train)) or not course.learnt < GOOD:
            return ""
        late = train[len(train) // 2 :]
        rises = [b - a for a, b in pairwise(late) if b > a]
        if not rises or len(rises) < OFTEN * (len(late) - 1) or mean(rises) < JUMP * abs(train[0]):
            return ""
        return (
            f"the training loss rose in {len(rises)} of the last {len(late) - 1} epochs, by "
            f"{number(mean(rises))} on average, where it began at {number(train[0])}"
        )

    def _thrown(self, course: Course) -> str:
        train = course.curve("train")
        if len(train) < FEWEST or not all(map(isfinite, train)) or not course.learnt < LEFT:
            return ""
        later = median(train[len(train) // 2 :])
        for record in course.statistics:
            place = next((k for k, e in enumerate(course.epochs) if e["epoch"] == record["epoch"]), None)
            moves = [w["update"] / w["norm"] for w in record.get("weights", ())
                     if w["norm"] and w["update"] is not None and w["operator"] != "embedding"]  # fmt: skip
            if place is None or not moves or median(moves) < REPLACED:
                continue
            replaced = f"epoch {record['epoch']} replaced {percent(min(median(moves), 1))} of the weights, "
            if train[place] >= TIMES * abs(later):
                loss, since = pair(train[place], later)
                return f"{replaced}its training loss was {loss}, and that of later epochs is {since}"
            if place < len(train) - 1 and (dead := DeadUnits().among(course)):
                count = f"{dead[0]['dead']} of {dead[0]['units']} units of `{dead[0]['name']}`"
                return f"{replaced}and {count} (line {dead[0]['line']}) are dead since"
        return ""


class RateTooLow(Kind):
    """Steps are so small that the training ends long before the network is where it could be."""

    name, title = "rate_too_low", "learning rate too low"
    rule = (
        f"The training loss falls in {SLOW:.0%} of the epochs of the second half, it is still above "
        f"{LEFT:.0%} of its first value, little is learnt (skill below {LEFT}), the weights of no layer "
        f"moved further than {STILL:.0%} of their norm in the whole training, and the validation loss, if "
        f"there is one, is lowest in the last {LAST:.0%} of the epochs. Or it falls so, and "
        f"numbers are answered far worse than by their mean (skill below {FAR})."
    )
    remedy = "Ten times the rate; `adam` in place of `sgd`; or far more epochs."
    explains = ("underfitting", "neglected_classes")

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        train = course.curve("train")
        if "vanishing_gradients" in found or len(train) < FEWEST or not all(map(isfinite, train)):
            return None
        late = train[len(train) // 2 - 1 :]
        falls = sum(b < a for a, b in pairwise(late))
        if falls < SLOW * (len(late) - 1):
            return None
        worst = course.worst("train")
        if worst is not None and worst[1].value < FAR and "variance" in course.answers["train"][worst[0]]:
            return self._far(course, train, *worst)
        if train[-1] < LEFT * abs(train[0]):
            return None
        if not course.learnt < LEFT or not course.moved < STILL or self._is_over(course):
            return None
        first, last = pair(train[0], train[-1])
        moved = percent(course.moved)
        moved = moved if moved.startswith("less") else f"more than {moved}"
        evidence = (
            f"the training loss still falls, and went only from {first} to {last} in {len(train)} epochs; in "
            f"all of them no layer moved its weights by {moved} of their norm"
        )
        return self.told(course, evidence, f"{course.with_rate(10)}, and again ten times if that is too low")

    @staticmethod
    def _is_over(course: Course) -> bool:
        """Whether the validation loss was lowest before the last quarter of the epochs."""
        validation = course.curve("validation")
        known = [loss for loss in validation if isfinite(loss)]
        return bool(known) and validation.index(min(known)) < (1 - LAST) * (len(validation) - 1)

    def _far(self, course: Course, train: Sequence[float], output: str, skill: Skill) -> Finding:
        """Numbers whose mean is not reached yet, because it is far from 0, or they are large."""
        first, last = pair(train[0], train[-1])
        evidence = (
            f"the training loss still falls, from {first} to {last} in {len(train)} epochs, and `{output}` "
            f"is answered worse than by its mean in all training rows (R2 {number(skill.value)})"
        )
        numbers = course.answers["train"][output]
        mean, spread = numbers.get("mean"), (numbers.get("variance") or 0) ** 0.5
        if mean is None or not spread or max(abs(mean), spread) < UNIT:
            return self.told(course, evidence, f"{course.with_rate(10)}, or far more epochs")
        scaled = f"`{number(spread)} * h + {mean:.0f} -> {output}`"
        fix = f"scale what is answered: {scaled}, where `h` is what flows to `{output}` now"
        return self.told(course, evidence, f"{fix}; or {course.with_rate(10)}")
