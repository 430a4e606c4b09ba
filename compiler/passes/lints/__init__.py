"""What is no mistake and can still hardly be meant. Each lint is a function from a program to warnings;
a comment at the end of the line allows one: `# allow W0408: why`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.passes.lints import layers, losses, training, unused

if TYPE_CHECKING:
    from dlc.compiler.diagnostics import Problems
    from dlc.compiler.program import Program

LINTS = (
    unused.inputs,
    unused.weights,
    losses.mistaken_activations,
    losses.of_another_type,
    losses.numbers_of_layers,
    losses.probabilities_of_probabilities,
    layers.dense_on_an_image,
    layers.dropout_at_the_end,
    layers.vanishing_gradients,
    layers.narrow_start,
    training.unusual_settings,
    training.stopping_on_training_rows,
    training.two_decays,
)


def look(program: Program, problems: Problems) -> None:
    """Report what every lint finds."""
    for lint in LINTS:
        for found in lint(program):
            problems.add(found)
