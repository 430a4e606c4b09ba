"""The page of every code tells the truth: its spec has that error and no other,
and the fixed one has none."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from imports import ROOT

from dlc.cli import commands
from dlc.compiler import compile
from dlc.compiler.diagnostics.codes import CHECK, GROUPS, SPEC, Case, codes, page, told_by_compiler
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.format.formatter import format

TOLD = re.compile(r"^(?:error|warning)\[(\w+)\]", re.MULTILINE)
PROBLEM = re.compile(r"^(?:error|warning)\[\w+\](?:.+\n)+", re.MULTILINE)
BROKEN = ("E01",)  # what cannot be parsed has no layout


def without_gpu(patch: pytest.MonkeyPatch) -> None:
    def zeros(*shape: int, device: torch.device) -> None:
        raise RuntimeError(f"no {device}")

    patch.setattr(torch, "zeros", zeros)


def without_muon(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(torch.optim, "Muon")


def without_autocast(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.amp, "is_autocast_available", lambda device: False)


def lying_relu(patch: pytest.MonkeyPatch) -> None:
    """A form in ONNX that is not what the form in torch is, as only an error of dlc's makes one."""
    from dlc.compiler.operators.activations import Relu

    patch.setattr(Relu, "onnx", lambda self, op, x: op.Identity(x))


def lying_gradient(patch: pytest.MonkeyPatch) -> None:
    from dlc.compiler.operators.activations import Relu

    patch.setattr(Relu, "torch", lambda self, F, x: x.tracer.create_proxy("call_function", doubled, (x,), {}))


def doubled(x: torch.Tensor) -> torch.Tensor:
    """`relu`, through which twice the gradient flows back."""
    made = torch.relu(x)
    if made.requires_grad:
        made.register_hook(lambda gradient: 2 * gradient)
    return made


def little_memory(patch: pytest.MonkeyPatch) -> None:
    from dlc.runtime import memory

    patch.setattr(memory, "free", lambda: 40)


# Where the fault lies in the surroundings, these are made so first.
SURROUNDINGS = {
    "E0716": little_memory,
    "E0805": without_gpu,
    "E0807": without_muon,
    "E0809": without_autocast,
    "E0810": lying_gradient,
    "E0811": lying_relu,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(case: Case, folder: Path) -> tuple[int, str]:
    """How the commands of a case end, and what they say."""
    for name, text in case.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    ends, said = [], ""
    for line in case.commands:
        _, *arguments = shlex.split(line)
        done = CliRunner().invoke(commands, arguments)
        ends.append(done.exit_code)
        said += done.output
    return max(ends), said


@pytest.mark.parametrize("code", codes())
def test_the_wrong_spec_has_this_error_and_no_other(
    code: str, here: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    SURROUNDINGS.get(code, lambda patch: None)(monkeypatch)
    end, said = run(page(code).wrong, here)
    assert (end, set(TOLD.findall(said))) == (int(code.startswith("E")), {code})
    if told_by_compiler(code):
        return
    (problem,) = PROBLEM.findall(said)
    if request.config.getoption("--update-golden"):
        record(code, problem)
    assert page(code).wrong.said == problem


def record(code: str, said: str) -> None:
    """Write into a page what is said."""
    path = ROOT / "compiler/diagnostics/codes" / f"{code}.md"
    wrong, fixed = path.read_text("utf-8").split("\n## Fixed\n")
    kept = re.sub(r"\n```text\n.*?^```\n", "", wrong, flags=re.MULTILINE | re.DOTALL)
    path.write_text(f"{kept}\n```text\n{said}```\n\n## Fixed\n{fixed}", "utf-8")


@pytest.mark.parametrize("code", codes())
def test_the_fixed_spec_has_none(code: str, here: Path) -> None:
    end, said = run(page(code).fixed, here)
    assert (end, TOLD.findall(said)) == (0, [])


@pytest.mark.parametrize("code", codes())
def test_the_fixed_spec_is_the_wrong_one_changed_and_well_laid_out(code: str) -> None:
    of = page(code)
    assert of.wrong != of.fixed or code in SURROUNDINGS
    assert (of.wrong.commands == CHECK) is told_by_compiler(code)
    specs = [case.files[SPEC] for case in (of.wrong, of.fixed)][code.startswith(BROKEN) :]
    assert [format(Source(SPEC, text)) for text in specs] == specs


@pytest.mark.parametrize("code", codes())
def test_the_page_says_it_in_plain_sentences(code: str) -> None:
    of = page(code)
    assert code[:3] in GROUPS
    assert of.title[:1] not in "AT" and not of.title.endswith(".")
    assert of.why.endswith(".") and of.fix.endswith(".")


@pytest.mark.parametrize("code", [code for code in codes() if code.startswith("W04")])
def test_a_warning_is_allowed_at_the_end_of_its_line(code: str) -> None:
    text = page(code).wrong.files[SPEC]
    (warning,) = compile(Source(SPEC, text)).warnings
    lines = text.splitlines()
    lines[(warning.line or 0) - 1] += f"  # allow {code}: it is meant"
    assert compile(Source(SPEC, "\n".join(lines) + "\n")).warnings == ()
