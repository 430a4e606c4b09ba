"""Writes frames: their modules, and their nodes as statements."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import number as known
from dlc.compiler.ir.graph import Value
<<<<<<< 9b2d20ae86a805cc6d0c2483eb3fc6285e2376bf
from dlc.compiler.ir.types import Tensor
from dlc.compiler.lower.python_code import Code, call, number, text
from dlc.compiler.lower.pytorch_source.frames import BlockFrame, Copies, nodes_of, numbered_name
from dlc.compiler.lower.pytorch_source.statements import EvalReturn, Loop, Places, local
from dlc.compiler.lower.symbolic import (
    DTYPES,
    BodyRecorder,
=======
from dlc.compiler.lower.pytorch_source.code import Code, call, literal, number, text
from dlc.compiler.lower.pytorch_source.forms import DTYPES, Functions, Literal, Sizes, Unwritten, Written
from dlc.compiler.lower.pytorch_source.frames import (
    Copies,
    Each,
    Frame,
    Guard,
>>>>>>> 3e5fc5e29b6a01bb7159cfec2c00d653902bd29c
    Let,
    Local,
    Recorder,
    Symbol,
    Untraceable,
    expanded,
)
<<<<<<< 9b2d20ae86a805cc6d0c2483eb3fc6285e2376bf
=======
from dlc.compiler.lower.pytorch_source.functional import MODULE_NAMES
from dlc.compiler.lower.pytorch_source.hoisting import hoisted, split_at
from dlc.compiler.types import Tensor
>>>>>>> 3e5fc5e29b6a01bb7159cfec2c00d653902bd29c

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from dlc.compiler.ir.graph import Graph, Node, Weight
    from dlc.compiler.program import CompiledProgram


class NotEmitted(Exception):
    """A node that has no plain PyTorch, and why."""

    def __init__(self, node: Node, why: str):
        super().__init__(why)
        self.node = node


class Shared:
    """What all writers of a graph know."""

    def __init__(self, program: CompiledProgram, graph: Graph, roots: Iterable[Value]):
        self.weights: dict[Value, Weight] = {w.value: w for w in program.graph.weights}
        self.spelled = {node.results[0]: node for node in program.graph.nodes}
        self.readers = graph.readers()
        self.roots = {*roots, *graph.outputs.values()}
        self.nets: dict[str, BlockFrame] = {}  # the first use of each
        self.frames: list[BlockFrame] = []  # those that are written, inner ones first
        self.identities: dict[Any, int] = {}  # by how frames are written
        self.identity: dict[BlockFrame, int] = {}

    def is_read_outside(self, value: Value, inside: Container[Node]) -> bool:
        return value in self.roots or any(node not in inside for node in self.readers.get(value, ()))

    def operator_of(self, node: Node) -> Any:
        """The operator as the spec has it, where targets do not follow it yet."""
        return self.spelled.get(node.results[0], node).operator

    def add(self, frame: BlockFrame) -> None:
        self.frames.append(frame)
        key = (frame.what, frame.name, frame_key(frame, self.key))
        self.identity[frame] = self.identities.setdefault(key, len(self.identities))

    def key(self, code: Code) -> Any:
        """A key that modules share which are written alike, numbers and all."""
        return ("make", self.identity[code.value]) if code.kind == "make" else None


def frame_key(frame: BlockFrame, of: Callable[[Code], Any]) -> Any:
    """A key that frames share which are written alike, up to the parts that `of` gives a key of."""
    seen = Places(tuple(frame.params), of)
    members = tuple((attr, code.key(of)) for attr, code in frame.members.items())
    lists = tuple(sorted(frame.lists))
    return members, lists, len(frame.params), seen.keys(frame.body), seen.codes(frame.returns)


class Writer:
    """Writes the body of one method of a frame, or of one copy within it."""

    def __init__(self, shared: Shared, frame: BlockFrame, members: dict[str, Code] | None = None):
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
                if isinstance(item, BlockFrame):
                    self.write_frame(item)
                elif isinstance(item, Copies):
                    write_copies(self, item)
                else:
                    self.write_node(item)
            except Untraceable as error:
                raise NotEmitted(nodes_of([item])[0], str(error)) from None

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

    # --- nodes --------------------------------------------------------------------------------------------

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
        by_sign = operator.sign and operator.broadcasts
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
            bound = instead.bind(*spelled.taken_by(instead, spelled.operands))
            kept = {name: given[name] for name in instead.given}
            made = bound.torch(recorder, *flowing[: len(bound.flowing)], **weights, **kept)
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


def parameter(weight: Weight) -> Code:
    """A weight as a module holds it: a parameter, or a buffer; random initial values follow."""
    value = getattr(weight.initial, "value", None)
    fill = {"zeros": "zeros", "ones": "ones"}.get(weight.initial.name, "empty")
    sizes = [number(known(size)) for size in weight.value.type.shape] or [text("()")]
    dtype = {"dtype": text("torch.float64")} if weight.value.type.element == "float64" else {}
    made = call(text(f"torch.{fill}"), *sizes, **dtype)
    if value is not None:
        made = call(text("torch.full"), Code("tuple", None, tuple(sizes)), number(value), **dtype)
    return call(text("nn.Parameter"), made) if weight.trainable else Code("buffer", None, (made,))
