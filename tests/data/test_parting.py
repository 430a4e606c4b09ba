"""The split into training, validation and test rows."""

from itertools import combinations

import numpy as np
import pytest
from fields import AUTO, csv_of, error_of, read, table, target, wanted
from hypothesis import given
from hypothesis import strategies as st

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.sections import (
    Builtin,
    Csv,
    Data,
    GroupsSplit,
    NormalField,
    OrderedSplit,
    UniformField,
)
from dlc.compiler.dims.dim import free
from dlc.compiler.types import Classes
from dlc.runtime.data import gather
from dlc.runtime.data.split.row_split import nearest_groups, random_order, row_count, split_rows, stratified

SPECIES = target("species", "class", classes=3)
LENGTH = wanted("sepal_length")


def numbered(rows, label=lambda i: 0):
    return table(*([i, label(i)] for i in range(rows)), columns=("x", "y"))


def test_parts_are_disjoint_complete_and_in_file_order():
    data = read(numbered(100), wanted("x", "int64"), validation=0.15, test=20)
    assert [rows.count for _, rows in data.parts()] == [65, 15, 20]
    assert sorted(np.concatenate([rows["x"] for _, rows in data.parts()])) == list(range(100))
    for _, rows in data.parts():
        assert (np.diff(rows["x"]) > 0).all()
        assert rows.place(0) == f"the table, row {rows['x'][0] + 1}"


def test_without_fractions_all_rows_are_for_training():
    data = read(numbered(5), wanted("x", "int64"))
    assert data.train["x"].tolist() == [0, 1, 2, 3, 4] and data.validation is None and data.test is None


def test_a_small_fraction_is_at_least_one_row():
    assert read(numbered(10), wanted("x"), validation=0.01).validation.count == 1


def test_the_same_seed_gives_the_same_parts_and_another_seed_others():
    first, again, other = (read(numbered(100), wanted("x"), test=0.3, seed=s).test["x"] for s in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_the_order_is_the_same_everywhere():
    assert random_order(10, 0).tolist() == [4, 3, 1, 0, 7, 2, 6, 8, 5, 9]


def test_parts_of_rows_drawn_with_the_same_seed_are_alike():
    rows = np.random.default_rng(0).random(4000)
    parts = split_rows(4000, Data(test=0.25, seed=0), None, "the rows")
    assert abs(rows[parts.test].std() - rows[parts.train].std()) < 0.01


def test_test_rows_do_not_depend_on_the_validation_fraction():
    alone, both = (read(numbered(50), wanted("x"), test=0.2, validation=v).test["x"] for v in (0, 0.5))
    assert alone.tolist() == both.tolist()


@pytest.mark.parametrize("field", [SPECIES, target("species", "class", classes=AUTO)], ids=["known", "auto"])
def test_stratified_parts_of_iris_hold_ten_of_each_class(field):
    data = read(Builtin(set="iris"), LENGTH, field, validation=30, test=0.2, stratify="species")
    assert [np.bincount(rows["species"]).tolist() for _, rows in data.parts()] == [
        [30] * 3,
        [10] * 3,
        [10] * 3,
    ]


def test_stratified_by_text_in_a_file(tmp_path):
    source = csv_of(tmp_path, "x,y\n" + "1,rare\n" * 10 + "2,common\n" * 90)
    data = read(source, target("y", "class", classes=AUTO), validation=0.2, stratify="y", folder=tmp_path)
    assert np.bincount(data.validation["y"]).tolist() == [18, 2]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.data())
def test_every_prefix_of_a_stratified_order_has_the_class_proportions(labels, data):
    labels = np.array(labels)
    order = stratified(random_order(len(labels), 0), labels)
    assert sorted(order) == list(range(len(labels)))
    end = data.draw(st.integers(0, len(labels)))
    for label in set(labels.tolist()):
        share = (labels == label).mean() * end
        assert abs((labels[order[:end]] == label).sum() - share) <= 1 + len(set(labels.tolist())) / 2


@given(st.integers(1, 200), st.floats(0, 0.999), st.integers(0, 250))
def test_a_split_never_loses_a_row(rows, fraction, count):
    try:
        parts = split_rows(rows, Data(validation=fraction, test=count), None, "rows.csv")
    except CompileError as error:
        assert error.diagnostics[0].code == "E0709"
        assert count + max(1, round(fraction * rows)) >= rows
    else:
        assert sorted([*parts.train, *parts.validation, *parts.test]) == list(range(rows))
        assert len(parts.test) == count and len(parts.train) > 0


def test_fractions_that_leave_nothing_for_training():
    found = error_of(read, numbered(10), wanted("x"), validation=6, test=0.4)
    assert (
        found.message == "the table has 10 rows, and 6 for validation and 4 for test leave none for training"
    )


def test_parts_with_their_own_source(tmp_path):
    source, other = csv_of(tmp_path, "x,y\n1,a\n2,b\n"), csv_of(tmp_path, "y,x\nb,7\n", "other.csv")
    fields = wanted("x"), target("y", "class", classes=AUTO)
    data = read(source, *fields, validation=other, test=other, folder=tmp_path)
    assert (data.train.count, data.validation["x"].tolist(), data.test["y"].tolist()) == (2, [7], [1])
    assert data.test.place(0) == "other.csv, row 1 (line 2)"
    assert error_of(read, source, *fields, test=Csv(path="none.csv"), folder=tmp_path).code == "E0701"


def test_only_the_requested_parts():
    data = gather(Data(source=Builtin(set="iris"), test=0.2), [LENGTH], None, ("test",))
    assert data.train is None and data.test.count == 30


def test_a_class_that_only_the_test_has(tmp_path):
    train, test = csv_of(tmp_path, "x\na\nb\n"), csv_of(tmp_path, "x\nb\nc\n", "test.csv")
    inputs = read(train, wanted("x", "class", classes=AUTO), test=test, folder=tmp_path)
    assert inputs.classes == {"found": Classes(2, ("a", "b"), "found")}
    assert inputs.test["x"].tolist() == [1, -1]
    found = error_of(read, train, target("x", "class", classes=AUTO), test=test, folder=tmp_path)
    assert found.message == 'test.csv, row 2 (line 3), column "x": "c" is not one of the 2 classes'


def test_fields_that_rows_cannot_be_stratified_by():
    fields = LENGTH, SPECIES
    found = error_of(read, Builtin(set="iris"), *fields, test=0.2, stratify="specie")
    assert (found.code, found.help) == ("E0709", "did you mean `species`?")
    found = error_of(read, Builtin(set="iris"), *fields, test=0.2, stratify="sepal_length")
    assert found.message == (
        "the rows cannot be stratified by input `sepal_length`, which is float and not one class"
    )


def test_drawn_fields_need_no_column():
    data = read(numbered(4), wanted("x"), wanted("noise", "float", 8, source=NormalField()), validation=1)
    assert list(data.train) == ["x"] and data.train.drawn == {"noise": NormalField()} == data.validation.drawn


def test_all_fields_may_be_drawn():
    data = gather(Data(), [wanted("x", source=UniformField())], None)
    assert data.train.count is None and data.train.drawn == {"x": UniformField()}


def test_only_floats_are_drawn():
    found = error_of(read, numbered(4), wanted("x"), wanted("k", "class", classes=3, source=NormalField()))
    assert (found.code, found.message) == ("E0713", "input `k` is class, and only a float can be drawn")


def test_no_source_at_all():
    found = error_of(gather, Data(), [wanted("x"), target("y")], None)
    assert found.message == "the `data` section names no source for input `x`, target `y`"


def test_the_fingerprint_depends_on_values_not_on_columns_or_paths(tmp_path):
    fields = wanted("x"), target("y", "class", classes=AUTO), wanted("t", "string")
    text = "x,y,t\n1,a,u\n2,b,v\n"
    first = read(csv_of(tmp_path, text), *fields, folder=tmp_path).fingerprint
    assert (
        read(csv_of(tmp_path, "t,x,y\nu,1.0,a\nv,2,b\n", "again.csv"), *fields, folder=tmp_path).fingerprint
        == first
    )
    assert read(csv_of(tmp_path, text.replace("2", "3")), *fields, folder=tmp_path).fingerprint != first
    assert read(csv_of(tmp_path, text.replace("v", "w")), *fields, folder=tmp_path).fingerprint != first
    assert len(first) == 64


def test_classes_of_two_counts_are_found_separately():
    other = Classes(free("other"), found_in="other")
    fields = wanted("x", "class", classes=AUTO), target("y", "class", classes=other)
    found = read(table([4, 1], [2, 0], columns=("x", "y")), *fields).classes
    assert {n: c.labels for n, c in found.items()} == {"found": (2, 4), "other": None}


def test_ordered_parts_are_the_last_rows():
    data = read(numbered(10), wanted("x", "int64"), validation=0.2, test=3, split=OrderedSplit(), seed=5)
    found = [rows["x"].tolist() for _, rows in data.parts()]
    assert found == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]


GROUPS = st.lists(st.integers(0, 8), min_size=1, max_size=60)


@given(GROUPS, st.floats(0.01, 0.6), st.sampled_from([0, 0.1, 0.3]), st.integers(0, 99))
def test_whole_groups_in_parts_near_the_fractions(groups, test, validation, seed):
    groups = np.array(groups)
    data = Data(split=GroupsSplit(column="id"), test=test, validation=validation, seed=seed)
    parts = 2 + bool(validation)
    rows = len(groups)
    if len({*groups.tolist()}) < parts or sum(row_count(part, rows) for part in (test, validation)) >= rows:
        with pytest.raises(CompileError) as caught:
            split_rows(rows, data, None, "rows.csv", groups)
        assert caught.value.diagnostics[0].code == "E0709"
        return
    split = split_rows(rows, data, None, "rows.csv", groups)
    assert sorted([*split.train, *split.validation, *split.test]) == list(range(rows))
    found = [{*groups[part].tolist()} for part in (split.train, split.validation, split.test)]
    assert sum(map(len, found)) == len({*groups.tolist()})
    assert found[0] and found[2] and bool(found[1]) == bool(validation)
    again = split_rows(rows, data, None, "rows.csv", groups)
    assert (again.test.tolist(), again.train.tolist()) == (split.test.tolist(), split.train.tolist())


@given(st.lists(st.integers(1, 20), min_size=1, max_size=9), st.integers(1, 80), st.randoms())
def test_no_other_groups_have_a_number_of_rows_that_is_nearer(sizes, rows, random):
    order = random.sample(range(len(sizes)), len(sizes))
    taken = nearest_groups(order, sizes, rows, len(sizes))
    subsets = [some for count in range(1, len(sizes) + 1) for some in combinations(sizes, count)]
    best = min(abs(sum(some) - rows) for some in subsets)
    assert abs(sum(sizes[group] for group in taken) - rows) == best
    assert len(nearest_groups(order, sizes, rows, 1)) == 1


def test_many_groups_take_little_time_and_memory():
    sizes = np.random.default_rng(0).integers(1, 50, 200_000).tolist()
    taken = nearest_groups(range(len(sizes)), sizes, 1_000_000, len(sizes) - 1)
    assert sum(sizes[group] for group in taken) == 1_000_000
    assert nearest_groups([0, 1], [10**9, 10**9], 4 * 10**8, 1) == {0}


@given(st.integers(2, 40), st.integers(1, 6))
def test_groups_of_one_row_are_a_random_split_of_the_exact_size(rows, test):
    data = Data(split=GroupsSplit(column="id"), test=min(test, rows - 1))
    split = split_rows(rows, data, None, "rows.csv", np.arange(rows)[::-1])
    assert len(split.test) == min(test, rows - 1)


def test_groups_of_a_column_that_no_field_reads(tmp_path):
    text = "x,who\n" + "".join(f"{i},{name}\n" for i, name in enumerate("ababccddab"))
    for fields in ([wanted("x")], [wanted("x"), wanted("who", "string")]):
        data = read(
            csv_of(tmp_path, text), *fields, test=0.2, split=GroupsSplit(column="who"), folder=tmp_path
        )
        assert data.test["x"].tolist() in ([4, 5], [6, 7])


def test_the_column_of_groups_is_none_of_the_remaining_columns():
    source = table(*([i, 2 * i, i // 2] for i in range(6)), columns=("a", "b", "who"))
    data = read(source, wanted("x", "float", 2), test=2, split=GroupsSplit(column="who"))
    assert data.train["x"].shape == (4, 2) and data.test["x"][0, 0] % 2 == 0


@pytest.mark.parametrize(("text", "message", "help"), [
    ("x,id\n1,a\n2,b\n", 'rows.csv has no column "who", which `split = groups(...)` takes', ""),
    ("x,who\n1,a\n2,\n", 'rows.csv, row 2 (line 3), column "who": the row has no group', "drop = missing"),
    ("x,who\n1,a\n2,a\n", "rows.csv has 1 group of rows, and 2 parts need one each", "more groups"),
])  # fmt: skip
def test_columns_that_make_no_groups(text, message, help, tmp_path):
    split = GroupsSplit(column="who")
    found = error_of(read, csv_of(tmp_path, text), wanted("x"), test=1, split=split, folder=tmp_path)
    assert found.message == message and help in found.help


def test_a_source_without_names_has_no_groups(tmp_path):
    source = csv_of(tmp_path, "1,a\n2,b\n", header=False)
    found = error_of(read, source, wanted("x"), test=1, split=GroupsSplit(column="who"), folder=tmp_path)
    assert "has no names" in found.message


@pytest.mark.parametrize("split", ["ordered", 'groups("who")'])
def test_only_a_random_split_can_be_stratified(split):
    text = f"""input x: float
output y: class(2)
x -> reshape(1) -> dense(2) -> y
data {{ source = csv("rows.csv")
split = {split}
test = 0.2
stratify = y }}
"""
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", text))
    assert [d.code for d in caught.value.diagnostics] == ["E0408"]


@pytest.mark.parametrize(("parts", "codes"), [
    ("", ["E0408"]), ('test = csv("test.csv")', ["E0408"]), ("test = 0.2", []), ("validation = 5", []),
])  # fmt: skip
def test_a_split_without_parts_is_an_error(parts: str, codes: list[str]) -> None:
    text = f"""input x: float
output y: float
x -> reshape(1) -> dense(1) -> y
data {{
  source = csv("rows.csv")
  split = groups("who")
  {parts}
}}
"""
    try:
        compile(Source("m.dl", text))
        found = []
    except CompileError as error:
        found = [d.code for d in error.diagnostics]
    assert found == codes
