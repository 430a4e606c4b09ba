"""How an artifact's metadata keeps the way in which files of pictures and recordings are read."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.file_sources import Audio, Files, FolderOfFiles, Images, content_of
from dlc.compiler.definitions.parameter_types import Reject
from dlc.runtime.data.files.matching import root_of
from dlc.runtime.strict_json import is_dict_of

if TYPE_CHECKING:
    from dlc.compiler.definitions.definition import Definition
    from dlc.compiler.program import CompiledProgram

KINDS = {kind.name: kind for kind in (Images, Audio)}
UP = 2  # folders from pictures to masks, or from a table to its files
WRONG = (Reject, KeyError, TypeError, AttributeError)  # raised for settings that no definition has


def wrong(folder: Any, files: Any) -> list[str]:
    """Which of the two is not as dlc writes it."""
    found = ["folder"] if folder != {} and not are_settings_of_folder(folder) else []
    sound = is_dict_of(files, dict) and all(map(are_settings_of_files, files.values()))
    return found if sound else [*found, "files"]


def are_settings_of_folder(written: Any) -> bool:
    """Whether this is written by `folder_to_json`."""
    try:
        return is_near(folder_from_json(written).masks or ".")
    except WRONG:
        return False


def are_settings_of_files(written: dict[str, Any]) -> bool:
    """Whether these are written by `files_to_json`: the root of the files is near a table."""
    try:
        return is_near(files_from_json("", written).root)
    except WRONG:
        return False


def is_near(path: str) -> bool:
    """Whether a path leads at most `UP` folders up from the one that it is relative to. A path that is not
    comes from a stranger."""
    parts = os.path.normpath(path).split(os.sep)
    return not os.path.isabs(path) and parts.count(os.pardir) <= UP


def near(path: str, start: str) -> str:
    """A path relative to the folder `start`; `.` if that is far from there."""
    found = os.path.relpath(path, start or ".")
    return found.replace(os.sep, "/") if is_near(found) else "."


def folder_to_json(source: FolderOfFiles | None) -> dict[str, Any]:
    """The settings of a folder of files. Its masks are relative to its pictures."""
    if source is None:
        return {}
    masks = {} if source.masks is None else {"masks": near(source.masks, root_of(source.path))}
    return {"source": source.name, **changed(source, "path"), **masks}


def folder_from_json(written: dict[str, Any]) -> FolderOfFiles:
    """The source with these settings, and an empty path."""
    kind = KINDS[written["source"]]
    settings = {key: value for key, value in written.items() if key != "source"}
    return kind(path="", **{key: kind.settings[key].kind.accept(value) for key, value in settings.items()})


def changed(definition: Definition, own: str) -> dict[str, Any]:
    """The settings, except for its `own`, that are not at their defaults."""
    known = definition.settings
    return {k: v for k, v in definition.values().items() if k != own and v != known[k].default}


def files_to_json(program: CompiledProgram) -> dict[str, dict[str, Any]]:
    """How the files of each field are read: the settings of `files(...)` that are not at their defaults. The
    root is relative to the table."""
    data = program.data
    if data is None:
        return {}
    if data.folder is not None:
        types = {i.name: i.declared for i in program.inputs} | {o.target: o.declared for o in program.outputs}
        how = {key: getattr(data.folder, key) for key in ("fit", "rate") if key in data.folder.settings}
        return {name: how for name, type in types.items() if content_of(type, data.folder.holds)}
    found = {name: field for name, field in data.fields.items() if isinstance(field, Files)}
    start = posixpath.dirname(data.table.path) if data.table else ""
    return {
        name: changed(field, "column") | {"root": near(field.root, start)} for name, field in found.items()
    }


def files_from_json(column: str, written: dict[str, Any]) -> Files:
    """The field with these settings that a column of file names fills."""
    return Files(column=column, **{k: Files.settings[k].kind.accept(v) for k, v in written.items()})
