"""An opened artifact: a checked file, and its outputs for arrays that have the input types of the file."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.definitions.decoders import SEED
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.operators.sampling import WORD
from dlc.compiler.output_kinds import kind_of
from dlc.compiler.passes.lengths import length_name
from dlc.runtime import memory
from dlc.runtime.artifact.equal_lengths import EqualRows, equally_long, in_order
from dlc.runtime.artifact.metadata import Metadata, type_from_json
from dlc.runtime.artifact.model_scan import ModelContents, not_an_artifact, scan
from dlc.runtime.artifact.proof import proved_types
from dlc.runtime.artifact.session import BATCH, STR_OVERHEAD, needs_steps, open_session, run
from dlc.runtime.data.sequences.ragged import Ragged, array_of
from dlc.runtime.errors import ArtifactError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dlc.compiler.types import Tensor

COPIES = 2  # of the weights, while ONNX Runtime opens them
SHARE = 0.75  # maximum part of the remaining free memory for the tensors of a run
TEXT, SHORT = 32, 15  # bytes of a text in ONNX Runtime; longer text is allocated separately


# The prefix of the messages of ONNX Runtime.
ORT = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:Load model from .* failed:)?")


class OpenArtifact:
    """An opened model. `inputs` and `outputs` are its declared types, `metadata` is the metadata of dlc."""

    def __init__(self, path: Path, device: str = "cpu"):
        self.path, self._file, self._device = path, path.absolute(), device
        self.session, self.metadata, self._longest = open_artifact(path, device)
        self.inputs: dict[str, Tensor] = {n: type_from_json(t) for n, t in self.metadata.inputs.items()}
        self.outputs: dict[str, Tensor] = {n: type_from_json(t) for n, t in self.metadata.outputs.items()}
        self._by_rows = all(o.shape[:1] == [BATCH] for o in self.session.get_outputs())
        self._max_rows = sys.maxsize  # rows of one run

    def run(
        self, feed: Mapping[str, np.ndarray], seed: int | None = None, first: int = 0
    ) -> dict[str, np.ndarray]:
        """The outputs for inputs that have the dtypes and shapes of the ONNX file. `first` is the number of
        the first row, on which random draws depend."""
        self._check_limits(feed)
        empty = next((name for name, array in feed.items() if len(array) and not array.size), "")
        refused = f"{self.path} has no answer for rows without steps, as `{empty}` has"
        if empty and needs_steps(self.session):
            raise ArtifactError(refused)
        seed = self.seed_of(seed)
        try:
            return self._answer(feed, min(map(len, feed.values())), seed, first)
        except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
            if empty:
                raise ArtifactError(refused) from None
            raise ArtifactError(f"{self.path} cannot run these inputs: {first_line(error)}") from None

    def run_rows(self, feed: Mapping[str, np.ndarray | Ragged], seed: int | None = None) -> dict[str, Any]:
        """The outputs for rows that may differ in length, as arrays, or as lists of arrays if outputs differ
        in length. Rows of equal length run together."""
        lengths = {length_name(n): rows.lengths for n, rows in feed.items() if isinstance(rows, Ragged)}
        groups = self.groups(lengths, min(map(len, feed.values())))
        parts = []
        for group in groups:
            given = self._with_lengths({n: array_of(rows[group.rows]) for n, rows in feed.items()})
            parts.append(self.run(given, seed, int(group.rows[0]) if len(group.rows) else 0))
        return {name: in_order([g.rows for g in groups], [p[name] for p in parts]) for name in parts[0]}

    def groups(self, lengths: Mapping[str, np.ndarray], count: int) -> list[EqualRows]:
        """The rows that run together. They follow each other if random draws depend on their numbers."""
        groups = equally_long(self.fields, lengths, count)
        if self.metadata.seed is None:
            return groups
        return [stretch for group in groups for stretch in group.stretches()]

    def seed_of(self, given: int | None) -> int | None:
        """The seed of random draws, that of the artifact if none is given; none if it draws nothing."""
        if given is None:
            return self.metadata.seed
        if self.metadata.seed is None:
            raise ArtifactError(f"{self.path} draws no random numbers, so it takes no seed")
        if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or not 0 <= given < WORD:
            raise ArtifactError(f"a seed is a whole number from 0 to {WORD - 1}, found {shorten(given)}")
        return int(given)

    def _check_limits(self, feed: Mapping[str, np.ndarray]) -> None:
        """Refuse rows that are longer than an operator takes."""
        for name, array in feed.items():
            for size, found in zip(self.inputs[name].shape, array.shape[1:], strict=False):
                most = self.metadata.limits.get(str(size), found)
                if found > most:
                    steps = f"at most {most} steps (`{size}`), and a row of `{name}` has {found}"
                    raise ArtifactError(f"{self.path} takes {steps}")

    def _with_lengths(self, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The inputs, with those of lengths that are not given: every row is as long as its array."""
        full = {}
        for name, dim in self.metadata.lengths.items():
            owner, axis = next((n, [*map(str, t.shape)].index(dim)) for n, t in self.fields.items()
                               if dim in map(str, t.shape))  # fmt: skip
            full[name] = np.full(len(feed[owner]), feed[owner].shape[axis + 1], np.int64)
        return full | feed

    @property
    def fields(self) -> dict[str, Tensor]:
        """The inputs without those of lengths."""
        return {name: type for name, type in self.inputs.items() if name not in self.metadata.lengths}

    def no_rows(self, name: str) -> np.ndarray:
        """An empty batch of an input. Free dimensions have their sizes in the proof, else 1."""
        declared = self.inputs[name]
        try:
            sizes = proved_types(self.metadata)[name].shape
        except ValueError:
            sizes = declared.shape
        try:
            return np.zeros((0, *(s if isinstance(s, int) else 1 for s in sizes)))
        except ValueError:
            raise ArtifactError(f"`{name}` takes {declared}, which is not a possible array type") from None

    def _answer(
        self, feed: Mapping[str, np.ndarray], rows: int, seed: int | None, first: int
    ) -> dict[str, np.ndarray]:
        parts: list[dict[str, np.ndarray]] = []
        start = 0
        while start < rows or not parts:
            step = min(rows - start, self._max_rows)
            part = feed if step == rows else {name: a[start : start + step] for name, a in feed.items()}
            drawn = {} if seed is None else {SEED: np.array(seed + (first + start) * WORD, np.int64)}
            try:
                parts.append(run(self.session, {**part, **drawn}, self._longest))
                start += step
            except MemoryError:
                if not self._by_rows or step < 2:
                    raise
                self._max_rows = step // 2
        if len(parts) == 1:
            return parts[0]
        return {name: joined(self.outputs.get(name), [part[name] for part in parts]) for name in parts[0]}


def joined(type: Tensor | None, parts: Sequence[np.ndarray]) -> np.ndarray:
    """An output of all rows from those of some rows each. What is decoded has as many steps as the longest
    answer, and is filled as ONNX Runtime fills it."""
    if type is not None and type.decoded and type.classes and type.classes.end:
        longest = max(part.shape[1] for part in parts)
        filler = np.array(type.classes.filler, parts[0].dtype)
        parts = [np.concatenate([part, np.full((len(part), longest - part.shape[1]), filler)], 1)
                 for part in parts]  # fmt: skip
    return np.concatenate(parts)


def open_artifact(path: Path, device: str = "cpu") -> tuple[Any, Metadata, int]:
    """A session, the metadata, and the size in bytes of the longest text in outputs. `ArtifactError` if the
    file is not an artifact. The file is scanned before ONNX Runtime opens it."""
    metadata, found = scan(path)
    try:
        session = open_session(path, device, memory_limit=budget(found))
        for declared in (*session.get_inputs(), *session.get_outputs()):
            _ = declared.name, declared.shape  # UnicodeDecodeError if a name in them is not UTF-8
    except DeviceError:
        raise
    except MemoryError as error:
        raise ArtifactError(f"{path} cannot be opened: {error}") from None
    except Exception as error:  # noqa: BLE001  ONNX Runtime's errors have no base of their own
        raise ArtifactError(
            f"{path} is not an ONNX model that ONNX Runtime can run: {first_line(error)}"
        ) from None
    if metadata.inputs.keys() != {i.name for i in session.get_inputs()}:
        raise not_an_artifact(path, "its inputs do not match its metadata")
    optional = {i.name for i in session.get_overridable_initializers()}
    if optional != (set() if metadata.seed is None else {SEED}):
        raise not_an_artifact(path, "its inputs do not match its metadata")
    if not output_names(metadata) <= {o.name for o in session.get_outputs()}:
        raise not_an_artifact(path, "its outputs do not match its metadata")
    return session, metadata, found.longest


def output_names(metadata: Metadata) -> set[str]:
    """The names of the outputs according to the metadata."""
    types = {name: (type_from_json(type), type.get("target")) for name, type in metadata.outputs.items()}
    return {n for name, (type, target) in types.items()
            for n in (kind_of(type).answer_names(name) if target is not None else (name,))}  # fmt: skip


def budget(found: ModelContents) -> int:
    """The maximum bytes for the tensors of a run. The memory of text outside of the tensors is subtracted."""
    free = memory.free()
    left = free - COPIES * found.weights
    if left <= 0:
        weights = f"{memory.format_size(COPIES * found.weights)}, twice the size of its weights"
        raise MemoryError(f"it takes {weights}, and {memory.format_size(free)} of memory is free")
    beside = TEXT + found.longest if found.longest > SHORT else 0
    in_python = STR_OVERHEAD + found.longest if found.takes_text else 0
    return int(SHARE * left) * TEXT // (TEXT + beside + in_python)


def first_line(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "a text in it is not UTF-8"
    message = ORT.sub("", str(error)).strip()
    return shorten(message.splitlines()[0], 200) if message else type(error).__name__
