"""Write `diagnosis.md` from the kinds of findings: `python docs/write_diagnosis.py`; `--check` only
compares."""

from __future__ import annotations

import sys
from pathlib import Path

from dlc.runtime.diagnosis import KINDS, Kind

PAGE = Path(__file__).parent / "diagnosis.md"
HEAD = """# Diagnosis

At the end of a training, dlc reads what the run recorded, and says what is wrong with it, if anything is:
in a line of `dlc train`, and with evidence and a fix in `dlc report RUN`. In Python,
`dlc.train(...).diagnosis` is a list of findings, each with `kind`, `title`, `evidence`, `fix` and the
`lines` of the spec.

```text
diagnosis  overfitting: `dlc report runs/digits/latest` shows why
```

A finding is told from numbers of the run alone. Where they are missing, its kind says nothing: without
validation or test rows nothing is known about overfitting, and the losses of networks that play against
each other say nothing about rates. A finding that another one explains is left out: units that are dead
explain that little is learnt. If nothing is found, the run is `healthy`.

## What is recorded

At the ends of epochs dlc takes statistics, a line of JSON each in `statistics.jsonl` of the run folder:

- `weights`: for each trained weight of a layer the `norm`, that of its `gradient` in the last step, after
  clipping, and that of its `update`, the change in the epoch. `after` layers follow on the shortest way to
  the loss, the `last` of which is named.
- `units`: for each activation within the network the number of `units`, and how many are `dead` (`relu` and
  its like: 0 for all rows) or `saturated` (`sigmoid`, `tanh` and their like: within 1 % of the ends of
  their range in nine of ten values). They are counted in the form that validation computes. At
  the end of the training that is done for up to 256 of the training rows, fewer for networks that compute
  much for each of them, whatever machine it runs on: findings are told from these. In epochs before, it is
  done for as many rows as there is time for. `rows` says how many, and
  `training_rows` how many there are.
- `seconds`: the CPU time that it took.

They change nothing in the training: its weights are the same to the last bit with them and without. Their
CPU time is measured, and stays below 3 % of that of a run of some seconds. A training has a record for each
of its first 20 epochs, and for at most about a hundred in all. When a training diverges (`E0802`), the last
line has `diverged`, and the gradients of the weights with which the epoch began. `answers.json` has,
for each part of the data, how many rows of each class there are, are right, and are answered, or the mean
and the variance of the target and the mean squared error; `run.json` has the warnings about the rows.

*Skill* below is how much better answers are than the same answer to all rows: 0 if they are no better, 1 if
all are right. For numbers it is R2, the share of the variance that is explained; for classes the accuracy,
measured from that of the most frequent class.
"""


def page() -> str:
    return "\n".join([HEAD, *map(section, KINDS)])


def section(kind: Kind) -> str:
    """The section of a kind."""
    what = " ".join((type(kind).__doc__ or "").split())
    told = f"**When it is told**: {kind.rule}"
    return f"## {kind.title.capitalize()}\n\n{what}\n\n{told}\n\n**What helps**: {kind.remedy}\n"


def main() -> None:
    made = page()
    if "--check" not in sys.argv:
        PAGE.write_text(made, encoding="utf-8", newline="\n")
    elif PAGE.read_text("utf-8") != made:
        sys.exit("docs/diagnosis.md is not up to date: python docs/write_diagnosis.py")


if __name__ == "__main__":
    main()
