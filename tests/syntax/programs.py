"""Random programs without syntax errors, in random layout."""

from __future__ import annotations

from hypothesis import strategies as st

names = st.sampled_from(["x", "y", "main", "conv", "a_rather_long_name", "data", "step", "input", "T"])
atoms = st.one_of(
    names, st.sampled_from(["1", "2.5", "1e-3", "61_706", '"a b"', r'"\"\\"', "true", "none", "[]"])
)
blank = st.sampled_from(["", " ", "   "])
gap = st.sampled_from([" ", " ", " ", "  ", "      ", "\t"])
below = st.sampled_from(
    [" ", " ", " ", "   ", "\n", "\n\n\n    ", "  # why\n  ", "\n# above\n", " #x\n\n  # y\n"]
)


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    listed = st.lists(inner, min_size=1, max_size=4)
    items = st.builds(lambda parts, after: f",{after}".join(parts), listed, below)
    argument = st.one_of(
        inner, st.builds(lambda name, b, value: f"{name}{b}={b}{value}", names, blank, inner)
    )
    arguments = st.builds(lambda parts, after: f",{after}".join(parts), st.lists(argument, max_size=4), below)
    operator = st.sampled_from(["+", "-", "*", "/", "//", "%", "@", "**"])
    return st.one_of(
        st.builds(lambda f, b, a, after: f"{f}{b}({after}{a}{after})", names, blank, arguments, below),
        st.builds(lambda f, b, i: f"{f}{b}[{b}{i}]", names, blank, items),
        st.builds(lambda f, a, b: f"{f}[{a}:{b},...]", names, inner, inner),
        st.builds(lambda f, b, g: f"{f}{b}.{b}{g}", names, blank, names),
        st.builds(lambda i, after: f"[{i},{after}]", items, below),
        st.builds(lambda a, b, after: f"({a},{after}{b})", inner, inner, below),
        st.builds(lambda b, a: f"({b}{a}{b})", blank, inner),
        st.builds(lambda a, o, b, after: f"({a}{after}{o}{after}{b})", inner, operator, inner, below),
        st.builds(lambda a, o, b, g: f"({a}{g}{o}{g}{b})", inner, st.sampled_from(["==", "<="]), inner, gap),
        st.builds(
            lambda a, g, s: f"({a}{g}and{g}not{g}{s}{a})", inner, gap, st.sampled_from(["-", "+", "- -"])
        ),
        st.builds(lambda s, b, a: f"({s}{b}{a})", st.sampled_from(["-", "+", "- -"]), blank, inner),
        st.builds(lambda a, c, b, after: f"({a} if {c}{after}else {b})", inner, inner, inner, below),
        st.builds(lambda a, b, after: f"({a}{after}->{after}{b})", inner, inner, below),
    )


expressions = st.recursive(atoms, _expressions, max_leaves=8)
types = st.sampled_from(
    ["float", "float [3,  224]", 'class(cat,"b c")[H,W]', "class( auto )[T+1]", 'binary("<=50K")']
)


@st.composite
def flows(draw: st.DrawFn) -> str:
    steps = draw(st.lists(expressions, min_size=1, max_size=5))
    return "".join([steps[0], *(f"{draw(below)}->{draw(below)}{step}" for step in steps[1:])])


@st.composite
def statements(draw: st.DrawFn, depth: int = 2) -> str:
    several = ", ".join(draw(st.lists(names, min_size=1, max_size=3)))
    name, kind, g = draw(names), draw(types), draw(gap)
    simple = [
        "flow",
        "flow",
        "bind",
        "bind",
        "bind",
        "several",
        "input",
        "output",
        "weight",
        "param",
        "import",
        "return",
    ]
    match draw(st.sampled_from([*simple, *(["block", "if", "for", "section", "step"] if depth else [])])):
        case "flow":
            return f"({draw(expressions)}){draw(below)}->{draw(gap)}{draw(flows())}"
        case "bind":
            return f"{name}{g}={draw(below)}{draw(flows())}"
        case "several":
            return f"{several}{g}={g}{draw(flows())}"
        case "input":
            return f"input{g}{several}:{g}{kind}{draw(st.sampled_from(['', ' as  all']))}"
        case "output":
            return f"output{g}{several} :{g}{kind}{draw(st.sampled_from(['', '  = x']))}"
        case "weight":
            return f"weight{g}{name}{g}:{kind}={draw(below)}{draw(expressions)}"
        case "param":
            return f"param{g}{name}={g}{draw(expressions)}"
        case "import":
            return f"import{g}{several} from{g}{draw(st.sampled_from(['std', chr(34) + 'a.dl' + chr(34)]))}"
        case "return":
            return f"return{g}{draw(flows())}"
        case "block":
            settings = draw(st.sampled_from(["", "; n", " ;n,m=1", "; a = 1,\n b"]))
            word = draw(st.sampled_from(["block", "net"]))
            return f"{word}{g}{name}( {several}{settings} ){draw(blank)}{draw(bodies(depth - 1))}"
        case "if":
            text = f"if{g}{draw(expressions)}{g}{draw(bodies(depth - 1))}"
            if draw(st.booleans()):
                text += f"{draw(below)}else{g}if{g}{name}{g}{draw(bodies(depth - 1))}"
            if draw(st.booleans()):
                text += f"{draw(below)}else{g}{draw(bodies(depth - 1))}"
            return text
        case "for":
            return f"for{g}{several}{g}in{g}{draw(expressions)}{g}{draw(bodies(depth - 1))}"
        case "section":
            return f"{draw(st.sampled_from(['data', 'train', 'expect']))}{g}{draw(bodies(depth - 1))}"
        case _:
            return f"step{g}{several}{g}{draw(bodies(depth - 1))}"


@st.composite
def bodies(draw: st.DrawFn, depth: int) -> str:
    inside = draw(st.lists(statements(depth), max_size=3))
    if len(inside) < 2 and draw(st.booleans()):
        return "{" + draw(blank) + "".join(inside) + draw(blank) + "}"
    return "{" + draw(ends) + "".join(text + draw(ends) for text in inside) + "}"


ends = st.sampled_from(
    ["\n", "\n", "\n", "\n\n\n", "  # note\n", "        # far\n", "\n# above\n", "\n   # in\n\n"]
)


@st.composite
def programs(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "# A model.\n", "\n\n#a\n\n"])) + "".join(
        text + draw(ends) for text in draw(st.lists(statements(), max_size=6))
    )
