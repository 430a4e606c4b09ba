"""`dlc report` of runs in all states: done, killed, diverged, torn, of strangers, and several at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pages import ReadPage, dlc, report

import dlc as face
from dlc.runtime.report.blocks import spelled

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """# A spec <script>alert(1)</script> & more
param units = 4
input  x: float[2]
output kind: class(auto)
x -> dense(units) -> relu -> dense(kind.classes) -> kind
data {
  source     = csv("rows.csv")
  x          = columns("a", "b")
  validation = 0.2
  test       = 0.2
}
train {
  epochs  = 3
  metrics = [accuracy, confusion_matrix]
}
"""
BAD = "<img src=x onerror=alert(1)>"


def write_rows(path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(100, 2)).round(4)
    words = [BAD if a + b > 0 else "\u202ereversed\\n$y$" for a, b in x]
    lines = [f'{a},{b},"{word}"' for (a, b), word in zip(x, words, strict=True)]
    path.write_text("a,b,kind\n" + "\n".join(lines) + "\n", "utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, its rows, and the run `runs/f/one`."""
    folder = tmp_path_factory.mktemp("reported")
    write_rows(folder / "rows.csv", 0)
    (folder / "f.dl").write_text(SPEC, "utf-8")
    os.rename(face.train(folder / "f.dl", out=folder / "made", device="cpu").folder, folder / "one")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run, whose spec and rows are where they were."""
    return shutil.copytree(made / "one", tmp_path / "one")


def page_of(run: Path, *options: object) -> ReadPage:
    report(run, *options)
    return ReadPage.at(run / "report.html")


# --- the page ---------------------------------------------------------------------------------------------


def test_a_page_needs_no_network_and_runs_no_script(run: Path) -> None:
    page = page_of(run)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "action", "poster", "srcset"):
                assert re.match(r"data:image/(png|svg\+xml);base64,|#", value or ""), (tag, name, value)
    text = (run / "report.html").read_text("utf-8")
    assert not re.findall(r"@import|url\((?!#)", text)
    assert {*re.findall(r"https?://[^\"'\s<]+", text)} <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_texts_of_specs_and_data_are_shown_as_texts(run: Path) -> None:
    page = page_of(run)
    head, *body = page.tables["Confusion matrix"]
    assert BAD in head
    assert "\ufffdreversed\\n$y$" in head
    assert {row[0] for row in body} == {*head[1:]}
    assert not [attributes for _, attributes in page.tags if attributes.get("src") == "x"]
    assert "A spec <script>alert(1)</script> & more" in page.text


def test_figures_have_texts_in_their_places_and_ids_are_unique(run: Path) -> None:
    page = page_of(run)
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    drawn = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) == 1 and len(drawn) >= 5
    assert all(attributes.get("alt") for attributes in pictures)
    assert all(attributes.get("aria-label") and attributes.get("role") == "img" for attributes in drawn)
    loss = next(a["aria-label"] for a in drawn if (a["aria-label"] or "").startswith("loss"))
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    begin, end = (records[n]["train"]["loss"] for n in (0, -1))
    assert f"train {begin:.4f} in epoch 1, {end:.4f} in epoch 3" in (loss or "")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len({*ids})


def test_a_page_is_the_same_again_whatever_matplotlib_is_set_to(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(run)
    first = (run / "report.html").read_bytes()
    import matplotlib

    monkeypatch.chdir(tmp_path)
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "red"}):
        report(run, "-o", "again.html")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "again.html").read_bytes() == first


def test_figures_settings_and_versions_are_those_of_the_run(run: Path) -> None:
    page = page_of(run)
    figures = json.loads((run / "figures.json").read_text())["figures"]
    head, *body = page.tables[""]
    assert head == ["figure", "train", "validation", "test"]
    expected = {name: [f"{figures[part][name]:.4f}" for part in head[1:]] for name in ("loss", "accuracy")}
    assert {row[0]: row[1:] for row in body} == expected
    assert ["units", "4"] in page.tables["Params and given settings"]
    assert ["train.epochs", "3"] in page.tables["Settings of the training"]
    facts = dict(row for row in page.tables["The run"][1:])
    how = json.loads((run / "run.json").read_text())
    assert facts["version of torch"] == how["versions"]["torch"]
    assert facts["begun"] == how["begun"]
    parity = dict(row for row in page.tables["Parity"][1:])
    assert float(parity["largest relative difference"]) <= float(parity["allowed difference"])


def test_rows_are_counted_as_the_training_counted_them(run: Path) -> None:
    table = json.loads((run / "tables.json").read_text())["test"]["confusion_matrix"]
    head, *body = page_of(run).tables["Confusion matrix"]
    assert len(head) == 1 + len(table["labels"])
    assert [[int(cell) for cell in row[1:]] for row in body] == table["counts"]


def test_some_rows_are_taken_at_equal_distances(run: Path) -> None:
    page = page_of(run, "--rows", 5)
    assert "The artifact has answered 5 test rows, of 20, at equal distances." in page.text
    assert sum(int(cell) for row in page.tables["Confusion matrix"][1:] for cell in row[1:]) == 5


def test_rows_past_memory_are_evaluated_the_same(run: Path) -> None:
    whole, stored = page_of(run), page_of(run, "--memory", "1k")
    assert "is past the memory it may take" in stored.text
    for caption in ("Confusion matrix", "Precision and recall", "Calibration in numbers"):
        assert stored.tables[caption] == whole.tables[caption]
    assert stored.cards == whole.cards


def test_a_command_that_reports_needs_no_torch(run: Path) -> None:
    program = (
        "import sys\nfrom dlc.cli import commands\n"
        "commands(['report', sys.argv[1]], standalone_mode=False)\n"
        "assert not {'torch', 'rich', 'onnxscript'} & set(sys.modules)\n"
    )
    line = [sys.executable, "-c", program, str(run)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- rows that are not there ------------------------------------------------------------------------------


def test_without_rows_the_page_says_so_and_shows_the_rest(made: Path, tmp_path: Path) -> None:
    run = shutil.copytree(made / "one", tmp_path / "one")
    how = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(how | {"folder": str(tmp_path / "gone")}))
    page = page_of(run)
    assert re.search(r"No rows were predicted: .*rows\.csv", page.text)
    assert "The training has counted confusion_matrix of the test rows." in page.text
    assert page.cards == []
    assert {"Curves", "Network", "Artifact", "Settings and versions"} <= {*page.headings}
    given = page_of(run, "--data", made / "rows.csv")
    assert given.cards or "No row is answered wrongly" in " ".join(given.headings)
    assert "has changed" not in given.text


def test_rows_that_have_changed_are_told(made: Path, run: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "other.csv", 1)
    page = page_of(run, "--data", tmp_path / "other.csv")
    assert "The data is not what the run was trained on" in page.text
    assert "The data is not what the run was trained on" not in page_of(run).text


def test_rows_that_were_given_in_python_are_asked_for(run: Path) -> None:
    how = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(how | {"data": "in Python"}))
    assert "rows that were given in Python: name them in a file with --data" in page_of(run).text


def test_data_that_is_not_there_is_named(run: Path) -> None:
    refused = dlc("report", run, "--data", "nowhere.csv", "-o", run / "page.html")
    assert refused.exit_code == 1
    assert "error: nowhere.csv: no such file or folder" in refused.output
    (run / "bad.csv").write_text("a,c\n1,2\n")
    refused = dlc("report", run, "--data", run / "bad.csv", "-o", run / "page.html")
    assert refused.exit_code == 1
    assert "error[E07" in refused.output and "bad.csv" in refused.output
    assert not (run / "page.html").exists()


def test_rows_for_several_runs_are_refused(run: Path) -> None:
    shutil.copytree(run, run.with_name("two"))
    refused = dlc("report", run, run.with_name("two"), "--data", "rows.csv")
    assert refused.exit_code == 2
    assert "--data is for the report of one run" in refused.output


def test_rows_that_the_run_names_and_that_are_gone_are_a_note(run: Path) -> None:
    how = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(how | {"data": "gone.csv"}))
    done = report(run)
    assert "note: no rows were predicted: there is no file gone.csv" in done.output
    assert "No rows were predicted: there is no file gone.csv" in page_of(run).text


@pytest.mark.parametrize(
    "value, text",
    [(0.0, "0.0000"), (0.12345, "0.1235"), (-38912.44, "-38912"), (340410.2, "340410"), (261.5, "261.5000"),
     (2e-5, "2e-05"), (1.5e8, "1.5e+08"), (float("nan"), "-")],
)  # fmt: skip
def test_figures_are_written_out(value: float, text: str) -> None:
    assert spelled(value) == text


# --- runs that have not ended well ------------------------------------------------------------------------


def test_a_run_that_was_killed_shows_what_is_there(run: Path) -> None:
    for name in ("model.onnx", "figures.json", "tables.json", "weights.safetensors"):
        (run / name).unlink()
    how = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(how | {"ended": "running"}))
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text(f"{lines[0]}\n{lines[1][:40]}")
    page = page_of(run)
    badges = (run / "report.html").read_text("utf-8")
    assert "has not ended: it runs, or it was killed" in badges and "1 epoch<" in badges
    assert "The run has no artifact yet." in page.text
    assert "because it has not ended" in page.text
    assert "No rows were predicted: the run has no artifact yet." in page.text


def test_a_run_without_an_epoch_has_no_curves(run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    assert "The run has not ended its first epoch" in page_of(run).text


def test_losses_that_are_not_finite_are_told(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    lines[1]["train"]["loss"] = None
    lines[2]["train"]["loss"] = None
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    how = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(how | {"ended": "diverged"}))
    page = page_of(run)
    assert "diverged: the loss was not finite" in (run / "report.html").read_text("utf-8")
    labels = [attributes.get("aria-label") or "" for tag, attributes in page.tags if tag == "svg"]
    assert any("in epoch 1, 2 values not finite; validation" in label for label in labels)
    _, *epochs = page.tables["The epochs as a table"]
    assert [row[1] for row in epochs][1:] == ["-", "-"]


STRANGE = (
    {"epoch": "first", "train": {"loss": "low"}, "validation": 3, "rate": [], "rates": {"a": 1}},
    {"epoch": 10**400, "train": {"loss": 10**400, "": -1, "$\\frac$": 1}, "best": "yes", "seconds": -5},
    {"train": [1, 2], "validation": {"loss": True}, "rates": [None, "x"], "memory": "much"},
    {"epoch": None, "train": {f"figure {n}": n for n in range(60)}, "gradient_norm": float("inf")},
)


def test_a_strange_record_breaks_nothing(run: Path) -> None:
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in STRANGE))
    (run / "phases.json").write_text(json.dumps([{"name": 3, "first": "x", "figures": [], "ended": {}}]))
    (run / "figures.json").write_text(json.dumps({"figures": {"train": 3, "test": {BAD: "x", "loss": None}}}))
    (run / "tables.json").write_text(json.dumps({"test": {"confusion_matrix": {"labels": [1], "counts": 3}}}))
    how = {"ended": ["done"], "seconds": "long", "device": 3, "data": 7, "versions": [], BAD: BAD}
    (run / "run.json").write_text(json.dumps(how))
    page = page_of(run)
    assert "figures are in the table alone" in page.text
    assert [BAD, "-"] in page.tables[""]
    assert len((run / "report.html").read_bytes()) < 2 << 20


def test_an_artifact_that_cannot_be_read_is_told(run: Path) -> None:
    (run / "model.onnx").write_bytes(b"no model")
    page = page_of(run)
    assert "its artifact cannot be read" in page.text
    assert {"Curves", "Network"} <= {*page.headings}


def test_a_long_run_gives_a_small_page(run: Path) -> None:
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    lines = [json.dumps(record | {"epoch": n, "train": {"loss": 1 / n}}) for n in range(1, 20_001)]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    page = page_of(run)
    assert len((run / "report.html").read_bytes()) < 1 << 20
    _, *epochs = page.tables["The epochs as a table"]
    assert len(epochs) <= 26
    assert (epochs[0][0], epochs[-1][0]) == ("1", "20000")


# --- several runs -----------------------------------------------------------------------------------------


def test_several_runs_stand_side_by_side(made: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs" / "f"
    shutil.copytree(made / "one", runs / "one")
    for name, settings in (("two", {"train.epochs": 2}), ("wide", {"units": 16})):
        os.rename(
            face.train(made / "f.dl", params=settings, out=tmp_path / "made", device="cpu").folder,
            runs / name,
        )
    (runs / "latest").symlink_to("two")
    assert report(tmp_path / "runs").output == f"wrote {runs / 'report.html'}\n"
    page = ReadPage.at(runs / "report.html")
    assert page.headings[0] == "3 runs of f"
    assert [row[0] for row in page.tables[""][1:]] == ["one", "two", "wide"]
    differing = {row[0]: row[1:] for row in page.tables[" 2"][1:]}
    assert differing["units"] == ["4", "4", "16"]
    assert differing["train.epochs"] == ["3", "2", "3"]
    assert "train.batch" not in differing
    _, *network = page.tables["The network, compared with one"]
    assert network and {row[1] for row in network} == {"wide"}
    figures = {row[0]: row[1:] for row in page.tables[" 3"][1:]}
    loss = [
        json.loads((runs / name / "figures.json").read_text())["figures"]["test"]["loss"]
        for name in ("one", "two", "wide")
    ]
    assert figures["test loss"] == [f"{v:.4f}{' *' if v == min(loss) else ''}" for v in loss]
    labels = [attributes.get("aria-label") or "" for tag, attributes in page.tags if tag == "svg"]
    assert any(label.startswith("loss, validation rows: one: ") and "wide: " in label for label in labels)


def test_a_difference_of_several_runs_is_one_row(made: Path, tmp_path: Path) -> None:
    runs = tmp_path / "f"
    shutil.copytree(made / "one", runs / "a")
    wide = face.train(made / "f.dl", params={"units": 16}, out=tmp_path / "made", device="cpu").folder
    for name in ("b", "c"):
        shutil.copytree(wide, runs / name)
    report(runs)
    _, *rows = ReadPage.at(runs / "report.html").tables["The network, compared with a"]
    assert any("dense" in difference for difference, _ in rows)
    assert {named for _, named in rows} == {"all others"}
    assert len({difference for difference, _ in rows}) == len(rows)
    shutil.copytree(made / "one", runs / "d")
    report(runs)
    _, *rows = ReadPage.at(runs / "report.html").tables["The network, compared with a"]
    assert {named for _, named in rows} == {"b, c"}


def test_runs_are_put_side_by_side_once(made: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "again")
    (tmp_path / "link").symlink_to(run)
    report(run, tmp_path / "again", tmp_path / "link", "-o", tmp_path / "page.html")
    page = ReadPage.at(tmp_path / "page.html")
    assert page.headings[0] == "2 runs of f"
    assert "are the same" in page.text


def test_too_many_runs_are_refused(run: Path, tmp_path: Path) -> None:
    for n in range(25):
        (tmp_path / "many" / f"run{n}").mkdir(parents=True)
        shutil.copy(run / "spec.json", tmp_path / "many" / f"run{n}")
    done = dlc("report", tmp_path / "many")
    assert (done.exit_code, done.stderr) == (
        1, "error: 25 runs are named, and at most 24 are put side by side: name fewer\n",
    )  # fmt: skip


def test_a_package_that_is_missing_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlc.runtime import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    done = dlc("report", run)
    assert done.exit_code == 1
    assert "error[E0816]: matplotlib, which draws the figures of a report, is not installed" in done.stderr
    assert 'pip install "dlc[report]"' in done.stderr


# --- the diagnosis ----------------------------------------------------------------------------------------

LARGE = """input  x: float[8]
output y: binary
x -> dense(128) -> relu -> dense(64) -> relu -> dense(1) -> y
data {
  source     = npz("rows.npz")
  validation = 0.3
}
train {
  optimizer = adam(lr=3e-3)
  epochs    = 60
}
"""


def test_an_ill_run_is_told_with_its_evidence(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "rows.npz", x=random.normal(size=(200, 8)), y=random.integers(0, 2, 200))
    (tmp_path / "f.dl").write_text(LARGE, "utf-8")
    trained = face.train(tmp_path / "f.dl", out=tmp_path / "runs", device="cpu")
    page = page_of(trained.folder)
    [finding] = [some for some in trained.diagnosis if some.kind == "overfitting"]
    place = page.headings.index("Diagnosis")
    assert page.headings[place + 1].lower() == finding.title.lower()
    told = finding.evidence.replace("`", "")
    assert any(word.lower().startswith(told.lower()) for word in page.words)
    fixes = [word for word in page.words if word.startswith("What to do: ")]
    assert len(fixes) == len(trained.diagnosis)
    assert any(finding.fix.replace("`", "")[1:] in fix for fix in fixes)


def test_gradients_of_layers_are_those_of_the_statistics(run: Path) -> None:
    def line(epoch: int, **gradients: object) -> str:
        common = {"line": 1, "operator": "dense", "after": 0, "last": "b", "norm": 1.0, "update": 0.1}
        weights = [{"name": name, "gradient": value, **common} for name, value in gradients.items()]
        return json.dumps({"epoch": epoch, "step": epoch, "phase": "", "weights": weights}) + "\n"

    (run / "statistics.jsonl").write_text(line(1, a=0.5, b=2.0) + line(3, a=0.25, b=None) + line(4, a="x"))
    labels = [a.get("aria-label") or "" for tag, a in page_of(run).tags if tag == "svg"]
    [told] = [label for label in labels if label.startswith("norms of the gradients of weights")]
    assert "a: 0.5000 in epoch 1, 0.2500 in epoch 3" in told
    assert "b: 2.0000 in epoch 1, 2.0000 in epoch 1" in told


def test_a_run_without_epochs_has_no_diagnosis(run: Path) -> None:
    for name in ("metrics.jsonl", "statistics.jsonl", "answers.json"):
        (run / name).unlink(missing_ok=True)
    assert "there is nothing to tell yet" in page_of(run).text
