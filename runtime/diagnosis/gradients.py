"""Gradients that vanish or explode on their way through the layers."""

from __future__ import annotations

from math import isfinite, isnan
from typing import TYPE_CHECKING

from dlc.runtime.diagnosis.course import RECURRENT
from dlc.runtime.diagnosis.kinds import Kind, listed, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.diagnosis.course import Course
    from dlc.runtime.diagnosis.kinds import Finding

DEEP = 2  # layers that follow
SMALL, TINY = 1e-3, 1e-5  # a gradient relative to its weights, and that to the same of the last layer
LARGE, TIMES = 10, 100  # a gradient relative to its weights, and the loss to that of the same answer to all
POOR = 0.6  # skill on the training rows


class ExplodingGradients(Kind):
    """Values and gradients grow from layer to layer, so that no rate suits all of them, and the training
    often diverges."""

    name, title = "exploding_gradients", "exploding gradients"
    rule = (
        f"The gradient of a layer that {DEEP} layers follow, or of a recurrent layer, is {LARGE} times "
        "its weights or more (by their norms, in half of the epochs that were looked at), and the "
        f"training diverged, or the loss began {TIMES} times above that of the same answer to all rows."
    )
    remedy = (
        "Leave `init=` out, so that each layer keeps the scale of its values; `batchnorm` or "
        "`layernorm` between layers; `clip = norm(1)`; `standardize` for inputs and for targets of "
        "large numbers."
    )
    explains = ("rate_too_high", "underfitting", "neglected_classes", "overfitting")

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        large = [
            name for name, records in course.layers.items()
            if (records[-1]["after"] >= DEEP or records[-1]["operator"] in RECURRENT)
            and course.relative(name, "gradient") >= LARGE
        ]  # fmt: skip
        if not large or not (course.diverged or self._begins_high(course)):
            return None
        lines = tuple(course.layers[name][-1]["line"] for name in large)
        told = [f"`{n}` (line {course.layers[n][-1]['line']}) {number(course.relative(n, 'gradient'))} times"
                for n in large]  # fmt: skip
        evidence = f"the gradients are far larger than the weights that they change: of {listed(told)}"
        train = course.curve("train")
        if course.diverged:
            evidence += "; the training diverged"
        elif train:
            evidence += f"; the training loss began at {number(train[0])}"
        ways = []
        if any(f"init={node.operator.init!r}" for node in course.nodes()
               if getattr(node.operator, "init", None) is not None):  # fmt: skip
            ways.append("leave `init=` out, so that layers keep the scale of values")
        if not course.uses("batchnorm", "layernorm", "rmsnorm"):
            ways.append("`layernorm` between the layers")
        if course.phase is None or not any(o.clip for o in course.phase.objectives):
            ways.append("`clip = norm(1)`")
        return self.told(course, evidence, ", ".join(ways) or "a smaller learning rate", lines)

    @staticmethod
    def _begins_high(course: Course) -> bool:
        train, usual = course.curve("train"), course.constant_loss
        return bool(train) and not isnan(usual) and isfinite(train[0]) and train[0] >= TIMES * usual


class VanishingGradients(Kind):
    """The gradient becomes smaller with each layer on its way back, so that the first layers learn
    nothing."""

    name, title = "vanishing_gradients", "vanishing gradients"
    rule = (
        f"The gradient of a layer that {DEEP} layers follow is below {SMALL} of what it is in the last "
        f"layer after it, each relative to its weights, or below {TINY} of its weights, in half of the "
        f"epochs that were looked at, and the training rows are not learnt (skill below {POOR})."
    )
    remedy = (
        "`relu` or `gelu` in place of `sigmoid` and `tanh`; `batchnorm` or `layernorm` between layers; "
        "`residual` around layers of one width; no `init=` with small numbers."
    )
    explains = ("rate_too_low", "underfitting", "neglected_classes")

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        if not course.learnt < POOR or course.diverged:
            return None
        small = [name for name in course.layers if self._vanishes(course, name)]
        if not small:
            return None
        first = course.layers[small[0]][-1]
        own = course.relative(small[0], "gradient")
        evidence = f"the gradient of `{small[0]}` (line {first['line']}) is {number(own)} of its weights"
        if first["last"] in course.layers:
            last = course.layers[first["last"]][-1]
            after = course.relative(first["last"], "gradient")
            evidence += f", and that of `{last['name']}` (line {last['line']}), {first['after']} layers " \
                        f"later, {number(after)}"  # fmt: skip
        lines = tuple(course.layers[name][-1]["line"] for name in small)
        return self.told(course, evidence, self._fix(course), lines)

    @staticmethod
    def _vanishes(course: Course, name: str) -> bool:
        record, own = course.layers[name][-1], course.relative(name, "gradient")
        if record["after"] < DEEP or record["operator"] == "embedding" or not own > 0:
            return False
        last = course.relative(record["last"], "gradient") if record["last"] in course.layers else 0.0
        return own < TINY or own < SMALL * last

    @staticmethod
    def _fix(course: Course) -> str:
        ways = []
        flat = [name for name in ("sigmoid", "tanh", "softsign", "hard_sigmoid") if course.uses(name)]
        if flat:
            ways.append(f"`relu` in place of `{flat[0]}`")
        if any(getattr(node.operator, "init", None) is not None for node in course.nodes()):
            ways.append("leave `init=` out")
        if not flat and not course.uses("batchnorm", "layernorm", "rmsnorm"):
            ways.append("`layernorm` between the layers")
        return ", ".join([*ways, "`residual(...)` around layers of one width"])
