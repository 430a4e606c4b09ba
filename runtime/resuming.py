"""Resuming a run: its spec, its state, and the check that the spec and the data are those of the run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler import compile, tensor_reader, tokenizer_reader
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.differences import differences
from dlc.compiler.training.train_section import Train
from dlc.runtime.data.data_errors import counted
from dlc.runtime.errors import ArtifactError
from dlc.runtime.run_facts import CUT, IN_PYTHON, made_with, source_named
from dlc.runtime.run_folder import RUN
from dlc.runtime.run_record import RunRecord, read_record
from dlc.runtime.run_spec import read_spec
from dlc.runtime.run_writer import Run
from dlc.runtime.strict_json import is_dict_of, is_integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.differences import Difference
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset

OTHER_SPEC, OTHER_DATA = "E0817", "E0818"
MOST = 5  # differences that a message names
ENCODED = 1  # bytes of memory, which no rows fit in


@dataclass(frozen=True)
class Resumed:
    """A run that is resumed: its record, its folder to write into, and its newest state, if it kept one."""

    record: RunRecord
    program: CompiledProgram  # as it was trained, before its data was read
    run: Run
    state: Mapping[str, Any] | None
    unreadable: Sequence[str] = ()  # why newer states are left out

    @property
    def steps(self) -> int:
        """The steps that it has trained, in all phases."""
        return self.state["done"] + self.state["step"] if self.state else 0

    @property
    def epochs(self) -> int:
        """The complete epochs that it has."""
        return len(self.state["history"]) if self.state else 0

    @property
    def told(self) -> str:
        """Where it goes on, in words."""
        if self.state is None:
            return f"{self.record.folder} has kept no state yet, so it begins anew"
        return (
            f"{self.record.folder}, after step {self.steps:_}, with {counted(self.epochs, 'complete epoch')}"
        )

    @property
    def data(self) -> Any:
        """The source that was given in place of that of the spec; none if there was none. `ArtifactError` if
        it has to be given again."""
        how, why = self.record.how, ""
        if how.get("data") == IN_PYTHON:
            why = "its rows were given in Python"
        elif how.get(CUT):
            why = "the address of its rows was kept without what signs in"
        if why:
            again = "give them again with `--data`, in Python with `data=`"
            raise ArtifactError(f"{self.record.folder} cannot read its rows, because {why}: {again}")
        return source_named(how.get("data"))

    def memory(self, given: int | None) -> int | None:
        """How much memory the rows may take: so little that they are encoded, if those of the run were,
        because they are shuffled in another order then."""
        return ENCODED if given is None and self.record.how.get("blocks") else given

    def device(self, wanted: str) -> str:
        """The device to go on with: that of the run. `ArtifactError` if another kind is wanted."""
        before = str(self.record.how.get("device", wanted))
        if wanted != "auto" and wanted.partition(":")[0] != before.partition(":")[0]:
            help = f"leave `--device` out, or write `--device {before}`"
            raise ArtifactError(f"{self.record.folder} was trained on {before}, not on {wanted}: {help}")
        return before if wanted == "auto" else wanted

    def notes(self) -> list[str]:
        """Which states cannot be read, and what the bits of a training depend on and is not as it was."""
        import torch

        how: Mapping[str, Any] = self.record.how
        was = how.get("versions") if is_dict_of(how.get("versions"), str) else {}
        now = {**made_with(), "threads": torch.get_num_threads()}
        before: dict[str, Any] = {**(was or {}), "threads": how.get("threads")}
        changed = [f"{name} {now[name]}, then {before[name]}" for name in now
                   if before.get(name) not in (None, now[name])]  # fmt: skip
        told = "the last digits may differ from those of the run without interruption"
        bits = [f"{'; '.join(changed)}: {told}"] if changed and self.state else []
        return [*(f"{why}; an older state is taken" for why in self.unreadable), *bits]

    @property
    def resumed(self) -> list[int]:
        """The steps after which it was resumed, this time too."""
        before: Any = self.record.how.get("resumed", [])
        return [*(before if isinstance(before, list) else []), self.steps]

    def check_spec(self, program: CompiledProgram) -> None:
        """`CompileError` if the spec is not that of the run, with what differs. Settings that say how long to
        train may differ, and what is expected. No facts about the data are known to the program yet."""
        found = [d for d in differences(self.program, program) if not d.implied and not self.may_differ(d)]
        if found:
            more = [f"{len(found) - MOST} more"] if len(found) > MOST else []
            message = f"the spec is not that of {self.record.folder}: "
            message += "; ".join([*map(str, found[:MOST]), *more])
            allowed = listed(Train.of_length)
            help = f"a resumed run may change {allowed} of `train` and `expect`; begin anew for the rest"
            if more:
                help += f"; `dlc diff {self.record.folder} {program.source.name}` tells all differences"
            raise CompileError.of(OTHER_SPEC, message, help=help)
        self._check_length(program)

    def _check_length(self, program: CompiledProgram) -> None:
        """`CompileError` if the phase in which the run is has trained longer already than the spec says."""
        if self.state is None:
            return
        name = self.state["phase"]
        [settings] = [phase.settings for phase in program.phases if phase.name == name]
        epochs = sum(epoch.get("phase") == name for epoch in self.state["history"])
        for done, wanted, unit in (
            (epochs, settings.epochs, "epoch"), (self.state["step"], settings.steps, "step")
        ):  # fmt: skip
            if wanted is not None and done > wanted:
                message = (
                    f"{self.record.folder} has {counted(done, unit)} already, and the spec asks for {wanted}"
                )
                help = "a resumed run goes on from its state, and not back: ask for as many or more"
                raise CompileError.of(OTHER_SPEC, message, help=help)

    def may_differ(self, difference: Difference) -> bool:
        """Whether a resumed run may differ from the run in this: in texts alone, in expectations, and in how
        long the phases are trained that are not over."""
        if difference.kind in ("text", "expect"):
            return True
        if difference.kind != "setting" or not difference.name.startswith("train."):
            return False
        _, *phase, name = difference.name.split(".")
        names = [phase.name for phase in self.program.phases]
        over = names[: names.index(self.state["phase"])] if self.state else []
        return name in Train.of_length and not (phase and phase[0] in over)

    def check_data(self, dataset: Dataset | None) -> None:
        """`CompileError` if these are not the rows of the run, with what differs, or if they are shuffled in
        another order."""
        was: Any = self.record.how.get("rows", {})
        now = dataset.field_hashes if dataset is not None else {}
        if was == now:
            self._check_order(dataset)
            return
        found = [*data_differences(was, now)] if is_dict_of(was, dict) else ["it is not known what they were"]
        more = [f"{len(found) - MOST} more"] if len(found) > MOST else []
        message = f"the data is not that of {self.record.folder}: {'; '.join([*found[:MOST], *more])}"
        help = "resume with the same data, or begin anew: `dlc train` without `--resume`"
        raise CompileError.of(OTHER_DATA, message, help=help)

    def _check_order(self, dataset: Dataset | None) -> None:
        rows = dataset.train if dataset is not None else None
        if rows is not None and self.state and rows.in_blocks != bool(self.record.how.get("blocks")):
            now, then = ("encoded", "in memory") if rows.in_blocks else ("in memory", "encoded")
            message = f"the training rows are {now}, and those of {self.record.folder} were {then}"
            help = "`--memory` says how much of it they may take: more, or less, gives the order of the run"
            raise CompileError.of(OTHER_DATA, message, help=help)


def resumed_at(path: Path) -> Resumed:
    """The run at a path, to be resumed. `ArtifactError` if there is none, or none of its states can be
    read."""
    from dlc.runtime.training.keeper import newest_state

    record = read_record(path)
    spec = read_spec(record.folder)
    folder = record.spec_folder
    program = compile(
        spec.source, params=spec.params, read=spec.read, type_in=tensor_reader(folder),
        tokenizer_in=tokenizer_reader(folder),
    )  # fmt: skip
    own = record.folder
    if own.is_symlink():  # `latest`, which points to the run after it is written
        own = own.parent / os.readlink(own)
    if not record.how:
        raise ArtifactError(f"{record.folder} cannot be resumed, because it has no file {RUN}")
    state, unreadable = newest_state(own)
    if state is not None and not is_state_of(program, state):
        raise ArtifactError(f"the state that {record.folder} has kept is not one of its spec")
    return Resumed(record, program, Run(own), state, unreadable)


def is_state_of(program: CompiledProgram, state: Mapping[str, Any]) -> bool:
    """Whether it may be a state of this program; restoring it says for certain."""
    names = [phase.name for phase in program.phases]
    counts = (state.get("done"), state.get("step"))
    return (
        state.get("phase") in names
        and all(map(is_integer, counts))
        and isinstance(state.get("history"), list)
    )


def data_differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What differs between the rows of a run and other rows, from their hashes by part and field."""
    for part in dict.fromkeys([*was, *now]):
        if part not in was or part not in now:
            yield f"there {'were no' if part in now else 'are no more'} {part} rows"
            continue
        (rows, before), (count, after) = (of_part(of[part]) for of in (was, now))
        if rows != count:
            yield f"{count:_} {part} rows, and the run has {rows:_}"
            continue
        changed = [name for name in after if before.get(name) != after[name]]
        if changed:
            yield f"other values of {listed(changed)} in the {part} rows"


def of_part(part: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    return part.get("rows", 0), {name: value for name, value in part.items() if name != "rows"}
