"""The states of a training that are kept in its run folder, to resume it."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from dlc.runtime.errors import ArtifactError
from dlc.runtime.files import sync, writing
from dlc.runtime.run_folder import STATES, SUFFIX
from dlc.runtime.strict_json import parse
from dlc.runtime.training.state_values import PAIRS, joined, split
from dlc.runtime.weight_files import WeightFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dlc.compiler.training.phases import Phase
    from dlc.runtime.training.history import BestEpoch

VALUES = "state"  # the name of the tensor with the JSON text
CHECKSUM = "sha256"  # the key of the checksum of all arrays, in the header
LAST = 2  # states that are kept, beside the best


@dataclass(frozen=True)
class Kept:
    """A state in a file: the step after which it was taken, of the whole training, and the figure by which
    epochs are compared of the epoch before it; lower is better, infinite if there is none."""

    path: Path
    step: int
    figure: float


class Resumable(Protocol):
    """A phase of a training, as the keeper sees it. Steps are those of the phase, after the steps `done`."""

    done_steps: int
    step: int
    best_epoch: BestEpoch

    @property
    def epoch(self) -> int: ...

    def state(self) -> dict[str, Any]: ...


class Keeper:
    """Keeps the whole state of a training in the folder `states` of its run, as often as the spec says: the
    last two states, and the one whose epoch has the best figure. A state that cannot be written is a
    note, and the training goes on. Without a folder nothing is kept."""

    def __init__(
        self, run: Path | None = None, note: Callable[[Sequence[str]], None] = lambda notes: None
    ) -> None:
        self._folder, self._note, self._told = run / STATES if run else None, note, ""
        self._kept = [*states_in(run)] if run else []

    def enter(self, phase: Phase) -> None:
        """Begin or resume a phase."""
        self._rule = phase.settings.keep
        self._time, self._steps, self._epochs = time.monotonic(), -1, 0

    def offer(self, training: Resumable) -> None:
        """Keep the state after a step or an epoch, if it is due."""
        if self._rule is None or self._folder is None:
            return
        if self._steps < 0:
            self._steps, self._epochs = training.step - 1, training.epoch - 1
        seconds, steps = time.monotonic() - self._time, training.step - self._steps
        if steps and self._rule.due(seconds, steps, training.epoch - 1 - self._epochs):
            self.keep(training)

    def keep(self, training: Resumable) -> None:
        """Keep the state, and remove those that are not needed any more."""
        if self._rule is None or self._folder is None:
            return
        step = training.done_steps + training.step
        kept = Kept(self._folder / f"{step:08}{SUFFIX}", step, training.best_epoch.latest)
        self._time, self._steps, self._epochs = time.monotonic(), training.step, training.epoch - 1
        try:
            self._make_folder()
            write_state(kept, training.state())
            self._told = ""
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            self._tell(f"the state of the training could not be kept in {kept.path}: {why}")
            return
        self._kept = [*(other for other in self._kept if other.step < step), kept]
        best = min(reversed(self._kept), key=lambda other: other.figure)
        for other in self._kept[:-LAST]:
            if other is not best:
                other.path.unlink(missing_ok=True)
        self._kept = [other for other in self._kept if other is best or other in self._kept[-LAST:]]

    def _make_folder(self) -> None:
        """Make the folder of the states, with the files beside it on the disk: a state needs them."""
        if self._folder is not None and not self._folder.is_dir():
            self._folder.mkdir()
            run = self._folder.parent
            for path in (*(path for path in run.iterdir() if path.is_file()), run):
                sync(path)

    def _tell(self, problem: str) -> None:
        """Tell what went wrong, once for several states in turn."""
        if not self._told:
            self._note([problem])
        self._told = problem


def write_state(kept: Kept, state: dict[str, Any]) -> None:
    """Write a state so that the file has its name only when it is complete, also after a power loss."""
    from safetensors.numpy import save

    tensors: dict[str, torch.Tensor] = {}
    values = split({"step": kept.step, "figure": kept.figure, "state": state}, tensors)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    arrays[VALUES] = np.frombuffer(json.dumps(values, allow_nan=False).encode(), np.uint8)
    with writing(kept.path, durable=True) as file:
        file.write(save(arrays, {CHECKSUM: checksum(arrays)}))


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of some arrays with their names, types and shapes."""
    made = sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        made.update(f"{name} {array.dtype} {array.shape} ".encode())
        made.update(array.reshape(-1).view(np.uint8).data)
    return made.hexdigest()


def states_in(run: Path) -> list[Kept]:
    """The states that a run has kept, in the order of their steps. Files that are no states are left out."""
    found = []
    for path in sorted((run / STATES).glob(f"*{SUFFIX}")):
        with suppress(ArtifactError):
            found.append(read_kept(path)[0])
    return sorted(found, key=lambda kept: kept.step)


def newest_state(run: Path) -> tuple[Mapping[str, Any] | None, list[str]]:
    """The newest state of a run that can be read, none if it has kept none; and why newer ones cannot be.
    `ArtifactError` if there are files of states, and none can be read."""
    problems = []
    for path in sorted((run / STATES).glob(f"*{SUFFIX}"), reverse=True):
        try:
            return read_state(path), problems
        except ArtifactError as error:
            problems.append(str(error))
    if problems:
        states = shlex.quote(str(run / STATES))
        help = f"remove {states}, and the run begins anew; `dlc export` makes a model of weights that it has"
        raise ArtifactError(f"{problems[0]}; the run has no older state to go on from: {help}")
    return None, []


def read_kept(path: Path) -> tuple[Kept, WeightFile, dict[str, Any]]:
    """What a file says of its state, the file, and its JSON values. `ArtifactError` if it has none."""
    try:
        file = WeightFile(path)
        if VALUES not in file.types:
            raise ValueError("it has no values")
        values = parse(file[VALUES].tobytes().decode())
        found = joined({PAIRS: [pair for pair in values[PAIRS] if pair[0] != "state"]}, {})
        return Kept(path, int(found["step"]), float(found["figure"])), file, values
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise unreadable(path, error) from None


def read_state(path: Path) -> Mapping[str, Any]:
    """A state from its file, with all its tensors. `ArtifactError` if it is not as dlc writes it."""
    _, file, values = read_kept(path)
    try:
        arrays = {name: np.array(file[name]) for name in file}
        if CHECKSUM not in file.metadata:
            raise ValueError("it has no checksum")
        if file.metadata[CHECKSUM] != checksum(arrays):
            raise ValueError("its checksum is not that of its content")
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays if name != VALUES}
        state = joined(values, tensors)["state"]
        if not isinstance(state, dict):
            raise TypeError
        return state
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> ArtifactError:
    why = str(error) if isinstance(error, (OSError, ValueError)) else "it is not as dlc writes it"
    return ArtifactError(f"{path} is not a state that can be read: {why}")
