"""What the parts of a file know of each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics import CompileError, Diagnostic, Label
from dlc.compiler.dims import Dim
from dlc.compiler.lower.pytorch_source.classes import classes_of
from dlc.compiler.lower.pytorch_source.code import inline, lines, literal
from dlc.compiler.lower.pytorch_source.frames import is_net, items_of, numbered_name
from dlc.compiler.lower.pytorch_source.parts import parts_of
from dlc.compiler.lower.pytorch_source.source import list_name
from dlc.compiler.lower.pytorch_source.writer import CALLED, Shared, parameter, safe, write
from dlc.compiler.passes import learning

if TYPE_CHECKING:
    from dlc.compiler.ir import Value, Weight
    from dlc.compiler.program import Program

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
    def __init__(self, program: Program):
        self.program = program
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
        self.constants: dict[str, tuple[str, ...] | tuple[int, ...]] = {}
        self.needs_numbered, self.needs_table = False, {}
        self.initializes = self.learns = self.penalizes = self.scheduled = self.measures = False
        self.several = False  # optimizers
        self.joins = False  # a last row alone, with the batch before
        self.totals = False  # the losses of an epoch
        self.penalized: list[Any] = []
        self.still: list[str] = []  # nets whose statistics training leaves as they are
        self.weight_names = {self.path(w.name, True): w.name for w in program.graph.weights}

    # --- names --------------------------------------------------------------------------------------------

    def input_name(self, value: Value) -> str:
        return safe(value.name, CALLED)

    def hint(self, value: Value) -> str:
        """What the model's values are called outside of it: as the outputs that they are of."""
        for output in self.program.outputs:
            if output.scores is value:
                return output.name
        if value in self.moved:
            return value.name.split(".")[0]
        named = next((name for name, v in self.program.bindings.items() if v is value), "")
        return named or ("" if value in self.program.graph.values() else value.name.replace(".", "_"))

    def labels_of_classes(self, labels: tuple[str, ...] | tuple[int, ...]) -> str:
        """A constant of the file that lists what classes are called."""
        for constant, known in self.constants.items():
            if known == labels:
                return constant
        declared = (*self.program.outputs, *self.program.inputs)
        field = next(f for f in declared if f.declared.classes and f.declared.classes.labels == labels)
        constant = safe(field.name.upper(), {f.name for f in declared})
        self.constants[constant] = labels
        return constant

    def array_of_classes(self, labels: tuple[str, ...] | tuple[int, ...]) -> str:
        """The same as an array, which the places of classes index."""
        self.imports.add("import numpy as np")
        return f"np.array({self.labels_of_classes(labels)})"

    def path(self, weight: str, key: bool = False) -> str:
        """Where a weight of the spec is in the model: as Python reaches it, or its key in the state."""
        frame, rest, found = self.model.first, weight, []
        while True:
            attr = next((a for a in frame.members if rest == a or rest.startswith(f"{a}.")), None)
            if attr is None:
                raise LookupError(weight)
            base, place = numbered_name(attr)
            listed = f"{list_name(base)}.{place}" if key else f"{list_name(base)}[{place}]"
            found.append(listed if base in frame.lists else safe(attr))
            code, rest = frame.members[attr], rest[len(attr) + 1 :]
            if code.kind != "make":
                return ".".join([*found, rest] if rest else found)
            frame = code.value

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
            attr = next(a for a in frame.members if rest == a or rest.startswith(f"{a}."))
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
        for first, *others in learning.in_order(program.graph)[0]:
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
        for section, known in ((program.train, TRAIN), (program.export, EXPORT)):
            for name, value in section.values().items():
                if name not in known and value != section.settings[name].default:
                    raise self.cannot(
                        "E0821",
                        section.spans.get(name),
                        f"`{name}` of `{section.name}` has no place in an emitted file",
                        "leave it out of the spec that is emitted",
                    )

    def own_unread(self) -> None:
        """Declared weights that nothing reads are weights of the model all the same."""
        for weight in self.program.graph.weights:
            if "." not in weight.name and weight.name not in self.shared.frames[-1].members:
                self.shared.frames[-1].members[weight.name] = parameter(weight)

    # --- the file -----------------------------------------------------------------------------------------

    def constant_lines(self) -> list[str]:
        found = []
        for constant, names in self.constants.items():
            found += lines(literal(list(names)), 0, f"{constant} = ")  # type: ignore[arg-type]
        return ["", *found] if found else []
