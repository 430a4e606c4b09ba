"""The text of a first spec, from the roles of the columns, the targets and the size of the network. It is
written in one place, and laid out by the formatter."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import spell_value
from dlc.compiler.definitions.sections import Csv
from dlc.compiler.diagnostics.quoting import VALUES, listed, printable
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.format.formatter import format
from dlc.compiler.format.printer import spell_text
from dlc.compiler.parse.tokens import RESERVED
from dlc.runtime.data.columns.float32_precision import precision_loss
from dlc.runtime.first_spec import network, roles, targets
from dlc.runtime.first_spec.names import NAME, Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dlc.compiler.definitions.series import TableFile
    from dlc.runtime.first_spec.roles import Role
    from dlc.runtime.first_spec.targets import Target

COMMENT = 100  # columns of a comment
WHOLE = 1e9  # from which whole numbers are written with an exponent, as a float
SINGLE = 8  # numbers that are inputs of their own; more of them are one vector
NAMED = 10  # classes that are named in the type of an output
MEANT = ("auto", "like", "ignore")  # words that mean something in the type of classes
LISTED = 60  # characters of these names
# Kinds of inputs, in the singular and the plural.
KINDS = (
    (roles.NUMBER, "number", "numbers"), (roles.VECTOR, "vector", "vectors"),
    (roles.CLASS, "class", "classes"), (roles.TEXT, "text", "texts"),
)  # fmt: skip
VOCABULARY = 2  # rows that a word is in, at least


@dataclass
class Draft:
    """What the writer knows of a spec while it writes it."""

    file: str  # in comments
    source: TableFile
    rows: int
    roles: Sequence[Role]  # of the columns that are no targets
    targets: Sequence[Target]
    named: bool = True  # whether the source names its columns
    names: Names = field(default_factory=Names)
    fields: dict[str, str] = field(default_factory=dict)  # `column("...")` by the name of the input or output
    inputs: list[tuple[int, str]] = field(default_factory=list)  # with the index of the first column
    parts: list[str] = field(default_factory=list)  # what flows into the network

    @property
    def size(self) -> network.Size:
        return network.size_for(self.rows)

    def of_kind(self, kind: str) -> list[Role]:
        return [role for role in self.roles if role.kind == kind]

    def part(self, wanted: str) -> str:
        """A new name of what flows into the network."""
        self.parts.append(self.names.new(wanted))
        return self.parts[-1]

    def column(self, name: str, column: str) -> str:
        """The name of an input or output; notes which column fills it if that has another name."""
        if name != column and self.named:
            self.fields[name] = f"column({spell_text(column)})"
        return name


def write(draft: Draft) -> str:
    """The whole text, formatted."""
    outputs = [draft.column(draft.names.of(target.name), target.name) for target in draft.targets]
    flows = flows_of_inputs(draft)
    inputs = [line for _, line in sorted(draft.inputs, key=lambda item: item[0] * (not draft.named))]
    blocks = [
        "\n".join(heading(draft)),
        "\n".join([*inputs, *map(output_line, outputs, draft.targets)]),
        *flows,
        "\n".join(body(draft, outputs)),
        "\n".join(data(draft, outputs)),
        "\n".join(train(draft, outputs)),
        "\n".join(expect(draft, outputs)),
    ]
    return format(Source("first.dl", "\n\n".join(blocks) + "\n"))


# --- what the file is about -------------------------------------------------------------------------------


def heading(draft: Draft) -> Iterator[str]:
    goal = enumerated([goal_of(target) for target in draft.targets])
    found = [
        f"{n} {word if n == 1 else words}" for kind, word, words in KINDS if (n := len(draft.of_kind(kind)))
    ]
    yield from comment(f"Predicts {goal} of {draft.file} from {enumerated(found)}; {draft.rows:_} rows. "
                       "`dlc new` wrote this first try: change what you know better.")  # fmt: skip
    out = [f"`{printable(role.name)}` ({role.why})" for role in draft.of_kind(roles.OUT)]
    if out:
        yield from comment(f"Left out: {'; '.join(out[:20])}{'; and more' if len(out) > 20 else ''}.")


def enumerated(parts: Sequence[str]) -> str:
    """`2 numbers, 1 class and 1 text`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def goal_of(target: Target) -> str:
    name = f"`{printable(target.name)}`"
    return name if target.task == targets.NUMBER else f"{name}, one of {target.column.distinct} classes,"


def comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in textwrap.wrap(text, COMMENT, break_long_words=False))


# --- inputs -----------------------------------------------------------------------------------------------


def flows_of_inputs(draft: Draft) -> list[str]:
    """The flows that make numbers of the inputs, which are declared on the way."""
    return ["\n".join(lines) for make in (numbers, vectors, classes, texts) if (lines := [*make(draft)])]


def declare(draft: Draft, found: Sequence[Role], element: str, word: str) -> str:
    """Declare an input for each of these columns, and return them as the start of a flow. Several are a group
    of that name. Without names in the file, inputs stand in the order of its columns, a line each."""
    names = [draft.column(draft.names.of(role.name), role.name) for role in found]
    if draft.named and len(names) > 1:
        group = draft.names.new(word)
        draft.inputs.append((found[0].column.index, f"input {', '.join(names)}: {element} as {group}"))
        return group
    for name, role in zip(names, found, strict=True):
        draft.inputs.append((role.column.index, f"input {name}: {element}"))
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def declare_vector(draft: Draft, found: Sequence[Role], element: str) -> str:
    """Declare one input for all of these columns."""
    name = draft.names.new("numbers")
    draft.inputs.append((found[0].column.index, f"input {name}: {element}[{len(found)}]"))
    if draft.named:
        draft.fields[name] = f"columns({', '.join(spell_text(role.name) for role in found)})"
    return name


def numbers(draft: Draft) -> Iterator[str]:
    found = draft.of_kind(roles.NUMBER)
    if not found:
        return
    element = "float64" if any(loses_digits(role) for role in found) else "float"
    if len(found) > SINGLE and (draft.named or len(found) == len(draft.roles)):
        flow = declare_vector(draft, found, element)
    elif len(found) > 1:
        flow = f"{declare(draft, found, element, 'numbers')} -> concat"
    else:
        flow = f"{declare(draft, found, element, 'numbers')} -> reshape(1)"
    filled = any(role.misses for role in found)
    why = "A missing number becomes the median of the training rows. " if filled else ""
    yield from comment(f"{why}All numbers get the mean 0 and the deviation 1.")
    known = draft.part("known")
    yield f"{known} = {flow}{' -> impute(median)' if filled else ''} -> standardize"


def loses_digits(role: Role) -> bool:
    """Whether a column of numbers loses its differences in float32, as times in seconds do."""
    values = role.column.values
    return values is not None and precision_loss(values, role.name) is not None


def vectors(draft: Draft) -> Iterator[str]:
    for role in draft.of_kind(roles.VECTOR):
        flow = declare(draft, [role], f"float[{role.column.width}]", "")
        known = draft.part(f"{flow.rstrip('_')}_known")
        yield f"{known} = {flow} -> {'impute(median) -> ' if role.misses else ''}standardize"


def classes(draft: Draft) -> Iterator[str]:
    """Classes with few values get a place each, others a learnt vector; a missing value is one more class."""
    groups: dict[tuple[bool, int], list[Role]] = {}
    for role in draft.of_kind(roles.CLASS):
        width = 0 if role.is_hot else network.embedding_width(role.column.distinct)
        groups.setdefault((role.misses, width), []).append(role)
    if groups:
        yield from comment(" ".join(reasons_of(groups)))
    for (misses, width), found in sorted(groups.items(), key=lambda item: item[0]):
        flow = declare(draft, found, "class(auto)", "kinds")
        stage = f"{'impute(own) -> ' if misses else ''}{f'embedding({width})' if width else 'one_hot'}"
        known = draft.part(f"{flow.rstrip('_')}_known" if len(found) == 1 else "kinds_known")
        yield f"{known} = {flow} -> " + (f"each({stage}) -> concat" if len(found) > 1 else stage)


def reasons_of(groups: Iterable[tuple[bool, int]]) -> Iterator[str]:
    if any(not width for _, width in groups):
        yield f"Classes of up to {roles.HOT} values get a place each."
    if any(width for _, width in groups):
        yield "Classes of many values get a learnt vector."
    if any(misses for misses, _ in groups):
        yield "A missing class is one more class."


def texts(draft: Draft) -> Iterator[str]:
    found = draft.of_kind(roles.TEXT)
    if found:
        yield from comment("Each word of a text is a learnt vector; what counts is the mean of its words, "
                           "and the largest values.")  # fmt: skip
    for role in found:
        name = declare(draft, [role], "string", "")
        words = draft.names.new(f"{name.rstrip('_')}_words")
        yield f"{words} = {name} -> tokenize(words, min_count={VOCABULARY}) -> embedding(32) -> dropout(0.3)"
        known = draft.part(f"{name.rstrip('_')}_known")
        yield f"{known} = concat(mean({words}, axis=0), max({words}, axis=0))"


# --- network and outputs ----------------------------------------------------------------------------------


def output_line(name: str, target: Target) -> str:
    return f"output {name}: {type_of(target)}"


def type_of(target: Target) -> str:
    if target.task == targets.NUMBER:
        return "float"
    names, whole = target.classes, target.column.is_numeric
    if target.task == targets.BINARY:
        return "binary" if whole else f"binary({', '.join(map(spell_text, names))})"
    if whole:
        return f"class({len(names)})" if names == tuple(map(str, range(len(names)))) else "class(auto)"
    spelled = [spelled_class(name) for name in names]
    fits = len(names) <= NAMED and sum(map(len, spelled)) <= LISTED and target.column.exact
    return f"class({', '.join(spelled)})" if fits else "class(auto)"


def spelled_class(name: str) -> str:
    bare = NAME.fullmatch(name) and name.upper() not in RESERVED and name not in MEANT
    return name if bare else spell_text(name)


def body(draft: Draft, outputs: Sequence[str]) -> Iterator[str]:
    size = draft.size
    yield from comment(f"{size.why[0].upper()}{size.why[1:]}.")
    joined = draft.parts[0] if len(draft.parts) == 1 else f"concat({', '.join(draft.parts)})"
    layer = f"dense({size.width}) -> relu -> dropout({size.dropout:g})"
    flow = f"{joined} -> repeat({size.depth}, {layer})"
    if len(outputs) > 1:
        shared = draft.names.new("shared")
        yield f"{shared} = {flow}"
        flow = shared
        yield ""
    for name, target in zip(outputs, draft.targets, strict=True):
        yield from head(flow, name, target, draft)


def head(flow: str, name: str, target: Target, draft: Draft) -> Iterator[str]:
    if target.task != targets.NUMBER:
        units = "1" if target.task == targets.BINARY else f"{name}.classes"
        yield f"{flow} -> dense({units}) -> {name}"
        return
    score = draft.names.new("score")
    centre, spread = scale_of(target)
    yield f"{score} = {flow} -> dense(1)"
    yield ""
    yield from comment(
        f"The mean of `{name}` is about {centre}, its deviation {spread}: `{score}` has a size near one."
    )
    sign = "-" if centre.startswith("-") else "+"
    yield f"{spread} * {score} {sign} {centre.lstrip('-')} -> {name}"


def scale_of(target: Target) -> tuple[str, str]:
    """The mean and the deviation of a target, in three digits."""
    values = target.column.numbers
    return three(float(values.mean())), three(float(values.std()) or 1.0)


def spelled_share(share: float) -> str:
    """A share in three digits, below 1, as a spec writes it."""
    return f"{min(share, 0.999):.3f}".rstrip("0")


def three(number: float) -> str:
    """A number in three digits, as a spec writes it."""
    rounded = float(f"{number:.3g}")
    return spell_value(int(rounded)) if rounded == int(rounded) and abs(rounded) < WHOLE else f"{rounded:g}"


# --- sections ---------------------------------------------------------------------------------------------


def data(draft: Draft, outputs: Sequence[str]) -> Iterator[str]:
    validation, test = network.parts(draft.rows)
    yield "data {"
    yield f"source = {source_call(draft.source)}"
    yield from (f"{name} = {value}" for name, value in draft.fields.items())
    yield f"validation = {validation}"
    yield f"test = {test}"
    classes = [n for n, target in zip(outputs, draft.targets, strict=True) if target.task != targets.NUMBER]
    if classes:
        yield f"stratify = {classes[0]}  # each part gets its share of each class"
    if any(target.misses for target in draft.targets):
        yield "drop = missing  # rows without a target"
    yield "}"


def source_call(source: TableFile) -> str:
    """The source as a spec writes it."""
    kind = "csv" if isinstance(source, Csv) else "parquet"
    given = [spell_text(source.path)]
    for key, declared in source.settings.items():
        value = getattr(source, key)
        if key != "path" and value != declared.default and value is not None:
            given.append(f"{key}={spelled(value)}")
    return f"{kind}({', '.join(given)})"


def spelled(value: object) -> str:
    if isinstance(value, tuple):
        return spell_text(value[0]) if len(value) == 1 else f"[{', '.join(map(spell_text, value))}]"
    if value == "\t":
        return "tab"
    return spell_text(value) if isinstance(value, str) else spell_value(value)


def train(draft: Draft, outputs: Sequence[str]) -> Iterator[str]:
    size = draft.size
    validation, test = network.parts(draft.rows)
    epochs = size.epochs(max(1, round(draft.rows * (1 - validation - test))))
    yield "train {"
    yield from loss(draft, outputs)
    yield f"optimizer = adamw(lr={size.rate:g}, weight_decay={size.decay:g})"
    yield "schedule = cosine  # ends with small steps"
    yield f"batch = {size.batch}"
    yield f"epochs = {epochs}"
    yield f"early_stop = patience({max(5, epochs // 4)})  # keeps the epoch with the best validation loss"
    yield f"metrics = [{', '.join(metrics(draft))}]"
    yield "}"


def loss(draft: Draft, outputs: Sequence[str]) -> Iterator[str]:
    """Without numbers, the types of the outputs imply the loss."""
    if all(target.task != targets.NUMBER for target in draft.targets):
        return
    terms = []
    for name, target in zip(outputs, draft.targets, strict=True):
        kind = {targets.BINARY: "bce", targets.CLASSES: "cross_entropy"}.get(target.task)
        terms.append(f"{kind}({name})" if kind else f"mse({name}) / {scale_of(target)[1]} ** 2")
    yield f"loss = {' + '.join(terms)}" + ("  # that of the mean is 1" if len(terms) == 1 else "")


def metrics(draft: Draft) -> Iterator[str]:
    tasks = {target.task for target in draft.targets}
    if tasks & {targets.BINARY, targets.CLASSES}:
        yield "accuracy"
    if tasks == {targets.BINARY}:
        yield "auroc"
    if targets.NUMBER in tasks:
        yield from ("r2", "mae")


def expect(draft: Draft, outputs: Sequence[str]) -> Iterator[str]:
    yield "expect {"
    for name, target in zip(outputs, draft.targets, strict=True):
        prefix = "test" if len(outputs) == 1 else f"test.{name}"
        if target.task == targets.NUMBER:
            yield f"{prefix}.r2 > 0  # always the mean: 0"
        else:
            share = spelled_share(target.share)
            yield f"{prefix}.accuracy > {share}  # always {listed([target.frequent], VALUES)}: {share}"
    yield "}"
