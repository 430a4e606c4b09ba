"""All words of the language, with their documentation, and the headings under which they are listed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import dlc.compiler.definitions.export_section
import dlc.compiler.definitions.sections
import dlc.compiler.operators
import dlc.compiler.training.seed_statistics
import dlc.compiler.training.train_section
import dlc.compiler.training.turns  # noqa: F401  these six define words
from dlc.compiler import reading
from dlc.compiler.definitions.definition import Definition, family
from dlc.compiler.operators.base import Operator
from dlc.compiler.record import record
from dlc.reference import signatures
from dlc.reference.language import entries
from dlc.reference.specs import places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.definitions.definition import Setting

# Headings of operators by their group. Other groups are listed under their own name.
OPERATORS = {
    "layers": "Layers", "embedding": "Classes", "convolution": "Convolutions",
    "normalization": "Normalization", "activations": "Activations", "pooling": "Pooling",
    "resampling": "Resampling", "shape": "Shapes", "sound": "Sound",
    "concat": "Concatenation and splitting", "elementwise": "Mathematics", "reductions": "Reductions",
    "regularization": "Training only", "fitted": "Fitted to the training rows",
}  # fmt: skip
# The headings of the other families.
FAMILIES = {
    "combinator": "Combinators", "loss": "Losses", "net": "Average nets", "optimizer": "Optimizers",
    "schedule": "Schedules", "number": "Numbers that change", "regularizer": "Regularizers",
    "clip": "Clipping", "stopping": "Early stopping", "keeping": "States that are kept",
    "weights": "Trained weights", "metric": "Metrics", "seed_statistic": "Statistics of seeds",
    "initial": "Initial values", "source": "Sources", "field": "Fields", "section": "Sections",
}  # fmt: skip
SYMBOLS, BLOCKS = "Symbols", "Blocks of std"
BLOCK = re.compile(r"((?:^#.*\n)+)^(?:block|net) (\w+)(\(.*\)) \{\n(?:.*\n)*?^\}\n", re.MULTILINE)


@record
class Word:
    """A word of the language, as it is listed."""

    name: str  # as a spec writes it
    what: str  # "an operator", "a setting of `train`"
    heading: str
    summary: str  # one sentence
    of: Any  # a definition, or a `Key`, a `ShippedBlock` or an `Entry`
    page: str  # the name of its page
    where: str = ""  # the setting that takes it, if any


@record
class Key:
    """A setting of a section."""

    section: type[Definition]
    setting: Setting


@record
class ShippedBlock:
    """A block of `std`, and its source text."""

    name: str
    summary: str
    text: str


def words() -> list[Word]:
    """All words in the order in which they are listed."""
    flow = [*operators(), *defined("combinator", "loss"), *symbols()]
    return [*flow, *language(), *defined(*others()), *blocks()]


def find(name: str) -> list[Word]:
    """The words of a name, also settings of sections, as `batch` or `train.batch`. Some names are shared."""
    named = [word for word in (*words(), *keys()) if word.name == name]
    return named or [word for word in keys() if f"{word.page}.{word.name}" == name]


def settings(name: str | None = None) -> list[tuple[type[Definition], Setting]]:
    """The settings of a name, `kernel` or `conv.kernel`, with their definitions; all without a name."""
    definitions = [word.of for word in words() if isinstance(word.of, type)]
    return [(d, setting) for d in dict.fromkeys(definitions) if d.family != "section"
            for setting in d.settings.values()
            if name in (None, setting.name, f"{d.name}.{setting.name}")]  # fmt: skip


def operators() -> Iterator[Word]:
    public = [d for d in family("operator").values() if issubclass(d, Operator) and d.public]
    groups = [*OPERATORS, *sorted({d.group for d in public} - set(OPERATORS))]
    for group in groups:
        heading = OPERATORS.get(group, group.replace("_", " ").capitalize())
        for d in public:
            if d.group == group:
                yield Word(d.name, "an operator", heading, signatures.summary(d), d, d.name)


def symbols() -> Iterator[Word]:
    for d in family("operator").values():
        if issubclass(d, Operator) and d.symbol:
            yield Word(d.symbol, "an operator symbol", SYMBOLS, signatures.summary(d), d, d.name)


def others() -> list[str]:
    """Families that are not used in a flow; those without a heading above come last."""
    listed = [f for f in FAMILIES if f not in ("combinator", "loss")]
    return [*listed, *(f for f in Definition.families if f not in (*FAMILIES, "operator"))]


def defined(*families: str) -> Iterator[Word]:
    for of in families:
        heading = FAMILIES.get(of, of.capitalize())
        for d in family(of).values():
            yield Word(d.name, Definition.spoken[of], heading, signatures.summary(d), d, d.name, where(of))


def language() -> Iterator[Word]:
    for entry in entries():
        for name in entry.names:
            yield Word(name, entry.what, entry.heading, entry.text[0], entry, entry.page)


def keys() -> Iterator[Word]:
    seen = set()
    for name, section in family("section").items():
        for setting in section.settings.values():
            if (setting.name, setting.doc) in seen:  # steps and phases have those of `train`
                continue
            seen.add((setting.name, setting.doc))
            what = f"a setting of `{name}`"
            yield Word(setting.name, what, "Sections", f"{setting.doc}.", Key(section, setting), name)


def blocks() -> Iterator[Word]:
    for match in BLOCK.finditer(reading.shipped(reading.__file__, "std.dl")):
        comment = " ".join(line.lstrip("# ") for line in match[1].splitlines())
        block = ShippedBlock(match[2], comment, match[0][len(match[1]) :])
        yield Word(block.name, "a block of `std`", BLOCKS, comment, block, block.name)


def link(heading: str) -> str:
    """A link to a heading of the reference."""
    return f"[{heading}](../reference.md#{heading.lower().replace(' ', '-')})"


def where(of: str) -> str:
    """The setting that takes a member of a family: "`optimizer` in `train`"."""
    found = {"initial": "`init=` of a layer, and the initial value of a declared `weight`",
             "field": "`FIELD = ...` in `data`, for an input or target of that name",
             "net": "`net NAME = ...`", "loss": "`loss` in `train`",
             "seed_statistic": "a side of a comparison in `expect`"}  # fmt: skip
    return found.get(of) or " and ".join(f"`{key}` in `{section}`" for section, key in places(of))
