"""Writes `coverage.md`, the bounds that tests hold each operator to: `python docs/write_coverage.py`;
`--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "coverage.md"
sys.path.insert(0, str(ROOT / "tests" / "operators"))

from bounds import FUNCTIONS, GRADIENT, SUMS, bound
from engines import BATCHES, OPSETS
from gradients import LOSSES, in_training
from test_examples import OPERATORS

from dlc.compiler.operators.base import Example, Operator


def listed(numbers: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


HEAD = f"""# Coverage

How far PyTorch, ONNX Runtime and `onnx.reference` may be apart, for each operator. `tests/operators` runs all
example rows of an operator and asserts these bounds; it holds more, on random settings and random programs.
Made from the bounds and the rows by `python docs/write_coverage.py`.

`outputs`: the engines run the inference form in float32, at the opsets {listed(OPSETS)}, at the
batch sizes {listed(BATCHES)} and two values of every free dimension. The bound is relative to the largest
value of an output, or to 1 if that is less. Whole numbers, classes and booleans are equal.

`gradient`: in float64, the derivative of the training form by inputs and weights, along a random direction,
beside the central difference. It is `-` where nothing real is made, and for `detach`, which has no gradient.

`settings` are those that are not at their default in some row. Losses exist in training alone. Operators
that only the compiler inserts, such as those that name classes, are tested in
`tests/operators/test_answers.py`.
"""


def page() -> str:
    columns = ["operator", "rows", "settings", "outputs", "gradient"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for members in (OPERATORS, LOSSES):
        lines += [line(operator) for _, operator in sorted(members.items()) if operator.examples]
    return "\n".join([HEAD, *lines, ""])


def line(operator: type[Operator]) -> str:
    rows = [row for row in operator.examples if not row.rejects]
    given = {name for row in rows for name in settings_of(operator, row)}
    settings = ", ".join(f"`{setting}`" for setting in operator.settings if setting in given)
    outputs = "-" if operator.training_only else shown(bound(operator.name))
    has_gradient = operator.name != "detach" and any(map(gives_float, rows))
    gradient = shown(GRADIENT) if has_gradient else "-"
    return f"| `{operator.name}` | {len(rows)} | {settings} | {outputs} | {gradient} |"


def shown(limit: float) -> str:
    return f"<= {limit:.0e}".replace("e-0", "e-") if limit else "equal"


def settings_of(operator: type[Operator], row: Example) -> Iterator[str]:
    """The settings that are not at their default in a row."""
    for node in in_training(operator.name, row).nodes:
        if node.operator.name == operator.name:
            for key, setting in operator.settings.items():
                if setting.required or getattr(node.operator, key) != setting.default:
                    yield key


def gives_float(row: Example) -> bool:
    return "float" in str(row.gives)


def main() -> None:
    made = page()
    if unknown := (SUMS | FUNCTIONS) - OPERATORS.keys():
        sys.exit(f"tests/operators/bounds.py names what is no operator: {', '.join(sorted(unknown))}")
    if "--check" not in sys.argv:
        PAGE.write_text(made, encoding="utf-8", newline="\n")
    elif PAGE.read_text("utf-8") != made:
        sys.exit("docs/coverage.md is not up to date: python docs/write_coverage.py")


if __name__ == "__main__":
    main()
