"""The records of a run as a diagnosis needs them. A run folder may come from a stranger: what is not as dlc
writes it is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMES = ("name", "operator", "last")
Record = dict[str, Any]


def epochs(records: Sequence[Any]) -> list[Record]:
    """The records of epochs."""
    return [r for r in records if is_count(r.get("epoch")) and is_text(r.get("phase", ""))
            and figures(r.get("train")) and figures(r.get("validation"))]  # fmt: skip


def statistics(records: Sequence[Any]) -> list[Record]:
    """The records of statistics, without weights and units that are not whole."""
    found = []
    for record in records:
        weights, units = record.get("weights", []), record.get("units", [])
        if not is_count(record.get("epoch")) or not isinstance(weights, list) or not isinstance(units, list):
            continue
        own = {"weights": list(filter(is_weight, weights)), "units": list(filter(is_units, units))}
        counts = {n: record[n] if is_count(record.get(n)) else 0 for n in ("rows", "training_rows")}
        found.append({**record, **own, **counts})
    return [record for record in found if is_text(record.get("phase", ""))]


def answers(found: Mapping[str, Any]) -> dict[str, dict[str, Record]]:
    """The counts of answers, by part and output."""
    parts = {part: of for part, of in found.items() if isinstance(of, dict)}
    return {
        part: {output: counts for output, counts in of.items() if is_counts(counts)}
        for part, of in parts.items()
    }


def is_weight(weight: Any) -> bool:
    known = isinstance(weight, dict) and all(isinstance(weight.get(name), str) for name in NAMES)
    return known and is_count(weight.get("line")) and is_count(weight.get("after")) and all(
        weight.get(name) is None or is_number(weight[name]) for name in ("norm", "gradient", "update")
    )  # fmt: skip


def is_units(units: Any) -> bool:
    known = isinstance(units, dict) and all(isinstance(units.get(name), str) for name in NAMES[:2])
    return known and all(is_count(units.get(name)) for name in ("line", "units")) and all(
        is_count(units.get(name, 0)) for name in ("dead", "saturated")
    )  # fmt: skip


def is_counts(counts: Any) -> bool:
    if not isinstance(counts, dict):
        return False
    if "right" not in counts:
        return is_count(counts.get("rows")) and all(
            counts.get(name) is None or is_number(counts[name]) for name in ("variance", "error", "mean")
        )
    lists: list[Any] = [counts.get(name) for name in ("labels", "rows", "right")]
    whole = all(isinstance(of, list) for of in lists) and len({len(of) for of in lists}) == 1
    return whole and all(is_count(n) for of in lists[1:] for n in of)


def figures(of: Any) -> bool:
    """Whether these are figures by name, some of which may be missing."""
    return isinstance(of, dict) and all(x is None or is_number(x) for x in of.values())


def is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def is_count(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x >= 0


def is_text(x: Any) -> bool:
    return isinstance(x, str)
