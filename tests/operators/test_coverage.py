"""The coverage page, which `python docs/write_coverage.py` generates, has all operators and settings, and all
differences on it are within tolerance."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradients import LOSSES
from test_examples import OPERATORS

from dlc.runtime.artifact.compare import TOLERANCE

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
COLUMNS, *LINES = [
    [cell.strip(" `") for cell in line.strip("|").split("|")]
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("| ")
]


DEFINED = {n: c for n, c in (*OPERATORS.items(), *LOSSES.items()) if c.public}


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_every_operator_and_setting_is_on_the_page(name):
    shown, definition = {tuple(line[:2]) for line in LINES}, DEFINED[name]
    refused = " ".join(row.call for row in definition.examples if row.rejects)
    missing = {s for s in ("", *definition.settings) if (name, s) not in shown and f"{s}=" not in refused}
    assert not missing, "run `python docs/write_coverage.py`"


def test_every_line_is_measured_and_within_tolerance():
    assert COLUMNS[3:] and LINES
    for name, setting, rows, *differences in LINES:
        assert int(rows) > 0
        assert all(cell == "-" or float(cell) <= TOLERANCE for cell in differences), (name, setting)


def test_every_engine_has_a_number_for_every_operator():
    engines = len(COLUMNS) - 4
    for name, _, _, *differences in LINES:
        measured = [cell for cell in differences[:engines] if cell != "-"]
        definition = OPERATORS.get(name) or LOSSES[name]
        assert len(measured) == (0 if definition.training_only else engines), name
