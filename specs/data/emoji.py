"""Writes the folders `emoji` and `few_emoji`, pictures of 32 x 32 pixels with transparency: `python
specs/data/emoji.py GOOGLE TWITTER`, with the folders of the npm packages `emoji-datasource-google` and
`emoji-datasource-twitter` (16.0.0). Their licences are in `licenses/emoji.txt`.

`emoji/google` and `emoji/twitter` have one folder a kind, with the same emoji in the drawings of two
vendors. The kinds of `few_emoji` are others: `few_emoji/train` has ten drawings of Google's of each,
`few_emoji/test` Twitter's drawings of the other emoji of these kinds."""

import json
import random
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
VENDORS = ("google", "twitter")
SIZE, STRIDE = 32, 34
COLORS = 48  # of the palette of a picture
MOST = 120  # emoji of a kind
FEW = 10
KINDS = {  # by how the names of subcategories begin
    "animals": ("animal-",),
    "faces": ("face-",),
    "flags": ("country-flag",),
    "food": ("food-", "drink"),
    "people": ("person",),
    "signs": ("alphanum", "arrow", "av-symbol", "geometric", "keycap", "transport-sign", "warning", "zodiac"),
    "transport": ("transport-air", "transport-ground", "transport-water"),
}
OTHER_KINDS = {
    "buildings": ("place-building", "place-religious"),
    "clocks": ("time",),
    "clothing": ("clothing",),
    "hands": ("hand",),
    "hearts": ("heart",),
    "plants": ("plant-",),
    "tools": ("tool",),
    "weather": ("sky & weather",),
}


def emoji_of(entries: list[dict], begins: tuple[str, ...]) -> list[dict]:
    """Those that both vendors draw, at most `MOST`."""
    found = [
        entry
        for entry in sorted(entries, key=lambda entry: entry["unified"])
        if entry["subcategory"].startswith(begins) and all(entry[f"has_img_{vendor}"] for vendor in VENDORS)
    ]
    return random.Random(1).sample(found, min(MOST, len(found)))


def drawings(package: Path, vendor: str) -> Callable[[dict], Image.Image]:
    sheet = Image.open(package / "img" / vendor / "sheets" / f"{SIZE}.png").convert("RGBA")

    def drawing(entry: dict) -> Image.Image:
        left, top = 1 + STRIDE * entry["sheet_x"], 1 + STRIDE * entry["sheet_y"]
        return sheet.crop((left, top, left + SIZE, top + SIZE)).quantize(COLORS)

    return drawing


def write(folder: Path, entries: Iterable[dict], drawing: Callable[[dict], Image.Image]) -> None:
    folder.mkdir(parents=True)
    for entry in entries:
        drawing(entry).save(folder / f"{entry['short_name']}.png", optimize=True)


def main(packages: dict[str, Path]) -> None:
    for name in ("emoji", "few_emoji"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    entries = {v: json.loads((folder / "emoji.json").read_text("utf-8")) for v, folder in packages.items()}
    draw = {vendor: drawings(folder, vendor) for vendor, folder in packages.items()}
    for kind, begins in KINDS.items():
        for vendor in VENDORS:
            write(HERE / "emoji" / vendor / kind, emoji_of(entries[vendor], begins), draw[vendor])
    for kind, begins in OTHER_KINDS.items():
        google, twitter = (emoji_of(entries[vendor], begins) for vendor in VENDORS)
        write(HERE / "few_emoji" / "train" / kind, google[:FEW], draw["google"])
        write(HERE / "few_emoji" / "test" / kind, twitter[FEW:], draw["twitter"])


if __name__ == "__main__":
    main(dict(zip(VENDORS, map(Path, sys.argv[1:]), strict=True)))
