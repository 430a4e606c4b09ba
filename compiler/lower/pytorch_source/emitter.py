"""What the parts of a file know of each other."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import Dim
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.pytorch_source.classes import classes_of
from dlc.compiler.lower.pytorch_source.code import Code, call, inline, lines, literal, text
from dlc.compiler.lower.pytorch_source.frames import is_net, items_of, numbered_name
from dlc.compiler.lower.pytorch_source.parts import parts_of
from dlc.compiler.lower.pytorch_source.source import list_name
from dlc.compiler.lower.pytorch_source.writer import CALLED, Shared, parameter, safe, write
from dlc.compiler.passes import fitting_order
from dlc.compiler.passes.liveness import needed_values

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Output, Weight
    from dlc.compiler.lower.pytorch_source.frames import Frame
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.optimizers import Optimizer

    Labels = tuple[str, ...] | tuple[int, ...]

# The settings that an emitted file follows.
TRAIN = (
    "loss",
    "optimizer",
    "schedule",
    "regularize",
    "clip",
    "accumulate",
    "ema",
    "batch",
    "epochs",
    "steps",
    "early_stop",
    "metrics",
    "seed",
    "weights",
    "freeze",
    "precision",
)
EXPORT = ("outputs", "target", "opset")

NUMBERED = re.compile(r"(\w+)s\.(\d+)")


class Emitter:
    def __init__(self, spec: CompiledProgram):
        self.program = program = read_alone(spec)
        self.whole = len(program.graph.weights) == len(spec.graph.weights)  # no weight is left out
        parts = parts_of(program)
        self.graph, self.roots, self.late = parts.graph, parts.roots, parts.late
        self.shared = Shared(parts.graph, parts.roots, parts.led)
        self.check_settings()
        self.behind = items_of(self.late, 0)
        for item in self.behind:
            if is_net(item):
                write(self.shared, item)
        write(self.shared, parts.model)
        targets = [o.target_value for o in program.outputs if o.target_value is not None]
        self.targets, self.moved = set(targets), self.shared.moved()
        values = dict.fromkeys([*(i.value for i in program.inputs), *targets])
        order = {value: place for place, value in enumerate(values)}
        for value in parts.model.params:
            if value not in order:
                raise self.cannot(
                    "E0821",
                    value.site.span,
                    f"`{value.name}` flows into the network, where an emitted file has inputs alone",
                    "",
                )
        parts.model.params.sort(key=lambda value: order[value])
        parts.model.returns = self.roots
        self.own_unread()
        self.classes = classes_of(self.shared.frames, {"F"})
        self.model = self.classes[-1]
        self.inputs = [value for value in self.model.first.params if value not in targets]
        self.imports = {"import torch", "from torch import nn"}
        self.constants: dict[Labels, str] = {}  # by the labels of classes that they list
        self.fields = {f.name for f in (*program.outputs, *program.inputs)}
        self.needs_numbered, self.needs_table = False, {}
        self.initializes = self.learns = self.penalizes = self.scheduled = self.measures = False
        self.several = False  # optimizers
        self.joins = False  # a last row alone, with the batch before
        self.totals = False  # the losses of an epoch
        self.opens = False  # files, by paths relative to the spec
        self.penalized: list[Any] = []
        self.still: list[str] = []  # nets whose statistics training leaves as they are
        self.check_places()
        self.weight_names = {self.path(w.name, True): w.name for w in program.graph.weights}

    # --- names --------------------------------------------------------------------------------------------

    def input_name(self, value: Value) -> str:
        return safe(value.name, CALLED)

    @cached_property
    def scored(self) -> dict[Value, Output]:
        """The first output that each value is the scores of."""
        return {output.scores: output for output in reversed(self.program.outputs)}

    @cached_property
    def hints(self) -> dict[Any, str]:
        """What values are called outside of the model: as the outputs that they are of, or as the spec binds
        them."""
        known = dict.fromkeys(self.program.graph.values(), "")
        bound = ((v, name) for name, v in reversed([*self.program.bindings.items()]) if isinstance(v, Value))
        moved = ((value, value.name.split(".")[0]) for value in self.moved)
        scores = ((value, output.name) for value, output in self.scored.items())
        return known | dict(bound) | dict(moved) | dict(scores)

    def hint(self, value: Value) -> str:
        """What a value of the model is called outside of it; empty if it has no name there."""
        return self.hints.get(value, value.name.replace(".", "_"))

    @cached_property
    def of_classes(self) -> dict[Labels, str]:
        """For the labels of classes what the first field is called that has them."""
        declared = (*self.program.outputs, *self.program.inputs)
        found = ((f.declared.classes, f.name) for f in reversed(declared))
        return {classes.labels: name for classes, name in found if classes and classes.labels}

    def labels_of_classes(self, labels: Labels) -> str:
        """A constant of the file that lists what classes are called."""
        if labels not in self.constants:
            self.constants[labels] = safe(self.of_classes[labels].upper(), self.fields)
        return self.constants[labels]

    def called(self, labels: Labels, places: Code) -> Code:
        """The labels of classes by their places (as an index, NumPy takes a tensor of one for a number)."""
        self.imports.add("import numpy as np")
        on_cpu = call(Code("attribute", "cpu", (places,)))
        return call(text("np.take"), text(self.labels_of_classes(labels)), on_cpu)

    def path(self, weight: str, key: bool = False) -> str:
        """Where a weight of the spec is in the model: as Python reaches it, or its key in the state."""
        frame, rest, found = self.model.first, weight, []
        while True:
            attr = member_of(frame, rest)
            if attr is None:
                raise LookupError(weight)
            base, place = numbered_name(attr)
            listed = f"{list_name(base)}.{place}" if key else f"{list_name(base)}[{place}]"
            found.append(listed if base in frame.lists else safe(attr))
            code, rest = frame.members[attr], rest[len(attr) + 1 :]
            if code.kind != "make":
                return ".".join([*found, rest] if rest else found)
            frame = code.value

    def check_places(self) -> None:
        """Refuse layers that the loss alone has."""
        for node in self.late:
            for value in (v for v in node.weights.values() if v in self.shared.weights):
                try:
                    self.path(value.name)
                except LookupError:
                    message = f"`{node.operator.name}` is a layer of the loss, and an emitted file has " \
                              "layers in the network alone"  # fmt: skip
                    help = "use it in the network too, as a `net`"
                    raise self.cannot("E0821", node.site.span, message, help, node.site.way()) from None

    def renamed(self, own: str) -> str:
        """The key of a weight as the emitted `load_weights` turns it into the name of the spec."""
        plain = re.sub(r"_(?=\.|$)", "", own)
        return NUMBERED.sub(lambda m: m[1] + (f"_{int(m[2]) + 1}" if m[2] != "0" else ""), plain)

    def loading_doc(self) -> str:
        lists = [own for own in self.weight_names if NUMBERED.search(own)]
        if not lists:
            return "Load weights.safetensors."
        first = NUMBERED.search(lists[0])[0]  # type: ignore[index]
        return f"Load weights.safetensors, whose names count copies: `{self.renamed(first)}` is `{first}`."

    def by_torch(self, weight: Weight) -> bool:
        """Whether a module of torch.nn begins it, rather than a parameter of the file."""
        frame, rest = self.model.first, weight.name
        while True:
            attr = member_of(frame, rest)
            assert attr is not None, "it has a place"
            code, rest = frame.members[attr], rest[len(attr) + 1 :]
            if code.kind != "make":
                return code.kind == "call" and inline(code.parts[0]) != "nn.Parameter"
            frame = code.value

    @staticmethod
    def cannot(code: str, span: Any, message: str, help: str, way: tuple[str, ...] = ()) -> CompileError:
        """What cannot be said in plain PyTorch, at its place; to be raised."""
        labels = (Label(span),) if span is not None else ()
        return CompileError([Diagnostic(code, message, labels, way, help)])

    def check_settings(self) -> None:
        """Refuse settings that the file has no words for, rather than leave them out."""
        program = self.program
        for weight in program.graph.weights:
            if any(isinstance(size, Dim) for size in weight.value.type.shape):
                raise self.cannot(
                    "E0822",
                    weight.value.site.span,
                    f"the shape of `{weight.name}` waits for the training rows",
                    "write the classes out: `class(a, b, ...)`",
                )
        for first, *others in fitting_order.in_order(program.graph)[0]:
            if others:
                message = f"`{first.operator.name}` learns of what flows into `{first.net}` at several places"
                help = "let it act on the inputs, before the net"
                raise self.cannot("E0820", first.site.span, message, help)
        if program.train.precision == "float64":
            raise self.cannot(
                "E0821",
                program.train.spans.get("precision"),
                "an emitted file computes in float32, or in bfloat16 where that is safe",
                "leave it out of the spec that is emitted",
            )
        self.check_optimizers()
        self.check_watched()
        for section, known in ((program.train, TRAIN), (program.export, EXPORT)):
            for name, value in section.values().items():
                if name not in known and value != section.settings[name].default:
                    raise self.cannot(
                        "E0821",
                        section.spans.get(name),
                        f"`{name}` of `{section.name}` has no place in an emitted file",
                        "leave it out of the spec that is emitted",
                    )

    def check_optimizers(self) -> None:
        """Refuse optimizers that treat some weights otherwise than the rest."""
        span, several = self.program.train.spans.get("optimizer"), len(self.program.train.optimizer) > 1
        for optimizer in self.program.train.optimizer:
            if several or optimizer.on:
                what = "an optimizer for some weights is not emitted"
                raise self.cannot("E0821", span, what, "let one optimizer change all weights")
            if optimizer.decay != "all":
                what = f"`decay={optimizer.decay}` of `{optimizer.name}` has no place in an emitted file"
                raise self.cannot("E0821", optimizer.spans.get("decay", span), what,
                                  "leave it out of the spec that is emitted")  # fmt: skip

    def check_watched(self) -> None:
        """Refuse to watch the loss of one output, which an emitted file does not measure."""
        train = self.program.train
        figure = train.early_stop.figure if train.early_stop is not None else ""
        if figure != "loss" and figure.endswith(".loss"):
            raise self.cannot("E0821", train.spans.get("early_stop"), f"`{figure}` is not emitted",
                              "watch `loss`, or a metric of the output")  # fmt: skip

    @property
    def optimizer(self) -> Optimizer:
        """The one that changes all weights."""
        (optimizer,) = self.program.objective.optimizers
        return optimizer

    def own_unread(self) -> None:
        """Declared weights that nothing reads are weights of the model all the same."""
        for weight in self.program.graph.weights:
            if "." not in weight.name and weight.name not in self.shared.frames[-1].members:
                self.shared.frames[-1].members[weight.name] = parameter(weight)

    # --- the file -----------------------------------------------------------------------------------------

    def constant_lines(self) -> list[str]:
        found = []
        for names, constant in self.constants.items():
            found += lines(literal(list(names)), 0, f"{constant} = ")  # type: ignore[arg-type]
        return ["", *found] if found else []


def member_of(frame: Frame, weight: str) -> str | None:
    """The module of a frame in which the weight of this name stands, or the weight itself."""
    beginnings = accumulate(weight.split("."), "{}.{}".format)
    return next((attr for attr in beginnings if attr in frame.members), None)


def read_alone(program: CompiledProgram) -> CompiledProgram:
    """The program without layers that no answer and no loss needs; declared weights stay."""
    needed, graph = needed_values(program), program.graph
    weights = tuple(w for w in graph.weights if w.value in needed or "." not in w.name)
    nodes = tuple(n for n in graph.nodes if not needed.isdisjoint(n.results))
    return replace(program, graph=replace(graph, weights=weights, nodes=nodes))
