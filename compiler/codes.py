"""Every error and warning code: what it is about, and why it is one.

E01 text and grammar, E02 values, shapes and types, E03 names, E04 calls and settings, E05 flow, E06 sections,
E07 data, E08 runs and artifacts, E09 limits; W00 about warnings, W04 what can hardly be meant.
"""

from __future__ import annotations

from dlc.compiler.record import record


@record
class Code:
    title: str
    why: str


CODES: dict[str, Code] = {
    "E0001": Code("the file cannot be read", "A spec is a text file in UTF-8 of at most a million bytes."),
    # --- text and grammar -----------------------------------------------------------------------------------
    "E0101": Code("a character that means nothing here",
                  "Names are made of letters, digits and `_`; the signs are those of the language."),
    "E0102": Code("the grammar goes on in another way here",
                  "Each statement has one form, and ends with its line."),
    "E0103": Code("a bracket without its partner", "Each `(`, `[` and `{` is closed by its own sign."),
    "E0104": Code("too long or too deep to be read",
                  "Texts, names, numbers and nesting have bounds, so that every spec is read in moments."),
    "E0105": Code("a number or text that is not well formed",
                  "Numbers are written like `61_706`, `0.5`, `1e-3`; texts stand in double quotes."),
    # --- values, shapes, types ------------------------------------------------------------------------------
    "E0201": Code("a tensor that this operator cannot take",
                  "Each operator asks for axes and sizes that it can work on."),
    "E0202": Code("text or classes where numbers are wanted",
                  "Text and class values are no numbers: one does not add them."),
    "E0203": Code("shapes that do not fit",
                  "Shapes are matched from the last axis; sizes are equal, or one of them is 1."),
    "E0204": Code("free dimensions that cannot be proved equal",
                  "A free dimension stands for any size, so what holds has to hold for all."),
    "E0205": Code("a sign that does not work on these values",
                  "Numbers, texts, lists and tensors each know their own signs."),
    "E0206": Code("arithmetic without a result",
                  "Static values are worked out when the file is compiled, and are finite."),
    "E0207": Code("a condition or size that depends on a free dimension",
                  "What is compiled cannot depend on a size that is known only at run time."),
    "E0208": Code("a condition that is not true or false",
                  "`if` chooses when the file is compiled; `where` chooses between tensors."),
    "E0209": Code("an index past the end, or none",
                  "Indices count from 0 within the sample, negative ones from its end."),
    "E0210": Code("a type that cannot be",
                  "A type is an element and the shape of one sample: `float[28, 28]`."),
    "E0211": Code("classes that cannot be",
                  "`class` takes a count, names or `auto`; `binary` two names or none."),
    # --- names ----------------------------------------------------------------------------------------------
    "E0301": Code("an unknown name",
                  "A name stands for a declaration or binding above it, or for an operator."),
    "E0302": Code("a name of the language where it cannot stand",
                  "Operators keep their names, and losses stand in `train` alone."),
    "E0303": Code("a name declared twice", "Each declaration of a file has its own name."),
    "E0304": Code("a name that is not seen here",
                  "Blocks see the file's declarations and their own arguments, but no tensors of the file."),
    "E0305": Code("an unknown optimizer, metric or the like",
                  "A setting that takes one of a family takes it by its name."),
    "E0306": Code("an attribute that this value has not",
                  "Tensors know their shape, classes their count, outputs their target."),
    "E0307": Code("an import that cannot be",
                  "Blocks and nets are imported from `.dl` files beside the spec, or from `std`."),
    "E0308": Code("files that import each other in a circle", "What a file imports is read before it."),
    # --- calls and settings ---------------------------------------------------------------------------------
    "E0401": Code("a call of what cannot be called", "Operators, blocks, nets and stages can be called."),
    "E0402": Code("an unknown setting", "Settings that nobody knows would be ignored, so they are refused."),
    "E0403": Code("a value of the wrong kind", "Each setting says which values it takes."),
    "E0404": Code("too many values", "Values without a name fill the settings in their order."),
    "E0405": Code("a setting that is missing", "Settings without a default have to be given."),
    "E0406": Code("a weight of the wrong shape",
                  "A weight that is given has the shape of the one that it replaces."),
    "E0407": Code("a setting given twice", "Each setting is given once."),
    "E0408": Code("settings that do not go together", "Some settings rule each other out."),
    # --- flow -----------------------------------------------------------------------------------------------
    "E0501": Code("a flow of what is no tensor, or into what is no stage",
                  "Tensors flow, through stages, into outputs."),
    "E0502": Code("too few or too many tensors",
                  "Each operator and block takes a number of tensors of its own."),
    "E0503": Code("an output in the wrong place", "An output ends a flow, once, at the top of the file."),
    "E0504": Code("an output that nothing flows into", "Every declared output is answered."),
    "E0505": Code("a net that differs from its first use",
                  "The uses of a net share its weights, so all need the same ones."),
    "E0506": Code("a flow that ends nowhere", "What is made and then dropped was meant to go somewhere."),
    "E0507": Code("what an output does not take", "The type of an output says what flows into it."),
    "E0508": Code("a `return` that is missing or out of place", "A block or net returns what it makes."),
    "E0509": Code("a declaration out of place", "Declarations and sections stand at the top of the file."),
    "E0510": Code("more or fewer names than values", "`a, b = ...` takes as many values as names."),
    "E0511": Code("a target of two types", "Outputs that share a target share its type."),
    "E0512": Code("what is learnt from rows behind what is trained",
                  "It is fitted before training, when nothing that is trained is known."),
    # --- sections -------------------------------------------------------------------------------------------
    "E0601": Code("an unknown setting of a section",
                  "Settings that nobody knows would be ignored, so they are refused."),
    "E0602": Code("what is no setting", "A section holds settings, `name = value`."),
    "E0603": Code("an output whose type implies no loss",
                  "Whole numbers have no gradient; a loss has to be written."),
    "E0604": Code("a metric that fits no output", "Each metric measures outputs of certain types."),
    "E0605": Code("rows that cannot be stratified so", "The shares that are kept are those of classes."),
    "E0606": Code("what cannot be expected",
                  "`expect` holds comparisons of figures that are measured or known."),
    "E0607": Code("two outputs of the artifact under one name",
                  "The answers of an artifact are told apart by their names."),
    "E0608": Code("an answer that depends on a target",
                  "The artifact has inputs alone; targets are known in training."),
    # --- data -----------------------------------------------------------------------------------------------
    "E0700": Code("no source of rows", "Training and evaluation need rows."),
    "E0701": Code("a data file that cannot be opened", "Paths are relative to the spec."),
    "E0702": Code("a data file that is not what it should be", "Each source reads one format."),
    "E0703": Code("a missing column", "Columns meet inputs and targets by name."),
    "E0704": Code("rows of another shape", "Rows have the shape that the type says."),
    "E0705": Code("a value that the type does not know", "Values are those of the declared type."),
    "E0706": Code("a missing value",
                  "A model computes with values; what is missing has to be filled in first."),
    "E0707": Code("a class that nobody declared", "The classes of the rows are those of the type."),
    "E0708": Code("no rows", "Nothing can be learnt from no rows."),
    "E0709": Code("rows that cannot be parted so", "Each part needs rows of its own."),
    "E0711": Code("samples of different sizes", "Samples of one batch differ along a sequence alone."),
    "E0712": Code("two columns under one name", "Columns are told apart by their names."),
    "E0713": Code("a field that is drawn, not read", "Drawn fields have no column."),
    # --- runs and artifacts ---------------------------------------------------------------------------------
    "E0801": Code("something that waits for the training rows",
                  "What is learnt from rows is known after `fit` or training."),
    "E0802": Code("a loss that is no longer a number", "Training stops where a value turns NaN or infinite."),
    "E0803": Code("weights of another spec", "Names and shapes of weights are those of the spec."),
    "E0804": Code("nothing that could be trained", "Training needs a loss and weights."),
    "E0805": Code("a device that is not there", "Training runs on a device that the machine has."),
    "E0806": Code("a spec without an output", "A model answers something."),
    "E0811": Code("an artifact that does not equal the model",
                  "An artifact gets its name when it is proved equal."),
    "E0812": Code("an artifact that cannot be compared",
                  "The proof runs the artifact at sizes of its free dimensions that every value allows."),
    # --- limits ---------------------------------------------------------------------------------------------
    "E0901": Code("a word that is not built yet",
                  "It belongs to the language, and this version does not know it."),
    "E0902": Code("a spec that unfolds too far",
                  "What a spec unfolds to is bounded, so that each is compiled in moments."),
    "E0903": Code("blocks within blocks without end",
                  "A block that calls itself needs an `if` that ends it."),
    "E0904": Code("too large", "Lists, tensors and weights have bounds that no machine of today reaches."),
    # --- warnings -------------------------------------------------------------------------------------------
    "W0001": Code("an `allow` that silences nothing",
                  "The warning is gone or was never there, and the comment misleads."),
    "W0002": Code("an `allow` without a reason", "Who reads it later wants to know why."),
    "W0401": Code("an activation that can hardly be meant",
                  "What an output exports follows from its type; "
                  "another activation before it spoils the loss."),
    "W0402": Code("weights that nothing needs",
                  "What no output or loss depends on is never learnt; it was meant to flow on."),
    "W0403": Code("an input that nothing depends on",
                  "Every input has to be there in training, and this one changes nothing."),
}  # fmt: skip


def told_by_compiler(code: str) -> bool:
    """Whether `dlc check` tells it, without data, runs or artifacts."""
    return code[:3] not in ("E00", "E07", "E08")
