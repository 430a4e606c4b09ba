"""Metrics of texts, compared with torchmetrics and with sacrebleu on texts that the tests join themselves."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from sacrebleu import corpus_bleu, corpus_chrf
from torchmetrics.text import WordErrorRate

import dlc
from dlc.cli import commands
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.dims.dim import free
from dlc.compiler.types import Classes, Tensor
from dlc.runtime.artifact import evaluate
from dlc.runtime.errors import ArtifactError
from dlc.runtime.training.meter import Meter, OutputMetric

RNG = np.random.default_rng(0)
METRICS = family("metric")
LETTERS = ("a", "b", "c", "d", " ", ".")
WORDS = ("the", "cat", "sat", "on", "a", "mat,", "dog", "<unk>", "don't", ".")
NAMES = ("word_error_rate", "bleu", "chrf")


def reference(name: str, answers: list[str], targets: list[str], **settings: str) -> float:
    if name == "word_error_rate":
        return WordErrorRate()(answers, targets).item()
    if name == "bleu":
        return corpus_bleu(answers, [targets], **settings).score
    return corpus_chrf(answers, [targets]).score


def output(names: tuple[str, ...], *shape: object, **more: object) -> Tensor:
    return Tensor("class", shape or (12,), Classes(len(names), names), **more)  # type: ignore[arg-type]


def measured(name: str, type: Tensor, answers: np.ndarray, targets: np.ndarray, lengths=None, batch=7,
             unit: str = "", **settings) -> float:  # fmt: skip
    """The metric of rows in batches."""
    metric = METRICS[name](**settings)
    meter = Meter([OutputMetric(name, "y", type, "y", metric, unit)])
    for start in range(0, len(targets), batch):
        part = slice(start, start + batch)
        given = {"y": targets[part]} | ({} if lengths is None else {"y_length": lengths[part]})
        meter.add({"y": answers[part], "y_probabilities": None}, given)
    return meter.figures()[name]


def similar(count: int, rows: int = 40, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and answers that differ from them in some entries."""
    targets = RNG.integers(0, count, (rows, width))
    return np.where(RNG.random(targets.shape) < 0.2, RNG.integers(0, count, targets.shape), targets), targets


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("names", "between"), [(LETTERS, ""), (WORDS, " ")], ids=["letters", "words"])
def test_figures_are_those_of_all_texts_together(name, names, between):
    """However the rows are batched; the mean of the scores of batches differs."""
    answers, targets = similar(len(names))
    texts = [[between.join(names[k] for k in row) for row in rows] for rows in (answers, targets)]
    wanted = reference(name, *texts)
    found = [measured(name, output(names), answers, targets, batch=n) for n in (1, 7, 40)]
    assert found == pytest.approx([wanted] * 3)
    parts = [measured(name, output(names), answers[i : i + 7], targets[i : i + 7]) for i in range(0, 40, 7)]
    assert np.mean(parts) != pytest.approx(wanted)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("names", [LETTERS, WORDS], ids=["letters", "words"])
def test_padding_and_ignored_entries_are_no_part_of_a_text(name, names):
    """In the padding, answers are wrong and targets repeat the last step. Some rows are empty."""
    answers, targets = similar(len(names))
    lengths, ignored = RNG.integers(0, 13, 40), RNG.random(targets.shape) < 0.2
    inside = (np.arange(12) < lengths[:, None]) & ~ignored
    between = " " if names is WORDS else ""
    texts = [[between.join(names[k] for k, kept in zip(row, mask, strict=True) if kept)
              for row, mask in zip(rows, inside, strict=True)] for rows in (answers, targets)]  # fmt: skip
    assert not all(texts[1])
    type = output(names, free("T"), ignore=("?",))
    found = measured(name, type, answers, np.where(ignored, -1, targets), lengths)
    assert found == pytest.approx(reference(name, *texts))


@pytest.mark.parametrize("name", NAMES)
def test_decoded_texts_have_lengths_of_their_own(name):
    """Answers of an artifact have names, and `""` behind their end. Answers to empty targets count."""
    answers, targets = similar(len(WORDS))
    ends, wanted_ends = RNG.integers(0, 13, 40), RNG.integers(0, 13, 40)
    ends[:2], wanted_ends[:2] = (5, 0), (0, 5)
    texts = [[" ".join(WORDS[k] for k in row[:end]) for row, end in zip(rows, each, strict=True)]
             for rows, each in ((answers, ends), (targets, wanted_ends))]  # fmt: skip
    decoded = np.where(np.arange(12) < ends[:, None], np.array(WORDS, object)[answers], "")
    type = output(WORDS, free("T"), blank=True)
    found = measured(name, type, decoded, targets, wanted_ends)
    assert found == pytest.approx(reference(name, *texts))


@pytest.mark.parametrize(("classes", "unit", "target", "answer", "rate"), [
    (Classes(3, ("a", "b", " ")), "", "ab b", "ab a", 1 / 2),  # one word of two
    (Classes(3, ("a", "b", "\n")), "", "ab\nb", "ab\nb", 0),
    (Classes(3, ("a", "b", "\n")), "", "ab\nb", "abbb", 2 / 2),  # white space separates words
    (Classes(3, ("a", "b", "c")), "", "abcb", "abca", 1),  # a single word
    (Classes(3, ("a", "b", "c")), "word", "abcb", "abca", 1 / 4),
    (Classes(10), "", "0123", "0124", 1),
    (Classes(11), "", "0123", "0124", 1 / 4),
    (Classes(3, (7, 8, 9)), "", "7898", "7897", 1),
    (Classes(3, (7, 8, 10)), "", "7787", "7788", 1 / 4),
    (Classes(3, ("a", "b", "cd")), "", "abab", "abaa", 1 / 4),
    (Classes(3, ("a", "b", "cd")), "character", "abab", "abaa", 1),
], ids=str)  # fmt: skip
def test_names_are_joined_as_they_were_cut_else_as_characters_if_all_are(classes, unit, target, answer, rate):
    numbers = {name: k for k, name in enumerate(classes.texts)}
    rows = [np.array([[numbers[letter] for letter in text]]) for text in (answer, target)]
    if classes.labels and classes.names is None:
        rows[0] = np.array(classes.labels)[rows[0]]  # as the artifact answers them
    type = Tensor("class", (4,), classes)
    assert measured("word_error_rate", type, *rows, unit=unit) == rate


@pytest.mark.parametrize("tokenize", [None, "13a", "intl", "zh", "char"])
def test_bleu_splits_texts_by_the_given_rules(tokenize):
    answers, targets = similar(len(WORDS))
    texts = [[" ".join(WORDS[k] for k in row) for row in rows] for rows in (answers, targets)]
    found = measured("bleu", output(WORDS), answers, targets, tokenize=tokenize)
    assert found == pytest.approx(reference("bleu", *texts, tokenize=tokenize or "none"))
    by_words = reference("bleu", *texts, tokenize="none")
    assert (found == pytest.approx(by_words)) is (tokenize is None)


def test_figures_without_rows_or_without_words():
    none, empty = np.zeros((0, 12), int), np.full((5, 12), -1)
    words, decoded = output(WORDS), output(WORDS, free("T"), blank=True)
    assert all(np.isnan(measured(name, words, none, none)) for name in NAMES)
    for answers in (empty, np.zeros((5, 12), int)):
        assert np.isnan(measured("word_error_rate", decoded, answers, empty))
        assert measured("bleu", decoded, answers, empty) == measured("chrf", decoded, answers, empty) == 0
    letters = output(LETTERS)
    spaces = np.full((5, 12), LETTERS.index(" "))
    assert np.isnan(measured("word_error_rate", letters, spaces, spaces))


def test_a_text_of_ignored_symbols_does_not_count():
    answers, targets = np.array([[0, 1, 2, 3], [4, 5, 6, 7]]), np.array([[0, 1, 2, 3], [-1, -1, -1, -1]])
    decoded = output(WORDS, free("T"), blank=True)
    ignoring = replace(decoded, ignore=("?",))
    assert measured("word_error_rate", decoded, answers, targets) == 4 / 4
    assert measured("word_error_rate", ignoring, answers, targets) == 0
    assert measured("bleu", ignoring, answers, targets) == pytest.approx(100)
    assert measured("chrf", ignoring, answers, targets) == pytest.approx(100)


# --- a spec -----------------------------------------------------------------------------------------------

SPEC = """# Each word in capital letters; in some rows in another place.
input  small: class(auto)[T]
output large: class(auto)[T]

small -> embedding(16) -> dense(large.classes) -> large

data {
  source = csv("words.csv")
UNITS
  validation = 40
  test = 40
}
train {
  metrics = [accuracy, word_error_rate, bleu, chrf]
  optimizer = adam(lr=0.02)
  epochs = 2
  EARLY
}
expect {
  test.bleu >= 10
  test.word_error_rate < 0.7
}
"""
BY_WORD = '  small = column("small", unit=word)\n  large = column("large", unit=word)'


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with rows, in some of which the target has its words in another order."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    rows = [rng.choice(WORDS, rng.integers(1, 10)) for _ in range(160)]
    targets = [rng.permuted(row) if rng.random() < 0.3 else row for row in rows]
    texts = ((" ".join(row), " ".join(target).upper()) for row, target in zip(rows, targets, strict=True))
    (tmp_path / "words.csv").write_text("small,large\n" + "".join(f'"{a}","{b}"\n' for a, b in texts))
    return tmp_path


def written(desk, units: str = BY_WORD, early: str = "") -> str:
    (desk / "large.dl").write_text(SPEC.replace("UNITS", units).replace("EARLY", early))
    return "large.dl"


@pytest.mark.parametrize("units", [BY_WORD, ""], ids=["words", "letters"])
def test_figures_of_a_spec_are_those_of_the_texts_that_its_artifact_answers(units, desk):
    trained = dlc.train(written(desk, units))
    (desk / "words.csv").rename("rows.csv")
    artifact = dlc.load(trained.model)
    found = evaluate.evaluate(artifact, desk / "rows.csv")
    small, large = zip(*(line.strip('"').split('","') for line in
                         (desk / "rows.csv").read_text().splitlines()[1:]), strict=True)  # fmt: skip
    answers = list(artifact.predict({"small": [*small]})["large"])
    assert answers != list(large)
    for name in NAMES:
        assert found.figures[name] == pytest.approx(reference(name, answers, list(large)))
    parts = trained.figures
    for name in ("bleu", "chrf"):
        each = [parts[part][name] for part in ("train", "validation", "test")]
        assert min(each) < found.figures[name] < max(each)


def test_expectations_compare_the_figures(desk):
    done = CliRunner().invoke(commands, ["test", written(desk)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(commands, ["test", "large.dl", "--set", "train.optimizer=sgd(lr=1e-5)"])
    assert done.exit_code == 1
    assert "test.bleu >= 10" in done.output


def test_words_of_one_letter_are_words_where_texts_were_cut_into_words(desk):
    lines = [" ".join(RNG.choice([*"abc"], RNG.integers(1, 10))) for _ in range(60)]
    (desk / "words.csv").write_text("small,large\n" + "".join(f"{line},{line}\n" for line in lines))
    text = written(desk).replace("large.dl", "all.dl")
    (desk / text).write_text((desk / "large.dl").read_text().replace("= 40", "= 0").split("expect")[0])
    trained = dlc.train(text, params={"train.epochs": 1, "train.optimizer": "adam(lr=0.002)"})
    artifact = dlc.load(trained.model)
    answers = list(artifact.predict({"small": lines})["large"])
    assert answers != lines
    wanted = {name: reference(name, answers, lines) for name in NAMES}
    assert 0 < wanted["word_error_rate"] < 1
    for found in (trained.figures["train"], evaluate.evaluate(artifact, desk / "words.csv").figures):
        assert {name: found[name] for name in NAMES} == pytest.approx(wanted)


@pytest.mark.parametrize(("name", "best"), [("word_error_rate", min), ("bleu", max), ("chrf", max)])
def test_early_stopping_keeps_the_best_epoch(name, best, desk):
    early = f"early_stop = patience(9, on=validation.{name})"
    text = written(desk, early=early)
    # steps so large that figures go up and down
    trained = dlc.train(text, params={"train.epochs": 6, "train.optimizer": "sgd(lr=60)"}).trained
    figures = [epoch.validation[name] for epoch in trained.history]
    assert len({*figures}) > 1
    assert figures[trained.kept - 1] == best(figures)


def test_a_missing_package_is_an_error_before_data_is_read(desk, monkeypatch):
    model = dlc.train(written(desk)).model
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ArtifactError, match=r'`bleu` .* sacrebleu, .* not installed: pip install "dlc.text.'):
        evaluate.evaluate(dlc.load(model), desk / "words.csv")
    assert len(dlc.load(model).predict({"small": ["the cat"]})["large"]) == 1
    (desk / "words.csv").unlink()
    dlc.compile("large.dl")
    with pytest.raises(CompileError) as caught:
        dlc.train("large.dl")
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.line, problem.help) == ("E0816", 15, 'pip install "dlc[text]"')


def test_a_package_that_cannot_be_imported_is_an_error_with_its_reason(desk, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", ModuleType("sacrebleu"))
    with pytest.raises(CompileError) as caught:
        dlc.train(written(desk))
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0816"
    assert "sacrebleu, which cannot be imported: cannot import name 'BLEU'" in problem.message


def test_without_its_metrics_the_package_is_not_needed(desk, monkeypatch):
    written(desk)
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    text = (desk / "large.dl").read_text().replace(", bleu, chrf", "").replace("  test.bleu >= 10\n", "")
    (desk / "large.dl").write_text(text)
    assert 0 <= dlc.train("large.dl").figures["test"]["word_error_rate"] < 0.7


def test_one_class_a_row_is_no_text():
    text = "input x: float[4]\noutput y: class(3)\nx -> dense(3) -> y\ntrain { metrics = [bleu] }\n"
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", text))
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0604"
    assert "`bleu` is for outputs of type class with one axis" in problem.message
