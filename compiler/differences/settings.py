"""What differs between the settings of two programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.sections import Data
from dlc.compiler.differences.difference import Difference, both
from dlc.compiler.differences.values import comparable, spelled
from dlc.compiler.training.figures import Measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.ir.graph import Value
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.figures import Expectation
    from dlc.compiler.training.minimization import Minimization

Held = tuple[Any, Any]  # a definition and the value of one of its settings


class SettingDifferences:
    """The differences of the sections of two programs. `matched` are the values of the second by those of
    the first."""

    def __init__(self, a: CompiledProgram, b: CompiledProgram, matched: Mapping[Value, Value]) -> None:
        self.a, self.b, self.matched = a, b, matched

    def all(self) -> Iterator[Difference]:
        yield from self.of_data()
        yield from self.of_train(self.a.train, self.b.train, "train")
        yield from self.between("export", self.a.export, self.b.export, self.b.export.settings)
        yield from expectations(self.a.expectations, self.b.expectations)

    def of_data(self) -> Iterator[Difference]:
        a, b = self.a.data, self.b.data
        if a is None and b is None:
            return
        yield from self.between("data", a, b, Data.settings)
        mine, others = (data.fields if data else {} for data in (a, b))
        for name in {**mine, **others}:
            yield from self.of_value(f"data.{name}", (a, mine.get(name)), (b, others.get(name)), name)

    def of_train(self, a: Any, b: Any, path: str) -> Iterator[Difference]:
        """The differences of `train`, of a phase or of a step, and of those within. Where it stands in
        another section, only what is written in it counts."""
        keys = [k for k in (a or b).settings if k != "loss"]
        if path != "train":
            keys = [k for k in keys if any(s is not None and s.own(k) for s in (a, b))]
            before, after = both(section_title, a, b)
            if before != after:
                yield Difference("setting", path, before, after, *both(place_of, a, b))
        yield from self.between(path, a, b, keys)
        for inner in ("turns", "phases"):
            mine, others = ({name_of(s): s for s in getattr(section, inner, ())} for section in (a, b))
            for name in {**mine, **others}:
                yield from self.of_train(mine.get(name), others.get(name), f"{path}.{name}")
            before, after = [n for n in mine if n in others], [n for n in others if n in mine]
            if before != after:
                yield Difference("setting", f"{path}, order", *both(", ".join, before, after))

    def between(self, path: str, a: Any, b: Any, keys: Iterable[str]) -> Iterator[Difference]:
        """The differences of two definitions, of which one may be missing, in these settings."""
        for key in keys:
            before, after = (getattr(definition, key, None) for definition in (a, b))
            yield from self.of_value(f"{path}.{key}", (a, before), (b, after), key)

    def of_value(self, path: str, a: Held, b: Held, key: str) -> Iterator[Difference]:
        """The differences of two values of a setting, each with the definition that has it; of each setting
        of the values, if these have the same name."""
        (first, before), (second, after) = a, b
        if comparable(before, self.matched) == comparable(after, {}):
            return
        if all(isinstance(value, tuple) and len(value) == 1 for value in (before, after)):
            (before,), (after,) = before, after
        if isinstance(before, Definition) and type(before) is type(after):
            yield from self.between(path, before, after, before.settings)
            return
        texts = text_of(first, key, before), text_of(second, key, after)
        yield Difference("setting", path, *texts, place_of(first, key), place_of(second, key))


def text_of(definition: Any, key: str, value: Any) -> str:
    """The value of a setting as the language writes it; empty if there is no such definition, or no such
    field of the data."""
    declared = definition.settings.get(key) if definition is not None else None
    if value is None:
        return (declared.shown or "none") if declared is not None else ""
    return spelled(value)


def place_of(definition: Any, key: str = "") -> str:
    """Where a setting is written, or the definition itself; empty for a default."""
    if definition is None:
        return ""
    span = definition.spans.get(key) if key else definition.span
    return span.place if span is not None else ""


def name_of(section: Any) -> str:
    return section.step or section.phase


def section_title(section: Any) -> str:
    """`phase classify`, `step critic, generator`."""
    return f"step {', '.join(section.named)}" if section.step else f"phase {section.phase}"


def expectations(a: Sequence[Expectation], b: Sequence[Expectation]) -> Iterator[Difference]:
    """The differences of `expect`. Comparisons of the same measure belong together."""
    mine, others = ({" ".join(e.text.split()): e for e in found} for found in (a, b))
    gone = [text for text in mine if text not in others]
    new = [text for text in others if text not in mine]
    for text in gone:
        measured = subject(mine[text])
        same = next((t for t in new if subject(others[t]) == measured), None)
        if same is None:
            yield Difference("expect", measured, text, "", mine[text].span.place)
            continue
        new.remove(same)
        yield Difference("expect", measured, text, same, mine[text].span.place, others[same].span.place)
    yield from (Difference("expect", subject(others[t]), "", t, "", others[t].span.place) for t in new)


def subject(expectation: Expectation) -> str:
    """What a comparison measures."""
    sides = (expectation.left, expectation.right)
    return next((side.path for side in sides if isinstance(side, Measure)), expectation.text)


def loss_text(settings: Minimization) -> str:
    """The loss as written."""
    span = settings.spans.get("loss")
    return " ".join(span.text.split()) if span is not None else "implied by the outputs"
