"""The same networks and the same training in plain PyTorch, as in its tutorials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(30, 64),
            nn.ReLU(),
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class DigitsCnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.conv3 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(32)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x / 16
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.maxpool(self.relu(self.norm2(self.conv2(x))))
        x = self.relu(self.norm3(self.conv3(x)))
        x = self.flatten(self.avgpool(x))
        return self.head(self.dropout(x))


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x / 255
        x = self.pool(torch.tanh(self.conv1(x)))
        x = self.pool(torch.tanh(self.conv2(x)))
        x = torch.tanh(self.fc1(self.flatten(x)))
        x = torch.tanh(self.fc2(x))
        return self.fc3(x)


class Answers(nn.Module):
    """A classifier with the outputs of an artifact: the class, and the probabilities of all classes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.network(image)
        return scores.argmax(1), scores.softmax(1)


class Rows(Dataset):
    def __init__(self, file: Path) -> None:
        arrays = np.load(file)
        self.x = torch.from_numpy(arrays["x"])
        self.y = torch.from_numpy(arrays["y"])

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.x[index], self.y[index]


def train(
    model: nn.Module,
    make_optimizer: Callable[..., torch.optim.Optimizer],
    file: Path,
    batch: int,
    epochs: int,
    device: str = "cpu",
) -> list[float]:
    """Train on the rows of a file, on a device. Returns the mean loss of each epoch."""
    loader = DataLoader(Rows(file), batch_size=batch, shuffle=True)
    model = model.to(device)
    loss_fn, optimizer = nn.CrossEntropyLoss(), make_optimizer(model.parameters())
    return run_epochs(
        model, loader, optimizer, lambda x, y: loss_fn(model(x.to(device)), y.to(device)), epochs
    )


def run_epochs(
    model: nn.Module,
    loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[..., torch.Tensor],
    epochs: int,
    clip: float | None = None,
) -> list[float]:
    """The loop of the tutorials, with the loss of each batch. Returns the mean loss of each epoch."""
    history = []
    for _ in range(epochs):
        model.train()
        running_loss = 0.0
        for batch in loader:
            optimizer.zero_grad()
            loss = loss_of(*batch)
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            running_loss += loss.item()
        history.append(running_loss / len(loader))
    return history
