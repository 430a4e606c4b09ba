"""What is measured of rows: the loss, and metrics by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.pytorch_source.code import Code, call, lines, quoted, text
from dlc.compiler.lower.pytorch_source.data import Rows
from dlc.compiler.lower.pytorch_source.forms import Written
from dlc.compiler.lower.pytorch_source.functions import head
from dlc.compiler.output_kinds import kind_of
from dlc.compiler.training.metrics import State

if TYPE_CHECKING:
    from dlc.compiler.lower.pytorch_source.data import Field
    from dlc.compiler.lower.pytorch_source.emitter import Emitter
    from dlc.compiler.types import Tensor

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
    whole = e.inputs == [field.value for field in rows.fields if not field.target]
    if sum(map(len, names)) > 60 and whole:
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
    asked = [name for name, metric in e.program.metrics if not metric.of_probabilities]
    answered = {e.program.output(name).target_value for name in asked}
    for field in rows.fields:
        found += named(e, field) if field.value in answered else []
    for name, metric in e.program.metrics:
        key = f'"{name + "_" if several else ""}{metric.name}": '
        entries += lines(measured(e, rows, name, metric), 8, key, ",")
    helper = auroc() if any(": auroc(" in entry for entry in entries) else []
    return [*helper, *found, f"{INDENT}return {{", *entries, f"{INDENT}}}"]


def auroc() -> list[str]:
    """`auroc(truth, scores)`: scikit-learn has no figure for a class without a row, or with all."""
    doc = "The area under the ROC curve; a class that no row has, or every row, is left out."
    return [
        *head("auroc", ["truth", "scores", 'average="macro"'], doc),
        f"{INDENT}truth, scores = truth.reshape(len(truth), -1), scores.reshape(len(scores), -1)",
        f"{INDENT}known = (truth.amin(0) != truth.amax(0)).nonzero().ravel()",
        f"{INDENT}if not len(known):",
        f'{INDENT * 2}return float("nan")',
        f"{INDENT}return metrics.roc_auc_score(truth[:, known], scores[:, known], average=average)",
    ]


def named(e: Emitter, field: Field) -> list[str]:
    """The target by the labels of its classes, as the model answers."""
    labels = labels_of(field.type)
    if not labels:
        return []
    places = field.name if kind_of(field.type).word == "class" else f"{field.name}.long()"
    return lines(e.called(labels, text(places)), 4, f"{field.name}_names = ")


def labels_of(type: Tensor) -> tuple[str, ...] | tuple[int, ...] | None:
    """The labels by which answers are held against targets; several yes or no at once are numbers."""
    return None if type.classes is None or has_labels(type) else type.classes.labels


def has_labels(type: Tensor) -> bool:
    """Whether the answer is several labels, each measured by itself."""
    return kind_of(type).word == "binary" and State(type).per_label


def measured(e: Emitter, rows: Rows, name: str, metric: Any) -> Code:
    """A metric of an output, by scikit-learn."""
    output = e.program.output(name)
    declared, kind = output.declared, kind_of(output.declared)
    assert output.target_value is not None, "what is measured has a target"
    target = rows.names[output.target_value]
    together = metric.name == "accuracy" or kind.word == "class" or not State(declared).per_label
    flat = ".ravel()" if declared.rank and together else ""
    how: dict[str, Any] = {"average": "macro"} if kind.word == "class" or has_labels(declared) else {}
    answer, names = f'made["{name}"]', labels_of(declared)
    classes = declared.classes
    if metric.of_probabilities:
        if kind.word == "class" and classes and classes.count == 2:
            how = {"average": "binary"}  # the scores of one class
        elif kind.word == "class" and classes:
            target, flat = f"F.one_hot({target}{flat}, {classes.count})", ""
    elif names:
        target = f"{target}_names"
        how |= {"pos_label": names[1]} if kind.word == "binary" else {}
    elif classes and classes.names:
        answer = f"({answer} == {quoted(classes.names[1])})"
    given = (target + flat, answer + flat, probabilities(name, declared))
    made = metric.sklearn(Metrics(), *(Written(text(source)) for source in given), **how)
    if made is None:
        raise e.cannot(
            "E0821",
            metric.span,
            f"`{metric!r}` has no place in an emitted file",
            "leave it out of `metrics`",
        )
    return made._code


def probabilities(name: str, declared: Tensor) -> str:
    """As scikit-learn takes them: a row for each answer, of two classes that of the second."""
    kind = kind_of(declared)
    made = f'made["{name}{kind.probabilities}"]'
    if kind.word != "class" or declared.classes is None:
        return made + (".ravel()" if declared.rank and not has_labels(declared) else "")
    if declared.classes.count == 2:
        return f"{made}[{'..., 1' if declared.rank == 1 else ':, 1'}]{'.ravel()' if declared.rank else ''}"
    if not declared.rank:
        return made
    return f"{made}{'.movedim(1, -1)' if declared.rank > 1 else ''}.flatten(0, {declared.rank})"


class Metrics:
    """`sklearn.metrics`, and the function of the file beside it."""

    auroc = Written(text("auroc"))

    def __getattr__(self, name: str) -> Written:
        return Written(text(f"metrics.{name}"))
