"""The training script: a template for specs with one objective and supported settings and sources."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.formula_code import penalty, rate_lines
from dlc.compiler.lower.python_code import Code, attribute, call, inline, lines, text
from dlc.compiler.lower.pytorch_source.model import emit_error
from dlc.compiler.lower.pytorch_source.rows import MODEL_ALONE, SourceReader
from dlc.compiler.lower.pytorch_source.weights import initialize
from dlc.compiler.lower.symbolic import argument
from dlc.compiler.output_kinds import kind_of
from dlc.compiler.passes import specialize
from dlc.compiler.training.train_section import EPOCHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.lower.pytorch_source.model import EmittedModel
    from dlc.compiler.program import CompiledProgram

# Supported settings of `train`. Metrics other than the accuracy are ignored: they do not affect training.
SETTINGS = ("loss", "optimizer", "schedule", "regularize", "batch", "epochs", "early_stop", "metrics", "seed")

# A line with `condition|` is written if the spec satisfies the condition.
TEMPLATE = '''
penalty|
penalty|
penalty|def penalty(model):
penalty|    """The regularization term of the weights of layers, without biases and norms."""
penalty|    weights = [weight for weight in model.parameters() if weight.ndim > 1]
penalty|    return sum({penalty} for weight in weights)
schedule|
schedule|
schedule|def rate(step, steps):
schedule|    """The learning rate of a step; the first step is 0."""
schedule|{rate}
fit|
fit|
fit|@torch.no_grad()
fit|def fit(model, rows):
fit|    """Fit operators to the training rows before training."""
fit|    fitted = [module for module in model.modules() if hasattr(module, "fit")]
fit|    hooks = [m.register_forward_pre_hook(lambda m, x: m.fit(*x)) for m in fitted]
fit|    model.eval().compute_loss(*rows[:])
fit|    for hook in hooks:
fit|        hook.remove()


def train(model, {given}):
    """Train the model on the rows."""
    torch.manual_seed({seed})
initialize|    initialize(model)
fit|    fit(model, rows)
{optimizer}
one_row|    alone = len(rows) % {batch} == 1  # one row has no statistics
one_row|    batches = DataLoader(rows, {batch}, shuffle=True, drop_last=alone)
many_rows|    batches = DataLoader(rows, {batch}, shuffle=True)
schedule|    step, steps = 0, {epochs} * len(batches)
stop|    best, kept, waited = float("inf"), None, 0
    for {epoch} in range({epochs}):
        model.train()
        for batch in batches:
schedule|            for group in optimizer.param_groups:
schedule|                group["lr"] = rate(step, steps)
            loss = model.compute_loss(*batch){plus}
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
schedule|            step += 1
stop|        loss = evaluate(model, {watched})["loss"]
stop|        print(f"epoch {epoch + 1}: loss {loss:.4f}")
stop|        waited += 1
stop|        if loss < best:
stop|            best, kept, waited = loss, deepcopy(model.state_dict()), 0
stop|        if waited == {patience}:
stop|            break
stop|    if kept is None:
stop|        raise RuntimeError("the loss was not finite after any epoch")
stop|    model.load_state_dict(kept)


@torch.no_grad()
def evaluate(model, rows):
    """The loss and the metrics of rows."""
unmeasured|    # The spec also asks for {unmeasured}: `dlc eval` computes that.
    loss = model.eval().compute_loss(*rows[:])
accuracy|{fields}
accuracy|{answers}
accuracy|    return {
accuracy|        "loss": loss.item(),
accuracy|{accuracy}
accuracy|    }
loss_alone|    return {"loss": loss.item()}
source|
source|
source|{load_rows}
source|
source|
source|def main():
source|{split}
source|    model = {model}()
source|    train(model, {arguments})
source|    print("training", evaluate(model, training))
validation|    print("validation", evaluate(model, validation))
test|    print("test", evaluate(model, test))
source|    torch.save(model.state_dict(), "{name}.pt")
source|
source|
source|if __name__ == "__main__":
source|    main()
'''


def script(model: EmittedModel) -> list[str]:
    """The lines of the training script; none if the spec does not train."""
    program = model.program
    if not program.phases or (program.data is None and program.train.span is None):
        return []
    check_settings(program)
    if not specialize.trained(program):
        return []
    specialize.check_reached(program)
    fields = [*model.losses[0].writer.params]
    rows = SourceReader(model, fields) if program.data and program.data.source else None
    parts, loading, split = (rows.parts, rows.loading, rows.splitting) if rows else ([], [], [])
    train, optimizer = program.train, program.train.optimizer[0]
    initial = initialize([(key, weight) for key, weight in model.weights if weight.trainable])
    formula, stop = train.schedule.formula(optimizer.lr) or "", train.early_stop
    nodes = specialize.training(program, program.objective).nodes
    one_row = train.batch != "all" and any(node.operator.needs_many_rows for node in nodes)
    watched = "validation" if stop is not None and stop.part == "validation" else "rows"
    given = "rows" if watched == "rows" else "rows, validation"
    names = Code("unpacked", None, tuple(text(model.fields[value]) for value in fields))
    taken = (text(model.fields[value]) for value in model.predict.writer.params)
    accuracy = [*accuracy_lines(model)]
    unmeasured = [f"`{m.title}`" for m in train.metrics or () if m.name != "accuracy" or not accuracy]
    conditions = {
        "penalty": train.regularize, "schedule": formula, "initialize": initial, "one_row": one_row,
        "many_rows": not one_row, "fit": any(cls.is_fitted for cls in model.classes), "stop": stop,
        "source": rows, "accuracy": accuracy, "loss_alone": not accuracy, "validation": "validation" in parts,
        "test": "test" in parts, "unmeasured": unmeasured,
    }  # fmt: skip
    values = {
        "penalty": [" + ".join(map(penalty, train.regularize))], "rate": rate_lines(formula),
        "seed": [train.seed], "optimizer": optimizer_lines(optimizer), "epochs": [train.epochs or EPOCHS],
        "batch": ["len(rows)" if train.batch == "all" else train.batch], "epoch": ["epoch" if stop else "_"],
        "plus": [" + penalty(model)" if train.regularize else ""], "watched": [watched],
        "patience": [stop.n if stop else 0], "fields": lines(names, 4, after=" = rows[:]"),
        "answers": lines(call(text("model.predict"), *taken), 4, "answers = "), "accuracy": accuracy,
        "load_rows": loading, "split": split, "given": [given], "name": [program.name],
        "arguments": [given.replace("rows", "training")], "unmeasured": [", ".join(unmeasured)],
        "model": [model.classes[-1].name],
    }  # fmt: skip
    return [*initial, *fill_template(conditions, values)]


def fill_template(conditions: Mapping[str, Any], values: Mapping[str, list[Any]]) -> Iterator[str]:
    """The lines of the template whose conditions hold, with values in place of `{name}`."""
    for line in TEMPLATE.split("\n")[1:-1]:
        condition, bar, rest = line.partition("|")
        if bar and not conditions[condition]:
            continue
        line = rest if bar else line
        for name, value in values.items():
            line = line.replace(f"{{{name}}}", "\n".join(map(str, value)))
        yield from line.split("\n")


# --- supported settings -----------------------------------------------------------------------------------


def check_settings(program: CompiledProgram) -> None:
    """Reject settings that the script does not support."""
    train, (optimizer, *others) = program.train, program.train.optimizer
    layers = {w.name for w in program.graph.weights if w.trainable and w.value.type.rank > 1}
    acted_on = {w.name for w in program.graph.weights if train.regularize and train.regularize[0].acts_on(w)}
    parts = any(regularizer.on is not None for regularizer in train.regularize)
    for section in (*train.phases, *train.turns):
        message = f"an emitted training script has one loss, and no `{section.name}`"
        raise emit_error("E0821", section.span, message, MODEL_ALONE)
    stop = train.early_stop
    for name, field in (program.data.fields if program.data is not None else {}).items():
        if not field.values():
            raise emit_error("E0822", field.span, f"`{name}` is drawn for each batch", MODEL_ALONE)
    refusals = {name: (name not in SETTINGS and value != train.settings[name].default, f"`{name}`")
                for name, value in train.values().items()}  # fmt: skip
    refusals |= {
        "optimizer": (
            others or optimizer.on or optimizer.decay != "all" or len(optim_calls(optimizer)) != 1,
            "several optimizers" if others else f"the optimizer `{optimizer.name}` with these settings",
        ),
        "schedule": (train.schedule.formula(optimizer.lr) is None, f"the schedule `{train.schedule.name}`"),
        "regularize": (parts or (train.regularize and acted_on != layers), "a regularizer of some weights"),
        "early_stop": (stop and (stop.figure != "loss" or stop.min_delta), "a metric, or `min_delta`,"),
    }  # fmt: skip
    for name, (is_refused, what) in refusals.items():
        if is_refused:
            message = f"an emitted training script does not support {what}"
            raise emit_error("E0821", train.spans.get(name) or train.span, message, MODEL_ALONE)


def optim_calls(optimizer: Any) -> list[tuple[str, dict[str, Any]]]:
    """The constructors of torch.optim for an optimizer, with their keyword arguments. Empty if the optimizer
    needs more than that."""
    calls: list[tuple[str, dict[str, Any]]] = []

    class Optim:
        def __getattr__(self, name: str) -> Any:
            made = SimpleNamespace(state={}, param_groups=[])
            return lambda weights, *given, **named: calls.append((name, named)) or made

    if optimizer.recomputes:
        return []
    vector, matrix = (SimpleNamespace(device=SimpleNamespace(type="")) for _ in range(2))
    optimizer.over(Optim(), [vector, matrix], [matrix])
    return calls


# --- values of the template -------------------------------------------------------------------------------


def optimizer_lines(optimizer: Any) -> list[str]:
    """The construction of the optimizer, without settings at their defaults, which are those of PyTorch."""
    ((name, named),) = optim_calls(optimizer)
    ((_, defaults),) = optim_calls(type(optimizer)(lr=optimizer.lr))
    changed = {"lr": optimizer.lr} | {key: value for key, value in named.items() if value != defaults[key]}
    given = (text(f"{key}={inline(argument(value))}") for key, value in changed.items())
    return lines(call(text(f"torch.optim.{name}"), text("model.parameters()"), *given), 4, "optimizer = ")


def accuracy_lines(model: EmittedModel) -> Iterator[str]:
    """The accuracy of each output with one class per row."""
    several = len(model.program.outputs) > 1
    for output in model.program.outputs:
        declared, value = output.declared, output.target_value
        if declared.rank or kind_of(declared).metrics != ("accuracy",) or value not in model.fields:
            continue
        target, mean = text(model.fields[value]), "float().mean"
        if declared.classes and declared.classes.labels:
            indices = call(attribute(target, "long")) if declared.element == "binary" else target
            target, mean = model.label(declared.classes.labels, indices), "mean"
        made = text(f'(answers["{output.name}"] == {inline(target)}).{mean}()')
        name = f"{output.name} accuracy" if several else "accuracy"
        yield from lines(call(text("float"), made), 8, f'"{name}": ', ",")
