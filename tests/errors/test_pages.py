"""The page of every code is correct: its spec has this error and no other, and the fixed spec has none."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from imports import ROOT

from dlc.cli import commands
from dlc.compiler import compile
from dlc.compiler.diagnostics.codes import CHECK, GROUPS, SPEC, Case, codes, page, reported_by_check
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.format.formatter import format

CODE = re.compile(r"^(?:error|warning)\[(\w+)\]", re.MULTILINE)
DIAGNOSTIC = re.compile(r"^(?:error|warning)\[\w+\](?:.+\n)+", re.MULTILINE)
UNPARSABLE = ("E01",)  # a text with syntax errors cannot be formatted


def without_gpu(patch: pytest.MonkeyPatch) -> None:
    def zeros(*shape: int, device: torch.device) -> None:
        raise RuntimeError(f"no {device}")

    patch.setattr(torch, "zeros", zeros)


def without_muon(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(torch.optim, "Muon")


def without_autocast(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.amp, "is_autocast_available", lambda device: False)


def wrong_relu(patch: pytest.MonkeyPatch) -> None:
    """An ONNX form that differs from the torch form, as if the operator had an error."""
    from dlc.compiler.operators.activations import Relu

    patch.setattr(Relu, "onnx", lambda self, op, x: op.Identity(x))


def wrong_gradient(patch: pytest.MonkeyPatch) -> None:
    from dlc.compiler.operators.activations import Relu

    patch.setattr(Relu, "torch", lambda self, F, x: x.tracer.create_proxy("call_function", doubled, (x,), {}))


def doubled(x: torch.Tensor) -> torch.Tensor:
    """`relu` with twice its gradient."""
    made = torch.relu(x)
    if made.requires_grad:
        made.register_hook(lambda gradient: 2 * gradient)
    return made


def little_memory(patch: pytest.MonkeyPatch) -> None:
    from dlc.runtime import memory

    patch.setattr(memory, "free", lambda: 40)


def old_onnxruntime(patch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    patch.setattr(onnxruntime, "__version__", "1.21.1")


def without_sacrebleu(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "sacrebleu", None)


def without_cache(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("DLC_CACHE", "model.dl")  # a file, not a folder


# Errors that are caused by the environment: patches that cause them.
ENVIRONMENTS = {
    "E0716": little_memory,
    "E0805": without_gpu,
    "E0807": without_muon,
    "E0809": without_autocast,
    "E0810": wrong_gradient,
    "E0811": wrong_relu,
    "E0815": old_onnxruntime,
    "E0816": without_sacrebleu,
    "E0841": without_cache,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(case: Case, folder: Path) -> tuple[int, str]:
    """The highest exit code and the output of the commands of a case."""
    for name, text in case.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    ends, output = [], ""
    for line in case.commands:
        _, *arguments = shlex.split(line)
        done = CliRunner().invoke(commands, arguments)
        ends.append(done.exit_code)
        output += done.output
    return max(ends), output


@pytest.mark.parametrize("code", codes())
def test_the_wrong_spec_has_only_this_error(
    code: str, here: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    ENVIRONMENTS.get(code, lambda patch: None)(monkeypatch)
    end, output = run(page(code).wrong, here)
    assert (end, set(CODE.findall(output))) == (int(code.startswith("E")), {code})
    if reported_by_check(code):
        return
    (problem,) = DIAGNOSTIC.findall(output)
    if request.config.getoption("--update-golden"):
        record(code, problem)
    assert page(code).wrong.output == problem


def record(code: str, output: str) -> None:
    """Write the output of the commands into a page."""
    path = ROOT / "compiler/diagnostics/codes" / f"{code}.md"
    wrong, fixed = path.read_text("utf-8").split("\n## Fixed\n")
    kept = re.sub(r"\n```text\n.*?^```\n", "", wrong, flags=re.MULTILINE | re.DOTALL)
    path.write_text(f"{kept}\n```text\n{output}```\n\n## Fixed\n{fixed}", "utf-8")


@pytest.mark.parametrize("code", codes())
def test_the_fixed_spec_has_no_error(code: str, here: Path) -> None:
    end, output = run(page(code).fixed, here)
    assert (end, CODE.findall(output)) == (0, [])


@pytest.mark.parametrize("code", codes())
def test_the_specs_differ_and_are_formatted(code: str) -> None:
    of = page(code)
    assert of.wrong != of.fixed or code in ENVIRONMENTS
    assert (of.wrong.commands == CHECK) is reported_by_check(code)
    specs = [case.files[SPEC] for case in (of.wrong, of.fixed)][code.startswith(UNPARSABLE) :]
    assert [format(Source(SPEC, text)) for text in specs] == specs


@pytest.mark.parametrize("code", codes())
def test_the_page_has_a_title_and_sentences(code: str) -> None:
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
