"""Hooks, options and fixtures of all tests."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from dlc.compiler.definitions.definition import Definition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator

    from pytest import CollectReport, TestReport

sys.path.insert(0, str(Path(__file__).parents[1]))  # `benchmarks` is beside the product

# No deadlines for examples: their time depends on the machine, and each test has a time limit.
settings.register_profile("without deadlines", parent=settings(), deadline=None)
settings.load_profile("without deadlines")


if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes that share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure() -> None:
    # A background process of a shell ignores SIGINT, and some tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected lives to the end. The garbage collector does not look at it again and
    again, which takes a fifth of the time of the collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, TestReport, TestReport]:
    return reject_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, CollectReport, CollectReport]:
    return reject_skip((yield))


def reject_skip(report):
    """In continuous integration a skipped test is a failed test."""
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and nothing is skipped where CI is set"
    return report


@pytest.fixture(autouse=True, scope="session")
def cache_of_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Rows that are past memory are encoded in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


# --- definitions ------------------------------------------------------------------------------------------


@pytest.fixture
def families() -> Iterator[None]:
    """Remove the definitions that a test registers."""
    kept = {name: dict(members) for name, members in Definition.families.items()}
    yield
    Definition.families.clear()
    Definition.families.update(kept)


# --- golden files -----------------------------------------------------------------------------------------


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite golden files, and delete unused ones"
    )


@pytest.fixture
def golden(request) -> Callable[[Path, str], None]:
    """A function that compares a text with the golden file at a path, or writes the file."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text, "utf-8")
        recorded = path.read_text("utf-8") if path.exists() else ""
        assert text == recorded, f"{path.name} differs; `pytest --update-golden` rewrites it"

    return compare


@pytest.fixture
def unused_golden(request) -> Callable[[Path, str, Collection[str]], None]:
    """A function that reports golden files of a folder that no test uses, or deletes them."""

    def check(folder: Path, pattern: str, used: Collection[str]) -> None:
        unused = [p for p in sorted(folder.glob(pattern)) if p.name not in used]
        for path in unused if request.config.getoption("--update-golden") else ():
            path.unlink()
        assert not [p.name for p in unused if p.exists()], "golden files that no test uses"

    return check
