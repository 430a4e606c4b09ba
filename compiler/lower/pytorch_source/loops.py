"""Writes the copies of a `repeat` as a loop if their code is equal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.names import UniqueNames
from dlc.compiler.lower.python_code import Code
from dlc.compiler.lower.pytorch_source.frames import nodes_of, numbered_name
from dlc.compiler.lower.pytorch_source.statements import ForLoop, ValueNumbers, local, mapped
from dlc.compiler.lower.symbolic import Local

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Value
    from dlc.compiler.lower.pytorch_source.body import Body
    from dlc.compiler.lower.pytorch_source.frames import Copies

Entries = dict[str, tuple[str, int]]  # the list of each module, and its index there


def as_loop(outer: Body, writers: list[Body], copies: Copies) -> ForLoop | None:
    """The loop that is equivalent to the copies. None if they differ in more than their modules, or if a copy
    has more than one result, or a result that is not read by the next copy alone."""
    reads = [list(writer.params) for writer in writers]
    live_out = [outer.shared.live_out(nodes_of(items)) for items in copies.copies]
    names = entries(writers)
    if names is None or any(len(values) != 1 for values in live_out) or len({*map(len, reads)}) > 1:
        return None
    results = [values[0] for values in live_out]
    varying = [i for i, keys in enumerate(zip(*reads, strict=True)) if len({*keys}) > 1]
    if len(varying) != 1 or [keys[varying[0]] for keys in reads[1:]] != results[:-1]:
        return None
    if not are_read_only_by_next(outer, copies, results):
        return None
    if len({body_key(*each) for each in zip(writers, results, names, strict=True)}) > 1:
        return None
    first, initial = writers[0], reads[0][varying[0]]
    carried, target = Local(), Local(hint=outer.hints.get(results[-1], ""))
    labels, members = labelled(names[0])
    outside = {first.params[key]: outer.code(key) for key in reads[0]}
    outside[first.params[initial]] = local(carried)

    def change(code: Code) -> Code | None:
        if code.kind == "member" and code.value in labels:
            return Code("entry", labels[code.value])
        return outside.get(code.value) if code.kind == "local" else None

    body, update = tuple(mapped(s, change) for s in first.body), first.code(results[0]).mapped(change)
    outer.bind(results[-1], local(target))
    return ForLoop(len(writers), members, target, carried, outer.code(initial), update, body)


def are_read_only_by_next(outer: Body, copies: Copies, results: list[Value]) -> bool:
    inside = [set(nodes_of(items)) for items in copies.copies]
    pairs = zip(results, inside, inside[1:], strict=False)
    return not any(outer.shared.is_read_outside(value, one | other) for value, one, other in pairs)


def entries(writers: list[Body]) -> list[Entries] | None:
    """For each copy, the list indices of its modules. None if they do not have a constant stride."""
    common = set.intersection(*(set(writer.members) for writer in writers))
    found = [{a: numbered_name(a) for a in writer.members if a not in common} for writer in writers]
    first = list(found[0].values())
    step = Counter(base for base, _ in first)
    for index, own in enumerate(found):
        if list(own.values()) != [(base, start + index * step[base]) for base, start in first]:
            return None
    return found


def labelled(first: Entries) -> tuple[dict[str, str], tuple[tuple[str, str, int, int], ...]]:
    """The loop variables for the modules of a copy, and the lists that the loop iterates over."""
    step, free = Counter(base for base, _ in first.values()), UniqueNames()
    labels = {attr: free.claim(base) for attr, (base, _) in first.items()}
    return labels, tuple((labels[attr], base, start, step[base]) for attr, (base, start) in first.items())


def body_key(writer: Body, result: Value, names: Entries) -> Any:
    """A key of the statements of a copy; copies with equal code share it."""
    order = {attr: index for index, attr in enumerate(names)}

    def of(code: Code) -> Any:
        if code.kind == "member" and code.value in order:
            return "member", order[code.value]
        return writer.shared.key(code)

    seen = ValueNumbers(list(writer.params.values()), of)
    return seen.keys(writer.body), seen.codes([writer.code(result)])
