"""Writes `coverage.md`, how far engines are apart for each operator: `python docs/write_coverage.py`.

It runs every example row, which takes a minute, and its numbers depend on the machine. (land: skip)
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "coverage.md"
sys.path.insert(0, str(ROOT / "tests" / "operators"))

from engines import OPSETS, Bounds, answers, compile_flow, inference
from gradients import LOSSES, gap, in_training
from test_examples import OPERATORS, flow

from dlc.compiler.operators.base import Example, Operator
from dlc.runtime.artifact.compare import difference

ENGINES = [f"{engine}, opset {opset}" for engine in ("ONNX Runtime", "onnx.reference") for opset in OPSETS]
GRADIENT = "gradient"
HEAD = """# Coverage

How far PyTorch, ONNX Runtime and `onnx.reference` are apart, for each operator and each of its settings: the
worst over all example rows of the operator, and over those in which the setting is not at its default.
Made by `python docs/write_coverage.py`; `tests/operators` holds more, on random programs.

The engines run the inference form in float32, at batch sizes 0, 1, 2 and 7 and two values of every free
dimension. A difference is relative to the largest value of an output, or to 1 if that is less; of whole
numbers, classes and truths it is 0, as they have to be equal. `gradient` compares the derivative of the
training form in float64, by inputs and weights, along a random way, with the central difference. A loss
stands in training alone; `-` stands where nothing has a gradient, or where there is no such form. Operators
that the compiler alone puts in, such as those that give names to classes, are tested in
`tests/operators/test_answers.py`.
"""
Worst = dict[str, float]


def page() -> str:
    columns = ["operator", "setting", "rows", *ENGINES, GRADIENT]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for title, members in (("operators", OPERATORS), ("losses", LOSSES)):
        print(title, file=sys.stderr)
        for _, operator in sorted(members.items()):
            lines += lines_of(operator)
    return "\n".join([HEAD, *lines, ""])


def lines_of(operator: type[Operator]) -> Iterator[str]:
    """A line for all rows of an operator, and one for each setting."""
    rows = [row for row in operator.examples if not row.rejects]
    measured = [(settings_of(operator, row), differences(operator, row)) for row in rows]
    for setting in ("", *operator.settings):
        given = [worst for settings, worst in measured if setting in {"", *settings}]
        if given:
            yield line(operator, setting, given)


def line(operator: type[Operator], setting: str, measured: list[Worst]) -> str:
    cells = [f"`{operator.name}`", f"`{setting}`" if setting else "", str(len(measured))]
    for column in (*ENGINES, GRADIENT):
        found = [worst[column] for worst in measured if column in worst]
        cells.append(f"{max(found):.0e}".replace("0e+00", "0") if found else "-")
    return "| " + " | ".join(cells) + " |"


def settings_of(operator: type[Operator], row: Example) -> set[str]:
    """The settings that are given in a row."""
    used = [n.operator for n in in_training(operator.name, row).nodes if n.operator.name == operator.name]
    return {key for key, s in operator.settings.items() for o in used
            if s.required or getattr(o, key) != s.default}  # fmt: skip


def differences(operator: type[Operator], row: Example) -> Worst:
    bounds, worst = Bounds(row.low, row.high), {}
    if not operator.training_only:
        made, graph = compile_flow(flow(operator.name, row), row.operands)
        for engine, found, wanted in answers(inference(graph, made), bounds):
            apart = [difference(want, found[name]) for name, want in wanted.items()]
            worst[engine] = max(worst.get(engine, 0.0), *apart)
    if operator.name != "detach" and (apart := gap(in_training(operator.name, row), bounds)) is not None:
        worst[GRADIENT] = apart
    return worst


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    PAGE.write_text(page(), encoding="utf-8")
