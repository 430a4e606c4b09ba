"""Derivatives in losses, compared with `torch.autograd`, and training with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training.loop import train

ROWS = [(name, row) for name in ("gradient", "jacobian") for row in family("loss")[name].examples]
SPEC = """input  x: float[3]
output y: float
output z: float[2]
h = x * 2
s = h -> dense(8) -> tanh -> dense(1)
s -> y
h -> dense(4) -> tanh -> dense(2) -> z
train {{ loss = {} }}
"""


def modules(program):
    """The same networks in plain PyTorch, with the same weights."""
    values = {n: torch.from_numpy(a) for n, a in draw(program.graph, 0).items()}

    def net(x, first, second):
        hidden = torch.nn.functional.linear(x, values[f"{first}.weight"], values[f"{first}.bias"]).tanh()
        return torch.nn.functional.linear(hidden, values[f"{second}.weight"], values[f"{second}.bias"])

    return (lambda h: net(h, "dense", "dense_2")), (lambda h: net(h, "dense_3", "dense_4"))


def loss_of(text: str, x: torch.Tensor):
    """The loss of the spec for these rows, the program and its model."""
    program = compile(Source("model.dl", SPEC.format(text)))
    form = specialize.training(program, program.objective)
    model = Model(form, program.graph.weights, draw(program.graph, 0))
    return model({"x": x, "y": torch.zeros(len(x)), "z": torch.zeros(len(x), 2)})["loss"], program, model


X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


def test_a_gradient_is_that_of_autograd_and_is_differentiable():
    """The gradient penalty of Gulrajani et al. 2017."""
    loss, program, model = loss_of("mse(norm(gradient(s, h)), 1)", X)
    score, _ = modules(program)
    h = (X * 2).requires_grad_()
    (slopes,) = torch.autograd.grad(score(h).sum(), h)
    torch.testing.assert_close(loss, ((slopes.norm(dim=1) - 1) ** 2).mean())
    loss.backward()
    assert dict(model.named_parameters())["dense.weight"].grad.abs().sum() > 0


def test_a_gradient_with_respect_to_an_input():
    loss, program, _ = loss_of("mse(gradient(s, x), 0)", X)
    x = X.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(modules(program)[0](x * 2).sum(), x)
    torch.testing.assert_close(loss, slopes.square().mean())


def test_a_gradient_of_a_gradient():
    loss, program, _ = loss_of("mse(gradient(sum(gradient(s, x)), x), 0)", X)
    x = X.clone().requires_grad_()
    (first,) = torch.autograd.grad(modules(program)[0](x * 2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(loss, second.square().mean())


def test_a_jacobian_is_that_of_autograd():
    loss, program, _ = loss_of("mse(sum(jacobian(z, h), axis=1), 0)", X)
    net = modules(program)[1]
    wanted = torch.stack([torch.autograd.functional.jacobian(net, row * 2) for row in X])
    torch.testing.assert_close(loss, wanted.sum(2).square().mean())


def test_a_gradient_of_a_loss_with_respect_to_a_weight():
    text = "input x: float[3]\noutput y: float\nweight w: float[3] = ones\nsum(x * w) -> y\n"
    program = compile(Source("model.dl", f"{text}train {{ loss = norm(gradient(mse(y), w)) }}\n"))
    model = Model(
        specialize.training(program, program.objective), program.graph.weights, draw(program.graph, 0)
    )
    w = torch.ones(3, requires_grad=True)
    (wanted,) = torch.autograd.grad((X * w).sum(1).square().mean(), w)
    torch.testing.assert_close(model({"x": X, "y": torch.zeros(5)})["loss"], wanted.norm())


def test_the_gradient_of_a_detached_tensor_is_zero():
    loss, *_ = loss_of("mse(gradient(detach(s), h), 3)", X)
    assert loss == 9


@pytest.mark.parametrize(("name", "row"), ROWS, ids=lambda part: getattr(part, "takes", part))
def test_every_row_of_the_documentation(name, row):
    """`of` does not depend on `wrt` here, which is reported after the checks of types."""
    of, wrt = row.operands
    text = f"input a: {of}\ninput b: {wrt}\noutput y: float\nmean(a) -> y\n"
    with pytest.raises(CompileError) as caught:
        compile(Source("row.dl", f"{text}train {{ loss = mean({name}(a, b)) }}\n"))
    assert [d.code for d in caught.value.diagnostics] == [row.rejects or "E0213"]
    if row.gives:
        inputs = compile(Source("row.dl", text)).inputs
        operator = family("loss")[name]().bind(*(i.declared for i in inputs))
        assert str(operator.results[0]) == row.gives


EQUATION = """# u' = -u from u(0) = 1, given only by the equation
input  t: float
output u: float
u_t = t -> dense(16) -> tanh -> dense(1)
1 + t * u_t[0] -> u
train {{
  loss      = mse(gradient(u, t) + u, 0)
  optimizer = adam(lr=0.02)
  batch     = all
  epochs    = 300
  precision = {}
}}
"""


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_network_solves_a_differential_equation(precision):
    program = compile(Source("decay.dl", EQUATION.format(precision)))
    t = np.linspace(0, 2, 40, dtype=np.float32)
    rows = InMemoryRows({"t": t}, len(t))
    trained = train(program, Dataset(rows, rows), draw(program.graph, 0), on="cpu")
    answer = Model(specialize.inference(program), program.graph.weights, trained.weights)
    with torch.no_grad():
        made = answer({"t": torch.from_numpy(t)})["u"].numpy()
    np.testing.assert_allclose(made, np.exp(-t), atol=0.02)
    assert trained.figures["validation"]["loss"] == pytest.approx(trained.figures["train"]["loss"], rel=0.2)
