"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from dlc.compiler.definitions.definition import Definition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from pathlib import Path

    from pytest import CollectReport, TestReport


# How long an example takes depends on the machine; a test has its own time limit.
settings.register_profile("without deadlines", parent=settings(), deadline=None)
settings.load_profile("without deadlines")


def pytest_configure() -> None:
    # A shell that starts us in the background lets Ctrl-C be ignored; the tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, TestReport, TestReport]:
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, CollectReport, CollectReport]:
    return refuse_skip((yield))


def refuse_skip(report):
    """In continuous integration everything runs: a skipped test is a failed one."""
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and nothing is skipped where CI is set"
    return report


# --- definitions ------------------------------------------------------------------------------------------


@pytest.fixture
def families() -> Iterator[None]:
    """What a test defines is gone behind it."""
    kept = {name: dict(members) for name, members in Definition.families.items()}
    yield
    Definition.families.clear()
    Definition.families.update(kept)


# --- golden files -----------------------------------------------------------------------------------------


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files anew, and delete unused ones"
    )


@pytest.fixture
def golden(request) -> Callable[[Path, str], None]:
    """Compares a text with the golden file at a path, or writes it there."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text, "utf-8")
        recorded = path.read_text("utf-8") if path.exists() else ""
        assert text == recorded, f"{path.name} differs; `pytest --update-golden` writes it anew"

    return compare


@pytest.fixture
def unused_golden(request) -> Callable[[Path, str, Collection[str]], None]:
    """Refuses golden files of a folder that no test has, or deletes them."""

    def check(folder: Path, pattern: str, used: Collection[str]) -> None:
        unused = [p for p in sorted(folder.glob(pattern)) if p.name not in used]
        for path in unused if request.config.getoption("--update-golden") else ():
            path.unlink()
        assert not [p.name for p in unused if p.exists()], "golden files that no test has"

    return check
