"""Units that are dead or saturated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dlc.runtime.diagnosis.kinds import Kind, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.diagnosis.course import Course
    from dlc.runtime.diagnosis.kinds import Finding

MOST = 0.5  # of the units of an activation
ROWS = 30  # rows that have to agree
FEWEST = 4  # units of a layer


class FlatUnits(Kind):
    """Units whose activation is flat for all rows."""

    key: ClassVar[str]  # "dead" or "saturated"
    flat: ClassVar[str]  # what they do, for a sentence

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        flat, record = self.among(course), course.units
        if not flat or record is None:
            return None
        told = [f"{units[self.key]} of {units['units']} units of `{units['name']}` (line {units['line']})"
                for units in flat]  # fmt: skip
        evidence = f"{listed(told)} {self.flat} for {rows_of(record)}, after epoch {record['epoch']}"
        return self.told(course, evidence, self.fix(course, found, flat), tuple(u["line"] for u in flat))

    def among(self, course: Course) -> list[Any]:
        """The units that are flat at the end of the training."""
        if course.units is None or course.units["rows"] < ROWS:
            return []
        return [units for units in course.units["units"] if self._flat(units)]

    def _flat(self, units: Mapping[str, Any]) -> bool:
        return units["units"] >= FEWEST and units.get(self.key, 0) >= MOST * units["units"]

    def fix(self, course: Course, found: Mapping[str, Finding], flat: list[Any]) -> str:
        raise NotImplementedError


class DeadUnits(FlatUnits):
    """Units of `relu` and its like that are 0 for every row: no gradient flows through them, so they stay
    so."""

    name, title, key = "dead_units", "dead units", "dead"
    flat = "are 0"
    rule = (
        "Half of the units of an activation or more are 0 (for `relu6`, 0 or 6) for each of at least "
        f"{ROWS} training rows at the end of the training."
    )
    remedy = (
        "`standardize` for the inputs; a smaller rate, if a few large steps threw them there; "
        "`leaky_relu` or `gelu` in place of `relu`, or `batchnorm` before the activation."
    )
    explains = ("underfitting", "neglected_classes", "rate_too_low", "vanishing_gradients")

    def fix(self, course: Course, found: Mapping[str, Finding], flat: list[Any]) -> str:
        ways = ["`standardize` for the inputs"] if course.takes_raw_numbers else []
        if "rate_too_high" in found:
            ways.insert(0, course.with_rate(0.1))
        ways.append(f"`leaky_relu` in place of `{flat[0]['operator']}` in line {flat[0]['line']}")
        if not course.uses("batchnorm", "layernorm", "rmsnorm"):
            ways.append("`layernorm` before it")
        return ", ".join(ways)


class SaturatedUnits(FlatUnits):
    """Units of `sigmoid`, `tanh` and their like that are at the ends of their range for nearly every row:
    hardly any gradient flows through them, so what comes before them learns nothing."""

    name, title, key = "saturated_units", "saturated units", "saturated"
    flat = "are at the ends of their range"
    rule = (
        "Half of the units of an activation or more are within 1 % of the ends of their range, in nine "
        f"of ten values, for at least {ROWS} training rows at the end of the training."
    )
    remedy = (
        "`standardize` for inputs of large numbers; `layernorm` or `batchnorm` before the activation; "
        "no `init=` with large numbers; a smaller rate."
    )
    explains = ("underfitting", "neglected_classes", "rate_too_low", "vanishing_gradients")

    def fix(self, course: Course, found: Mapping[str, Finding], flat: list[Any]) -> str:
        ways = []
        if not course.uses("standardize", "minmax"):
            ways.append("`standardize` for the inputs")
        if any(getattr(node.operator, "init", None) is not None for node in course.nodes()):
            ways.append("leave `init=` out")
        if not course.uses("batchnorm", "layernorm", "rmsnorm"):
            ways.append(f"`layernorm` before `{flat[0]['operator']}` in line {flat[0]['line']}")
        return ", ".join(ways) or course.with_rate(0.1)


def rows_of(record: Mapping[str, Any]) -> str:
    """The rows of a record of units: `33 of the 106 training rows`, or all of them."""
    if not record["training_rows"] or record["training_rows"] < record["rows"]:
        return f"each of {record['rows']} training rows"
    if record["training_rows"] == record["rows"]:
        return f"all {record['rows']} training rows"
    return f"each of {record['rows']} of the {record['training_rows']} training rows"
