"""Lints: warnings about valid specs that are probably unintended. Each lint is a function from a program to
warnings. A comment at the end of a line allows one: `# allow W0408: why`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.passes.lints import (
    attention,
    broadcasting,
    layers,
    losses,
    recurrence,
    sound,
    training,
    turns,
    unused,
)

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.program import CompiledProgram

STEPS = (turns.unreached_names, turns.untrained, turns.adversaries)
UNUSED = (unused.inputs, unused.weights)
LINTS = (
    *UNUSED,
    *STEPS,
    losses.wrong_activations,
    losses.bounded_scores,
    losses.of_another_type,
    losses.unbounded_numbers,
    losses.probabilities_of_probabilities,
    broadcasting.every_pair,
    layers.dense_on_an_image,
    layers.dropout_at_the_end,
    layers.vanishing_gradients,
    layers.xavier_before_relu,
    recurrence.long_recurrence,
    recurrence.unclipped_gradients,
    attention.without_positions,
    attention.not_causal,
    attention.narrow_heads,
    attention.unwarmed_post_norm,
    sound.other_rates,
    training.unusual_settings,
    training.stopping_on_training_rows,
    training.two_decays,
    turns.mixed_gradients,
)


def look(program: CompiledProgram, problems: Problems) -> None:
    """Report the warnings of all lints. If there are errors, warnings on the same lines and warnings about
    unused and untrained values are omitted, because the errors may be their cause."""
    lints = [lint for lint in LINTS if not (problems.failed and lint in (*UNUSED, *STEPS))]
    error_lines = {file_and_line(d) for d in problems.found if d.severity == "error"}
    for found in (found for lint in lints for found in lint(program)):
        if file_and_line(found) not in error_lines:
            problems.add(found)


def file_and_line(found: Diagnostic) -> tuple[str, int | None]:
    return found.span.source.name if found.span else "", found.line
