"""How a folder of files is divided: into classes, and into parts or groups that stay together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.quoting import printable
from dlc.runtime.data.data_errors import counted, plural
from dlc.runtime.first_spec.targets import NoFirstSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MIN_FILES = 10
MIN_GROUPS = 5  # for three parts
# Names of folders that hold a part of the rows, in lower case.
TRAINING = ("train", "training")
VALIDATION = ("validation", "valid", "val", "dev")
TEST = ("test", "testing")


@dataclass(frozen=True)
class Layout:
    """The classes with their numbers of files, the one with the most first. `parts` are the folders that hold
    `train`, `validation` and `test`, if there are such folders. Else `kind` is the place of the folder of the
    class in a path, and `group` that of the folder whose files stay together, from 1; 0 if there is none."""

    names: Sequence[str]  # of all files
    classes: dict[str, int]
    parts: dict[str, str]
    kind: int = 1
    group: int = 0

    def folder_of(self, part: str) -> str:
        """The folder of a part as the paths of its files begin; empty for the whole folder."""
        return f"{self.parts[part]}/" if self.parts else ""

    @property
    def share(self) -> float:
        """The share of the most frequent class."""
        return max(self.classes.values()) / sum(self.classes.values())

    @property
    def frequent(self) -> str:
        return next(iter(self.classes))


def layout_of(folder: str, names: Sequence[str], word: str) -> Layout:
    """How the files are divided; `word` is what one of them is. NoFirstSpec if they are not in classes."""
    if len(names) < MIN_FILES:
        help = f"a first spec takes {MIN_FILES} or more, in a folder for each class"
        raise NoFirstSpec(f"{folder} has {counted(len(names), word)}", help)
    if parts := parts_of(names):
        return layout_of_parts(names, parts, word)
    loose = next((name for name in names if "/" not in name), "")
    if loose:
        raise NoFirstSpec(f"{printable(loose)} is in no folder of a class", in_folders(word))
    kind, group = places(names, word)
    classes = numbers_of(name.split("/")[kind - 1] for name in names)
    check_several(classes, folder, word)
    return Layout(names, classes, {}, kind, group)


def in_folders(word: str) -> str:
    return f"put the {plural(word)} of each class into a folder of its own"


def numbers_of(classes: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(classes).items(), key=lambda item: (-item[1], item[0])))


def check_several(classes: dict[str, int], folder: str, word: str) -> None:
    if len(classes) < 2:
        raise NoFirstSpec(f"{folder} has {plural(word)} of one class", in_folders(word))


# --- folders of parts -------------------------------------------------------------------------------------


def parts_of(names: Sequence[str]) -> dict[str, str]:
    """The folders of the parts by their names in a spec, if all files are in `train` and another part."""
    folders = sorted({name.partition("/")[0] for name in names if "/" in name})
    found: dict[str, str] = {}
    for part, known in (("train", TRAINING), ("validation", VALIDATION), ("test", TEST)):
        of_part = [folder for folder in folders if folder.lower() in known]
        if len(of_part) == 1:
            found[part] = of_part[0]
    complete = all(name.partition("/")[0] in found.values() for name in names)
    return found if complete and "train" in found and len(found) > 1 else {}


def layout_of_parts(names: Sequence[str], parts: dict[str, str], word: str) -> Layout:
    classes = {part: classes_of_part(names, folder, word) for part, folder in parts.items()}
    check_several(classes["train"], parts["train"], word)
    for part, found in classes.items():
        if unknown := sorted(found.keys() - classes["train"].keys()):
            what = f"{parts[part]} has the class {printable(unknown[0])}, and {parts['train']} has none of it"
            raise NoFirstSpec(what, "a class is learnt in training: divide the files anew")
    measured = classes["test"] if "test" in classes else classes["train"]
    return Layout(names, measured | {c: measured.get(c, 0) for c in classes["train"]}, parts)


def classes_of_part(names: Sequence[str], part: str, word: str) -> dict[str, int]:
    within = [name for name in names if name.startswith(f"{part}/")]
    for name in within:
        if name.count("/") == 1:
            raise NoFirstSpec(f"{printable(name)} is in no folder of a class", in_folders(word))
        check_depth(name, 2, word)
    return numbers_of(name.split("/")[1] for name in within)


def check_depth(name: str, most: int, word: str) -> None:
    if name.count("/") > most:
        help = f"put all {plural(word)} of a class directly into one folder"
        raise NoFirstSpec(f"{printable(name)} is in a folder below that of its class", help)


# --- groups -----------------------------------------------------------------------------------------------


def places(names: Sequence[str], word: str) -> tuple[int, int]:
    """The places of the folders of the class and of the group in the paths. Where all files are in two
    folders, and classes and groups cross, the folders with fewer names are the classes; of as many, those
    that the files are in."""
    if all(name.count("/") == 2 for name in names):
        pairs = {tuple(name.split("/")[:2]) for name in names}
        outer, inner = (Counter(pair[place] for pair in pairs) for place in (0, 1))
        if cross(outer) and cross(inner):
            kind = 2 if len(inner) <= len(outer) else 1
            return kind, 3 - kind if max(len(inner), len(outer)) >= MIN_GROUPS else 0
    for name in names:
        check_depth(name, 1, word)
    return 1, 0


def cross(counts: Counter[str]) -> bool:
    """Whether most folders of one place are seen with several of the other place."""
    return len(counts) > 1 and sorted(counts.values())[len(counts) // 2] > 1
