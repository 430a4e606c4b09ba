"""Artifacts that were trained on texts: their inputs are names, and texts are cut and joined around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import polars
import pyarrow as pa
import pytest
from artifacts import declared, session
from click.testing import CliRunner
from onnx.reference import ReferenceEvaluator

import dlc
from dlc.cli import commands
from dlc.runtime.artifact.metadata import from_texts
from dlc.runtime.errors import ArtifactError

TAGGER = """input text: class(auto)[T]
output tag: class(auto)[T]
text -> embedding(6) -> dense(tag.classes) -> tag
train { optimizer = adam(lr=0.1)
  epochs = 30
  batch = 4 }
"""
VOWELS = "aeé"
CHARACTERS = ["abé d", "cab", "d", "ece", "bad é", "a"]
WORDS = ["a dog sees a cat", "the cat", "a  dog\nsees", "the dog sees"]
KINDS = {"a": "DET", "the": "DET", "dog": "NOUN", "cat": "NOUN", "sees": "VERB"}


def kinds(text: str) -> str:
    """V for a vowel, C for a consonant, a space for a space."""
    return "".join("V" if c in VOWELS else " " if c == " " else "C" for c in text)


def tags(text: str) -> str:
    return " ".join(KINDS[word] for word in text.split())


def trained(folder: Path, spec: str, data: Any) -> Path:
    (folder / "spec.dl").write_text(spec, "utf-8")
    return dlc.train(folder / "spec.dl", data=data, out=folder).model


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of characters: each is tagged by itself, so it learns its rows exactly."""
    rows = {"text": CHARACTERS, "tag": [*map(kinds, CHARACTERS)]}
    return trained(tmp_path_factory.mktemp("characters"), TAGGER, pd.DataFrame(rows))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = TAGGER + 'data {\n text = column("words", unit=word)\n tag = column("kinds", unit=word)\n}\n'
    rows = {"words": WORDS, "kinds": [*map(tags, WORDS)]}
    return trained(tmp_path_factory.mktemp("words"), spec, rows)


def test_the_file_takes_and_gives_one_name_a_place(characters: Path) -> None:
    """Stock ONNX Runtime and the reference evaluator run it on tensors of characters, at any length."""
    model = onnx.load(characters)
    assert [declared(v) for v in model.graph.input] == [("STRING", ["batch", "T"])]
    assert declared(model.graph.output[0]) == ("STRING", ["batch", "T"])
    for text in ("a", "bé", "abcdé abcdé"):
        raw = {"text": np.array([[*text]], object)}
        for answer in (
            session(characters).run(["tag"], raw)[0],
            ReferenceEvaluator(model).run(["tag"], raw)[0],
        ):
            assert np.asarray(answer).tolist() == [[*kinds(text)]]


def test_texts_are_cut_and_answers_joined(characters: Path) -> None:
    model = dlc.load(characters)
    texts = ["abé d", "", "cab", "bad"]
    found = model.predict({"text": texts})
    assert found["tag"].tolist() == [*map(kinds, texts)]
    assert [answer.shape for answer in found["tag_probabilities"]] == [(len(text), 3) for text in texts]
    lists = model.predict({"text": [[*text] for text in texts]})
    assert lists["tag"].tolist() == found["tag"].tolist()
    same = model.predict({"text": np.array(["cab", "bad"])})
    assert same["tag_probabilities"].shape == (2, 3, 3)
    assert model.predict({"text": []})["tag"].tolist() == []
    np.testing.assert_array_equal(same["tag_probabilities"][1], found["tag_probabilities"][3])


def columns(frame: Any) -> dict[str, list[Any]]:
    """The columns of a frame of pandas, polars or Arrow."""
    read = frame.to_pydict() if isinstance(frame, pa.Table) else frame.to_dict()
    return {name: [*(cells.values() if isinstance(cells, dict) else cells)] for name, cells in read.items()}


@pytest.mark.parametrize(
    "frame", [pd.DataFrame, polars.DataFrame, pa.table], ids=["pandas", "polars", "arrow"]
)
def test_frames_of_texts(frame: Any, characters: Path) -> None:
    texts = ["dé", "", "cab"]
    found = dlc.load(characters).predict(frame({"text": texts}))
    assert [*columns(found)] == ["tag", "tag_probabilities"]
    assert columns(found)["tag"] == ["CV", "", "CVC"]
    assert [len(places) for places in columns(found)["tag_probabilities"]] == [*map(len, texts)]


@pytest.mark.parametrize("frame", [pd.DataFrame, polars.DataFrame, pa.table])
def test_frames_without_rows(frame: Any, characters: Path) -> None:
    found = dlc.load(characters).predict(frame({"text": []}))
    assert columns(found) == {"tag": [], "tag_probabilities": []}


def test_words_are_joined_by_a_space(words: Path) -> None:
    model = dlc.load(words)
    given = ["a cat sees  the\tdog", "cat", " "]
    assert model.predict({"text": given})["tag"].tolist() == ["DET NOUN VERB DET NOUN", "NOUN", ""]
    assert model.predict(pd.DataFrame({"words": given}))["tag"].tolist()[1] == "NOUN"
    assert model.predict({"text": [["a", "cat"], ["dog"]]})["tag"].tolist() == ["DET NOUN", "NOUN"]


def test_unknown_characters_and_words_are_class_minus_one(characters: Path, words: Path) -> None:
    for path, text, unknown, total in (
        (characters, ["zaz", "b"], '"z"', 4),
        (words, ["a bird sees"], '"bird"', 3),
    ):
        model = dlc.load(path)
        names = [*text[0]] if path == characters else text[0].split()
        raw = {"text": np.array([names], object)}
        with pytest.warns(
            UserWarning, match=f"of the {total} values of `text` .* not among its classes .{unknown}"
        ):
            found = model.predict({"text": text})
        np.testing.assert_array_equal(
            found["tag_probabilities"][0], session(path).run(["tag_probabilities"], raw)[0][0]
        )


def test_the_units_are_kept_in_the_file_and_the_run(characters: Path, words: Path, tmp_path: Path) -> None:
    for path, unit in ((characters, "character"), (words, "word")):
        metadata = session(path).get_modelmeta().custom_metadata_map
        assert json.loads(metadata["dlc.units"]) == {"text": unit, "tag": unit}
        again = tmp_path / "again.onnx"
        assert CliRunner().invoke(commands, ["export", str(path.parent), "-o", str(again)]).exit_code == 0
        assert again.read_bytes() == path.read_bytes()


def test_what_was_trained_on_names_is_not_cut(tmp_path: Path) -> None:
    """A text could be cut in two ways, and the model has seen neither."""
    rows = {"text": [["ab", "c"], ["c"]], "tag": [["X", "Y"], ["Y"]]}
    model = dlc.load(trained(tmp_path, TAGGER.replace("epochs = 30", "epochs = 1"), rows))
    assert json.loads(session(model.path).get_modelmeta().custom_metadata_map["dlc.units"]) == {}
    found = model.predict({"text": [["c", "ab"], ["ab"]]})["tag"]
    assert [len(row) for row in found] == [2, 1]
    with pytest.raises(ArtifactError, match=r"`text` takes \[batch, T\], found \[2\]"):
        model.predict({"text": ["ab", "c"]})


def test_texts_of_different_inputs_differ_in_length(tmp_path: Path) -> None:
    spec = """input a: class(auto)[T]
input b: class(auto)[U]
input n: float
output same: binary
mean(embedding(a, 2)) + mean(embedding(b, 2)) + n -> same
train { epochs = 1 }
"""
    rows = {"a": ["ab", "b", "abb"], "b": ["x", "xy", "y"], "n": [0.0, 1.0, 2.0], "same": [0, 1, 0]}
    model = dlc.load(trained(tmp_path, spec, rows))
    found = model.predict({name: rows[name] for name in ("a", "b", "n")})
    for place in range(3):
        alone = model.predict({name: rows[name][place : place + 1] for name in ("a", "b", "n")})
        np.testing.assert_allclose(alone["same_probability"][0], found["same_probability"][place], rtol=1e-6)


def test_texts_that_do_not_fit_one_dimension(tmp_path: Path) -> None:
    spec = "input a, b: class(x, y)[T]\noutput z: float\nmean(embedding(a, 2) + embedding(b, 2)) -> z\n" \
        "train { epochs = 1 }\n"  # fmt: skip
    rows = {"a": ["xy", "x"], "b": ["xx", "y"], "z": [0.0, 1.0]}
    model = dlc.load(trained(tmp_path, spec, rows))
    with pytest.raises(ArtifactError, match="`T` is 1 in `a` and 2 in `b`, row 2"):
        model.predict({"a": ["xy", "x"], "b": ["xx", "yy"]})


def test_texts_of_digits_have_numbers(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,tag\n0112,0001\n21,10\n")
    path = trained(tmp_path, TAGGER, tmp_path / "rows.csv")
    assert declared(onnx.load(path).graph.input[0]) == ("INT64", ["batch", "T"])
    assert dlc.load(path).predict({"text": ["210", "11"]})["tag"].tolist()[0][0] == "1"


@pytest.mark.parametrize(("key", "value"), [
    ("units", '["word"]'), ("units", '{"text": "line"}'), ("units", '{"text": 3}'), ("units", "null"),
    ("text", '{"window": 0}'), ("text", '{"unit": "word"}'), ("text", '{"window": 4, "rows": 3}'),
    ("text", "[]"),
])  # fmt: skip
def test_metadata_of_strangers(key: str, value: str, characters: Path) -> None:
    found = session(characters).get_modelmeta().custom_metadata_map
    assert from_texts(found).units == {"text": "character", "tag": "character"}
    with pytest.raises(ValueError, match=f"its `dlc.{key}` is not as dlc writes it"):
        from_texts({**found, f"dlc.{key}": value})


def test_names_of_padding_are_empty(tmp_path: Path) -> None:
    """With inputs of lengths, stock ONNX Runtime answers a padded batch; `predict` takes texts as before."""
    spec = TAGGER + "export { lengths = true }\n"
    path = trained(tmp_path, spec, {"text": CHARACTERS, "tag": [*map(kinds, CHARACTERS)]})
    raw = {"text": np.array([[*"bad"], [*"ex?"]], object), "text_length": np.array([3, 1])}
    assert session(path).run(["tag"], raw)[0].tolist() == [["C", "V", "C"], ["V", "", ""]]
    assert dlc.load(path).predict({"text": ["bad", "e", ""]})["tag"].tolist() == ["CVC", "V", ""]
    assert CliRunner().invoke(commands, ["verify", str(path)]).exit_code == 0
