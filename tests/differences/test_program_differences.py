"""What differs between two specs is told in terms of the language."""

from __future__ import annotations

import re
from random import Random

import pytest
from shipped import SPECS, compiled

from dlc.compiler import CompileError, Source, compile, reader, tensor_reader
from dlc.compiler.differences import Change, Difference, differences
from dlc.compiler.format.printer import print_graph

BASE = """
param hidden = 16

input  x: float[4]
output kind: class(3)

x -> standardize -> dense(hidden) -> relu -> dropout(0.2) -> dense(3) -> kind

data {
  source     = builtin("iris")
  validation = 0.2
  test       = 0.2
}

train {
  optimizer = adam(lr=0.01)
  epochs    = 20
}

expect { test.accuracy >= 0.9 }
""".lstrip()


def program(text: str, name: str = "f.dl", params: dict | None = None):
    return compile(Source(name, text), params=params)


def between(*edits: tuple[str, str], text: str = BASE) -> list[Difference]:
    """The differences to the spec with these edits."""
    new = text
    for old, instead in edits:
        assert old in new
        new = new.replace(old, instead, 1)
    return differences(program(text), program(new, "g.dl"))


def told(*edits: tuple[str, str], text: str = BASE) -> list[str]:
    return [str(d) for d in between(*edits, text=text) if not d.implied]


def test_a_wider_layer_and_the_layers_that_it_changes():
    found = between(("dense(hidden)", "dense(32)"), ("param hidden = 16\n", ""))
    assert [(d.kind, d.name, d.implied) for d in found] == [
        ("param", "hidden", False), ("layer", "dense", False), ("layer", "relu", True),
        ("layer", "dropout", True), ("layer", "dense_2", True),
    ]  # fmt: skip
    assert found[1].changes == (
        Change("units", "16", "32"),
        Change("makes", "float[16]", "float[32]"),
        Change("parameters", "80", "160"),
        Change("type of weight", "float[16, 4]", "float[32, 4]"),
        Change("type of bias", "float[16]", "float[32]"),
    )
    assert (found[1].before, found[1].after) == ("dense(16)", "dense(32)")
    assert (found[1].before_at, found[1].after_at) == ("f.dl:6:21", "g.dl:5:21")
    assert found[2].changes == (Change("makes", "float[16]", "float[32]"),)
    assert found[4].changes[0] == Change("parameters", "51", "99")


def test_a_param_is_told_with_what_it_changes_and_with_its_places():
    param, layer, *_ = between(("hidden = 16", "hidden = 32"))
    assert param == Difference("param", "hidden", "16", "32", "f.dl:1:7", "g.dl:1:7")
    assert layer.changes[0] == Change("units", "16", "32")


def test_layers_that_are_inserted_move_no_others():
    found = between(("relu ->", "relu -> dense(16) -> relu ->"))
    assert [(d.name, d.before, d.after) for d in found] == [
        ("dense_2", "", "dense(16)"),
        ("relu_2", "", "relu"),
    ]
    assert found[0].changes == (
        Change("makes", "", "float[16]"), Change("parameters", "", "272"), Change("reads", "", "relu"),
    )  # fmt: skip
    assert found[0].before_at == "" and found[0].after_at.startswith("g.dl:6:")


def test_a_layer_that_is_removed():
    (found,) = between((" -> dropout(0.2)", ""))
    assert (found.name, found.before, found.after, found.after_at) == ("dropout", "dropout(0.2)", "", "")
    assert str(found) == "layer dropout removed: dropout(0.2)"


def test_a_layer_in_place_of_another_beside_a_new_one():
    found = told(("relu ->", "elu -> gelu -> dense(16) ->"))
    assert found[0] == "layer elu: operator relu -> elu"
    assert found[1:] == ["layer gelu added: gelu", "layer dense_2 added: dense(16)"]


def test_one_of_several_copies_that_is_added():
    text = BASE.replace("dense(hidden) -> relu", "repeat(4, dense(hidden) -> relu)")
    added = between(("repeat(4", "repeat(5"), text=text)
    assert [d.after for d in added] == ["dense(16)", "relu"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("dropout(0.2)", "dropout(0.3)", "layer dropout: rate 0.2 -> 0.3"),
        ("relu", "gelu", "layer gelu: operator relu -> gelu"),
        ("dense(3)", "dense(3, bias=false)", "layer dense_2: bias true -> false, parameters 51 -> 48"),
        ("dense(3)", "dense(3, init=he_uniform)", "layer dense_2: init none -> he_uniform"),
        ("lr=0.01", "lr=0.02", "train.optimizer.lr: 0.01 -> 0.02"),
        ("adam(lr=0.01)", "adam", "train.optimizer.lr: 0.01 -> 0.001"),
        ("adam(lr=0.01)", "sgd(0.1)", "train.optimizer: adam(lr=0.01) -> sgd(0.1)"),
        ("epochs    = 20", "steps = 100", "train.epochs: 20 -> 10, unless `steps` is given"),
        ("epochs    = 20", "epochs = 20\nclip = norm(1)", "train.clip: none -> norm(1)"),
        ("epochs    = 20", "epochs = 20\nloss = cross_entropy(kind, label_smoothing=0.1)",
         "train.loss: implied by the outputs -> cross_entropy(kind, label_smoothing=0.1)"),
        ("validation = 0.2", "", "data.validation: 0.2 -> 0"),
        ('builtin("iris")', 'csv("iris.csv")', 'data.source: builtin("iris") -> csv("iris.csv")'),
        ("validation = 0.2", "validation = 0.2\nx = columns(\"a\", \"b\", \"c\", \"d\")",
         "data.x added: columns([a, b, c, d])"),
        (">= 0.9", ">= 0.95", "expect test.accuracy: test.accuracy >= 0.9 -> test.accuracy >= 0.95"),
        ("test.accuracy >= 0.9", "parameters <= 200", "expect parameters added: parameters <= 200"),
        ("class(3)", "class(a, b, c)", "output kind: type class(3) -> class(a, b, c)"),
    ],
)  # fmt: skip
def test_one_change_of_the_spec(old, new, expected):
    assert any(text.startswith(expected) for text in told((old, new)))


def test_layout_comments_and_names_are_no_difference_but_of_the_text():
    same = BASE.replace("x -> standardize", "# new\nscaled = x   -> standardize\nscaled")
    (found,) = differences(program(BASE), program(same))
    assert (found.kind, found.name, found.after) == ("text", "f.dl", "21 lines")
    assert differences(program(BASE), program(BASE, "g.dl")) == []


def test_values_that_a_command_gave_are_told_where_they_change_something():
    given = program(BASE, params={"hidden": 8, "train.epochs": 5})
    found = {d.name: d for d in differences(program(BASE), given)}
    assert (found["hidden"].before, found["hidden"].after) == ("16", "8")
    assert (found["train.epochs"].before, found["train.epochs"].after) == ("20", "5")
    written = BASE.replace("hidden = 16", "hidden = 8").replace("= 20", "= 5")
    assert [d.kind for d in differences(program(written), given)] == ["text"]


def test_a_sum_that_reads_another_value():
    layers = "a = x -> dense(8) -> relu\nb = a -> dense(8) -> relu\na + b -> dense(3) -> kind\n"
    text = f"input x: float[4]\noutput kind: class(3)\n{layers}"
    (found,) = between(("a + b", "b + b"), text=text)
    assert (found.name, found.changes) == ("add", (Change("reads", "relu, relu_2", "relu_2, relu_2"),))


def test_two_uses_of_a_net_and_of_a_block():
    text = """
input  a, b: float[4]
output y: float[3]
net layer(x) { return x -> dense(3) }
layer(a) + layer(b) -> y
"""
    found = between(("net layer", "block layer"), text=text)
    assert Change("parameters", "", "15") in found[1].changes
    assert Change("reads", "b, layer.dense.weight, layer.dense.bias", "b") in found[1].changes


def test_layers_of_a_net_in_the_loss_are_layers_and_the_rest_is_of_the_loss():
    text = """
input  x: float[2]
input  noise: float[4]
output fake: float[2]

net generator(z) { return z -> dense(32) -> relu -> dense(2) }
net critic(x)    { return x -> dense(32) -> leaky_relu -> dense(1) }

noise -> generator -> fake

data {
  source = csv("points.csv")
  noise  = normal()
}

train {
  optimizer = adam(lr=1e-3, beta1=0.5)
  step critic    { loss = bce(critic(x), 1) + bce(critic(fake), 0) }
  step generator { loss = bce(critic(fake), 1) }
}
"""
    assert {d.kind for d in between(("leaky_relu", "relu"), text=text)} == {"layer"}
    loss = "bce(critic(x), 1) + bce(critic(fake), 0)"
    assert told(("bce(critic(x), 1)", "bce(critic(x), 0.9)"), text=text) == [
        f"train.critic.loss: {loss} -> {loss.replace('1', '0.9')}"
    ]
    assert told(("{ loss = bce(critic(fake), 1)", "{ times = 2\nloss = bce(critic(fake), 1)"), text=text) == [
        "train.generator.times: 1 -> 2"
    ]
    given = told(("step critic ", "step critic, generator "), text=text)
    assert given == ["train.critic: step critic -> step critic, generator"]


def test_a_value_of_the_loss_that_has_a_name_is_told_by_its_nodes():
    text = BASE.replace("epochs ", "weight = 2 + 1\n  loss = weight * cross_entropy(kind)\n  epochs ")
    text = text.replace("weight = 2 + 1", "part = 0.5 * mse(kind.logits, 0)").replace("weight * ", "part + ")
    (found,) = between(("0.5 * mse", "0.7 * mse"), text=text)
    assert (found.kind, found.changes) == ("loss", (Change("value", "0.5", "0.7"),))


def test_the_order_of_inputs_counts_and_that_of_statements_where_it_names_layers():
    text = "input a: float[2]\ninput b: float[2]\noutput y: float[3]\n"
    layers = "h = a -> dense(3)\ng = b -> dense(3, bias=false)\nh + g -> y\n"
    swapped = ("input a: float[2]\ninput b: float[2]", "input b: float[2]\ninput a: float[2]")
    assert told(swapped, text=text + layers) == ["input order: a, b -> b, a"]
    moved = (
        "h = a -> dense(3)\ng = b -> dense(3, bias=false)",
        "g = b -> dense(3, bias=false)\nh = a -> dense(3)",
    )
    assert told(moved, text=text + layers) == [
        "layer dense: name dense_2 -> dense", "layer dense_2: name dense -> dense_2"
    ]  # fmt: skip


def test_declared_weights_and_average_nets():
    text = """
input  x: float[4]
output kind: class(3)
weight scale: float[3] = ones
net student(x) { return x -> dense(16) -> relu -> dense(3) }
net teacher = average(student, decay=0.99)
(x -> student) * scale -> kind
train { loss = cross_entropy(kind) + mse(kind.logits, detach(teacher(x))) }
"""
    (found,) = between(("= ones", "= zeros"), text=text)
    assert (found.kind, found.name) == ("weight", "scale")
    assert found.changes == (Change("initial values", "ones", "zeros"),)
    (found,) = between(("decay=0.99", "decay=0.9"), text=text)
    assert (found.kind, found.name, found.after) == ("net", "teacher", "average(student, decay=0.9)")


def test_a_phase_that_one_program_has():
    text = BASE.replace("epochs    = 20", "phase first { epochs = 2 }\n  phase second { epochs = 3 }")
    names = [
        d.name
        for d in between((text[text.index("\n  phase second") : text.index("\n}\n\nexpect")], ""), text=text)
    ]
    assert names == ["train.second.loss", "train.second", "train.second.epochs"]


def test_an_imported_file():
    files = {"blocks.dl": "block layer(x) { return x -> dense(16) -> relu }\n"}

    def read(importing, path):
        return Source(path, files[path])

    text = 'import layer from "blocks.dl"\ninput x: float[4]\noutput y: float[16]\nx -> layer -> y\n'
    imported = compile(Source("f.dl", text), read=read)
    own = program("input x: float[4]\noutput y: float[16]\nx -> dense(16) -> relu -> y\n")
    assert [str(d) for d in differences(imported, own)] == [
        "layer dense: name layer.dense -> dense",
        "layer relu: name layer.relu -> relu",
        "import blocks.dl removed: blocks.dl",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("spec", sorted(SPECS.glob("*.dl")), ids=lambda path: path.stem)
def test_numbers_that_change_what_a_shipped_spec_means_are_told(spec):
    """Some numbers of the spec, each changed alone. The oracle is the printed graph with all sections."""
    base = compiled(spec)
    assert differences(base, base) == []
    code = re.sub(r"#.*", lambda comment: " " * len(comment[0]), base.source.text)
    numbers = [*re.finditer(r"(?<![\w.\"])\d+(?:\.\d+)?(?![\w.\"])", code)]
    tried = 0
    for found in Random(spec.stem).sample(numbers, len(numbers)):
        text = f"{base.source.text[: found.start()]}{found[0]}1{base.source.text[found.end() :]}"
        try:
            other = compile(
                Source(base.source.name, text), read=reader(spec.parent), type_in=tensor_reader(spec.parent)
            )
        except CompileError:
            continue
        there, back = differences(base, other), differences(other, base)
        if meaning(base) == meaning(other):
            assert [d.kind for d in there] in ([], ["text"])
        else:
            assert [d for d in there if d.kind != "text" and not d.implied]
        assert sorted((d.kind, d.before, d.after, d.after_at) for d in there) == sorted(
            (d.kind, d.after, d.before, d.before_at) for d in back
        )
        tried += 1
        if tried == 2 or len(base.graph.nodes) > 200:
            return


def meaning(program) -> str:
    """All that a program does, as text without places."""
    graph = re.sub(r"\s+#.*", "", print_graph(program.graph, ""))
    constants = [repr(node.operator) for node in program.graph.nodes if node.operator.name == "constant"]
    sections = (program.data, program.train, program.export)
    inner = [(p.settings, [o.settings for o in p.objectives]) for p in program.phases]
    fields = dict(program.data.fields) if program.data else {}
    expected = [e.text for e in program.expectations]
    declared = [(x.name, x.declared) for x in (*program.inputs, *program.outputs)]
    rest = (constants, program.params, sections, inner, fields, expected, declared, dict(program.averages))
    return graph + re.sub(r"0x[0-9a-f]+|Span\([^)]*\)", "", repr(rest))
