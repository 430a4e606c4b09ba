"""Recurrent networks on sequences of different length in plain PyTorch, as its tutorials and documentation
train them: lists of tensors, a `collate_fn` that pads, and packed sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from benchmarks.rivals import run_epochs

if TYPE_CHECKING:
    from pathlib import Path

IGNORED = -1


class Tagger(nn.Module):
    """A tag for each word, by an LSTM in both directions."""

    def __init__(self, words: int, tags: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 64)
        self.lstm = nn.LSTM(64, 64, batch_first=True, bidirectional=True)
        self.head = nn.Linear(128, tags)

    def forward(self, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = pack_padded_sequence(self.embedding(words), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(x)[0], batch_first=True)
        return self.head(states)


class Classifier(nn.Module):
    """A class for each text, from the last state of an LSTM."""

    def __init__(self, words: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, 64)
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.head = nn.Linear(128, classes)

    def forward(self, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = pack_padded_sequence(self.embedding(words), lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(x)
        return self.head(last[-1])


class Texts(Dataset):
    """Rows of a parquet file: a list of words, and a class or a list of classes."""

    def __init__(self, file: Path, words: str = "words", y: str = "y") -> None:
        table = pq.read_table(file)
        self.words, self.y = ([torch.as_tensor(row.copy()) for row in table[name].to_numpy()]
                              for name in (words, y))  # fmt: skip

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.words[index], self.y[index]


def collate(rows: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A padded batch, its lengths, and its targets, padded with `IGNORED`."""
    words, targets = [row[0] for row in rows], [row[1] for row in rows]
    lengths = torch.tensor([len(w) for w in words])
    if targets[0].ndim:
        return pad_sequence(words, True), lengths, pad_sequence(targets, True, IGNORED)
    return pad_sequence(words, True), lengths, torch.stack(targets)


def train(model: nn.Module, file: Path, batch: int, epochs: int) -> list[float]:
    """Train on the rows of a file. Returns the mean loss of each epoch."""
    loader = DataLoader(Texts(file), batch_size=batch, shuffle=True, collate_fn=collate)
    loss_fn = nn.CrossEntropyLoss(ignore_index=IGNORED)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

    def loss_of(words: torch.Tensor, lengths: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss_fn(model(words, lengths).flatten(0, -2), y.flatten())

    return run_epochs(model, loader, optimizer, loss_of, epochs, clip=1)


@torch.no_grad()
def loss(model: nn.Module, file: Path) -> float:
    """The mean loss of all targets of a file."""
    loader = DataLoader(Texts(file), batch_size=32, collate_fn=collate)
    loss_fn = nn.CrossEntropyLoss(ignore_index=IGNORED, reduction="sum")
    model.eval()
    scored = [(model(words, lengths).flatten(0, -2), y.flatten()) for words, lengths, y in loader]
    count = sum(int((y != IGNORED).sum()) for _, y in scored)
    return sum(loss_fn(scores, y).item() for scores, y in scored) / count


class Layer(nn.Module):
    """A recurrent layer, and a dense layer on each of its states."""

    def __init__(self, layer: nn.RNNBase, outputs: int) -> None:
        super().__init__()
        self.layer = layer
        self.dense = nn.Linear((1 + layer.bidirectional) * layer.hidden_size, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.layer(x)[0])
