"""How the model is trained, as functions of the file: the loss, a step, and what is around it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.pytorch_source.data import Rows
from dlc.compiler.lower.pytorch_source.functions import head, initialize
from dlc.compiler.lower.pytorch_source.measuring import higher, measure
from dlc.compiler.lower.pytorch_source.objective import compute_loss, penalty, rate
from dlc.compiler.lower.pytorch_source.optimizing import optimizers, step
from dlc.compiler.lower.pytorch_source.writer import safe

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
    found += optimizers(e)
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
    inner += step(e, rows)
    inner += ["step += 1"] if counted else []
    found += [f"{INDENT * 3}{line}" if line else "" for line in inner]
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
