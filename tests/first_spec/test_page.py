"""The page of `dlc new` shows what it writes, and the sizes of its networks."""

from __future__ import annotations

import math
import re
from pathlib import Path

from dlc.runtime.first_spec.network import SIZES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/new.md").read_text("utf-8")


def test_the_page_shows_the_spec_of_the_penguins() -> None:
    (shown,) = re.findall(r"^```dl\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown == (ROOT / "tests/first_spec/golden/penguins.dl").read_text("utf-8")


def test_the_page_has_the_sizes_of_the_networks() -> None:
    rows = [f"| {'more' if math.isinf(s.rows) else f'up to {s.rows:_}'} | {s.depth} | {s.width} | {s.batch} "
            f"| {s.dropout:g} | {s.decay:g} |" for s in SIZES]  # fmt: skip
    assert re.findall(r"^\| (?:up to|more).*\|$", PAGE, re.MULTILINE) == rows
