"""Answers that are drawn: `export { decode = sample(...) }`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from decoded_specs import MOST, prompts, sequences
from onnx.reference import ReferenceEvaluator
from plain_sampling import chosen, draw, kept_shares
from scipy import stats

import dlc
from dlc.cli import commands
from dlc.runtime.artifact import ArtifactError, verify
from dlc.runtime.artifact.export import export

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SEQUENCES = sequences("gru(16)", "sample").replace(
    "train {", "train { metrics = [edit_distance]\n seed = 7\n"
)
PROMPTS = prompts("attention(4, causal=true) -> gru(16)", "sample, top_k=6", lengths=True)
SETTINGS = [{}, {"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.7}, {"top_k": 4, "top_p": 0.9}]
Weights = dict[str, np.ndarray]


def compiled(text: str, **settings: Any) -> dlc.Program:
    given = "".join(f", {name}={value}" for name, value in settings.items())
    return dlc.compile(text=text.replace("max=12", f"max=12{given}"))


def drawn(program: dlc.Program, seed: int) -> Weights:
    """Weights that give each class, and the end, a chance in each step."""
    rng = np.random.default_rng(seed)
    shapes = {w.name: w.value.type.shape for w in program.compiled.graph.weights}
    scales = {name: 0.12 if "dense" in name else 0.5 for name in shapes}
    return {n: (scales[n] * rng.standard_normal(shape)).astype(np.float32) for n, shape in shapes.items()}


def session(program: dlc.Program, weights: Mapping[str, np.ndarray]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # a default that may be overridden is a warning
    return onnxruntime.InferenceSession(program.onnx(weights).SerializeToString(), options)


def run(opened: onnxruntime.InferenceSession, raw: Mapping[str, Any], seed: int | None = None) -> np.ndarray:
    given = {} if seed is None else {"seed": np.array(seed, np.int64)}
    return opened.run(None, {**raw, **given})[0]


def by_prefixes(
    scores: Callable[[torch.Tensor], torch.Tensor], rows: int, end: int, seed: int, **settings: Any
) -> list[list[int]]:
    """The symbols that a plain loop draws, from the scores `[rows, steps, classes]` of all steps so far."""
    said: list[list[int]] = [[] for _ in range(rows)]
    for step in range(MOST):
        last = scores(torch.tensor(said, dtype=torch.long).reshape(rows, step))[:, -1].tolist()
        for row, symbols in enumerate(said):
            shares = kept_shares(last[row], **settings)
            symbols.append(end if end in symbols else chosen(shares, draw(seed, row, step)))
        if all(end in symbols for symbols in said):
            break
    return said


# --- what is drawn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_answers_are_those_of_a_plain_loop(settings):
    """The training form, which reads the right answers before each step, is given the drawn ones."""
    program = compiled(SEQUENCES, **settings)
    weights, rng = drawn(program, 3), np.random.default_rng(0)
    spelling = torch.from_numpy(rng.integers(0, 8, (6, 4)))
    whole, model = program.torch("train", weights), program.torch("infer", weights)
    opened, reference = session(program, weights), ReferenceEvaluator(program.onnx(weights))

    def scores(said: torch.Tensor) -> torch.Tensor:
        target = torch.cat([said, said.new_zeros(len(said), 1)], 1)  # of the last step, which nothing reads
        return whole({"spelling": spelling, "sounds": target})["sounds_probabilities"].log()

    raw, lengths = {"spelling": spelling.numpy()}, set()
    for seed in (0, 1, 2**32 - 1):
        wanted = by_prefixes(scores, 6, 6, seed, **settings)
        assert run(opened, raw, seed).tolist() == wanted
        assert model({"spelling": spelling, "seed": torch.tensor(seed)})["sounds"].tolist() == wanted
        assert reference.run(None, {**raw, "seed": np.array(seed)})[0].tolist() == wanted
        lengths |= {row.index(6) if 6 in row else MOST for row in wanted}
    assert len(lengths) > 2


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_classes_are_as_frequent_as_they_are_probable(settings):
    """The scores are the same in each step: the logarithms of probabilities, of which the last is the end."""
    text = """input  x: float[2]
output y: class(4)[T]
(shift(y.target) -> embedding(2), x) -> gru(2) -> dense(y.classes) -> y
export { decode = sample(y, max=12) }
"""
    program = compiled(text, **settings)
    shares = [0.3, 0.05, 0.4, 0.15, 0.1]
    weights = {name: np.zeros_like(array) for name, array in program.weights().items()}
    weights["dense.bias"] = np.log(np.array(shares, np.float32))
    found = run(session(program, weights), {"x": np.zeros((3000, 2), np.float32)}, seed=2)
    before = np.concatenate([np.ones((3000, 1), bool), (found != 4)[:, :-1]], 1)  # steps before the end
    counts = np.bincount(found[before], minlength=5)
    kept = kept_shares([math.log(share) for share in shares], **settings)
    assert {*np.flatnonzero(counts)} == {*kept}
    assert stats.chisquare(counts[[*kept]], np.array([*kept.values()]) * counts.sum()).pvalue > 0.01
    if 4 in kept:  # the number of steps is geometric
        assert before.sum(1).mean() == pytest.approx((1 - (1 - kept[4]) ** MOST) / kept[4], rel=0.05)


@pytest.mark.parametrize("settings", [{"temperature": 1e-6}, {"top_k": 1}, {"top_p": 1e-6}], ids=str)
def test_without_chance_the_best_class_is_answered(settings):
    program = compiled(SEQUENCES, **settings)
    greedy = dlc.compile(text=SEQUENCES.replace("sample", "greedy"))
    weights = drawn(program, 2)
    raw = {"spelling": np.random.default_rng(1).integers(0, 8, (40, 5))}
    wanted = session(greedy, weights).run(None, raw)[0]
    assert len(np.unique(wanted)) > 2
    assert (run(session(program, weights), raw, seed=5) == wanted).all()


def test_draws_depend_on_the_seed_and_the_number_of_the_row():
    program = compiled(SEQUENCES)
    opened = session(program, drawn(program, 3))
    spelling = np.random.default_rng(0).integers(0, 8, (9, 4))

    def answers(rows: np.ndarray, seed: int | None = None) -> list[list[int]]:
        found = run(opened, {"spelling": rows}, seed)
        return np.pad(found, [(0, 0), (0, MOST - found.shape[1])], constant_values=6).tolist()

    assert answers(spelling) == answers(spelling, 7)  # the seed of the training
    assert answers(spelling, 3) == answers(spelling, 3)
    assert answers(spelling, 3) != answers(spelling, 4)
    assert answers(spelling[:1], 3) == answers(spelling, 3)[:1]
    assert answers(spelling[:5], 3) == answers(spelling, 3)[:5]
    for row in range(9):  # the upper half of a seed is the number of the first row
        assert answers(spelling[row : row + 1], 3 + row * 2**32) == [answers(spelling, 3)[row]]
    same = np.repeat(spelling[:1], 9, 0)
    assert len({*map(tuple, answers(same, 3))}) > 5


def test_prompts_of_different_lengths_are_continued_as_each_alone():
    program = dlc.compile(text=PROMPTS)
    weights, lengths = drawn(program, 3), np.array([2, 6, 1, 4])
    prompts, opened = np.random.default_rng(0).integers(0, 9, (4, 6)), session(program, weights)
    together = run(opened, {"text": prompts, "text_length": lengths}, seed=1)
    in_torch = program.torch("infer", weights)
    given = {"text": prompts, "text_length": lengths, "seed": np.array(1)}
    found = in_torch({name: torch.from_numpy(array) for name, array in given.items()})["next"]
    assert (together == found.numpy()).all()
    assert len(np.unique(together)) > 4
    for row, length in enumerate(lengths):
        alone = {"text": prompts[row : row + 1, :length], "text_length": lengths[row : row + 1]}
        assert (run(opened, alone, 1 + row * 2**32)[0] == together[row]).all()


# --- the artifact -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = compiled(SEQUENCES, top_p=0.95)
    path = tmp_path_factory.mktemp("artifact") / "model.onnx"
    written = export(program.compiled, drawn(program, 3), path)
    assert written.worst == 0
    return path


def test_the_artifact_takes_a_seed_that_may_be_left_out(artifact):
    model = onnx.load(artifact)
    onnx.checker.check_model(model, full_check=True)
    (seed,) = [value for value in model.graph.input if value.name == "seed"]
    assert seed.type.tensor_type.elem_type == onnx.TensorProto.INT64
    assert not seed.type.tensor_type.shape.dim
    (default,) = [tensor for tensor in model.graph.initializer if tensor.name == "seed"]
    assert onnx.numpy_helper.to_array(default) == 7
    assert verify(artifact).holds
    loaded = dlc.load(artifact)
    assert [*loaded.inputs] == ["spelling"]
    rows = [[1, 2, 3], [4, 5, 6]]
    assert answered(loaded, rows) == answered(loaded, rows, seed=7)


def answered(loaded: Any, rows: Any, **given: Any) -> list[list[int]]:
    """The answers of an artifact, without the end."""
    return [row.tolist() for row in loaded.predict({"spelling": rows}, **given)["sounds"]]


def test_a_wrong_seed_is_noticed_by_the_proof(artifact, tmp_path):
    model = onnx.load(artifact)
    (default,) = [tensor for tensor in model.graph.initializer if tensor.name == "seed"]
    default.raw_data = np.array(8, np.int64).tobytes()
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    assert not verify(tmp_path / "other.onnx").holds


@pytest.mark.parametrize(
    ("bounds", "message"),
    [(True, "a loop that is not bounded by 100_000 steps"), (False, "inputs do not match its metadata")],
)
def test_no_other_constant_may_be_replaced(artifact, tmp_path, bounds, message):
    model = onnx.load(artifact)
    (loop,) = [node for node in model.graph.node if node.op_type == "Loop"]
    names = [t.name for t in model.graph.initializer if not t.dims and t.data_type == onnx.TensorProto.INT64]
    other = next(name for name in names if name not in (loop.input[0], "seed"))
    name = loop.input[0] if bounds else other
    model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, []))
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match=message):
        dlc.load(tmp_path / "other.onnx")


def test_the_stages_of_a_spec_show_the_seed(tmp_path):
    (tmp_path / "spec.dl").write_text(SEQUENCES)
    for stage, line in (("inference", "input %seed : int64 unbatched"), ("onnx", "input %seed : int64")):
        shown = CliRunner().invoke(commands, ["show", str(tmp_path / "spec.dl"), "--stage", stage])
        assert shown.exit_code == 0, shown.output
        assert line in shown.output


def test_each_row_is_drawn_by_its_number_however_rows_run(artifact):
    """Rows of other lengths run apart, and large batches run in parts."""
    loaded, rng = dlc.load(artifact), np.random.default_rng(0)
    rows = [rng.integers(0, 8, length).tolist() for length in (3, 5, 3, 3, 5, 2, 3)]
    together = answered(loaded, rows, seed=5)
    for place, row in enumerate(rows):
        assert answered(loaded, [row] * len(rows), seed=5)[place] == together[place]
    equal = rng.integers(0, 8, (20, 4))
    whole = answered(loaded, equal, seed=5)
    assert len({*map(len, whole)}) > 2
    loaded._max_rows = 3
    assert answered(loaded, equal, seed=5) == whole


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "3"])
def test_a_seed_that_is_none_is_refused(artifact, seed):
    with pytest.raises(ArtifactError, match="a seed is a whole number from 0 to 4294967295, found"):
        dlc.load(artifact).predict({"spelling": [[1, 2]]}, seed=seed)


def test_a_model_that_draws_nothing_takes_no_seed(tmp_path):
    program = dlc.compile(text=SEQUENCES.replace("sample", "greedy"))
    export(program.compiled, drawn(program, 3), tmp_path / "model.onnx")
    loaded = dlc.load(tmp_path / "model.onnx")
    with pytest.raises(ArtifactError, match="draws no random numbers, so it takes no seed"):
        loaded.predict({"spelling": [[1, 2]]}, seed=3)


def test_predict_and_eval_take_a_seed(artifact, tmp_path):
    rows = [{"spelling": [1, 2, 3, place % 8], "sounds": [place % 6, 1]} for place in range(12)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))

    def called(command: str, *more: str) -> Any:
        text = (tmp_path / "rows.json").read_text()
        given = [command, str(artifact), "-", "--format", "json", *more]
        result = CliRunner().invoke(commands, given, input=text)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    for command in ("predict", "eval"):
        assert called(command) == called(command, "--seed", "7")
        assert called(command, "--seed", "1") != called(command, "--seed", "2")
    found = [row["sounds"] for row in called("predict", "--seed", "3")]
    assert found == answered(dlc.load(artifact), [row["spelling"] for row in rows], seed=3)
    refused = CliRunner().invoke(commands, ["predict", str(artifact), "-", "--seed", "-1"], input="[]")
    assert refused.exit_code != 0


# --- what cannot be drawn ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("temperature=0", "`temperature` of `sample`: expected a number of at least 1e-06, found `0`"),
        ("temperature=-1", "`temperature` of `sample`: expected a number of at least 1e-06, found `-1`"),
        ("top_k=0", "`top_k` of `sample`: expected a whole number of at least 1 or none, found `0`"),
        ("top_k=8", "`top_k` is 8, and `sounds` has 7 classes, the end included"),
        ("top_p=0", "`top_p` of `sample`: expected a number above 0 and at most 1, found `0`"),
        ("top_p=1.1", "`top_p` of `sample`: expected a number above 0 and at most 1, found `1.1`"),
    ],
)
def test_settings_have_bounds(settings, message):
    assert errors(SEQUENCES.replace("max=12", f"max=12, {settings}")) == [("E0403", message)]


def test_all_classes_may_be_kept():
    compiled(SEQUENCES, top_k=7)


def test_openvino_draws_other_numbers():
    text = SEQUENCES.replace("export {", 'export {\n  target = "openvino"\n ')
    message = "OpenVINO computes other random numbers, so it cannot draw `sounds`"
    assert errors(text) == [("E0403", message)]
    assert not errors(text.replace("sample", "greedy"))


@pytest.mark.parametrize("text", [
    SEQUENCES.replace("spelling", "seed"),
    SEQUENCES.replace("sounds", "seed"),
    SEQUENCES.replace("memory", "seed").replace("decode", "outputs = [sounds, seed]\n  decode"),
])  # fmt: skip
def test_nothing_else_has_the_name_of_the_seed(text):
    assert not errors(SEQUENCES.replace("memory", "seed"))
    message = "`seed` is the name of the seed that the artifact takes, which draws its answers"
    assert {*errors(text)} == {("E0607", message)}
    assert not errors(text.replace("sample", "greedy"))


def errors(text: str) -> list[tuple[str, str]]:
    try:
        dlc.compile(text=text)
    except dlc.CompileError as error:
        return [(d.code, d.message) for d in error.diagnostics if d.severity == "error"]
    return []
