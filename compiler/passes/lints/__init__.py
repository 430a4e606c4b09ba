"""What is no error and can still hardly be meant. Each lint is a function from a program to warnings;
a comment at the end of the line allows one: `# allow W0408: why`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.passes.lints import broadcasting, layers, losses, training, unused

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.program import CompiledProgram

UNUSED = (unused.inputs, unused.weights)
LINTS = (
    *UNUSED,
    losses.wrong_activations,
    losses.of_another_type,
    losses.numbers_of_layers,
    losses.probabilities_of_probabilities,
    broadcasting.every_pair,
    layers.dense_on_an_image,
    layers.dropout_at_the_end,
    layers.vanishing_gradients,
    layers.narrow_start,
    training.unusual_settings,
    training.stopping_on_training_rows,
    training.two_decays,
)


def look(program: CompiledProgram, problems: Problems) -> None:
    """Report what every lint finds; beside errors what is sound without them: on other lines, and not what
    seems unused, which errors leave behind."""
    lints = [lint for lint in LINTS if not (problems.failed and lint in UNUSED)]
    wrong = {place(d) for d in problems.found if d.severity == "error"}
    for found in (found for lint in lints for found in lint(program)):
        if place(found) not in wrong:
            problems.add(found)


def place(found: Diagnostic) -> tuple[str, int | None]:
    """The file and the line."""
    return found.span.source.name if found.span else "", found.line
