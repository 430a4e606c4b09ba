"""Networks as one writes them by hand in PyTorch."""

from __future__ import annotations

import torch
from torch import nn


class DoubleConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)))


class Up(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.conv = DoubleConv(2 * out_channels, out_channels)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class UNet(nn.Module):
    """The U-Net of Ronneberger et al. with padded convolutions and batch normalization."""

    def __init__(self, in_channels: int, classes: int, widths: tuple[int, ...] = (32, 64, 128, 256, 512)):
        super().__init__()
        self.down = nn.ModuleList()
        for before, after in zip((in_channels, *widths), widths, strict=False):
            self.down.append(DoubleConv(before, after))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList()
        for before, after in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.up.append(Up(before, after))
        self.head = nn.Conv2d(widths[0], classes, kernel_size=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image.float() / 255
        skips = []
        for block in self.down[:-1]:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.down[-1](x)
        for block in self.up:
            x = block(x, skips.pop())
        return self.head(x)


class SmallConvNet(nn.Module):
    """Two convolutions with batch normalization. Only the one whose norm comes after `relu` has a bias:
    where a norm follows at once, its gradient is rounding noise, which Adam would enlarge."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 6, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(6, momentum=0.3)
        self.fc = nn.Linear(6, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(image.float() / 255)))
        x = nn.functional.max_pool2d(x, 2)
        x = self.bn2(torch.relu(self.conv2(x)))
        return self.fc(x.mean(dim=(2, 3)))
