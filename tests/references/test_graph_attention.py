"""The layer of `specs/graph_attention.dl` is the one of the paper (Velickovic et al. 2018, equations 1 to 6),
computed link by link."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import dlc

SPEC = Path(__file__).parents[2] / "specs" / "graph_attention.dl"
HEADS, NODES = 4, 6


def layer(x: torch.Tensor, linked: np.ndarray, weights: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """What each head makes of each node, `[heads, nodes, units]`."""
    results = []
    for head, matrix in enumerate(weights[f"{name}.dense.weight"].chunk(HEADS)):
        h = x @ matrix.T
        # The vector `a` of equation 3: its first half meets the node itself, its second the neighbour.
        a = torch.cat([weights[f"{name}.target"][head], weights[f"{name}.source"][head]]).squeeze(1)
        nodes = []
        for i in range(len(x)):
            neighbours = np.flatnonzero(linked[i]).tolist()
            scores = torch.stack([F.leaky_relu(a @ torch.cat([h[i], h[j]]), 0.2) for j in neighbours])
            nodes.append(sum(share * h[j] for share, j in zip(scores.softmax(0), neighbours, strict=True)))
        results.append(torch.stack(nodes))
    return torch.stack(results)


@pytest.mark.parametrize("turned", [False, True], ids=["as in the paper", "links turned around"])
def test_a_graph_attention_network_is_that_of_the_paper(turned: bool) -> None:
    draws = np.random.default_rng(0)
    words = draws.random((NODES, 400)) < 0.1
    linked = (draws.random((NODES, NODES)) < 0.3) | np.eye(NODES, dtype=bool)
    module = dlc.compile(SPEC).torch()
    weights = {name: weight.detach() for name, weight in module.state_dict().items()}
    given = torch.from_numpy(linked.T.copy() if turned else linked)[None]
    with torch.no_grad():
        found = module({"words": torch.from_numpy(words)[None], "linked": given})["kind_probabilities"][0]
        hidden = layer(torch.from_numpy(words).float(), linked, weights, "graph_attention")
        hidden = F.elu(hidden.transpose(0, 1).flatten(1))
        wanted = layer(hidden, linked, weights, "graph_attention_2").mean(0).softmax(-1)
    assert torch.allclose(found, wanted, atol=1e-5) != turned
