"""The page of each error and warning code: `E0203.md` has the title, the reason, the fix, a spec with the
error and the fixed spec. Pages are read on demand.
"""

from __future__ import annotations

import os
import re

from dlc.compiler.reading import shipped
from dlc.compiler.record import record

# Groups of codes, by prefix.
GROUPS = {
    "E00": "Files", "E01": "Text and grammar", "E02": "Values, shapes, types", "E03": "Names",
    "E04": "Calls and settings", "E05": "Flow", "E06": "Sections", "E07": "Data", "E08": "Runs and artifacts",
    "E09": "Limits", "W00": "Allowed warnings", "W04": "Probably not meant",
    "W07": "Warnings of the data", "W08": "Warnings of runs",
}  # fmt: skip
SPEC = "model.dl"  # the file name of the spec of a case
CHECK = (f"dlc check {SPEC}",)  # the default command of a case
FENCED = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDER = os.path.dirname(__file__)


@record
class Case:
    """The files by name, the spec first; the commands to run in their folder; and the expected output, for
    codes that `dlc check` does not report."""

    files: dict[str, str]
    commands: tuple[str, ...]
    output: str = ""


@record
class CodePage:
    """The page of a code. The fixed case has all files, including the unchanged ones."""

    code: str
    title: str
    why: str
    fix: str
    wrong: Case
    fixed: Case


def codes() -> tuple[str, ...]:
    """All codes in order."""
    return tuple(sorted(name.removesuffix(".md") for name in os.listdir(FOLDER) if name.endswith(".md")))


def page(code: str) -> CodePage:
    return parse(code, shipped(__file__, f"{code}.md"))


def parse(code: str, text: str) -> CodePage:
    head, wrong, fixed = re.split(r"^## (?:Wrong|Fixed)$", text, flags=re.MULTILINE)
    title, why, fix = (" ".join(part.split()) for part in head.strip().split("\n\n"))
    had = case(wrong, Case({}, CHECK))
    return CodePage(code, title.removeprefix("# "), why, fix, had, case(fixed, had))


def case(text: str, before: Case) -> Case:
    """The case of a section. Files and commands that it does not have are those of the case `before`."""
    blocks = FENCED.findall(text)
    files = {name or SPEC: block for language, name, block in blocks if language not in ("sh", "text")}
    commands = [line for language, _, block in blocks if language == "sh" for line in block.splitlines()]
    output = "".join(block for language, _, block in blocks if language == "text")
    return Case(before.files | files, tuple(commands) or before.commands, output)


def reported_by_check(code: str) -> bool:
    """Whether `dlc check` reports the code, without data, runs or artifacts."""
    return code[:3] not in ("E00", "E07", "E08", "W07", "W08")
