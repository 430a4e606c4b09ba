"""Every spec in `specs/` compiles to what is recorded, answers as recorded,
and answers alike in PyTorch, ONNX Runtime and OpenVINO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from large_specs import LARGE_SPECS
from second_engine import run_openvino
from shipped import SPECS, program_of

from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.format.formatter import format
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.onnx import serialize
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import cost, specialize
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.write import onnx_model, raw_types
from dlc.runtime.expectations import check_expectations, static_measures
from dlc.runtime.loaded_tensors import tensors_of
from dlc.show import stages

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.relative_to(SPECS).with_suffix("").as_posix() for path in SPECS.rglob("*.dl"))
LARGE = (*LARGE_SPECS, "diffusion")
ROWS = 2
STEPS = 7  # the size of each free dimension
OF_SOUND = ("spoken_digits", "spoken_orders")
SAMPLES = 1400  # in place of `STEPS`, of recordings
SHOWN = 6  # numbers of an answer that are recorded
CLOSE = 2e-4  # recorded numbers are rounded to 1e-4


def recording(name: str, ending: str) -> Path:
    return GOLDEN / f"{name.replace('/', '.')}{ending}"


@pytest.mark.parametrize("name", NAMES)
def test_form_is_the_recorded_one(name: str, golden) -> None:
    program = program_of(name)
    numbers = {"parameters": cost.parameters(program.graph), "flops": cost.flops(program)}
    lines = [f"{what} {cost.spell(number)}" for what, number in numbers.items()]
    texts = ["\n".join(lines) + "\n", stages.graph(program), stages.onnx(program)]
    golden(recording(name, ".txt"), "\n".join(texts))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in NAMES]
)
def test_answers_are_the_recorded_ones_in_every_engine(name: str, golden) -> None:
    program = program_of(name)
    constants = tensors_of(program, SPECS)
    graph, weights = specialize.inference(program), draw(program.graph, 0, constants)
    needed, types = {value.field for value in graph.inputs}, raw_types(program, graph)
    names = [*(i.name for i in program.inputs), *types]
    steps = SAMPLES if name in OF_SOUND else STEPS
    inputs = {
        n: draw_rows(number, types[n], steps) for number, n in enumerate(dict.fromkeys(names)) if n in needed
    }
    lengths = np.array([steps, 3])  # of the rows, where they are an input
    inputs |= {value.field: lengths for value in graph.inputs if value.kind == "length"}
    with torch.no_grad():
        module = Model(graph, program.graph.weights, weights)
        answers = module(
            {n: rows if rows.dtype == object else torch.from_numpy(rows) for n, rows in inputs.items()}
        )
    answers = {output: tensor.numpy() for output, tensor in answers.items()}

    path = recording(name, ".json")
    golden(path, recorded(path, {output: summary(answer) for output, answer in answers.items()}))

    model = serialize(onnx_model(program, graph, weights, {}))
    onnx.checker.check_model(model, full_check=True)
    engines = [run_onnxruntime, *([] if takes_text(graph) else [run_openvino])]
    for found in (engine(model, inputs) for engine in engines):
        assert found.keys() == answers.keys()
        for output, answer in answers.items():
            assert_same(as_numbers(program, output, found[output]), answer)
    none = run_onnxruntime(model, {name: rows[:0] for name, rows in inputs.items()})
    assert {n: a.shape for n, a in none.items()} == {n: (0, *a.shape[1:]) for n, a in answers.items()}


def takes_text(graph: Graph) -> bool:
    """OpenVINO knows text as an answer alone."""
    return any(value.type.element == "string" for value in graph.inputs)


def run_onnxruntime(model: bytes, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return run(open_session(model), inputs)


def draw_rows(seed: int, type: Tensor, steps: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (ROWS, *(evaluate(size, dict.fromkeys(names(size), steps)) for size in type.shape))
    if type.classes is not None and type.classes.names:
        return np.array(type.classes.names, object)[rng.integers(0, len(type.classes.names), shape)]
    if type.element == "string":
        return np.array([" ".join(rng.choice(type.words, steps)) for _ in range(ROWS)], object)
    if type.element == "float":
        rows = rng.standard_normal(shape).astype(np.float32)
        return np.where(rng.random(shape) < 0.5, np.float32("nan"), rows) if type.missing else rows
    if type.classes is not None:
        return rng.integers(0, type.classes.count, shape)
    return rng.integers(0, 2 if type.element == "bool" else 256, shape).astype(type.element)


def summary(answer: np.ndarray) -> dict[str, Any]:
    """Its shape, its first numbers, and the mean of all in absolute value."""
    numbers = answer.astype(np.float64)
    return {
        "shape": list(answer.shape),
        "first": [round(number, 4) for number in numbers.ravel()[:SHOWN].tolist()],
        "mean": round(float(np.abs(numbers).mean()), 4),
    }


def recorded(path: Path, answers: dict[str, Any]) -> str:
    """The text for a golden file: the one that is there, if it differs by rounding alone."""
    lines = [f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items()]
    text = "{\n  " + ",\n  ".join(lines) + "\n}\n"
    before = path.read_text("utf-8") if path.exists() else "{}"
    return before if alike(json.loads(before), answers) else text


def alike(before: Any, now: Any) -> bool:
    if isinstance(now, dict):
        return before.keys() == now.keys() and all(alike(before[key], now[key]) for key in now)
    if isinstance(now, list):
        return len(before) == len(now) and all(map(alike, before, now))
    return abs(before - now) <= CLOSE * max(1, abs(now))


def as_numbers(program: CompiledProgram, name: str, answer: Any) -> np.ndarray:
    """What an engine answers, with names of classes as their numbers; -1 after the end of an answer."""
    answer = np.asarray(answer)
    if answer.dtype.kind not in "OU":
        return answer
    numbers = {"": -1} | {label: k for k, label in enumerate(program.output(name).declared.classes.names)}
    return np.vectorize(numbers.__getitem__)(answer)


def assert_same(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.shape == wanted.shape
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    else:
        np.testing.assert_array_equal(found, wanted)


def test_no_recorded_form_is_without_a_spec(unused_golden) -> None:
    unused_golden(
        GOLDEN, "*", {recording(name, ending).name for name in NAMES for ending in (".txt", ".json")}
    )


@pytest.mark.parametrize("name", NAMES)
def test_is_told_well(name: str) -> None:
    """A spec describes itself, says what it has to achieve, has no warnings and is in the one layout."""
    program = program_of(name)
    assert program.description
    assert program.expectations
    assert not program.warnings
    assert format(program.source) == program.source.text


@pytest.mark.parametrize("name", NAMES)
def test_what_is_static_is_as_expected(name: str) -> None:
    program = program_of(name)
    for one in check_expectations(program, static_measures(program)):
        assert one.met is not False, one.expectation.text


def test_gates_answer_as_their_names_say() -> None:
    program = program_of("mcculloch_pitts")
    model = onnx_model(program, specialize.inference(program), {}, {})
    a, b = np.array([[False, False], [False, True], [True, False], [True, True]]).T
    answers = run(open_session(serialize(model)), {"a": a.copy(), "b": b.copy()})
    np.testing.assert_array_equal(answers["both"], a & b)
    np.testing.assert_array_equal(answers["either"], a | b)
    np.testing.assert_array_equal(answers["neither"], ~(a | b))
