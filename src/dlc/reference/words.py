"""Every word of the language with what there is to say of it, and the groups in which they are listed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import dlc.compiler.definitions.sections
import dlc.compiler.operators
import dlc.compiler.training.train_section  # noqa: F401  all three define words
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

# Operators by their group. One that is not named here is listed under its own name.
OPERATORS = {
    "layers": "Layers", "embedding": "Classes", "convolution": "Convolutions",
    "normalization": "Normalization", "activations": "Activations", "pooling": "Pooling",
    "resampling": "Resampling", "shape": "Shapes",
    "concat": "Concatenation and splitting", "elementwise": "Mathematics", "reductions": "Reductions",
    "regularization": "Training only", "fitted": "Fitted to the training rows",
}  # fmt: skip
# The headings of the other families.
FAMILIES = {
    "combinator": "Combinators", "loss": "Losses", "optimizer": "Optimizers", "schedule": "Schedules",
    "regularizer": "Regularizers", "clip": "Clipping", "stopping": "Early stopping",
    "weights": "Trained weights", "metric": "Metrics", "initial": "Initial values", "source": "Sources",
    "field": "Fields", "section": "Sections",
}  # fmt: skip
SIGNS, BLOCKS = "Signs", "Blocks of std"
BLOCK = re.compile(r"((?:^#.*\n)+)^(?:block|net) (\w+)(\(.*\)) \{\n(?:.*\n)*?^\}\n", re.MULTILINE)


@record
class Word:
    """A word, what kind of thing it is, the heading it is listed under, and a sentence on it."""

    name: str  # as a spec writes it
    what: str
    heading: str
    summary: str
    of: Any  # a definition, or a `Key`, a `ShippedBlock` or an `Entry`
    page: str  # the name of its page
    where: str = ""  # where a spec writes it, if that is a setting


@record
class Key:
    """A setting of a section."""

    section: type[Definition]
    setting: Setting


@record
class ShippedBlock:
    """A block that comes with dlc, and its text."""

    name: str
    summary: str
    text: str


def words() -> list[Word]:
    """All words in the order of the lists."""
    flow = [*operators(), *defined("combinator", "loss"), *signs()]
    return [*flow, *written(), *defined(*others()), *blocks()]


def find(name: str) -> list[Word]:
    """What is meant by a name, settings of sections too, as `batch` or `train.batch`; several share some
    names."""
    named = [word for word in (*words(), *keys()) if word.name == name]
    return named or [word for word in keys() if f"{word.page}.{word.name}" == name]


def settings(name: str | None = None) -> list[tuple[type[Definition], Setting]]:
    """The settings of that name, as `kernel` or `conv.kernel`, with what has them; all if none is given."""
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


def signs() -> Iterator[Word]:
    for d in family("operator").values():
        if issubclass(d, Operator) and d.symbol:
            yield Word(d.symbol, "a sign", SIGNS, signatures.summary(d), d, d.name)


def others() -> list[str]:
    """Families that do not stand in a flow; those not named above come last."""
    listed = [f for f in FAMILIES if f not in ("combinator", "loss")]
    return [*listed, *(f for f in Definition.families if f not in (*FAMILIES, "operator"))]


def defined(*families: str) -> Iterator[Word]:
    for of in families:
        heading = FAMILIES.get(of, of.capitalize())
        for d in family(of).values():
            yield Word(d.name, Definition.spoken[of], heading, signatures.summary(d), d, d.name, where(of))


def written() -> Iterator[Word]:
    for entry in entries():
        for name in entry.names:
            yield Word(name, entry.what, entry.heading, entry.text[0], entry, entry.page)


def keys() -> Iterator[Word]:
    for name, section in family("section").items():
        for setting in section.settings.values():
            what = f"a setting of `{name}`"
            yield Word(setting.name, what, "Sections", f"{setting.doc}.", Key(section, setting), name)


def blocks() -> Iterator[Word]:
    for match in BLOCK.finditer(reading.shipped(reading.__file__, "std.dl")):
        comment = " ".join(line.lstrip("# ") for line in match[1].splitlines())
        block = ShippedBlock(match[2], comment, match[0][len(match[1]) :])
        yield Word(block.name, "a block of `std`", BLOCKS, comment, block, block.name)


def link(heading: str) -> str:
    """Where in the reference a heading stands."""
    return f"[{heading}](../reference.md#{heading.lower().replace(' ', '-')})"


def where(of: str) -> str:
    """Where a spec writes a member of a family: "`optimizer` in `train`"."""
    found = {"initial": "`init=` of a layer, and what a declared `weight` begins with",
             "field": "`FIELD = ...` in `data`, for an input or target of that name",
             "loss": "`loss` in `train`"}  # fmt: skip
    return found.get(of) or " and ".join(f"`{key}` in `{section}`" for section, key in places(of))
