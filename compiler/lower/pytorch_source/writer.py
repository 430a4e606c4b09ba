"""Writes frames: their modules, and their nodes as statements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims import number as known
from dlc.compiler.ir import Value
from dlc.compiler.lower.python_code import Code, call, number, text
from dlc.compiler.lower.pytorch_source.frames import (
    Copies,
    Frame,
    depth_of,
    items_of,
    nodes_of,
    numbered_name,
)
from dlc.compiler.lower.pytorch_source.statements import EvalReturn, Loop, Places, local
from dlc.compiler.lower.symbolic import (
    DTYPES,
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
    from collections.abc import Container, Iterable, Mapping

    from dlc.compiler.ir import Graph, Node, Weight
    from dlc.compiler.program import Program


class NotEmitted(Exception):
    """A node that has no plain PyTorch, and why."""

    def __init__(self, node: Node, why: str):
        super().__init__(why)
        self.node = node


class Shared:
    """What all writers of a graph know."""

    def __init__(self, program: Program, graph: Graph, roots: Iterable[Value]):
        self.weights: dict[Value, Weight] = {w.value: w for w in program.graph.weights}
        self.spelled = {node.results[0]: node for node in program.graph.nodes}
        self.readers = graph.readers()
        self.roots = {*roots, *graph.outputs.values()}
        self.nets: dict[str, Frame] = {}  # the first use of each
        self.frames: list[Frame] = []  # those that are written, inner ones first
        self.identities: dict[Any, int] = {}  # by how frames are written
        self.identity: dict[Frame, int] = {}

    def is_read_outside(self, value: Value, inside: Container[Node]) -> bool:
        return value in self.roots or any(node not in inside for node in self.readers.get(value, ()))

    def operator_of(self, node: Node) -> Any:
        """The operator as the spec has it, where targets do not follow it yet."""
        return self.spelled.get(node.results[0], node).operator

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        key = (
            frame.what,
            frame.name,
            frame_key(frame, lambda code: self.key(code) if code.kind == "make" else None),
        )
        self.identity[frame] = self.identities.setdefault(key, len(self.identities))

    def key(self, code: Code) -> Any:
        return "make", self.identity[code.value]


def frame_key(frame: Frame, of: Any) -> Any:
    """A key that frames share which are written alike, up to the parts that `of` gives a key of."""
    seen = Places(tuple(frame.params), of)
    members = tuple((attr, code.key(of)) for attr, code in frame.members.items())
    return (
        members,
        len(frame.params),
        seen.keys(frame.body),
        seen.codes(frame.returns),
        tuple(sorted(frame.lists)),
    )


class Writer:
    """Writes the body of one method of a frame, or of one copy within it."""

    def __init__(self, shared: Shared, frame: Frame, members: dict[str, Code] | None = None):
        self.shared, self.frame = shared, frame
        self.env: dict[Any, Symbol] = {}
        self.F = BodyRecorder(self.env)
        self.params: dict[Any, Local] = {}
        self.members = {} if members is None else members
        self.hints = frame.names()

    @property
    def body(self) -> list[Any]:
        return self.F.statements

    # --- values -------------------------------------------------------------------------------------------

    def value(self, key: Any) -> Symbol:
        """A value of the body, or a net: made here, a member, or given to it."""
        if key not in self.env:
            weight = self.shared.weights.get(key)
            if isinstance(key, tuple) and self.frame.what == "model":
                self.members.setdefault(key[1], Code("make", self.shared.nets[key[1]]))
                self.env[key] = Symbol(self.F, Code("member", key[1]))
            elif weight is not None and self.owns(weight.name):
                attr = weight.name[len(self.frame.prefix) :]
                self.members.setdefault(attr, parameter(weight))
                self.env[key] = Symbol(self.F, Code("member", attr), DTYPES["float"])
            else:
                self.params[key] = Local()
                self.give(key, local(self.params[key]))
        return self.env[key]

    def code(self, key: Any) -> Code:
        return self.value(key)._code

    def give(self, key: Any, code: Code) -> None:
        """Let an expression be a value."""
        element = key.type.element if isinstance(key, Value) else ""
        self.env[key] = Symbol(self.F, code, DTYPES.get(element, ""))

    def owns(self, weight: str) -> bool:
        return weight.startswith(self.frame.prefix) and "." not in weight[len(self.frame.prefix) :]

    # --- frames -------------------------------------------------------------------------------------------

    def write_items(self, items: Iterable[Any]) -> None:
        from dlc.compiler.lower.pytorch_source.loops import write_copies

        for item in items:
            try:
                if isinstance(item, Frame):
                    self.write_frame(item)
                elif isinstance(item, Copies):
                    write_copies(self, item)
                else:
                    self.write_node(item)
            except Untraceable as error:
                raise NotEmitted(nodes_of([item])[0], str(error)) from None

    def write_frame(self, frame: Frame) -> None:
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

    def hint(self, frame: Frame, value: Value, count: int) -> str:
        """What the spec calls a result; targets that follow an augmentation keep their names."""
        if frame.what == "operator" and value is not frame.nodes[0].results[0]:
            partner = frame.operator.mixes_targets
            return value.name.replace(".", "_") if partner else value.name.split(".")[0]
        return self.hints.get(value, "") if count == 1 else ""

    def member_for(self, name: str, made: Code, owns: bool) -> Code:
        """A module of the class under its name. Those without weights may be shared, or have another name."""
        attr, place = name, 1
        while attr in self.members and not (self.is_same(self.members[attr], made) and not owns):
            if owns:
                why = "its block is used by the network and by the loss, each with weights of it"
                raise Untraceable(why)
            place += 1
            attr = f"{name}_{place}"
        self.members[attr] = made
        return Code("member", attr)

    def is_same(self, a: Code, b: Code) -> bool:
        def key(code: Code) -> Any:
            return self.shared.key(code) if code.kind == "make" else None

        return a.key(key) == b.key(key)

    # --- nodes --------------------------------------------------------------------------------------------

    def write_node(self, node: Node) -> None:
        start = len(self.body)
        self.run_node(node)
        own = self.body[start:]
        joins = bool(node.operator.follows or (node.operator.sign and node.operator.broadcasts)
                     or node.operator.family == "loss")  # fmt: skip
        for place, let in enumerate(own, start):
            if isinstance(let, Let):
                ends = let.ends or (place == len(self.body) - 1 and not node.operator.glue)
                self.body[place] = replace(let, ends=ends, joins=joins)

    def run_node(self, node: Node) -> None:
        operator, constant = node.operator, node.operator.constant()
        if constant is not None and not isinstance(constant, tuple):
            self.env[node.results[0]] = self.F.constant_of(constant)
            return
        owner = owner_of(node)
        module = module_of(node) if self.frame.what != "operator" else None
        alone = self.shared.operator_of(node)
        if module is not None and (owner or not node.weights):
            attr = owner[len(self.frame.prefix) :] if owner else operator.name
            function = self.member_for(attr, module, bool(owner))
            flowing, given = operator.split([self.value(v) for v in node.operands])

            def called(*operands: Symbol) -> Symbol:
                return self.F.record(
                    call(function, *(o._code for o in operands)), operator.name, DTYPES["float"]
                )

            self.results(node, operator.call(self.F, called, *flowing, **given))
        elif self.frame.what != "operator" and (
            owner or alone.inference() is not alone or alone is not operator
        ):
            frame = Frame("operator", alone.name, f"{owner or self.frame.prefix + alone.name}.", [node])
            frame.operator = alone
            self.write_frame(frame)
        else:
            given = [self.value(v) for v in node.operands]
            weights = {leaf: self.value(v) for leaf, v in node.weights.items()}
            flowing, named = operator.split(given)
            self.results(node, self.forms(node, flowing, weights, named))

    def forms(
        self, node: Node, flowing: Any, weights: Mapping[str, Symbol], named: Mapping[str, Symbol]
    ) -> Any:
        """What a node makes. If that differs at inference, what it makes there is returned first."""
        alone = self.shared.operator_of(node)
        instead = alone.inference()
        if alone is node.operator and instead is alone:
            return node.operator.torch(self.F, *flowing, **weights, **named)
        scratch = BodyRecorder(self.env)
        if instead.identity:
            other: list[Any] = [flowing[0]]
        else:
            bound = instead.bind(*alone.taken_by(instead, alone.operands))
            kept = {name: named[name] for name in instead.given}
            made = bound.torch(scratch, *flowing[: len(bound.flowing)], **weights, **kept)
            other = as_list(made, len(alone.results))
        share = [self.F.constant_of(1.0)] if alone.mixes_targets and alone is not node.operator else []
        other += [*share, *flowing[len(alone.flowing) :]] if alone is not node.operator else []
        codes = [expanded(made._code, scratch.statements) for made in other]
        read = leaving(self.shared, self.frame)
        returned = tuple(c for c, value in zip(codes, node.results, strict=True) if value in read)
        self.body.append(EvalReturn(returned))
        return node.operator.torch(self.F, *flowing, **weights, **named)

    def results(self, node: Node, made: Any) -> None:
        for value, symbol in zip(node.results, as_list(made, len(node.results)), strict=True):
            symbol = symbol if isinstance(symbol, Symbol) else self.F.constant_of(symbol)
            self.give(value, symbol._code)
            if symbol._code.kind == "local" and not symbol._code.value.hint:
                symbol._code.value.hint = self.hints.get(value, "")


def as_list(made: Any, count: int) -> list[Any]:
    if count == 1:
        return [made[0] if isinstance(made, (tuple, list)) else made]
    return [made[place] for place in range(count)]


def leaving(shared: Shared, frame: Frame) -> list[Value]:
    """The values of a frame that are read outside of it."""
    inside = set(frame.nodes)
    made = (value for node in frame.nodes for value in node.results)
    return [value for value in made if shared.is_read_outside(value, inside)]


def write(shared: Shared, frame: Frame) -> None:
    """Write the frame of a block, a net or an operator."""
    writer = Writer(shared, frame)
    read = {value for node in frame.nodes for value in node.reads} if frame.given else ()
    for value in frame.given.values():
        if isinstance(value, Value) and value in read:
            writer.value(value)
    if frame.what == "operator":
        writer.write_items(frame.nodes)
    else:
        writer.write_items(items_of(frame.nodes, depth_of(frame)))
    finish(writer, leaving(shared, frame))


def finish(writer: Writer, returned: Iterable[Value]) -> None:
    """Fill in a frame what its writer has written."""
    frame = writer.frame
    frame.returns = [writer.code(value) for value in returned]
    frame.params = {target: key for key, target in writer.params.items()}
    frame.members, frame.body = writer.members, writer.body
    frame.lists = lists_of(frame)
    writer.shared.add(frame)


def lists_of(frame: Frame) -> set[str]:
    """The modules that stand in lists: those that loops run over at least half of."""
    looped: dict[str, int] = {}
    for statement in frame.body:
        for _, base, *_ in statement.members if isinstance(statement, Loop) else ():
            looped[base] = looped.get(base, 0) + statement.copies
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


def parameter(weight: Weight) -> Code:
    """A weight as a module holds it: a parameter, or a buffer; random initial values follow."""
    value = getattr(weight.initial, "value", None)
    fill = {"zeros": "zeros", "ones": "ones"}.get(weight.initial.name, "empty")
    sizes = [number(known(size)) for size in weight.value.type.shape] or [text("()")]
    dtype = {"dtype": text("torch.float64")} if weight.value.type.element == "float64" else {}
    made = (
        call(text(f"torch.{fill}"), *sizes, **dtype)
        if value is None
        else call(text("torch.full"), Code("tuple", None, tuple(sizes)), number(value), **dtype)
    )
    return call(text("nn.Parameter"), made) if weight.trainable else Code("buffer", None, (made,))
