"""A language model and an encoder in plain PyTorch, as tutorials write them: one projection for queries, keys
and values, and `scaled_dot_product_attention`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarks.rivals import run_epochs
from benchmarks.sequence_rivals import Texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np


class Block(nn.Module):
    """Attention and a feed-forward network, each behind a normalization and beside a residual connection."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, steps, width = x.shape
        q, k, v = self.qkv(self.norm_1(x)).chunk(3, dim=-1)
        q, k, v = (y.view(batch, steps, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.output(y.transpose(1, 2).reshape(batch, steps, width))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class Transformer(nn.Module):
    """Scores of the classes for each step of a text."""

    def __init__(self, classes: int, width: int, heads: int, layers: int, longest: int, causal: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, width)
        self.positions = nn.Embedding(longest, width)
        self.layers = [Block(width, heads, causal) for _ in range(layers)]
        self.blocks = nn.Sequential(*self.layers)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        places = torch.arange(text.shape[1], device=text.device)
        x = self.embedding(text) + self.positions(places)
        return self.head(self.norm(self.blocks(x)))

    @torch.no_grad()
    def fill(self, weights: Mapping[str, np.ndarray]) -> None:
        """Copy the weights of the spec `gpt.dl`."""
        found = {name: torch.from_numpy(array) for name, array in weights.items()}
        projections = ("query", "key", "value")
        for tensor, name in (
            (self.embedding.weight, "embedding.weight"),
            (self.positions.weight, "position_embedding.weight"),
        ):
            tensor.copy_(found[name])
        for module, name in ((self.norm, "layernorm"), (self.head, "dense")):
            copy(module, found, name)
        for at, block in enumerate(self.layers, 1):
            own = "layer" if at == 1 else f"layer_{at}"
            for leaf in ("weight", "bias"):
                parts = [found[f"{own}.attention.{part}.{leaf}"] for part in projections]
                getattr(block.qkv, leaf).copy_(torch.cat(parts))
            for module, name in (
                (block.norm_1, "layernorm"),
                (block.output, "attention.output"),
                (block.norm_2, "layernorm_2"),
                (block.up, "dense"),
                (block.down, "dense_2"),
            ):
                copy(module, found, f"{own}.{name}")


def copy(module: nn.Module, weights: Mapping[str, torch.Tensor], name: str) -> None:
    for leaf in ("weight", "bias"):
        getattr(module, leaf).copy_(weights[f"{name}.{leaf}"])


def texts(file: Path, batch: int, *, shuffle: bool = False) -> DataLoader:
    """Batches of texts, and of the same ones a character later."""
    return DataLoader(Texts(file, "text", "next"), batch_size=batch, shuffle=shuffle)


def train(model: nn.Module, file: Path, batch: int, epochs: int) -> list[float]:
    """Train on the rows of a file. Returns the mean loss of each epoch."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def loss_of(text: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(text).flatten(0, 1), following.flatten())

    return run_epochs(model, texts(file, batch, shuffle=True), optimizer, loss_of, epochs)


@torch.no_grad()
def loss(model: nn.Module, file: Path) -> float:
    """The mean loss of all characters of a file."""
    model.eval()
    scored = [(model(text).flatten(0, 1), following.flatten()) for text, following in texts(file, 16)]
    count = sum(len(y) for _, y in scored)
    return sum(F.cross_entropy(scores, y, reduction="sum").item() for scores, y in scored) / count
