"""The functions beside the model: what it answers, what it is trained on, and its weights."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.pytorch_source.code import (
    WIDTH,
    Code,
    call,
    inline,
    lines,
    literal,
    number,
    signature,
    text,
)
from dlc.compiler.lower.pytorch_source.forms import DTYPES, Written
from dlc.compiler.lower.pytorch_source.frames import Frame, Let
from dlc.compiler.lower.pytorch_source.hoisting import Temporary
from dlc.compiler.lower.pytorch_source.naming import Namer
from dlc.compiler.lower.pytorch_source.writer import Writer, local, safe
from dlc.compiler.passes import specialize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.ir.graph import Node, Weight
    from dlc.compiler.lower.pytorch_source.emitter import Emitter, Labels

FUNCTION = "function"


def head(name: str, given: Sequence[str], doc: str, *, gradients: bool = True) -> list[str]:
    listed = signature(f"def {name}", given)
    return ["", "", *([] if gradients else ["@torch.no_grad()"]), *listed, f'    """{doc}"""']


class Body:
    """The body of a function over what the model gives: nodes written one behind the other."""

    def __init__(self, emitter: Emitter, names: dict[Any, str]):
        self.emitter, self.names = emitter, names
        self.writer = Writer(emitter.shared, Frame(FUNCTION, "", "\0", ()))
        self.writer.training = text("model.training")
        self.writer.hints = {}
        for key in names:
            self.writer.env[key] = local(key)
        for weight in emitter.program.graph.weights:
            self.writer.env[weight.value] = Written(
                text(f"model.{emitter.path(weight.name)}"), DTYPES["float"]
            )

    def call_model(self, model: str = "model", *, targets: bool = True) -> None:
        """The model over its inputs and the targets that it moves; what it gives is named after outputs."""
        e = self.emitter
        roots, inputs = e.roots, e.model.first.params if targets else e.inputs
        fewer = len(roots)
        if not targets:
            named = (v for v in roots if v not in e.moved and e.hint(v) != v.name.replace(".", "_"))
            roots = [*named] or roots
        for value in roots:
            self.writer.env[value] = local(value)
        made = call(text(model), *(self.writer.env[value]._code for value in inputs))
        if len(roots) < fewer:
            none = text("None")
            some = Code("slice", None, (none, number(len(roots)), none)) if len(roots) > 1 else number(0)
            made = Code("index", None, (made, some))
        hints = [self.emitter.hint(value) for value in roots]
        self.writer.body.append(
            Lets(tuple(roots), made, hints)
            if len(roots) > 1
            else Let(tuple(roots), made, glue=True, hint=hints[0])
        )

    def call_net(self, frame: Frame) -> None:
        """A net of the model over what the loss alone reads."""
        given = [
            text(f"model.{safe(key[1])}") if isinstance(key, tuple) else self.writer.value(key)._code
            for key in frame.params
        ]
        made = call(text(f"model.{safe(frame.prefix[:-1])}"), *given)
        self.writer.body.append(Let(tuple(frame.returns), made))
        for value in frame.returns:
            self.writer.env[value] = local(value)

    def mixed(self, device: str) -> None:
        """The model in bfloat16 where that is safe, while it is trained; what it gives as float32."""
        let = self.writer.body[-1]
        within = f"torch.autocast({device}.device.type, torch.bfloat16, enabled=model.training)"
        self.writer.body[-1] = replace(let, glue=False, within=within)
        for value in let.targets:
            if value.type.element == "float":
                wide = Temporary()
                made = call(Code("attribute", "float", (local(value)._code,)))
                self.writer.body.append(Let((wide,), made, glue=True))
                self.writer.env[value] = local(wide, DTYPES["float"])

    def rename(self, of: Callable[[Value, str], str], taken: set[str]) -> None:
        """Other names for what the model gives, where these are taken."""
        let = self.writer.body[-1]
        hints = let.hint.split(",")
        found = [
            of(value, hint) if hint and safe(hint) in taken else hint
            for value, hint in zip(let.targets, hints, strict=True)
        ]
        self.writer.body[-1] = replace(let, hint=",".join(found))

    def lines(self, ends: Sequence[Code], given: Iterable[str]) -> tuple[list[str], Namer]:
        namer = Namer(self.names, self.writer.body, ends)
        namer.taken.take(*given)
        return [*namer.block(self.writer.body, 4, ends)], namer


def Lets(targets: tuple[Any, ...], code: Code, hints: list[str]) -> Let:
    return Let(targets, code, hint=",".join(hints))


# --- answers ----------------------------------------------------------------------------------------------


def answers(e: Emitter) -> list[str]:
    """`answers(model, ...)`: what the artifact answers, under its names."""
    graph = specialize.with_answers(e.program, specialize.at_inference(e.program.graph))
    inputs = {value: e.input_name(value) for value in e.inputs}
    body = Body(e, dict(inputs))
    body.call_model("model.eval()", targets=False)
    producers = e.graph.producers()
    for root in (root for root in e.roots if root in body.writer.env):
        for value in same_at_inference(producers, root):
            body.writer.env.setdefault(value, body.writer.env[root])
    made = {value for node in e.graph.nodes for value in node.results}
    named: dict[Value, Labels] = {}
    for node in graph.nodes:
        if any(r in made for r in node.results):
            continue
        if labels := node.operator.labels():
            body.writer.env[node.results[0]] = body.writer.value(node.operands[0])
            named[node.results[0]] = labels
        else:
            body.writer.write_node(node)
    keys = list(graph.outputs)
    ends = [body.writer.value(graph.outputs[key])._code for key in keys]
    found, namer = body.lines(ends, inputs.values())
    shown = [namer.consume(code) for code in ends]
    for place, key in enumerate(keys):
        if graph.outputs[key] in named:
            index = shown[place]
            if e.program.output(key).declared.element == "binary":
                index = call(Code("attribute", "long", (index,)))
            shown[place] = e.called(named[graph.outputs[key]], index)
    for place, (key, code) in enumerate(zip(keys, shown, strict=True)):
        if len(inline(code)) + len(key) > WIDTH - 14:
            found += namer.fitted(code, 4, f"{safe(key)} = ")
            shown[place] = text(safe(key))
    entries = [
        line for key, code in zip(keys, shown, strict=True) for line in lines(code, 8, f'"{key}": ', ",")
    ]
    inner = ", ".join(f'"{key}": {inline(code)}' for key, code in zip(keys, shown, strict=True))
    whole = f"    return {{{inner}}}"
    returned = [whole] if len(whole) <= 60 else ["    return {", *entries, "    }"]
    doc = "What the model answers, by name."
    return [*head("answers", ["model", *inputs.values()], doc, gradients=False), *found, *returned]


def same_at_inference(producers: Mapping[Value, Node], value: Value) -> Iterator[Value]:
    """What a value is the same as, once dropout and its like have gone."""
    while (node := producers.get(value)) is not None and node.operator.inference().identity:
        value = node.operands[0]
        yield value


# --- weights ----------------------------------------------------------------------------------------------


def load_weights(e: Emitter) -> list[str]:
    """`load_weights(model, path)`: weights under the names that the spec gives them."""
    e.imports.add("from safetensors.torch import load_file")
    found = head("load_weights", ["model", "path"], e.loading_doc())
    if all(own == spec for own, spec in e.weight_names.items()):
        if e.whole:
            return [*found, "    model.load_state_dict(load_file(path))"]
        found.append("    weights = load_file(path)")
        return [*found, "    model.load_state_dict({name: weights[name] for name in model.state_dict()})"]
    found += ["    weights, known = load_file(path), {}", "    for key in model.state_dict():"]
    changed = {own: spec for own, spec in e.weight_names.items() if own != spec}
    if all(e.renamed(own) == spec for own, spec in e.weight_names.items()):
        e.imports.add("import re")
        source = "key"
        if any("_." in own or own.endswith("_") for own in changed):
            source = 're.sub(r"_(?=\\.|$)", "", key)'
        if any(re.search(r"s\.\d+(\.|$)", own) for own in changed):
            found.append(f'        name = re.sub(r"(\\w+)s\\.(\\d+)", numbered, {source})')
            e.needs_numbered = True
        else:
            found.append(f"        name = {source}")
    else:
        e.needs_table = changed
        found.append("        name = NAMES.get(key, key)")
    return [
        *found,
        "        if name in weights:",
        "            known[key] = weights[name]",
        "    model.load_state_dict(known)",
    ]


def numbered() -> list[str]:
    return [
        *head("numbered", ["match"], "`conv` for `convs.0`, `conv_2` for `convs.1`."),
        "    name, place = match[1], int(match[2])",
        '    return f"{name}_{place + 1}" if place else name',
    ]


def initialize(e: Emitter) -> list[str]:
    """`initialize(model)`: initial values as the spec has them, where PyTorch's are others."""
    own = {spec: name for name, spec in e.weight_names.items()}
    drawn: dict[str, list[str]] = {}
    biases, ones = [], []
    for weight in e.program.graph.weights:
        if not weight.trainable:
            continue
        if weight.initial.name in ("zeros", "ones", "full") and weight.role != "weight":
            (biases if weight.initial.name == "zeros" else ones).append(weight)
        else:
            drawn.setdefault(inline(initial(weight)), []).append(own[weight.name])
    cases: list[tuple[Any, ...]] = []
    if any(e.by_torch(weight) for weight in biases) and weight_ends(e, biases):
        cases.append(('name.endswith("bias")', "nn.init.zeros_(weight)"))
    groups = sorted(drawn.items(), key=lambda item: len(item[1]))
    for form, names in groups[:-1]:
        listed = literal(tuple(names)) if len(names) > 1 else literal(names[0])
        sign = "in" if len(names) > 1 else "=="
        cases.append((f"name {sign} {inline(listed)}", form, listed))  # type: ignore[arg-type]
    if groups:
        flat = any(
            weight.initial.name not in ("zeros",) or not cases or cases[0][0][:13] != "name.endswith"
            for weight in (*ones, *biases)
        )
        cases.append(("weight.ndim > 1" if flat else "", groups[-1][0]))
    if len({case[1] for case in cases}) == 1 and not cases[-1][0]:
        cases = [("", cases[0][1])]
    found = head("initialize", ["model"], "Begin with the initial values of the spec.")
    named = any("name" in case[0] for case in cases)
    found.append(
        f"    for {'name, ' * named}weight in model.{'named_parameters' if named else 'parameters'}():"
    )
    for place, (condition, form, *listed) in enumerate(cases):
        word = f"{'el' if place else ''}if {condition}:" if condition else "else:"
        if word == "else:" and not place:
            found.append(f"        {form}")
            continue
        head_lines = [f"        {word}"]
        if len(head_lines[0]) > 88 and listed:
            head_lines = lines(listed[0], 8, f"{'el' if place else ''}if name in ", ":")
        found += [*head_lines, f"            {form}"]
    return found if cases else []


def weight_ends(e: Emitter, biases: list[Weight]) -> bool:
    """Whether all that is called a bias begins at zero."""
    zero = {weight.name for weight in biases}
    return all(w.name in zero for w in e.program.graph.weights if w.trainable and w.name.endswith("bias"))


def initial(weight: Weight) -> Code:
    shape = tuple(weight.value.type.shape)
    made = weight.initial.torch(Init(), Written(text("weight")), shape, weight.fans)  # type: ignore[arg-type]
    return made._code


class Init:
    """What initial values call `init`."""

    def __getattr__(self, name: str) -> Written:
        return Written(text(f"nn.init.{name}"))
