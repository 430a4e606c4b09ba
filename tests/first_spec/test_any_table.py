"""Any table gives a spec that is checked, formatted, and reads its rows, or a reason why there is none."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from benchmarks.tables import rows

import dlc
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.format.formatter import format
from dlc.runtime.first_spec.table import first_spec
from dlc.runtime.first_spec.targets import NoFirstSpec
from dlc.runtime.open_rows import open_data

if TYPE_CHECKING:
    from pathlib import Path

CELLS = ["a", "b", "yes", "no", "True", "False", "none", "?", "NA", "", "1.5", "2", "-1", "1e5", "x y z w",
         "grün", '"q"', "back\\", "-999", "3,5", "1,234.5", "$5", "2024-01-01", "12:30", "00501", "  pad ",
         "class", "nan", "inf", "a,b", "a;b", "#c", "tab\there", "two\nlines", "unknown"]  # fmt: skip
NAMES = ["x", "y", "id", "class", "relu", "input", "source", "test", "Größe (cm)", "2nd", "a b", "", "target",
         "known", 'q"uote', "_u", "numbers", "kinds", "score", "a" * 60, "in", "none",
         "stratify", "split", "float"]  # fmt: skip


def column(draw: random.Random, count: int) -> list[str]:
    few, size = draw.sample(CELLS, draw.randint(1, 6)), draw.choice([1, 2, 5, 30, 1000])
    kinds = [
        lambda i: f"{draw.gauss(-3, 10):.2f}",
        lambda i: str(draw.randint(0, size)),
        lambda i: draw.choice(few),
        lambda i: str(i),
        lambda i: " ".join(draw.choice(CELLS) for _ in range(5)),
        lambda i: f"{draw.random():.3f}" if draw.random() < 0.8 else draw.choice(["", "NA", "-999"]),
        lambda i: f"k{draw.randint(0, size)}",
        lambda i: str(1_700_000_000 + draw.randint(0, 1000)),
        lambda i: f"{draw.gauss(5, 2):.2f}".replace(".", ","),
    ]
    make = draw.choice(kinds)
    return [make(i) for i in range(count)]


@pytest.mark.parametrize("seed", range(12))
def test_a_spec_or_a_reason(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    count, names = draw.choice([12, 40, 90]), draw.sample(NAMES, draw.randint(1, 8))
    table = [column(draw, count) for _ in names]
    written = {"delimiter": draw.choice(",;\t"), "encoding": draw.choice(["utf-8", "utf-8-sig", "utf-16"])}
    path = rows(tmp_path / "t.csv", names if draw.random() < 0.8 else [], zip(*table, strict=True), **written)
    try:
        text = first_spec(path, "t.csv", [draw.choice(names)] if draw.random() < 0.7 else []).text
    except NoFirstSpec as error:
        assert str(error) and error.help
        return
    except dlc.CompileError as error:
        assert [d.code for d in error.diagnostics] in (["E0702"], ["E0708"], ["E0711"])
        return
    path.with_suffix(".dl").write_text(text, "utf-8")
    program = dlc.compile(path.with_suffix(".dl"))
    assert program.compiled.warnings == ()
    assert format(Source("t.dl", text)) == text
    assert open_data(program, None).test is not None
