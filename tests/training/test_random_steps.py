"""Random programs with steps and phases change exactly the weights that they name."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trainings import program

from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training.loop import train

NETS = ("a", "b", "c")
LAYERS = {"a": "dense(2) -> tanh", "b": "dense(2, bias=false) -> batchnorm -> tanh", "c": "tanh -> dense(2)"}
OPTIMIZERS = ("sgd(lr={})", "adam(lr={})", "rmsprop(lr={})", "lbfgs(lr={}, max_iter=2)")
X = np.random.default_rng(0).normal(size=(41, 2)).astype(np.float32)


@st.composite
def steps(draws, frozen: frozenset[str], rate: float):
    """A step as text, and the nets that it changes: those that it names, that its loss reads, and that are
    not frozen. `rate` is a learning rate that no other step has: the first steps of two `adam` with one rate
    can be opposite and equal."""
    chain = draws(st.lists(st.sampled_from(NETS), min_size=1, max_size=3))
    free = [net for net in chain if net not in frozen]
    if not free:
        chain, free = (
            [*chain, *(n for n in NETS if n not in frozen)][-3:],
            [n for n in NETS if n not in frozen],
        )
    named = draws(st.sets(st.sampled_from(NETS))) - frozen | {draws(st.sampled_from(free))}
    lines = [
        f"optimizer = {draws(st.sampled_from(OPTIMIZERS)).format(rate)}",
        f"times = {draws(st.integers(1, 3))}",
        *draws(st.lists(st.sampled_from(["clip = norm(1)", "schedule = linear"]), unique=True)),
    ]
    loss = "loss = mse(x -> " + " -> ".join(chain) + ", x)"
    body = "\n    ".join([loss, *lines])
    return f"  step {', '.join(sorted(named))} {{\n    {body}\n  }}\n", named & {*chain} - frozen


@st.composite
def trainings(draws):
    """A spec, and the nets that its training changes."""
    changed, parts = set(), []
    phases = draws(st.integers(0, 2))
    for number in range(max(phases, 1)):
        frozen = draws(st.frozensets(st.sampled_from(NETS), max_size=2))
        rates = [round(0.02 * 1.13 ** (3 * number + i), 6) for i in range(draws(st.integers(1, 3)))]
        made = [draws(steps(frozen, rate)) for rate in rates]
        changed |= set().union(*(nets for _, nets in made))
        freeze = f"  freeze = [{', '.join(sorted(frozen))}]\n" if frozen else ""
        body = freeze + "".join(text for text, _ in made)
        parts.append(f"  phase p{number} {{\n{body}  }}\n" if phases else body)
    more = draws(st.sampled_from(["", "  accumulate = 2\n", "  ema = 0.5\n", "  precision = float64\n"]))
    nets = "".join(f"net {name}(x) {{ return x -> {layers} }}\n" for name, layers in LAYERS.items())
    return (
        f"""input x: float[2]
output y: float[2]
{nets}x -> a -> b -> c -> y
train {{
  batch = 4
  steps = 1
{more}{"".join(parts)}}}
""",
        changed,
    )


@settings(max_examples=8, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(trainings())
def test_one_round_changes_the_weights_of_the_named_nets_and_no_others(made):
    text, changed = made
    p = program(text)
    before = draw(p.graph, 0)
    trained = train(p, Dataset(InMemoryRows({"x": X}, len(X))), before, on="cpu")
    for name, array in trained.weights.items():
        assert np.isfinite(array).all()
        moved = not np.array_equal(array, before[name])
        assert moved == (name.partition(".")[0] in changed), name
