"""Tables as people have them, csv files made of those of scikit-learn, river and the golden specs; and
pictures."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DATA = Path(__file__).parents[1] / "specs/data"
RIVER = {"phishing": "Phishing", "bananas": "Bananas", "segments": "ImageSegments"}
# The column to predict of each table; the others have it under the name `target`.
TARGETS = {"penguins": "species", "shuttle": "anomaly"}
SKLEARN = ("iris", "wine", "diabetes", "breast_cancer")


def table(folder: Path, name: str) -> tuple[Path, str]:
    """The csv file of a table, written to a folder, and the column to predict."""
    make = of_sklearn if name in SKLEARN else of_data if name == "penguins" else of_river
    return make(folder, name), TARGETS.get(name, "target")


def rows(path: Path, names: Sequence[str], values: Iterable[Sequence[object]], encoding: str = "utf-8",
         **written: Any) -> Path:  # fmt: skip
    """Write a csv file; without `names`, it has no heading."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, **written)
        if names:
            writer.writerow(names)
        writer.writerows(values)
    return path


def of_sklearn(folder: Path, name: str) -> Path:
    """A table of scikit-learn, with the names of its columns and classes."""
    from sklearn import datasets

    settings = {"scaled": False} if name == "diabetes" else {}
    found = getattr(datasets, f"load_{name}")(**settings)
    named = found.get("target_names")
    target = [named[i] for i in found.target] if named is not None else found.target.tolist()
    values = ([*x, y] for x, y in zip(found.data.tolist(), target, strict=True))
    return rows(folder / f"{name}.csv", [*found.feature_names, "target"], values)


def of_data(folder: Path, name: str) -> Path:
    """A copy of a table of the golden specs, unpacked."""
    packed, path = DATA / f"{name}.csv.gz", folder / f"{name}.csv"
    plain = gzip.decompress(packed.read_bytes()) if packed.exists() else (DATA / path.name).read_bytes()
    path.write_bytes(plain)
    return path


def of_river(folder: Path, name: str) -> Path:
    """A table that the package river ships."""
    from river import datasets

    path = folder / f"{name}.csv"
    if name not in RIVER:
        path.write_bytes(gzip.decompress((Path(datasets.__file__).parent / f"{name}.csv.gz").read_bytes()))
        return path
    found = [*getattr(datasets, RIVER[name])()]
    return rows(path, [*map(str, found[0][0]), "target"], ([*x.values(), y] for x, y in found))


def digits(folder: Path, chosen: Sequence[int]) -> Path:
    """Digits of scikit-learn with these numbers as PNG files, in a folder for each class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    for i in chosen:
        path = folder / str(found.target[i]) / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((found.images[i] * 255 / 16).astype("uint8")).save(path)
    return folder
