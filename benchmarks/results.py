"""`python -m benchmarks results [SPEC ...]`: trains specs on one core, and writes the values that they
expect and reach. Without arguments, these are the specs that have changed since they were trained."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import machine, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Results = dict[str, dict[str, Any]]  # by spec, as in the JSON file

ROOT = Path(__file__).parent.parent
SPECS = ROOT / "specs"
WITHOUT_DATA = ("lenet.dl",)  # the MNIST images are not shipped
RESULTS, PAGE = ROOT / "docs" / "results.json", ROOT / "docs" / "results.md"
TEXT = """\
# Results of the golden specs

`python -m benchmarks results` trains the specs whose text or data has changed since the last time, and
writes this page; `python -m benchmarks results specs/vae.dl` trains this one again. Each is trained on
one core, with the data, the seed and the settings in its file. The time is that of the processor, from
reading the data to the verified artifact. `dlc test specs/` checks the same conditions.

Specs that expect nothing of training, and `lenet.dl`, whose data is not shipped, are not listed.

| spec | what it is | time | expected and found |
|---|---|--:|---|
{rows}

Measured on {machine}; {versions}.
"""


def main(asked: Sequence[str]) -> int:
    """Train the specs at the paths, or all that have changed; 1 if an expectation is not met."""
    import torch

    torch.set_num_threads(1)
    results = recorded()
    for path in [Path(a).resolve() for a in asked] or [*changed(results)]:
        name = path.relative_to(SPECS).with_suffix("").as_posix()
        results[name] = measure(path)
        print(row(name, results[name]), file=sys.stderr, flush=True)
        save(results)
    return int(any(not each["met"] for of in results.values() for each in of["expectations"]))


def specs() -> list[Path]:
    return sorted(SPECS.rglob("*.dl"))


def long_specs(results: Results) -> list[str]:
    """The specs that take more than 20 s, which tests do not train to the end."""
    return [name for name, of in results.items() if of["seconds"] > 20]


def recorded() -> Results:
    """The recorded results of the specs that exist."""
    found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    return {name: of for name, of in found.items() if (SPECS / f"{name}.dl").exists()}


def changed(results: Results) -> Iterable[Path]:
    """The specs that expect what training measures, and whose text is not the measured one."""
    for path in filter(is_measured, specs()):
        of = results.get(path.relative_to(SPECS).with_suffix("").as_posix())
        if of is None or of["text"] != digest(path):
            yield path


def is_measured(path: Path) -> bool:
    """Whether the spec expects something, and `measure` has its data."""
    import dlc
    from dlc.runtime.expectations import needs_training

    program = dlc.compile(path)
    return path.name not in WITHOUT_DATA and needs_training(program.compiled)


def digest(path: Path) -> str:
    """A hash of the text, without lines of comments, and of the files and folders in `data` that it names."""
    lines = (line for line in path.read_text("utf-8").splitlines() if not line.startswith("#"))
    text = "\n".join(lines)
    found = hashlib.sha256(text.encode())
    for name in sorted({*re.findall(r'"(data/[^"]+)"', text)}):
        for file in files_of(path.parent / name):
            if file.parent != path.parent / "data":
                found.update(file.relative_to(path.parent).as_posix().encode())
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


def files_of(path: Path) -> list[Path]:
    """The file, or those in the folder."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def measure(path: Path) -> dict[str, Any]:
    """The results of one spec."""
    import dlc
    from dlc.cli import testing

    program = dlc.compile(path)
    began = time.process_time()
    checked, lacking = testing.checked(program, "cpu")
    if lacking:
        raise FileNotFoundError(f"{path}: {lacking}")
    seconds = time.process_time() - began
    conditions = [
        {"text": one.expectation.text, "found": dict(one.found), "met": bool(one.met)} for one in checked
    ]
    return {"text": digest(path), "seconds": round(seconds, 1), "date": date.today().isoformat(),
            "machine": machine(), "versions": versions(), "expectations": conditions}  # fmt: skip


def save(results: Results) -> None:
    """Write both files."""
    ordered = dict(sorted(results.items()))
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(ordered), "utf-8")


def page(results: Results) -> str:
    rows = "\n".join(row(name, of) for name, of in results.items())
    latest = max(results.values(), key=lambda of: of["date"])
    return TEXT.format(rows=rows, machine=latest["machine"], versions=latest["versions"])


def row(name: str, of: Mapping[str, Any]) -> str:
    conditions = "<br>".join(map(condition, of["expectations"]))
    spec = f"[`{name}`](../specs/{name}.dl) | {title(SPECS / f'{name}.dl')}"
    return f"| {spec} | {of['seconds']:.1f} s | {conditions} |"


def condition(one: Mapping[str, Any]) -> str:
    """`test.accuracy >= 0.9`: 0.9545."""
    found = ", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in one["found"].values())
    return f"`{one['text']}`{f': {found}' if found else ''}{'' if one['met'] else ' (**not met**)'}"


def title(path: Path) -> str:
    """The first sentence of the comment at the top of a spec."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text("utf-8").splitlines())
    comment = " ".join(line.removeprefix("#").strip() for line in lines)
    return re.split(r"(?<! al)\. ", comment)[0].rstrip(".").replace("|", "\\|")
