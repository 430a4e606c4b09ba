"""Checks of `data` for rows that are files: pictures, masks and recordings fill fields of certain types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.file_sources import (
    CHANNELS,
    MASK,
    MASK_COLUMN,
    PICTURE,
    RECORDING,
    ColumnNamed,
    Files,
    FolderOfFiles,
    PathField,
    content_of,
    fitting_types,
)
from dlc.compiler.definitions.sections import GroupsSplit, NormalField, UniformField
from dlc.compiler.operators.operands import spell_classes

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from dlc.compiler.definitions.data_families import DataSource, Field
    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.types import Tensor

SHAPE, SETTING = "E0704", "E0408"


def check(state: Elaboration, ev: Evaluator, data: Data) -> None:
    """Check that files can fill their fields, and that each path is that of a file."""
    types = {i.name: (i.declared, i.site.span) for i in state.inputs}
    targets = {name: o for name, o in ev.scope.file.outputs.items() if hasattr(o, "declared")}
    types |= {name: (o.declared, o.span) for name, o in targets.items() if name not in types}
    if isinstance(data.split, GroupsSplit) and isinstance(data.split.column, PathField):
        check_path(state, data, data.split.column)
    for name, field in data.fields.items():
        if isinstance(field, PathField):
            check_path(state, data, field)
        elif isinstance(field, Files) and data.folder is not None:
            state.problems.report(SETTING, field.span,
                                  f"`{name}` names files, and the rows of `{data.folder.name}` are files",
                                  help="leave it out")  # fmt: skip
        elif isinstance(field, Files) and name in types and (found := unfilled(types[name][0])):
            what, help = found
            message = f"`{name}` is {spell_classes(types[name][0])}, and {what}"
            state.problems.report(SHAPE, field.span, message, help=help)
        elif isinstance(field, Files) and name in types:
            check_settings(state, name, field, types[name][0])
    names = {i.name for i in state.inputs}
    for name, (declared, span) in types.items():
        if name in names and takes_file(data.source, data.fields.get(name), declared):
            assert isinstance(data.source, FolderOfFiles)
            if found := unfilled(declared, data.source.holds):
                message = f"`{name}` is {spell_classes(declared)}, and {found[0]}"
                state.problems.report(SHAPE, span, message, help=found[1])
    check_masks(state, data, {name: declared for name, (declared, _) in types.items()}, targets.keys())


def check_settings(state: Elaboration, name: str, field: Files, declared: Tensor) -> None:
    """Check that the settings of a column of file names are of what its files hold."""
    content = content_of(declared, field.holds) or content_of(declared)
    key, of = ("fit", "pictures") if content == RECORDING else ("rate", "recordings")
    if key in field.spans:
        message = f"`{key}` is a setting of {of}, and `{name}` is {spell_classes(declared)}: a {content}"
        state.problems.report(SETTING, field.spans[key], message, help="leave it out")


def check_masks(state: Elaboration, data: Data, types: Mapping[str, Tensor], targets: Container[str]) -> None:
    """Check that a field takes the masks of a folder."""
    if state.problems.failed or any(
        takes_mask(data.fields.get(name), declared, name in targets) for name, declared in types.items()
    ):
        return
    for source in (data.source, data.validation, data.test):
        if isinstance(source, FolderOfFiles) and source.masks is not None:
            message = "`masks` names a folder of masks, and no field takes one"
            help = "leave it out, or declare a target `class(n)[height, width]`"
            state.problems.report(SETTING, source.spans.get("masks", source.span), message, help=help)


def takes_mask(field: Field | None, declared: Tensor, is_target: bool) -> bool:
    """Whether the masks of a folder fill a field."""
    if isinstance(field, ColumnNamed):
        return field.column == MASK_COLUMN
    if isinstance(field, (NormalField, UniformField)) or declared.rank == 0:
        return False
    return is_target or content_of(declared) == MASK


def check_path(state: Elaboration, data: Data, field: PathField) -> None:
    if data.folder is None and not field.column and data.source is not None:
        state.problems.report(SETTING, field.span, "`path` is that of a file, and no field of `data` is one",
                              help='name a column of files: `FIELD = files("...")`')  # fmt: skip


def takes_file(source: DataSource | None, field: Field | None, declared: Tensor) -> bool:
    """Whether a file of the source fills an input."""
    chosen = isinstance(field, (ColumnNamed, NormalField, UniformField))
    return isinstance(source, FolderOfFiles) and declared.rank > 0 and not chosen


def unfilled(declared: Tensor, holds: str = "") -> tuple[str, str] | None:
    """Why no file fills a field of this type, and the fix; None if one does."""
    content = content_of(declared, holds)
    if not content:
        return f"no {holds or 'file'} fills it", fitting_types(holds)
    channels = declared.shape[0] if declared.rank == 3 else 1
    if content == PICTURE and isinstance(channels, int) and channels not in CHANNELS:
        return f"a picture has no {channels} channels", fitting_types(PICTURE)
    if content == MASK and holds and holds != PICTURE:
        return f"no {holds} fills it", fitting_types(holds)
    return None
