"""Inputs and outputs of artifacts: names, raw types, the batch, free dimensions."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnxruntime
import pytest
from artifacts import agree, draw, make

import dlc

ELEMENTS = {
    "float": "FLOAT", "float64": "DOUBLE", "float16": "FLOAT16",
    "uint8": "UINT8", "int8": "INT8", "int16": "INT16",
    "int32": "INT32", "int64": "INT64", "bool": "BOOL", "binary": "BOOL",
}  # fmt: skip


@pytest.mark.parametrize("element", ELEMENTS)
def test_an_input_is_raw(element: str, tmp_path: Path) -> None:
    made = make(f"input x: {element}[3]\noutput y: float[2]\nx -> dense(2) -> y\n", tmp_path)
    assert made.inputs == {"x": (ELEMENTS[element], ["batch", 3])}
    agree(made)


def test_inputs_of_all_elements_go_together(tmp_path: Path) -> None:
    inputs = "".join(f"input {n}: {e}\n" for n, e in zip("abcdefghij", ELEMENTS, strict=True))
    made = make(f"{inputs}output y: float\n{' + '.join('abcdefghij')} -> y\n", tmp_path)
    assert [element for element, _ in made.inputs.values()] == list(ELEMENTS.values())
    agree(made)


@pytest.mark.parametrize("element", [e for e in ELEMENTS if e != "binary"])
def test_an_output_has_its_dtype(element: str, tmp_path: Path) -> None:
    made = make(f"input x: float[3]\noutput y: {element}[3]\nx * 3 -> y\n", tmp_path)
    assert made.outputs == {"y": (ELEMENTS[element], ["batch", 3])}
    agree(made)


def test_bfloat16_inputs_and_outputs(tmp_path: Path) -> None:
    made = make(
        "input x: bfloat16[2]\noutput y: bfloat16[2]\noutput z: float\nx * 2 -> y\nsum(x) -> z\n", tmp_path
    )
    assert (made.inputs["x"][0], made.outputs["y"][0]) == ("BFLOAT16", "BFLOAT16")
    found = dlc.load(made.path).predict({"x": [[1.0, 2.5], [3.0, -4.0]]})
    assert found["y"].dtype == ml_dtypes.bfloat16
    assert found["y"].tolist() == [[2, 5], [6, -8]]
    assert found["z"].tolist() == [3.5, -1]


def test_text_together_with_bfloat16(tmp_path: Path) -> None:
    made = make(
        'input size: bfloat16\ninput color: class("dark red", grün)\noutput y: bfloat16[2]\n'
        "output same: class(like=color)\n"
        "(color -> one_hot) * size -> y\ncolor -> one_hot -> same\n",
        tmp_path,
    )
    artifact = dlc.load(made.path)
    found = artifact.predict({"size": [2, 3.5, 1], "color": ["grün", "dark red", "grün"]})
    assert found["y"].tolist() == [[0, 2], [3.5, 0], [0, 1]]
    assert found["same"].tolist() == ["grün", "dark red", "grün"]
    assert artifact.predict({"size": [], "color": []})["y"].shape == (0, 2)


def test_integers_are_rounded_to_even_and_clipped(tmp_path: Path) -> None:
    made = make("input x: float[6]\noutput y: uint8[6]\nx -> y\n", tmp_path)
    found = made.onnxruntime({"x": np.array([[-3, 0.5, 1.5, 2.4, 254.6, 1e9]], np.float32)})
    assert found["y"].tolist() == [[0, 0, 2, 2, 255, 255]]


def test_class_names_are_text_in_inputs_and_outputs(tmp_path: Path) -> None:
    text = (
        'input colour: class(red, "dark blue")\ninput paid: binary("no", "yes")\n'
        'output same: class(red, "dark blue")\noutput late: binary(early, late)\n'
        "red = where(colour == 0, 1.0, 0.0)\nconcat(red - 0.5, 0.5 - red) -> same\npaid - 0.5 -> late\n"
    )

    made = make(text, tmp_path)
    assert made.inputs == {"colour": ("STRING", ["batch"]), "paid": ("STRING", ["batch"])}
    assert made.outputs == {
        "same": ("STRING", ["batch"]),
        "same_probabilities": ("FLOAT", ["batch", 2]),
        "late": ("STRING", ["batch"]),
        "late_probability": ("FLOAT", ["batch"]),
    }
    found = made.onnxruntime(
        {"colour": np.array(["red", "dark blue"], object), "paid": np.array(["yes", "no"], object)}
    )
    assert found["same"].tolist() == ["red", "dark blue"]
    assert found["late"].tolist() == ["late", "early"]
    agree(made)


def test_images_are_segmented_at_any_size(tmp_path: Path) -> None:
    made = make(
        "input image: uint8[3, H, W]\noutput ground: class(sky, road, tree)[H, W]\noutput "
        "person: binary[H, W]\n"
        "h = image / 255 -> conv(4, 3, padding=1) -> batchnorm -> relu\n"
        "h -> conv(3, 1) -> ground\nh -> conv(1, 1) -> reshape(H, W) -> person\n",
        tmp_path,
    )
    assert made.inputs == {"image": ("UINT8", ["batch", 3, "H", "W"])}
    assert made.outputs == {
        "ground": ("STRING", ["batch", "H", "W"]),
        "ground_probabilities": ("FLOAT", ["batch", 3, "H", "W"]),
        "person": ("BOOL", ["batch", "H", "W"]),
        "person_probability": ("FLOAT", ["batch", "H", "W"]),
    }
    for height, width in ((1, 5), (4, 4), (9, 2)):
        found = agree(made, H=height, W=width)
        np.testing.assert_allclose(found["ground_probabilities"].sum(1), 1, rtol=1e-5)


def test_free_dimensions_keep_their_names_at_any_length(tmp_path: Path) -> None:
    made = make(
        "input x: float[T, 3]\ninput m: float[T]\noutput y: float[T, 2]\noutput z: float[T + 1]\n"
        "x -> dense(2) -> y\nm -> pad(1, 0, axis=0) -> z\n",
        tmp_path,
    )
    assert made.inputs == {"x": ("FLOAT", ["batch", "T", 3]), "m": ("FLOAT", ["batch", "T"])}
    assert made.outputs == {"y": ("FLOAT", ["batch", "T", 2]), "z": ("FLOAT", ["batch", "T + 1"])}
    for length in (1, 4, 9):
        agree(made, T=length)


def test_the_free_dimension_of_an_output_is_that_of_its_value(tmp_path: Path) -> None:
    made = make("input x: float[T, 3]\noutput y: float[S]\nx -> flatten -> y\n", tmp_path)
    assert made.outputs == {"y": ("FLOAT", ["batch", "3 * T"])}
    for length in (1, 4, 9):
        agree(made, T=length)


def test_inputs_may_be_formulas_of_a_free_dimension(tmp_path: Path) -> None:
    made = make(
        "input x: float[2 * T + 1, 2]\noutput y: float[T, 2]\nx[1:] -> reshape(T, 2, 2) -> "
        "mean(axis=1) -> y\n",
        tmp_path,
    )
    assert made.inputs == {"x": ("FLOAT", ["batch", "2 * T + 1", 2])}
    for length in (1, 3):
        agree(made, **{"2 * T + 1": 2 * length + 1})


def test_what_inference_does_not_need_is_not_exported(tmp_path: Path) -> None:
    made = make(
        "input x: float[4]\ninput hint: float[4]\noutput y: float[4]\nx -> dense(4) -> y\n"
        "train { loss = mse(y) + mse(hint -> dense(4), x) }\n",
        tmp_path,
    )
    assert list(made.inputs) == ["x"]
    assert set(made.stored) == {"dense.weight", "dense.bias"}
    assert list(dlc.load(made.path).inputs) == ["x"]


def test_only_listed_outputs_are_exported(tmp_path: Path) -> None:
    made = make(
        "input x: float[3]\noutput kind: class(a, b, c)\noutput size: float\nhidden = x -> dense(5) -> relu\n"
        "hidden -> dense(3) -> kind\nhidden -> dense(1) -> size\nexport { outputs = "
        "[kind.logits, hidden] }\n",
        tmp_path,
    )
    assert made.outputs == {"kind_logits": ("FLOAT", ["batch", 3]), "hidden": ("FLOAT", ["batch", 5])}
    assert set(made.stored) == {"dense.weight", "dense.bias", "dense_2.weight", "dense_2.bias"}
    agree(made)


def test_the_same_value_may_be_two_outputs(tmp_path: Path) -> None:
    made = make(
        "input x: float[3]\noutput a, b: float[3]\noutput c: float[3] = a\nh = x -> dense(3)\nh -> "
        "a\nh -> b\nx -> c\n"
        "export { outputs = [a, b, c, h] }\n",
        tmp_path,
    )
    assert list(made.outputs) == ["a", "b", "c", "h"]
    assert made.operators.count("Gemm") == 1
    found = agree(made)
    np.testing.assert_array_equal(found["a"], found["b"])
    np.testing.assert_array_equal(found["c"], draw(made, 7)["x"])


def test_a_text_class_may_be_exported_as_its_number(tmp_path: Path) -> None:
    made = make(
        'input s: binary("n", "y")\noutput count: int32\noutput flag: bool\noutput value: float\n'
        "s -> count\ns -> flag\ns -> value\n",
        tmp_path,
    )
    assert [element for element, _ in made.outputs.values()] == ["INT32", "BOOL", "FLOAT"]
    found = made.onnxruntime({"s": np.array(["y", "n", "?"], object)})
    assert [a.tolist() for a in found.values()] == [[1, 0, 0], [True, False, False], [1, 0, 0]]


def test_an_activation_that_matches_is_exported_once(tmp_path: Path) -> None:
    made = make(
        "input x: float[3]\noutput kind: class(4)\noutput many: binary[2]\noutput fires: binary\n"
        "x -> dense(4) -> softmax -> kind\nx -> dense(2) -> sigmoid -> many\nx -> dense(1) -> "
        "threshold -> fires\n",
        tmp_path,
    )
    assert (made.operators.count("Softmax"), made.operators.count("Sigmoid")) == (1, 1)
    found = agree(made)
    assert set(found["fires_probability"]) <= {0, 1}
    np.testing.assert_array_equal(found["kind"], found["kind_probabilities"].argmax(1))
    np.testing.assert_array_equal(found["many"], found["many_probability"] >= 0.5)


def test_an_unknown_class_is_minus_one_in_the_artifact(tmp_path: Path) -> None:
    made = make(
        "input c: class(a, b)\noutput y: float\nwhere(c == 0, 1.0, 0.0) + where(c == 1, 2.0, 0.0) -> y\n",
        tmp_path,
    )
    found = made.onnxruntime({"c": np.array(["a", "b", "never seen"], object)})
    assert found["y"].tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("export", "code"),
    [
        ("outputs = []", "E0403"),
        ("outputs = [x]", "E0607"),
        ("outputs = [w]", "E0507"),
        ("outputs = [double_w]", "E0507"),
        ("outputs = [y, y]", "E0607"),
        ("outputs = [y, y.probabilities]", "E0607"),
        ("outputs = [y.target]", "E0608"),
        ("outputs = [y], opset = 17", "E0403"),
        ("outputs = [y], opset = 25", "E0403"),
        ('target = "onnxruntime>=1.15"\nopset = 20', "E0403"),
        ('target = "onnxruntime>=1.2"', "E0403"),
        ('target = "tflite"', "E0403"),
    ],
)
def test_what_cannot_be_exported_is_an_error(export: str, code: str) -> None:
    text = (
        "input x: float[3]\noutput y: class(3)\nweight w: float[3] = ones\ndouble_w = w * 2\n"
        "x * double_w -> dense(3) -> y\n"
        f"export {{ {export.replace(', opset', chr(10) + 'opset')} }}\n"
    )
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text)
    assert [d.code for d in caught.value.diagnostics] == [code]


@pytest.mark.parametrize(
    ("settings", "opset", "ir"),
    [
        ("", 20, 9),
        ('target = "onnxruntime>=1.14"', 18, 8),
        ('target = "onnxruntime>=1.15"', 19, 8),
        ('target = "onnxruntime>=1.16.3"', 19, 8),
        ('target = "onnxruntime>=1.17"', 20, 9),
        ('target = "onnxruntime>=1.18"', 21, 10),
        ('target = "onnxruntime>=1.21.1"', 22, 10),
        ('target = "onnxruntime>=1.24"', 23, 11),
        ('target = "onnxruntime>=1.28"', 24, 12),
        ('target = "onnxruntime>=1.99"', 24, 12),
        ('target = "onnxruntime>=1.28"\nopset = 22', 22, 10),
        ("opset = 18", 18, 8),
        ("opset = 24", 24, 12),
        ('target = "onnxruntime>=1.18"\nopset = 19', 19, 8),
    ],
)
def test_the_target_chooses_the_opset(settings: str, opset: int, ir: int, tmp_path: Path) -> None:
    text = (
        "input c: class(a, b)\ninput x: float[3, 8, 8]\noutput y: class(u, v)\n"
        "h = x -> conv(4, 3) -> batchnorm -> gelu -> maxpool(2) -> flatten -> layernorm -> dense(2)\n"
        "h + where(c == 0, 1.0, 0.0) -> y\n" + (f"export {{ {settings} }}\n" if settings else "")
    )
    made = make(text, tmp_path)
    versions = {o.domain: o.version for o in made.proto.opset_import}
    assert (versions[""], made.proto.ir_version) == (opset, ir)
    assert versions["ai.onnx.ml"] == (5 if opset >= 22 else 4 if opset >= 20 else 3)
    agree(made)


def test_a_plain_session_loads_the_file(tmp_path: Path) -> None:
    made = make("input x: float[3]\noutput y: float\nx -> dense(1) -> y\n", tmp_path)
    opened = onnxruntime.InferenceSession(made.path.read_bytes(), providers=["CPUExecutionProvider"])
    assert [(i.name, i.type, i.shape) for i in opened.get_inputs()] == [("x", "tensor(float)", ["batch", 3])]
    assert [(o.name, o.type, o.shape) for o in opened.get_outputs()] == [("y", "tensor(float)", ["batch"])]
    assert opened.run(["y"], {"x": np.zeros((0, 3), np.float32)})[0].shape == (0,)
