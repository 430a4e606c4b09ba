"""The page "From a bad run to a good one": each of its specs is trained, and what it quotes is said."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from imports import ROOT

import dlc
from dlc.cli import commands
from dlc.runtime.diagnosis import diagnose
from dlc.runtime.run_record import read_record

PAGE = ROOT / "docs/from-bad-to-good.md"
PART = re.compile(r"^(#+) ([^\n]*)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]\d+)?")
CHAOTIC = "A rate that is too high"  # its numbers differ from machine to machine
SEVERAL = "Was it luck?"  # ten trainings


@dataclass(frozen=True)
class Step:
    """A command of the page, with the spec as it is by then, and what is quoted of what the command says."""

    heading: str
    spec: str
    command: str
    quoted: str = ""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.command)


@cache
def steps() -> list[Step]:
    """The commands of the page."""
    found: list[Step] = []
    heading = spec = ""
    for match in PART.finditer(PAGE.read_text("utf-8")):
        _, title, language, text = match.groups()
        if title:
            heading = title
        elif language == "dl":
            spec = text
        elif language == "diff":
            spec = patched(spec, text)
        elif language == "sh":
            found.append(Step(heading, spec, text.strip()))
        elif language == "text":
            found[-1] = replace(found[-1], quoted=found[-1].quoted + text)
    return found


def patched(spec: str, change: str) -> str:
    """A spec with the lines that a diff removes and adds. Lines of the diff are whole lines of the spec."""
    lines, at = spec.splitlines(), 0
    for line in change.splitlines():
        sign, text = line[:1], line[1:]
        if sign == "+":
            lines.insert(at, text)
            at += 1
            continue
        assert text in lines[at:], f"the spec has no line `{text}`"
        at = lines.index(text, at)
        if sign == "-":
            del lines[at]
        else:
            at += 1
    return "\n".join(lines) + "\n"


def trainings() -> list[list[Step]]:
    """The steps that belong together: a command, and those that look at its run."""
    groups: list[list[Step]] = []
    for step in steps():
        if step.words[1] == "report":
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data of the page."""
    folder = tmp_path_factory.mktemp("steps")
    (folder / "specs/data").mkdir(parents=True)
    shutil.copy(ROOT / "specs/data/penguins.csv", folder / "specs/data")
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    subprocess.run([sys.executable, "-c", snippet], cwd=folder, check=True)
    return folder


CASES = [
    pytest.param(group, id=f"{group[0].heading}: {group[0].command}",
                 marks=[pytest.mark.slow] if group[0].heading == SEVERAL else [])
    for group in trainings()
]  # fmt: skip


@pytest.mark.parametrize("group", CASES)
def test_a_step_says_what_is_quoted(group: list[Step], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    first, *reports = group
    assert first.words[0] == "dlc"
    Path(first.words[2]).write_text(first.spec, "utf-8")
    done = CliRunner().invoke(commands, first.words[1:])
    assert done.exit_code == 0, done.output
    check_lines(first, done.output)
    for step in reports:
        check_findings(step)


def check_lines(step: Step, printed: str) -> None:
    """Check that each quoted line is the beginning of one that is printed, with about the same numbers."""
    said = [line.strip() for line in printed.splitlines()]
    for line in filter(None, map(str.strip, step.quoted.splitlines())):
        alike = [other for other in said if masked(other).startswith(masked(line))]
        assert alike, f"nothing is like: {line}"
        assert step.heading == CHAOTIC or any(is_near(line, other) for other in alike), f"{line}: {alike}"


def check_findings(step: Step) -> None:
    """Check what is quoted of a report: the name of a finding, its evidence and its fix. Their numbers depend
    on the epochs in which there was time for statistics."""
    found = diagnose(read_record(Path(step.words[2])))
    said = [masked(" ".join(f"{one.title} {one.evidence} {one.fix}".split())) for one in found]
    quoted = masked(" ".join(step.quoted.split()))
    assert any(one.startswith(quoted) for one in said), f"nothing is like: {quoted}: {said}"


def masked(line: str) -> str:
    """The line with its numbers and columns of spaces replaced."""
    return re.sub(r" +", " ", NUMBER.sub("N", line)).strip()


def is_near(shown: str, found: str) -> bool:
    """Whether the numbers of a line are about as they are shown: trainings differ a little from machine to
    machine. The numbers of epochs are the same."""
    epochs = [re.match(r"epoch +\d+/\d+", line) for line in (shown, found)]
    same_epoch = all(e is None for e in epochs) or len({e and e[0] for e in epochs}) == 1
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(found), strict=False)  # what follows is not quoted
    return same_epoch and all(
        abs(float(a) - float(b)) <= max(0.1 * float(a), 5 if a.isdigit() else 0.04) for a, b in pairs
    )


def test_each_fault_is_found_and_repaired() -> None:
    """The specs that the page ends with are those that its changes make of the faulty ones. Of the faulty
    ones, one has a warning."""
    whole = [part[3] for part in PART.findall(PAGE.read_text("utf-8")) if part[2] == "dl"]
    made = [step.spec for step in steps()]
    assert [spec in made for spec in whole] == [True] * 5
    warnings = [warning.code for spec in whole for warning in dlc.compile(text=spec).compiled.warnings]
    assert warnings == ["W0408"]


def test_the_table_links_to_each_fault() -> None:
    text = PAGE.read_text("utf-8")
    links = re.findall(r"\]\(#([^)]*)\)", text)
    titles = [part[1] for part in PART.findall(text) if part[1]]
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert links and set(links) <= set(anchors)
