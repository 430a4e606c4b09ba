"""The model of a program as the last class of the file: `forward`, `predict` and `compute_loss`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.answers import kind_of
from dlc.compiler.diagnostics import CompileError, Diagnostic, Label
from dlc.compiler.dims import Dim
from dlc.compiler.ir import Value
from dlc.compiler.lower.python_code import Code, attribute, call, inline, lines, literal, number, text
from dlc.compiler.lower.pytorch_source.class_text import class_lines, namer_of, names_of
from dlc.compiler.lower.pytorch_source.classes import classes_of
from dlc.compiler.lower.pytorch_source.frames import Frame, items_of
from dlc.compiler.lower.pytorch_source.naming import IMPORTED
from dlc.compiler.lower.pytorch_source.split import split
from dlc.compiler.lower.pytorch_source.statements import local
from dlc.compiler.lower.pytorch_source.weights import state_key
from dlc.compiler.lower.pytorch_source.writer import Shared, Writer, finish, parameter
from dlc.compiler.lower.symbolic import Let, Local
from dlc.compiler.lower.torch_names import safe
from dlc.compiler.passes import forms, learning
from dlc.compiler.passes.needed import needed_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.ir import Node
    from dlc.compiler.program import Program

    Labels = tuple[str, ...] | tuple[int, ...]

USED = ("answers", "loss", "rows")  # by functions that name inputs and targets


def refused(code: str, span: Any, message: str, help: str = "", way: tuple[str, ...] = ()) -> CompileError:
    """What has no plain PyTorch, at its place; to be raised."""
    labels = (Label(span),) if span is not None else ()
    return CompileError([Diagnostic(code, message, labels, way, help)])


class Model:
    """The classes of a file, and the names of inputs, targets and weights in it."""

    def __init__(self, spec: Program):
        self.program = program = without_unread(spec)
        check(program)
        self.split = split(program)
        self.frame = frame = Frame("model", program.name, "", self.split.forward)
        self.shared = Shared(program, self.split.graph, self.split.roots)
        self.constants: dict[Labels, str] = {}  # lists of the labels of classes
        self.scored = {output.scores: output for output in reversed(program.outputs)}
        self.bound = {v: name for name, v in reversed(program.bindings.items()) if isinstance(v, Value)}
        self.fields = self.named_fields()
        forward = Writer(self.shared, frame, frame.members)
        forward.write_items(items_of(self.split.forward, 0))
        for root in self.split.roots:
            forward.value(root)
        forward.params = {key: forward.params[key] for key in self.fields if key in forward.params}
        self.forward = forward
        self.loss = self.write_loss() if program.phases else None
        self.predict = self.write_predict()
        for weight in program.graph.weights:
            if "." not in weight.name and weight.name not in frame.members:  # declared, and never read
                frame.members[weight.name] = parameter(weight)
        finish(forward, self.split.roots)
        self.classes = classes_of(self.shared.frames)
        keys = ((state_key(frame, weight.name), weight) for weight in program.graph.weights)
        self.weights = [(key, weight) for key, weight in keys if key is not None]

    @property
    def name(self) -> str:
        return self.classes[-1].name

    def named_fields(self) -> dict[Any, str]:
        """Inputs, then targets, in the order in which methods take them, with their names."""
        program, taken = self.program, [*IMPORTED, *USED]
        fields: dict[Any, str] = {i.value: i.name for i in program.inputs}
        fields |= {o.target_value: o.target for o in program.outputs
                   if o.target_value is not None and o.target_value not in fields}  # fmt: skip
        for name in fields.values():
            taken.append(safe(name, taken))
        return dict(zip(fields, taken[-len(fields) :], strict=True))

    # --- methods ------------------------------------------------------------------------------------------

    def call_forward(self, writer: Writer, roots: list[Value], function: Code, given: list[Value]) -> None:
        """Let the method begin with what `forward` returns, or with the first of it."""
        made = call(function, *(writer.code(value) for value in given))
        targets = tuple(Local(hint=self.hint(value)) for value in roots)
        if len(roots) < len(self.split.roots):
            none, count = text("None"), number(len(roots))
            first = Code("slice", None, (none, count, none)) if len(roots) > 1 else number(0)
            made = Code("index", None, (made, first))
        for value, target in zip(roots, targets, strict=True):
            writer.give(value, local(target))
        writer.body.insert(0, Let(targets, made))

    def hint(self, value: Value) -> str:
        """What a value of `forward` is called outside of it; a field of this name is kept apart."""
        if value in self.split.moved:
            return value.name.split(".")[0]
        output = self.scored.get(value)
        name = output.name if output is not None else self.bound.get(value, value.name.replace(".", "_"))
        if name not in self.fields.values():
            return name
        scores = output is not None and kind_of(output.declared).activation(output.declared)
        return f"{name}_scores" if scores else f"predicted_{name}"

    def write_loss(self) -> Writer:
        writer = Writer(self.shared, self.frame, self.frame.members)
        writer.hints = {}
        if self.split.roots:
            self.call_forward(writer, self.split.roots, text("self"), list(self.forward.params))
        writer.write_items(items_of(self.split.loss, 0))
        writer.value(self.split.graph.outputs[forms.LOSS])
        writer.params = {key: writer.params[key] for key in self.fields if key in writer.params}
        return writer

    def write_predict(self) -> tuple[Writer, dict[str, Code]]:
        """The answers of the artifact by name; a class by its label."""
        program = self.program
        graph = forms.answering(program, forms.at_inference(program.graph))
        writer = Writer(self.shared, self.frame, self.frame.members)
        writer.hints = {}
        given = [value for value in self.forward.params if not value.is_target]
        self.call_forward(writer, self.split.answers, text("self.eval()"), given)
        producers = self.split.graph.producers()
        for root in self.split.answers:
            for value in same_at_inference(program.graph.producers(), root):
                writer.env.setdefault(value, writer.env[root])
        labelled: dict[Value, Labels] = {}
        for node in graph.nodes:
            if any(result in producers for result in node.results):
                continue
            if labels := node.operator.labels():
                labelled[node.results[0]] = labels
                writer.give(node.results[0], writer.code(node.operands[0]))
            else:
                writer.write_items([node])
        answers = {name: writer.code(value) for name, value in graph.outputs.items()}
        for name, value in graph.outputs.items():
            if value in labelled:
                index = answers[name]
                if program.output(name).declared.element == "binary":
                    index = call(attribute(index, "long"))
                answers[name] = self.label(labelled[value], index)
        writer.params = {key: writer.params[key] for key in self.fields if key in writer.params}
        return writer, answers

    def label(self, labels: Labels, places: Code) -> Code:
        """The labels of classes by their places (as an index, NumPy takes a tensor of one for a number)."""
        return call(text("np.take"), text(self.constant(labels)), call(attribute(places, "cpu")))

    def constant(self, labels: Labels) -> str:
        """The constant of the file that lists these labels."""
        if labels not in self.constants:
            fields: Iterable[Any] = (*self.program.outputs, *self.program.inputs)
            name = next(f.name for f in fields if f.declared.classes and f.declared.classes.labels == labels)
            self.constants[labels] = safe(name.upper(), {f.name for f in fields})
        return self.constants[labels]

    # --- text ---------------------------------------------------------------------------------------------

    def class_lines(self) -> list[str]:
        found: list[str] = []
        for cls in self.classes[:-1]:
            found += ["", "", *class_lines(cls, names_of(cls))]
        given = {t: self.fields[key] + "=None" * key.is_target for key, t in self.forward.params.items()}
        methods = [*self.predict_lines(), *(self.loss_lines(self.loss) if self.loss else [])]
        return [*found, "", "", *class_lines(self.classes[-1], given, methods)]

    def loss_lines(self, writer: Writer) -> list[str]:
        wrt = [n.operands[n.operator.wrt] for n in self.split.graph.nodes if n.operator.wrt is not None]
        moved = self.split.graph.needed_by(wrt)
        given = {target: self.fields[key] for key, target in writer.params.items()}
        loss = writer.code(self.split.graph.outputs[forms.LOSS])
        head = self.head("compute_loss", given.values(), "The loss of a batch.", "enable_grad" if wrt else "")
        head += [f"        {self.fields[key]}.requires_grad_()" for key in writer.params
                 if key in moved and key.type.is_float]  # fmt: skip
        namer, body, (end,) = namer_of(self.classes[-1], given, writer.body, [loss])
        return [*head, *namer.block(body, 8, [end]), *namer.ending([end], 8)]

    def predict_lines(self) -> list[str]:
        writer, answers = self.predict
        given = {target: self.fields[key] for key, target in writer.params.items()}
        head = self.head("predict", given.values(), "The answers for a batch, by name.", "no_grad")
        namer, body, ends = namer_of(self.classes[-1], given, writer.body, [*answers.values()])
        found = [*head, *namer.block(body, 8, ends)]
        shown = dict(zip(answers, map(namer.consume, ends), strict=True))
        entries = [line for name, code in shown.items() for line in lines(code, 12, f'"{name}": ', ",")]
        whole = ", ".join(f'"{name}": {inline(code)}' for name, code in shown.items())
        short = len(whole) <= 60
        return (
            [*found, f"        return {{{whole}}}"]
            if short
            else [*found, "        return {", *entries, "        }"]
        )

    def head(self, name: str, given: Iterable[str], doc: str, grad: str = "") -> list[str]:
        from dlc.compiler.lower.python_code import signature

        decorator = [f"    @torch.{grad}()"] if grad else []
        return ["", *decorator, *signature(f"    def {name}", ["self", *given]), f'        """{doc}"""']

    def constant_lines(self) -> list[str]:
        found = []
        for labels, name in self.constants.items():
            found += lines(literal(list(labels)), 0, f"{name} = ")  # type: ignore[arg-type]
        return ["", *found] if found else []


def same_at_inference(producers: dict[Value, Node], value: Value) -> Iterable[Value]:
    """What a value is the same as, once dropout and its like are gone."""
    while (node := producers.get(value)) is not None and node.operator.inference().identity:
        value = node.operands[0]
        yield value


def without_unread(program: Program) -> Program:
    """The program without layers that no answer and no loss needs; declared weights stay."""
    needed, graph = needed_values(program), program.graph
    weights = tuple(w for w in graph.weights if w.value in needed or "." not in w.name)
    nodes = tuple(n for n in graph.nodes if not needed.isdisjoint(n.results))
    return replace(program, graph=replace(graph, weights=weights, nodes=nodes))


def check(program: Program) -> None:
    """Refuse what waits for rows, and what is fitted to several tensors at once."""
    for weight in program.graph.weights:
        if any(isinstance(size, Dim) for size in weight.value.type.shape):
            message = f"the shape of `{weight.name}` waits for the training rows"
            raise refused(
                "E0822", weight.value.site.span, message, "write the classes out: `class(a, b, ...)`"
            )
    for first, *others in learning.in_order(program.graph)[0]:
        if others:
            message = f"`{first.operator.name}` learns of what flows into `{first.net}` at several places"
            raise refused("E0820", first.site.span, message, "let it act on the inputs, before the net")
