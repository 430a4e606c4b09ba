"""The run folder: `runs/NAME/TIME/`, its files, and how they are read."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.runtime.errors import ArtifactError
from dlc.runtime.strict_json import MAX_TEXT, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.training.metrics import CountTable

KEPT = (
    SPEC, WEIGHTS, BEST_WEIGHTS, LAST_WEIGHTS, EPOCHS, MODEL, METRICS, INFO, TABLES, DATA, ROWS, FIGURES,
    PHASES, STATISTICS, RUN, ANSWERS,
) = (
    "model.dl", "weights.safetensors", "best.safetensors", "last.safetensors", "epochs.json", "model.onnx",
    "metrics.jsonl", "spec.json", "tables.json", "data.json", "rows.safetensors", "figures.json",
    "phases.json", "statistics.jsonl", "run.json", "answers.json",
)  # fmt: skip
LATEST = "latest"
STATES, SUFFIX = (
    "states",
    ".safetensors",
)  # the folder of the states of the training, and the end of their names
MAX_POINTER = 255  # bytes of `latest` if it is a text file


def records(tables: Mapping[str, CountTable]) -> dict[str, Any]:
    """Tables as plain JSON values."""
    return {name: {"labels": t.labels, "counts": t.counts} for name, t in tables.items()}


def how_to_export(folder: Path) -> str:
    """The command that exports the model of a run that has only weights."""
    run, model = shlex.quote(str(folder)), shlex.quote(str(folder / MODEL))
    return f"`dlc export {run} -o {model}` makes the model of them"


def has_states(folder: Path) -> bool:
    """Whether a run has kept a state of its training."""
    return any((folder / STATES).glob(f"*{SUFFIX}"))


def resume_command(folder: str | Path) -> str:
    return f"dlc train --resume {shlex.quote(str(folder))}"


def how_to_resume(folder: Path) -> str:
    """The command that goes on with a run, and what it does."""
    return f"`{resume_command(folder)}` goes on with it"


def model_at(path: Path) -> Path:
    """The path of a model file: the path itself, or the model in a run folder. `ArtifactError` if there is
    none; its message says what to do."""
    path = run_at(path)
    folder = path.parent if path.name == MODEL and not path.exists() else path
    if (folder / MODEL).is_file():
        return folder / MODEL
    if (folder / INFO).is_file():
        raise ArtifactError(how_far(folder))
    if path.is_dir():
        raise ArtifactError(f"{path} is a folder, and there is no file {MODEL} in it{latest_in(path)}")
    try:
        with reading.open_file(path) as file:
            begin = file.read(1000)
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"there is no file {path}") from None
    except OSError as error:
        raise ArtifactError(f"{path} {reading.why(error)}") from None
    if not begin:
        raise ArtifactError(f"{path} is empty")
    if path.suffix == ".dl" and begin.isascii() and b"\0" not in begin:
        raise ArtifactError(
            f"{path} is a spec, and a model is wanted: `dlc train {shlex.quote(str(path))}` makes one"
        )
    if reading.held(path) == reading.WEIGHTS:
        raise ArtifactError(f"{path} holds weights, and a model is wanted: {how_to_make(path)}")
    return path


def how_to_make(weights: Path) -> str:
    """The command that exports a model from a weight file."""
    if weights.name == WEIGHTS and weights.with_name(INFO).is_file():
        return how_to_export(weights.parent)
    return f"`dlc export f.dl --weights {shlex.quote(str(weights))}` makes one of them"


def parts_of(model: Path) -> list[Path]:
    """The files of a model: the model, its external weights, and the files of its run."""
    run = [model.with_name(name) for name in KEPT] if model.with_name(INFO).is_file() else []
    return [model, model.with_name(f"{model.name}.data"), *run]


def weights_of_run(run: Path, epoch: str = "best") -> Path:
    """The weights of the `best` or the `last` epoch of a run. `ArtifactError` if it has not ended."""
    path = run / {"best": BEST_WEIGHTS, "last": LAST_WEIGHTS}[epoch]
    if epoch == "last" and not (run / EPOCHS).is_file():
        raise ArtifactError(f"{run} holds no weights of its last epoch: it has not ended")
    return path if path.is_file() else run / WEIGHTS


def how_far(run: Path) -> str:
    """The state of a run without a model, and the command to continue it."""
    if (run / WEIGHTS).is_file():
        return f"{run} holds weights and no model yet: {how_to_export(run)}; {how_to_resume(run)}"
    return f"{run} holds no weights and no model yet: {how_to_resume(run)}"


def latest_in(folder: Path) -> str:
    """A hint for a folder that contains several runs."""
    return f"; did you mean {folder / LATEST}?" if (folder / LATEST).exists() else ""


def run_at(path: Path) -> Path:
    """A path to a run or to a file in it, with `latest` resolved if it is a text file. `ArtifactError` if it
    names a folder that does not exist."""
    pointer = next((p for p in (path, path.parent) if p.name == LATEST and p.is_file()), None)
    if pointer is None:
        return path
    try:
        name = reading.read_text(pointer, MAX_POINTER).removesuffix("\n")
    except (OSError, ValueError):
        return path
    if not name.isprintable() or PurePath(name).name != name or name in ("", ".."):
        return path  # not a pointer but another file of that name
    folder = pointer.parent / name
    if not os.path.isdir(folder):
        raise ArtifactError(f"{pointer} names the run {name}, and there is no such folder beside it")
    return folder / path.relative_to(pointer)


def is_within(place: str) -> bool:
    """Whether a relative path stays within its folder."""
    return not PurePosixPath(place).is_absolute() and ".." not in PurePosixPath(place).parts


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file of a run, empty if there is none. `ArtifactError` if it is unreadable."""
    try:
        found = parse(reading.read_text(path, MAX_TEXT))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path.parent, f"{path.name} {reading.why(error)}") from None
    except ValueError as error:
        why = "not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise unreadable(path.parent, f"{path.name} is {why}") from None
    if not isinstance(found, dict):
        raise unreadable(path.parent, f"{path.name} is not as dlc writes it")
    return found


def read_lines(folder: Path, name: str) -> tuple[Mapping[str, Any], ...]:
    """The records of a file with one JSON object a line; a last line that was cut off is left out."""
    lines = text_in(folder, name).split("\n")
    try:
        found = tuple(parse(line) for line in lines[:-1])
    except ValueError:
        raise unreadable(folder, f"{name} is not as dlc writes it") from None
    if not all(isinstance(record, dict) for record in found):
        raise unreadable(folder, f"{name} is not as dlc writes it")
    return found


def read_list(folder: Path, name: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of a file with a JSON list; empty if there is no such file."""
    text = text_in(folder, name)
    try:
        found = parse(text) if text else []
    except ValueError as error:
        raise unreadable(folder, f"{name} is {error}") from None
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise unreadable(folder, f"{name} is not as dlc writes it")
    return tuple(found)


def text_in(folder: Path, name: str) -> str:
    """The text of a file of a run; empty if there is no such file."""
    try:
        return reading.read_text(folder / name, MAX_TEXT)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise unreadable(folder, f"{name} {reading.why(error)}") from None
    except UnicodeDecodeError:
        raise unreadable(folder, f"{name} is not text in UTF-8") from None


def unreadable(folder: Path, why: str) -> ArtifactError:
    return ArtifactError(f"{folder} is not a run that can be read: {why}")


def as_json(value: Any, indent: int | None = 2) -> bytes:
    return (json.dumps(value, indent=indent, allow_nan=False, default=str) + "\n").encode()
