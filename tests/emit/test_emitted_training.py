"""A file trains as dlc does: over the same rows, from the same weights, to the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from emitted import load, model_of
from safetensors.numpy import save_file
from torch.utils.data import TensorDataset

from dlc.compiler import Source, compile
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.lower.weights import draw
from dlc.runtime.data import Dataset, Rows
from dlc.runtime.train import train

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from dlc.compiler.program import Program

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
    "penalties": (PLAIN, "optimizer = sgd(lr=0.1)\nregularize = [l2(0.1)]"),
}


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((count, 4)).astype(np.float32)
    return x, np.sin(x).sum(axis=1)


def program_of(flow: str, settings: str) -> Program:
    text = f"input x: float[4]\noutput y: float\n{flow}\ntrain {{\n{settings}\n}}\n"
    return compile(Source("story.dl", text))


@pytest.mark.parametrize("story", STORIES)
def test_trains_to_the_same_weights(story: str, tmp_path: Path) -> None:
    flow, settings = STORIES[story]
    program = program_of(flow, SMALL + settings)
    x, y = rows(12)
    begun = draw(program.graph, seed=0)
    wanted = train(program, Dataset(Rows({"x": x, "y": y}, len(x))), begun, on="cpu").weights
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


def emitted(
    program: Program, begun: dict[str, np.ndarray], folder: Path
) -> tuple[ModuleType, torch.nn.Module]:
    """The file of a program, and its model with these weights, which training begins with."""
    path = folder / "story.py"
    path.write_text(emit(program), "utf-8")
    module = load(path)
    save_file(begun, path.with_suffix(".safetensors"))
    model = model_of(module)
    module.load_weights(model, path.with_suffix(".safetensors"))
    module.__dict__["initialize"] = lambda model: None
    return module, model
