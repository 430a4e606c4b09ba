"""Class values in the flow: embedding tables, tied tables, and classes that are found in the data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from specs import shapes, spec

import dlc
from dlc.compiler.program import Facts
from dlc.compiler.types import Classes

AUTO = "input  word: class(auto)[T]\noutput y: float\n"


def initial(text: str, **more) -> Mapping[str, str]:
    return {w.name: repr(w.initial) for w in spec(text, **more).graph.weights}


def test_an_embedding_table_has_small_initial_values():
    text = "input x: class(9)\noutput y: float\n{} -> relu -> dense(1) -> y\n"
    assert initial(text.format("x -> embedding(4)"))["embedding.weight"] == "normal(stddev=0.02)"
    assert initial(text.format("x -> embedding(4, init=auto)"))["embedding.weight"] == "normal(stddev=0.02)"
    assert initial(text.format("x -> embedding(4, init=zeros)"))["embedding.weight"] == "zeros"
    assert initial(text.format("x -> one_hot -> dense(4)"))["dense.weight"] == "he_normal"


def test_the_size_of_a_table_follows_from_the_data():
    text = f"{AUTO}word -> embedding(3) -> mean(axis=0) -> dense(1) -> y\n"
    assert str(shapes(text)["embedding.weight"][0]) == "word.classes"
    known = Facts({"word": Classes(7, tuple("abcdefg"))})
    assert shapes(text, facts=known)["embedding.weight"] == (7, 3)
    with pytest.raises(dlc.CompileError, match="the classes of `word` are not known yet"):
        dlc.compile(text=text).torch()


def test_the_shape_of_a_weight_may_contain_a_class_count_but_no_free_dimension():
    text = f"{AUTO}weight more: float[{{}}] = zeros\n(word -> embedding(3) -> mean) + sum(more) -> y\n"
    known = Facts({"word": Classes(7, tuple("abcdefg"))})
    assert shapes(text.format("2 * word.classes + 1"), facts=known)["more"] == (15,)
    with pytest.raises(dlc.CompileError, match="a weight has no free dimension"):
        spec(text.format("T * word.classes"))


def test_one_hot_needs_rows_only_for_the_class_count():
    text = "input x: class(3)\noutput y: float[3]\nx -> one_hot -> y\n"
    made = dlc.compile(text=text).torch()({"x": torch.tensor([2, 0])})
    assert made["y"].tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(dlc.CompileError, match="the classes of `word` are not known yet"):
        dlc.compile(text=f"{AUTO}word -> one_hot -> mean(axis=0) -> dense(1) -> y\n").torch()


TIED = (
    "input  word: class({0})[T]\noutput next: class({0})[T]\nweight table: float[{1}, 4] = normal(1)\n"
    "h = word -> embedding(4, weight=table)\nh @ transpose(table) -> next\n"
)


def test_a_tied_table_is_one_weight():
    program = dlc.compile(text=TIED.format(5, 5))
    module = program.torch()
    assert [n for n, _ in module.named_parameters()] == ["table"]
    x, table = torch.tensor([[0, 4, 2]]), module.get_parameter("table")
    wanted = torch.nn.functional.embedding(x, table) @ table.T
    torch.testing.assert_close(module({"word": x})["next_probabilities"], wanted.softmax(-1))
    with pytest.raises(dlc.CompileError, match="`weight` of `embedding` has to be float\\[5, 4\\]"):
        dlc.compile(text=TIED.format(5, 6))


def test_a_constant_table_is_not_trainable():
    text = "input x: class(2)\noutput y: float[3]\nx -> embedding(3, weight=[[1, 2, 3], [4, 5, 6]]) -> y\n"
    module = dlc.compile(text=text).torch()
    assert not list(module.parameters())
    assert module({"x": torch.tensor([1, -1])})["y"].tolist() == [[4, 5, 6], [0, 0, 0]]


COMPARED = """
input  kind: class(low, "very high")
input  grade: class(9)
output y: float[4]
a = (kind == "very high", kind != "low") -> stack
b = ("low" == kind, grade == 8) -> stack
(a, b) -> concat -> y
"""


def test_class_values_are_compared_with_names_and_numbers() -> None:
    module = dlc.compile(text=COMPARED).torch()
    made = module({"kind": torch.tensor([0, 1, -1]), "grade": torch.tensor([8, 0, -1])})["y"]
    assert made.tolist() == [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 0]]


FOUND = """
input  city: class(auto)
input  code: class(auto)
output price: float
2 * (city == "Rome") + (code == 500) + (code != -1) -> dense(1) -> price
data { source = csv("rows.csv") }
train { epochs = 1 }
"""


def test_names_and_numbers_of_classes_are_found_in_the_data(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("city,code,price\nRome,7,1\nOslo,500,3\nBern,7,2\n")
    (tmp_path / "cities.dl").write_text(FOUND)
    with pytest.raises(dlc.CompileError, match="the classes of `city` are not known yet"):
        dlc.compile(tmp_path / "cities.dl").torch()
    result = dlc.train(tmp_path / "cities.dl", out=tmp_path, device="cpu")
    session = onnxruntime.InferenceSession(result.model)
    cities, codes = np.array(["Rome", "Oslo", "Paris"], object), np.array([500, 500, 8])
    (made,) = session.run(None, {"city": cities, "code": codes})
    wanted = np.array([[4], [2], [0]]) @ result.weights["dense.weight"] + result.weights["dense.bias"]
    np.testing.assert_allclose(made, wanted[:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ('city == "Rom"', 'there is no class "Rom".*write `"Rome"`'),
        ('city == "Zanzibar"', "the classes are `Bern`, `Oslo`, `Rome`"),
        ("city == 3", "there is no class 3.*the classes have the numbers 0 to 2"),
        ('code == "7"', 'the classes are 7, 500, found "7".*write `7`'),
        ("code == 8", "there is no class 8.*the classes are 7, 500"),
    ],
)
def test_a_class_that_is_not_in_the_data_is_an_error(condition: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("city,code,price\nRome,7,1\nOslo,500,3\nBern,7,2\n")
    text = FOUND.replace('city == "Rome"', condition)
    (tmp_path / "cities.dl").write_text(text)
    with pytest.raises(dlc.CompileError, match=re.compile(message, re.DOTALL)):
        dlc.train(tmp_path / "cities.dl", out=tmp_path, device="cpu")


CITIES = """input  city: class(auto)
output price: float
city -> embedding(2) -> dense(1) -> price
data {
  source = csv("train.csv")
  validation = csv("other.csv")
}
train {
  epochs = 60
  optimizer = adam(lr=0.1)
}
"""


def test_a_class_absent_from_training_gets_only_the_bias(tmp_path: Path):
    """Bern is only in the validation rows, and is an unknown class for the artifact."""
    rows = [f"{city},{price}" for city, price in (("Rome", 1), ("Oslo", 3)) for _ in range(8)]
    (tmp_path / "train.csv").write_text("\n".join(["city,price", *rows, ""]))
    (tmp_path / "other.csv").write_text("city,price\nRome,1\nBern,2\n")
    (tmp_path / "cities.dl").write_text(CITIES)
    result = dlc.train(tmp_path / "cities.dl", out=tmp_path, device="cpu")
    answers = dlc.load(result.model).predict({"city": ["Rome", "Oslo"]})["price"]
    assert answers == pytest.approx([1, 3], abs=0.2)
    session = onnxruntime.InferenceSession(result.model)
    (unknown,) = session.run(None, {"city": np.array(["Bern"], object)})
    assert unknown == result.weights["dense.bias"]
