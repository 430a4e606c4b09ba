"""Writes `sunspots.csv`, the mean number of sunspots in each year from 1700 to 2008, from the package
statsmodels: `python specs/data/sunspots.py`.

The rows are in the public domain: National Geophysical Data Center, United States."""

from pathlib import Path

from statsmodels.datasets import sunspots


def main() -> None:
    years = sunspots.load_pandas().data.astype({"YEAR": int})
    years.columns = ["year", "sunspots"]
    years.to_csv(Path(__file__).with_name("sunspots.csv"), index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
