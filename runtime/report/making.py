"""The sections of a page about what was trained and made: the network, the artifact, the settings."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.runtime.artifact.metadata import Metadata
from dlc.runtime.memory import format_size
from dlc.runtime.report.blocks import Beside, FixedText, PageSection, Picture, Table, Words, number_in
from dlc.runtime.report.shown_rows import shrunk_png
from dlc.runtime.report.texts import clean, clipped
from dlc.runtime.written_settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.report.blocks import Block
    from dlc.runtime.run_record import RunRecord

PICTURE = 1 << 20  # maximum bytes of the picture of the network
SPEC = 1 << 18  # maximum letters of a text
SAMPLES = 8  # maximum number of sheets of samples
SHEET = 480  # maximum pixels of a sheet
SHEET_BYTES = 1 << 26
SETTINGS = 60  # maximum number of rows of a table


@dataclass(frozen=True)
class Network:
    """The network as a picture and as a table. `why` says why there is none."""

    picture: str = ""
    table: str = ""
    why: str = ""


def network(of: Network) -> PageSection:
    told: list[Block] = [Words(clipped(of.why))] if of.why else []
    if of.picture and len(of.picture) <= PICTURE:
        alt = "The network as a picture; the table of its layers says the same"
        told.append(Picture("", svg_uri(of.picture), alt, wide=True))
    elif of.picture:
        told.append(
            Words(
                "The picture of the network is too large for this page: `dlc show RUN --svg FILE` draws it."
            )
        )
    if of.table:
        told.append(FixedText("The layers as a table", bounded(of.table)))
    return PageSection("network", "Network", told)


def svg_uri(text: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(clean(text).encode()).decode()}"


def samples(folder: Path) -> PageSection | None:
    """What `sample` has drawn: of each value the last sheet of pictures. None if there is none."""
    found: dict[str, Path] = {}
    if folder.is_dir():
        for path in sorted(folder.glob("*.png")):
            found[path.stem.rpartition("_")[0]] = path
    told: list[Block] = []
    for name, path in [*found.items()][:SAMPLES]:
        try:
            uri = shrunk_png(reading.read(path, SHEET_BYTES), SHEET)
        except (OSError, ValueError) as error:
            told.append(Words(f"{clipped(path.name, 60)} cannot be shown: {clipped(error, 100)}"))
            continue
        step = path.stem.rpartition("_")[2].lstrip("0")
        title = f"{clipped(name, 60)}, after step {clipped(step, 12)}"
        told.append(Picture(title, uri, f"Samples of {clipped(name, 60)}"))
    return PageSection("samples", "Samples", told) if told else None


def artifact(metadata: Metadata | None, path: Path | None, why: str = "") -> PageSection:
    """The file that was exported, and how it was compared with torch."""
    if metadata is None or path is None:
        return PageSection("artifact", "Artifact", [Words(clipped(why or "The run has no artifact yet."))])
    parity = metadata.parity
    batches, excused = parity.get("batches"), parity.get("excused")
    worst, tolerance = number_in(parity, "worst"), number_in(parity, "tolerance")
    names = batches if isinstance(batches, list) else []
    rows = [
        ("largest relative difference", "-" if worst is None else f"{worst:.1e}"),
        ("allowed difference", "-" if tolerance is None else f"{tolerance:.0e}"),
        ("batches compared", str(len(names))),
        ("size of the file", format_size(path.stat().st_size)),
        ("SHA-256 in the file", clipped(metadata.digest, 80)),
        ("fingerprint of the data", clipped(metadata.fingerprint or "-", 80)),
    ]
    told: list[Block] = [
        Words("Before it was written, its outputs in ONNX Runtime were compared with those of torch."),
        Table("Parity", ("what", "value"), rows, plain=True),
        Table("The batches", ("batch", ""), [(clipped(name, 120), "") for name in names[:SETTINGS]],
              folded=True, plain=True),
    ]  # fmt: skip
    reasons = excused if isinstance(excused, list) else []
    told += [Words(clipped(reason)) for reason in reasons[:SETTINGS]]
    return PageSection("artifact", "Artifact", told)


def settings(record: RunRecord, program: CompiledProgram | None, metadata: Metadata | None) -> PageSection:
    """The params and settings of a run, its versions and its spec."""
    written = settings_of(program) if program is not None else {}
    train = {name: text for name, text in written.items() if name.startswith("train.")}
    told: list[Table] = []
    if record.params:
        rows = [
            (clipped(name, 80), clipped(value, 200)) for name, value in [*record.params.items()][:SETTINGS]
        ]
        told.append(Table("Params and given settings", ("name", "value"), rows, plain=True))
    if train:
        rows = [(clipped(name, 80), clipped(value, 200)) for name, value in [*train.items()][:SETTINGS]]
        told.append(Table("Settings of the training", ("setting", "value"), rows, plain=True))
    told += facts(record.how, metadata)
    return PageSection(
        "settings", "Settings and versions", [Beside(told), FixedText("The spec", bounded(record.spec))]
    )


def facts(how: Mapping[str, Any], metadata: Metadata | None) -> list[Table]:
    """How and on what it ran, and with which versions."""
    rows: list[tuple[str, str]] = []
    for name, value in [*how.items()][:SETTINGS]:
        if name not in ("versions", "folder", "warnings") and not isinstance(value, dict):
            rows += (
                [(clipped(name, 60), clipped(plain(value), 200))] if value not in (None, [], False) else []
            )
    versions = how.get("versions") or (metadata.versions if metadata else {})
    if isinstance(versions, dict):
        rows += [(f"version of {clipped(n, 40)}", clipped(v, 60)) for n, v in [*versions.items()][:SETTINGS]]
    return [Table("The run", ("fact", "value"), rows, plain=True)] if rows else []


def plain(value: Any) -> str:
    """A fact in words: a list as its items, a number without digits that say nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def bounded(text: str) -> str:
    return text if len(text) <= SPEC else f"{text[:SPEC]}\n... ({len(text) - SPEC:_} more letters)"
