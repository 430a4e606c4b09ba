"""The Python interface: `dlc.compile`, its result, `dlc.train` and `dlc.load`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.numpy import save_file

import dlc
from dlc.compiler.lower.torch import Model

NET = """input x: float[1, 8, 8]
output y: class(3)
block unit(x; n) { return x -> conv(n, 3, padding=1) -> batchnorm -> relu -> dropout(0.5) }
weight scale: float[4] = ones

h = x -> unit(2) -> unit(4) -> global_avgpool
h * scale -> dense(3) -> y
"""
NAMES = [
    "scale",
    *(f"unit.{leaf}" for leaf in ("conv.weight", "conv.bias", "batchnorm.weight", "batchnorm.bias")),
    *(f"unit.batchnorm.{leaf}" for leaf in ("running_mean", "running_var")),
    *(f"unit_2.{leaf}" for leaf in ("conv.weight", "conv.bias", "batchnorm.weight", "batchnorm.bias")),
    *(f"unit_2.batchnorm.{leaf}" for leaf in ("running_mean", "running_var")),
    "dense.weight",
    "dense.bias",
]
FITTED = """input x: float[3]
input kind: class(auto)
output y: class(auto)
offset = where(kind == 0, 1.0, 0.0)
(x -> standardize) + offset -> dense(y.classes) -> y
"""
WAITS = "input x: float[3]\noutput y: float\nx -> standardize -> dense(1) -> y\n"


def images(batch: int = 4) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(batch, 1, 8, 8, generator=torch.Generator().manual_seed(0))}


def codes(caught: pytest.ExceptionInfo[dlc.CompileError]) -> list[str]:
    return [d.code for d in caught.value.diagnostics]


# --- compile ----------------------------------------------------------------------------------------------


def test_a_path_or_a_text_is_compiled(tmp_path: Path) -> None:
    (tmp_path / "net.dl").write_text(NET, "utf-8")
    for program in (
        dlc.compile(tmp_path / "net.dl"),
        dlc.compile(str(tmp_path / "net.dl")),
        dlc.compile(text=NET),
    ):
        assert list(program.weights()) == NAMES
    assert dlc.compile(tmp_path / "net.dl").compiled.name == "net"


def test_params_are_given_by_name() -> None:
    text = "param units = 4\ninput x: float[2]\noutput y: float\nx -> dense(units) -> dense(1) -> y\n"
    assert dlc.compile(text=text).weights()["dense.weight"].shape == (4, 2)
    assert dlc.compile(text=text, params={"units": 7}).weights()["dense.weight"].shape == (7, 2)
    with pytest.raises(dlc.CompileError, match="has no param `unit`") as caught:
        dlc.compile(text=text, params={"unit": 7})
    assert "units" in caught.value.diagnostics[0].help
    with pytest.raises(dlc.CompileError):
        dlc.compile(text=text, params={"units": "many"})


def test_compile_takes_a_path_or_a_text(tmp_path: Path) -> None:
    for given in ({}, {"path": "a.dl", "text": "b"}):
        with pytest.raises(ValueError, match="give either a path or a text"):
            dlc.compile(**given)
    with pytest.raises(FileNotFoundError):
        dlc.compile(tmp_path / "nothing.dl")


def test_an_error_has_a_source_location_and_a_fix() -> None:
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text="input x: float[2]\noutput y: float\nx -> dens(1) -> y\n")
    (problem,) = caught.value.diagnostics
    assert (problem.line, problem.column, problem.code[0]) == (3, 6, "E")
    assert "dense" in problem.help
    assert "text.dl:3:6" in str(caught.value)


# --- torch ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_module_has_every_weight_in_the_order_of_the_spec(mode: str) -> None:
    module = dlc.compile(text=NET).torch(mode)
    assert isinstance(module, torch.nn.Module)
    assert list(module.state_dict()) == NAMES
    buffers = [n for n in NAMES if "running" in n]
    assert [n for n, _ in module.named_parameters()] == [n for n in NAMES if n not in buffers]
    assert [n for n, _ in module.named_buffers()] == buffers
    assert all(p.requires_grad and p.is_leaf for p in module.parameters())


def test_both_modes_return_the_output_names_of_the_artifact() -> None:
    program = dlc.compile(text=NET)
    artifact = [o.name for o in program.onnx().graph.output]
    for mode in ("infer", "train"):
        found = program.torch(mode)(images())
        assert list(found) == artifact == ["y", "y_probabilities"]
        assert found["y"].dtype == torch.int64
        torch.testing.assert_close(found["y_probabilities"].sum(1), torch.ones(4))


def test_inference_is_deterministic_and_training_is_random() -> None:
    program = dlc.compile(text=NET)
    infer, train = program.torch(), program.torch("train")
    for module in (infer.train(), infer.eval()):
        torch.testing.assert_close(module(images())["y_probabilities"], infer(images())["y_probabilities"])
    one, other = (train.eval()(images())["y_probabilities"] for _ in range(2))
    assert not torch.equal(one, other)
    assert not torch.equal(train.state_dict()["unit.batchnorm.running_mean"], torch.zeros(2))
    assert torch.equal(infer.state_dict()["unit.batchnorm.running_mean"], torch.zeros(2))


def test_a_manual_training_loop_changes_every_weight() -> None:
    program = dlc.compile(text=NET)
    module = program.torch("train")
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    before = copy.deepcopy(module.state_dict())
    for _ in range(3):
        probabilities = module(images(16))["y_probabilities"]
        (-probabilities[:, 1].log().mean()).backward()
        optimizer.step()
    same = [n for n, w in module.state_dict().items() if torch.equal(w, before[n])]
    assert not [n for n in same if not n.endswith("conv.bias")]  # a normalization cancels a preceding bias
    assert program.torch(weights=module.state_dict())(images())["y"].tolist() == [1] * 4


@pytest.mark.parametrize("form", ["state_dict", "parameters", "arrays", "doubles"])
def test_weights_can_be_loaded_again(form: str) -> None:
    program = dlc.compile(text=NET)
    module = program.torch("train")
    with torch.no_grad():
        for weight in (*module.parameters(), *module.buffers()):
            weight.uniform_(0.1, 1)
    given: dict[str, Any] = dict(module.state_dict())
    if form == "parameters":
        given = dict(module.named_parameters()) | dict(module.named_buffers())
    elif form != "state_dict":
        dtype = np.float32 if form == "arrays" else np.float64
        given = {n: w.numpy().astype(dtype) for n, w in given.items()}
    again = program.torch(weights=given)
    for name, weight in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)
    again.load_state_dict(program.torch().state_dict())
    assert torch.equal(again.state_dict()["scale"], torch.ones(4))


def test_a_module_owns_its_weights() -> None:
    program = dlc.compile(text=NET)
    given = program.weights()
    module = program.torch(weights=given)
    with torch.no_grad():
        dict(module.named_parameters())["scale"].fill_(7)
    assert given["scale"].tolist() == [1] * 4
    assert program.torch().state_dict()["scale"].tolist() == [1] * 4


def test_some_weights_may_be_given() -> None:
    program = dlc.compile(text=NET)
    module = program.torch(weights={"scale": [1, 2, 3, 4]})
    assert module.state_dict()["scale"].tolist() == [1, 2, 3, 4]
    assert torch.equal(module.state_dict()["dense.weight"], program.torch().state_dict()["dense.weight"])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"scales": np.ones(4)}, "`scales` is not a weight of the spec"),
        ({"scale": np.ones(5)}, r"`scale` has the shape \[5\] instead of \[4\]"),
    ],
)
def test_invalid_weights_are_an_error(weights: dict[str, Any], message: str) -> None:
    program = dlc.compile(text=NET)
    for use in (program.torch, program.onnx):
        with pytest.raises(dlc.CompileError, match=message) as caught:
            use(weights=weights)
        assert codes(caught) == ["E0803"]


def test_loading_a_dict_is_as_strict_as_torch_is() -> None:
    module = dlc.compile(text=NET).torch()
    held = module.state_dict()
    with pytest.raises(RuntimeError, match="Missing key"):
        module.load_state_dict({n: w for n, w in held.items() if n != "scale"})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        module.load_state_dict(held | {"unit.other.weight": torch.ones(1)})
    with pytest.raises(RuntimeError, match="size mismatch"):
        module.load_state_dict(held | {"unit.conv.weight": torch.ones(1)})
    found = module.load_state_dict({"scale": torch.zeros(4), "more": torch.ones(1)}, strict=False)
    assert (found.unexpected_keys, "dense.bias" in found.missing_keys) == (["more"], True)
    assert module.state_dict()["scale"].tolist() == [0] * 4


def test_in_another_module_names_get_its_prefix() -> None:
    module = torch.nn.Sequential(dlc.compile(text=NET).torch())
    assert list(module.state_dict()) == [f"0.{n}" for n in NAMES]
    module.load_state_dict({n: w + 1 for n, w in module.state_dict().items()})
    assert module.state_dict()["0.scale"].tolist() == [2] * 4


def test_blocks_may_have_names_of_module_methods() -> None:
    text = (
        "input x: float[3]\noutput y: float\n"
        "block double(x) { return x -> dense(3) }\nblock train(x) { return x -> dense(3) -> batchnorm }\n"
        "weight state_dict: float[3] = ones\nweight forward: float[3] = ones\n"
        "h = x -> double() -> train() -> double() -> train()\nsum(h * state_dict * forward) -> y\n"
    )
    module = dlc.compile(text=text).torch("train")
    assert list(module.state_dict())[:3] == ["state_dict", "forward", "double.dense.weight"]
    assert (
        module.train().eval().double()({"x": torch.ones(2, 3, dtype=torch.float64)})["y"].dtype
        == torch.float64
    )
    module.float()({"x": torch.ones(2, 3)})["y"].sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_a_copy_is_independent() -> None:
    module = dlc.compile(text=NET).torch()
    twin = copy.deepcopy(module)
    torch.testing.assert_close(twin(images()), module(images()))
    with torch.no_grad():
        dict(twin.named_parameters())["dense.bias"].fill_(9)
    assert module.state_dict()["dense.bias"].tolist() == [0, 0, 0]
    assert twin.state_dict()["dense.bias"].tolist() == [9, 9, 9]


def test_a_module_moves_with_its_constants() -> None:
    text = "input x: float[2]\noutput y: float[2]\nx -> dense(2, weight=[[1, 0], [0, 2]], bias=false) -> y\n"
    module = dlc.compile(text=text).torch()
    assert module.to("cpu") is module
    assert module.state_dict() == {}
    assert module({"x": torch.tensor([[3.0, 4.0]])})["y"].tolist() == [[3, 8]]
    moved = module.to("meta")
    assert moved({"x": torch.ones(5, 2, device="meta")})["y"].shape == (5, 2)


def test_text_is_given_as_text_or_as_numbers() -> None:
    text = (
        'input kind: class(a, b, c)\ninput paid: binary("no", "yes")\n'
        'output y: class(u, v)\noutput z: binary("no", "yes")\n'
        "h = where(kind == 1, 1.0, -1.0)\nconcat(h, -h) -> y\npaid - 0.5 -> z\n"
    )
    program = dlc.compile(text=text)
    words: list[Any] = [
        ["b", "a", "c", "?"],
        np.array(["b", "a", "c", "?"]),
        np.array(["b", "a", "c", "?"], object),
    ]
    for mode in ("infer", "train"):
        for kind in (*words, torch.tensor([1, 0, 2, -1])):
            for paid in (["yes", "no", "no", "?"], torch.tensor([True, False, False, False])):
                found = program.torch(mode)({"kind": kind, "paid": paid})
                assert found["y"].tolist() == [0, 1, 1, 1]
                assert found["z"].tolist() == [True, False, False, False]


def test_a_wrong_call_of_a_module_is_an_error(capfd) -> None:
    module = dlc.compile(text=NET).torch()
    with pytest.raises(KeyError, match="the model needs the inputs x"):
        module({"y": torch.ones(1)})
    with pytest.raises(TypeError, match="the model takes a dict of tensors: x"):
        module(torch.ones(1, 1, 8, 8))
    with pytest.raises(RuntimeError):
        module({"x": torch.ones(4, 9, 8, 8)})
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ValueError, match='the mode is "infer" or "train", not'):
        dlc.compile(text=NET).torch("eval")


def test_inputs_that_inference_does_not_need_may_be_given() -> None:
    text = (
        "input x: float[2]\ninput t: float[2]\noutput y: float[2]\n"
        "x -> dense(2) -> y\ntrain { loss = mse(y, t) }\n"
    )
    module = dlc.compile(text=text).torch()
    assert module({"x": torch.ones(1, 2), "t": torch.ones(1, 2)})["y"].shape == (1, 2)
    assert module({"x": torch.ones(1, 2)})["y"].shape == (1, 2)


# --- onnx -------------------------------------------------------------------------------------------------


def test_a_proto_is_what_onnx_runtime_runs() -> None:
    program = dlc.compile(text=NET)
    proto = program.onnx()
    assert isinstance(proto, onnx.ModelProto)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    answers = session.run(None, {"x": images()["x"].numpy()})
    expected = program.torch()(images())
    np.testing.assert_array_equal(answers[0], expected["y"].numpy())
    np.testing.assert_allclose(answers[1], expected["y_probabilities"].detach().numpy(), rtol=1e-4)


def test_a_proto_takes_weights() -> None:
    program = dlc.compile(text="input x: float[2]\noutput y: float\nx -> dense(1) -> y\n")
    module = program.torch(weights={"dense.weight": [[2, 3]], "dense.bias": [1]})
    for given in (module.state_dict(), {"dense.weight": [[2, 3]], "dense.bias": [1]}):
        proto = program.onnx(given)
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
        assert session.run(None, {"x": np.array([[1, 1]], np.float32)})[0].tolist() == [6]


# --- fitting ----------------------------------------------------------------------------------------------


def rows(count: int = 20) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    kinds, answers = (
        np.array(["k0", "k1"])[np.arange(count) % 2],
        np.array(["no", "yes", "maybe"])[np.arange(count) % 3],
    )
    return {"x": rng.normal(5, 2, (count, 3)), "kind": kinds, "y": answers}


def test_operators_that_need_fitting_are_named_in_the_error() -> None:
    program = dlc.compile(text=FITTED)
    for use in (program.torch, program.onnx, program.weights):
        with pytest.raises(dlc.CompileError) as caught:
            use()
        found = {(d.code, d.line, d.message.split("`")[1]) for d in caught.value.diagnostics}
        assert {("E0801", 5, "standardize"), ("E0801", 5, "dense")} <= found
        assert all("needs the training rows" in d.message for d in caught.value.diagnostics)
        help, *more = [d.help for d in caught.value.diagnostics]
        assert "fit" in help
        assert not any(more)  # the error is the same for all of them


def test_fit_takes_rows() -> None:
    program = dlc.compile(text=FITTED)
    given = rows()
    assert program.fit(given) is program
    held = program.torch().state_dict()
    np.testing.assert_allclose(held["standardize.mean"], given["x"].mean(0), rtol=1e-5)
    np.testing.assert_allclose(held["standardize.std"], given["x"].std(0), rtol=1e-5)
    assert program.compiled.output("y").declared.classes.names == ("maybe", "no", "yes")
    assert [i.name for i in program.onnx().graph.input] == ["x", "kind"]


def test_fit_takes_a_path_and_none_is_the_source_of_the_spec(tmp_path: Path) -> None:
    given = {"x": rows()["x"].astype(np.float32), "y": np.arange(20)}
    np.savez(tmp_path / "rows.npz", **given)
    text = WAITS + 'data { source = npz("rows.npz") }\n'
    (tmp_path / "m.dl").write_text(text, "utf-8")
    means = [
        dlc.compile(tmp_path / "m.dl").fit(data).torch().state_dict()["standardize.mean"]
        for data in (None, tmp_path / "rows.npz", str(tmp_path / "rows.npz"), given)
    ]
    assert all(torch.equal(mean, means[0]) for mean in means)


def test_fit_needs_only_the_fields_that_it_reads() -> None:
    text = (
        "input x: float[3]\ninput other: float\noutput y: float\n"
        "(x -> standardize -> dense(1)) + other -> y\n"
    )
    program = dlc.compile(text=text).fit({"x": np.ones((5, 3))})
    assert program.torch().state_dict()["standardize.mean"].tolist() == [1, 1, 1]
    with pytest.raises(dlc.CompileError, match='no column "x"'):
        dlc.compile(text=text).fit({"other": np.ones(5)})


def test_fitting_again_replaces_the_first_fit() -> None:
    program = dlc.compile(text=FITTED).fit(rows())
    later = rows() | {"y": np.array(["left", "right"] * 10), "x": np.zeros((20, 3))}
    program.fit(later)
    assert program.compiled.output("y").declared.classes.names == ("left", "right")
    assert program.torch().state_dict()["standardize.mean"].tolist() == [0, 0, 0]
    assert program.weights()["dense.weight"].shape == (2, 3)


def test_given_weights_replace_fitting() -> None:
    program = dlc.compile(text="input x: float[2]\noutput y: float\nx -> standardize -> dense(1) -> y\n")
    module = program.torch(weights={"standardize.mean": [1, 2], "standardize.std": [1, 1]})
    assert program.torch(weights=module.state_dict()).state_dict()["standardize.mean"].tolist() == [1, 2]
    with pytest.raises(dlc.CompileError) as caught:
        program.torch(weights={"standardize.mean": [1, 2]})
    assert codes(caught) == ["E0801"]


@pytest.mark.parametrize("data", [{}, {"x": [[1, 2, 3], [1]]}, {"x": np.zeros((0, 3))}, "nowhere.csv"])
def test_invalid_rows_are_an_error(data: Any) -> None:
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=WAITS).fit(data)
    assert codes(caught)[0].startswith("E07")


def test_objects_that_are_not_data_are_refused() -> None:
    with pytest.raises(TypeError, match="data is a path, a frame or a dict of arrays, not list"):
        dlc.compile(text=FITTED).fit([1, 2])


# --- train and load ---------------------------------------------------------------------------------------

LINE = """param rate = 0.1
input x: float
output y: float
x -> dense(1) -> y

data { test = 0.25 }
train {
  optimizer = sgd(lr=rate)
  epochs    = 30
  batch     = 4
}
"""


def test_training_gives_figures_and_files(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 40)
    result = dlc.train(text=LINE, params={"rate": 0.2}, data={"x": x, "y": 3 * x + 1}, out=tmp_path)
    assert result.figures["test"]["mae"] < 0.05
    assert set(result.figures) == {"train", "test"}
    assert result.model == result.folder / "model.onnx"
    assert result.folder.parent.parent == tmp_path
    np.testing.assert_allclose(result.weights["dense.weight"], 3, atol=0.05)
    assert result.exported.worst <= 1e-4
    artifact = dlc.load(result.model)
    np.testing.assert_allclose(artifact.predict({"x": [0, 1]})["y"], [1, 4], atol=0.1)
    assert artifact.metadata.params == {"rate": 0.2}
    module = dlc.compile(text=LINE).torch(weights=result.weights)
    np.testing.assert_allclose(module({"x": torch.tensor([0.0, 1.0])})["y"].detach(), [1, 4], atol=0.1)


def test_a_single_weight_is_trained_and_saved(tmp_path: Path) -> None:
    text = (
        "input x: float\noutput y: float\n"
        "net moved(a) {\n  weight by: float = normal(0.1)\n  return a + by\n}\n"
        "x -> moved -> y\n"
        "train {\n  optimizer = adam(0.05)\n  epochs = 60\n}\n"
    )
    x = np.linspace(-1, 1, 40)
    result = dlc.train(text=text, data={"x": x, "y": x + 2}, out=tmp_path)
    assert result.weights["moved.by"].shape == ()
    np.testing.assert_allclose(result.weights["moved.by"], 2, atol=0.05)
    save_file({"by": result.weights["moved.by"]}, tmp_path / "by.safetensors")
    again = text.replace("60", '1\n  weights = load("by.safetensors", into=moved)\n  freeze = moved')
    (tmp_path / "again.dl").write_text(again.replace("x -> moved", "x * 1.0 -> moved -> dense(1)"))
    result = dlc.train(tmp_path / "again.dl", data={"x": x, "y": x + 2}, out=tmp_path)
    np.testing.assert_allclose(result.weights["moved.by"], 2, atol=0.05)


def test_a_spec_without_trainable_weights_is_exported_without_training(tmp_path: Path) -> None:
    text = (
        "input x: float[2]\noutput both: binary\n"
        "x -> dense(1, weight=[[1, 1]], bias=[-1.5]) -> threshold -> both\n"
    )
    result = dlc.train(text=text, out=tmp_path)
    assert (result.trained, result.figures) == (None, {})
    assert dlc.load(str(result.model)).predict({"x": [[1, 1], [0, 1]]})["both"].tolist() == [True, False]


def test_class_names_found_in_the_rows_are_in_the_artifact(tmp_path: Path) -> None:
    text = FITTED + "train {\n  epochs = 2\n  batch = 5\n}\n"
    artifact = dlc.load(dlc.train(text=text, data=rows(), out=tmp_path).model)
    found = artifact.predict({"x": [[5, 5, 5]], "kind": ["k0"]})
    assert found["y"][0] in ("maybe", "no", "yes")
    with pytest.warns(UserWarning, match='1 values of `kind` is not among its classes \\("k9"\\)'):
        artifact.predict({"x": [[5, 5, 5]], "kind": ["k9"]})


def test_only_a_module_is_given_by_the_face() -> None:
    assert isinstance(dlc.compile(text=NET).torch(), Model)
    names = ["CompileError", "Diagnostic", "Listener", "Program", "compile", "load", "train"]
    assert sorted(dlc.__all__) == names
    assert all(getattr(dlc, name) for name in dlc.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = dlc.nothing


def test_a_text_in_place_of_a_path_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for act in (dlc.compile, dlc.train):
        with pytest.raises(FileNotFoundError, match=r"^there is no spec at nope\.dl; .* `text=`$"):
            act("nope.dl")
        for text in (NET, NET * 100):
            with pytest.raises(FileNotFoundError, match=r"has line breaks: .* is given as `text=`$"):
                act(text)
