"""Figures of decoded answers: what training, `expect` and `dlc eval` measure, and when."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import dlc
from dlc.cli import commands

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SPEC = """# Digits in words.
input  digits: class(auto)[S]
output words: class(auto)[T]

memory = digits -> embedding(16) -> gru(24)
net speak(said, memory) {
  heard = said -> embedding(16) -> gru(24)
  found = heard -> attention(memory, heads=2)
  return (heard, found) -> concat(axis=-1) -> dense(words.classes)
}
speak(shift(words.target), memory) -> words

data {
  source     = csv("train.csv")
  validation = csv("validation.csv")
  test       = csv("test.csv")
  words      = column("words", unit=word)
}
train {
  epochs    = 4
  batch     = 16
  optimizer = adam(lr=0.01)
  clip      = norm(1)
  metrics   = [METRICS]
}
export { decode = DECODER }
"""
ALL = "accuracy, edit_distance, sequence_accuracy, word_error_rate, bleu"


def spec(metrics: str = ALL, decoder: str = "greedy(words, max=12)", **replaced: str) -> str:
    text = SPEC.replace("METRICS", metrics).replace("DECODER", decoder)
    for old, new in replaced.items():
        assert f"  {old} " in text
        text = "\n".join(f"  {new}" if line.startswith(f"  {old} ") else line for line in text.split("\n"))
    return text


def pairs(rows: int, seed: int) -> list[tuple[str, str]]:
    """Numbers of one to six digits, and their digits in words."""
    rng = np.random.default_rng(seed)
    numbers = [str(rng.integers(10 ** rng.integers(1, 7))) for _ in range(rows)]
    return [(number, " ".join(NAMES[int(digit)] for digit in number)) for number in numbers]


def write(folder: Path, name: str, rows: list[tuple[str, str]]) -> Path:
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows([("digits", "words"), *rows])
    return folder / name


def folder_with(folder: Path, text: str, rows: int = 240) -> Path:
    for seed, name in enumerate(("train.csv", "validation.csv", "test.csv")):
        write(folder, name, pairs(rows if seed == 0 else 50, seed))
    (folder / "m.dl").write_text(text)
    return folder


def run(*words: Any, succeeds: bool = True) -> Result:
    done = CliRunner().invoke(commands, list(map(str, words)))
    assert (done.exit_code == 0) == succeeds, done.output
    return done


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def distance(a: list[str], b: list[str]) -> int:
    """The Levenshtein distance, by its definition."""
    if not a or not b:
        return len(a) + len(b)
    table = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i, j] = min(
                table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            )
    return table[len(a), len(b)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_with(tmp_path_factory.mktemp("home"), spec())


@pytest.fixture(scope="module")
def trained(home: Path) -> dlc.Result:
    """A model that has not learnt all, so that its answers have errors."""
    return dlc.train(home / "m.dl", out=home / "runs")


# --- at the end -------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_answers_of_the_artifact(home: Path, trained: dlc.Result) -> None:
    """Compared row by row, in plain Python, with what `dlc.load` answers to each row alone."""
    model, rows = dlc.load(trained.model), pairs(50, 2)
    answers = [model.predict({"digits": [digits]})["words"][0].split() for digits, _ in rows]
    targets = [words.split() for _, words in rows]
    errors = [distance(answer, target) for answer, target in zip(answers, targets, strict=True)]
    found = trained.figures["test"]
    assert found["edit_distance"] == pytest.approx(np.mean(errors))
    assert found["sequence_accuracy"] == pytest.approx(np.mean([e == 0 for e in errors]))
    assert found["word_error_rate"] == pytest.approx(sum(errors) / sum(map(len, targets)))
    assert any(len(answer) != len(target) for answer, target in zip(answers, targets, strict=True))


def test_they_are_not_those_of_answers_after_right_ones(home: Path, trained: dlc.Result) -> None:
    """After an error, the model that is told the right answers goes on better than the one that is not."""
    accuracy, errors = (trained.figures["test"][n] for n in ("accuracy", "word_error_rate"))
    assert 1 - accuracy < 0.8 * errors


def test_eval_finds_the_figures_of_the_training(home: Path, trained: dlc.Result) -> None:
    """Of accuracy, which no artifact that decodes can answer, it says so."""
    for part in ("validation", "test"):
        done = run("eval", trained.model, home / f"{part}.csv", "--format", "json")
        found = json.loads(done.stdout)
        assert found.pop("rows") == 50
        wanted = {n: value for n, value in trained.figures[part].items() if n not in ("loss", "accuracy")}
        assert found == pytest.approx(wanted)
        assert "left out: `accuracy` compares each step after the right ones" in done.stderr
    assert "edit_distance" in run("eval", trained.model, home / "test.csv").stdout


def test_eval_draws_what_training_has_drawn(tmp_path: Path) -> None:
    """Each row by its number, although rows of other lengths run apart. Another seed draws other answers."""
    decoder = "sample(words, max=12, temperature=1.5)"
    folder_with(tmp_path, spec("edit_distance, bleu", decoder, epochs="epochs = 2"), rows=64)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")

    def found(*seed: Any) -> dict[str, float]:
        done = run("eval", result.model, tmp_path / "test.csv", "--format", "json", *seed)
        return {name: value for name, value in json.loads(done.stdout).items() if name != "rows"}

    wanted = {name: value for name, value in result.figures["test"].items() if name != "loss"}
    assert found() == pytest.approx(wanted)
    assert found("--seed", 0) == found()
    assert found("--seed", 1)["edit_distance"] != pytest.approx(wanted["edit_distance"])


def test_the_table_and_the_files_of_a_run_have_them(home: Path, trained: dlc.Result) -> None:
    figures = json.loads((trained.folder / "figures.json").read_text())["figures"]
    assert figures == trained.figures
    assert {*figures["test"]} == {"loss", *ALL.split(", ")}
    assert "edit_distance" not in figures["train"]
    assert all("edit_distance" not in epoch["validation"] for epoch in epochs_of(trained.folder))
    assert all("accuracy" in epoch["validation"] for epoch in epochs_of(trained.folder))


def test_expect_compares_them(tmp_path: Path) -> None:
    """Those of the training rows too, if it asks for them."""
    wrong = "test.edit_distance < 0", "train.sequence_accuracy > 1"
    text = spec(epochs="epochs = 1") + f"expect {{\n{wrong[0]}\n{wrong[1]}\nvalidation.bleu >= 0\n}}\n"
    folder_with(tmp_path, text, rows=32)
    done = run("test", tmp_path / "m.dl", succeeds=False)
    assert all(f"{words}" in done.output for words in wrong)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    assert {"loss", "accuracy", "sequence_accuracy"} == {*result.figures["train"]}


def test_they_are_those_of_the_training_rows_if_there_are_no_others(tmp_path: Path) -> None:
    text = spec("edit_distance", validation="", test="", epochs="epochs = 1")
    folder_with(tmp_path, text, rows=32)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    done = run("eval", result.model, tmp_path / "train.csv", "--format", "json")
    assert result.figures["train"]["edit_distance"] == pytest.approx(json.loads(done.stdout)["edit_distance"])


def test_a_spec_without_metrics_measures_accuracy_and_edit_distance(tmp_path: Path) -> None:
    folder_with(tmp_path, spec("", epochs="epochs = 1").replace("  metrics   = []\n", ""), rows=32)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    assert [*result.figures["test"]] == ["loss", "accuracy", "edit_distance"]


@pytest.mark.parametrize(
    "decoder",
    [
        "beam(words, width=3, max=12)",
        "greedy(words, max=3)",
        "sample(words, max=12, temperature=2, top_k=6)",
    ],
)
@pytest.mark.parametrize("lengths", ["false", "true"])
def test_every_way_of_decoding_is_measured_as_it_answers(tmp_path: Path, decoder: str, lengths: str) -> None:
    text = spec("bleu, edit_distance, accuracy", decoder, epochs="epochs = 2")
    folder_with(tmp_path, text.replace("export {", f"export {{\n  lengths = {lengths}\n "), rows=120)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    done = run("eval", result.model, tmp_path / "test.csv", "--format", "json")
    found = {name: result.figures["test"][name] for name in ("bleu", "edit_distance")}
    assert {"rows": 50, **found} == pytest.approx(json.loads(done.stdout))
    assert [*result.figures["test"]] == ["loss", "bleu", "edit_distance", "accuracy"]


def test_a_text_that_the_artifact_cuts_is_measured_too(tmp_path: Path) -> None:
    text = spec("edit_distance", epochs="epochs = 2")
    text = text.replace("digits: class(auto)[S]", "digits: string")
    text = text.replace("digits -> embedding(16)", "digits -> tokenize(words) -> embedding(16)")
    for seed, name in enumerate(("train.csv", "validation.csv", "test.csv")):
        write(tmp_path, name, [(" ".join(digits), words) for digits, words in pairs(60, seed)])
    (tmp_path / "m.dl").write_text(text)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    done = run("eval", result.model, tmp_path / "test.csv", "--format", "json")
    assert result.figures["test"]["edit_distance"] == pytest.approx(json.loads(done.stdout)["edit_distance"])


# --- after epochs -----------------------------------------------------------------------------------------


def test_what_stops_early_is_measured_after_every_epoch(tmp_path: Path) -> None:
    """And the kept weights are those of the epoch with the best answers."""
    text = spec(epochs="epochs = 6\n  early_stop = patience(5, on=validation.edit_distance)")
    folder_with(tmp_path, text, rows=120)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    epochs = epochs_of(result.folder)
    errors = [epoch["validation"]["edit_distance"] for epoch in epochs]
    assert len(errors) == 6
    assert all({*epoch["validation"]} == {"loss", "accuracy", "edit_distance"} for epoch in epochs)
    assert all("edit_distance" not in epoch["train"] for epoch in epochs)
    best = min(range(6), key=errors.__getitem__)
    assert result.trained is not None
    assert result.trained.kept == best + 1
    assert result.figures["validation"]["edit_distance"] == pytest.approx(errors[best])


def test_until_ends_training_when_the_answers_are_right(tmp_path: Path) -> None:
    text = spec("edit_distance, bleu", epochs="epochs = 40\n  until = train.edit_distance <= 3")
    folder_with(tmp_path, text, rows=120)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    epochs = epochs_of(result.folder)
    errors = [epoch["train"]["edit_distance"] for epoch in epochs]
    assert errors[-1] <= 3 < min(errors[:-1])
    assert all("bleu" not in epoch["train"] for epoch in epochs)
    assert all({*epoch["validation"]} == {"loss"} for epoch in epochs)
    assert result.figures["train"]["edit_distance"] == pytest.approx(errors[-1])


# --- what cannot be measured ------------------------------------------------------------------------------


def test_eval_needs_a_metric_of_whole_answers(tmp_path: Path) -> None:
    folder_with(tmp_path, spec("accuracy, perplexity", epochs="epochs = 1"), rows=32)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    message = run("eval", result.model, tmp_path / "test.csv", succeeds=False).output
    assert "`accuracy`, `perplexity` compare each step after the right ones" in message
    assert "the model answers `words` step by step" in message
    assert "metrics = [edit_distance]" in message


PROMPT = """input  text: class(auto)[T]
output next: class(auto)[T]
text -> embedding(8) -> gru(8) -> dense(next.classes) -> next
data { source = text("some.txt", window=8) }
train {
  clip    = norm(1)
  metrics = [METRICS]
}
export { decode = greedy(next, max=12) }
"""


def test_a_continued_prompt_has_no_target() -> None:
    written, default = PROMPT.replace("METRICS", "perplexity"), PROMPT.replace("  metrics = [METRICS]\n", "")
    for text, name in ((written, "perplexity"), (default, "accuracy")):
        assert [metric.name for _, metric in dlc.compile(text=text).compiled.metrics] == [name]
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=PROMPT.replace("METRICS", "perplexity, edit_distance"))
    (error,) = (d for d in caught.value.diagnostics if d.severity == "error")
    assert error.code == "E0604"
    assert "`edit_distance` compares a decoded answer with its target" in error.message
    assert "perplexity" in error.help


def test_eval_of_a_continued_prompt(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("a word and a word and another word " * 20)
    text = PROMPT.replace("METRICS", "perplexity").replace("train {", "train {\n  epochs = 1")
    (tmp_path / "m.dl").write_text(text)
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    message = run("eval", result.model, tmp_path / "some.txt", succeeds=False).output
    assert "`perplexity` compares each step after the right ones" in message
    assert "train again" not in message
