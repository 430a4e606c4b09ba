"""Subwords: a tokenizer that is learnt or given, in the artifact's metadata, and applied before it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import dlc
from dlc.cli import commands
from dlc.runtime.artifact.digest import seal
from dlc.runtime.errors import ArtifactError

SPEC = """input text: string
output y: class(2)
text -> tokenize({by}) -> embedding(4) -> {read} -> dense(2) -> y
train {{ epochs = 1 }}
"""
MEAN, STATE = "mean(axis=0)", "gru(4, final=true)"
TEXTS = [
    "the bird sings",
    "a bird",
    "",
    "the birds sing \U0001f426 and sing",
    "Élan\tvital",
    "sings",
    "the the",
]
ROWS = {"text": np.array(TEXTS, object), "y": np.arange(len(TEXTS)) % 2}


def made(folder: Path, by: str, read: str = MEAN, more: str = "") -> Path:
    (folder / "spec.dl").write_text(SPEC.format(by=by, read=read) + more, "utf-8")
    return dlc.train(folder / "spec.dl", data=ROWS, out=folder / "runs").model


@pytest.fixture(scope="module", params=[MEAN, STATE])
def model(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    return made(tmp_path_factory.mktemp("subwords"), "subwords, size=280", request.param)


def given(model: Path) -> dict[str, Any]:
    """What the metadata has for the input of tokens."""
    session = onnxruntime.InferenceSession(str(model))
    return json.loads(session.get_modelmeta().custom_metadata_map["dlc.tokenizers"])["text_tokens"]


def dlc_(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(commands, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_a_text_is_answered_as_its_tokens_are_in_plain_onnx_runtime(model: Path) -> None:
    """The lines of the page of artifacts, for each text by itself."""
    session, answers = onnxruntime.InferenceSession(str(model)), dlc.load(model).predict({"text": TEXTS})
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("text_tokens", "tensor(int64)", ["batch", "text_tokens"])
    ]
    how = given(model)
    for text, probabilities in zip(TEXTS, answers["y_probabilities"], strict=True):
        tokens = Tokenizer.from_str(how["tokenizer"]).encode(text).ids[: how["max_length"]] or [-1]
        (found,) = session.run(["y_probabilities"], {"text_tokens": np.array([tokens])})
        np.testing.assert_allclose(found[0], probabilities, atol=1e-6)


def test_the_lines_of_the_page_run(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/artifact.md").read_text("utf-8")
    lines = (
        page.partition("### Tokens of texts without dlc")[2].partition("```python\n")[2].partition("```")[0]
    )
    renamed = lines.replace("gloss_tokens", "text_tokens").replace('["category"]', '["y"]')
    model = made(tmp_path, "subwords, size=280")
    model.rename(tmp_path / "model.onnx")
    subprocess.run([sys.executable, "-c", renamed], cwd=tmp_path, check=True)


def test_subwords_are_those_of_byte_pair_encoding(model: Path) -> None:
    """Frequent pairs are joined, each byte has a token, and token 0 is the unknown."""
    tokenizer = Tokenizer.from_str(given(model)["tokenizer"])
    assert tokenizer.id_to_token(0) == "[UNK]" and tokenizer.get_vocab_size() <= 280
    assert tokenizer.encode(" sing").tokens == ["Ġsing"]
    unseen = "xylophone 日本 \U0001f600"
    assert tokenizer.decode(tokenizer.encode(unseen).ids).strip() == unseen
    assert 0 not in tokenizer.encode(unseen).ids


def test_tokens_may_be_given_in_place_of_text(model: Path) -> None:
    loaded, tokenizer = dlc.load(model), Tokenizer.from_str(given(model)["tokenizer"])
    tokens = [found.ids or [-1] for found in tokenizer.encode_batch(TEXTS)]
    with pytest.warns(UserWarning, match="1 of the .* values of `text_tokens`"):  # the empty text
        by_tokens = loaded.predict({"text_tokens": tokens})
    by_text = loaded.predict({"text": TEXTS})
    assert np.array_equal(by_text["y_probabilities"], by_tokens["y_probabilities"])
    assert loaded.predict({"text": []})["y"].shape == (0,)
    with pytest.raises(ArtifactError, match="the input `text` is missing"):
        loaded.predict({})
    with pytest.raises(ArtifactError, match="`text` takes string: a value is not text in UTF-8"):
        loaded.predict({"text": ["\ud800"]})
    for wrong in ([3], [["a"]], "a"):
        with pytest.raises(ArtifactError, match="`text` takes string, one text a row"):
            loaded.predict({"text": wrong})


def test_commands_take_text(model: Path, tmp_path: Path) -> None:
    lines = "".join(f'"{text}",{i % 2}\n' for i, text in enumerate(TEXTS))
    (tmp_path / "rows.csv").write_text(f"text,y\n{lines}", "utf-8")
    answers = dlc.load(model).predict({"text": TEXTS})
    predicted = dlc_("predict", model, tmp_path / "rows.csv").splitlines()[1:]
    assert [line.split(",")[0] for line in predicted] == [str(y) for y in answers["y"]]
    right = np.mean(answers["y"] == ROWS["y"])
    assert f"accuracy  {right:.4f}" in dlc_("eval", model, tmp_path / "rows.csv")
    assert "answers as torch did" in dlc_("verify", model)
    dlc_("export", model.parent, "-o", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == model.read_bytes()


def test_lengths_are_inputs_where_they_are_asked_for(tmp_path: Path) -> None:
    model = made(tmp_path, "subwords, size=280", STATE, "export { lengths = true }")
    session, how = onnxruntime.InferenceSession(str(model)), given(model)
    tokens = [found.ids or [-1] for found in Tokenizer.from_str(how["tokenizer"]).encode_batch(TEXTS)]
    padded = np.full((len(tokens), max(map(len, tokens))), 7)
    for row, of in zip(padded, tokens, strict=True):
        row[: len(of)] = of
    lengths = np.array([*map(len, tokens)])
    found = session.run(["y_probabilities"], {"text_tokens": padded, "text_tokens_length": lengths})[0]
    np.testing.assert_allclose(found, dlc.load(model).predict({"text": TEXTS})["y_probabilities"], atol=1e-6)


def test_words_and_subwords_of_one_text(tmp_path: Path) -> None:
    """The artifact takes the text, and its tokens by each tokenizer under a name of its own."""
    vectors = ("words", "subwords, size=260", "subwords, size=280, max_length=2")
    flows = [f"x{i} = text -> tokenize({by}) -> embedding(4) -> mean(axis=0)" for i, by in enumerate(vectors)]
    lines = ["input text: string", "output y: class(2)", *flows, "concat(x0, x1, x2) -> dense(2) -> y"]
    loaded = dlc.load(
        dlc.train(text="\n".join([*lines, "train { epochs = 1 }"]), data=ROWS, out=tmp_path).model
    )
    assert list(loaded.inputs) == ["text", "text_tokens_2", "text_tokens_3"]
    together = loaded.predict({"text": TEXTS})["y_probabilities"]
    alone = [loaded.predict({"text": [text]})["y_probabilities"][0] for text in TEXTS]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    framed = loaded.predict(pd.DataFrame({"text": TEXTS}))
    assert np.array_equal(framed[["y_probabilities.0", "y_probabilities.1"]], together)


def test_long_texts_are_cut(tmp_path: Path) -> None:
    read = "position_embedding(3) -> mean(axis=0)"
    loaded = dlc.load(made(tmp_path, "subwords, size=280, max_length=3", read))
    long, short = loaded.predict({"text": ["sings sings sings the bird", "sings sings sings"]})[
        "y_probabilities"
    ]
    assert np.array_equal(long, short)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    models = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        models.append(made(folder, "subwords, size=300").read_bytes())
    assert models[0] == models[1]


# --- a tokenizer of a file --------------------------------------------------------------------------------


def saved(path: Path) -> Tokenizer:
    """A tokenizer of words that puts special tokens around each text, pads and truncates."""
    words = {word: number for number, word in enumerate(["[PAD]", "[CLS]", "[UNK]", "the", "bird", "sings"])}
    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(["[SEP]"])
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 1), ("[SEP]", 6)])
    made.enable_padding(length=12)
    made.enable_truncation(5)
    made.save(str(path))
    return made


def test_a_given_tokenizer_is_applied_as_its_file_says(tmp_path: Path) -> None:
    tokenizer = saved(tmp_path / "tokenizer.json")
    program = dlc.compile(text=SPEC.format(by="subwords", read=MEAN))
    assert str(program.compiled.graph.weights[0].value.type.shape[0]) == "tokenize.classes"
    model = made(tmp_path, '"tokenizer.json"')
    known = dlc.compile(tmp_path / "spec.dl").compiled.graph.weights[0]
    assert known.value.type.shape == (7, 4)  # before any row is read
    (tmp_path / "tokenizer.json").unlink()
    loaded = dlc.load(model)
    tokenizer.no_padding()
    tokens = [tokenizer.encode(text).ids for text in TEXTS]
    assert tokens[2] == [1, 6] and max(map(len, tokens)) == 5
    by_tokens = loaded.predict({"text_tokens": tokens})["y_probabilities"]
    assert np.array_equal(loaded.predict({"text": TEXTS})["y_probabilities"], by_tokens)
    dlc_("export", model.parent, "-o", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == model.read_bytes()


BPE = {"type": "BPE", "vocab": {"a": 0}, "merges": []}
BAD_FILES = {
    "not JSON": "a tokenizer",
    "deep": "[" * 200_000,
    "a list": "[]",
    "a number": "3",
    "no tokens": '{"model": {"vocab": {}}}',
    "odd tokens": '{"model": {"vocab": {"a": "b"}}}',
    "negative": '{"model": {"vocab": {"a": -1}}}',
    "huge": '{"model": {"vocab": {"a": 10000000000}}}',
    "a truth": '{"model": {"vocab": {"a": true}}}',
    "odd additions": '{"model": {"vocab": {"a": 1}}, "added_tokens": [3]}',
    "bytes": b"\xff\xfe",
    "empty": "",
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_is_no_tokenizer_is_an_error_at_check(kind: str, tmp_path: Path) -> None:
    content = BAD_FILES[kind]
    (tmp_path / "t.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "spec.dl").write_text(SPEC.format(by='"t.json"', read=MEAN))
    printed = dlc_("check", tmp_path / "spec.dl", code=1)
    assert (
        "error[E0808]" in printed and "t.json is not a tokenizer: " in printed and "Traceback" not in printed
    )


@pytest.mark.parametrize("model", [{"vocab": {"a": 0}}, {**BPE, "merges": ["x y"]}, {**BPE, "type": "None"}])
def test_a_tokenizer_that_the_package_refuses_is_an_error(model: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"model": model}))
    with pytest.raises(dlc.CompileError, match="`tokenizers` cannot read texts by this tokenizer") as caught:
        made(tmp_path, '"t.json"')
    assert [d.code for d in caught.value.diagnostics] == ["E0808"]


@pytest.mark.parametrize(("path", "code"), [("none.json", "E0808"), ("t.txt", "E0403"), ("../", "E0403")])
def test_a_path_without_a_tokenizer_is_an_error(path: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "spec.dl").write_text(SPEC.format(by=f'"{path}"', read=MEAN))
    assert f"error[{code}]" in dlc_("check", tmp_path / "spec.dl", code=1)


def test_a_file_of_any_size_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlc.compiler.tokenizer_files.MAX_BYTES", 100)
    saved(tmp_path / "t.json")
    (tmp_path / "spec.dl").write_text(SPEC.format(by='"t.json"', read=MEAN))
    assert "t.json is larger than 100 bytes" in dlc_("check", tmp_path / "spec.dl", code=1)


def test_the_package_is_needed_only_where_it_is_used(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text("text,y\nthe bird,0\na bird,1\n")
    more = 'data { source = csv("rows.csv") }'
    (tmp_path / "spec.dl").write_text(SPEC.format(by="subwords", read=MEAN) + more)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert "no errors" in dlc_("check", tmp_path / "spec.dl")
    for command in (("train", tmp_path / "spec.dl"), ("predict", model, tmp_path / "rows.csv")):
        printed = dlc_(*command, code=1)
        assert 'pip install "dlc[text]"' in printed and "Traceback" not in printed
    with pytest.raises(ModuleNotFoundError, match="dlc\\[text\\]"):
        dlc.load(model).predict({"text": ["a"]})


# --- artifacts of strangers -------------------------------------------------------------------------------


def changed(model: Path, folder: Path, tokenizers: Any) -> Path:
    """The artifact with other tokenizers in its metadata."""
    proto = onnx.load(model)
    entry = next(entry for entry in proto.metadata_props if entry.key == "dlc.tokenizers")
    entry.value = json.dumps(tokenizers)
    next(entry for entry in proto.metadata_props if entry.key == "dlc.digest").value = "0" * 64
    path = folder / "changed.onnx"
    path.write_bytes(proto.SerializeToString(deterministic=True))
    seal(path)
    return path


SOUND = {"text": "text", "tokenizer": "{}", "max_length": None}
BAD_TOKENIZERS = {
    "no table": [],
    "another input": {"x": SOUND},
    "no text": {"text_tokens": {**SOUND, "text": 3}},
    "no name": {"text_tokens": {**SOUND, "text": "a b"}},
    "no tokenizer": {"text_tokens": {**SOUND, "tokenizer": {}}},
    "no length": {"text_tokens": {**SOUND, "max_length": 0}},
    "a truth": {"text_tokens": {**SOUND, "max_length": True}},
    "more": {"text_tokens": {**SOUND, "more": 1}},
}


@pytest.mark.parametrize("kind", BAD_TOKENIZERS)
def test_metadata_that_dlc_does_not_write_is_refused(kind: str, model: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"`dlc\.tokenizers` is not as dlc writes it"):
        dlc.load(changed(model, tmp_path, BAD_TOKENIZERS[kind]))


@pytest.mark.parametrize("tokenizer", ["{}", "[", "\x00", json.dumps({"model": {**BPE, "merges": ["x y"]}})])
def test_a_tokenizer_that_cannot_be_read_is_an_error(tokenizer: str, model: Path, tmp_path: Path) -> None:
    loaded = dlc.load(changed(model, tmp_path, {"text_tokens": {**SOUND, "tokenizer": tokenizer}}))
    with pytest.raises(ArtifactError, match="its tokenizer is not valid"):
        loaded.predict({"text": ["a"]})


def test_tokens_that_the_model_does_not_know_are_unknown(model: Path, tmp_path: Path) -> None:
    other = json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 999, "?": 1000}, "unk_token": "?"}})
    loaded = dlc.load(changed(model, tmp_path, {"text_tokens": {**SOUND, "tokenizer": other}}))
    empty = dlc.load(model).predict({"text": [""]})["y_probabilities"]
    assert np.array_equal(loaded.predict({"text": ["a"]})["y_probabilities"], empty)
