"""Every error and warning code, a page each: `E0203.md` says what it is about, why it is one and what to do,
and holds a spec that has it and the same spec fixed. A page is read when somebody asks for it.
"""

from __future__ import annotations

import os
import re

from dlc.compiler.reading import shipped
from dlc.compiler.record import record

# What codes are about, by how they begin.
GROUPS = {
    "E00": "Files", "E01": "Text and grammar", "E02": "Values, shapes, types", "E03": "Names",
    "E04": "Calls and settings", "E05": "Flow", "E06": "Sections", "E07": "Data", "E08": "Runs and artifacts",
    "E09": "Limits", "W00": "Allowed warnings", "W04": "What can hardly be meant",
    "W07": "Warnings of the data", "W08": "Warnings of runs",
}  # fmt: skip
SPEC = "model.dl"  # the name of a case's spec
CHECK = (f"dlc check {SPEC}",)  # what is typed where a case says nothing else
FENCED = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLDER = os.path.dirname(__file__)


@record
class Case:
    """Files by name, the spec first, the commands that are typed beside them, and what is then said where the
    compiler alone does not say it."""

    files: dict[str, str]
    commands: tuple[str, ...]
    said: str = ""


@record
class CodePage:
    """What a code is about. The fixed case has all files, those that stay as they are too."""

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
    """The files of a section over those of the section before, and its commands if it has some."""
    blocks = FENCED.findall(text)
    files = {name or SPEC: block for language, name, block in blocks if language not in ("sh", "text")}
    commands = [line for language, _, block in blocks if language == "sh" for line in block.splitlines()]
    said = "".join(block for language, _, block in blocks if language == "text")
    return Case(before.files | files, tuple(commands) or before.commands, said)


def told_by_compiler(code: str) -> bool:
    """Whether `dlc check` tells it, without data, runs or artifacts."""
    return code[:3] not in ("E00", "E07", "E08", "W07", "W08")
