"""The model class, which is the last class of the file: `forward`, `predict` and the losses."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import Dim
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.decoding_code import NAMES, decoding_lines
from dlc.compiler.lower.python_code import Code, attribute, call, lines, literal, number, signature, text
from dlc.compiler.lower.pytorch_source.body import EmitterState
from dlc.compiler.lower.pytorch_source.class_text import class_lines, docstring, method, parameter_names
from dlc.compiler.lower.pytorch_source.classes import classes_of
from dlc.compiler.lower.pytorch_source.frames import BlockFrame, items_of
from dlc.compiler.lower.pytorch_source.naming import IMPORTED
from dlc.compiler.lower.pytorch_source.split import reads, split
from dlc.compiler.lower.pytorch_source.statements import local
from dlc.compiler.lower.pytorch_source.weights import state_key
from dlc.compiler.lower.pytorch_source.writer import Writer, finish
from dlc.compiler.lower.symbolic import Let, Local
from dlc.compiler.lower.torch_names import safe
from dlc.compiler.output_kinds import kind_of
from dlc.compiler.passes import fitting_order, learners, specialize
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.ir.graph import Node
    from dlc.compiler.program import CompiledProgram

    Labels = tuple[str, ...] | tuple[int, ...]

RESERVED = ("loss", "answers", "rows", "table")  # other local names in functions with inputs and targets


def emit_error(code: str, span: Any, message: str, help: str = "", way: tuple[str, ...] = ()) -> CompileError:
    """The error for a part of a spec that cannot be emitted."""
    labels = (Label(span),) if span is not None else ()
    return CompileError([Diagnostic(code, message, labels, way, help)])


@record(eq=False)
class Method:
    """A method of the model after `forward`."""

    name: str
    doc: str
    context: str  # the torch context of the call: `no_grad`, `enable_grad` or empty
    writer: Writer
    returned: Code


class EmittedModel:
    """The classes of a file, and the names of inputs, targets and weights in it."""

    def __init__(self, program: CompiledProgram):
        check(program)
        self.program, self.split = program, split(program)
        self.frame = BlockFrame("model", program.name, "", self.split.forward)
        self.shared = EmitterState(program, self.split.graph, self.split.roots)
        self.constants: dict[Labels, str] = {}  # the names of module-level lists of class labels
        self.decoded = specialize.decoded_outputs(program)
        self.output_of_scores = {output.scores: output for output in reversed(program.outputs)}
        self.spec_names = {v: n for n, v in reversed([*program.bindings.items()]) if isinstance(v, Value)}
        self.fields = self.named_fields()
        self.forward = self.method(self.split.forward)
        for root in self.split.roots:
            self.forward.value(root)
        self.order_parameters(self.forward)
        self.predict = self.write_predict()
        self.losses = [*self.write_losses()]
        finish(self.forward, self.split.roots)
        self.classes = classes_of(self.shared.frames)
        keys = ((state_key(self.frame, weight.name), weight) for weight in program.graph.weights)
        self.weights = [(key, weight) for key, weight in keys if key is not None]

    def named_fields(self) -> dict[Any, str]:
        """The parameter names of inputs, then of targets, in the order of the methods."""
        program, taken = self.program, [*IMPORTED, *RESERVED, *(NAMES if self.decoded else ())]
        fields: dict[Any, str] = {i.value: i.name for i in program.inputs}
        fields |= {o.target_value: o.target for o in program.outputs
                   if o.target_value is not None and o.target_value not in fields}  # fmt: skip
        for name in fields.values():
            taken.append(safe(name, taken))
        return dict(zip(fields, taken[-len(fields) :], strict=True))

    # --- methods ------------------------------------------------------------------------------------------

    def method(self, nodes: Sequence[Node], roots: Sequence[Value] = (), forward: str = "",
               names: Mapping[str, Any] = MappingProxyType({})) -> Writer:  # fmt: skip
        """The writer of a method, with `names` of its section. With `roots`, the method first calls `forward`
        and takes its results, or the first of them."""
        writer = Writer(self.shared, self.frame, self.frame.members)
        writer.hints = self.spec_names | {v: n for n, v in names.items() if "." not in n}
        if forward == "self.eval()":
            self.write_decoded(writer)
        if roots:
            with_targets = roots is self.split.roots
            given = [v for v in self.forward.params if with_targets or not v.is_target or v in writer.env]
            made = call(text(forward), *(writer.code(value) for value in given))
            if len(roots) < len(self.split.roots):
                none, count = text("None"), number(len(roots))
                first = Code("slice", None, (none, count, none)) if len(roots) > 1 else number(0)
                made = Code("index", None, (made, first))
            targets = tuple(Local(hint=self.hint(value)) for value in roots)
            for value, target in zip(roots, targets, strict=True):
                writer.bind(value, local(target))
            writer.body.append(Let(targets, made))
        writer.write_items(items_of(nodes, 0))
        return writer

    def order_parameters(self, writer: Writer) -> None:
        """Order the parameters of a method: inputs, then targets. Others are an error."""
        for value in (value for value in writer.params if value not in self.fields):
            message = f"`{value.name}` is a weight of a block, and is used outside of it"
            raise emit_error("E0820", value.site.span, message, "declare the weight outside of the block")
        writer.params = {key: writer.params[key] for key in self.fields if key in writer.params}

    def hint(self, value: Value) -> str:
        """The name for a result of `forward` in other methods. It differs from the names of all fields."""
        if value in self.split.targets:
            return value.name.split(".")[0]
        output = self.output_of_scores.get(value)
        name = output.name if output is not None else self.spec_names.get(value, value.name.replace(".", "_"))
        if name not in self.fields.values():
            return name
        scores = output is not None and kind_of(output.declared).activation(output.declared)
        return f"{name}_scores" if scores else f"predicted_{name}"

    def write_losses(self) -> Iterator[Method]:
        """A method for each objective: `compute_loss`, or one named after its phase and its step."""
        pairs = [(phase, objective) for phase in self.program.phases for objective in phase.objectives]
        taken = [weight.name.split(".")[0] for weight in self.program.graph.weights]
        for (phase, objective), (loss, nodes) in zip(pairs, self.split.losses, strict=True):
            name = "_".join(filter(None, ("compute", phase.name, objective.figure.replace(".", "_"))))
            taken.append(name := name if name == "compute_loss" else safe(name, taken))
            remark = f" {learners.remark(self.program, objective)}" if name != "compute_loss" else ""
            writer = self.loss_writer(nodes, loss, {**phase.settings.bound, **objective.settings.bound})
            context = "enable_grad" if any(node.operator.wrt is not None for node in nodes) else ""
            yield Method(name, f"The loss of a batch.{remark}", context, writer, writer.code(loss))

    def loss_writer(self, nodes: Sequence[Node], loss: Value, names: Mapping[str, Value]) -> Writer:
        needed = len(self.split.losses) == 1 or not {loss, *reads(nodes)}.isdisjoint(self.split.roots)
        writer = self.method(nodes, self.split.roots if needed else (), "self", names)
        writer.value(loss)
        wrt = [node.operands[node.operator.wrt] for node in nodes if node.operator.wrt is not None]
        writer.track((value for value in writer.params if value in wrt), 0)
        self.order_parameters(writer)
        return writer

    def write_predict(self) -> Method:
        """`predict`, which gives the outputs of the artifact by name; classes as their labels."""
        graph = specialize.with_answers(self.program, self.program.graph, decoded=True)
        known, decoded = self.split.graph.producers(), {output.name: output for output in self.decoded}
        roots = self.split.outputs if graph.outputs.keys() - decoded else ()
        writer = self.method((), roots, "self.eval()")
        for node in (n for n in graph.nodes if n.results[0] not in known):
            if labels := node.operator.labels():
                indices = writer.code(node.operands[0])
                is_bool = node.operands[0].type.element == "bool"
                indices = call(attribute(indices, "long")) if is_bool else indices
                writer.bind(node.results[0], self.label(labels, indices))
            else:
                writer.write_items([node])
        outputs = ((name, writer.code(decoded.get(name, v))) for name, v in graph.outputs.items())
        returned = Code("dict", None, tuple(Code("item", name, (code,)) for name, code in outputs))
        self.order_parameters(writer)
        return Method("predict", "The outputs for a batch, by name.", "no_grad", writer, returned)

    def write_decoded(self, writer: Writer) -> None:
        """Call the methods that decode. Their answers are the targets that `forward` takes."""
        given = [writer.code(value) for value in self.forward.params if not value.is_target]
        for output in self.decoded:
            made = Local(hint=output.name)
            writer.body.append(Let((made,), call(text(f"self.eval().decode_{output.name}"), *given)))
            writer.bind(output.target_value, local(made))
            labels = output.declared.labels
            writer.bind(output, self.label(labels, local(made)) if labels else local(made))

    def label(self, labels: Labels, indices: Code) -> Code:
        """The labels of class indices. NumPy indexing would convert a tensor of one to a scalar."""
        return call(text("np.take"), text(self.constant(labels)), call(attribute(indices, "cpu")))

    def constant(self, labels: Labels) -> str:
        """The name of the module-level list of these labels."""
        if labels not in self.constants:
            fields: Iterable[Any] = (*self.program.outputs, *self.program.inputs)
            name = next(f.name for f in fields if f.declared.labels == labels)
            self.constants[labels] = safe(name.upper(), {f.name for f in fields})
        return self.constants[labels]

    # --- text ---------------------------------------------------------------------------------------------

    def class_lines(self) -> list[str]:
        found: list[str] = []
        for cls in self.classes[:-1]:
            found += ["", "", *class_lines(cls, parameter_names(cls))]
        names = {value: self.fields[value] for value in self.forward.params}
        more = [n for output in self.decoded for n in decoding_lines(output, names, self.split)]
        more += [line for each in (self.predict, *self.losses) for line in self.method_lines(each)]
        targets = [target for key, target in self.forward.params.items() if key.is_target]
        given = self.names(self.forward)
        return [*found, "", "", *class_lines(self.classes[-1], given, targets, more)]

    def names(self, writer: Writer) -> dict[Local, str]:
        return {target: self.fields[key] for key, target in writer.params.items()}

    def method_lines(self, each: Method) -> list[str]:
        given = self.names(each.writer)
        head = ["", f"    @torch.{each.context}()"] if each.context else [""]
        head += signature(f"    def {each.name}", ["self", *given.values()]) + docstring(each.doc, 8)
        return method(self.classes[-1], head, given, each.writer.body, [each.returned])

    def constant_lines(self) -> list[str]:
        found = []
        for labels, name in self.constants.items():
            found += lines(literal(list(labels)), 0, f"{name} = ")  # type: ignore[arg-type]
        return ["", *found] if found else []


def check(program: CompiledProgram) -> None:
    """Reject lengths, average nets, weights whose shapes need rows, operators fitted to several tensors."""
    if program.export.lengths:
        message = "an emitted model takes one length for a batch"
        raise emit_error("E0820", program.export.spans["lengths"], message, "leave `lengths` out")
    decoder = program.export.decode
    if decoder and not decoder.takes_best:
        message = f"an emitted model does not decode with `{decoder.name}`"
        raise emit_error("E0820", program.export.spans["decode"], message, "write `decode = greedy(...)`")
    for name, average in program.averages.items():
        raise emit_error("E0820", average.span, f"`{name}` is an average net", "train it with `dlc train`")
    for weight in () if program.readers else program.graph.weights:  # text is refused where it is read
        if any(isinstance(size, Dim) for size in weight.value.type.shape):
            message = f"the shape of `{weight.name}` is not known before the training rows are read"
            raise emit_error("E0822", weight.value.site.span, message, "list the classes: `class(a, b, ...)`")
    for first in (uses[0] for uses in fitting_order.in_order(program.graph)[0] if len(uses) > 1):
        message = f"`{first.operator.name}` is fitted to the inputs of `{first.net}` at several places"
        raise emit_error("E0820", first.site.span, message, "apply it to the inputs, before the net")
