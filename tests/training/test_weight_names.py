"""`load("f.safetensors", names="map.json")`: files of other libraries, read through a map of names."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import dlc
from dlc import CompileError
from dlc.runtime import weight_names

# Copies of a block, a joined projection, and a norm, as libraries name and lay them out.
SPEC = """
input x: float[6]
output y: float[2]
block layer(h) {{ return layernorm(h + tanh(dense(h, 6)) * dense(h, 6)) }}
net body(x) {{ return x -> repeat({layers}, layer) }}
x -> body -> dense(2) -> y
train {{
  weights = load({load})
  freeze  = body
  epochs  = 1
}}
"""
MAP = {
    "layer{i}.layernorm": "model.blocks.{i-1}.norm",
    "layer{i}.dense.weight": "model.blocks.{i-1}.both.weight[0:6]",
    "layer{i}.dense.bias": "model.blocks.{i-1}.both.bias[0:6]",
    "layer{i}.dense_2": "model.blocks.{i-1}.both[6:12]",
}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.both, self.norm = nn.Linear(6, 12), nn.LayerNorm(6)

    def forward(self, h):
        gate, value = self.both(h).chunk(2, -1)
        return self.norm(h + torch.tanh(gate) * value)


def module(layers: int) -> nn.Module:
    """Some blocks with random weights, and a head of another task."""
    torch.manual_seed(3)
    made = nn.ModuleDict(
        {
            "model": nn.ModuleDict({"blocks": nn.Sequential(*(Block() for _ in range(layers)))}),
            "head": nn.Linear(6, 40),
        }
    )
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.5)
    return made


def rows(count: int = 24) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"x": rng.standard_normal((count, 6)).astype("f"), "y": rng.standard_normal((count, 2))}


def trained(folder, mapped, tensors, layers=2, into="into=body", spec=SPEC):
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "hub.safetensors")
    text = mapped if isinstance(mapped, str | bytes) else json.dumps(mapped, indent=1)
    (folder / "map.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    load = ", ".join(['"hub.safetensors"', *([into] if into else []), 'names="map.json"'])
    (folder / "new.dl").write_text(spec.format(load=load, layers=layers))
    return dlc.train(folder / "new.dl", data=rows(), out=folder / "runs")


def answers(result, name="y"):
    return dlc.load(result.model).predict({"x": rows()["x"]})[name]


@pytest.mark.parametrize("layers", [1, 2, 11])
def test_blocks_of_a_library_are_loaded_into_the_copies_of_a_block(tmp_path, layers):
    """The net computes what the library computes; its joined projection is cut into two."""
    library = module(layers)
    result = trained(tmp_path, MAP, library.state_dict(), layers)
    head = [torch.from_numpy(result.weights[f"dense.{n}"]) for n in ("weight", "bias")]
    with torch.no_grad():
        hidden = library["model"]["blocks"](torch.from_numpy(rows()["x"]))
        wanted = nn.functional.linear(hidden, *head).numpy()
    np.testing.assert_allclose(answers(result), wanted, rtol=1e-5, atol=1e-5)


def test_a_wrong_row_changes_the_answers(tmp_path):
    """What the comparison above rests on."""
    swapped = MAP | {
        "layer{i}.dense.weight": "model.blocks.{i-1}.both.weight[6:12]",
        "layer{i}.dense.bias": "model.blocks.{i-1}.both.bias[6:12]",
    }
    library = module(2)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    right = trained(tmp_path / "a", MAP, library.state_dict())
    wrong = trained(tmp_path / "b", swapped, library.state_dict())
    assert np.abs(answers(right) - answers(wrong)).max() > 0.1


@pytest.mark.parametrize(("into", "prefix"), [("into=body", "body."), ("", "body.")])
def test_keys_may_have_the_name_of_the_net(tmp_path, into, prefix):
    mapped = {prefix + key: value for key, value in MAP.items()}
    tensors = module(2).state_dict()
    if not into:
        mapped["dense"] = "head[:2]"
    result = trained(tmp_path, mapped, tensors, into=into)
    wanted = tensors["model.blocks.1.both.weight"]
    np.testing.assert_array_equal(result.weights["body.layer_2.dense_2.weight"], wanted[6:])


def test_a_map_without_the_prefix_of_the_file_goes_with_from(tmp_path):
    mapped = {key: value.removeprefix("model.") for key, value in MAP.items()}
    result = trained(tmp_path, mapped, module(2).state_dict(), into='into=body, from="model"')
    assert "body.layer.dense.weight" in result.weights
    with pytest.raises(CompileError) as caught:
        trained(tmp_path, mapped, module(2).state_dict())
    assert 'write `from="model"`' in caught.value.diagnostics[0].help


ONE = """
input x: float[6]
output y: float[2]
net body(x) {{
  weight offset: float[6] = zeros
  return standardize(x) + offset -> dense(6)
}}
x -> body -> dense(2) -> y
train {{
  weights = load({load})
  freeze  = body
  epochs  = 1
}}
"""


def test_transposes_rows_and_stacked_tensors_are_read(tmp_path):
    """`Conv1D` of GPT-2 has its weight the other way round; other files stack all layers in one tensor. What
    the map does not name has its own name, and what the file lacks is fitted to the rows."""
    tensors = {
        "joined.w": torch.randn(6, 18),
        "b": torch.randn(4, 6),
        "dense.bias": torch.randn(6),
        "step": torch.zeros(1, dtype=torch.int64),
        "half": torch.randn(3, 6).to(torch.bfloat16),
    }
    mapped = {"dense.weight": "joined.w.T[6:12]", "offset": "half[2]"}
    result = trained(tmp_path, mapped, tensors, spec=ONE)
    weights = result.weights
    np.testing.assert_array_equal(weights["body.dense.weight"], tensors["joined.w"].T[6:12])
    np.testing.assert_array_equal(weights["body.dense.bias"], tensors["dense.bias"])
    np.testing.assert_array_equal(weights["body.offset"], tensors["half"][2].float())
    np.testing.assert_allclose(weights["body.standardize.mean"], rows()["x"].mean(0), rtol=1e-4, atol=1e-5)


def test_layers_that_share_one_set_of_weights_in_the_file(tmp_path):
    """ALBERT: a value without a number is the same for every copy."""
    mapped = {key: value.replace("{i-1}", "0") for key, value in MAP.items()}
    weights = trained(tmp_path, mapped, module(1).state_dict(), 3).weights
    for name in ("layernorm.weight", "dense.weight", "dense_2.bias"):
        np.testing.assert_array_equal(weights[f"body.layer.{name}"], weights[f"body.layer_3.{name}"])


def test_numbers_count_as_they_are_written(tmp_path):
    """Blocks that are numbered from 1, in two levels, and in the rows of a tensor."""
    text = """
input x: float[6]
output y: float[2]
block unit(h) {{ return h -> dense(6) -> tanh }}
block group(h) {{ return h -> unit -> unit }}
net body(x) {{ return x -> group -> group -> group }}
x -> body -> dense(2) -> y
train {{
  weights = load({load})
  epochs  = 1
}}
"""
    tensors = {f"g{a}.{b}.w": torch.randn(6, 6) for a in (1, 2, 3) for b in (10, 11)}
    tensors["biases"] = torch.randn(3, 6)
    mapped = {
        "group{a}.unit{b}.dense.weight": "g{a}.{b+9}.w",
        "group{a}.unit{b}.dense.bias": "biases[{a-1}]",
    }
    text = text.replace("epochs  = 1", "epochs = 1\n  freeze = body")
    weights = trained(tmp_path, mapped, tensors, spec=text).weights
    for a, b in ((1, 1), (2, 1), (3, 2)):
        unit = f"body.group{'' if a == 1 else f'_{a}'}.unit{'' if b == 1 else f'_{b}'}.dense"
        np.testing.assert_array_equal(weights[f"{unit}.weight"], tensors[f"g{a}.{b + 9}.w"])
        np.testing.assert_array_equal(weights[f"{unit}.bias"], tensors["biases"][a - 1])


# --- errors -----------------------------------------------------------------------------------------------


def line(mapped: dict[str, str], key: str) -> int:
    return [*mapped].index(key) + 2


def changed(**values: str | None) -> dict[str, str]:
    """The map with other values for the keys that end so; None leaves one out."""
    ends = {end.replace("__", "."): value for end, value in values.items()}
    found = {key: ends.get(key.removeprefix("layer{i}."), value) for key, value in MAP.items()}
    return {key: value for key, value in found.items() if value is not None}


WEIGHT, NORM = "layer{i}.dense.weight", "layer{i}.layernorm"
PROBLEMS = {
    "no JSON": ('{\n "a": "b",\n}', "E0814", "map.json, line 3: this is not JSON", "double quotes"),
    "no object": ('["a"]', "E0814", "map.json is not a JSON object of names", "a value is a name"),
    "deep": ("[" * 100_000, "E0814", "map.json: this is not JSON", ""),
    "no text": (b"\xff\xfe", "E0814", "map.json is not UTF-8 text", ""),
    "long": (" " * 2_000_000, "E0808", "map.json is larger than", "JSON file"),
    "a number": ('{\n "a": 3}', "E0814", "line 2: the value is not a name", "a value is a name"),
    "nested": ('{"a": {"b": "c"}}', "E0814", "line 1: the value is not a name", "a value is a name"),
    "twice": ('{"a": "b",\n "a": "c"}', "E0814", "`a` stands twice", "leave one"),
    "twice by other letters": ('{"a{i}": "b", "a{j}": "c"}', "E0814", "`a{j}` stands twice", ""),
    "a key that is no name": ({"layer*.a": "b"}, "E0814", "`layer*.a` is not a name of a spec", "{i}"),
    "a letter twice": ({"a{i}.b{i}": "b"}, "E0814", "has one letter for two numbers", ""),
    "an unknown letter": ({"a{i}": "b.{j}"}, "E0814", "has `{j}`, and the key does not", ""),
    "a bad number": ({"a{i}": "b.{i*2}"}, "E0814", 'the value "b.{i*2}" cannot be read', '"w[0:768]"'),
    "a newline": ({"a": "b\n[1\n]"}, "E0814", "cannot be read", ""),
    "an open bracket": ({"a": "b[0:2"}, "E0814", 'the value "b[0:2" cannot be read', ""),
    "bad rows": ({"a": "b[-1]"}, "E0814", 'the value "b[-1]" cannot be read', '"w[0]"'),
    "no tensor": ({"a": "[0]"}, "E0814", 'the value "[0]" cannot be read', ""),
    "an unknown key": (MAP | {"layer{i}.dens.weight": "x"}, "E0814",
                       "line 6: the net `body` has no weight `layer{i}.dens.weight`",
                       "did you mean `layer{i}.dense.weight`?"),
    "the head": (MAP | {"dense.weight": "head.weight"}, "E0814",
                 "line 6: the net `body` has no weight `dense.weight`", ""),
    "two keys": (MAP | {"layer_2.dense.weight": "head.weight"}, "E0814",
                 f'line 6: `layer_2.dense.weight` has a value already, by "{WEIGHT}"', "leave one"),
    "an unknown tensor": (changed(layernorm="model.blocks.{i-1}.nrm"), "E0814",
                          f'line {line(MAP, NORM)}: hub.safetensors has no tensor "model.blocks.0.nrm.weight',
                          'did you mean "model.blocks.0.norm.weight"?'),
    "an unknown leaf": (changed(dense_2="model.blocks.{i-1}.norm.bias[0]"), "E0814",
                        '"model.blocks.0.norm.bias.weight" for `layer.dense_2.weight`', ""),
    "old names": ({"layer{i}.layernorm.weight": "model.blocks.{i-1}.norm.gamma"}, "E0814",
                  'hub.safetensors has no tensor "model.blocks.0.norm.gamma"',
                  'it has "model.blocks.0.norm.bias", "model.blocks.0.norm.weight"'),
    "a number from 1": (changed(layernorm="model.blocks.{i}.norm"), "E0814",
                        '"model.blocks.2.norm.weight" for `layer_2.layernorm.weight`',
                        'did you mean "model.blocks.0.norm.weight"?'),
    "rows out of range": (changed(dense__weight="model.blocks.{i-1}.both.weight[8:14]"), "E0814",
                          'both.weight" has the shape [12, 6], so there are no rows `[8:14]`', ""),
    "a transpose of a vector": (changed(dense__bias="model.blocks.{i-1}.both.bias.T"), "E0814",
                                "has the shape [12], and `.T` needs a matrix", ""),
    "another shape": (changed(dense__weight="model.blocks.{i-1}.both.weight"), "E0814",
                      f'{line(MAP, WEIGHT)}: `layer.dense.weight` has the shape [6, 6], and "model.blocks.0',
                      ""),
    "another shape of rows": (changed(dense__weight="model.blocks.{i-1}.both.weight[0:5]"), "E0814",
                              '"model.blocks.0.both.weight" with `[0:5]` [5, 6]', ""),
    "a weight without a value": (changed(layernorm=None), "E0803", "`layer.layernorm.weight` is missing",
                                 "map.json does not name it"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_is_wrong_with_a_map_is_reported_before_writing(tmp_path, name):
    mapped, code, message, help = PROBLEMS[name]
    with pytest.raises(CompileError) as caught:
        trained(tmp_path, mapped, module(2).state_dict())
    problem = caught.value.diagnostics[0]
    assert (problem.code, problem.line) == (code, 8)
    assert message in problem.message
    assert problem.help and help in problem.help
    assert not (tmp_path / "runs").exists()


def test_a_file_of_another_library_without_a_map(tmp_path):
    save_file(module(2).state_dict(), tmp_path / "hub.safetensors")
    (tmp_path / "new.dl").write_text(SPEC.format(load='"hub.safetensors", into=body', layers=2))
    with pytest.raises(CompileError) as caught:
        dlc.train(tmp_path / "new.dl", data=rows(), out=tmp_path / "runs")
    assert 'a map gives the names of another library: `names="map.json"`' in caught.value.diagnostics[0].help


def test_a_map_that_is_not_there(tmp_path):
    trained(tmp_path, MAP, module(2).state_dict())
    (tmp_path / "map.json").unlink()
    with pytest.raises(CompileError, match=r"map\.json cannot be read: no such file"):
        dlc.train(tmp_path / "new.dl", data=rows(), out=tmp_path / "runs")


def test_integers_and_nan_are_refused_through_a_map(tmp_path):
    tensors = module(2).state_dict()
    with pytest.raises(CompileError, match=r"`layer\.dense\.bias` holds int64 instead of floats"):
        trained(tmp_path, changed(dense__bias="step"), tensors | {"step": torch.zeros(6, dtype=torch.int64)})
    tensors["model.blocks.1.norm.bias"][2] = float("nan")
    with pytest.raises(CompileError, match=r"`layer_2\.layernorm\.bias` is not finite"):
        trained(tmp_path, MAP, tensors)


def test_a_map_of_a_stranger_is_read_in_bounded_time(tmp_path):
    """Many keys, long values, and braces that match in many ways."""
    many = {f"layer{{i}}.x{n}": "y" for n in range(20_000)}
    with pytest.raises(CompileError, match="and 19997 more"):
        trained(tmp_path, many, module(2).state_dict())
    with pytest.raises(CompileError, match="the value is not a name"):
        trained(tmp_path, {"layer": "w" + ".T" * 100_000}, module(2).state_dict())
    assert weight_names.split("w" + ".T" * 400)[0] == "w"


def test_the_files_of_a_spec_are_not_overwritten(tmp_path, monkeypatch):
    """`dlc export -o map.json` would destroy the map."""
    from click.testing import CliRunner

    from dlc.cli import commands

    trained(tmp_path, MAP, module(2).state_dict())
    monkeypatch.chdir(tmp_path)
    before = (tmp_path / "map.json").read_bytes()
    done = CliRunner().invoke(commands, ["export", "new.dl", "-o", "map.json"])
    assert done.exit_code != 0
    assert (tmp_path / "map.json").read_bytes() == before
