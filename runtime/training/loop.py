"""The training of a program: its phases, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.runtime.training import training_plan
from dlc.runtime.training.history import INTERRUPTED, Listener, Trained
from dlc.runtime.training.interrupt import Interrupt
from dlc.runtime.training.keeper import Keeper
from dlc.runtime.training.phase_training import PhaseTraining

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data.rows.dataset import Dataset


def train(program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray],
          loaded: Sequence[Mapping[str, np.ndarray]] = (), *, on: str = "auto",
          listeners: Sequence[Listener] = (), keeper: Keeper | None = None,
          state: Mapping[str, Any] | None = None, began: float | None = None) -> Trained:  # fmt: skip
    """Train the weights of a program on data, beginning with `weights`, in one phase after the other. Each
    phase begins with the weights of the one before it, replaced by those that it has `loaded`. `on` names the
    device. The `keeper` keeps the whole state now and then; from such a `state` the training goes on, on a
    CPU to the same bits as without an interruption. `began` is the CPU time of the process at the beginning
    of the run.

    Ctrl-C and SIGTERM end the training after the current step, with the best weights of the phase so far. If
    a loss or a weight is NaN or infinite, it raises `CompileError` after the listeners got the last good
    weights.
    """
    plans = [training_plan.make(program, phase, data) for phase in program.phases]
    keeper, own = keeper or Keeper(), [*loaded] or [{} for _ in plans]
    trained, first = Trained(weights, (), 0, "done"), 0
    if state is not None:
        first = [phase.name for phase in program.phases].index(state["phase"])
        if state["before"]:
            trained = Trained.restored(state["before"], state["history"])
    begun = False
    with Interrupt() as interrupt:
        for number in range(first, len(plans)):
            phase, plan = program.phases[number], plans[number]
            trained = replace(trained, weights={**trained.weights, **own[number]})
            training = PhaseTraining(
                program, phase, plan, data, trained, on, listeners, None if number else began
            )
            if state is not None and number == first:
                training.restore(state)
            if not begun:
                for listener in listeners:
                    listener.begin(program, plans, training.history)
            begun = True
            keeper.enter(phase)
            trained = training.run(interrupt, keeper)
            for listener in listeners if phase.name else ():
                listener.phase(trained.phases[-1])
            if interrupt.asked:
                is_last = phase is program.phases[-1]
                trained = trained if is_last else replace(trained, ended=INTERRUPTED)
                break
    for listener in listeners:
        listener.end(trained)
    return trained
