"""`export { decode = ... }` that cannot be: one clear error each, before anything is trained."""

from __future__ import annotations

import pytest
from decoded_specs import prompts, targeted

import dlc

SPEC = """input  spelling: class(8)[S]
output sounds: class(6)[T]
OUTPUTS
heard = spelling -> embedding(16) -> gru(8, final=true)
said  = (shift(sounds.target) -> embedding(16), heard) -> gru(8)
said -> dense(sounds.classes) -> sounds
FLOWS
train { clip = norm(1) }
export {
  EXPORT
}
"""
STRESS = {"OUTPUTS": "output stress: class(3)[4]", "FLOWS": "heard -> dense(12) -> reshape(4, 3) -> stress"}
NUMBER = {"OUTPUTS": "output count: float", "FLOWS": "heard -> dense(1) -> count"}
SPOKEN = {"OUTPUTS": "output spoken: class(6)[T]", "FLOWS": "said -> dense(6) -> spoken"}


def error_of(text: str, **params: str) -> tuple[str, str, str]:
    """Code, message and help of the only error."""
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text, params=params)
    (error,) = (d for d in caught.value.diagnostics if d.severity == "error")
    return error.code, error.message, error.help


def spec(export: str = "decode = greedy(sounds, max=9)", **parts: str) -> str:
    text = SPEC.replace("EXPORT", export)
    for part in ("OUTPUTS", "FLOWS"):
        text = text.replace(part, parts.get(part, ""))
    return text


def test_an_output_that_reads_its_target_needs_decode() -> None:
    code, message, help = error_of(spec(""))
    assert (code, message) == ("E0608", "`sounds` depends on the target `sounds`, known only in training")
    assert help == "make its answer step by step: `export { decode = greedy(sounds, max=32) }`"


@pytest.mark.parametrize("outputs", ["[sounds, said]", "[sounds, sounds.logits]"])
def test_what_a_decoded_output_is_computed_of_is_not_known(outputs: str) -> None:
    code, message, help = error_of(spec(f"outputs = {outputs}\n  decode = greedy(sounds)"))
    assert code == "E0608"
    assert "depends on the target `sounds`" in message
    assert "leave it out" in help


def test_another_output_that_reads_the_target_is_not_decoded_with_it() -> None:
    assert error_of(spec(**SPOKEN))[:2] == (
        "E0608",
        "`spoken` depends on the target `sounds`, known only in training",
    )


@pytest.mark.parametrize(
    ("decode", "code", "message", "help"),
    [
        ("greedy(sound)", "E0301", "no output is called `sound`", "`sounds`"),
        ("greedy(spelling)", "E0301", "no output is called `spelling`", "`sounds`"),
        ("greedy(sounds.logits)", "E0301", "no output is called `sounds.logits`", "`sounds`"),
        ('greedy("sounds")', "E0301", 'no output is called `"sounds"`', "`sounds`"),
        ("greedy(stress)", "E0403", "`stress` is class[4]: a sequence of classes of any length", "[T]"),
        ("greedy", "E0405", "`greedy` needs `output`", "greedy(output"),
        ("greedy(sounds, max=0)", "E0403", "at least 1 and at most 100000, found `0`", ""),
        ("greedy(sounds, most=3)", "E0402", "`most`", "max"),
        ("greedi(sounds)", "E0305", "no way of decoding `greedi`", "`greedy`"),
        ("[greedy(sounds), greedy(stress)]", "E0403", "an artifact decodes one output", "without brackets"),
        ('"greedy"', "E0403", 'found "greedy"', "without quotes"),
        ("argmax", "E0305", "argmax", ""),
    ],
)
def test_decode_that_cannot_be_is_the_only_error(decode: str, code: str, message: str, help: str) -> None:
    """That `sounds` reads its target is no second one."""
    found = error_of(spec(f"decode = {decode}", **STRESS))
    assert found[0] == code
    assert message in found[1]
    assert help in found[2]
    assert error_of(spec("decode = none", **STRESS), **{"export.decode": decode})[0] == code


def test_numbers_are_not_decoded() -> None:
    assert error_of(spec("decode = greedy(count)", **NUMBER))[:2] == (
        "E0403",
        "`count` is float: a sequence of classes of any length can be decoded",
    )


def test_whether_classes_have_an_end_depends_on_no_condition() -> None:
    code, message, _ = error_of("param long = true\n" + spec("if long { decode = greedy(sounds) }"))
    assert (code, message) == (
        "E0602",
        "`decode` cannot stand in an `if`: the number of classes depends on it",
    )


def test_the_target_is_read_one_step_later() -> None:
    code, message, help = error_of(spec().replace("shift(sounds.target)", "sounds.target"))
    assert code == "E0520"
    assert "`sounds` is known one step later than `embedding` reads it" in message
    assert help == "read `shift(sounds.target)`"


def test_an_output_that_is_not_exported_is_not_decoded() -> None:
    code, message, help = error_of(spec("outputs = [heard]\n  decode = greedy(sounds)"))
    assert (code, message) == ("E0403", "`sounds` is decoded, and not exported")
    assert "leave `decode` out" in help


def test_a_command_may_choose_the_decoder() -> None:
    program = dlc.compile(text=spec("decode = none"), params={"export.decode": "greedy(sounds, max=4)"})
    (output,) = program.compiled.outputs
    assert output.decoder is not None
    assert (output.decoder.max, output.declared.classes.count) == (4, 7)


def test_the_prompt_is_the_input_that_the_scores_read() -> None:
    text = """input  tag, other: class(8)[T]
output y: class(7)[T]
output q: class(8)[T]
tag -> embedding(4) -> gru(4) -> dense(y.classes) -> y
other -> embedding(4) -> dense(8) -> q
export { decode = greedy(y, max=6) }
"""
    for given in (text, text.replace("tag, other", "other, tag")):
        program = dlc.compile(text=given)
        assert program.onnx(program.weights())
    both = text.replace("tag -> embedding(4)", "(tag -> embedding(4)) + (other -> embedding(4))")
    assert error_of(both)[:2] == ("E0520", "`y` is decoded, and it may continue `tag`, `other`")


def test_an_input_of_other_classes_is_no_prompt() -> None:
    text = """input  x: class(7)[T]
output y: class(7)[T]
x -> embedding(4) -> gru(4) -> dense(y.classes) -> y
export { decode = greedy(y, max=6) }
"""
    code, message, help = error_of(text)
    assert code == "E0520"
    assert message.endswith("`x` has 7 classes, and it has 8")
    assert help == "share the classes of `x`: `class(like=x)`"
    shared = text.replace("y: class(7)", "y: class(like=x)")
    assert dlc.compile(text=shared).compiled.outputs[0].declared.classes.count == 8


def test_no_other_dimension_has_the_name_of_that_of_the_answer() -> None:
    text = spec("decode = greedy(sounds)").replace("sounds", "Sounds").replace("[S]", "[Sounds_steps]")
    code, message, help = error_of(text)
    assert (code, message) == ("E0607", "the answer of `Sounds` has the dimension `Sounds_steps`")
    assert help == "give the dimension of `spelling` another name"


def test_what_openvino_cannot_do_is_an_error_before_training() -> None:
    text = targeted(prompts("lstm(8)", lengths=True), "openvino")
    with pytest.raises(dlc.CompileError) as caught:
        dlc.compile(text=text)
    (found,) = (d for d in caught.value.diagnostics if d.severity == "error")
    assert found.code == "E0403"
    assert found.message == (
        "OpenVINO cannot compute the cell states of `lstm` after prompts of different lengths"
    )
    assert dlc.compile(text=text.replace("lengths = true", "lengths = false"))
