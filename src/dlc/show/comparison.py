"""What differs between two specs, runs or artifacts, as text."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

from dlc.compiler.passes.cost import spell
from dlc.show.columns import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dlc.compared import SideBySide
    from dlc.compiler.differences import Difference

LAYERS = ("layer", "loss", "weight")
# The groups of the other differences: a heading, and what each has.
DECLARED = {"param": "params", "input": "inputs", "output": "outputs", "net": "average nets"}
OTHERS = {"setting": "settings", "expect": "expect", "import": "imports"}
ARROW = " -> "
MAX_TEXT = 60  # characters of a value
MAX_NAMES = 8  # layers of which only shapes differ
# Changes of a layer that have a column of their own, or that its column `call` has.
SHAPES, PARAMETERS, TYPE_OF = "makes", "parameters", "type of "


def text(comparison: SideBySide, *, whole: bool = False) -> str:
    """The differences in groups, each a table. `whole`: with layers whose shapes alone differ."""
    found = comparison.differences
    parts = [f"{comparison.before.title}{ARROW}{comparison.after.title}"]
    if not found:
        parts.append("they do not differ in layers, shapes or settings")
    elif found[0].kind == "text":
        names = ", ".join(d.name for d in found)
        parts.append(f"only the text of {names} differs, and not what it means")
    groups = [group(found, kind, title) for kind, title in DECLARED.items()]
    groups += [layers([d for d in found if d.kind in LAYERS], whole), sizes(comparison)]
    groups += [group(found, kind, title) for kind, title in OTHERS.items()]
    groups += [facts(comparison.facts()), figures(comparison.figures())]
    return "\n\n".join([*parts, *filter(None, groups)]) + "\n"


def group(found: Iterable[Difference], kind: str, title: str) -> str:
    """The differences of one kind: a name, what it was and is, and where that is written."""
    rows = [
        (sign(d), d.name, changed(d.before, d.after), details(d), places(d)) for d in found if d.kind == kind
    ]
    return columns(("", title, "", "", ""), rows) if rows else ""


def layers(found: Sequence[Difference], whole: bool) -> str:
    """The layers, declared weights and nodes of losses. Equal differences of several layers are one row."""
    counted: dict[Difference, list[str]] = {}
    for d in found:
        if whole or not d.implied or change_of(d, PARAMETERS):
            bare = replace(d, name="", changes=tuple(c for c in d.changes if c.what != "name"))
            counted.setdefault(bare, []).append(d.name)
    rows = [layer_row(d, names) for d, names in counted.items()]
    head = ("", "layers", "", SHAPES, PARAMETERS, "", "")
    table = columns(head, rows, ()) if rows else ""
    rest = [d.name for d in found if not whole and d.implied and not change_of(d, PARAMETERS)]
    if not rest:
        return table
    shown = ", ".join(rest[:MAX_NAMES])
    more = f" and {len(rest) - MAX_NAMES} more" if len(rest) > MAX_NAMES else ""
    return f"{table}\n  what these make differs too: {shown}{more}"


def layer_row(difference: Difference, names: Sequence[str]) -> Sequence[str]:
    name = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    call = changed(difference.before, difference.after)
    return (sign(difference), name, call, change_of(difference, SHAPES), change_of(difference, PARAMETERS),
            details(difference), places(difference))  # fmt: skip


def change_of(difference: Difference, what: str) -> str:
    return next((changed(c.before, c.after) for c in difference.changes if c.what == what), "")


def details(difference: Difference) -> str:
    """The changes that no column has: those that are neither shapes nor settings of a call."""
    told = (difference.before, difference.after)
    shown = [c for c in difference.changes if c.what not in (SHAPES, PARAMETERS, "operator", "type")]
    shown = [c for c in shown if not c.what.startswith(TYPE_OF)]
    if difference.kind in LAYERS and difference.before != difference.after:
        shown = [c for c in shown if not settings_tell(c.what, told)]
    return ", ".join(f"{c.what} {changed(c.before, c.after)}" for c in shown if c.what)


def settings_tell(what: str, calls: Sequence[str]) -> bool:
    """Whether the calls show a change: of a setting, or of the initial values that a setting changes."""
    return " " not in what and what not in ("reads", "name", "net")


def sign(difference: Difference) -> str:
    if not difference.before:
        return "+"
    return "-" if not difference.after else "~"


def changed(before: str, after: str) -> str:
    """`before -> after`; the one that is there, or both as one if they are equal."""
    texts = [cut(text) for text in (before, after) if text]
    if len(texts) == 2 and texts[0] == texts[1] and before != after:
        return f"{cut(before)}{ARROW}..."
    return ARROW.join(dict.fromkeys(texts))


def cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."


def places(difference: Difference) -> str:
    """Where it is written: in the second program, or else in the first."""
    return difference.after_at or difference.before_at


def sizes(comparison: SideBySide) -> str:
    """The totals of both programs, where they differ."""
    before, after = comparison.before, comparison.after
    rows = [
        ("", what, changed(*texts))
        for what, texts in (
            ("parameters", (spell(before.parameters), spell(after.parameters))),
            ("multiply-adds", (spell(before.multiply_adds), spell(after.multiply_adds))),
        )
        if texts[0] != texts[1]
    ]
    return columns(("", "total", ""), rows) if rows else ""


def facts(found: Mapping[str, tuple[str, str]]) -> str:
    rows = [("~", name, changed(*texts)) for name, texts in found.items()]
    return columns(("", "training", ""), rows) if rows else ""


def figures(found: Mapping[str, tuple[float | None, float | None]]) -> str:
    """The figures of both sides, and by how much the second is higher."""
    rows = [(" ", name, *map(figure, pair), step(*pair)) for name, pair in found.items()]
    return columns(("", "figures", "before", "after", ""), rows, (2, 3, 4)) if rows else ""


def figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def step(before: float | None, after: float | None) -> str:
    if before is None or after is None or not isfinite(after - before):
        return ""
    return f"{after - before:+.4g}" if after != before else "="
