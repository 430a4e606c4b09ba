"""What `dlc show`, `dlc check`, `dlc doc` and `dlc fmt` tell of answers that are made step by step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from decoded_specs import drawn, prompts, sequences
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import dlc
from dlc.cli import commands
from dlc.compiler.dims.dim import evaluate
from dlc.compiler.passes.cost import flops
from dlc.runtime.expectations import static_measures
from dlc.show import stages, table

if TYPE_CHECKING:
    from pathlib import Path

SPEC = sequences("gru(16)")


def program(text: str) -> dlc.Program:
    return dlc.compile(text=text)


# --- show -------------------------------------------------------------------------------------------------


def test_the_table_says_how_an_answer_is_made() -> None:
    shown = table.table(program(SPEC).compiled).splitlines()[-1]
    assert shown == (
        "`sounds` is answered step by step (greedy, at most 12 steps): "
        "32 * S * sounds_steps + 832 * S + 2272 * sounds_steps multiply-adds for one sample"
    )
    plain = "input x: float[3]\noutput y: float[2]\nx -> dense(2) -> y\n"
    assert "step by step" not in table.table(program(plain).compiled)


@pytest.mark.parametrize("steps", [3, 5, 12])
def test_the_operations_of_all_steps_are_those_that_torch_counts(steps: int) -> None:
    """A transformer that runs to its last step, counted by PyTorch while it answers."""
    text = prompts("attention(4, causal=true) -> dense(16)")
    made = program(text.replace("max=12", f"max={steps}"))
    module = made.torch("infer", drawn(made, 0))
    prompt = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (1, 6)))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        assert module({"text": prompt})["next"].shape == (1, steps)
    assert counter.get_total_flops() == evaluate(flops(made.compiled), {"T": 6, "next_steps": steps})


def test_the_operations_are_not_known_without_the_number_of_steps() -> None:
    """`flops` of a sample is no number where the answer has any length, so it is not compared with one."""
    fixed = SPEC.replace("class(8)[S]", "class(8)[4]")
    assert "flops" not in static_measures(program(fixed).compiled)


def test_every_stage_shows_the_body_of_the_loop() -> None:
    compiled = program(SPEC).compiled
    inference = stages.inference(compiled)
    assert re.search(r"\n {4}body \{\n {6}input %step : int64 unbatched ", inference)
    code = stages.torch(compiled)
    body = code[code.index("  def loop_0_body(") : code.index("  loop_0 = loop(loop_0_body, ")]
    assert 'return {"continues": ' in body
    assert ", most=12, states=3)" in code
    compile(code, "stage", "exec")  # it is Python


def test_the_onnx_stage_shows_the_nodes_of_the_file() -> None:
    """Each node of the body has its line, within the loop."""
    made = program(SPEC)
    model: onnx.ModelProto = made.onnx(drawn(made, 0))
    loop = next(node for node in model.graph.node if node.op_type == "Loop")
    inside = loop.attribute[0].g
    lines = stages.onnx(made.compiled).splitlines()
    start, end = lines.index("    body {"), lines.index("    }")
    shown = [line.strip() for line in lines[start + 1 : end]]
    assert lines[start - 1].lstrip().startswith(f"%{loop.output[0]}, ")
    assert [line.split()[1] for line in shown if line.startswith("input ")] == [
        f"%{v.name}" for v in inside.input
    ]
    assert [line.split()[1] for line in shown if line.startswith("output ")] == [
        f"%{v.name}" for v in inside.output
    ]
    nodes = [line for line in shown if " = " in line]
    assert [re.split(r"[( ]", line.split(" = ")[1])[0] for line in nodes] == [n.op_type for n in inside.node]


def test_a_picture_is_of_what_is_trained(tmp_path: Path) -> None:
    (tmp_path / "model.dl").write_text(SPEC)
    ended = CliRunner().invoke(
        commands, ["show", str(tmp_path / "model.dl"), "--svg", str(tmp_path / "m.svg")]
    )
    assert ended.exit_code == 0, ended.output
    picture = (tmp_path / "m.svg").read_text()
    assert ">shift<" in picture
    assert "loop" not in picture


# --- words ------------------------------------------------------------------------------------------------


def test_commands_know_decoding(tmp_path: Path) -> None:
    run = CliRunner()
    assert "export { decode = greedy(sounds, max=20) }" in run.invoke(commands, ["doc", "greedy"]).output
    assert "`greedy(output, max=32)`" in run.invoke(commands, ["doc", "decode"]).output
    explained = run.invoke(commands, ["explain", "E0520"]).output
    assert "error[E0520]: `gru` cannot be computed step by step" in explained
    path = tmp_path / "model.dl"
    path.write_text(SPEC.replace("greedy(sounds, max=12)", "greedy( sounds,max = 12 )"))
    run.invoke(commands, ["fmt", str(path)])
    assert "decode  = greedy(sounds, max=12)" in path.read_text()


def test_a_command_gives_another_way(tmp_path: Path) -> None:
    path = tmp_path / "model.dl"
    path.write_text(SPEC)
    given = ["--set", "export.decode=greedy(sounds, max=3)"]
    shown = CliRunner().invoke(commands, ["show", str(path), *given]).output
    assert "at most 3 steps" in shown
    refused = CliRunner().invoke(commands, ["check", str(path), "--set", "export.decode=greedy(sound)"])
    assert refused.exit_code == 1
    assert "no output is called `sound`" in refused.output
