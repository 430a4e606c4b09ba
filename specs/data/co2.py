"""Writes `co2.csv`, parts per million of CO2 in the air at Mauna Loa in each week from 1958 to 2001, from
the package statsmodels: `python specs/data/co2.py`.

59 weeks were not measured. The rows are in the public domain: C. D. Keeling and T. P. Whorf, Atmospheric CO2
concentrations derived from flask air samples at sites in the SIO network, Carbon Dioxide Information Analysis
Center, Oak Ridge National Laboratory, 2004."""

from pathlib import Path

from statsmodels.datasets import co2


def main() -> None:
    weeks = co2.load_pandas().data
    weeks.to_csv(Path(__file__).with_name("co2.csv"), index_label="week", lineterminator="\n")


if __name__ == "__main__":
    main()
