"""`dlc emit` for every golden spec: the file loads the weights of the spec by name, and computes the outputs
of the artifact and the loss of the spec."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from emitted import assert_close, open_emitted, predicted, with_noise
from large_specs import LARGE_SPECS
from shipped import SPECS, program_of

from dlc.cli import commands
from dlc.compiler import CompileError
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.onnx import serialize
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.compiler.passes.lengths import length_inputs
from dlc.runtime.artifact.samples import sample, sized
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.write import onnx_model
from dlc.runtime.loaded_tensors import tensors_of

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram

GOLDEN = Path(__file__).parent / "golden"
# Average nets, derivatives by many numbers, text, inputs with lengths, and beam search.
REFUSED = (
    "actor_critic",
    "adversarial_training",
    "byol",
    "char_gpt",
    "contractive_autoencoder",
    "gloss_subwords",
    "pronounce_gru",
    "spam",
)
NAMES = sorted(
    {path.relative_to(SPECS).with_suffix("").as_posix() for path in SPECS.rglob("*.dl")} - {*REFUSED}
)
# Those whose numbers are compared. `vgg16`, the largest, has the layers of `vgg11` and of `resnet18`.
IN_TURN = [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE_SPECS or place % 2)) for place, n in
           enumerate(n for n in NAMES if n != "vgg16")]  # fmt: skip
COMPUTED = [pytest.param(n, marks=pytest.mark.slow) if n in LARGE_SPECS else n for n in NAMES if n != "vgg16"]
GOLDEN_NAMES = (
    "augmented_segmentation",
    "lenet",
    "resnet18",
    "unet",
    "two_inputs_two_outputs",
    "undercomplete_autoencoder",
    "iris",
    "vgg11",
)
SIZES = {"T": 5, "N": 3, "S": 4, "U": 1, "H": 6, "W": 4}  # of the free dimensions
SAMPLES = 1400  # for `T`, of recordings
# Specs whose training script is not supported, so that only `--model` emits them, with the error code.
MODEL_ALONE = {
    "adding": "E0821",
    "adversarial_autoencoder": "E0821",
    "anomaly_detection": "E0822",
    "bert": "E0821",
    "beta_vae": "E0821",
    "checkpoints/bert": "E0821",
    "checkpoints/resnet50": "E0821",
    "checkpoints/vit": "E0821",
    "co2": "E0821",
    "coastlines": "E0822",
    "conditional_gan": "E0821",
    "cyclegan": "E0821",
    "deep_belief_network": "E0821",
    "deep_boltzmann_machine": "E0821",
    "diffusion": "E0822",
    "distillation": "E0821",
    "emoji": "E0822",
    "few_pictures": "E0821",
    "ft_transformer": "E0822",
    "gan_digits": "E0821",
    "gan_ring": "E0821",
    "gloss_transformer": "E0821",
    "glosses": "E0821",
    "gpt": "E0821",
    "graph_attention": "E0822",
    "handwriting": "E0821",
    "highlighting": "E0821",
    "ignored_borders": "E0822",
    "japanese_vowels": "E0821",
    "llama": "E0821",
    "manual": "E0821",
    "missing_targets": "E0822",
    "narma": "E0821",
    "number_words": "E0821",
    "optimizers/lbfgs": "E0821",
    "optimizers/muon": "E0821",
    "patch_tst": "E0822",
    "perceiver": "E0822",
    "persistent_chains": "E0821",
    "pinn": "E0822",
    "pronounce_transformer": "E0821",
    "real_nvp": "E0822",
    "simclr": "E0821",
    "similarity_search": "E0821",
    "simsiam": "E0821",
    "sparse_autoencoder": "E0821",
    "spoken_digits": "E0822",
    "spoken_orders": "E0821",
    "stacked_autoencoder": "E0821",
    "sunspots": "E0821",
    "transfer": "E0821",
    "wgan_gp": "E0821",
    "word_lstm": "E0821",
}
KNOWN = {"copy", "gzip", "math", "numpy", "os", "pandas", "re", "safetensors", "sklearn", "torch"}


@cache
def emitted_text(name: str) -> str:
    """What `dlc emit` writes: the script, or the model where the training script is not supported."""
    return emit(program_of(name), model_alone=name in MODEL_ALONE)


def sizes_of(program: CompiledProgram) -> dict[str, int]:
    """Sizes of the free dimensions, large enough for a spectrogram."""
    return SIZES | {"T": SAMPLES} if (program.name or "").startswith("spoken_") else SIZES


def weights_of(program: CompiledProgram) -> dict[str, np.ndarray]:
    """Random weights, and the tensors that the spec loads."""
    loaded = tensors_of(program, SPECS)
    return with_noise(draw(program.graph, 0, loaded)) | loaded


def assert_outputs_equal(program: CompiledProgram, path: Path) -> None:
    weights, graph = weights_of(program), specialize.inference(program)
    declared = {i.name: i.declared for i in program.inputs}
    inputs = sample(sized(declared, sizes_of(program)), 3, 0)
    inputs |= {name: np.resize(np.array(type.classes.names, object), inputs[name].shape)
               for name, type in declared.items() if type.classes and type.classes.names}  # fmt: skip
    session = open_session(serialize(onnx_model(program, graph, weights, {})))
    wanted = run(session, {value.name: inputs[value.name] for value in graph.inputs})
    assert_close(predicted(path, weights, inputs, declared), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPUTED)
def test_outputs_equal_those_of_the_artifact(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(SPECS)  # paths in emitted files are relative to the spec
    path = tmp_path / "emitted.py"
    done = CliRunner().invoke(commands, ["emit", "--model", str(SPECS / f"{name}.dl"), "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert_outputs_equal(program_of(name), path)


@pytest.mark.parametrize("name", IN_TURN)
def test_has_the_loss_of_the_spec(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(SPECS)
    program = program_of(name)
    path = tmp_path / "emitted.py"
    path.write_text(emit(program, model_alone=True), "utf-8")
    if not program.phases:
        assert "compute_loss" not in path.read_text("utf-8")
        return
    weights = weights_of(program)
    forms = [(phase, specialize.validation(program, phase)) for phase in program.phases]
    targets = {v.field: v.type for _, form in forms for v in form.inputs if v.is_target}
    types = {i.name: i.declared for i in program.inputs} | targets
    drawn = sample(sized(types, sizes_of(program)), 3, 0)
    known = {n: range(len(t.classes.names)) for n, t in types.items() if t.classes and t.classes.names}
    for field, indices in known.items():
        dtype = np.float32 if types[field].element == "float" else np.int64
        drawn[field] = np.resize([*indices], drawn[field].shape).astype(dtype)
    given = {n: torch.from_numpy(np.maximum(x, 0) if types[n].classes else x) for n, x in drawn.items()}
    given |= {i.field: torch.full((3,), sizes_of(program)[dim]) for dim, i in length_inputs(program).items()}
    _, model = open_emitted(path, weights)
    for phase, form in forms:
        wanted = Model(form, program.graph.weights, weights)(given)
        for figure in (objective.figure for objective in phase.objectives):
            words = filter(None, ("compute", phase.name, figure.replace(".", "_")))
            method = getattr(model.eval(), "_".join(words))
            found = method(*(given[field] for field in inspect.signature(method).parameters))
            loss = wanted[specialize.loss_of(figure)]
            torch.testing.assert_close(found.mean(), loss, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_models_are_errors_with_a_location(name: str) -> None:
    with pytest.raises(CompileError) as caught:
        emit(program_of(name), model_alone=True)
    (found,) = caught.value.diagnostics
    assert found.code == "E0820" and found.span is not None


@pytest.mark.parametrize("name", MODEL_ALONE)
def test_unsupported_training_is_an_error_with_a_location(name: str) -> None:
    with pytest.raises(CompileError) as caught:
        emit(program_of(name))
    (found,) = caught.value.diagnostics
    assert (found.code, "dlc emit --model" in found.help) == (MODEL_ALONE[name], True)
    assert found.span is not None


@pytest.mark.parametrize("name", NAMES)
def test_does_not_import_dlc(name: str) -> None:
    text = emitted_text(name)
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {
        (node.module or "").split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
    }
    assert imported <= KNOWN


def test_all_are_formatted_like_ruff(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / f"{name.replace('/', '.')}.py").write_text(emitted_text(name), "utf-8")
    assert len([*tmp_path.iterdir()]) == len(NAMES)
    for command in (("check", "--select", "F,E9"), ("format", "--check")):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", tmp_path]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_text_equals_the_golden_file(name: str, golden) -> None:
    golden(GOLDEN / f"{name}.py.txt", emit(program_of(name)))


def test_every_golden_file_is_used(unused_golden) -> None:
    of_steps = "wgan_gp"  # in test_emitted_objectives.py
    unused_golden(GOLDEN, "*", {f"{name}.py.txt" for name in (*GOLDEN_NAMES, of_steps)})


@pytest.mark.parametrize(
    ("name", "metric", "minimum"),
    [
        ("iris", "accuracy", 0.9),
        pytest.param("xor", "accuracy", 1.0, marks=pytest.mark.slow),
        pytest.param("breast_cancer", "accuracy", 0.9, marks=pytest.mark.slow),
    ],
)
def test_trains_to_what_the_spec_expects(name: str, metric: str, minimum: float, tmp_path: Path) -> None:
    """The file runs as a script in its own folder."""
    path = tmp_path / "emitted.py"
    path.write_text(emit(program_of(name)), "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", path.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    reached: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        part, _, values = line.partition(" ")
        reached[part] = ast.literal_eval(values)
    assert reached["test" if "test" in reached else "training"][metric] >= minimum


def test_blocks_are_classes_and_repeats_are_loops() -> None:
    text = emit(program_of("resnet18"))
    tree = ast.parse(text)
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {"Basic", "Group", "Resnet18"} <= classes
    assert len(text.splitlines()) < 130
    vgg = ast.parse(emit(program_of("vgg11")))
    assert [node for node in ast.walk(vgg) if isinstance(node, ast.For)]


def test_is_written_without_torch() -> None:
    program = "import sys; from dlc.cli import commands; commands(sys.argv[1:], standalone_mode=False); " \
        "print(sorted({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"  # fmt: skip
    command = [sys.executable, "-c", program, "emit", str(SPECS / "lenet.dl")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith('"""LeNet-5: the convolutional network')
    assert done.stdout.endswith("main()\n[]\n")
