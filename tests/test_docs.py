"""Checks of the documentation: specs compile, shown output is the real output, links have a target."""

from __future__ import annotations

import ast
import html
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from imports import ROOT

import dlc
from dlc.cli import COMMANDS
from dlc.compiler.definitions.export_section import RUNTIMES
from dlc.compiler.diagnostics import codes
from dlc.reference.words import words
from dlc.runtime.artifact.metadata import Metadata

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
VALID = [p for p in PAGES if p.parent != ROOT]  # pages whose specs have no errors
WORDS = words()  # read before tests register definitions
FAULTY = ("from-bad-to-good.md",)  # its test is test_from_bad_to_good.py
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:[-:.T]\d+)*(?:e[-+]\d+)?")


def blocks(page: Path, language: str) -> list[str]:
    return [text for word, text in BLOCK.findall(page.read_text(encoding="utf-8")) if word == language]


README = ROOT / "README.md"
TRAINED, ERROR = blocks(README, "text")
FROM_ONNX_RUNTIME, FROM_PYTHON = blocks(README, "python")


def masked(text: str) -> list[str]:
    """The lines with every number replaced by `N`, as numbers depend on the machine."""
    return [re.sub(r" +", " ", NUMBER.sub("N", line)).strip() for line in text.splitlines() if line.strip()]


def run(*arguments: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in a folder."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the specs, after the first command of the README."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "specs", folder / "specs")
    done = run("-m", "dlc", "train", "specs/iris.dl", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "output.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def test_the_readme_has_the_two_commands() -> None:
    lines = [line for text in blocks(README, "sh") for line in text.splitlines()]
    assert lines[:2] == [
        'pip install ".[train]" && dlc train specs/iris.dl',
        'pip install ".[test]" && pytest -n auto',
    ]


def test_the_readme_shows_a_spec_of_the_project() -> None:
    assert blocks(README, "dl")[0] == (ROOT / "specs/iris.dl").read_text(encoding="utf-8")


def test_the_readme_shows_what_training_prints(clone: Path) -> None:
    printed = masked((clone / "output.txt").read_text(encoding="utf-8"))
    shown = masked(TRAINED)
    gap = shown.index("...")
    assert printed[:gap] == shown[:gap]
    assert printed[len(printed) - len(shown) + gap + 1 :] == shown[gap + 1 :]


@pytest.mark.parametrize("snippet", [FROM_ONNX_RUNTIME, FROM_PYTHON], ids=["onnxruntime", "dlc"])
def test_the_python_of_the_readme_prints_what_its_comments_show(clone: Path, snippet: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=clone, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.findall(r"^print\(.*\)  # (.*)$", snippet, re.MULTILINE)
    assert shown
    assert set(shown) <= set(done.stdout.splitlines())


def test_the_readme_shows_an_error_as_it_is_printed(tmp_path: Path) -> None:
    (tmp_path / "digit.dl").write_text(blocks(README, "dl")[1], encoding="utf-8")
    done = run("-m", "dlc", "check", "digit.dl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, ERROR)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_lists_every_command(command: str) -> None:
    assert re.search(f"^\\| `dlc {command}[ `]", README.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_word_is_in_the_reference_with_its_signature() -> None:
    lines = (ROOT / "docs/reference.md").read_text(encoding="utf-8").splitlines()
    listed = {line.split("`")[1] for line in lines if line.startswith("- `")}
    assert {"batchnorm(momentum=0.1, eps=1e-05)", "a @ b", "train { ... }", "identity", "len(LIST)",
            "block shortcut(x; channels, stride = 1)", "float16", "y.logits"} <= listed  # fmt: skip
    assert not [word.name for word in WORDS if not any(word.name in signature for signature in listed)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_have_a_target(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_limits_in_the_pages_are_those_of_the_code() -> None:
    from dlc.compiler import tensor_files, types
    from dlc.compiler.diagnostics.source import MAX_BYTES
    from dlc.compiler.elaborate.imports import MAX_FILES
    from dlc.runtime import memory, strict_json, weight_files, weight_names
    from dlc.runtime.artifact import model_scan, proof
    from dlc.runtime.data import bounds
    from dlc.runtime.data.sources import parquet_pages

    documented = {
        "artifact.md": [
            f"{model_scan.MAX_FILE} bytes",
            f"{model_scan.MAX_PARTS} fields", f"{model_scan.MAX_ITEMS} numbers",
            f"{strict_json.MAX_TEXT} bytes (64 MiB)", f"{strict_json.MAX_VALUES} JSON values",
            f"{types.MAX_CLASSES} classes", f"{types.MAX_RANK} axes", f"{proof.MAX_VALUES} values",
            f"{proof.BATCH} rows",
        ],
        "training.md": [
            f"{MAX_BYTES} bytes; {MAX_FILES} files",
            f"expand to {bounds.RATIO} times their size; {bounds.SMALL >> 20} MiB",
            f"list takes {tensor_files.MAX_DIRECTORY >> 20} MiB",
            f"footer of {parquet_pages.MAX_FOOTER >> 20} MiB",
            f"{weight_names.MAX_BYTES >> 20} MiB; names of {weight_names.MAX_NAME} characters",
            f"header of {weight_files.MAX_HEADER >> 20} MiB", f"{strict_json.MAX_TEXT >> 20} MiB; files",
        ],
    }  # fmt: skip
    assert "half of what is free" in " ".join((memory.share.__doc__ or "").split())
    for page, limits in documented.items():
        text = re.sub(r"(?<=\d) (?=\d{3}\b)", "", (ROOT / "docs" / page).read_text(encoding="utf-8"))
        assert not [limit for limit in limits if limit not in text], page


def test_the_reference_is_up_to_date() -> None:
    """Runs in a subprocess, because tests register their own operators."""
    done = run(ROOT / "docs/write_reference.py", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_page_of_the_diagnosis_is_up_to_date() -> None:
    done = run(ROOT / "docs/write_diagnosis.py", "--check", cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. `--strict` rejects broken links."""
    folder = tmp_path_factory.mktemp("site")
    no_network = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = run("-m", "mkdocs", "build", "--strict", "--site-dir", folder, cwd=ROOT, **no_network)
    assert done.returncode == 0, done.stderr
    return folder


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_the_site_has_a_page_for_each_word_each_code_and_each_page_of_docs(site: Path) -> None:
    of_words = {f"reference/{word.page}" for word in WORDS}
    of_codes = {f"errors/{code}" for code in codes.codes()}
    by_hand = {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in VALID} - {"README"}
    made = {page.relative_to(site).with_suffix("").as_posix() for page in site.glob("**/*.html")}
    assert made == of_words | of_codes | by_hand | {"index", "errors/index", "404", "search"}


def test_pages_of_the_site_hold_what_doc_and_explain_print(site: Path) -> None:
    conv, shapes = text_of(site / "reference/conv.html"), text_of(site / "errors/E0203.html")
    assert "conv(channels, kernel, stride=1, padding=0" in conv and "F.conv2d(x, weight, bias, (1, 1)" in conv
    assert "these two cannot be added: float[128, 14, 14] and float[64, 28, 28]" in shapes


@pytest.mark.parametrize(("page", "link"), [
    ("index.html", "errors/index.html"), ("errors/index.html", "E0203.html"),
    ("reference.html", "reference/conv.html"), ("reference/conv.html", "../errors/E0201.html"),
])  # fmt: skip
def test_the_site_links_to_its_generated_pages(site: Path, page: str, link: str) -> None:
    assert f'href="{link}"' in (site / page).read_text(encoding="utf-8")


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    loads = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*")
    pages = site.glob("**/*.html")
    assert not [found for page in pages for found in loads.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", [p for p in VALID if p.name not in FAULTY], ids=lambda p: p.name)
def test_specs_of_the_docs_compile(page: Path) -> None:
    for text in blocks(page, "dl"):
        assert dlc.compile(text=text).compiled.warnings == ()


def test_the_spec_of_the_readme_that_decodes_compiles() -> None:
    assert dlc.compile(text=blocks(README, "dl")[2]).compiled.warnings == ()


SPELLED = """input  spelling: class(a, b, e, l, t)[S]
output sounds: class(t, ei, b, l)[T]
heard = spelling -> embedding(8) -> gru(8, final=true)
(shift(sounds.target) -> embedding(8), heard) -> gru(8) -> dense(sounds.classes) -> sounds
train { clip = norm(1) }
export { decode = greedy(sounds, max=9) }
"""
WRITES_ON = """input  seen: class(auto)[T]
output next: class(auto)[T]
seen -> embedding(8) -> attention(2, causal=true, rotary=10000) -> dense(next.classes) -> next
data { source = text("book.txt", window=8) }
train {
  clip  = norm(1)
  steps = 1
}
export {
  lengths = true
  decode  = sample(next, max=12)
}
"""


def run_snippet(snippet: str, model: Path) -> str:
    done = run("-c", snippet, cwd=model.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_of_frames_runs(tmp_path: Path) -> None:
    [snippet] = blocks(ROOT / "docs/python.md", "python")
    shown = run_snippet(snippet, tmp_path / "model.onnx")
    assert "kind_probabilities.large" in shown and "{'accuracy': " in shown


def test_the_page_of_the_artifact_answers_without_dlc(tmp_path: Path) -> None:
    """The first model has weights of its own; the second one is trained on a text for its characters."""
    of_words, of_prompts = blocks(ROOT / "docs/artifact.md", "python")[-2:]
    model = tmp_path / "model.onnx"
    program = dlc.compile(text=SPELLED)
    model.write_bytes(program.onnx().SerializeToString())
    assert set(re.findall(r"\w+", run_snippet(of_words, model))) <= {"t", "ei", "b", "l"}
    (tmp_path / "book.txt").write_text("The next def is here. " * 20, encoding="utf-8")
    (tmp_path / "book.dl").write_text(WRITES_ON, encoding="utf-8")
    made = dlc.train(tmp_path / "book.dl", out=tmp_path / "runs")
    shutil.copy(made.model, model)
    answers = ast.literal_eval(run_snippet(of_prompts, model))
    assert [len(text) for text in answers] == [12, 12]
    wanted = dlc.load(model).predict({"seen": ["def ", "The next"]}, seed=7)
    assert answers == wanted["next"].tolist()


@pytest.mark.slow
def test_the_story_of_the_page_of_decoding_runs(tmp_path: Path) -> None:
    """Its rows, its spec, what training prints, and what its comments show."""
    page = ROOT / "docs/decoding.md"
    rows, *used = blocks(page, "python")
    assert run("-c", rows, cwd=tmp_path).returncode == 0
    (tmp_path / "roman.dl").write_text(blocks(page, "dl")[0], encoding="utf-8")
    done = run("-m", "dlc", "train", "roman.dl", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    printed, shown = masked(done.stdout), masked(blocks(page, "text")[0])
    gap = shown.index("...")
    assert printed[:gap] == shown[:gap]
    assert "\n".join(shown[gap + 1 :]) in "\n".join(printed)
    for snippet in used:
        done = run("-c", snippet, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        (wanted,) = re.findall(r"^print\(.*\)  # (.*)$", snippet, re.MULTILINE)
        assert done.stdout == f"{wanted}\n"


def test_the_page_of_decoding_shows_an_error_as_it_is_printed() -> None:
    page = ROOT / "docs/decoding.md"
    wrong = SPELLED.replace("embedding(8), heard", "gru(4, bidirectional=true), heard")
    wrong = wrong.replace("shift(sounds.target)", "shift(sounds.target) -> embedding(8)")
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=wrong)
    (found,) = caught.value.diagnostics
    assert f"error[{found.code}]: {found.message}\n" == blocks(page, "text")[1]


@pytest.mark.slow
def test_the_page_of_training_shows_the_table_of_several_seeds(clone: Path) -> None:
    done = run("-m", "dlc", "train", "specs/iris.dl", "--seeds", "5", "--out", "seeds", cwd=clone)
    assert (done.returncode, done.stderr) == (0, "")
    (shown,) = [text for text in blocks(ROOT / "docs/training.md", "text") if text.startswith("5 seeds")]
    assert "\n".join(masked(shown)) in "\n".join(masked(done.stdout))


@pytest.mark.slow
def test_the_page_of_training_shows_several_seeds_in_python(clone: Path) -> None:
    (snippet,) = [text for text in blocks(ROOT / "docs/training.md", "python") if "seeds=5" in text]
    done = run("-c", snippet, cwd=clone)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"0\.\d+ 0\.\d+\n\[.*Path\('runs/iris/", done.stdout)


@pytest.mark.parametrize(("page", "spec"), [("bert", "bert"), ("vit", "vit"), ("resnet", "resnet50")])
def test_pages_of_checkpoints_show_the_spec_and_its_map(page: str, spec: str) -> None:
    path = ROOT / f"specs/checkpoints/{spec}.dl"
    (load,) = dlc.compile(path).compiled.train.weights
    assert load.names is not None
    shown = ROOT / f"docs/checkpoints/{page}.md"
    assert blocks(shown, "dl") == [path.read_text(encoding="utf-8")]
    assert blocks(shown, "json") == [(path.parent / load.names).read_text(encoding="utf-8")]


def test_the_page_of_the_artifact_has_every_key_and_target() -> None:
    page = (ROOT / "docs/artifact.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `dlc\.(\w+)` \|", page, re.MULTILINE)) == set(Metadata.__dataclass_fields__)
    rows = re.findall(
        r"^ *\| `onnxruntime>=(\d+)\.(\d+)`.*? \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE
    )
    assert [((int(a), int(b)), int(c), int(d), int(e)) for a, b, c, d, e in rows] == list(RUNTIMES)


def test_the_example_error_page_of_the_guide_is_valid() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"^ {3}````markdown\n(.*?)^ {3}````$", guide, re.MULTILINE | re.DOTALL)
    page = codes.parse("E0203", textwrap.dedent(written))
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=page.wrong.files[codes.SPEC])
    assert [d.code for d in caught.value.diagnostics] == ["E0203"]
    assert dlc.compile(text=page.fixed.files[codes.SPEC]).compiled.warnings == ()


@pytest.mark.slow
def test_the_operator_of_the_guide_can_be_added_as_described(tmp_path: Path) -> None:
    """In a copy of the project: the class is appended to its file, and its rows run in all engines."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"^ {3}```python\n(.*?)^ {3}```$", guide, re.MULTILINE | re.DOTALL)
    copy = tmp_path / "copy"
    kept = shutil.ignore_patterns(".*", "__pycache__", "runs", "dist", "build")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=kept)
    with open(copy / "compiler/operators/activations.py", "a", encoding="utf-8") as file:
        file.write("\n\n" + textwrap.dedent(written))
    environment = {"PYTHONPATH": str(copy / "src")}
    rows = ("tests/operators/test_examples.py", "-k", "hard_tanh", "-m", "")
    assert (
        "6 passed"
        in run("-m", "pytest", "-q", "-p", "no:cacheprovider", *rows, cwd=copy, **environment).stdout
    )
    assert run("docs/write_reference.py", cwd=copy, **environment).returncode == 0
    assert "- `hard_tanh(limit=1)`: " in (copy / "docs/reference.md").read_text(encoding="utf-8")
