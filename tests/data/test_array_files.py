"""Sources: Parquet, npz, idx, and tables in the spec."""

import gzip
import struct
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from fields import AUTO, error_of, errors_of, read, table, target, wanted
from pyarrow import parquet

from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.definitions.sections import ColumnField, Columns, Idx, Npz, Parquet, TableSource
from dlc.compiler.dims.dim import free
from dlc.compiler.types import Classes

T = free("T")


def parquet_of(folder, **columns):
    parquet.write_table(pa.table(columns), folder / "rows.parquet")
    return Parquet(path="rows.parquet")


def npz_of(folder, **arrays):
    np.savez_compressed(folder / "rows.npz", **arrays)
    return Npz(path="rows.npz")


def idx_of(folder, images, labels, prefix="train", pack=False):
    for what, array in (("images-idx3", images), ("labels-idx1", labels)):
        data = (
            struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            + array.astype(np.uint8).tobytes()
        )
        name = folder / f"{prefix}-{what}-ubyte{'.gz' if pack else ''}"
        name.write_bytes(gzip.compress(data) if pack else data)
    return Idx(path=".")


IMAGES = np.arange(5 * 28 * 28, dtype=np.int64).reshape(5, 28, 28) % 251
LABELS = np.array([3, 1, 4, 1, 5])
DIGITS = wanted("image", "uint8", 1, 28, 28), target("digit", "class", classes=10)


# --- Parquet ----------------------------------------------------------------------------------------------


def test_parquet_columns_of_every_kind(tmp_path):
    source = parquet_of(
        tmp_path,
        small=pa.array([1, 2, 3], pa.int16()),
        money=pa.array([Decimal("1.5"), Decimal("2.5"), Decimal("3.5")]),
        flag=[True, False, True],
        kind=pa.array(["b", "a", "b"]).dictionary_encode(),
        text=["x", None, "z"],
        vector=pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32())),
        image=pa.array([[[1, 2], [3, 4]]] * 3, pa.list_(pa.list_(pa.uint8(), 2), 2)),
        when=pa.array([0, 1, 2], pa.timestamp("s")),
    )
    rows = read(
        source,
        wanted("small", "uint8"),
        wanted("money"),
        wanted("flag", "bool"),
        wanted("kind", "class", classes=("a", "b")),
        wanted("text", "string"),
        wanted("vector", "float", 2),
        wanted("image", "uint8", 1, 2, 2),
        folder=tmp_path,
    ).train
    assert rows["small"].tolist() == [1, 2, 3] and rows["small"].dtype == np.uint8
    assert rows["money"].tolist() == [1.5, 2.5, 3.5]
    assert rows["flag"].tolist() == [True, False, True]
    assert rows["kind"].tolist() == [1, 0, 1]
    assert rows["text"].tolist() == ["x", "", "z"]
    assert rows["vector"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert rows["image"].tolist() == [[[[1, 2], [3, 4]]]] * 3 and rows["image"].dtype == np.uint8
    found = error_of(read, source, wanted("when"), folder=tmp_path)
    assert (
        found.message == 'rows.parquet, column "when": a column of timestamp[ms] is neither numbers nor text'
    )


@pytest.mark.parametrize("values", [[1, None, 3], [1.0, None, 3.0], [True, None, False]])
def test_a_missing_value_in_parquet(tmp_path, values):
    found = error_of(read, parquet_of(tmp_path, x=values), wanted("x"), folder=tmp_path)
    assert (found.code, found.message) == ("E0706", 'rows.parquet, row 2, column "x": the value is missing')


@pytest.mark.parametrize(("lists", "code", "message"), [
    ([[1, 2], [3], [4, 5]], "E0704", "row 2, column \"x\": its length is 1, and 2 is wanted"),
    ([[1, 2], None, [4, 5]], "E0706", "row 2, column \"x\": the value is missing"),
    ([[[1], [2]], [[3], []]], "E0711",
     "row 2, column \"x\": the list has 0 entries, and that of row 1 has 1"),
    ([[1, 2], [None, 4]], "E0706", "row 2, column \"x\": the value is missing"),
])  # fmt: skip
def test_lists_that_are_not_a_vector(tmp_path, lists, code, message):
    found = error_of(read, parquet_of(tmp_path, x=lists), wanted("x", "float", 2), folder=tmp_path)
    assert (found.code, found.message) == (code, f"rows.parquet, {message}")


def test_two_parquet_columns_with_the_same_name(tmp_path):
    parquet.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["x", "y", "x"]),
                        tmp_path / "rows.parquet")  # fmt: skip
    rows = read(Parquet(path="rows.parquet"), wanted("x", "int64", 2), folder=tmp_path).train
    assert rows["x"].tolist() == [[1, 3]]


def test_a_parquet_file_of_several_row_groups(tmp_path):
    parquet.write_table(pa.table({"x": list(range(10))}), tmp_path / "rows.parquet", row_group_size=3)
    rows = read(Parquet(path="rows.parquet"), wanted("x", "class", classes=AUTO), folder=tmp_path)
    assert rows.classes["found"] == Classes(10, None, "found") and rows.train["x"].tolist() == list(range(10))


def test_an_empty_and_a_broken_parquet_file(tmp_path):
    assert (
        error_of(read, parquet_of(tmp_path, x=pa.array([], pa.int64())), wanted("x"), folder=tmp_path).code
        == "E0708"
    )
    parquet_of(tmp_path, x=list(range(1000)))
    whole = (tmp_path / "rows.parquet").read_bytes()
    for broken in (b"", b"PAR1", whole[:-20], b"no parquet at all" * 9):
        (tmp_path / "rows.parquet").write_bytes(broken)
        assert error_of(read, Parquet(path="rows.parquet"), wanted("x"), folder=tmp_path).code == "E0702"


# --- npz --------------------------------------------------------------------------------------------------


WORDS = ["aXXa", "b"] * 20
NO_UTF8 = {
    "text": pa.array(WORDS),
    "a dictionary": pa.array(WORDS).dictionary_encode(),
    "views": pa.array(WORDS, pa.string_view()),
    "lists": pa.array([[word] for word in WORDS]),
}


@pytest.mark.parametrize("kind", NO_UTF8)
@pytest.mark.parametrize("element", ["string", "class", "float"])
def test_text_in_parquet_that_is_not_in_utf8(tmp_path, kind, element):
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"x": NO_UTF8[kind]}), path, compression="none")
    path.write_bytes(path.read_bytes().replace(b"XX", b"\xff\xfe"))
    field = wanted("x", element, classes=AUTO if element == "class" else None)
    found = error_of(read, Parquet(path="rows.parquet"), field, folder=tmp_path)
    assert (found.code, found.message) == (
        "E0702", 'rows.parquet, column "x": it holds bytes that are not text in UTF-8',
    )  # fmt: skip


def test_names_in_parquet_that_are_not_in_utf8(tmp_path):
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"XX": WORDS}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"XX", b"\xff\xfe"))
    found = error_of(read, Parquet(path="rows.parquet"), wanted("x", "string"), folder=tmp_path)
    assert found.message.endswith("cannot be read as a Parquet file: a name in it is not text in UTF-8")


def test_arrays_are_matched_to_inputs_by_name(tmp_path):
    photos = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    mask = np.array([[[0, 1], [2, 0]], [[1, 1], [1, 1]]])
    source = npz_of(tmp_path, photo=photos, mask=mask, word=np.array(["a", "b"]), spare=np.zeros(7))
    data = read(
        source,
        wanted("photo", "uint8", 3, 4, 4),
        wanted("word", "class", classes=AUTO),
        target("mask", "class", 2, 2, classes=3),
        folder=tmp_path,
    )
    assert data.train["photo"].dtype == np.uint8
    np.testing.assert_array_equal(data.train["photo"], photos)
    np.testing.assert_array_equal(data.train["mask"], mask)
    assert data.classes["found"].names == ("a", "b")


def test_axes_of_size_1_are_added_and_removed_and_flat_arrays_are_reshaped(tmp_path):
    source = npz_of(
        tmp_path, a=np.zeros((2, 8, 8)), b=np.ones((2, 64)), c=np.ones((2, 1)), d=np.ones((2, 2, 3))
    )
    rows = read(source, wanted("a", "float", 1, 8, 8), wanted("b", "float", 1, 8, 8), wanted("c"),
                wanted("d", "float", 6), folder=tmp_path).train  # fmt: skip
    assert [rows[name].shape for name in "abcd"] == [(2, 1, 8, 8), (2, 1, 8, 8), (2,), (2, 6)]


def test_images_with_channels_last_are_not_reshaped(tmp_path):
    source = npz_of(tmp_path, photo=np.zeros((2, 4, 4, 3)))
    found = error_of(read, source, wanted("photo", "float", 3, 4, 4), folder=tmp_path)
    assert found.message == (
        'rows.npz, array "photo": found values of shape [4, 4, 3], and input `photo` is float[3, 4, 4]'
    )
    assert found.help == "the axes are in another order; images have their channels first"


def test_free_dimensions_have_one_size_that_the_data_gives(tmp_path):
    source = npz_of(tmp_path, x=np.zeros((2, 7, 3)), y=np.zeros((2, 7)), z=np.zeros((2, 6)))
    fields = wanted("x", "float", T, 3), wanted("y", "float", T), wanted("z", "float", T - 1)
    assert read(source, *fields, folder=tmp_path).train["x"].shape == (2, 7, 3)
    found = error_of(read, source, *fields[:2], wanted("z", "float", T), folder=tmp_path)
    assert (found.code, found.help) == ("E0704", "`T` is 7 in the fields before it")
    found = error_of(read, source, wanted("y", "float", T), wanted("z", "float", T + 1), folder=tmp_path)
    assert found.help == "`T + 1` is 8 here"


def test_a_bad_value_in_an_array_is_reported_with_its_row(tmp_path):
    values = np.zeros((4, 2, 2))
    values[2, 1, 0] = np.nan
    found = error_of(read, npz_of(tmp_path, x=values), wanted("x", "float", 2, 2), folder=tmp_path)
    assert found.message == 'rows.npz, row 3, array "x": the value is missing'


def test_arrays_of_different_lengths(tmp_path):
    source = npz_of(tmp_path, x=np.zeros(3), y=np.zeros(4))
    found = error_of(read, source, wanted("x"), wanted("y"), folder=tmp_path)
    assert found.message == 'rows.npz: the arrays have different numbers of rows: 3 in "x", 4 in "y"'


@pytest.mark.parametrize(("array", "code"), [
    (np.array([{"a": 1}], object), "E0702"),
    (np.array([1j]), "E0702"),
    (np.array(["2020-01-01"], "datetime64[D]"), "E0702"),
    (np.array(5.0), "E0704"),
    (np.zeros(0), "E0708"),
])  # fmt: skip
def test_arrays_that_are_not_read(tmp_path, array, code):
    assert error_of(read, npz_of(tmp_path, x=array), wanted("x"), folder=tmp_path).code == code


def test_broken_archives(tmp_path):
    npz_of(tmp_path, x=np.arange(1000.0))
    whole = (tmp_path / "rows.npz").read_bytes()
    for broken in (b"", b"PK", whole[:-30], b"\x93NUMPY" + b"x" * 99):
        (tmp_path / "rows.npz").write_bytes(broken)
        assert error_of(read, Npz(path="rows.npz"), wanted("x"), folder=tmp_path).code == "E0702"


def test_an_array_that_announces_more_than_the_file_contains(tmp_path):
    np.savez(tmp_path / "rows.npz", x=np.arange(1000.0))
    whole = (tmp_path / "rows.npz").read_bytes()
    assert b"(1000,)" in whole
    (tmp_path / "rows.npz").write_bytes(
        whole.replace(b"(1000,), ", b"(10**9,),").replace(b"(10**9,)", b"(99999,)")
    )
    assert error_of(read, Npz(path="rows.npz"), wanted("x"), folder=tmp_path).code == "E0702"


# --- idx --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [False, True])
def test_mnist_comes_with_its_test_set(tmp_path, pack):
    idx_of(tmp_path, IMAGES, LABELS, "train", pack)
    source = idx_of(tmp_path, IMAGES[:2] + 1, LABELS[:2], "t10k", pack)
    data = read(source, *DIGITS, folder=tmp_path, validation=2)
    assert (data.train.count, data.validation.count, data.test.count) == (3, 2, 2)
    assert data.test["image"].dtype == np.uint8
    np.testing.assert_array_equal(data.test["image"], (IMAGES[:2] + 1).reshape(2, 1, 28, 28))
    np.testing.assert_array_equal(data.test["digit"], LABELS[:2])
    assert data.test.place(1) == "., row 2"


def test_a_test_fraction_overrides_the_test_set_of_the_folder(tmp_path):
    idx_of(tmp_path, IMAGES, LABELS)
    source = idx_of(tmp_path, IMAGES[:2], LABELS[:2], "t10k")
    assert read(source, *DIGITS, folder=tmp_path, test=1).test.count == 1
    assert read(source, *DIGITS, folder=tmp_path, test=source).test.count == 2


def test_only_images_are_read(tmp_path):
    rows = read(idx_of(tmp_path, IMAGES, LABELS), wanted("pixels", "float", 784), folder=tmp_path).train
    assert rows["pixels"].shape == (5, 784) and list(rows) == ["pixels"]


def test_an_image_of_another_size(tmp_path):
    found = error_of(read, idx_of(tmp_path, IMAGES, LABELS), wanted("x", "uint8", 1, 32, 32), folder=tmp_path)
    assert found.message == "., images: found values of shape [28, 28], and input `x` is uint8[1, 32, 32]"


def test_labels_outside_of_the_classes(tmp_path):
    source = idx_of(tmp_path, IMAGES, LABELS)
    found = error_of(read, source, DIGITS[0], target("y", "class", classes=4), folder=tmp_path)
    assert found.message == "., row 3, labels: there is no class 4: the 4 classes are 0 to 3"


def test_column_names_for_a_source_without_names(tmp_path):
    source = idx_of(tmp_path, IMAGES, LABELS)
    found = errors_of(
        read, source, wanted("x", "uint8", 28, 28, source=ColumnField(column="images")), folder=tmp_path
    )
    assert found == [("E0703", ". has no names, so no column can be chosen for `x`")]
    found = error_of(read, source, *DIGITS, target("z", "class", classes=2), folder=tmp_path)
    assert found.message == ". has 2 fields, and nothing is left for target `z`"


@pytest.mark.parametrize("data", [
    b"", b"\0\0\x08", b"\0\0\x07\x03" + bytes(12), b"\0\0\x08\x09" + bytes(36), b"\0\0\x08\x03\0\0\0\5",
    b"\0\0\x08\x03" + struct.pack(">3I", 5, 28, 28) + bytes(5 * 784 - 1),
    b"\0\0\x08\x03" + struct.pack(">3I", 5, 28, 28) + bytes(5 * 784 + 1),
    b"\0\0\x08\x03" + struct.pack(">3I", 5, 2**32 - 1, 2**32 - 1) + bytes(9),
])  # fmt: skip
@pytest.mark.parametrize("pack", [False, True])
def test_broken_idx_files(tmp_path, data, pack):
    source = idx_of(tmp_path, IMAGES, LABELS, pack=pack)
    name = tmp_path / f"train-images-idx3-ubyte{'.gz' if pack else ''}"
    name.write_bytes(gzip.compress(data) if pack else data)
    assert error_of(read, source, wanted("x", "uint8", 28, 28), folder=tmp_path).code in ("E0702", "E0704")


def test_a_folder_with_missing_files(tmp_path):
    found = error_of(read, Idx(path="mnist"), *DIGITS, folder=tmp_path)
    assert (found.code, found.message) == ("E0701", "there is no folder mnist")
    idx_of(tmp_path, IMAGES, LABELS)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    found = error_of(read, Idx(path="."), *DIGITS, folder=tmp_path)
    assert found.message == "the folder . has no file train-labels-idx1-ubyte"
    idx_of(tmp_path, IMAGES, LABELS[:4])
    assert (
        error_of(read, Idx(path="."), *DIGITS, folder=tmp_path).message
        == ".: there are 5 images and 4 labels"
    )


# --- table ------------------------------------------------------------------------------------------------

AND = [0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 1]


@pytest.mark.parametrize("columns", [("x", "x", "y"), None])
def test_the_table_of_the_perceptron(columns):
    rows = read(table(*AND, columns=columns), wanted("x", "float", 2), target("y", "binary")).train
    assert rows["x"].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert rows["y"].tolist() == [0, 0, 0, 1] and rows["y"].dtype == np.float32


def test_a_table_fills_a_vector_with_the_remaining_columns():
    rows = read(table(*AND, columns=("a", "b", "y")), wanted("x", "float", 2), target("y", "binary")).train
    assert rows["x"].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_a_table_without_names_goes_to_inputs_then_targets_in_order():
    rows = read(table([1, 2.5, "yes"], [3, 4, "no"]), target("y", "binary", classes=("no", "yes")),
                wanted("a", "int64"), wanted("b")).train  # fmt: skip
    assert (rows["a"].tolist(), rows["b"].tolist(), rows["y"].tolist()) == ([1, 3], [2.5, 4], [1, 0])


def test_a_table_contains_vectors_booleans_and_classes():
    rows = read(table([(1, 2), True, "b"], [(3, 4), False, "a"], columns=("x", "f", "k")),
                wanted("x", "int32", 2), wanted("f", "bool"),
                wanted("k", "class", classes=Classes(2, ("a", "b")))).train  # fmt: skip
    assert (rows["x"].tolist(), rows["f"].tolist(), rows["k"].tolist()) == (
        [[1, 2], [3, 4]],
        [True, False],
        [1, 0],
    )


def test_columns_of_a_table_with_other_names():
    fields = (
        wanted("pair", "float", 2, source=Columns(columns=("b", "a"))),
        wanted("z", source=ColumnField(column="a")),
    )
    rows = read(table([1, 2], columns=("a", "b")), *fields).train
    assert (rows["pair"].tolist(), rows["z"].tolist()) == ([[2, 1]], [1])


def test_tables_that_do_not_match_their_columns():
    found = error_of(read, table([1, 2], columns=("x",)), wanted("x"))
    assert found.message == "the table's rows have 2 entries, and 1 columns are named"
    found = error_of(read, table([(1, 2)], [(1,)], columns=("x",)), wanted("x", "float", 2))
    assert found.message == 'the table, row 2, column "x": its length is 1, and 2 is wanted'
    assert error_of(read, table([]), wanted("x")).code == "E0708"
    assert error_of(read, table([1]), wanted("x"), target("y")).message == (
        "the table has 1 field, and nothing is left for target `y`"
    )


def test_a_ragged_table_is_a_compile_error():
    with pytest.raises(Reject) as caught:
        TableSource.settings["rows"].kind.accept([[0, 0, 0], [0, 1]])
    assert str(caught.value) == "row 2 of the table has 2 entries, and row 1 has 3"
    with pytest.raises(Reject):
        TableSource.settings["rows"].kind.accept(3)
