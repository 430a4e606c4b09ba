"""What stands in the classes: each frame as modules and statements."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import number as known
from dlc.compiler.ir.graph import Value
from dlc.compiler.ir.types import Tensor
from dlc.compiler.lower.pytorch_source.code import Code, call, literal, number, text
from dlc.compiler.lower.pytorch_source.forms import DTYPES, Functions, Literal, Sizes, Unwritten, Written
from dlc.compiler.lower.pytorch_source.frames import (
    Copies,
    Each,
    Frame,
    Guard,
    Let,
    depth_of,
    items_of,
    numbered_name,
)
from dlc.compiler.lower.pytorch_source.functional import MODULE_NAMES
from dlc.compiler.lower.pytorch_source.hoisting import hoisted, split_at

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from dlc.compiler.ir.graph import Graph, Node, Weight

IMPORTED = ("F", "torch", "nn", "np")  # what bodies of classes and functions call
# What the functions of a file that take rows call, or name by themselves.
CALLED = (
    *IMPORTED,
    "answers",
    "auroc",
    "compute_loss",
    "hooks",
    "learning",
    "loss",
    "made",
    "metrics",
    "model",
    "rows",
)
MOST_CALLS = 3  # of what is done in training alone, where it is no class of its own


class NotEmitted(Exception):
    """What has no plain PyTorch, with the node that it is of."""

    def __init__(self, node: Node, why: str):
        super().__init__(why)
        self.node = node


class Shared:
    """What all writers of a graph know."""

    def __init__(self, graph: Graph, roots: Iterable[Value], led: Mapping[Value, Node] | None = None):
        self.graph, self.led = graph, led or {}
        self.weights: dict[Value, Weight] = {w.value: w for w in graph.weights}
        self.readers = graph.readers()
        self.roots = dict.fromkeys(roots)
        self.nets: dict[str, Frame] = {}  # by name, as it is used first
        self.frames: list[Frame] = []  # written, inner ones first

    def moved(self) -> set[Value]:
        """The targets as augmentations have moved them."""
        return {
            value
            for node in self.graph.nodes
            if node.results[0] in self.led and not self.led[node.results[0]].operator.mixes_targets
            for value in node.results[1:]
        }

    def leaves(self, value: Value, inside: Container[Node]) -> bool:
        """Whether something outside of these nodes reads the value."""
        return value in self.roots or any(node not in inside for node in self.readers.get(value, ()))


class Writer:
    """Writes the body of one frame, or of one copy within it."""

    def __init__(self, shared: Shared, frame: Frame):
        self.shared, self.frame = shared, frame
        self.env: dict[Any, Written] = {}
        self.sizes = Sizes(self.env)
        self.params: list[Any] = []
        self.members: dict[str, Code] = {}
        self.body: list[Any] = []
        self.hints = frame.names()
        self.training = text("self.training")

    # --- values -------------------------------------------------------------------------------------------

    def value(self, key: Any) -> Written:
        """A value of the body: made here, a weight of its own, or given to it."""
        if key not in self.env:
            weight = self.shared.weights.get(key)
            if isinstance(key, tuple) and self.frame.what == "model":
                self.members[key[1]] = Code("make", self.shared.nets[key[1]])
                self.env[key] = Written(member(key[1]))
            elif weight is not None and self.owns(weight.name):
                self.members.setdefault(self.local_name(weight.name), parameter(weight))
                self.env[key] = Written(member(self.local_name(weight.name)), DTYPES["float"])
            else:
                self.params.append(key)
                self.env[key] = local(key)
        return self.env[key]

    def owns(self, weight: str) -> bool:
        return weight.startswith(self.frame.prefix) and "." not in weight[len(self.frame.prefix) :]

    def local_name(self, name: str) -> str:
        return name[len(self.frame.prefix) :]

    # --- frames -------------------------------------------------------------------------------------------

    def write_items(self: Writer, items: Iterable[Any]) -> None:
        from dlc.compiler.lower.pytorch_source.loops import write_copies

        for item in items:
            if isinstance(item, Frame):
                self.write_frame(item)
            elif isinstance(item, Copies):
                write_copies(self, item)
            else:
                self.write_node(item)

    def write_frame(self, frame: Frame) -> None:
        write(self.shared, frame)
        arguments = [self.value(key)._code for key in frame.params]
        if frame.what == "net":
            function = self.net(frame)
        else:
            function = self.member_for(
                frame.prefix[len(self.frame.prefix) : -1], Code("make", frame), own=frame.has_weights
            )
        for value in frame.returns:
            self.env[value] = local(value)
        hint = self.hints.get(frame.returns[0], "") if len(frame.returns) == 1 else ""
        if frame.what == "operator" and len(frame.returns) > 1:
            hint = ",".join(self.follower(frame, value) for value in frame.returns)
        self.body.append(Let(tuple(frame.returns), call(function, *arguments), hint=hint))

    @staticmethod
    def follower(frame: Frame, value: Value) -> str:
        """What is called as the target that it is of, if it is one."""
        if value is frame.nodes[0].results[0]:
            return ""
        return value.name.replace(".", "_") if frame.operator.mixes_targets else value.name.split(".")[0]

    def net(self, frame: Frame) -> Code:
        """A net is one module of the model, which is handed to the blocks that use it."""
        name = frame.prefix[:-1]
        self.shared.nets.setdefault(name, frame)
        return self.value(("net", name))._code

    def member_for(self, name: str, made: Code, own: bool) -> Code:
        """A module of the class under its name. One without weights may be called otherwise, or be shared."""
        number, attr = 1, name
        while not own and attr in self.members and not same(self.members[attr], made):
            number += 1
            attr = f"{name}_{number}"
        self.members[attr] = made
        return member(attr)

    # --- nodes --------------------------------------------------------------------------------------------

    def write_node(self, node: Node) -> None:
        try:
            self._write_node(node)
        except Unwritten as error:
            raise NotEmitted(node, str(error)) from None

    def _write_node(self, node: Node) -> None:
        operator, constant = node.operator, node.operator.constant()
        if constant is not None and not isinstance(constant, tuple):
            self.env[node.results[0]] = Literal(constant)
            return
        owner = owner_of(node)
        given = [self.value(v) for v in node.operands]
        complete = len(node.weights) == len(own_leaves(node))
        module = operator.module(Modules()) if complete and self.frame.what != "function" else None
        if module is not None and (owner or not node.weights):
            attr = self.local_name(owner) if owner else operator.name
            function = self.member_for(attr, module._code, own=bool(owner))

            def called(*operands: Any) -> Written:
                return Written(call(function, *(o._code for o in operands)), DTYPES["float"])

            flowing, named = operator.split(given)
            self.let(node, (operator.call(self.functions(), called, *flowing, **named),))
        elif self.frame.what not in ("operator", "function") and (owner or self.is_long(node, given)):
            alone = self.shared.led.get(node.results[0], node).operator
            frame = Frame("operator", alone.name, f"{owner or self.frame.prefix + alone.name}.", [node])
            frame.operator = alone
            self.write_frame(frame)
        else:
            weights = {leaf: self.value(v) for leaf, v in node.weights.items()}
            self.let(node, self.forms(node, given, weights))

    def forms(self, node: Node, given: list[Written], weights: Mapping[str, Written]) -> tuple[Written, ...]:
        """What a node makes: in training as it says, else as what stands in its place."""
        functions = self.functions()
        flowing, named = node.operator.split(given)
        made = results(node.operator.torch(functions, *flowing, **weights, **named), len(node.results))
        alone = self.shared.led.get(node.results[0], node)
        instead = alone.operator.inference()
        if instead is node.operator:
            return made
        if instead.identity:
            other = (given[0],)
        else:
            bound = instead.bind(*alone.operator.operands_for(instead, alone.operator.operands))
            kept = {name: named[name] for name in instead.given}
            operands = flowing[: len(bound.positional)]
            other = results(bound.torch(functions, *operands, **weights, **kept), len(alone.results))
        if alone is not node:
            share = (Written(number(1.0)),) if alone.operator.mixes_targets else ()
            other = (*other, *share, *flowing[len(alone.operator.positional) :])
        if self.frame.what == "operator":
            leaving = [self.shared.leaves(value, {node}) for value in node.results]
            returned = (w._code for w, leaves in zip(other, leaving, strict=True) if leaves)
            self.body.append(Guard(Code("sign", "not", (self.training,)), tuple(returned)))
            return made
        return tuple(
            Written(Code("choice", None, (self.training, a._code, b._code)))
            for a, b in zip(made, other, strict=True)
        )

    def functions(self) -> Functions:
        """What forms see of torch, sizes included."""
        return Functions(self.sizes)

    def is_long(self, node: Node, given: list[Written]) -> bool:
        """Whether what an operator does in training alone is more than a line can hold well."""
        alone = self.shared.led.get(node.results[0], node).operator
        if alone is not node.operator:
            return True
        if node.weights or alone.inference() is alone:
            return False
        flowing, named = node.operator.split(given)
        made = results(node.operator.torch(self.functions(), *flowing, **named), len(node.results))
        return sum(part.kind == "call" for written in made for part in written._code.walk()) > MOST_CALLS

    def let(self, node: Node, made: tuple[Written, ...]) -> None:
        codes = hoisted([w._code for w in made], self.body)
        by_sign = node.operator.symbol and node.operator.broadcasts
        joins = bool(node.operator.follows or by_sign or node.operator.family == "loss")
        whole = split_at(codes) if len(codes) > 1 else None
        if whole is not None:
            self.body.append(Let(node.results, whole))
        for value, written, code in zip(node.results, made, codes, strict=True):
            if whole is None:
                self.body.append(Let((value,), code, joins, node.operator.glue, self.hints.get(value, "")))
            self.env[value] = local(value, written._dtype)


class Modules:
    """What `module` calls `nn`."""

    def __getattr__(self, name: str) -> Written:
        return Written(text(f"nn.{name}"))


def write(shared: Shared, frame: Frame) -> None:
    """Fill a frame: its modules, its statements, what it is given and what it gives."""
    writer = Writer(shared, frame)
    inside = set(frame.nodes)
    read = {value for node in frame.nodes for value in node.reads} if frame.given else ()
    for value in frame.given.values():
        if isinstance(value, Value) and value in read:
            writer.value(value)
    if frame.what == "operator":
        writer.write_node(frame.nodes[0])
    else:
        writer.write_items(items_of(frame.nodes, depth_of(frame)))
    if frame.what == "model":
        for root in shared.roots:
            writer.value(root)
    frame.params, frame.members, frame.body = writer.params, writer.members, writer.body
    frame.lists = lists_of(frame)
    made = [value for node in frame.nodes for value in node.results]
    frame.returns = [value for value in made if shared.leaves(value, inside)]
    shared.frames.append(frame)


def lists_of(frame: Frame) -> set[str]:
    """The modules that stand in lists: of those that are called alike loops run over half at least."""
    looped: dict[str, int] = {}
    for statement in frame.body:
        for _, base, *_ in statement.members if isinstance(statement, Each) else ():
            looped[base] = looped.get(base, 0) + statement.copies
    alike = {base: sum(numbered_name(attr)[0] == base for attr in frame.members) for base in looped}
    return {base for base, count in looped.items() if 2 * count >= alike[base]}


def local(key: Any, dtype: str = "") -> Written:
    element = key.type.element if isinstance(key, Value) else ""
    return Written(Code("local", key), dtype or DTYPES.get(element, ""))


def member(attr: str) -> Code:
    return Code("member", attr)


def results(made: Any, count: int) -> tuple[Written, ...]:
    if count == 1:
        made = made[0] if isinstance(made, (tuple, list)) else made
        return (made if isinstance(made, Written) else Written(literal(made) or text("None")),)
    return tuple(made[i] for i in range(count))


def own_leaves(node: Node) -> list[str]:
    """The leaves that are the node's own: not given by a setting."""
    settings = node.operator.values()
    return [leaf for leaf in node.weights if not isinstance(settings.get(leaf), Tensor)]


def owner_of(node: Node) -> str:
    """What the node's own weights are named after, as `group.conv_2`."""
    own = own_leaves(node)
    return node.weights[own[0]].name[: -len(own[0]) - 1] if own else ""


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


def same(a: Code, b: Code) -> bool:
    def of(code: Code) -> Any:
        return ("make", signature(code.value)) if code.kind == "make" else None

    return a is b or a.key(of) == b.key(of)


def signature(frame: Frame) -> Any:
    """What frames have in common that are written alike, numbers and all."""
    from dlc.compiler.lower.pytorch_source.keys import body_key

    return body_key(frame, lambda code: ("make", signature(code.value)) if code.kind == "make" else None)


def safe(name: str, taken: Container[str] = ()) -> str:
    """A name that Python and modules leave free, and nobody else has."""
    while keyword.iskeyword(name) or name in MODULE_NAMES or name in taken:
        name += "_"
    return name
