"""Pooling with any settings equals torch, over known and free sizes, in all engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engines import compile_flow, inference, models
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from second_engine import run_openvino

from dlc.compiler import CompileError
from dlc.compiler.definitions.definition import spell_value
from dlc.compiler.ir.graph import Graph
from dlc.compiler.lower import torch as to_torch
from dlc.compiler.lower.onnx import model, serialize

FREE = "HWD"
FEW, MANY = 6, 150


@st.composite
def pools(draw: Any, name: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The type of an operand, sizes of its axes, and settings that torch accepts."""
    axes = draw(st.integers(1, 3))

    def each(low: int, high: int) -> list[int]:
        return [draw(st.integers(low, high)) for _ in range(axes)]

    kernel = each(1, 4)
    chosen: dict[str, Any] = {
        "kernel": kernel,
        "stride": each(1, 5),
        "padding": [draw(st.integers(0, k // 2)) for k in kernel],
        "ceil": draw(st.sampled_from([True, True, False])),
    }
    if name == "maxpool":
        chosen["dilation"] = each(1, 3)
    else:
        chosen["count_padding"] = draw(st.booleans())
    sizes = each(1, 9 if axes < 3 else 5)
    written = [draw(st.sampled_from([FREE[i], str(n)])) for i, n in enumerate(sizes)]
    return f"float[2, {', '.join(written)}]", sizes, chosen


def pooled(name: str, x: torch.Tensor, chosen: dict[str, Any]) -> torch.Tensor | None:
    """The result of torch; none where no window fits."""
    try:
        if name == "maxpool":
            pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x.ndim - 3]
            return pool(x, *(chosen[key] for key in ("kernel", "stride", "padding", "dilation", "ceil")))
        if x.ndim == 5:
            return means_by_axis(x, chosen)
        means = (F.avg_pool1d, F.avg_pool2d)[x.ndim - 3]
        return means(x, *(chosen[key] for key in ("kernel", "stride", "padding", "ceil", "count_padding")))
    except RuntimeError as error:
        assert "utput size" in str(error)
        return None


def means_by_axis(x: torch.Tensor, chosen: dict[str, Any]) -> torch.Tensor:
    """Means over three axes, one after the other: torch rejects axes that are shorter than the window."""
    for axis in range(3):
        window = (chosen[key][axis] for key in ("kernel", "stride", "padding"))
        size = x.shape[axis + 2]
        weights = F.avg_pool1d(torch.eye(size)[None], *window, chosen["ceil"], chosen["count_padding"])[0]
        x = (x.movedim(axis + 2, -1) @ weights).movedim(-1, axis + 2)
    return x


def hold(name: str, taken: str, sizes: list[int], chosen: dict[str, Any]) -> None:
    """All engines give the result of torch. Known sizes without a window, or with one of padding alone, are
    an error."""
    x = np.random.default_rng(0).standard_normal((2, 2, *sizes)).astype(np.float32)
    wanted = pooled(name, torch.from_numpy(x), chosen)
    call = f"{name}({', '.join(f'{key}={spell_value(value)}' for key, value in chosen.items())})"
    empty = wanted is None or bool(wanted.isinf().any())  # no window, or one of padding alone
    try:
        made, graph = compile_flow(f"a -> {call}", (taken,))
    except CompileError as error:
        assert empty and error.diagnostics[0].code in ("E0201", "E0404")
        return
    if empty:
        assert set(FREE) & set(taken)
        return
    graph = inference(graph, made)
    found = to_torch.Model(graph, [], {})({"a": torch.from_numpy(x)})["y0"]
    torch.testing.assert_close(found, wanted)
    for engine, run in engines(graph).items():
        for rows in (x, x[:0]) if engine != "OpenVINO" else (x,):
            have = run({"a": rows})["y0"]
            np.testing.assert_allclose(have, wanted[: len(rows)], 1e-5, 1e-5, err_msg=f"{engine}: {call}")


def engines(graph: Graph) -> dict[str, Any]:
    content = serialize(model(graph, {}, opset=20, ml_opset=3, ir_version=9, name="pool"))
    return models(graph, {}) | {"OpenVINO": lambda feed: run_openvino(content, feed)}


def hold_many(name: str, count: int) -> None:
    @seed(0)
    @settings(max_examples=count, database=None, deadline=None)
    @given(pools(name))
    def holds(drawn: tuple[str, list[int], dict[str, Any]]) -> None:
        hold(name, *drawn)

    holds()


@pytest.mark.parametrize("name", ["maxpool", "avgpool"])
def test_any_settings_equal_torch(name: str) -> None:
    hold_many(name, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["maxpool", "avgpool"])
def test_many_settings_equal_torch(name: str) -> None:
    hold_many(name, MANY)
