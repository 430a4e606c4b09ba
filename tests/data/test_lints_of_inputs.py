"""Warnings about inputs that give the target away, that number the rows or are constant, and rare classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

import dlc
from dlc.runtime.lints import run_lints
from dlc.runtime.lints.giveaways import tells
from dlc.runtime.lints.ids import is_id
from dlc.runtime.open_rows import open_data

SPECS = Path(__file__).parents[2] / "specs"
RNG = np.random.default_rng(0)
SIZE = RNG.normal(100, 20, 200).round(1)
PRICE = (3 * SIZE + RNG.normal(0, 40, 200)).round()
KINDS = np.array(["a", "b", "c"])[RNG.integers(0, 3, 200)]
CODE = {"a": 7.5, "b": 1.0, "c": 3.0}


def warned(columns: dict[str, object], spec: str) -> list[tuple[str, str]]:
    program = dlc.compile(text=spec)
    data = open_data(program, {name: np.asarray(values) for name, values in columns.items()})
    return [(d.code, d.message) for d in run_lints(program.compiled, data)]


def of_kinds(
    other: object, kinds: object = KINDS, declared: str = "float", data: str = ""
) -> list[tuple[str, str]]:
    """The warnings of a spec with a size and another column as inputs, and a class as target."""
    joined = "one_hot(other)" if declared.startswith("class") else "other"
    text = (
        f"input size: float\ninput other: {declared}\noutput kind: class(auto)\n"
        f"(size, {joined}) -> concat -> dense(kind.classes) -> kind\n"
    )
    return warned({"size": SIZE, "other": other, "kind": kinds}, f"{text}data {{ {data} }}\n")


def of_prices(other: object, price: object = PRICE) -> list[tuple[str, str]]:
    text = "input size, other: float\noutput price: float\n(size, other) -> concat -> dense(1) -> price\n"
    return warned({"size": SIZE, "other": other, "price": price}, text)


GIVEN = "`other` alone gives `kind` away: it tells the class in all 200 training rows"
TOLD = "`other` alone gives `price` away: it tells the value in all 200 training rows"


def test_a_copy_of_the_classes() -> None:
    assert of_kinds([CODE[kind] for kind in KINDS]) == [("W0718", GIVEN)]
    assert of_kinds(np.char.add("kind ", KINDS), declared="class(auto)") == [("W0718", GIVEN)]


def test_an_id_that_was_numbered_class_by_class() -> None:
    kinds = np.sort(KINDS)
    assert of_kinds(np.arange(200), kinds) == [("W0718", GIVEN)], "and not that it numbers the rows too"
    shuffled = RNG.permutation(200)
    assert of_kinds(shuffled, kinds[shuffled]) == [("W0718", GIVEN)]


def test_a_column_that_is_filled_in_later() -> None:
    """That a value is missing tells the class too."""
    text = (
        "input size, left: float\noutput died: binary\n"
        "(size, left -> impute(0)) -> concat -> dense(1) -> died\n"
    )
    died = KINDS == "a"
    left = np.where(died, np.nan, RNG.normal(50, 9, 200))
    found = warned({"size": SIZE, "left": left, "died": died.astype(int)}, text)
    assert found == [("W0718", "`left` alone gives `died` away: it tells the class in all 200 training rows")]


@pytest.mark.parametrize("copy", [PRICE * 1.17, -PRICE, np.log(PRICE), (PRICE / 10).round(), PRICE**3])
def test_a_copy_of_the_numbers_in_other_units(copy: np.ndarray) -> None:
    assert of_prices(copy) == [("W0718", TOLD)]


def test_a_copy_with_missing_values() -> None:
    copy = np.where(np.arange(200) % 10 == 0, np.nan, PRICE * 2)
    text = (
        "input size, other: float\noutput price: float\n"
        "(size, other -> impute(mean)) -> concat -> dense(1) -> price\n"
    )
    [(code, message)] = warned({"size": SIZE, "other": copy, "price": PRICE}, text)
    assert (code, message) == ("W0718", TOLD.replace("200", "180") + " that have both")
    few = np.where(np.arange(200) % 3 > 0, np.nan, PRICE * 2)
    assert warned({"size": SIZE, "other": few, "price": PRICE}, text) == [], "the others are not told"


def test_a_column_of_a_vector_is_named(tmp_path: Path) -> None:
    rows = np.column_stack([SIZE, PRICE / 2, PRICE])
    lines = [",".join(map(str, row)) for row in rows.tolist()]
    (tmp_path / "rows.csv").write_text("\n".join(["size,tax,price", *lines]), "utf-8")
    (tmp_path / "m.dl").write_text(
        "input x: float[2]\noutput price: float\nx -> dense(1) -> price\n"
        'data {\n source = csv("rows.csv")\n x = columns("size", "tax")\n}\n', "utf-8",
    )  # fmt: skip
    program = dlc.compile(tmp_path / "m.dl")
    [found] = run_lints(program.compiled, open_data(program, None))
    assert found.message.startswith("column `tax` alone gives `price` away")
    assert found.help == "leave it out of `columns(...)` if it is not known before `price` is"
    text = "input x: float[2]\noutput price: float\nx -> dense(1) -> price\n"
    of_array = warned({"x": rows[:, :2], "price": PRICE}, text)
    assert of_array[0][1].startswith("`x[1]` alone gives `price` away")


@pytest.mark.parametrize("other", [
    PRICE + RNG.normal(0, 3, 200), PRICE * (RNG.random(200) > 0.02), PRICE > 300, (PRICE / 100).round(),
    RNG.normal(0, 1, 200),
])  # fmt: skip
def test_columns_that_tell_much_of_a_number(other: np.ndarray) -> None:
    assert of_prices(other) == []


def test_columns_that_tell_much_of_a_class() -> None:
    codes = np.array([CODE[kind] for kind in KINDS])
    codes[::50] = 1.0
    assert of_kinds(codes) == []
    assert of_kinds(np.where(KINDS == "a", 1.0, 0.0)) == [], "one class of three"


def test_a_few_rows_are_separated_by_chance() -> None:
    """Of 200 columns without a relation to 8 rows, some separate them."""
    kinds = np.repeat([0, 1], 4)
    columns = RNG.normal(size=(200, 8))
    assert any(set(np.sign(np.diff(kinds[np.argsort(c)]))) <= {0, 1} for c in columns)
    assert not any(tells(column, kinds, 200, ordered=True) for column in columns)


def test_what_is_found_a_tree_finds_too() -> None:
    """A tree of scikit-learn that reads the column alone makes no mistake on held-out rows."""
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        classes = rng.integers(0, 2 + seed % 3, 150)
        noise = 0.3 * (seed % 4) * rng.normal(size=150)
        column = (classes * (1 + seed % 5) + noise).round(seed % 3)
        if tells(column, classes, 10, ordered=True):
            found += 1
            tree = DecisionTreeClassifier(random_state=0)
            assert cross_val_score(tree, column[:, None], classes, cv=3).mean() > 0.97
    assert 3 < found < 18


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_no_column_of_the_built_in_sets(name: str) -> None:
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    target = y if name == "diabetes" else y.astype(np.int64)
    assert not any(tells(column, target, x.shape[1], ordered=True) for column in x.T)
    assert tells(target.astype(float), target, x.shape[1], ordered=True)
    assert not any(is_id(column, "x") for column in x.T)


@pytest.mark.parametrize("name", ["iris", "penguins", "wide_and_deep", "conditional_gan", "sine", "pinn"])
def test_no_false_alarm_of_golden_specs(name: str) -> None:
    """A single input, the condition of a GAN, coordinates, columns that tell much."""
    program = dlc.compile(SPECS / f"{name}.dl")
    codes = {d.code for d in run_lints(program.compiled, open_data(program, None))}
    assert codes <= {"W0711"}


# --- row numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("values", "name", "warns"), [
    (np.arange(1, 61), "x", True),
    (RNG.permutation(60), "x", True),
    (np.delete(np.arange(66), RNG.integers(0, 60, 6)), "x", True),  # some rows were left out
    (RNG.permutation(10**6)[:60] + 10**4, "customer_id", True),
    (RNG.permutation(10**6)[:60] + 10**4, "customerId", True),
    (RNG.permutation(900_000)[:500] + 100_000, "x", True),
    (RNG.permutation(900_000)[:60] + 100_000, "x", False),  # could be an amount
    (RNG.normal(550_000, 90_000, 500).round(), "x", False),
    (RNG.permutation(90_000)[:500] * 10 + 100_000, "x", False),  # amounts are rounded
    (np.arange(1950, 2024), "x", False),
    (np.arange(60), "year", False),
    (np.arange(60) * 0.5, "x", False),
    (np.arange(60) // 2, "id", False),
    (np.arange(-30, 30), "x", False),
    (np.arange(8), "id", False),
    (1_700_000_000 + 60 * np.arange(500), "seconds", False),
])  # fmt: skip
def test_numbers_of_rows(values: np.ndarray, name: str, warns: bool) -> None:
    assert is_id(values.astype(np.float64), name) is warns


def test_a_row_number_among_the_inputs() -> None:
    message = "`other` numbers the rows: each of the 200 has another whole number"
    assert of_prices(np.arange(200)) == [("W0717", message)]
    split = of_kinds(RNG.permutation(200), data="validation = 0.2\ntest = 0.2")
    assert split == [("W0717", message)], "the rows of all parts are looked at"


def test_a_single_input_may_number_the_rows() -> None:
    text = "input size: float\noutput price: float\nsize -> reshape(1) -> dense(1) -> price\n"
    assert warned({"size": np.arange(60), "price": PRICE[:60]}, text) == []


def test_the_column_of_the_order_is_known_to_number_the_rows(tmp_path: Path) -> None:
    lines = [f"{n},{size},{price}" for n, (size, price) in enumerate(zip(SIZE, PRICE, strict=True))]
    (tmp_path / "rows.csv").write_text("\n".join(["n,size,price", *lines]), "utf-8")
    text = "input n, size: float\noutput price: float\n(n, size) -> concat -> dense(1) -> price\n"
    for order, codes in (("", ["W0717"]), (', order="n"', [])):
        (tmp_path / "m.dl").write_text(f'{text}data {{ source = csv("rows.csv"{order}) }}\n', "utf-8")
        program = dlc.compile(tmp_path / "m.dl")
        assert [d.code for d in run_lints(program.compiled, open_data(program, None))] == codes


# --- constant numbers, rare classes, parts of the split ---------------------------------------------------


def test_a_constant_number() -> None:
    assert of_prices(np.full(200, 2.5)) == [
        ("W0702", "all training rows have the same value of `other`, 2.5")
    ]
    constant = of_prices(SIZE[::-1], np.full(200, 3))
    assert constant == [("W0702", "all training rows have the same value of `price`, 3")]
    assert of_prices([1.0] * 199 + [2.0]) == []


def test_constant_entries_of_a_picture_are_no_columns() -> None:
    pixels = np.column_stack([np.zeros(200), SIZE])
    text = "input x: float[2]\noutput price: float\nx -> dense(1) -> price\n"
    assert warned({"x": pixels, "price": PRICE}, text) == []


RARE = np.array(["a"] * 120 + ["b"] * 70 + ["c"] * 6 + ["d"] * 4)


def test_classes_with_few_rows() -> None:
    message = '2 of the 4 classes of `kind` have few training rows: "d" 4, "c" 6'
    assert of_kinds(SIZE[::-1], RARE) == [("W0719", message)]
    assert of_kinds(SIZE[::-1], np.repeat(["a", "b", "c", "d"], [80, 70, 25, 25])) == []


def test_a_stratified_split_is_what_a_spec_can_do_about_rare_classes() -> None:
    split = "validation = 0.2\ntest = 0.2\n"
    assert [code for code, _ in of_kinds(SIZE[::-1], RARE, data=split)] == ["W0719"]
    assert of_kinds(SIZE[::-1], RARE, data=f"{split}stratify = kind") == []


def test_classes_that_all_have_few_rows() -> None:
    """The rows of a small table are few, and none of its classes is rare."""
    kinds = np.repeat(np.arange(50), 4)
    assert of_kinds(SIZE[::-1], kinds) == []


def test_test_rows_that_are_validation_rows(tmp_path: Path) -> None:
    """They have chosen the best epoch."""
    lines = [f"{size},{price}" for size, price in zip(SIZE, PRICE, strict=True)]
    for name, rows in (("train", lines[:150]), ("other", lines[150:])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["size,price", *rows]), "utf-8")
    (tmp_path / "m.dl").write_text(
        "input size: float\noutput price: float\nsize -> reshape(1) -> dense(1) -> price\n"
        'data {\n source = csv("train.csv")\n validation = csv("other.csv")\n test = csv("other.csv")\n}\n',
        "utf-8",
    )
    program = dlc.compile(tmp_path / "m.dl")
    [found] = run_lints(program.compiled, open_data(program, None))
    assert found.code == "W0711" and found.line == 7
    assert found.message == "50 of the 50 test rows (100 %) equal a validation row in every field"
    assert found.help == "give rows that validation does not see"


def test_copies_of_rows_are_no_evidence() -> None:
    """300 of 400 rows are there three times: any number tells each copy's class, also one of pure noise."""
    copied = np.concatenate([np.arange(400), np.tile(np.arange(300), 2)])
    size, noise = RNG.normal(0, 1, 400)[copied], RNG.normal(0, 1, 400)[copied]
    kind = KINDS[:100].repeat(4)[copied]
    text = (
        "input size, other: float\noutput kind: class(a, b, c)\n"
        "(size, other) -> concat -> dense(3) -> kind\ndata { }\n"
    )
    codes = [code for code, _ in warned({"size": size, "other": noise, "kind": kind}, text)]
    assert "W0718" not in codes
    given = np.array([CODE[label] for label in kind]) + noise / 100  # tells the class of every row apart
    [found] = [m for code, m in warned({"size": size, "other": given, "kind": kind}, text) if code == "W0718"]
    assert found == "`other` alone gives `kind` away: it tells the class in all 1000 training rows"
