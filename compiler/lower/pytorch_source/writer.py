"""Writes frames: their modules, and statements for their nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.python_code import Code, attribute, call, text
from dlc.compiler.lower.pytorch_source.body import Body, EmitterState
from dlc.compiler.lower.pytorch_source.frames import BlockFrame, Copies, nodes_of, numbered_name
from dlc.compiler.lower.pytorch_source.loops import as_loop
from dlc.compiler.lower.pytorch_source.statements import EvalReturn, ForLoop, local
from dlc.compiler.lower.symbolic import BodyRecorder, Let, Local, Recorder, Symbol, Untraceable, inlined
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dlc.compiler.ir.graph import Node


class NotEmitted(Exception):
    """A node cannot be written in plain PyTorch; the message is the reason."""

    def __init__(self, node: Node, why: str):
        super().__init__(why)
        self.node = node


class Writer(Body):
    """Writes the items of a frame into its body."""

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
        """Write the copies of a `repeat`, as a loop if possible, else one after the other."""
        before, writers = len(self.shared.frames), []
        for items in copies.copies:
            writers.append(Writer(self.shared, self.frame))
            writers[-1].write_items(items)
        loop = as_loop(self, writers, copies) if len(writers) > 1 else None
        if loop is None:
            del self.shared.frames[before:]  # the copies are written again below
            for items in copies.copies:
                self.write_items(items)
            return
        for inner in writers:
            self.members.update(inner.members)
        self.body.append(loop)

    def write_frame(self, frame: BlockFrame) -> None:
        write(self.shared, frame)
        arguments = [self.code(key) for key in frame.params.values()]
        if frame.kind == "net" and frame.has_weights:
            name = frame.prefix[:-1]
            first = self.shared.nets.setdefault(name, frame)
            if self.shared.identity[first] != self.shared.identity[frame]:
                raise Untraceable(f"the uses of the net `{name}` compute different things")
            function = self.code(("net", name))
        else:
            name = frame.prefix[len(self.frame.prefix) : -1]
            function = self.member_for(name, Code("make", frame), frame.has_weights)
        results = self.shared.live_out(frame.nodes)
        targets = tuple(Local(hint=self.hint(frame, value)) for value in results)
        self.body.append(Let(targets, call(function, *arguments), is_result=True))
        for value, target in zip(results, targets, strict=True):
            self.bind(value, local(target))
        self.track(results, len(self.body))

    def hint(self, frame: BlockFrame, value: Value) -> str:
        """The name of a result in the spec. Augmented targets keep the names of the targets."""
        if frame.kind == "operator" and value is not frame.nodes[0].results[0]:
            partner = frame.operator.mixes_targets
            return value.name.replace(".", "_") if partner else value.name.split(".")[0]
        return self.hints.get(value, "")

    def member_for(self, name: str, made: Code, owns: bool) -> Code:
        """A module of the class. Modules without weights may be shared, or renamed if the name is taken."""
        attr, count, key = name, 1, made.key(self.shared.key)
        if owns and name in self.members and self.members[name].key(self.shared.key) != key:
            raise Untraceable("some weights of its block belong to the network, others to the loss")
        while attr in self.members and self.members[attr].key(self.shared.key) != key:
            count += 1
            attr = f"{name}_{count}"
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
            self.bind(value, code)
            if code.kind == "local" and not code.value.hint:
                code.value.hint = self.hints.get(value, "")
        is_infix = operator.symbol and operator.broadcasts
        inlines = bool(operator.follows or is_infix or operator.family == "loss")
        for index, let in enumerate(self.body[start:], start):
            if isinstance(let, Let):
                is_result = let.is_result or (index == len(self.body) - 1 and not operator.glue)
                self.body[index] = replace(let, is_result=is_result, inlines=inlines)
        self.track(node.results, len(self.body))

    def track(self, values: Iterable[Value], place: int) -> None:
        """Let values require gradients for derivatives; the results of a block do where it is used."""
        for value in (value for value in values if value in self.shared.tracked):
            if self.frame.kind == "model" or value not in self.shared.live_out(self.frame.nodes):
                self.body.insert(place, Let((), call(attribute(self.code(value), "requires_grad_"))))

    def run_node(self, node: Node) -> Any:
        """The result of a node, from a module of torch.nn or its PyTorch form. None if it has a class of its
        own: `write_frame` adds that statement."""
        operator, source, owner = node.operator, self.shared.source_operator(node), owner_of(node)
        own_class = self.frame.kind == "operator"
        module = None if own_class or (node.weights and not owner) else module_of(node)
        differs = source.inference() is not source or source is not operator
        if module is None and not own_class and (owner or differs):
            prefix = f"{owner or self.frame.prefix + source.name}."
            frame = BlockFrame("operator", source.class_name, prefix, [node])
            frame.operator = source
            self.write_frame(frame)
            return None
        operands, given = operator.split([self.value(v) for v in node.operands])
        if module is not None:
            attr = owner[len(self.frame.prefix) :] if owner else operator.name
            function = Symbol(self.F, self.member_for(attr, module, bool(owner)))
            return operator.call(self.F, function, *operands, **given)
        if made := modules_of(node):
            modules = {name: Symbol(self.F, self.member_for(name, m, True)) for name, m in made.items()}
            return operator.call(self.F, modules, *operands, **given)
        weights = {name: self.value(v) for name, v in node.weights.items()}
        if differs:
            returned = self.at_inference(node, operands, weights, given)
            read = self.shared.live_out(self.frame.nodes)
            kept = (c for c, value in zip(returned, node.results, strict=True) if value in read)
            self.body.append(EvalReturn(tuple(kept)))
        return operator.torch(self.F, *operands, **weights, **given)

    def at_inference(
        self,
        node: Node,
        operands: Sequence[Symbol],
        weights: Mapping[str, Symbol],
        given: Mapping[str, Symbol],
    ) -> list[Code]:
        """The results of a node at inference, as expressions. Targets are not augmented."""
        source, recorder = self.shared.source_operator(node), BodyRecorder(self.env)
        instead = source.inference()
        if source is not node.operator:
            share = [self.F.constant_of(1.0)] * (len(node.results) - len(operands))
            made: Any = [operands[0], *share, *operands[1:]]
        elif instead.identity:
            made = operands[0]
        else:
            bound = instead.bind(*source.operands_for(instead, source.operands))
            kept = {name: given[name] for name in instead.given}
            made = bound.torch(recorder, *operands[: len(bound.positional)], **weights, **kept)
        return [inlined(each._code, recorder.statements) for each in as_list(made, len(node.results))]


def as_list(made: Any, count: int) -> list[Any]:
    if count == 1:
        return [made[0] if isinstance(made, (tuple, list)) else made]
    return [made[index] for index in range(count)]


def write(shared: EmitterState, frame: BlockFrame) -> None:
    """Write the frame of a block, a net or an operator."""
    writer = Writer(shared, frame)
    read = {value for node in frame.nodes for value in node.reads}
    for value in frame.given_tensors:
        if value in read:
            writer.value(value)
    writer.write_items(frame.items())
    finish(writer, shared.live_out(frame.nodes))


def finish(writer: Writer, returned: Iterable[Value]) -> None:
    """Set the code of a frame to that of its writer."""
    frame = writer.frame
    frame.returns = [writer.code(value) for value in returned]
    frame.params = {target: key for key, target in writer.params.items()}
    frame.members, frame.body = writer.members, writer.body
    frame.lists = lists_of(frame)
    writer.shared.add(frame)


def lists_of(frame: BlockFrame) -> set[str]:
    """The base names of modules that are put into lists: loops iterate over at least half of them."""
    looped: dict[str, int] = {}
    for loop in (statement for statement in frame.body if isinstance(statement, ForLoop)):
        for _, base, *_ in loop.members:
            looped[base] = looped.get(base, 0) + loop.copies
    alike = {base: sum(numbered_name(attr)[0] == base for attr in frame.members) for base in looped}
    return {base for base, count in looped.items() if 2 * count >= alike[base]}


def own_weights(node: Node) -> list[str]:
    """The weights that belong to the node, and are not passed by a setting."""
    settings = node.operator.values()
    return [name for name in node.weights if not isinstance(settings.get(name), Tensor)]


def owner_of(node: Node) -> str:
    """The name prefix of the weights that belong to the node, as `group.conv_2`."""
    own = own_weights(node)
    return node.weights[own[0]].name[: -len(own[0]) - 1] if own else ""


def module_of(node: Node) -> Code | None:
    """The module of torch.nn for the node, if all of its weights belong to it."""
    if len(node.weights) != len(own_weights(node)):
        return None
    recorder = Recorder()
    made = node.operator.module(Symbol(recorder, text("nn")))
    return None if made is None else recorder.statements[-1].code


def modules_of(node: Node) -> dict[str, Code]:
    """The modules of torch.nn for the parts of an operator."""
    recorder = Recorder()
    names = node.operator.modules(Symbol(recorder, text("nn")))
    return {name: let.code for name, let in zip(names, recorder.statements, strict=True)}
