"""The specs that a test of what they learn trains to the end, so that no other test trains them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dlc
from dlc.runtime.expectations import check_expectations, static_measures, trained_measures

if TYPE_CHECKING:
    from dlc.runtime.pipeline import Result

SPECS = Path(__file__).parents[2] / "specs"
NAMES = (
    "actor_critic",
    "adding",
    "beta_vae",
    "conditional_gan",
    "cyclegan",
    "gan_digits",
    "gan_ring",
    "wgan_gp",
)


def trained(name: str, folder: Path) -> Result:
    """The run of a spec, which meets what the spec expects."""
    assert name in NAMES
    result = dlc.train(SPECS / f"{name}.dl", out=folder)
    program = dlc.compile(SPECS / f"{name}.dl").compiled
    measured = static_measures(program) | trained_measures(result.figures)
    assert [one.expectation.text for one in check_expectations(program, measured) if not one.met] == []
    return result
