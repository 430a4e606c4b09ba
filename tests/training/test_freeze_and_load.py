"""Frozen nets, and loaded weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from torch.nn import functional as F
from trainings import points, program

import dlc
from dlc import CompileError
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.data import Dataset
from dlc.runtime.training.loop import train

SPEC = """
input x: float[2]
output y: class(2)
net encoder(a) {{ return a -> dense(6, bias=false) -> batchnorm -> tanh }}
weight offset: float[6] = zeros
(encoder(x) + offset) -> dense(2) -> y
train {{
  optimizer = adamw(lr=0.05, weight_decay=0.1)
  epochs = 3
  batch = 16
  seed = 4
{0}
}}
"""
NAMES = ("weight", "weight", "bias", "running_mean", "running_var")


def trained(settings: str, rows=None, begin=None):
    p = program(SPEC.format(settings))
    begin = begin or draw(p.graph, 4)
    return begin, train(p, Dataset(rows or points(80)), begin, on="cpu").weights


def changed(begin, weights) -> set[str]:
    return {name for name, array in begin.items() if not np.array_equal(array, weights[name])}


def test_a_frozen_net_keeps_its_weights_and_statistics():
    begin, weights = trained("  freeze = [encoder]\n  regularize = l2(0.1)")
    assert changed(begin, weights) == {"offset", "dense.weight", "dense.bias"}
    begin, weights = trained("  freeze = [encoder, offset]\n  regularize = l2(0.1)\n  ema = 0.5")
    assert changed(begin, weights) == {"dense.weight", "dense.bias"}
    begin, weights = trained("")
    assert changed(begin, weights) == set(begin)


def test_a_frozen_net_uses_its_statistics_like_eval_in_pytorch():
    """The other weights train as after a module in evaluation mode whose weights need no gradient."""
    rows = points(80)
    p = program(SPEC.format("  freeze = encoder\n  regularize = l2(0.1)"))
    begin = draw(p.graph, 4)
    begin |= {
        "encoder.batchnorm.running_mean": np.linspace(-1, 1, 6, dtype=np.float32),
        "encoder.batchnorm.running_var": np.linspace(0.5, 3, 6, dtype=np.float32),
    }
    encoder = torch.nn.Sequential(torch.nn.Linear(2, 6, bias=False), torch.nn.BatchNorm1d(6), torch.nn.Tanh())
    head, offset = torch.nn.Linear(6, 2), torch.nn.Parameter(torch.from_numpy(begin["offset"].copy()))
    own = {n.removeprefix("encoder."): torch.from_numpy(a) for n, a in begin.items() if "encoder" in n}
    encoder.load_state_dict({n.replace("dense", "0").replace("batchnorm", "1"): t for n, t in own.items()},
                            strict=False)  # fmt: skip
    head.load_state_dict({n: torch.from_numpy(begin[f"dense.{n}"].copy()) for n in ("weight", "bias")})
    encoder.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW([offset, *head.parameters()], lr=0.05, weight_decay=0.1)
    shuffle, x, y = torch.Generator().manual_seed(4), torch.from_numpy(rows["x"]), torch.from_numpy(rows["y"])
    for _ in range(3):
        for index in torch.randperm(80, generator=shuffle).split(16):
            optimizer.zero_grad()
            loss = F.cross_entropy(head(encoder(x[index]) + offset), y[index])
            (loss + 0.1 * ((head.weight**2).sum() + (offset**2).sum())).backward()
            optimizer.step()
    _, weights = trained("  freeze = encoder\n  regularize = l2(0.1)", rows, begin)
    for name, wanted in (("offset", offset), ("dense.weight", head.weight), ("dense.bias", head.bias)):
        np.testing.assert_allclose(weights[name], wanted.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_dropout_within_a_frozen_net_still_drops():
    text = SPEC.replace("-> tanh", "-> dropout(0.5) -> tanh").format("  freeze = encoder")
    p = program(text)
    from dlc.compiler.passes.specialize import training

    names = [n.operator.name for n in training(p, p.objective).nodes]
    assert "dropout" in names and "batchnorm_inference" in names and "batchnorm" not in names


# --- load -------------------------------------------------------------------------------------------------


def write(folder, arrays, name="encoder.safetensors"):
    save_file({n: np.ascontiguousarray(a, np.float32) for n, a in arrays.items()}, folder / name)


def of_encoder(shift=0.5) -> dict[str, np.ndarray]:
    begin = draw(program(SPEC.format("")).graph, 11)
    return {n.removeprefix("encoder."): a + shift for n, a in begin.items() if n.startswith("encoder.")}


def spec_at(tmp_path, settings: str):
    path = tmp_path / "specs" / "model.dl"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SPEC.format(settings))
    return path


def data():
    rows = points(80)
    return {"x": rows["x"], "y": rows["y"]}


def test_training_starts_from_the_weights_of_a_file_next_to_the_spec(tmp_path):
    path = spec_at(tmp_path, '  weights = load("encoder.safetensors", into=encoder)\n  freeze = encoder')
    write(path.parent, of_encoder())
    result = dlc.train(path, data=data(), out=tmp_path / "runs")
    for name, array in of_encoder().items():
        np.testing.assert_array_equal(result.weights[f"encoder.{name}"], array)


def test_weights_of_a_run_are_loaded_into_the_whole_spec(tmp_path):
    path = spec_at(tmp_path, "")
    first = dlc.train(path, data=data(), out=tmp_path / "runs")
    run = f"../{(first.folder / 'weights.safetensors').relative_to(tmp_path)}"
    again = spec_at(tmp_path, f'  weights = load("{run}")\n  freeze = [encoder, offset]')
    second = dlc.train(again, data=data(), out=tmp_path / "runs")
    assert changed(first.weights, second.weights) == {"dense.weight", "dense.bias"}


def test_a_spec_whose_every_weight_is_frozen_is_exported_as_loaded(tmp_path):
    text = SPEC.format('  freeze = encoder\n  weights = load("encoder.safetensors", into=encoder)')
    path = tmp_path / "m.dl"
    path.write_text(text.replace("(encoder(x) + offset) -> dense(2)", "encoder(x)[0:2]")
                    .replace("weight offset: float[6] = zeros\n", ""))  # fmt: skip
    write(tmp_path, of_encoder())
    result = dlc.train(path, data=data(), out=tmp_path / "runs")
    assert result.trained is None
    np.testing.assert_array_equal(result.weights["encoder.dense.weight"], of_encoder()["dense.weight"])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_dtypes_are_converted(tmp_path, kind):
    path = spec_at(tmp_path, '  weights = load("encoder.safetensors", into=encoder)\n  freeze = encoder')
    tensors = {n: torch.from_numpy(a).to(kind) for n, a in of_encoder().items()}
    save_torch(tensors, path.parent / "encoder.safetensors")
    result = dlc.train(path, data=data(), out=tmp_path / "runs")
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(result.weights[f"encoder.{name}"], tensor.float().numpy())


def test_fitted_weights_are_taken_from_the_file_if_it_has_them(tmp_path):
    text = SPEC.replace("return a ->", "return a -> standardize ->").format(
        '  weights = load("encoder.safetensors", into=encoder)'
    )
    path = tmp_path / "m.dl"
    path.write_text(text)
    fitted = {"standardize.mean": np.float32([7, 8]), "standardize.std": np.float32([2, 3])}
    write(tmp_path, of_encoder() | fitted)
    result = dlc.train(path, data=data(), out=tmp_path / "runs")
    for name, array in fitted.items():
        np.testing.assert_array_equal(result.weights[f"encoder.{name}"], array)


def test_fitted_weights_that_the_file_does_not_have_are_fitted_to_the_rows(tmp_path):
    text = SPEC.replace("return a ->", "return a -> standardize ->").format(
        '  weights = load("encoder.safetensors", into=encoder)'
    )
    (tmp_path / "m.dl").write_text(text)
    write(tmp_path, of_encoder())
    result = dlc.train(tmp_path / "m.dl", data=data(), out=tmp_path / "runs")
    mean = result.weights["encoder.standardize.mean"]
    np.testing.assert_allclose(mean, data()["x"].mean(0), rtol=1e-5, atol=1e-6)


def without(name):
    return lambda arrays: {n: a for n, a in arrays.items() if n != name}


@pytest.mark.parametrize(("spoil", "message"), [
    (without("dense.weight"),
     r"encoder.safetensors does not hold the weights of the net `encoder`: `dense.weight` is missing"),
    (lambda a: a | {"extra": np.zeros(3)}, "`extra` is not a weight of the net `encoder`"),
    (lambda a: a | {"dense.weight": np.zeros((6, 3))},
     "`dense.weight` has the shape [6, 3] instead of [6, 2]"),
    (lambda a: a | {"dense.weight": np.full((6, 2), np.nan)}, "`dense.weight` is not finite"),
])  # fmt: skip
def test_weights_of_another_spec_are_reported_before_writing(tmp_path, spoil, message):
    path = spec_at(tmp_path, '  weights = load("encoder.safetensors", into=encoder)')
    write(path.parent, spoil(of_encoder()))
    with pytest.raises(CompileError) as caught:
        dlc.train(path, data=data(), out=tmp_path / "runs")
    problem = caught.value.diagnostics[0]
    assert (problem.code, problem.line) == ("E0803", 12)
    assert message in problem.message
    assert not (tmp_path / "runs").exists()


def test_integers_are_not_weights(tmp_path):
    path = spec_at(tmp_path, '  weights = load("encoder.safetensors", into=encoder)')
    arrays = of_encoder() | {"dense.weight": np.zeros((6, 2), np.int64)}
    save_file(arrays, path.parent / "encoder.safetensors")
    with pytest.raises(CompileError, match=r"`dense\.weight` holds int64 instead of floats"):
        dlc.train(path, data=data(), out=tmp_path / "runs")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 a zip file", b"\xff" * 100])
def test_an_unreadable_file_is_reported_before_writing(tmp_path, content):
    path = spec_at(tmp_path, '  weights = load("encoder.safetensors", into=encoder)')
    if content is not None:
        (path.parent / "encoder.safetensors").write_bytes(content)
    with pytest.raises(CompileError) as caught:
        dlc.train(path, data=data(), out=tmp_path / "runs")
    problem = caught.value.diagnostics[0]
    assert (problem.code, problem.line) == ("E0808", 12)
    assert ("no such file" if content is None else "not a safetensors file") in problem.message
    assert not (tmp_path / "runs").exists()


# --- load of runs -----------------------------------------------------------------------------------------

PRETRAINED = """
input x: float[2]
output y: class(2)
net encoder(a) {{ return a -> standardize -> dense(6) -> batchnorm -> tanh }}
net slow = average(encoder, decay=0.5)
{flow}
train {{
  loss = cross_entropy(y) + 0 * mse(slow(x), 0){more}
  epochs = 3
  seed = 4
}}
"""
NEW = """
input x: float[2]
output y: float
net body(a) {{ return a -> standardize -> dense(6) -> batchnorm -> tanh }}
x -> body -> dense(1) -> y
train {{
  weights = {load}
  freeze  = body
  epochs  = 1
}}
"""


def pretrained(tmp_path, flow="x -> encoder -> dense(2) -> y", more=""):
    text = PRETRAINED.format(flow=flow, more=more)
    path = tmp_path / "pre.dl"
    path.write_text(text)
    return dlc.train(path, data=data(), out=tmp_path / "runs")


def loading(tmp_path, load: str, text=NEW):
    path = tmp_path / "new.dl"
    path.write_text(text.format(load=load))
    rows = points(50, 1)
    return dlc.train(path, data={"x": 5 * rows["x"], "y": rows["x"].sum(1)}, out=tmp_path / "runs")


def under(weights, net: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(f"{net}."): a for n, a in weights.items() if n.startswith(f"{net}.")}


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys() and found
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize("net", ["encoder", "slow"])
@pytest.mark.parametrize(
    "place", ["runs/pre/latest", "runs/pre/latest/", "runs/pre/latest/weights.safetensors"]
)
def test_a_net_of_a_run_is_loaded_with_what_it_learnt_from_rows(tmp_path, net, place):
    """Its scales are those of the rows of the run, not of the new rows."""
    first = pretrained(tmp_path)
    second = loading(tmp_path, f'load("{place}", into=body, from="{net}")')
    assert_equal(under(second.weights, "body"), under(first.weights, net))
    assert "standardize.mean" in under(second.weights, "body")


def test_the_top_level_of_a_run_is_loaded_into_a_net(tmp_path):
    """The layer behind it has no place in the net, and is left out."""
    flow = "x -> standardize -> dense(6) -> batchnorm -> tanh -> dense(2) -> y\na = encoder(x)"
    first = pretrained(tmp_path, flow, " + mse(a, 0)")
    second = loading(tmp_path, 'load("runs/pre/latest", into=body)')
    own = under(second.weights, "body")
    assert_equal(own, {name: first.weights[name] for name in own})


def test_a_net_of_a_run_is_loaded_as_the_top_level(tmp_path):
    first = pretrained(tmp_path)
    text = NEW.replace("net body(a) {{ return a ->", "x ->").replace("-> tanh }}", "-> tanh -> y")
    text = text.replace("x -> body -> dense(1) -> y\n", "").replace("  freeze  = body\n", "")
    text = text.replace("output y: float", "output y: float[6]").replace(
        "train {{", "train {{ loss = mse(y, 0)"
    )
    second = loading(tmp_path, 'load("runs/pre/latest", from="encoder")', text)
    for name in ("standardize.mean", "standardize.std"):
        np.testing.assert_array_equal(second.weights[name], first.weights[f"encoder.{name}"])


def test_a_whole_run_is_continued_and_its_averages_start_anew(tmp_path):
    first = pretrained(tmp_path)
    text = PRETRAINED.format(flow="x -> encoder -> dense(2) -> y", more="")
    text = text.replace("seed = 4", 'seed = 5\n  weights = load("runs/pre/latest")\n  freeze = encoder')
    (tmp_path / "again.dl").write_text(text)
    second = dlc.train(tmp_path / "again.dl", data=data(), out=tmp_path / "runs")
    assert_equal(under(second.weights, "encoder"), under(first.weights, "encoder"))
    assert_equal(under(second.weights, "slow"), under(first.weights, "encoder"))


def test_several_runs_are_loaded_into_several_nets(tmp_path):
    first = pretrained(tmp_path)
    text = NEW.replace(
        "x -> body ->", "net other(a) {{ return body(a) -> dense(6) -> batchnorm }}\nx -> other ->"
    )
    head = {f"other.{n}": a + 1 for n, a in of_encoder().items() if "bias" not in n and "batchnorm" in n}
    head |= {
        "other.batchnorm.bias": np.ones(6),
        "other.dense.weight": np.eye(6),
        "other.dense.bias": np.ones(6),
    }
    write(tmp_path, head, "head.safetensors")
    both = '[load("runs/pre/latest", into=body, from="encoder"), load("head.safetensors", into=other)]'
    second = loading(tmp_path, both, text.replace("= body\n", "= [body, other]\n"))
    assert_equal(under(second.weights, "body"), under(first.weights, "encoder"))
    np.testing.assert_array_equal(second.weights["other.dense.weight"], np.eye(6))


def test_names_with_the_name_of_the_net_are_accepted(tmp_path):
    path = spec_at(tmp_path, '  weights = load("encoder.safetensors", into=encoder)\n  freeze = encoder')
    write(path.parent, {f"encoder.{n}": a for n, a in of_encoder().items()})
    result = dlc.train(path, data=data(), out=tmp_path / "runs")
    assert_equal(under(result.weights, "encoder"), of_encoder())


MISSING = "does not hold the weights of the net `body`:"


@pytest.mark.parametrize(("load", "code", "message", "help"), [
    ('"runs/pre", into=body, from="encoder"', "E0808",
     "runs/pre/weights.safetensors cannot be read: there is no such file",
     'did you mean `"runs/pre/latest"`?'),
    ('"runs/prr/latest", into=body', "E0808",
     "runs/prr/latest/weights.safetensors cannot be read: there is no such file", "paths are relative"),
    ('"runs/pre/latest", into=body, from="encodr"', "E0803",
     "runs/pre/latest has no weights of a net `encodr`", "did you mean `encoder`?"),
    ('"runs/pre/latest", into=body', "E0803", f"runs/pre/latest {MISSING} `standardize.mean` is missing",
     'it has the net `encoder`: write `from="encoder"`'),
    ('"runs/pre/latest"', "E0803", "`body.standardize.mean` is missing", ""),
    ('"near.safetensors", into=body', "E0803", f"near.safetensors {MISSING} `dense.weight` is missing",
     "the nearest name to `dense.weight` there is `dense_1.weight`"),
    ('"runs/pre/latest/model.onnx"', "E0403", 'found "runs/pre/latest/model.onnx"', "safetensors"),
])  # fmt: skip
def test_what_a_run_does_not_have_is_reported(tmp_path, load, code, message, help):
    first = pretrained(tmp_path)
    near = {n.replace("dense.w", "dense_1.w"): a for n, a in under(first.weights, "encoder").items()}
    write(tmp_path, near, "near.safetensors")
    with pytest.raises(CompileError) as caught:
        loading(tmp_path, f"load({load})")
    problem = caught.value.diagnostics[0]
    assert (problem.code, problem.line) == (code, 7)
    assert message in problem.message and help in problem.help


def test_a_run_with_weights_of_another_format_is_not_read(tmp_path):
    run = tmp_path / "runs" / "strange"
    run.mkdir(parents=True)
    (run / "weights.safetensors").write_bytes(b"\x80\x04\x95 a pickle")
    with pytest.raises(CompileError, match="not a safetensors file"):
        loading(tmp_path, 'load("runs/strange", into=body)')
    (run / "weights.safetensors").write_bytes((1 << 40).to_bytes(8, "little") + b"{")
    with pytest.raises(CompileError, match="header is longer"):
        loading(tmp_path, 'load("runs/strange", into=body)')
