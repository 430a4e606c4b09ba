"""Which device is chosen, on machines with a GPU and on those without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import dlc
from dlc.runtime.errors import DeviceError
from dlc.runtime.training import device

GATES = (
    "input a, b: bool\noutput both: bool\n"
    "(a, b) -> concat -> dense(1, weight=[[1, 1]], bias=[-1.5]) -> threshold -> both\n"
)
ROWS = {"a": np.array([True, True]), "b": np.array([True, False])}


def test_auto_takes_what_is_there() -> None:
    mps, cuda = torch.backends.mps.is_available(), torch.cuda.is_available()
    assert device.choose("auto").type == ("cuda" if cuda else "mps" if mps else "cpu")
    assert device.choose("cpu").type == "cpu"


@pytest.mark.parametrize("wanted", ["cuda:99", "mps:99", "nonsense"])
def test_a_device_that_is_not_there_is_an_error(wanted: str) -> None:
    with pytest.raises(dlc.CompileError, match=f"there is no device `{wanted}` here"):
        device.choose(wanted)


def test_a_session_says_so_where_it_did_not_get_the_gpu(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = dlc.train(text=GATES, out=tmp_path)
    assert dlc.load(result.model).predict(ROWS)["both"].tolist() == [True, False]
    if torch.cuda.is_available():
        assert dlc.load(result.model, device="cuda").predict(ROWS)["both"].tolist() == [True, False]
    else:
        with pytest.raises(DeviceError, match="ONNX Runtime could not use the GPU"):
            dlc.load(result.model, device="cuda")
    assert capfd.readouterr() == ("", "")
