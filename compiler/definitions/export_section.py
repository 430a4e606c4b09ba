"""Definition of the section `export`."""

from __future__ import annotations

import re
from typing import Any

from dlc.compiler.definitions import decoders
from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import (
    Boolean,
    Integer,
    ListOf,
    Nothing,
    OneOf,
    ParameterType,
    Reject,
    Text,
)
from dlc.compiler.definitions.sections import Section
from dlc.compiler.record import record


class ExportName(ParameterType):
    """What is exported: an output, its `.logits`, or a tensor with a name. Read as name and syntax."""

    def describe(self) -> str:
        return "the name of an output or a tensor, or `y.logits`"

    def read(self, expr: Any) -> Any:
        from dlc.compiler import syntax

        if isinstance(expr, syntax.Name):
            return ExportedName(expr.id, expr)
        if isinstance(expr, syntax.Attribute) and isinstance(expr.value, syntax.Name):
            return ExportedName(f"{expr.value.id}_{expr.name}", expr)
        return None

    def accept(self, value: Any) -> Any:
        if not isinstance(value, ExportedName):
            raise self.mismatch(
                value, help="give it a name first: `z = ...`" if hasattr(value, "type") else ""
            )
        return value


@record
class ExportedName:
    """A name in the artifact and its expression in the spec."""

    name: str
    expr: Any


class TargetText(Text):
    """The runtime that the artifact has to run on."""

    def describe(self) -> str:
        return 'a runtime and its minimum version, such as "onnxruntime>=1.17", or "openvino"'

    def accept(self, value: Any) -> Any:
        if not isinstance(value, str) or (value != OPENVINO and runtime_version(value) is None):
            raise self.mismatch(value)
        if runtime_opset(value) is None:
            oldest = ".".join(map(str, RUNTIMES[0][0]))
            raise Reject(f"artifacts need onnxruntime {oldest} or newer, found {value}", code="E0403")
        return value


# Minimum version of ONNX Runtime, and what it supports: opset of ai.onnx, opset of ai.onnx.ml, IR version.
# Opset 24 is supported from 1.28 on: before, `Attention` is wrong for a query that may see nothing. From
# opset 25 on, ONNX Runtime (1.32) has no kernel of `Attention` and computes it step by step, which is slower
# than the steps themselves.
RUNTIMES = (
    ((1, 14), 18, 3, 8),
    ((1, 15), 19, 3, 8),
    ((1, 17), 20, 4, 9),
    ((1, 18), 21, 4, 10),
    ((1, 21), 22, 5, 10),
    ((1, 23), 23, 5, 11),
    ((1, 28), 24, 5, 12),
)
OPENVINO, OPENVINO_OPSET = "openvino", (20, 4, 9)


def runtime_version(target: str) -> tuple[int, ...] | None:
    match = re.fullmatch(r"\s*onnxruntime\s*>=\s*(\d+(?:\.\d+){0,2})\s*", target)
    return tuple(map(int, match[1].split("."))) if match else None


def runtime_opset(target: str) -> tuple[int, int, int] | None:
    """The highest opset of ai.onnx, opset of ai.onnx.ml and IR version that every such runtime supports; of
    OpenVINO those that are tested."""
    if target == OPENVINO:
        return OPENVINO_OPSET
    version = runtime_version(target)
    fitting = [r[1:] for r in RUNTIMES if version is not None and r[0] <= (*version, 0)[:2]]
    return fitting[-1] if fitting else None


class Export(Section):
    """Settings of the artifact."""

    usage = """
    input  image: uint8[1, 28, 28]
    output digit: class(10)

    image / 255 -> flatten -> dense(32) -> relu -> dense(10) -> digit

    export {
      outputs = [digit, digit.logits]
      target  = "onnxruntime>=1.18"
    }
    """

    outputs: Any = setting(
        "the outputs of the artifact", OneOf(ListOf(ExportName()), Nothing()), None, shown="all outputs"
    )
    target: str = setting(
        "the runtime of the artifact, `openvino` or a version of `onnxruntime`; it sets opset and IR version",
        TargetText(),
        "onnxruntime>=1.17",
    )
    opset: int | None = setting(
        "opset of ai.onnx",
        OneOf(Integer(RUNTIMES[0][1], RUNTIMES[-1][1]), Nothing()),
        None,
        shown="that of the target",
    )
    decode: Any = setting("how an answer is made step by step, such as `greedy(y, max=32)`",
                          OneOf(decoders.OneDecoder(), Nothing()), None)  # fmt: skip
    lengths: bool = setting(
        "whether the artifact takes the length of each row of a sequence, as `NAME_length`", Boolean(), False
    )
