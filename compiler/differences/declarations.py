"""What differs between the params, inputs, outputs and average nets that two programs declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dlc.compiler import syntax
from dlc.compiler.definitions.definition import spell_value
from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.differences.difference import Change, Difference, both
from dlc.compiler.differences.values import comparable, spelled
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.parse.parser import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlc.compiler.differences.matching import Matching
    from dlc.compiler.ir.graph import Output
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor


def params(a: CompiledProgram, b: CompiledProgram) -> Iterator[Difference]:
    mine, others = ({n: spell_value(v) for n, v in program.params.items()} for program in (a, b))
    if mine != others:
        places = param_places(a), param_places(b)
        for name in {**mine, **others}:
            before, after = mine.get(name, ""), others.get(name, "")
            if before != after:
                yield Difference(
                    "param", name, before, after, places[0].get(name, ""), places[1].get(name, "")
                )


def param_places(program: CompiledProgram) -> dict[str, str]:
    """Where each param of the file is declared."""
    body = parse(program.source, Problems()).body
    return {s.name.id: s.name.span.place for s in body if isinstance(s, syntax.Param)}


def inputs(a: CompiledProgram, b: CompiledProgram) -> Iterator[Difference]:
    mine, others = ({i.name: i for i in program.inputs} for program in (a, b))
    for name in {**mine, **others}:
        first, second = mine.get(name), others.get(name)
        changes = [*of_types(first.declared, second.declared)] if first and second else []
        if changes or first is None or second is None:
            types = both(lambda i: spell_classes(i.declared), first, second)
            places = both(lambda i: i.site.place, first, second)
            yield Difference("input", name, *types, *places, tuple(changes))
    yield from order("input", mine, others)


def outputs(a: CompiledProgram, b: CompiledProgram, matching: Matching) -> Iterator[Difference]:
    mine, others = ({o.name: o for o in program.outputs} for program in (a, b))
    for name in {**mine, **others}:
        first, second = mine.get(name), others.get(name)
        changes = [*of_outputs(first, second, matching)] if first and second else []
        if changes or first is None or second is None:
            types = both(lambda o: spell_classes(o.declared), first, second)
            places = both(lambda o: o.site.place, first, second)
            yield Difference("output", name, *types, *places, tuple(changes))
    yield from order("output", mine, others)


def order(
    kind: Literal["input", "output"], mine: Iterable[str], others: Iterable[str]
) -> Iterator[Difference]:
    """The order of what both declare: columns without names fill fields in it, and artifacts have it."""
    first, second = [*mine], [*others]
    before, after = [n for n in first if n in second], [n for n in second if n in first]
    if before != after:
        yield Difference(kind, "order", *both(", ".join, before, after))


def of_outputs(a: Output, b: Output, matching: Matching) -> Iterator[Change]:
    yield from of_types(a.declared, b.declared)
    if a.target != b.target:
        yield Change("target", a.target, b.target)
    for what, before, after in (("reads", a.flowed, b.flowed), ("scores", a.scores, b.scores)):
        if not matching.same_origin(before, after):
            yield Change(what, before.name, after.name)


def of_types(a: Tensor, b: Tensor) -> Iterator[Change]:
    """The changes of a type, and the classes that one of both has."""
    before, after = spell_classes(a), spell_classes(b)
    if before != after:
        yield Change("type", before, after)
    classes = [x.classes for x in (a, b)]
    if classes[0] != classes[1] and all(c is not None and isinstance(c.count, int) for c in classes):
        labels = [c.texts if c else () for c in classes]
        only = [[text for text in labels[n] if text not in set(labels[1 - n])] for n in (0, 1)]
        if any(only):
            yield Change("classes", *both(lambda texts: listed(texts, "{}"), *only))
        elif before == after:
            yield Change("order of classes", *both(lambda texts: listed(texts, "{}"), *labels))
    if a.missing != b.missing:
        yield Change("missing values", *both(lambda x: "replaced" if x.missing else "not allowed", a, b))
    if a.blank != b.blank:
        yield Change("decoded from frames", *both(lambda x: spell_value(x.blank), a, b))


def nets(a: CompiledProgram, b: CompiledProgram) -> Iterator[Difference]:
    """Average nets."""
    for name in {**a.averages, **b.averages}:
        first, second = a.averages.get(name), b.averages.get(name)
        if comparable(first, {}) != comparable(second, {}):
            places = both(lambda average: average.span.place, first, second)
            yield Difference("net", name, *both(spelled, first, second), *places)
