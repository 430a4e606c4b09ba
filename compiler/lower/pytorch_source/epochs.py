"""The loop of training: epochs, the batches of each, and what follows an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.pytorch_source.code import call, lines, quoted, text
from dlc.compiler.lower.pytorch_source.forms import Written
from dlc.compiler.lower.pytorch_source.functions import head
from dlc.compiler.lower.pytorch_source.measuring import higher
from dlc.compiler.lower.pytorch_source.optimizing import optimizers, step
from dlc.compiler.lower.pytorch_source.writer import safe
from dlc.compiler.passes import specialize
from dlc.compiler.training.initial_state import by_net
from dlc.compiler.training.train_section import EPOCHS

if TYPE_CHECKING:
    from dlc.compiler.lower.pytorch_source.data import Rows
    from dlc.compiler.lower.pytorch_source.emitter import Emitter

INDENT = "    "


def train(e: Emitter, rows: Rows) -> list[str]:
    """`train(model, rows)`, and `batches(rows)` where a row alone cannot be a batch."""
    settings, stopping = e.program.train, e.program.train.early_stop
    e.joins = settings.batch != "all" and any(
        node.operator.needs_many_rows for node in specialize.training(e.program, e.program.objective).nodes
    )
    found = joined(settings.batch) if e.joins else []
    given = ["model", "rows", *(["validation"] if watches(e) else [])]
    found += head("train", given, "Learn the weights from the rows.")
    found.append(f"{INDENT}torch.manual_seed({settings.seed})")
    found += [f"{INDENT}initialize(model)"] if e.initializes else []
    found += [f"{INDENT}learn(model, rows)"] if e.learns else []
    found += [*begin(e), *optimizers(e), *average(e), *plateau(e)]
    counted = e.scheduled or settings.steps is not None
    made, repeated = counting(e, counted)
    found += made
    if stopping is not None:
        worst = "-" if higher(e) else ""
        found.append(f'{INDENT}best, kept, waited = {worst}float("inf"), None, 0')
    found += [
        f"{INDENT}for {'epoch' if stopping is not None else '_'} in range({repeated}):",
        f"{INDENT * 2}model.train()",
        *(f"{INDENT * 2}{net}.eval()" for net in e.still),
        *([f"{INDENT * 2}total = 0"] if e.totals else []),
        *each_step(e),
    ]
    inner = ["if step == steps:", "    break"] if settings.steps is not None else []
    inner += step(e, rows)
    inner += ["average.update_parameters(model)"] if settings.ema is not None else []
    inner += ["step += 1"] if counted else []
    found += [f"{INDENT * 3}{line}" if line else "" for line in inner]
    return [*found, *after(e)]


def after(e: Emitter) -> list[str]:
    """What follows an epoch, and the last."""
    stopping, found = e.program.train.early_stop, []
    if follows(e):
        loss = "total / len(rows)" if e.totals else f'measure({answering(e)}, validation)["loss"]'
        found.append(f"{INDENT * 2}plateau.step({loss})")
    if stopping is not None:
        return [*found, *stop(e, stopping)]
    if e.program.train.ema is not None:
        found.append(f"{INDENT}model.load_state_dict(average.module.state_dict())")
    return found


def watches(e: Emitter) -> bool:
    """Whether training looks at rows for validation."""
    stopping, data = e.program.train.early_stop, e.program.data
    stops = stopping is not None and stopping.part == "validation"
    return stops or (follows(e) and data is not None and bool(data.validation))


def follows(e: Emitter) -> bool:
    """Whether the learning rate follows the loss of each epoch."""
    train = e.program.train
    return train.schedule.formula(e.optimizer.lr) is None


def answering(e: Emitter) -> str:
    """The model that is measured and kept."""
    return "average.module" if e.program.train.ema is not None else "model"


# --- batches ----------------------------------------------------------------------------------------------


def joined(size: Any) -> list[str]:
    doc = "Shuffled; a last row alone goes with the batch before: it has no statistics."
    return [
        *head("batches", ["rows"], doc),
        f"{INDENT}parts = list(torch.randperm(len(rows)).split({size}))",
        f"{INDENT}if len(parts) > 1 and len(parts[-1]) == 1:",
        f"{INDENT * 2}parts[-2:] = [torch.cat(parts[-2:])]",
        f"{INDENT}for part in parts:",
        f"{INDENT * 2}yield rows[part.tolist()]",
    ]


def counting(e: Emitter, counted: bool) -> tuple[list[str], str]:
    """The lines that make batches and count steps, and how many epochs there are."""
    settings, found = e.program.train, []
    size = "len(rows)" if settings.batch == "all" else str(settings.batch)
    each = "len(batches)"
    if not e.joins:
        e.imports.add("from torch.utils.data import DataLoader")
        found.append(f"{INDENT}batches = DataLoader(rows, batch_size={size}, shuffle=True)")
    epochs = settings.epochs or EPOCHS
    if not counted:
        return found, str(epochs)
    if e.joins or settings.accumulate > 1:
        several = settings.accumulate
        share = f"(len(rows) - 1) // {int(size) * several}" if e.joins else f"len(batches) // {several}"
        found.append(f"{INDENT}each = -(-{share})  # steps of an epoch")
        each = "each"
    steps = str(settings.steps) if settings.steps else f"{epochs} * {each}"
    found.append(f"{INDENT}step, steps = 0, {steps}")
    return found, str(epochs) if settings.steps is None else f"-(-steps // {each})"


def each_step(e: Emitter) -> list[str]:
    """The head of the loop over steps: of a batch, or of several taken together."""
    batches, several = "batches(rows)" if e.joins else "batches", e.program.train.accumulate
    if several == 1:
        return [f"{INDENT * 2}for batch in {batches}:"]
    e.imports.add("from itertools import islice")
    left = batches if e.joins else f"iter({batches})"
    return [
        f"{INDENT * 2}left = {left}",
        f"{INDENT * 2}while together := list(islice(left, {several})):",
    ]


# --- before and after -------------------------------------------------------------------------------------


def average(e: Emitter) -> list[str]:
    decay = e.program.train.ema
    if decay is None:
        return []
    e.imports.add("from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn")
    return [f"{INDENT}average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn({decay}))"]


def plateau(e: Emitter) -> list[str]:
    """`plateau`, which is told the loss of each epoch: of validation if it has rows, else of training."""
    train = e.program.train
    if not follows(e):
        return []
    e.totals = e.program.data is None or not e.program.data.validation
    e.measures = e.measures or not e.totals
    why = "two optimizers" if e.several else ""
    if e.totals and (train.regularize or e.optimizer.recomputes):
        why = f"`{'regularize' if train.regularize else e.optimizer.name}` without rows for validation"
    if why:
        message = f"the schedule `{train.schedule.name}` is not emitted for {why}"
        raise e.cannot("E0821", train.schedule.span, message, "choose another schedule for the emitted file")
    made = train.schedule.torch(Written(text("torch.optim.lr_scheduler")), Written(text("optimizer")))
    return lines(made._code, 4, "plateau = ")


def begin(e: Emitter) -> list[str]:
    """Trained weights that training begins with, and what it holds still."""
    settings, found = e.program.train, []
    own = {spec: name for name, spec in e.weight_names.items()}
    owned = by_net(e.program.graph.weights)
    for load in settings.weights:
        net = load.into.net if load.into is not None else ""
        places = load.weights_in_file(owned.get(net, ()) if net else e.program.graph.weights)
        module = f"model.{safe(net)}" if net else "model"
        if net and any(e.renamed(own[w.name]) != w.name for w in places.values()):
            message = f"the weights of `{net}` have other names in an emitted file"
            raise e.cannot("E0821", load.span, message, "load all weights of the spec")
        e.opens = True
        found.append(f"{INDENT}load_weights({module}, {quoted(load.path)})")
    drawing = {node.net for node in e.graph.nodes if node.operator.random}
    for meant in settings.freeze:
        name = f"model.{safe(getattr(meant, 'net', None) or meant.name)}"
        found.append(f"{INDENT}{name}.requires_grad_(False)")
        net = getattr(meant, "net", "")
        if any(weight.role == "statistic" for weight in owned.get(net, ())):
            e.still.append(name)
            if net in drawing:
                message = f"`{meant.net}` draws, and is held still"
                raise e.cannot("E0821", settings.spans.get("freeze"), message, "leave out what draws in it")
    return found


def stop(e: Emitter, stopping: Any) -> list[str]:
    """Stop after epochs without a better figure; the weights of the best are kept."""
    e.imports.add("from copy import deepcopy")
    part = "validation" if stopping.part == "validation" else "rows"
    model = answering(e)
    name = stopping.figure.replace(".", "_")
    e.measures = True
    sign = ">" if higher(e) else "<"
    delta = f" {'+' if higher(e) else '-'} {stopping.min_delta}" if stopping.min_delta else ""
    return [
        f'{INDENT * 2}figure = measure({model}, {part})["{name}"]',
        f'{INDENT * 2}print(f"epoch {{epoch + 1}}: {name.replace("_", " ")} {{figure:.4f}}")',
        f"{INDENT * 2}waited += 1",
        f"{INDENT * 2}if figure {sign} best{delta}:",
        f"{INDENT * 3}best, kept, waited = figure, deepcopy({model}.state_dict()), 0",
        f"{INDENT * 2}if waited == {stopping.n}:",
        f"{INDENT * 3}break",
        f"{INDENT}if kept is None:",
        *lines(call(text("RuntimeError"), text(quoted(stopping.never_better))), 8, "raise "),
        f"{INDENT}model.load_state_dict(kept)",
    ]
