"""A first spec for a folder of pictures or recordings: one folder for each class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlc.compiler.definitions.file_sources import PICTURE, RECORDING
from dlc.compiler.diagnostics.quoting import VALUES, listed, printable
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.format.formatter import format
from dlc.compiler.format.printer import spell_text
from dlc.runtime.data.data_errors import counted, plural
from dlc.runtime.data.files import paths
from dlc.runtime.extras import need_packages
from dlc.runtime.first_spec import pictures, recordings
from dlc.runtime.first_spec.first import FirstSpec
from dlc.runtime.first_spec.layout import layout_of
from dlc.runtime.first_spec.looked_at import LookedAt
from dlc.runtime.first_spec.targets import NoFirstSpec
from dlc.runtime.first_spec.writing import LISTED, NAMED, comment, spelled_class, spelled_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dlc.runtime.first_spec.first import NetworkOfFiles
    from dlc.runtime.first_spec.layout import Layout

FEW = 0.1  # the share of files of the other kind that are left out
TABLES = (".csv", ".tsv", ".gz", ".zst", ".parquet", ".pq")
MIN_EPOCHS, MAX_EPOCHS = 8, 60
SHARES = {"validation": 0.15, "test": 0.2}  # of all rows
KNOWN_SUFFIXES = "pictures have suffixes such as .png and .jpg, recordings .wav, .flac and the like"


@dataclass
class FilesOfOneKind:
    """The files of a folder that a spec is written for. `word` is what one of them is."""

    word: str
    names: list[str]
    notes: list[str] = field(default_factory=list)


def first_spec_of_folder(folder: Path, shown: str, wanted: Sequence[str]) -> FirstSpec:
    """A first spec for the pictures or recordings of a folder; `shown` is its path as the spec writes it.
    NoFirstSpec if they do not allow one."""
    folder = folder.resolve()  # which has a name
    found = files_of(folder)
    if wanted:
        help = "the folders are the classes: leave out --target"
        raise NoFirstSpec(f"{plural(found.word)} have no columns", help)
    need_packages(found.word, None)
    layout = layout_of(folder.name, found.names, found.word)
    looked_at = LookedAt(folder, found.word)
    made = pictures if found.word == PICTURE else recordings
    network = made.network_for(looked_at, found.names)
    text = "\n".join(lines(folder.name, shown, found.word, layout, network))
    return FirstSpec(format(Source("first.dl", text + "\n")), (*found.notes, *looked_at.notes()))


def files_of(folder: Path) -> FilesOfOneKind:
    """The pictures or the recordings of a folder, whichever are more; a few others are left out."""
    inside = paths.listed(folder, paths.PICTURES | paths.RECORDINGS)
    by_word: dict[str, list[str]] = {PICTURE: [], RECORDING: []}
    for name in inside.names:
        by_word[PICTURE if paths.suffix_of(name) in paths.PICTURES else RECORDING].append(name)
    if not inside.names:
        raise NoFirstSpec(*nothing_in(folder.name, inside))
    few, most = sorted(by_word, key=lambda word: len(by_word[word]))
    found = FilesOfOneKind(most, by_word[most])
    if left_out := len(by_word[few]):
        both = f"{counted(len(found.names), most)} and {counted(left_out, few)}"
        if left_out > FEW * len(inside.names):
            help = f"a first spec reads one kind: put the {plural(few)} into a folder of their own"
            raise NoFirstSpec(f"{folder.name} has {both}", help)
        found.notes.append(f"{folder.name} has {both}: the {plural(most)} alone are read")
    return found


def nothing_in(folder: str, found: paths.Listed) -> tuple[str, str]:
    """The error and the help for a folder without pictures or recordings."""
    if not found.count_of_others:
        return f"{folder} is empty", "put the pictures or recordings of each class into a folder of its own"
    others = f"{counted(found.count_of_others, 'other file')}: {', '.join(map(printable, found.others))}"
    table = next((name for name in found.others if paths.suffix_of(name) in TABLES), None)
    help = f"name a table itself: `dlc new {folder}/{table}`" if table else KNOWN_SUFFIXES
    return f"{folder} has no pictures or recordings, but {others}", help


# --- the text ---------------------------------------------------------------------------------------------


def lines(folder: str, shown: str, word: str, layout: Layout, network: NetworkOfFiles) -> Iterator[str]:
    classes = [spelled_class(name) for name in sorted(layout.classes)]
    named = len(classes) <= NAMED and sum(map(len, classes)) <= LISTED
    yield from comment(
        f"Predicts the folder of each of {len(layout.names):_} {plural(word)} of {printable(folder)}, one of "
        f"{len(classes)} classes. `dlc new` wrote this first try: change what you know better."
    )
    yield f"\n{network.input}"
    yield f"output kind: class({', '.join(classes) if named else 'auto'})\n"
    yield from network.flow
    yield from data(shown, word, layout, network)
    yield from train(network, layout)
    share = spelled_share(layout.share)
    yield f"\nexpect {{\ntest.accuracy > {share}  # always {listed([layout.frequent], VALUES)}: {share}\n}}"


def data(shown: str, word: str, layout: Layout, network: NetworkOfFiles) -> Iterator[str]:
    def source(part: str) -> str:
        path = f"{shown}/{layout.folder_of(part)}".rstrip("/")
        return network.source.format(path=spell_text(path))

    yield f"\ndata {{\nsource = {source('train')}"
    if layout.kind > 1 or layout.group:
        yield f"kind = path({layout.kind})"
    for part, share in SHARES.items():
        yield f"{part} = {source(part) if part in layout.parts else share}"
    if layout.group:
        yield f"split = groups(path({layout.group}))  # {plural(word)} of one folder stay together"
    elif not SHARES.keys() <= layout.parts.keys():
        yield "stratify = kind  # each part gets its share of each class"
    yield "}\n"


def train(network: NetworkOfFiles, layout: Layout) -> Iterator[str]:
    taken = sum(share for part, share in SHARES.items() if part not in layout.parts)
    count = (1 - taken) * sum(name.startswith(layout.folder_of("train")) for name in layout.names)
    epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, round(network.steps * network.batch / count)))
    yield "train {\noptimizer = adamw(lr=0.003, weight_decay=0.05)"
    yield "schedule = cosine  # ends with small steps"
    yield f"batch = {network.batch}\nepochs = {epochs}"
    best = "keeps the epoch with the best validation loss"
    yield f"early_stop = patience({max(5, epochs // 4)})  # {best}\nmetrics = [accuracy]\n}}"
