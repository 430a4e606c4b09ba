"""An emitted file trains like dlc: with the same rows and initial weights, it gives the same weights."""

from __future__ import annotations

import warnings
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
from dlc.runtime.training import training_plan
from dlc.runtime.training.fit import fit
from dlc.runtime.training.loop import train
from dlc.runtime.training.torch_forms import Forms

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from dlc.compiler.program import CompiledProgram

PLAIN = "x -> dense(6) -> tanh -> dense(1) -> y"
NORM = "x -> dense(6) -> batchnorm -> relu -> dense(1) -> y"
TABLE = """weight table: float[4, 6] = normal(0.5)
z = x @ table
z * dense(z, 6) -> dense(1) -> y"""
SMALL = "batch = all\nepochs = 4\n"

STORIES = {
    "sgd": (PLAIN, "optimizer = sgd(lr=0.1, momentum=0.1, nesterov=true, weight_decay=0.1)"),
    "rmsprop": (PLAIN, "optimizer = rmsprop(alpha=0.9, momentum=0.1, eps=1e-5, centered=true)"),
    "adagrad": (PLAIN, "optimizer = adagrad(eps=1e-5, lr_decay=0.1, weight_decay=0.1)"),
    "adadelta": (PLAIN, "optimizer = adadelta(eps=1e-5, rho=0.99)"),
    "adam": (PLAIN, "optimizer = adam(beta1=0.8, eps=0.1, weight_decay=0.1)"),
    "adamw without decay": (PLAIN, "optimizer = adamw(lr=0.1, weight_decay=0)"),
    "adamw": (PLAIN, "optimizer = adamw(lr=0.1, beta2=0.9)"),
    "nadam": (PLAIN, "optimizer = nadam(momentum_decay=0.1)"),
    "radam": (PLAIN, "optimizer = radam(lr=0.1, weight_decay=0.1)"),
    "adamax": (PLAIN, "optimizer = adamax(lr=0.1, eps=1e-5)"),
    "lbfgs": (PLAIN, "optimizer = lbfgs(lr=0.1, max_iter=4, line_search=strong_wolfe)"),
    "lbfgs over statistics": (NORM, "optimizer = lbfgs(lr=0.1, max_iter=4)"),
    "lbfgs that decays": (
        PLAIN,
        "optimizer = lbfgs(lr=0.1, max_iter=4, weight_decay=0.1)\nclip = norm(0.5)",
    ),
    "muon": (PLAIN, "optimizer = muon(lr=0.1)"),
    "muon with settings": (
        PLAIN,
        """optimizer = muon(momentum=0.1, nesterov=false, adjust_lr_fn=match_rms_adamw, weight_decay=0)
        schedule = linear
        clip = norm(0.5)""",
    ),
    "muon over what is multiplied by": (TABLE, "optimizer = muon(lr=0.1)"),
    "a schedule": (PLAIN, "optimizer = sgd(lr=0.1)\nschedule = cosine(warmup=2)"),
    "penalties": (PLAIN, "optimizer = sgd(lr=0.1)\nregularize = [l2(0.1), l1(0.01)]"),
    "penalties of a net and of all": (
        "net first(x) { return x -> dense(6) -> tanh }\nx -> first -> dense(1) -> y",
        "optimizer = sgd(lr=0.1)\nregularize = [elastic(0.1, 0.2, on=first), l1(0.05)]",
    ),
    "activity behind an identity": (
        "h = x -> dense(6) -> tanh -> identity\nh -> dense(1) -> y",
        "optimizer = sgd(lr=0.1)\nregularize = [l1(0.3, on=h)]",
    ),
    "a declared weight that is kept small": (
        TABLE,
        "optimizer = sgd(lr=0.1)\nregularize = [l2(0.3, on=table)]",
    ),
}


# The order of rows differs from that of dlc, so these take all rows together in a step.
TOGETHER = {
    "batches taken together": "batch = 5\naccumulate = 3\nepochs = 4\nclip = norm(0.5)",
    "steps of batches taken together": (
        "batch = 5\naccumulate = 4\nsteps = 3\nregularize = [l2(0.1)]\nschedule = linear"
    ),
    "a rate that follows the loss": (
        "batch = all\nepochs = 12\noptimizer = sgd(lr=1.5)\nschedule = plateau(1, by=0.5)"
    ),
    "a rate that follows batches taken together": (
        "batch = 5\naccumulate = 3\nepochs = 8\nclip = norm(1)\noptimizer = sgd(lr=3)\nschedule = plateau(0)"
    ),
    "averages": f"{SMALL}optimizer = sgd(lr=0.1)\nema = 0.8",
    "a best that is better by more": f"{SMALL}early_stop = patience(2, on=train.loss, min_delta=0.05)",
    "averages of which one is the best": f"{SMALL}ema = 0.8\nearly_stop = patience(2, on=train.loss)",
}


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((count, 4)).astype(np.float32)
    return x, np.sin(x).sum(axis=1)


def program_of(flow: str, settings: str) -> CompiledProgram:
    text = f"input x: float[4]\noutput y: float\n{flow}\ntrain {{\n{settings}\n}}\n"
    return compile(Source("story.dl", text))


@pytest.mark.parametrize(
    ("flow", "settings"),
    [
        *(pytest.param(flow, SMALL + settings, id=story) for story, (flow, settings) in STORIES.items()),
        *(pytest.param(PLAIN, settings, id=story) for story, settings in TOGETHER.items()),
    ],
)
def test_trains_to_the_same_weights(flow: str, settings: str, tmp_path: Path) -> None:
    program = program_of(flow, settings)
    x, y = rows(12)
    begun = draw(program.graph, seed=0)
    wanted = train(program, Dataset(InMemoryRows({"x": x, "y": y}, len(x))), begun, on="cpu").weights
    module, model = emitted(program, begun, tmp_path)
    module.train(model, TensorDataset(torch.from_numpy(x), torch.from_numpy(y)))
    found = {name: weight.numpy() for name, weight in model.state_dict().items()}
    assert any(np.abs(wanted[name] - begun[name]).max() > 1e-4 for name in begun)
    for name, weight in wanted.items():
        np.testing.assert_allclose(found[name], weight, rtol=1e-3, atol=1e-4, err_msg=name)


def test_a_step_that_computes_the_loss_several_times_draws_once(tmp_path: Path) -> None:
    settings = "optimizer = lbfgs(lr=0.1, max_iter=4)"
    program = program_of("x -> dense(6) -> tanh -> dropout(0.5) -> dense(1) -> y", SMALL + settings)
    module, model = emitted(program, draw(program.graph, seed=0), tmp_path)
    compute_loss, states = module.compute_loss, []

    def watched(*given):
        states.append(tuple(torch.get_rng_state().tolist()))
        return compute_loss(*given)

    module.__dict__["compute_loss"] = watched
    module.train(model, TensorDataset(*map(torch.from_numpy, rows(12))))
    assert len(set(states)) == 4 < len(states)


def test_what_is_mixed_counts_by_its_share(tmp_path: Path) -> None:
    text = """input x: float[4]
output y: class(3)
x -> mixup(0.5) -> dense(3) -> y
train { epochs = 1 }"""
    program = compile(Source("story.dl", text))
    x, _ = rows(12)
    y = np.arange(12) % 3
    begun = draw(program.graph, seed=0)
    module, model = emitted(program, begun, tmp_path)
    forms = Forms(program, begun, torch.device("cpu"))
    batch = [torch.from_numpy({"x": x, "y": y}[field]) for field in forms.fields]
    torch.manual_seed(0)
    wanted = forms.training[0](batch)["loss"].item()
    torch.manual_seed(0)
    found = module.compute_loss(model.train(), torch.from_numpy(x), torch.from_numpy(y)).item()
    assert found == pytest.approx(wanted, rel=1e-5)


HELD = {
    "float[3]": ("mse(y{})", "mae(y{})", "huber(y, delta=0.3{})", "poisson(y, log=true{})", "cosine(y{})",
                 "kl_normal(y, y.target{})", "kl_divergence(softmax(y.target), softmax(y){})",
                 "contrastive(norm(y), y.target[0] > 0.5, margin=4{})",
                 "triplet(y, y.target, x[1:], margin=2{})"),
    "binary[3]": ("bce(y{})", "focal(y, gamma=3{})", "hinge(y{})", "perceptron(y{})", "dice(y)"),
    "class(3)": ("cross_entropy(y, label_smoothing=0.2, weight=[1, 2, 0.5]{})", "focal(y{})", "hinge(y{})",
                 "dice(y)"),
}  # fmt: skip


@pytest.mark.parametrize("reduce", ["mean", "sum", "none"])
@pytest.mark.parametrize(("type", "loss"), [(type, loss) for type in HELD for loss in HELD[type]])
def test_every_loss_is_what_dlc_computes(type: str, loss: str, reduce: str, tmp_path: Path) -> None:
    text = f"""input x: float[4]
output y: {type}
x -> dense(3) -> y
train {{ loss = {loss.format(f", reduce={reduce}")} }}"""
    program = compile(Source("story.dl", text))
    x, _ = rows(12)
    rng = np.random.default_rng(1)
    y = np.arange(12) % 3 if type == "class(3)" else rng.random((12, 3)).astype(np.float32)
    y = np.round(y) if type == "binary[3]" else y
    begun = draw(program.graph, seed=0)
    module, model = emitted(program, begun, tmp_path)
    forms = Forms(program, begun, torch.device("cpu"))
    batch = {"x": torch.from_numpy(x), "y": torch.from_numpy(y)}
    wanted = forms.training[0]([batch[field] for field in forms.fields])["loss"].mean().item()
    found = module.compute_loss(model.train(), **batch).mean().item()
    assert found == pytest.approx(wanted, rel=1e-5)


MEASURED = {
    "classes by names": ("class(pear, apple, fig)", "dense(3)", (4,)),
    "two classes": ("class(2)", "dense(2)", (4,)),
    "no before yes": ("binary(yes, no)", "dense(1)", (4,)),
    "labels": ("binary[3]", "dense(3)", (4,)),
    "one label": ("binary[1]", "dense(1)", (4,)),
    "truths of pixels": ("binary[4, 5]", "conv(1, 1) -> reshape(4, 5)", (2, 4, 5)),
    "named truths of pixels": ("binary(no, yes)[4, 5]", "conv(1, 1) -> reshape(4, 5)", (2, 4, 5)),
    "labels with names": ("binary(no, yes)[3]", "dense(3)", (4,)),
    "classes of pixels": ("class(3)[4, 5]", "conv(3, 1)", (2, 4, 5)),
    "two classes of pixels": ("class(sky, ground)[4, 5]", "conv(2, 1)", (2, 4, 5)),
    "classes of steps": ("class(3)[5]", "dense(3)", (5, 2)),
}


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("story", MEASURED)
def test_measures_as_dlc_does(story: str, average: str, tmp_path: Path) -> None:
    type, layer, shape = MEASURED[story]
    sizes = ", ".join(map(str, shape))
    text = f"""input x: float[{sizes}]
output y: {type}
x -> {layer} -> y
train {{ metrics = [accuracy, f1, precision(average={average}), auroc(average={average})]
early_stop = patience(1, on=train.loss) }}"""
    program = compile(Source("story.dl", text))
    rng = np.random.default_rng(0)
    declared = program.outputs[0].declared
    if average == "micro" and declared.element == "class" and declared.classes.count == 2:
        with pytest.raises(CompileError, match="auroc"):  # scikit-learn takes the scores of one class alone
            emit(program)
        return
    x = rng.standard_normal((40, *shape)).astype(np.float32)
    count = declared.classes.count if declared.element == "class" else 2
    begun = draw(program.graph, seed=0)
    module, model = emitted(program, begun, tmp_path)
    for occurring in {count, max(count - 1, 2)}:
        y = rng.integers(0, occurring, (40, *declared.shape))
        wanted = Forms(program, begun, torch.device("cpu")).evaluate(InMemoryRows({"x": x, "y": y}, 40))
        target = torch.from_numpy(y if declared.element == "class" else y.astype(np.float32))
        found = module.measure(model, TensorDataset(torch.from_numpy(x), target))
        assert found.keys() == wanted.keys()
        for name, figure in wanted.items():
            assert found[name] == pytest.approx(figure, rel=1e-5), name


@pytest.mark.parametrize(
    ("type", "layer"),
    [
        ("class(a, b, c)", "dense(3)"),
        ("binary(no, yes)", "dense(1)"),
        ("class(a, b)[1]", "dense(2) -> reshape(1, 2)"),
    ],
)
def test_one_row_has_an_array_of_names_too(type: str, layer: str, tmp_path: Path) -> None:
    text = f"""input x: float[4]
output y: {type}
x -> {layer} -> y
train {{ metrics = [accuracy]
early_stop = patience(1, on=train.loss) }}"""
    program = compile(Source("story.dl", text))
    module, model = emitted(program, draw(program.graph, seed=0), tmp_path)
    x, declared = torch.randn(1, 4), program.outputs[0].declared
    y = torch.zeros(1, *declared.shape, dtype=torch.int64 if declared.element == "class" else torch.float32)
    assert module.answers(model, x)["y"].shape == y.shape
    assert module.measure(model, TensorDataset(x, y))["accuracy"] in (0, 1)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("occur", [2, 1])
@pytest.mark.parametrize(
    "type", ["class(3)", "class(a, b, c)", "class(3)[2]", "binary[3]", "binary", "binary(a, b)", "class(2)"]
)
def test_a_class_without_a_row_has_no_part_in_auroc(
    type: str, occur: int, average: str, tmp_path: Path
) -> None:
    layers = {"class(3)[2]": "dense(6) -> reshape(2, 3)", "class(2)": "dense(2)"}
    one = type.startswith("binary") and not type.endswith("]")
    averaged = "" if one or type == "class(2)" else f"(average={average})"
    text = f"""input x: float[4]
output y: {type}
x -> {layers.get(type, "dense(1)" if one else "dense(3)")} -> y
train {{ metrics = [auroc{averaged}]
early_stop = patience(1, on=train.loss) }}"""
    program = compile(Source("story.dl", text))
    declared = program.outputs[0].declared
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 4)).astype(np.float32)
    y = rng.integers(0, occur, (20, *declared.shape))
    if type == "binary[3]":
        y[:, 1] = 1
    begun = draw(program.graph, seed=0)
    wanted = Forms(program, begun, torch.device("cpu")).evaluate(InMemoryRows({"x": x, "y": y}, 20))["auroc"]
    module, model = emitted(program, begun, tmp_path)
    target = torch.from_numpy(y if declared.element == "class" else y.astype(np.float32))
    found = module.measure(model, TensorDataset(torch.from_numpy(x), target))["auroc"]
    assert found == pytest.approx(wanted, rel=1e-5, nan_ok=True)


@pytest.mark.parametrize(
    ("type", "layer", "shape"),
    [
        ("float", "dense(1)", (4,)),
        ("float[3]", "dense(3)", (4,)),
        ("int32[3]", "dense(3)", (4,)),
        ("float[2, 4, 5]", "conv(2, 1)", (2, 4, 5)),
    ],
)
def test_measures_numbers_as_dlc_does(type: str, layer: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    sizes = ", ".join(map(str, shape))
    text = f"""input x: float[{sizes}]
output y: {type}
x -> {layer} -> y
train {{ loss = mse(y)
metrics = [mae, rmse, r2]
early_stop = patience(1, on=train.loss) }}"""
    program = compile(Source("story.dl", text))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, *shape)).astype(np.float32)
    places = program.outputs[0].declared.shape
    scale = 1 + np.arange(np.prod(places)).reshape(places)
    y = (scale * rng.standard_normal((40, *places))).astype("float32" if "float" in type else "int32")
    begun = draw(program.graph, seed=0)
    wanted = Forms(program, begun, torch.device("cpu")).evaluate(InMemoryRows({"x": x, "y": y}, 40))
    module, model = emitted(program, begun, tmp_path)
    found = module.measure(model, TensorDataset(torch.from_numpy(x), torch.from_numpy(y)))
    assert found.keys() == wanted.keys()
    for name, figure in wanted.items():
        assert found[name] == pytest.approx(figure, rel=1e-5), name


@pytest.mark.parametrize("name", ["model", "loss", "metrics", "np", "torch", "F", "answers", "KIND"])
def test_inputs_and_outputs_may_be_called_as_the_file_calls_things(name: str, tmp_path: Path) -> None:
    spec = """input {0}: float[3]
    output {1}: float
    output kind: class(pear, apple)
    {0} -> standardize -> dense(4) -> relu -> dense(1) -> {1}
    {0} -> dense(2) -> kind
    train {{ early_stop = patience(2, on=train.loss)
    metrics = [mae, f1] }}"""
    x, y = torch.randn(6, 3), torch.randn(6)
    for given, answer in ((name, "y"), ("x", name)):
        program = compile(Source("story.dl", spec.format(given, answer)))
        module, model = emitted(program, draw(program.graph, seed=0), tmp_path)
        data = TensorDataset(x, y, torch.tensor([0, 1] * 3))
        module.train(model, data)
        assert module.answers(model, x)[answer].shape == (6,)
        assert module.measure(model, data)["kind_f1"] <= 1


def test_what_the_loss_alone_reads_flows_into_nets(tmp_path: Path) -> None:
    text = """net embed(x) { return x -> dense(6) -> batchnorm -> relu -> dense(3) }
input positive, anchor, negative: float[4]
output code: float[3]
anchor -> standardize -> embed -> code
train { loss = triplet(code, embed(positive), embed(negative), margin=0.5)
batch = all
epochs = 4
optimizer = sgd(lr=0.1) }"""
    program = compile(Source("story.dl", text))
    given = {name: rows(12)[0] + place for place, name in enumerate(("positive", "anchor", "negative"))}
    data = InMemoryRows(given, 12)
    begun = fit(program, data, draw(program.graph, seed=0))
    done = train(program, Dataset(data), begun, on="cpu")
    module, model = emitted(program, begun, tmp_path)
    module.train(model, TensorDataset(*map(torch.from_numpy, given.values())))
    assert module.answers(model, torch.from_numpy(given["anchor"]))["code"].shape == (12, 3)
    found = model.state_dict()
    for name, weight in done.weights.items():
        np.testing.assert_allclose(found[name].numpy(), weight, rtol=1e-3, atol=1e-4, err_msg=name)


LOSSES = {
    "a slope": ("x -> dense(6) -> tanh -> dense(1) -> y", "mse(y) + 0.1 * mse(gradient(y, x), 0)"),
    "a slope of what is scaled": (
        "z = x / 2\nz -> dense(6) -> tanh -> dense(1) -> y",
        "mse(y) + 0.1 * mse(norm(gradient(y, z)), 1)",
    ),
    "a slope of several": (
        "code = x -> dense(3) -> tanh\ncode -> dense(1) -> y",
        "mse(y) + 0.1 * mse(jacobian(code, x), 0)",
    ),
}


@pytest.mark.parametrize("story", LOSSES)
def test_derivatives_in_losses(story: str, tmp_path: Path) -> None:
    flow, loss = LOSSES[story]
    program = program_of(flow, f"{SMALL}optimizer = sgd(lr=0.1)\nloss = {loss}")
    x, y = rows(12)
    begun = draw(program.graph, seed=0)
    done = train(program, Dataset(InMemoryRows({"x": x, "y": y}, len(x))), begun, on="cpu")
    module, model = emitted(program, begun, tmp_path)
    data = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    module.train(model, data)
    for name, weight in model.state_dict().items():
        np.testing.assert_allclose(weight.numpy(), done.weights[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_too_many_derivatives_are_refused() -> None:
    with pytest.raises(CompileError, match="so many derivatives"):
        emit(program_of("h = x -> dense(6)\nh -> dense(1) -> y", "loss = mse(y) + mse(jacobian(h, x), 0)"))


def test_computes_in_bfloat16_where_that_is_safe(tmp_path: Path) -> None:
    program = program_of(NORM, f"{SMALL}precision = bf16\noptimizer = sgd(lr=0.1)")
    x, y = rows(12)
    begun = draw(program.graph, seed=0)
    done = train(program, Dataset(InMemoryRows({"x": x, "y": y}, len(x))), begun, on="cpu")
    module, model = emitted(program, begun, tmp_path)
    seen = []
    model.dense.register_forward_hook(lambda module, given, made: seen.append(made.dtype))
    module.train(model, TensorDataset(torch.from_numpy(x), torch.from_numpy(y)))
    module.answers(model, torch.from_numpy(x))
    assert set(seen[:-1]) == {torch.bfloat16}
    assert seen[-1] == torch.float32
    found = model.state_dict()
    for name, weight in done.weights.items():
        np.testing.assert_allclose(found[name].numpy(), weight, atol=2e-3, err_msg=name)


def test_a_net_of_copies_begins_with_trained_weights(tmp_path: Path, monkeypatch) -> None:
    text = """input x: float[4]
output y: float
net first(x) { return x -> repeat(3, dense(4) -> tanh) }
x -> first -> dense(1) -> y
train { weights = load("first.safetensors", into=first)
freeze = [first]
epochs = 1 }"""
    program = compile(Source("story.dl", text))
    begun = draw(program.graph, seed=0)
    trained = {name: weight + 1 for name, weight in begun.items() if name.startswith("first.")}
    save_file({n.removeprefix("first."): w for n, w in trained.items()}, tmp_path / "first.safetensors")
    module, model = emitted(program, begun, tmp_path)
    monkeypatch.chdir(tmp_path)
    module.train(model, TensorDataset(*map(torch.from_numpy, rows(12))))
    for place, dense in enumerate(model.first.denses):
        name = f"first.dense_{place + 1}.weight" if place else "first.dense.weight"
        np.testing.assert_array_equal(dense.weight.detach().numpy(), trained[name])


def test_a_rate_follows_the_loss_of_validation(tmp_path: Path) -> None:
    text = """input x: float[4]
output y: float
x -> dense(6) -> tanh -> dense(1) -> y
data { source = csv("rows.csv")
validation = 0.2 }
train { batch = all
epochs = 12
optimizer = sgd(lr=1.5)
schedule = plateau(1, by=0.5)
ema = 0.5 }"""
    program = compile(Source("story.dl", text))
    x, y = rows(12)
    begun = draw(program.graph, seed=0)
    parts = [InMemoryRows({"x": x[part], "y": y[part]}, len(x[part])) for part in (slice(8), slice(8, 12))]
    done = train(program, Dataset(*parts), begun, on="cpu")
    assert done.history[-1].rate < 1.5
    module, model = emitted(program, begun, tmp_path)
    tensors = [torch.from_numpy(array) for array in (x, y)]
    module.train(model, *(TensorDataset(*(t[part] for t in tensors)) for part in (slice(8), slice(8, 12))))
    for name, weight in model.state_dict().items():
        np.testing.assert_allclose(done.weights[name], weight.numpy(), rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("optimizer = muon\nschedule = plateau", "for two optimizers"),
        ("regularize = [l2(0.1)]\nschedule = plateau", "`regularize` without rows for validation"),
        ("batch = 4\naccumulate = 2\noptimizer = lbfgs", "`lbfgs` over several batches"),
        ("precision = float64", "computes in float32, or in bfloat16"),
    ],
)
def test_what_has_no_words_is_refused(settings: str, message: str) -> None:
    with pytest.raises(CompileError, match=message) as caught:
        emit(program_of(PLAIN, settings))
    assert [d.code for d in caught.value.diagnostics] == ["E0821"]


@pytest.mark.parametrize(
    ("flow", "settings"),
    [
        ("x -> dense(1) -> z\nx -> sum -> y", "loss = mse(y)"),
        ("x -> dense(1) -> z\nz -> detach -> y", "loss = mse(y)"),
        ("net f(x) { return x -> dense(2) }\nx -> dense(1) -> z\nf(x) -> sum -> y",
         "loss = mse(y)\nfreeze = [f]"),
        ("x -> dense(1) -> z\n(x > 0) -> sum -> y", "loss = mse(y)"),
    ],
)  # fmt: skip
def test_a_loss_that_no_weight_reaches_is_refused_as_training_refuses_it(flow: str, settings: str) -> None:
    text = f"input x: float[4]\noutput y, z: float\n{flow}\ntrain {{\n{settings}\n}}\n"
    program = compile(Source("story.dl", text))
    x, y = rows(12)
    with pytest.raises(CompileError) as wanted:
        train(program, Dataset(InMemoryRows({"x": x, "y": y, "z": y}, 12)), draw(program.graph, 0), on="cpu")
    with pytest.raises(CompileError) as found:
        emit(program)
    assert found.value.diagnostics == wanted.value.diagnostics
    assert [d.code for d in found.value.diagnostics] == ["E0804"]


@pytest.mark.parametrize(
    ("flow", "settings"),
    [
        ("x -> sum -> y", "loss = mse(y)"),
        ("net f(x) { return x -> dense(1) }\nx -> f -> y", "freeze = [f]"),
    ],
)
def test_where_nothing_may_learn_there_is_no_training(flow: str, settings: str) -> None:
    """`dlc train` exports such a spec without training."""
    assert "def train(" not in emit(program_of(flow, settings))


@pytest.mark.parametrize("figure", ["loss", "r2"])
def test_a_figure_that_is_never_a_number_is_told_as_training_tells_it(figure: str, tmp_path: Path) -> None:
    metrics = "r2" if figure == "r2" else ""  # scikit-learn refuses rows without a number
    settings = f"{SMALL}metrics = [{metrics}]\nearly_stop = patience(2, on=validation.{figure})"
    text = f"input x: float[4]\noutput y: float\n{PLAIN}\n"
    program = compile(Source("story.dl", f"{text}data {{ validation = 0.5 }}\ntrain {{\n{settings}\n}}\n"))
    x, y = rows(12)
    one, nan = y[:1], np.full_like(y, np.nan)  # of one row there is no r2
    held = InMemoryRows({"x": x[:1], "y": one}, 1) if figure == "r2" else InMemoryRows({"x": x, "y": nan}, 12)
    begun = draw(program.graph, 0)
    with pytest.raises(CompileError) as wanted:
        train(program, Dataset(InMemoryRows({"x": x, "y": y}, 12), held), begun, on="cpu")
    module, model = emitted(program, begun, tmp_path)
    parts = [TensorDataset(*map(torch.from_numpy, part)) for part in ((x, y), (held["x"], held["y"]))]
    with warnings.catch_warnings(), pytest.raises(RuntimeError) as found:
        warnings.simplefilter("ignore")  # scikit-learn has one where a figure is none
        module.train(model, *parts)
    assert [d.code for d in wanted.value.diagnostics] == ["E0710"]
    assert str(found.value) == wanted.value.diagnostics[0].message


def test_weights_that_nothing_would_load_are_refused() -> None:
    flow = "net f(x) { return x -> dense(1) }\nx -> f -> y"
    with pytest.raises(CompileError, match="loaded as training begins") as caught:
        emit(program_of(flow, 'freeze = [f]\nweights = load("f.safetensors", into=f)'))
    assert [d.code for d in caught.value.diagnostics] == ["E0821"]


def test_weights_that_all_begin_alike_take_no_cases() -> None:
    text = "input x: float[4]\noutput y: float\nx -> dense(1, init=zeros) -> y\ntrain { epochs = 1 }"
    found = emit(compile(Source("story.dl", text)))
    assert (
        """    for weight in model.parameters():
        nn.init.zeros_(weight)
"""
        in found
    )


@pytest.mark.parametrize("metric", ["confusion_matrix", "f1(average=none)"])
def test_a_metric_without_words_is_pointed_at(metric: str) -> None:
    text = f"""input x: float[4]
output y: class(3)
x -> dense(3) -> y
train {{ metrics = [accuracy, {metric}]
early_stop = patience(1, on=train.loss) }}"""
    with pytest.raises(CompileError) as caught:
        emit(compile(Source("story.dl", text)))
    (found,) = caught.value.diagnostics
    assert found.code == "E0821"
    assert text[found.span.start : found.span.end] == metric


def test_what_is_learnt_of_several_places_is_refused() -> None:
    net = "net f(v) { return v -> standardize -> dense(2) }\n"
    text = f"{net}input a, b: float[3]\noutput y: class(2)\nf(a) + f(b) -> y\n"
    with pytest.raises(CompileError, match="learns of what flows into `f` at several places") as caught:
        emit(compile(Source("m.dl", text)))
    assert [d.code for d in caught.value.diagnostics] == ["E0820"]


@pytest.mark.parametrize("count", [1 + 2 * 8, 2 * 8, 2 + 2 * 8])
@pytest.mark.parametrize("more", ["epochs = 2\nschedule = linear", "steps = 5", "accumulate = 2\nsteps = 3"])
def test_a_last_row_alone_joins_the_batch_before(count: int, more: str, tmp_path: Path) -> None:
    """`batchnorm` cannot compute statistics of one row."""
    program = program_of(NORM, f"batch = 8\n{more}")
    module, model = emitted(program, draw(program.graph, seed=0), tmp_path)
    plan = training_plan.make(
        program, Dataset(InMemoryRows(dict(zip("xy", rows(count), strict=True)), count))
    )
    compute_loss, sizes = module.compute_loss, []

    def watched(model, x, y):
        sizes.append(len(x))
        return compute_loss(model, x, y)

    module.__dict__["compute_loss"] = watched
    module.train(model, TensorDataset(*map(torch.from_numpy, rows(count))))
    each = [plan.sizes[place : place + plan.together] for place in range(0, len(plan.sizes), plan.together)]
    steps = (each * plan.epochs)[: plan.steps]
    assert sizes == [size for step in steps for size in step]


def emitted(
    program: CompiledProgram, begun: dict[str, np.ndarray], folder: Path
) -> tuple[ModuleType, torch.nn.Module]:
    """The file of a program, and its model with these initial weights."""
    path = folder / "story.py"
    path.write_text(emit(program), "utf-8")
    module = load(path)
    save_file(begun, path.with_suffix(".safetensors"))
    model = model_of(module)
    module.load_weights(model, path.with_suffix(".safetensors"))
    module.__dict__["initialize"] = lambda model: None
    return module, model
