"""The page of coverage, which `python docs/write_coverage.py` makes, is up to date and has every setting."""

from __future__ import annotations

import subprocess
import sys

import pytest
from bounds import bound
from gradients import LOSSES
from imports import ROOT
from test_examples import OPERATORS

LINES = {
    cells[1].strip(" `"): cells
    for line in (ROOT / "docs/coverage.md").read_text("utf-8").splitlines()
    if line.startswith("| `") and (cells := line.split("|"))
}
DEFINED = {n: c for n, c in (*OPERATORS.items(), *LOSSES.items()) if c.public}


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_every_operator_is_there_with_each_setting_that_is_not_refused(name):
    refused = " ".join(row.call for row in DEFINED[name].examples if row.rejects)
    missing = {s for s in DEFINED[name].settings if f"`{s}`" not in LINES[name][3] and f"{s}=" not in refused}
    assert not missing, "run `python docs/write_coverage.py`"


@pytest.mark.slow
def test_it_is_up_to_date():
    """In a process of its own: tests define operators of theirs."""
    command = [sys.executable, str(ROOT / "docs/write_coverage.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_operators_are_equal_where_nothing_else_is_said():
    assert (bound("relu"), bound("exp"), bound("conv")) == (0, 1e-6, 1e-5)
