"""The network of a first spec for pictures: convolutions, by the size of the pictures."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from dlc.runtime.data.files.pictures import opened, upright_size
from dlc.runtime.first_spec.first import NetworkOfFiles
from dlc.runtime.first_spec.writing import comment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.runtime.first_spec.looked_at import LookedAt

MAX_OPENED = 1_000  # pictures whose sizes are read
SMALL, LARGE = 48, 96  # the greatest size that is kept, and that of larger pictures
LEFT = 6  # places along an axis from which on the network pools
CHANNELS = 32  # of the first layer
STEPS, BATCH = 1_500, 64


def network_for(looked_at: LookedAt, names: Sequence[str]) -> NetworkOfFiles:
    channels, height, width = shape_of(looked_at, names)
    flow = tuple(network(channels, height, width))
    declared = f"input image: uint8[{channels}, {height}, {width}]"
    return NetworkOfFiles(declared, flow, "images({path})", STEPS, BATCH)


def shape_of(looked_at: LookedAt, names: Sequence[str]) -> tuple[int, int, int]:
    """Channels, height and width that suit most of the pictures, of which some are opened."""
    sizes, modes = [], Counter()
    for _, image in looked_at.each(names, MAX_OPENED, opened):
        sizes.append(upright_size(image))
        modes[image.mode] += 1
    width, height = (median(size) for size in zip(*sizes, strict=True))
    scale = 1 if max(width, height) <= SMALL else LARGE / max(width, height)
    grey = all(mode in ("1", "L", "LA", "I", "I;16") for mode in modes)
    return 1 if grey else 3, max(4, round(height * scale)), max(4, round(width * scale))


def network(channels: int, height: int, width: int) -> Iterator[str]:
    """Convolutions, and before them a little of augmentation. Colours are taken for those of photos."""
    moved = f"random_crop({height}, {width}, padding={max(1, min(height, width) // 8)})"
    if channels == 1:
        yield from comment("Moved a little in each epoch. Not mirrored: mirrored signs may be others.")
    else:
        yield from comment(
            "Moved and mirrored in each epoch; `random_flip` is wrong if left and right differ."
        )
    yield f"seen = image / 255{'' if channels == 1 else ' -> random_flip'} -> {moved}\n"
    yield from comment("Each layer sees larger parts of the picture, in more channels.")
    small = max(height, width) <= SMALL
    yield " ".join(["seen", *layers(min(height, width)), "-> flatten" if small else "-> global_avgpool",
                    "-> dropout(0.2) -> dense(kind.classes) -> kind"])  # fmt: skip


def layers(size: int) -> Iterator[str]:
    """Convolutions, with pooling between them while the picture is large."""
    channels = CHANNELS
    while True:
        yield f"-> conv({channels}, 3, padding=same, bias=false) -> batchnorm -> relu"
        if size < LEFT and channels > CHANNELS:
            return
        yield "-> maxpool(2)"
        size, channels = size // 2, min(4 * CHANNELS, 2 * channels)
