"""The data sets of scikit-learn as sources of a spec."""

import numpy as np
import pytest
from fields import AUTO, error_of, errors_of, read, target, wanted
from sklearn import datasets

from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.definitions.sections import Builtin, ColumnField, Columns
from dlc.compiler.types import Classes

FLOWERS = ("setosa", "versicolor", "virginica")
MEASURES = [wanted(name) for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")]


def test_iris_columns_have_no_units_and_the_target_fills_the_only_output():
    data = read(Builtin(set="iris"), *MEASURES, target("species", "class", classes=FLOWERS))
    iris = datasets.load_iris()
    assert data.train.count == 150 and data.validation is None and data.test is None
    np.testing.assert_array_equal(data.train["petal_width"], iris.data[:, 3].astype(np.float32))
    np.testing.assert_array_equal(data.train["species"], iris.target)
    assert data.train["species"].dtype == np.int64
    assert data.columns["species"] == ("target",)


def test_class_names_are_matched_by_name_not_by_index():
    backwards = read(Builtin(set="iris"), target("species", "class", classes=FLOWERS[::-1]))
    np.testing.assert_array_equal(backwards.train["species"], 2 - datasets.load_iris().target)


def test_a_class_count_uses_numbers_and_auto_uses_names():
    assert read(Builtin(set="iris"), target("y", "class", classes=3)).classes == {}
    found = read(Builtin(set="iris"), target("y", "class", classes=AUTO))
    assert found.classes == {"found": Classes(3, FLOWERS, "found")}
    np.testing.assert_array_equal(found.train["y"], datasets.load_iris().target)


def test_wine_fills_a_vector_with_its_remaining_columns():
    data = read(
        Builtin(set="wine"), wanted("alcohol"), wanted("rest", "float", 12), target("y", "class", classes=3)
    )
    wine = datasets.load_wine().data.astype(np.float32)
    np.testing.assert_array_equal(data.train["rest"], wine[:, 1:])
    assert data.columns["rest"][0] == "malic_acid"


def test_the_error_of_a_short_vector_has_both_lengths():
    found = error_of(read, Builtin(set="wine"), wanted("x", "float", 5))
    assert found.code == "E0704"
    assert found.message == "wine, 13 columns: found [13], and input `x` is float[5]"


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8), (64,)])
def test_digits_have_the_shape_of_the_input(shape):
    data = read(Builtin(set="digits"), wanted("image", "uint8", *shape), target("digit", "class", classes=10))
    assert data.train["image"].dtype == np.uint8
    np.testing.assert_array_equal(data.train["image"], datasets.load_digits().images.reshape(-1, *shape))


def test_breast_cancer_by_name_and_by_number():
    plain = read(Builtin(set="breast_cancer"), wanted("mean_radius"), target("benign", "binary"))
    named = read(Builtin(set="breast_cancer"), target("y", "binary", classes=("benign", "malignant")))
    assert plain.train["benign"].dtype == np.float32
    np.testing.assert_array_equal(plain.train["benign"], datasets.load_breast_cancer().target)
    np.testing.assert_array_equal(named.train["y"], 1 - plain.train["benign"])


def test_diabetes_is_a_regression():
    data = read(Builtin(set="diabetes"), wanted("bmi"), target("progression"))
    np.testing.assert_array_equal(
        data.train["progression"], datasets.load_diabetes().target.astype(np.float32)
    )


def test_columns_with_other_names():
    data = read(
        Builtin(set="iris"),
        wanted("wide", source=ColumnField(column="sepal_width")),
        wanted("petal", "float", 2, source=Columns(columns=("petal_width", "petal_length"))),
        target("kind", "class", classes=3, source=ColumnField(column="target")),
    )
    iris = datasets.load_iris().data.astype(np.float32)
    np.testing.assert_array_equal(data.train["wide"], iris[:, 1])
    np.testing.assert_array_equal(data.train["petal"], iris[:, [3, 2]])


def test_a_typo_in_a_column_gets_the_nearest_name():
    found = error_of(read, Builtin(set="iris"), wanted("petal_lenght"), target("y", "class", classes=3))
    assert (found.code, found.message) == (
        "E0703",
        'iris has no column "petal_lenght", which input `petal_lenght` takes',
    )
    assert found.help == 'if "petal_length" is meant, write petal_lenght = column("petal_length") in `data`'


def test_two_outputs_cannot_both_be_the_target():
    outputs = [target("a", "class", classes=3), target("b", "class", classes=3)]
    assert [code for code, _ in errors_of(read, Builtin(set="iris"), *outputs)] == ["E0703", "E0703"]


def test_a_class_that_the_spec_does_not_declare():
    found = error_of(
        read, Builtin(set="iris"), target("y", "class", classes=("setosa", "versicolour", "virginica"))
    )
    assert found.code == "E0707"
    assert found.message == 'iris, row 51, column "target": "versicolor" is not one of the 3 classes'
    assert found.help == "did you mean `versicolour`?"


def test_an_unknown_data_set_is_a_compile_error():
    with pytest.raises(Reject) as caught:
        Builtin.settings["set"].kind.accept("irsi")
    assert caught.value.help == "did you mean `iris`?"
    assert error_of(read, Builtin(set="mnist"), wanted("x")).code == "E0701"
