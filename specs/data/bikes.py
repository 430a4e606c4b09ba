"""Writes `bikes.csv`, how many bicycles were rented in Washington, D.C., in each hour of 2011, and the
weather: `python specs/data/bikes.py Bikeshare.csv`, with the file of that name in the Python package ISLP.

The rows are those of H. Fanaee-T and J. Gama, Event labeling combining ensemble detectors and background
knowledge, Progress in Artificial Intelligence 2(2), 2013 (UCI Machine Learning Repository, Bike Sharing;
CC BY 4.0), with other names of columns, and degrees, per cent and kilometres an hour in place of shares of
their maxima. Hours without a row are those in which nothing was recorded."""

import csv
import sys
from pathlib import Path

COLUMNS = ("day", "month", "weekday", "working", "hour", "weather", "celsius", "humidity", "wind", "bikes")
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
RAIN = ("light rain/snow", "heavy rain/snow")


def row(given: dict[str, str]) -> tuple[str | int, ...]:
    weather = given["weathersit"].replace("cloudy/misty", "clouds")
    return (
        int(given["day"]),
        given["mnth"],
        DAYS[int(given["weekday"])],
        "yes" if given["workingday"] == "1" else "no",
        int(given["hr"]),
        "rain or snow" if weather in RAIN else weather,
        round(47 * float(given["temp"]) - 8),
        round(100 * float(given["hum"])),
        round(67 * float(given["windspeed"])),
        int(given["bikers"]),
    )


def main(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row(given) for given in csv.DictReader(file)]
    with Path(__file__).with_name("bikes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
