"""What is measured of rows: the loss, and metrics by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.answers import kind_of
from dlc.compiler.lower.pytorch_source.code import Code, call, lines, text
from dlc.compiler.lower.pytorch_source.data import Rows
from dlc.compiler.lower.pytorch_source.forms import Written
from dlc.compiler.lower.pytorch_source.functions import head

if TYPE_CHECKING:
    from dlc.compiler.lower.pytorch_source.data import Field
    from dlc.compiler.lower.pytorch_source.emitter import Emitter

INDENT = "    "


def higher(e: Emitter) -> bool:
    """Whether more is better of what early stopping watches."""
    figure = e.program.train.early_stop.figure.rpartition(".")[2]  # type: ignore[union-attr]
    metric = next((m for _, m in e.program.metrics if m.name == figure), None)
    return metric is not None and metric.better == "higher"


def measure(e: Emitter, rows: Rows) -> list[str]:
    """`measure(model, rows)`: the loss and the metrics of rows."""
    several = len({output for output, _ in e.program.metrics}) > 1
    found = head("measure", ["model", "rows"], "The loss and the metrics of rows.", gradients=False)
    names = [field.name for field in rows.fields]
    inputs = [e.input_name(v) for v in e.inputs]
    if sum(map(len, names)) > 60 and not rows.drawn:
        inputs = ["*inputs"]
        names = [*inputs, *(field.name for field in rows.fields if field.target)]
    listed = ", ".join(names)
    found.append(f"{INDENT}{listed if len(names) > 1 else f'({listed},)'} = rows[:]")
    found += rows.draws() if e.program.metrics else []
    loss = call(text("compute_loss"), text("model.eval()"), *map(text, names))
    found += lines(loss, 4, "loss = ")
    entries = [f'{INDENT * 2}"loss": loss.item(),']
    if e.program.metrics:
        found += lines(call(text("answers"), text("model"), *map(text, inputs)), 4, "made = ")
        e.imports.add("from sklearn import metrics")
    for field in rows.fields:
        if any(e.program.output(name).target_value is field.value for name, _ in e.program.metrics):
            found += named(e, field)
    for name, metric in e.program.metrics:
        key = f'"{name + "_" if several else ""}{metric.name}": '
        entries += lines(measured(e, rows, name, metric), 8, key, ",")
    return [*found, f"{INDENT}return {{", *entries, f"{INDENT}}}"]


def named(e: Emitter, field: Field) -> list[str]:
    """The target by the names of its classes, as the model answers."""
    names = field.type.classes.names if field.type.classes else None
    if not names:
        return []
    index = field.name if kind_of(field.type).word == "class" else f"{field.name}.long()"
    return [f"{INDENT}{field.name} = {e.array_of_classes(names)}[{index}]"]


def measured(e: Emitter, rows: Rows, name: str, metric: Any) -> Code:
    """A metric of an output, by scikit-learn."""
    output = e.program.output(name)
    declared, kind = output.declared, kind_of(output.declared)
    target = next(field.name for field in rows.fields if field.value is output.target_value)
    flat = (
        ".ravel()"
        if declared.rank and (metric.name == "accuracy" or declared.rank > 1 or kind.word == "class")
        else ""
    )
    answer = f'made["{name}"]'
    how: dict[str, Any] = {}
    if kind.word == "class" or (kind.word == "binary" and declared.rank):
        how["average"] = "macro"
    if declared.classes and declared.classes.names and kind.word == "binary":
        how["pos_label"] = declared.classes.names[1]
    probability = f'made["{name}{kind.probabilities}"]' if kind.probabilities else answer
    made = metric.sklearn(
        Metrics(),
        Written(text(target + flat)),
        Written(text(answer + flat)),
        Written(text(probability)),
        **how,
    )
    if made is None:
        raise e.cannot(
            "E0821",
            e.program.train.spans.get("metrics"),
            f"`{metric.name}` is no metric of scikit-learn",
            "leave it out of `metrics`",
        )
    return made._code


class Metrics:
    def __getattr__(self, name: str) -> Written:
        return Written(text(f"metrics.{name}"))
