"""An emitted file trains like dlc: the same rows and initial weights give the same trained weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from emitted import load, model_of
from safetensors.numpy import save_file
from torch.utils.data import TensorDataset

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.pytorch_source import emit
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training.fit import fit
from dlc.runtime.training.loop import train
from dlc.runtime.training.torch_forms import Forms

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from dlc.compiler.program import CompiledProgram

PLAIN = "x -> dense(6) -> tanh -> dense(1) -> y"
NORM = "x -> dense(6) -> batchnorm -> relu -> dense(1) -> y"
SHORT = "batch = all\nepochs = 4\n"

STORIES = {
    "sgd": "optimizer = sgd(lr=0.1, momentum=0.1, nesterov=true, weight_decay=0.1)",
    "rmsprop": "optimizer = rmsprop(alpha=0.9, momentum=0.1, eps=1e-5, centered=true)",
    "adagrad": "optimizer = adagrad(eps=1e-5, lr_decay=0.1, weight_decay=0.1)",
    "adadelta": "optimizer = adadelta(eps=1e-5, rho=0.99)",
    "adam": "optimizer = adam(beta1=0.8, eps=0.1, weight_decay=0.1)",
    "adamw without weight decay": "optimizer = adamw(lr=0.1, weight_decay=0)",
    "adamw": "optimizer = adamw(lr=0.1, beta2=0.9)",
    "nadam": "optimizer = nadam(momentum_decay=0.1)",
    "radam": "optimizer = radam(lr=0.1, weight_decay=0.1)",
    "adamax": "optimizer = adamax(lr=0.1, eps=1e-5)",
    "a schedule": "optimizer = sgd(lr=0.1)\nschedule = cosine(warmup=2)",
    "penalties": "optimizer = sgd(lr=0.1)\nregularize = [l2(0.1), l1(0.01)]",
    "stopped early": "optimizer = sgd(lr=2)\nepochs = 9\nearly_stop = patience(2, on=train.loss)",
}


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((count, 4)).astype(np.float32)
    return x, np.sin(x).sum(axis=1)


def program_of(flow: str, settings: str) -> CompiledProgram:
    text = f"input x: float[4]\noutput y: float\n{flow}\ntrain {{\n{settings}\n}}\n"
    return compile(Source("story.dl", text))


def emitted(
    program: CompiledProgram, initial: dict[str, np.ndarray], folder: Path, *, model_alone: bool = False
) -> tuple[ModuleType, torch.nn.Module]:
    """The emitted module of a program, and its model with these initial weights."""
    path = folder / "story.py"
    path.write_text(emit(program, model_alone=model_alone), "utf-8")
    module = load(path)
    save_file(initial, path.with_suffix(".safetensors"))
    model = model_of(module)
    module.load_weights(model, path.with_suffix(".safetensors"))
    module.__dict__["initialize"] = lambda model: None
    return module, model


@pytest.mark.parametrize("story", STORIES)
def test_trains_to_the_same_weights(story: str, tmp_path: Path) -> None:
    settings = STORIES[story]
    program = program_of(PLAIN, settings if "epochs" in settings else SHORT + settings)
    x, y = rows(12)
    initial = draw(program.graph, seed=0)
    wanted = train(program, Dataset(InMemoryRows({"x": x, "y": y}, len(x))), initial, on="cpu").weights
    module, model = emitted(program, initial, tmp_path)
    module.train(model, TensorDataset(torch.from_numpy(x), torch.from_numpy(y)))
    found = {name: weight.numpy() for name, weight in model.state_dict().items()}
    assert any(np.abs(wanted[name] - initial[name]).max() > 1e-4 for name in initial)
    for name, weight in wanted.items():
        np.testing.assert_allclose(found[name], weight, rtol=1e-3, atol=1e-4, err_msg=name)


def test_mixed_targets_are_weighted_by_their_share(tmp_path: Path) -> None:
    text = """input x: float[4]
output y: class(3)
x -> mixup(0.5) -> dense(3) -> y
train { epochs = 1 }"""
    program = compile(Source("story.dl", text))
    x, _ = rows(12)
    y = np.arange(12) % 3
    initial = draw(program.graph, seed=0)
    _, model = emitted(program, initial, tmp_path, model_alone=True)
    forms = Forms(program, initial, torch.device("cpu"))
    batch = [torch.from_numpy({"x": x, "y": y}[field]) for field in forms.fields]
    torch.manual_seed(0)
    wanted = forms.training[0](batch)["loss"].item()
    torch.manual_seed(0)
    found = model.train().compute_loss(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert found == pytest.approx(wanted, rel=1e-5)


LOSSES_BY_TYPE = {
    "float[3]": ("mse(y{})", "mae(y{})", "huber(y, delta=0.3{})", "poisson(y, log=true{})", "cosine(y{})",
                 "kl_normal(y, y.target{})", "kl_divergence(softmax(y.target), softmax(y){})",
                 "contrastive(norm(y), y.target[0] > 0.5, margin=4{})",
                 "triplet(y, y.target, x[1:], margin=2{})"),
    "binary[3]": ("bce(y{})", "focal(y, gamma=3{})", "hinge(y{})", "perceptron(y{})", "dice(y)"),
    "class(3)": ("cross_entropy(y, label_smoothing=0.2, weight=[1, 2, 0.5]{})", "focal(y{})", "hinge(y{})",
                 "dice(y)"),
}  # fmt: skip


@pytest.mark.parametrize("reduce", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("type", "loss"), [(type, loss) for type in LOSSES_BY_TYPE for loss in LOSSES_BY_TYPE[type]]
)
def test_every_loss_equals_that_of_dlc(type: str, loss: str, reduce: str, tmp_path: Path) -> None:
    text = f"""input x: float[4]
output y: {type}
x -> dense(3) -> y
train {{ loss = {loss.format(f", reduce={reduce}")} }}"""
    program = compile(Source("story.dl", text))
    x, _ = rows(12)
    rng = np.random.default_rng(1)
    y = np.arange(12) % 3 if type == "class(3)" else rng.random((12, 3)).astype(np.float32)
    y = np.round(y) if type == "binary[3]" else y
    initial = draw(program.graph, seed=0)
    _, model = emitted(program, initial, tmp_path, model_alone=True)
    forms = Forms(program, initial, torch.device("cpu"))
    batch = {"x": torch.from_numpy(x), "y": torch.from_numpy(y)}
    wanted = forms.training[0]([batch[field] for field in forms.fields])["loss"].mean().item()
    found = model.train().compute_loss(**batch).mean().item()
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", ["model", "loss", "rows", "np", "torch", "F", "answers", "KIND"])
def test_names_of_inputs_and_outputs_may_be_names_of_the_file(name: str, tmp_path: Path) -> None:
    spec = """input {0}: float[3]
    output {1}: float
    output kind: class(pear, apple)
    {0} -> standardize -> dense(4) -> relu -> dense(1) -> {1}
    {0} -> dense(2) -> kind
    train {{ epochs = 2 }}"""
    x, y = torch.randn(6, 3), torch.randn(6)
    for input, output in ((name, "y"), ("x", name)):
        program = compile(Source("story.dl", spec.format(input, output)))
        module, model = emitted(program, draw(program.graph, seed=0), tmp_path)
        data = TensorDataset(x, y, torch.tensor([0, 1] * 3))
        module.train(model, data)
        assert model.predict(x)[output].shape == (6,)
        assert module.evaluate(model, data)["kind accuracy"] <= 1


def test_nets_are_applied_to_inputs_that_only_the_loss_reads(tmp_path: Path) -> None:
    text = """net embed(x) { return x -> dense(6) -> batchnorm -> relu -> dense(3) }
input positive, anchor, negative: float[4]
output code: float[3]
anchor -> standardize -> embed -> code
train { loss = triplet(code, embed(positive), embed(negative), margin=0.5)
batch = all
epochs = 4
optimizer = sgd(lr=0.1) }"""
    program = compile(Source("story.dl", text))
    given = {name: rows(12)[0] + index for index, name in enumerate(("positive", "anchor", "negative"))}
    data = InMemoryRows(given, 12)
    initial = fit(program, data, draw(program.graph, seed=0))
    done = train(program, Dataset(data), initial, on="cpu")
    module, model = emitted(program, initial, tmp_path)
    module.train(model, TensorDataset(*map(torch.from_numpy, given.values())))
    assert model.predict(torch.from_numpy(given["anchor"]))["code"].shape == (12, 3)
    found = model.state_dict()
    for name, weight in done.weights.items():
        np.testing.assert_allclose(found[name].numpy(), weight, rtol=1e-3, atol=1e-4, err_msg=name)


LOSSES = {
    "a gradient": ("x -> dense(6) -> tanh -> dense(1) -> y", "mse(y) + 0.1 * mse(gradient(y, x), 0)"),
    "a gradient for a scaled input": (
        "z = x / 2\nz -> dense(6) -> tanh -> dense(1) -> y",
        "mse(y) + 0.1 * mse(norm(gradient(y, z)), 1)",
    ),
    "a jacobian": (
        "code = x -> dense(3) -> tanh\ncode -> dense(1) -> y",
        "mse(y) + 0.1 * mse(jacobian(code, x), 0)",
    ),
}


@pytest.mark.parametrize("story", LOSSES)
def test_derivatives_in_losses(story: str, tmp_path: Path) -> None:
    flow, loss = LOSSES[story]
    program = program_of(flow, f"{SHORT}optimizer = sgd(lr=0.1)\nloss = {loss}")
    x, y = rows(12)
    initial = draw(program.graph, seed=0)
    done = train(program, Dataset(InMemoryRows({"x": x, "y": y}, len(x))), initial, on="cpu")
    module, model = emitted(program, initial, tmp_path)
    data = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    module.train(model, data)
    for name, weight in model.state_dict().items():
        np.testing.assert_allclose(weight.numpy(), done.weights[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_too_many_derivatives_are_an_error() -> None:
    with pytest.raises(CompileError, match="more than 4 derivatives"):
        emit(program_of("h = x -> dense(6)\nh -> dense(1) -> y", "loss = mse(y) + mse(jacobian(h, x), 0)"))


UNSUPPORTED = {
    "optimizer": ("optimizer = muon", "optimizer = lbfgs", "optimizer = adamw(decay=weights)"),
    "schedule": ("schedule = plateau",),
    "regularize": ("regularize = [l2(0.1, on=f)]", "regularize = [l1(0.1, on=h)]"),
    "early_stop": ("metrics = [mae]\nearly_stop = patience(2, on=train.mae)",
                   "early_stop = patience(2, on=train.loss, min_delta=0.1)"),
    "accumulate": ("accumulate = 2",),
    "ema": ("ema = 0.9",),
    "clip": ("clip = norm(1)",),
    "steps": ("steps = 3",),
    "until": ("until = train.loss < 1",),
    "precision": ("precision = bf16",),
    "freeze": ("freeze = [f]",),
    "weights": ('weights = load("f.safetensors", into=f)',),
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "settings"), [(key, each) for key, found in UNSUPPORTED.items() for each in found]
)
def test_unsupported_settings_are_an_error_unless_the_model_is_emitted_alone(key: str, settings: str) -> None:
    """The error points at the setting and names `--model`, which emits the model alone."""
    flow = "net f(x) { return x -> dense(2) }\nh = x -> f\nh -> dense(1) -> y"
    program = program_of(flow, settings)
    with pytest.raises(CompileError) as caught:
        emit(program)
    (found,) = caught.value.diagnostics
    assert (found.code, "dlc emit --model" in found.help) == ("E0821", True)
    assert found.span is not None
    assert found.span.text in settings
    assert program.source.text[: found.span.start].rstrip().endswith(f"{key} =")
    model = emit(program, model_alone=True)
    assert "def compute_loss(self, x, y)" in model
    assert "def train(" not in model


def test_several_objectives_are_an_error() -> None:
    settings = "optimizer = [adam(on=f), sgd(lr=0.1)]"
    flow = "net f(x) { return x -> dense(2) }\nx -> f -> dense(1) -> y"
    with pytest.raises(CompileError, match="several optimizers") as caught:
        emit(program_of(flow, settings))
    assert [d.code for d in caught.value.diagnostics] == ["E0821"]


@pytest.mark.parametrize(
    ("flow", "settings"),
    [
        ("x -> dense(1) -> z\nx -> sum -> y", "loss = mse(y)"),
        ("x -> dense(1) -> z\nz -> detach -> y", "loss = mse(y)"),
        ("x -> dense(1) -> z\n(x > 0) -> sum -> y", "loss = mse(y)"),
    ],
)  # fmt: skip
def test_a_loss_that_no_weight_reaches_is_the_error_of_training(flow: str, settings: str) -> None:
    text = f"input x: float[4]\noutput y, z: float\n{flow}\ntrain {{\n{settings}\n}}\n"
    program = compile(Source("story.dl", text))
    x, y = rows(12)
    with pytest.raises(CompileError) as wanted:
        train(program, Dataset(InMemoryRows({"x": x, "y": y, "z": y}, 12)), draw(program.graph, 0), on="cpu")
    with pytest.raises(CompileError) as found:
        emit(program)
    assert found.value.diagnostics == wanted.value.diagnostics
    assert [d.code for d in found.value.diagnostics] == ["E0804"]


def test_without_trainable_weights_there_is_no_training() -> None:
    """`dlc train` exports such a spec without training too."""
    assert "def train(" not in emit(program_of("x -> sum -> y", "loss = mse(y)"))


def test_equal_initial_values_need_no_cases() -> None:
    text = "input x: float[4]\noutput y: float\nx -> dense(1, init=zeros) -> y\ntrain { epochs = 1 }"
    found = emit(compile(Source("story.dl", text)))
    assert (
        """    for weight in model.parameters():
        nn.init.zeros_(weight)
"""
        in found
    )


def test_fitting_to_inputs_of_several_uses_is_an_error() -> None:
    net = "net f(v) { return v -> standardize -> dense(2) }\n"
    text = f"{net}input a, b: float[3]\noutput y: class(2)\nf(a) + f(b) -> y\n"
    with pytest.raises(CompileError, match="is fitted to the inputs of `f` at several places") as caught:
        emit(compile(Source("m.dl", text)))
    assert [d.code for d in caught.value.diagnostics] == ["E0820"]


def test_a_loss_that_is_always_nan_is_an_error(tmp_path: Path) -> None:
    program = program_of(PLAIN, f"{SHORT}early_stop = patience(2, on=train.loss)")
    x, y = rows(12)
    module, model = emitted(program, draw(program.graph, 0), tmp_path)
    with pytest.raises(RuntimeError, match="not finite after any epoch"):
        module.train(model, TensorDataset(torch.from_numpy(x), torch.from_numpy(np.full_like(y, np.nan))))


@pytest.mark.parametrize("count", [1 + 2 * 8, 2 * 8, 2 + 2 * 8])
def test_a_last_batch_of_one_row_is_dropped(count: int, tmp_path: Path) -> None:
    """`batchnorm` cannot compute statistics of one row. The number of steps equals that of dlc."""
    program = program_of(NORM, "batch = 8\nepochs = 2")
    module, model = emitted(program, draw(program.graph, seed=0), tmp_path)
    sizes = []
    model.register_forward_pre_hook(lambda model, given: sizes.append(len(given[0])))
    module.train(model, TensorDataset(*map(torch.from_numpy, rows(count))))
    assert 1 not in sizes
    steps = train(program, Dataset(InMemoryRows(dict(zip("xy", rows(count), strict=True)), count)),
                  draw(program.graph, seed=0), on="cpu").history[-1].step  # fmt: skip
    assert len(sizes) == steps


def test_labels_of_one_row_are_an_array(tmp_path: Path) -> None:
    for type, layer in (("class(a, b, c)", "dense(3)"), ("binary(no, yes)", "dense(1)"),
                        ("class(a, b)[1]", "dense(2) -> reshape(1, 2)")):  # fmt: skip
        text = f"input x: float[4]\noutput y: {type}\nx -> {layer} -> y\n"
        program = compile(Source("story.dl", text))
        _, model = emitted(program, draw(program.graph, seed=0), tmp_path, model_alone=True)
        assert model.predict(torch.randn(1, 4))["y"].shape == (1, *program.outputs[0].declared.shape)
