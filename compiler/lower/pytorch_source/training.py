"""How the model is trained, as functions of the file: the loss, a step, and what is around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.lower.pytorch_source.data import Rows
from dlc.compiler.lower.pytorch_source.epochs import train, watches
from dlc.compiler.lower.pytorch_source.functions import head, initialize
from dlc.compiler.lower.pytorch_source.measuring import measure
from dlc.compiler.lower.pytorch_source.objective import compute_loss, penalty, rate
from dlc.compiler.lower.pytorch_source.sources import reading
from dlc.compiler.passes import specialize

if TYPE_CHECKING:
    from dlc.compiler.lower.pytorch_source.emitter import Emitter

INDENT = "    "


def training(e: Emitter) -> list[str]:
    """The functions of training; nothing for a spec that trains nothing."""
    program = e.program
    asked = program.data is not None or program.train.span is not None
    if not asked or not program.phases:
        return []
    if not specialize.trained(program):
        refuse_loading(e)
        return []
    specialize.check_reached(program)
    rows = Rows(e)
    found = [*initialize(e)]
    e.initializes = bool(found)
    found += compute_loss(e, rows)
    found += penalty(e)
    found += rate(e)
    found += learn(e, rows)
    found += train(e, rows)
    sourced = program.data is not None and program.data.source is not None
    found += measure(e, rows) if sourced or e.measures else []
    found += [*reading(rows), *main(e, rows)] if sourced else []
    return found


def refuse_loading(e: Emitter) -> None:
    """Where nothing is trained, nothing would load the weights that training begins with."""
    train = e.program.train
    if train.weights:
        message = "weights are loaded as training begins, and here nothing is learnt"
        help = "leave `weights` out, and load them by `load_weights` of the emitted file"
        raise e.cannot("E0821", train.spans.get("weights"), message, help)


# --- what is learnt from rows -----------------------------------------------------------------------------


def learn(e: Emitter, rows: Rows) -> list[str]:
    """`learn(model, rows)`: what operators learn from the training rows before training."""
    classes = [cls for cls in e.classes if cls.learns]
    if not classes:
        return []
    e.learns = True
    names = ", ".join(cls.name for cls in classes)
    names = f"({names})" if len(classes) > 1 else names
    given = [f"*rows[:][:{len(e.inputs)}]"]
    taken: list[str] = []
    if [field.value for field in rows.fields if not field.target] != e.inputs:
        own = [field.name for field in rows.fields]
        taken = [f"{INDENT}{', '.join(own)}{',' * (len(own) == 1)} = rows[:]", *rows.draws()]
        given = [e.input_name(value) for value in e.inputs]
    return [
        *head(
            "learn",
            ["model", "rows"],
            "Learn from the training rows what is learnt before training.",
            gradients=False,
        ),
        f"{INDENT}learning = [m for m in model.modules() if isinstance(m, {names})]",
        f"{INDENT}hooks = [m.register_forward_pre_hook(lambda m, x: m.learn(*x)) for m in learning]",
        *taken,
        f"{INDENT}model.eval()({', '.join(given)})",
        f"{INDENT}for hook in hooks:",
        f"{INDENT}    hook.remove()",
    ]


# --- the program ------------------------------------------------------------------------------------------


def main(e: Emitter, rows: Rows) -> list[str]:
    found = ["", "", "def main():", *(f"{INDENT}{line}" for line in rows.parting())]
    arguments = "model, training" + (", validation" if watches(e) else "")
    found += [f"{INDENT}model = {e.model.name}()", f"{INDENT}train({arguments})"]
    parts = ["training", *rows.parts]
    for part in parts:
        found.append(f'{INDENT}print("{part}", measure(model, {part}))')
    found.append(f'{INDENT}torch.save(model.state_dict(), "{e.program.name}.pt")')
    return [*found, "", "", 'if __name__ == "__main__":', f"{INDENT}main()"]
