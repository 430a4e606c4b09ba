"""A folder of pictures or recordings: a row for each file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.compiler.definitions.file_sources import (
    FILE,
    FOLDER,
    MASK,
    MASK_COLUMN,
    PICTURE,
    RECORDING,
    ColumnNamed,
    PathField,
    content_of,
)
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.urls import is_pattern, is_url
from dlc.runtime.data import data_errors
from dlc.runtime.data.columns.column_match import names_of
from dlc.runtime.data.data_errors import counted
from dlc.runtime.data.files import paths
from dlc.runtime.data.files.matching import matched, root_of
from dlc.runtime.data.locations.listing import shown_path
from dlc.runtime.data.source import Column, FileReading, Opened, display_path, nearest_file, relative, texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dlc.compiler.definitions.file_sources import FolderOfFiles
    from dlc.runtime.data.requirements import RequiredField

SUFFIXES = {PICTURE: paths.PICTURES, RECORDING: paths.RECORDINGS}


class FileFolder(Opened):
    """The columns are the file, its mask if the source has masks, the folder that it is in, and each folder
    of its path. Fields take them by their types. A path of one file is a folder with this file alone."""

    of_files = True
    own_names = True

    def __init__(self, source: FolderOfFiles, folder: Path) -> None:
        self.file, self.definition, self._source = shown_path(source.path), source, source
        self._folder = folder
        self._suffixes = SUFFIXES[source.holds]
        self.no_rows = f"holds no {source.holds}s"
        path = folder / source.path
        self._single = path.is_file()
        if self._single:
            self.root, self.paths = path.parent, [path.name]
        elif is_pattern(source.path) and not is_url(source.path) and not path.is_dir():
            self.root = folder / root_of(source.path)
            self.paths, self.notes = self._rows(self._matched(folder))
        else:
            self.root = need_folder(path, source)
            self.paths, self.notes = self._rows(self._listed(self.root, source.path))
        self.count = len(self.paths)
        self._depth = max((name.count("/") for name in self.paths), default=0)
        masks = [] if source.masks is None else [MASK_COLUMN]
        self.names = (FILE, *masks, FOLDER, *(f"path({n + 1})" for n in range(self._depth)))
        self._masks = None if source.masks is None else folder / source.masks

    def read(self, indices: Sequence[int]) -> list[Column]:
        return [self._column(self.names[index]) for index in indices]

    def row(self, number: int) -> str:
        return "" if self._single else shorten(self.paths[number])

    def others(self, numbers: Sequence[int]) -> str:
        return ", ".join(map(self.row, numbers))

    def name(self, index: int) -> str:
        name = self.names[index]
        return "" if name == FILE else f"the {name}" if name in (MASK_COLUMN, FOLDER) else name

    def place_of(self, wanted: RequiredField) -> int | data_errors.Diagnostic:
        """The column that a field takes, or the error if there is none."""
        name = self._column_of(wanted)
        if not isinstance(name, str):
            return name
        taken = content_of(wanted.declared)
        if name == FILE and taken and not content_of(wanted.declared, self._source.holds):
            holds = f"is a {self._source.holds}" if self._single else f"has {self._source.holds}s"
            message = f"{self.file} {holds}, and {wanted} takes {taken}s: it is {wanted.declared}"
            return data_errors.error(data_errors.MISSING_COLUMN, message, *self._at(wanted))
        return self.names.index(name)

    def _column_of(self, wanted: RequiredField) -> str | data_errors.Diagnostic:
        """The name of the column that a field takes, or the error if there is none."""
        source = wanted.source
        if isinstance(source, PathField):
            name = f"path({source.n})"
            lacks = f"no path with {counted(source.n, 'folder')}"
            return name if name in self.names else self._lacks(wanted, lacks)
        if isinstance(source, ColumnNamed) and source.column in self.names:
            return source.column
        if source is not None and not self.for_model:
            return self._lacks(wanted, "no such column", f"its columns are {', '.join(self.names)}")
        if self.for_model and self._scaled(wanted):
            help = "the model was trained on arrays, whose numbers may have another range: give it arrays"
            return self._lacks(wanted, "pictures", help)
        name = FOLDER if wanted.declared.rank == 0 else FILE
        if name == FILE and (wanted.is_target or content_of(wanted.declared) == MASK):
            name = MASK_COLUMN
        if name == MASK_COLUMN and self._masks is None:
            help = "" if self.for_model else 'name their folder: `masks="..."` in the source'
            return self._lacks(wanted, "no masks", help)
        return name

    def no_value(self, wanted: RequiredField, index: int) -> tuple[str, str]:
        name, holds = self.names[index], self._source.holds
        if name in (FILE, MASK_COLUMN):
            return "", ""
        if self.for_model and wanted.role == "input" and name not in names_of(wanted):
            help = f"give it a table: a column of file names, and one with `{wanted.name}`"
            return f"the model also needs `{wanted.name}`", help
        if name != FOLDER:
            return f"the {holds} has no {name}, which fills {wanted}", "remove it, or move it into a folder"
        what = f"the {holds} is in no folder, and the name of its folder fills {wanted}"
        if self._depth:
            return what, "move it into a folder, or remove it"
        each = "class" if wanted.declared.classes else "value"
        if self._single:
            return what, f"name a folder that has a folder for each {each}"
        if self.root == self._folder / self._source.path:
            return what, f"name the folder above {self.file}: it has a folder for each {each}"
        return what, f"let the pattern match the folder of each {each} too, such as `pets/*/*.png`"

    def _scaled(self, wanted: RequiredField) -> bool:
        """Whether an artifact may take other numbers than those of pictures."""
        pictures = wanted.declared.rank > 0 and self._source.holds == PICTURE
        return pictures and wanted.declared.is_float and not isinstance(wanted.source, ColumnNamed)

    def _column(self, name: str) -> Column:
        how = FileReading(str(self.root), self._source.fit, self._source.rate or 0, self._source.holds)
        if name == FILE:
            return Column(texts(self.paths).values, files=how)
        if name == MASK_COLUMN and self._masks is not None:
            root, names = self._paired(self._masks, self._source.masks or "")
            pictures = (str(self.root / picture) for picture in self.paths)
            beside = dict(zip(names, pictures, strict=True))
            how = FileReading(str(root), self._source.fit, 0, self._source.holds, beside)
            return Column(texts(names).values, files=how)
        place = None if name == FOLDER else int(name[5:-1])
        return texts([paths.folder_of(path, place) for path in self.paths], untyped=True)

    def _rows(self, found: paths.Listed) -> tuple[list[str], tuple[str, ...]]:
        """The files that are rows, and a note that counts the others."""
        if not found.others:
            return found.names, ()
        named = ", ".join(f'"{shorten(name)}"' for name in found.others)
        others = counted(found.count_of_others, "other file")
        if not found.names:
            self.no_rows += f", but {others}: {named}"
            return [], ()
        one = found.count_of_others == 1
        why = "its suffix is not that" if one else "their suffixes are not those"
        left_out = f"{others} of {self.file} {'is' if one else 'are'} left out"
        more = " and more" if found.count_of_others > len(found.others) else ""
        return found.names, (f"{left_out}, because {why} of {self._source.holds}s: {named}{more}",)

    def _listed(self, root: Path, shown: str) -> paths.Listed:
        try:
            return paths.listed(root, self._suffixes)
        except OSError as error:
            raise self._unread(shown, error) from None

    def _matched(self, folder: Path) -> paths.Listed:
        try:
            found = matched(folder, self._source.path, self._suffixes)
        except OSError as error:
            raise self._unread(self._source.path, error) from None
        if not (found.names or found.others):
            what, at = f"no file matches {self.file}", (self._source, "looked for here")
            raise data_errors.fail(data_errors.NO_FILE, what, at, help=relative(self._source))
        return found

    def _unread(self, shown: str, error: OSError) -> data_errors.CompileError:
        message = f"{shown_path(shown)} {reading.why(error)}"
        return data_errors.fail(data_errors.NO_FILE, message, (self._source, "read here"))

    def _paired(self, root: Path, shown: str) -> tuple[Path, list[str]]:
        """The folder of the masks, and the mask of each picture: the file of the same name, whatever its
        suffix."""
        root = need_folder(root, self._source, shown)
        by_name: dict[str, list[str]] = {}
        for mask in self._listed(root, shown).names:
            by_name.setdefault(stem_of(mask), []).append(mask)
        found = [by_name.get(stem_of(path), []) for path in self.paths]
        bad = [place for place, masks in enumerate(found) if len(masks) != 1]
        if bad:
            several = found[bad[0]]
            what = f"has {len(several)} masks" if several else "has no mask"
            notes = [f"{self.row(place)} too" for place in bad[1:4]]
            notes += [f"and {counted(len(bad) - 4, 'other')}"] if len(bad) > 4 else []
            names = f"{stem_of(self.paths[bad[0]])}.png"
            message = f"{self.where(bad[0])}: the picture {what} in {display_path(shown)}"
            at = (data_errors.span_of(self._source.spans.get("masks")) or self._source, "looked for here")
            help = f"a mask has the name of its picture, such as {shorten(names)}"
            raise data_errors.CompileError(
                [data_errors.error(data_errors.NO_FILE, message, at, help=help, notes=notes)]
            )
        return root, [masks[0] for masks in found]

    def _lacks(self, wanted: RequiredField, what: str, help: str = "") -> data_errors.Diagnostic:
        message = f"{self.file} has {what}, and nothing fills {wanted}, which is {wanted.declared}"
        return data_errors.error(data_errors.MISSING_COLUMN, message, *self._at(wanted), help=help)

    def _at(self, wanted: RequiredField) -> tuple[tuple[Any, str], ...]:
        return ((wanted.source or wanted.span, "wanted here"), (self.definition, "read here"))


def stem_of(name: str) -> str:
    """A path without its suffix."""
    return name.rpartition(".")[0]


def need_folder(path: Path, source: FolderOfFiles, shown: str = "") -> Path:
    """The path of a folder. The error if there is none names a likely fix."""
    name, place = display_path(shown or source.path), (source, "looked for here")
    if path.is_dir():
        return path
    if path.exists():
        raise data_errors.fail(data_errors.NO_FILE, f"{name} is no folder", place)
    help = nearest_file(path) or relative(source)
    raise data_errors.fail(data_errors.NO_FILE, f"there is no folder {name}", place, help=help)
