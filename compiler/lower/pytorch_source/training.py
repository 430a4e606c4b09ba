"""How the model is trained, as functions of the file: the loss, a step, and what is around it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dlc.compiler.answers import kind_of
from dlc.compiler.ir import Value
from dlc.compiler.lower.pytorch_source.code import Code, call, inline, lines, text
from dlc.compiler.lower.pytorch_source.data import Rows
from dlc.compiler.lower.pytorch_source.forms import DTYPES, Functions, Written
from dlc.compiler.lower.pytorch_source.functions import Body, head, initialize
from dlc.compiler.lower.pytorch_source.writer import local, safe

if TYPE_CHECKING:
    from dlc.compiler.lower.pytorch_source.emitter import Emitter

INDENT = "    "


def training(e: Emitter) -> list[str]:
    """The functions of training; nothing for a spec that trains nothing."""
    program = e.program
    asked = program.data is not None or program.train.span is not None
    if not asked or program.loss is None or not any(w.trainable for w in program.graph.weights):
        return []
    rows = Rows(e)
    found = [*initialize(e)]
    e.initializes = bool(found)
    found += compute_loss(e, rows)
    found += penalty(e)
    found += rate(e)
    found += learn(e)
    found += train(e, rows)
    if program.data is not None and program.data.source is not None:
        measuring = measure(e, rows)
        found += [*measuring, *rows.function(), *main(e, rows, bool(measuring))]
    return found


# --- the loss ---------------------------------------------------------------------------------------------


def compute_loss(e: Emitter, rows: Rows) -> list[str]:
    program = e.program
    names: dict[Any, str] = {field.value: field.name for field in rows.fields}
    body = Body(e, dict(names))
    targets = set(rows.targets)
    found = head("compute_loss", ["model", *names.values()], "What training makes small.")
    for field in rows.drawn:
        size = ", ".join([f"len({rows.fields[0].name})", *map(str, field.type.shape)])
        found.append(f"{INDENT}{field.name} = torch.{field.draw}({size})")
        names[field.value] = field.name
        body.names[field.value] = field.name
        body.writer.env[field.value] = local(field.value)
    for field in rows.fields:
        if field.value in targets:
            body.writer.env[field.value] = local(field.value, DTYPES.get(field.value.type.element, ""))
    body.call_model()
    taken = set(names.values())
    body.rename(lambda value, hint: f"{hint}_scores" if kind(e, value) else f"predicted_{hint}", taken)
    for node in e.late:
        body.writer.write_node(node)
    ends = [body.writer.value(program.loss)._code]  # type: ignore[arg-type]
    small = [r for r in program.train.regularize if r.value is not None]
    ends += [body.writer.value(regularizer.value)._code for regularizer in small]
    written, namer = body.lines(ends, names.values())
    if not small:
        return [*found, *written, *namer.ending(ends, 4)]
    found += [*written, *lines(namer.consume(ends[0]), 4, "loss = "), f"{INDENT}if model.training:"]
    for regularizer, end in zip(small, ends[1:], strict=True):
        term = regularizer.torch(Functions({}), [Written(namer.consume(end))]) / Written(
            text(f"len({rows.fields[0].name})")
        )
        found += lines(term._code, 8, "loss += ")
    return [*found, f"{INDENT}return loss"]


def kind(e: Emitter, value: Value) -> bool:
    output = next((o for o in e.program.outputs if o.scores is value), None)
    return output is not None and bool(kind_of(output.declared).activation(output.declared))


def penalty(e: Emitter) -> list[str]:
    """`penalty(model)`: what regularizers add to the loss."""
    terms = []
    for regularizer in e.program.train.regularize:
        weights = [
            w for w in e.program.graph.weights if regularizer.acts_on(w) and not e.program.train.freezes(w)
        ]
        if not weights:
            continue
        one = Written(text("weight"))
        term = regularizer.torch(Functions({}), [one])._code
        each = Code("copies", "weight", (term, text(selected(e, weights))))
        terms.append(call(text("sum"), each))
    if not terms:
        return []
    e.penalizes = True
    found = head("penalty", ["model"], "What keeps weights small: layers' alone, never biases or norms.")
    total = terms[0]
    for term in terms[1:]:
        total = Code("sign", "+", (total, term))
    return [*found, *e.selecting, *lines(total, 4, "return ")]


def selected(e: Emitter, weights: list[Any]) -> str:
    """The weights that are meant: all with several axes, where these are they, else by name."""
    own = {spec: name for name, spec in e.weight_names.items()}
    trainable = [w for w in e.program.graph.weights if w.trainable]
    chosen = {w.name for w in weights}
    if all((w.name in chosen) == (w.value.type.rank > 1) for w in trainable):
        e.selecting = [f"{INDENT}weights = [weight for weight in model.parameters() if weight.ndim > 1]"]
        return "weights"
    listed = Code("list", None, tuple(text(f'"{own[w.name]}"') for w in weights))
    e.selecting = [
        *lines(listed, 4, "names = "),
        f"{INDENT}weights = [model.get_parameter(name) for name in names]",
    ]
    return "weights"


def rate(e: Emitter) -> list[str]:
    """`rate(step, steps)`: the learning rate, where it changes."""
    train = e.program.train
    formula = train.schedule.formula(train.optimizer.lr)
    if formula is None:
        raise e.cannot(
            "E0821",
            train.schedule.span,
            f"the schedule `{train.schedule.name}` has no formula",
            "choose another schedule for the emitted file",
        )
    if not formula:
        return []
    e.scheduled = True
    needs = [name for name in ("cos", "pi") if f"{name}" in formula]
    if needs:
        e.imports.add(f"from math import {', '.join(needs)}")
    found = head("rate", ["step", "steps"], "The learning rate of a step, counted from 0.")
    first, condition, rest = formula.partition(" if ")
    if not condition:
        return [*found, *returned(formula, 4)]
    test, _, other = rest.partition(" else ")
    return [*found, f"{INDENT}if {test}:", *returned(first, 8), *returned(other, 4)]


def returned(formula: str, indent: int) -> list[str]:
    margin, (first, plus, rest) = " " * indent, formula.partition(" + ")
    whole = f"{margin}return {formula}"
    if len(whole) <= 88 or not plus:
        return [whole]
    if len(formula) + indent + 4 <= 88:
        return [f"{margin}return (", f"{margin}    {formula}", f"{margin})"]
    return [f"{margin}return (", f"{margin}    {first}", f"{margin}    + {rest}", f"{margin})"]


# --- what is learnt from rows -----------------------------------------------------------------------------


def learn(e: Emitter) -> list[str]:
    """`learn(model, rows)`: what operators learn from the training rows before training."""
    classes = [cls for cls in e.classes if cls.learns]
    e.check_learnt(classes)
    if not classes:
        return []
    e.learns = True
    names = ", ".join(cls.name for cls in classes)
    names = f"({names})" if len(classes) > 1 else names
    inputs = len(e.inputs)
    return [
        *head(
            "learn",
            ["model", "rows"],
            "Learn from the training rows what is learnt before training.",
            gradients=False,
        ),
        f"{INDENT}learning = [m for m in model.modules() if isinstance(m, {names})]",
        f"{INDENT}hooks = [m.register_forward_pre_hook(lambda m, x: m.learn(*x)) for m in learning]",
        f"{INDENT}model.eval()(*rows[:][:{inputs}])",
        f"{INDENT}for hook in hooks:",
        f"{INDENT}    hook.remove()",
    ]


# --- the loop ---------------------------------------------------------------------------------------------


class Parameters(Written):
    """The weights as an optimizer takes them; how it computes is left to it."""

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0


def optimizer(e: Emitter) -> list[str]:
    made = e.program.train.optimizer.torch(Optim(), Parameters(text("model.parameters()")))._code
    parts = [
        part for part in made.parts if not (part.kind == "keyword" and part.value in ("fused", "foreach"))
    ]
    return lines(Code("call", None, tuple(parts)), 4, "optimizer = ")


class Optim:
    def __getattr__(self, name: str) -> Written:
        return Written(text(f"torch.optim.{name}"))


def train(e: Emitter, rows: Rows) -> list[str]:
    settings = e.program.train
    e.imports.add("from torch.utils.data import DataLoader")
    stopping = settings.early_stop
    watches = stopping is not None and stopping.part == "validation"
    given = ["model", "rows", *(["validation"] if watches else [])]
    found = head("train", given, "Learn the weights from the rows.")
    found.append(f"{INDENT}torch.manual_seed({settings.seed})")
    found += [f"{INDENT}initialize(model)"] if e.initializes else []
    found += [f"{INDENT}learn(model, rows)"] if e.learns else []
    found += begin(e)
    found += optimizer(e)
    size = "len(rows)" if settings.batch == "all" else str(settings.batch)
    found.append(f"{INDENT}batches = DataLoader(rows, batch_size={size}, shuffle=True)")
    epochs = settings.epochs or 10
    counted = e.scheduled or settings.steps is not None
    if counted:
        steps = str(settings.steps) if settings.steps else f"{epochs} * len(batches)"
        found.append(f"{INDENT}step, steps = 0, {steps}")
    repeated = str(epochs) if settings.steps is None else "-(-steps // len(batches))"
    if stopping is not None:
        worst = "-" if higher(e) else ""
        found.append(f'{INDENT}best, kept, waited = {worst}float("inf"), None, 0')
    found += [
        f"{INDENT}for {'epoch' if stopping is not None else '_'} in range({repeated}):",
        f"{INDENT * 2}model.train()",
        *(f"{INDENT * 2}{net}.eval()" for net in e.still),
        f"{INDENT * 2}for batch in batches:",
    ]
    inner = []
    if settings.steps is not None:
        inner += ["if step == steps:", "    break"]
    if e.scheduled:
        inner += ["for group in optimizer.param_groups:", '    group["lr"] = rate(step, steps)']
    loss = "compute_loss(model, *batch)" + (" + penalty(model)" if e.penalizes else "")
    inner += [f"loss = {loss}", "optimizer.zero_grad()", "loss.backward()"]
    if settings.clip is not None:
        utils = Utils()
        settings.clip.torch(utils, Written(text("model.parameters()")))  # type: ignore[arg-type]
        inner += [inline(code) for code in utils.called]
    inner.append("optimizer.step()")
    inner += ["step += 1"] if counted else []
    found += [f"{INDENT * 3}{line}" for line in inner]
    if stopping is not None:
        found += stop(e, stopping)
    return found


def begin(e: Emitter) -> list[str]:
    """Trained weights that training begins with, and what it holds still."""
    settings, found = e.program.train, []
    own = {spec: name for name, spec in e.weight_names.items()}
    for load in settings.weights:
        net = load.into.net if load.into is not None else ""
        places = load.places(e.program.graph.weights)
        if net and any(own[w.name] != f"{safe(net)}.{name}" for name, w in places.items()):
            message = f"the weights of `{net}` have other names in an emitted file"
            raise e.cannot("E0821", load.span, message, "load all weights of the spec")
        path = json.dumps(load.path)
        found.append(
            f"{INDENT}model.{safe(net)}.load_state_dict(load_file({path}))"
            if net
            else f"{INDENT}load_weights(model, {path})"
        )
    for meant in settings.freeze:
        name = f"model.{safe(getattr(meant, 'net', None) or meant.name)}"
        found.append(f"{INDENT}{name}.requires_grad_(False)")
        nodes = [node for node in e.graph.nodes if node.net and node.net == getattr(meant, "net", None)]
        if any(weight.role == "statistic" and weight.net == getattr(meant, "net", 0)
               for weight in e.program.graph.weights):  # fmt: skip
            e.still.append(name)
            if any(node.operator.random for node in nodes):
                message = f"`{meant.net}` draws, and is held still"
                raise e.cannot("E0821", settings.spans.get("freeze"), message, "leave out what draws in it")
    return found


class Utils:
    """What clipping calls `utils`."""

    def __init__(self) -> None:
        self.called: list[Code] = []

    def __getattr__(self, name: str) -> Any:
        def function(*given: Any) -> None:
            made = Written(text(f"nn.utils.{name}"))(*given)
            self.called.append(made._code)

        return function


def higher(e: Emitter) -> bool:
    """Whether more is better of what early stopping watches."""
    figure = e.program.train.early_stop.figure.rpartition(".")[2]  # type: ignore[union-attr]
    metric = next((m for _, m in e.program.metrics if m.name == figure), None)
    return metric is not None and metric.better == "higher"


def stop(e: Emitter, stopping: Any) -> list[str]:
    """Stop after epochs without a better figure; the weights of the best are kept."""
    e.imports.add("from copy import deepcopy")
    part = "validation" if stopping.part == "validation" else "rows"
    name = stopping.figure.replace(".", "_")
    e.measures = True
    sign = ">" if higher(e) else "<"
    return [
        f'{INDENT * 2}figure = measure(model, {part})["{name}"]',
        f'{INDENT * 2}print(f"epoch {{epoch + 1}}: {name.replace("_", " ")} {{figure:.4f}}")',
        f"{INDENT * 2}waited += 1",
        f"{INDENT * 2}if figure {sign} best:",
        f"{INDENT * 3}best, kept, waited = figure, deepcopy(model.state_dict()), 0",
        f"{INDENT * 2}if waited == {stopping.n}:",
        f"{INDENT * 3}break",
        f"{INDENT}model.load_state_dict(kept)",
    ]


def measure(e: Emitter, rows: Rows) -> list[str]:
    """`measure(model, rows)`: the loss and the metrics of rows."""
    several = len({output for output, _ in e.program.metrics}) > 1
    found = head("measure", ["model", "rows"], "The loss and the metrics of rows.", gradients=False)
    names = [field.name for field in rows.fields]
    listed = f"({names[0]},)" if len(names) == 1 else ", ".join(names)
    short = len(listed) <= 70
    found.append(f"{INDENT}{listed if short else 'data'} = rows[:]")
    names = names if short else [f"data[{place}]" for place in range(len(names))]
    inputs = [e.input_name(v) for v in e.inputs]
    given = names if short else ["*data"]
    loss = call(text("compute_loss"), text("model.eval()"), *map(text, given))
    found += lines(loss, 4, "loss = ")
    entries = [f'{INDENT * 2}"loss": loss.item(),']
    if e.program.metrics:
        found += lines(
            call(text("answers"), text("model"), *map(text, inputs if short else [f"*data[:{len(inputs)}]"])),
            4,
            "made = ",
        )
        e.imports.add("from sklearn import metrics")
    for name, metric in e.program.metrics:
        key = f'"{name + "_" if several else ""}{metric.name}": '
        entries += lines(measured(e, rows, names, name, metric), 8, key, ",")
    return [*found, f"{INDENT}return {{", *entries, f"{INDENT}}}"]


def measured(e: Emitter, rows: Rows, names: list[str], name: str, metric: Any) -> Code:
    """A metric of an output, by scikit-learn."""
    output = e.program.output(name)
    declared, kind = output.declared, kind_of(output.declared)
    place = next(i for i, f in enumerate(rows.fields) if f.value is output.target_value)
    flat = (
        ".ravel()"
        if declared.rank and (metric.name == "accuracy" or declared.rank > 1 or kind.word == "class")
        else ""
    )
    answer, target = f'made["{name}"]', names[place]
    how: dict[str, Any] = {}
    if kind.word == "class" or (kind.word == "binary" and declared.rank):
        how["average"] = "macro"
    if declared.classes and declared.classes.names:
        index = target if kind.word == "class" else f"{target}.long()"
        target = f"{e.names_of_classes(declared.classes.names)}[{index}]"
        how |= {} if kind.word == "class" else {"pos_label": declared.classes.names[1]}
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


def main(e: Emitter, rows: Rows, measures: bool) -> list[str]:
    stopping = e.program.train.early_stop
    watches = stopping is not None and stopping.part == "validation"
    found = ["", "", "def main():", *(f"{INDENT}{line}" for line in rows.parting())]
    arguments = "model, training" + (", validation" if watches else "")
    found += [f"{INDENT}model = {e.model.name}()", f"{INDENT}train({arguments})"]
    parts = ["training", *rows.parts]
    for part in parts:
        found.append(f'{INDENT}print("{part}", measure(model, {part}))')
    found.append(f'{INDENT}torch.save(model.state_dict(), "{e.program.name}.pt")')
    return [*found, "", "", 'if __name__ == "__main__":', f"{INDENT}main()"]
