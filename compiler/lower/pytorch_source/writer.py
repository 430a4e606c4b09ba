"""Writes frames: their modules, and their nodes as statements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.python_code import Code, call, text
from dlc.compiler.lower.pytorch_source.body import Body, Shared
from dlc.compiler.lower.pytorch_source.frames import BlockFrame, Copies, nodes_of, numbered_name
from dlc.compiler.lower.pytorch_source.loops import as_loop
from dlc.compiler.lower.pytorch_source.statements import EvalReturn, Loop, local
from dlc.compiler.lower.symbolic import (
    BodyRecorder,
    Let,
    Local,
    Recorder,
    Symbol,
    Untraceable,
    expanded,
)
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dlc.compiler.ir.graph import Node


class NotEmitted(Exception):
    """A node that has no plain PyTorch, and why."""

    def __init__(self, node: Node, why: str):
        super().__init__(why)
        self.node = node


class Writer(Body):
    """Writes the items of a frame into the body."""

    def write_items(self, items: Iterable[Any]) -> None:
        for item in items:
            try:
                if isinstance(item, BlockFrame):
                    self.write_frame(item)
                elif isinstance(item, Copies):
                    self.write_copies(item)
                else:
                    self.write_node(item)
            except Untraceable as error:
                raise NotEmitted(nodes_of([item])[0], str(error)) from None

    def write_copies(self, copies: Copies) -> None:
        """The copies of a `repeat`: as a loop, or one by one."""
        before, writers = len(self.shared.frames), []
        for items in copies.copies:
            writers.append(Writer(self.shared, self.frame))
            writers[-1].write_items(items)
        loop = as_loop(self, writers, copies) if len(writers) > 1 else None
        if loop is None:
            del self.shared.frames[before:]  # they are written again
            for items in copies.copies:
                self.write_items(items)
            return
        for inner in writers:
            self.members.update(inner.members)
        self.body.append(loop)

    def write_frame(self, frame: BlockFrame) -> None:
        write(self.shared, frame)
        arguments = [self.code(key) for key in frame.params.values()]
        if frame.what == "net" and frame.has_weights:
            name = frame.prefix[:-1]
            self.shared.nets.setdefault(name, frame)
            function = self.code(("net", name))
        else:
            name = frame.prefix[len(self.frame.prefix) : -1]
            function = self.member_for(name, Code("make", frame), frame.has_weights)
        made = leaving(self.shared, frame)
        targets = tuple(Local(hint=self.hint(frame, value, len(made))) for value in made)
        self.body.append(Let(targets, call(function, *arguments), ends=True))
        for value, target in zip(made, targets, strict=True):
            self.give(value, local(target))

    def hint(self, frame: BlockFrame, value: Value, count: int) -> str:
        """What the spec calls a result; targets that follow an augmentation keep their names."""
        if frame.what == "operator" and value is not frame.nodes[0].results[0]:
            partner = frame.operator.mixes_targets
            return value.name.replace(".", "_") if partner else value.name.split(".")[0]
        return self.hints.get(value, "") if count == 1 else ""

    def member_for(self, name: str, made: Code, owns: bool) -> Code:
        """A module of the class under its name. Those without weights may be shared, or have another name."""
        attr, place, key = name, 1, made.key(self.shared.key)
        if owns and name in self.members:
            raise Untraceable("its block is used by the network and by the loss, each with weights of it")
        while attr in self.members and self.members[attr].key(self.shared.key) != key:
            place += 1
            attr = f"{name}_{place}"
        self.members[attr] = made
        return Code("member", attr)

    def write_node(self, node: Node) -> None:
        operator, start = node.operator, len(self.body)
        constant = operator.constant()
        if constant is not None and not isinstance(constant, tuple):
            self.env[node.results[0]] = self.F.constant_of(constant)
            return
        made = self.run_node(node)
        if made is None:
            return
        for value, symbol in zip(node.results, as_list(made, len(node.results)), strict=True):
            code = symbol._code if isinstance(symbol, Symbol) else self.F.constant_of(symbol)._code
            self.give(value, code)
            if code.kind == "local" and not code.value.hint:
                code.value.hint = self.hints.get(value, "")
        by_sign = operator.symbol and operator.broadcasts
        joins = bool(operator.follows or by_sign or operator.family == "loss")
        for place, let in enumerate(self.body[start:], start):
            if isinstance(let, Let):
                ends = let.ends or (place == len(self.body) - 1 and not operator.glue)
                self.body[place] = replace(let, ends=ends, joins=joins)

    def run_node(self, node: Node) -> Any:
        """What a node makes, by a module of torch.nn or by its PyTorch form; none if a class of its own is
        called for it."""
        operator, spelled, owner = node.operator, self.shared.operator_of(node), owner_of(node)
        own_class = self.frame.what == "operator"
        module = None if own_class or (node.weights and not owner) else module_of(node)
        differs = spelled.inference() is not spelled or spelled is not operator
        if module is None and not own_class and (owner or differs):
            frame = BlockFrame(
                "operator", spelled.name, f"{owner or self.frame.prefix + spelled.name}.", [node]
            )
            frame.operator = spelled
            self.write_frame(frame)
            return None
        flowing, given = operator.split([self.value(v) for v in node.operands])
        if module is not None:
            attr = owner[len(self.frame.prefix) :] if owner else operator.name
            function = Symbol(self.F, self.member_for(attr, module, bool(owner)))
            return operator.call(self.F, function, *flowing, **given)
        weights = {leaf: self.value(v) for leaf, v in node.weights.items()}
        if differs:
            returned = self.at_inference(node, flowing, weights, given)
            read = leaving(self.shared, self.frame)
            kept = (c for c, value in zip(returned, node.results, strict=True) if value in read)
            self.body.append(EvalReturn(tuple(kept)))
        return operator.torch(self.F, *flowing, **weights, **given)

    def at_inference(
        self,
        node: Node,
        flowing: Sequence[Symbol],
        weights: Mapping[str, Symbol],
        given: Mapping[str, Symbol],
    ) -> list[Code]:
        """What a node makes at inference, without statements; targets that follow it stay as they are."""
        spelled, recorder = self.shared.operator_of(node), BodyRecorder(self.env)
        instead = spelled.inference()
        if spelled is not node.operator:
            share = [self.F.constant_of(1.0)] if spelled.mixes_targets else []
            made: Any = [flowing[0], *share, *flowing[1:]]
        elif instead.identity:
            made = flowing[0]
        else:
            bound = instead.bind(*spelled.operands_for(instead, spelled.operands))
            kept = {name: given[name] for name in instead.given}
            made = bound.torch(recorder, *flowing[: len(bound.positional)], **weights, **kept)
        return [expanded(each._code, recorder.statements) for each in as_list(made, len(node.results))]


def as_list(made: Any, count: int) -> list[Any]:
    if count == 1:
        return [made[0] if isinstance(made, (tuple, list)) else made]
    return [made[place] for place in range(count)]


def leaving(shared: Shared, frame: BlockFrame) -> list[Value]:
    """The values of a frame that are read outside of it."""
    inside = set(frame.nodes)
    made = (value for node in frame.nodes for value in node.results)
    return [value for value in made if shared.is_read_outside(value, inside)]


def write(shared: Shared, frame: BlockFrame) -> None:
    """Write the frame of a block, a net or an operator."""
    writer = Writer(shared, frame)
    read = {value for node in frame.nodes for value in node.reads}
    for value in frame.given_tensors:
        if value in read:
            writer.value(value)
    writer.write_items(frame.items())
    finish(writer, leaving(shared, frame))


def finish(writer: Writer, returned: Iterable[Value]) -> None:
    """Fill in a frame what its writer has written."""
    frame = writer.frame
    frame.returns = [writer.code(value) for value in returned]
    frame.params = {target: key for key, target in writer.params.items()}
    frame.members, frame.body = writer.members, writer.body
    frame.lists = lists_of(frame)
    writer.shared.add(frame)


def lists_of(frame: BlockFrame) -> set[str]:
    """The modules that stand in lists: those that loops run over at least half of."""
    looped: dict[str, int] = {}
    for loop in (statement for statement in frame.body if isinstance(statement, Loop)):
        for _, base, *_ in loop.members:
            looped[base] = looped.get(base, 0) + loop.copies
    alike = {base: sum(numbered_name(attr)[0] == base for attr in frame.members) for base in looped}
    return {base for base, count in looped.items() if 2 * count >= alike[base]}


def own_leaves(node: Node) -> list[str]:
    """The weights that are the node's own, and not given by a setting."""
    settings = node.operator.values()
    return [leaf for leaf in node.weights if not isinstance(settings.get(leaf), Tensor)]


def owner_of(node: Node) -> str:
    """What the node's own weights are named after, as `group.conv_2`."""
    own = own_leaves(node)
    return node.weights[own[0]].name[: -len(own[0]) - 1] if own else ""


def module_of(node: Node) -> Code | None:
    """The module of torch.nn that computes the node with the weights that it owns."""
    if len(node.weights) != len(own_leaves(node)):
        return None
    recorder = Recorder()
    made = node.operator.module(Symbol(recorder, text("nn")))
    return None if made is None else recorder.statements[-1].code
