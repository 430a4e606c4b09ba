"""Text in, from a spec to an artifact: `vocabulary` and `tokenize(words)`, learnt from the training rows."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

import dlc
from dlc.cli import commands
from dlc.compiler.vocabularies import WHITE_SPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HEAD = "input text: string\noutput y: class(2)\n"
WORDS = (
    HEAD
    + """t = text -> tokenize({settings})
t -> embedding(4) -> mean(axis=0) -> dense(2) -> y
train {{ epochs = 1 }}
export {{ outputs = [y, t] }}
"""
)
TEXTS = ["Red fish", "red FISH blue", "Été blue été", "", "fish\tnew\nline", "ΣΑΣ straße iPhone", "red"]
# Spellings and white space that libraries treat differently.
HARD = [
    "RED\u3000fISH", "straße STRASSE Straße", "\u03c3\u03b1\u03c2 ΣΑΣ Σας", "İ i̇", "e\u0301te\u0301 ÉTÉ",
    "IPHONE iPhone iphone", "\u00a0red\u2003fish\u0085", "\x1cred\x1f", "\ufeffred", "red\u200bfish",
    "ﬁsh ﬀ", "ǅ ǆ Ǆ",
]  # fmt: skip


def rows(texts: Sequence[str]) -> dict[str, Any]:
    return {"text": np.array(texts, object), "y": np.arange(len(texts)) % 2}


def trained(spec: str, folder: Path, data: Mapping[str, Any]) -> Path:
    return dlc.train(text=spec, data=dict(data), out=folder).model


@cache
def session_of(model: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(model))


def onnxruntime_of(model: Path, **texts: Sequence[Any]) -> dict[str, np.ndarray]:
    """What plain ONNX Runtime answers."""
    session = session_of(model)
    names = [output.name for output in session.get_outputs()]
    given = {name: np.array(list(of), object) for name, of in texts.items()}
    return dict(zip(names, session.run(names, given), strict=True))


@cache
def spaces_of_unicode() -> str:
    """White space by the properties of Unicode."""
    every = map(chr, range(0x110000))
    return "".join(c for c in every if unicodedata.category(c) == "Zs" or unicodedata.bidirectional(c) in
                   ("B", "S", "WS"))  # fmt: skip


def words_of(text: str) -> list[str]:
    return [word for word in re.split(f"[{re.escape(spaces_of_unicode())}]", text) if word]


def numbered(texts: Iterable[str]) -> dict[str, int]:
    """The class of each known spelling, as the page of text describes it."""
    seen = Counter(word for text in texts for word in words_of(text))
    total = Counter[str]()
    for word, count in seen.items():
        total[word.lower()] += count
    number = {word: place for place, (_, word) in enumerate(sorted((-c, w) for w, c in total.items()), 1)}
    known = {spelling: spelling.lower() for spelling in seen}
    for word in number:
        known |= {
            made: word for made in (word, word.upper(), word[:1].upper() + word[1:]) if made.lower() == word
        }
    return {spelling: number[word] for spelling, word in known.items()}


def expected(texts: Sequence[str], known: Mapping[str, int], most: int | None = None) -> list[list[int]]:
    found = [[known.get(word, 0) for word in words_of(text)][:most] or [-1] for text in texts]
    longest = max(map(len, found))
    return [row + [-1] * (longest - len(row)) for row in found]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(WORDS.format(settings="words"), tmp_path_factory.mktemp("words"), rows(TEXTS))


# --- words ------------------------------------------------------------------------------------------------


def test_white_space_is_that_of_unicode() -> None:
    assert {*WHITE_SPACE} == {*spaces_of_unicode()} and len(WHITE_SPACE) == 29


def test_tokens_are_those_of_plain_python(model: Path) -> None:
    known = numbered(TEXTS)
    assert known["red"] == known["RED"] == known["Red"] and known["iPhone"] == known["IPHONE"]
    assert "fISH" not in known
    for texts in (TEXTS, HARD, ["", " \n"], ["red"], TEXTS + HARD):
        assert onnxruntime_of(model, text=texts)["t"].tolist() == expected(texts, known)


def test_lines_of_any_length_are_cut_in_order(model: Path) -> None:
    """Words beyond the 32nd of a line are cut in another table."""
    rng = np.random.default_rng(0)
    lines = [
        " ".join(rng.choice(["red", "fish", "blue", "x", ""], n)) for n in (1, 31, 32, 33, 34, 64, 100, 300)
    ]
    texts = [*lines, "\n".join(lines), "\n\n".join(lines[::-1]), " ".join(lines)]
    assert onnxruntime_of(model, text=texts)["t"].tolist() == expected(texts, numbered(TEXTS))
    for text in texts:
        assert onnxruntime_of(model, text=[text])["t"].tolist() == expected([text], numbered(TEXTS))


def test_a_long_line_does_not_widen_the_table_of_all_lines(model: Path) -> None:
    """A table of 4000 lines with 20000 words each would take more than 2 GB."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers = onnxruntime_of(model, text=["red " * 20_000, "\n".join(["red fish"] * 4000)])
    assert answers["t"].shape == (2, 20_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


@settings(max_examples=50)
@given(st.lists(st.text(st.sampled_from("redRED éÉ\n\u3000ßSs.")) | st.text(), min_size=1, max_size=5))
def test_onnx_runtime_torch_and_dlc_agree_on_any_text(model: Path, texts: list[str]) -> None:
    found = onnxruntime_of(model, text=texts)
    assert found["t"].tolist() == expected(texts, numbered(TEXTS))
    assert np.array_equal(dlc.load(model).predict({"text": texts})["t"], found["t"])


def test_onnx_reference_agrees(model: Path) -> None:
    texts = np.array(TEXTS + HARD, object)
    names = ["y_probabilities", "t"]
    probabilities, tokens = ReferenceEvaluator(onnx.load(model)).run(names, {"text": texts})
    found = onnxruntime_of(model, text=texts.tolist())
    assert np.array_equal(tokens, found["t"])
    np.testing.assert_allclose(probabilities, found["y_probabilities"], atol=1e-6)


def test_a_text_is_answered_in_a_batch_as_alone(model: Path) -> None:
    together = onnxruntime_of(model, text=TEXTS)["y_probabilities"]
    for text, probabilities in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(
            onnxruntime_of(model, text=[text])["y_probabilities"][0], probabilities, atol=1e-6
        )
    assert onnxruntime_of(model, text=[])["y_probabilities"].shape == (0, 2)


def test_a_text_shorter_than_a_kernel_has_an_answer(tmp_path: Path) -> None:
    """Training has no such texts; the artifact may get some, or none at all."""
    spec = (
        HEAD
        + """x = text -> tokenize(words) -> embedding(4) -> transpose
x -> conv(4, 3) -> max(axis=1) -> dense(2) -> y
train { epochs = 1 }"""
    )
    model = trained(spec, tmp_path, rows(["one two three", "one two three four"] * 2))
    long = "one two three four"
    alone = [onnxruntime_of(model, text=[text])["y_probabilities"][0] for text in (long, "one", "")]
    together = onnxruntime_of(model, text=[long, "one", ""])["y_probabilities"]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    with pytest.raises(dlc.CompileError, match="`text_tokens` is 1 there, and `conv` needs more"):
        trained(spec, tmp_path, rows(["one", "one two three"]))


def test_the_torch_module_takes_text(tmp_path: Path) -> None:
    program = dlc.compile(text=WORDS.format(settings="words")).fit(rows(TEXTS))
    result = dlc.train(text=WORDS.format(settings="words"), data=rows(TEXTS), out=tmp_path)
    module = pickle.loads(pickle.dumps(program)).torch(weights=result.weights)
    with torch.no_grad():
        made = module({"text": TEXTS + HARD})
    found = onnxruntime_of(result.model, text=TEXTS + HARD)
    assert np.array_equal(made["t"].numpy(), found["t"])
    np.testing.assert_allclose(made["y_probabilities"].numpy(), found["y_probabilities"], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "text", "tokens"),
    [
        ("words, lowercase=false", "red Red RED fish", [2, 3, 0, 1]),
        ("words, max_length=2", "red fish blue", [1, 2]),
        ("words, max=1", "red fish", [1, 0]),
        ("words, min_count=3", "Red fish blue", [1, 2, 0]),
        ("words, min_count=100", "red fish", [0, 0]),
    ],
)
def test_settings_of_words(settings: str, text: str, tokens: list[int], tmp_path: Path) -> None:
    texts = ["red red red", "Red Red", "fish fish fish", "blue blue"]
    model = trained(WORDS.format(settings=settings), tmp_path, rows(texts))
    assert onnxruntime_of(model, text=[text])["t"].tolist() == [tokens]


def test_words_are_learnt_from_training_rows_alone(tmp_path: Path) -> None:
    """The test rows have a word that no training row has: it is unknown."""
    spec = WORDS.format(settings="words") + "data { test = 0.5\n split = ordered }\n"
    model = trained(spec, tmp_path, rows(["a b", "b c", "d a", "d"]))
    assert onnxruntime_of(model, text=["a b c d"])["t"].tolist() == [[2, 1, 3, 0]]


def test_unknown_words_are_trained_where_rare_ones_are_unknown(tmp_path: Path) -> None:
    texts = ["good once", "bad twice", "good thrice", "bad never"] * 4
    spec = (
        HEAD
        + """text -> tokenize(words, min_count=5) -> embedding(4, init=zeros) -> mean(axis=0) -> dense(2) -> y
train { epochs = 3 }"""
    )
    weight = dlc.train(text=spec, data=rows(texts), out=tmp_path).weights["embedding.weight"]
    assert weight.shape == (3, 4) and np.abs(weight[0]).max() > 0


def test_the_order_of_words_can_be_learnt(tmp_path: Path) -> None:
    """The same words in another order are another class: a recurrent layer reads them in order."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(["dog", "bites", "man"])) for _ in range(120)]
    data = {"text": texts, "y": [int(text.index("dog") < text.index("man")) for text in texts]}
    spec = (
        HEAD
        + """text -> tokenize(words) -> embedding(8) -> gru(12, final=true) -> dense(2) -> y
data { test = 0.25 }
train { epochs = 25\n batch = 16\n optimizer = adam(lr=0.02) }"""
    )
    result = dlc.train(text=spec, data=data, out=tmp_path)
    assert result.figures["test"]["accuracy"] == 1
    assert dlc.load(result.model).predict({"text": ["dog bites man", "Man bites DOG"]})["y"].tolist() == [
        1,
        0,
    ]


# --- whole texts ------------------------------------------------------------------------------------------

KIND = """input kind: {type}
output y: class(2)
c = kind -> vocabulary{settings}
c -> embedding(3) -> {reduce}dense(2) -> y
train {{ epochs = 1 }}
export {{ outputs = [y, c] }}
"""


def vocabulary(folder: Path, kinds: Any, settings: str = "", type: str = "string", reduce: str = "") -> Path:
    spec = KIND.format(settings=settings, type=type, reduce=reduce)
    return trained(spec, folder, {"kind": np.array(kinds, object), "y": np.arange(len(kinds)) % 2})


def test_the_most_frequent_text_comes_first(tmp_path: Path) -> None:
    model = vocabulary(tmp_path, ["New York", "Rome", "Oslo", "Rome", "New York", "Rome", "", "Bonn"])
    asked = ["Rome", "New York", "Bonn", "Oslo", "rome", " Rome", ""]
    assert onnxruntime_of(model, kind=asked)["c"].tolist() == [1, 2, 3, 4, 0, 0, -1]


def test_rare_texts_are_unknown(tmp_path: Path) -> None:
    kinds = ["a", "a", "a", "b", "b", "c"]
    for given_, known in {"(max=1)": [1, 0, 0], "(min_count=2)": [1, 2, 0], "(2, 3)": [1, 0, 0]}.items():
        model = vocabulary(tmp_path / given_, kinds, given_)
        assert onnxruntime_of(model, kind=["a", "b", "c"])["c"].tolist() == known


def test_texts_of_a_row_share_a_vocabulary(tmp_path: Path) -> None:
    kinds = [["a", "b"], ["b", "c"], ["b", ""], ["a", "c"]]
    model = vocabulary(tmp_path, kinds, type="string[2]", reduce="flatten -> ")
    assert onnxruntime_of(model, kind=[["c", "a"], ["b", "x"]])["c"].tolist() == [[3, 2], [1, 0]]


def test_a_missing_text_is_imputed(tmp_path: Path) -> None:
    spec = KIND.format(type="string", settings=" -> impute(own)", reduce="")
    data = {"kind": np.array(["a", "b", "", "a"], object), "y": np.arange(4) % 2}
    assert onnxruntime_of(trained(spec, tmp_path, data), kind=["", "b", "z"])["c"].tolist() == [3, 2, 0]


# --- nets, runs and commands ------------------------------------------------------------------------------

TWO = """input a, b: string
output y: class(2)
{net} f(x) {{ return x -> tokenize({by}) -> embedding(3) -> mean(axis=0) }}
concat(f(a), f(b)) -> dense(2) -> y
train {{ epochs = 1 }}
"""


@pytest.mark.parametrize(
    ("net", "names"), [("net", ["f.tokenize"]), ("block", ["f.tokenize", "f_2.tokenize"])]
)
def test_uses_of_a_net_share_a_vocabulary(net: str, names: list[str], tmp_path: Path) -> None:
    data = {"a": ["x y", "z"] * 2, "b": ["u", "x x x"] * 2, "y": [0, 1] * 2}
    result = dlc.train(text=TWO.format(net=net, by="words"), data=data, out=tmp_path)
    counts = json.loads(onnxruntime.InferenceSession(str(result.model)).get_modelmeta()
                        .custom_metadata_map["dlc.vocabularies"])  # fmt: skip
    shared, apart = {"f.tokenize": 5}, {"f.tokenize": 4, "f_2.tokenize": 3}
    assert counts == (shared if net == "net" else apart)


def test_an_average_net_knows_what_its_net_knows(tmp_path: Path) -> None:
    spec = (
        HEAD
        + """output z: class(2) = y
net f(x) { return x -> tokenize(words) -> embedding(3) -> mean(axis=0) -> dense(2) }
net g = average(f, decay=0)
f(text) -> y
g(text) -> z
train { loss = cross_entropy(y)\n epochs = 2 }"""
    )
    found = onnxruntime_of(trained(spec, tmp_path, rows(TEXTS)), text=TEXTS)
    np.testing.assert_allclose(found["y_probabilities"], found["z_probabilities"], atol=1e-6)


def dlc_(*arguments: object) -> str:
    result = CliRunner().invoke(commands, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_run_exports_the_same_bytes_again_and_commands_take_text(tmp_path: Path) -> None:
    lines = "".join(f'"{text}",{i % 2}\n' for i, text in enumerate(TEXTS))
    (tmp_path / "rows.csv").write_text(f"text,y\n{lines}", "utf-8")
    spec = WORDS.format(settings="words") + 'data { source = csv("rows.csv") }\n'
    (tmp_path / "spec.dl").write_text(spec, "utf-8")
    dlc_("train", tmp_path / "spec.dl", "--out", tmp_path / "runs")
    run = tmp_path / "runs/spec/latest"
    dlc_("export", run, "-o", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (run / "model.onnx").read_bytes()
    assert "answers as torch did" in dlc_("verify", run)
    assert "7 rows" in dlc_("eval", run, tmp_path / "rows.csv")
    assert dlc_("predict", run, tmp_path / "rows.csv").startswith("y,y_probabilities.0,y_probabilities.1,t\n")
    assert "class(10)[text_tokens]" in dlc_("show", run / "model.onnx", "--table")
    (of_run, of_model) = (
        [line for line in dlc_("show", shown, "--stage", "onnx").splitlines() if "LabelEncoder(" in line]
        for shown in (run, run / "model.onnx")
    )
    assert of_model == of_run != []


@pytest.mark.parametrize(
    "vocabulary",
    [
        [],
        {"tokenize": []},
        {"tokenize": {"count": 0}},
        {"tokenize": {"count": 2, "spellings": ["a"], "numbers": [2], "tokenizer": ""}},
        {"tokenize": {"count": 2, "spellings": ["a", "a"], "numbers": [1, 1], "tokenizer": ""}},
        {"tokenize": {"count": 2, "spellings": ["\ud800"], "numbers": [1], "tokenizer": ""}},
        {"tokenize": {"count": 2, "spellings": ["a"], "numbers": [True], "tokenizer": ""}},
    ],
)
def test_a_run_with_an_invalid_vocabulary_is_refused(vocabulary: Any, model: Path, tmp_path: Path) -> None:
    run = shutil.copytree(model.parent, tmp_path / "run")
    info = json.loads((run / "spec.json").read_text())
    (run / "spec.json").write_text(json.dumps(info | {"vocabularies": vocabulary}))
    result = CliRunner().invoke(commands, ["export", str(run), "-o", str(tmp_path / "m.onnx")])
    assert result.exit_code == 1
    assert "spec.json is not as dlc writes it" in result.output and "Traceback" not in result.output


def test_a_fine_tuned_net_keeps_its_vocabulary(tmp_path: Path) -> None:
    before = TWO.format(net="net", by="words")
    data = {"a": ["x y", "z"] * 2, "b": ["u", "x x x"] * 2, "y": [0, 1] * 2}
    run = dlc.train(text=before, data=data, out=tmp_path / "runs")
    load = (
        f'train {{\n weights = load("{run.folder.relative_to(tmp_path)}", into=g, from="f")\n freeze = [g]\n'
    )
    after = before.replace("f(", "g(").replace("train {", load)
    (tmp_path / "after.dl").write_text(after, "utf-8")
    tuned = dlc.train(tmp_path / "after.dl", data=data | {"a": ["new", "words"] * 2}, out=tmp_path / "runs")
    assert np.array_equal(tuned.weights["g.embedding.weight"], run.weights["f.embedding.weight"])


@pytest.mark.parametrize(
    "info", ["", "{", '{"vocabularies": 3}', None], ids=["empty", "cut", "other", "none"]
)
def test_embeddings_are_not_loaded_without_their_words(info: str | None, tmp_path: Path) -> None:
    """Words learnt anew would stand at the embeddings of others."""
    text, data = (
        TWO.format(net="net", by="words"),
        {"a": ["x y", "z"] * 2, "b": ["u", "x"] * 2, "y": [0, 1] * 2},
    )
    run = dlc.train(text=text, data=data, out=tmp_path / "runs")
    if info is None:
        (run.folder / "spec.json").unlink()
    else:
        (run.folder / "spec.json").write_text(info)
    load = f'train {{\n weights = load("{run.folder.relative_to(tmp_path)}")\n'
    (tmp_path / "after.dl").write_text(text.replace("train {", load), "utf-8")
    with pytest.raises(dlc.CompileError, match=r"the vocabularies of .* cannot be read"):
        dlc.train(tmp_path / "after.dl", data=data, out=tmp_path / "runs")


def test_subwords_without_their_package_are_an_error_before_data_is_read(monkeypatch: Any) -> None:
    text = TWO.format(net="net", by="subwords")
    monkeypatch.setattr("dlc.runtime.extras.find_spec", lambda name: None)
    with pytest.raises(dlc.CompileError) as caught:
        dlc.train(text=text, data={"a": [3], "b": [4], "y": ["?"]})
    (error,) = caught.value.diagnostics
    assert (error.code, error.help) == ("E0816", 'pip install "dlc[text]"')


def test_a_check_of_text_loads_nothing_heavy(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = f"import sys, dlc; dlc.compile(text={WORDS.format(settings='subwords')!r}); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "onnx", "tokenizers"} & set(run.stdout.split())


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ({"text": ["", ""], "y": [0, 1]}, "E0706", "all texts are missing"),
        ({"text": [1, 2], "y": [0, 1]}, "E0705", "text is wanted"),
    ],
)
def test_rows_without_text_are_an_error(
    data: dict[str, Any], code: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(dlc.CompileError, match=message) as caught:
        dlc.train(text=WORDS.format(settings="words"), data=data, out=tmp_path)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_a_vocabulary_has_to_be_known() -> None:
    with pytest.raises(dlc.CompileError, match="the classes of `tokenize` are not known yet"):
        dlc.compile(text=WORDS.format(settings="words")).torch()


def test_a_vocabulary_of_too_many_words_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlc.compiler.vocabularies.MAX_SPELLINGS", 10)
    with pytest.raises(dlc.CompileError, match="more than 10 different words") as caught:
        dlc.train(text=WORDS.format(settings="words"), data=rows(TEXTS), out=tmp_path)
    assert [d.code for d in caught.value.diagnostics] == ["E0707"]
