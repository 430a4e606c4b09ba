"""The graph builder: nodes, weights, their unique names, and the limits on size and work."""

from __future__ import annotations

from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

from dlc.compiler import static
from dlc.compiler.definitions.initializers import Auto, LoadInitial
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.definitions.tensor_parameter_types import CONVERSIONS, converted
from dlc.compiler.diagnostics.diagnostic import Label
from dlc.compiler.diagnostics.source import COPY, Site, Use
from dlc.compiler.dims.dim import DimError, fixed
from dlc.compiler.elaborate import shape_hints, whole_batch
from dlc.compiler.elaborate.deep_recursion import in_thread
from dlc.compiler.elaborate.level import Level, use_of
from dlc.compiler.elaborate.operand_conversion import OperandConversion
from dlc.compiler.elaborate.text_readings import TextReadings, refuse_text
from dlc.compiler.elaborate.values import AverageTemplate, Halt, Operand, Stop, Template, given_tensors
from dlc.compiler.ir.graph import GraphInput, Node, Value, Weight
from dlc.compiler.ir.names import UniqueNames
from dlc.compiler.operators.arithmetic import Constant
from dlc.compiler.operators.base import WeightSpec
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.elaborate.scope import Scope
    from dlc.compiler.ir.graph import InputKind
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.program import Facts
    from dlc.compiler.training.average_nets import Average

MAX_NODES = 10_000
MAX_WORK = 100_000
STEPS_OF_A_NODE = 8  # a node, or the use of a block, takes longer than other steps
ENTRIES_A_STEP = 20  # list entries that count as one step of work
MAX_DEPTH = 100
MAX_NESTED = 1_500  # nesting depth of expressions and stages, through all blocks
NESTED_IN_A_THREAD = 25  # nesting depth per thread, to stay far below Python's recursion limit of 1000
MAX_WEIGHTS = 10**10
MAX_SIZE = 10**12

LOOP_HELP = "look for a loop, a `repeat` or a block that expands far more often than intended"
RECURSION_HELP = "a block that calls itself needs an `if` that ends it"


class GraphBuilder(OperandConversion, TextReadings):
    def __init__(self, problems: Problems, facts: Facts, tokenizer_in: Callable[[str], str]):
        TextReadings.__init__(self, facts, tokenizer_in)
        self.problems = problems
        self.nodes: list[Node] = []
        self.weights = {}
        self.producers = {}
        self.root = self.level = Level()
        self.uses: tuple[Use, ...] = ()
        self.depth_of_uses = 0  # those of them that are not copies in a `repeat`
        self.work = 0
        self.depth = 0  # nesting depth of expressions and stages
        self.size = 0
        self.input_dependent: set[Value] = set()  # values that depend on an input or a target
        self.of_batch: set[Value] = set()  # values of the whole batch that are not one number
        self._value_names = UniqueNames()
        self._loaded: dict[tuple[str, str, str], Value] = {}  # by path, name and element
        self._net_names: dict[Template, str] = {}
        self.averages: dict[str, Average] = {}  # average nets in use, by name
        self._open_nets: list[str] = []
        self._complete_nets: set[str] = set()  # nets after their first use: they create no more weights

    # --- source locations and limits ----------------------------------------------------------------------

    def site(self, span: Span) -> Site:
        return Site(span, self.uses)

    def fail(self, code: str, span: Span, message: str, **more: Any) -> Halt:
        """Report an error at a span, with the uses of blocks that led there. The caller raises the result."""
        notes = (*more.pop("notes", ()), *self.site(span).way())
        self.problems.report(code, span, message, notes=notes, **more)
        return Halt()

    def stop(self, code: str, span: Span, message: str, help: str = "") -> Stop:
        """Report that a limit is exceeded. The caller raises the result."""
        self.fail(code, span, message, help=help)
        return Stop()

    def count_work(self, span: Span, work: int = 1) -> None:
        """Count steps of elaboration. Error `E0902` above `MAX_WORK`."""
        self.work += work
        if self.work > MAX_WORK:
            raise self.stop(
                "E0902", span, f"this spec takes more than {MAX_WORK:_} steps to expand", LOOP_HELP
            )

    def count_entries(self, value: Any, span: Span) -> None:
        """Count the entries of a list as work."""
        self.count_work(span, static.measure(value) // ENTRIES_A_STEP)

    def within(self, span: Span, function: Callable[..., Any], *given: Any) -> Any:
        """Call `function` one nesting level deeper. Each `NESTED_IN_A_THREAD` levels start a new thread.
        Error `E0903` above `MAX_NESTED`."""
        self.depth += 1
        try:
            if self.depth > MAX_NESTED:
                message = f"expressions and blocks are nested more than {MAX_NESTED:_} levels deep here"
                raise self.stop("E0903", span, message, RECURSION_HELP)
            return function(*given) if self.depth % NESTED_IN_A_THREAD else in_thread(function, *given)
        finally:
            self.depth -= 1

    # --- names --------------------------------------------------------------------------------------------

    @contextmanager
    def enter_block(self, block: Template, span: Span, scope: Scope) -> Iterator[None]:
        """The namespace of one use of a block. Its name is taken only if the block has weights."""
        outer, name = self.level, block.name
        own = outer.names.next(name)
        self.level = outer.within(own)
        with self._use(use_of(block, span, self.level.prefix, scope)):
            try:
                yield
            finally:
                if self.level.names:
                    outer.names.take(own)
                self.level = outer

    @contextmanager
    def enter_net(self, net: Template, span: Span, scope: Scope) -> Iterator[None]:
        """The namespace of a net, the same at every use. The first use creates the weights."""
        outer, self.level = self.level, self._level_of(net, span)
        name = self.level.net or ""
        self._open_nets.append(name)
        with self._use(use_of(net, span, self.level.prefix, scope)):
            try:
                yield
            finally:
                self._open_nets.pop()
                self.level = outer
        if name not in self._open_nets:
            self._complete_nets.add(name)

    def _level_of(self, net: Template, span: Span) -> Level:
        """The namespace of a net. An average net has copies of the nets that it uses."""
        outer, name = self.level, self.net_name(net)
        if isinstance(net, AverageTemplate):
            if outer.follows is not None:
                message = f"`{name}` is an average net, and it is used within the average net `{outer.net}`"
                raise self.fail("E0505", span, message, help="pass what it makes as a tensor")
            self.averages[name] = net.average
            source = f"{self.net_name(net.source)}."
            return Level(f"{name}.", net=name, source=source, follows=source)
        return Level(f"{name}.", net=name) if outer.follows is None else outer.copies(f"{name}.")

    def net_name(self, net: Template) -> str:
        """The prefix of its weights: its own name, made unique if another file has a net of that name."""
        if net not in self._net_names:
            self._net_names[net] = self.root.names.claim(net.name)
        return self._net_names[net]

    def enter_copy(self, span: Span) -> AbstractContextManager[None]:
        """The context of one copy in a `repeat`. Names are numbered through all copies."""
        return self._use(Use(COPY, span))

    @contextmanager
    def _use(self, use: Use) -> Iterator[None]:
        deeper = not use.is_copy
        if deeper:
            self.count_work(use.span, STEPS_OF_A_NODE)
        if deeper and self.depth_of_uses >= MAX_DEPTH:
            message = f"blocks and nets are used within each other more than {MAX_DEPTH} levels deep here"
            raise self.stop("E0903", use.span, message, RECURSION_HELP)
        outer, self.uses = self.uses, (use, *self.uses)
        self.depth_of_uses += deeper
        try:
            yield
        finally:
            self.uses = outer
            self.depth_of_uses -= deeper

    def value(self, name: str, type: Tensor, span: Span) -> Value:
        """A new value with a unique name."""
        unique = self._value_names.claim(name)
        if prod(fixed(type.shape) or ()) > MAX_SIZE:
            raise self.fail("E0904", span, f"too large: {type} has more than {MAX_SIZE:_} numbers a sample")
        return Value(unique, type, self.site(span))

    def input(self, kind: InputKind, field: str, type: Tensor, span: Span) -> GraphInput:
        """A new input of the graph. If it is not a plain input, its kind is part of its name: `y.target`."""
        value = self.value(field if kind == "input" else f"{field}.{kind}", type, span)
        given = GraphInput(value.name, value.type, value.site, kind, field)
        self.input_dependent.add(given)
        return given

    # --- weights ------------------------------------------------------------------------------------------

    def declare_weight(self, name: str, spec: WeightSpec, span: Span, level: Level | None = None) -> Value:
        """A new weight in a namespace, or the existing one if a net is used again."""
        level = level or self.level
        full, follows = f"{level.prefix}{name}", "" if level.follows is None else f"{level.follows}{name}"
        if level.net and full in self.weights:
            found = self.weights[full]
            if found.follows != follows:
                raise self.fail("E0505", span, f"`{full}` would be the average of `{found.follows}` and of "
                                f"`{follows}`", help="give one of them another name")  # fmt: skip
            if found.value.type.shape != spec.shape:
                raise self.fail("E0505", span,
                                f"the weights of net `{level.net}` are shared, and `{full}` was "
                                f"{found.value.type} at its first use, {Tensor('float', spec.shape)} here",
                                help="give it tensors of the same shape and the same settings at every use, "
                                "or use a `block`, which makes new weights")  # fmt: skip
            return found.value
        if level.net in self._complete_nets:
            raise self.fail("E0505", span,
                            f"net `{level.net}` makes `{full}` here, which it did not make at its first use",
                            help="give it the same settings at every use, or use a `block`")  # fmt: skip
        self.count_numbers(full, spec.shape, span)
        value = self.value(full, Tensor("float", spec.shape, batched=False), span)
        fan_in, fan_out = (f if isinstance(f, int) else 1 for f in spec.fans)
        fans, initial = (fan_in, fan_out), spec.initial or Auto()
        self.weights[full] = Weight(value, initial, spec.role, fans, level.net, follows)
        return value

    def declared(self, value: Value) -> Value:
        """A weight that the file declares; within an average net, its copy there."""
        level, weight = self.level, self.weights.get(value.name)
        if level.follows is None or weight is None or weight.follows:
            return value
        spec = WeightSpec(value.name, value.type.shape, weight.role, weight.initial, weight.fans)
        return self.declare_weight(value.name, spec, value.site.span, level.copies(""))

    def check_initial(self, spec: WeightSpec, span: Span) -> None:
        """Report initial values that do not have the shape of the weight."""
        try:
            (spec.initial or Auto()).check_shape(spec.shape)
        except Reject as reject:
            raise self.fail(reject.code, span, reject.message, help=reject.help) from None

    def loaded(self, initial: LoadInitial, element: str, span: Span) -> Value:
        """A tensor of a file as a constant, converted to an element. All uses share it."""
        key = initial.path, initial.tensor, element
        if key not in self._loaded:
            shape = initial.type.shape
            self.count_numbers(initial.tensor, shape, span)
            name = self.root.names.next("load")
            self.root.names.take(name)
            value = self.value(name, Tensor(element, shape, batched=False), span)
            self.weights[name] = Weight(value, initial, "constant")
            self._loaded[key] = value
        return self._loaded[key]

    def count_numbers(self, name: str, shape: tuple[Size, ...], span: Span) -> None:
        """Count the numbers of a weight or a matrix. Error `E0904` above `MAX_WEIGHTS`."""
        size = prod(s for s in shape if isinstance(s, int))
        self.size += size
        if self.size > MAX_WEIGHTS:
            message = f"too large: `{name}` has {size:_} numbers, and a model may have {MAX_WEIGHTS:_}"
            raise self.fail("E0904", span, message)

    # --- nodes --------------------------------------------------------------------------------------------

    def constant(self, number: Any, span: Span) -> Value:
        return self._node(Constant(value=number).bind(), (), {}, "constant", span)[0]

    def tensor(self, operand: Operand) -> Value:
        """The operand as a value of the graph. Numbers become a constant."""
        if isinstance(operand.value, Value):
            return operand.value
        self.count_entries(operand.value, operand.span)
        return self.constant(operand.value, operand.span)

    def apply(self, operator: Operator, operands: list[Operand], span: Span,
              spans: Mapping[str, Span] | None = None) -> tuple[Value, ...]:  # fmt: skip
        """Add a node. The operands are converted to the dtypes and ranks that the operator takes."""
        self.count_work(span, STEPS_OF_A_NODE)
        spans = spans or {}
        in_settings = given_tensors(operator)
        operator = operator.with_settings(**dict.fromkeys(in_settings))
        try:
            tensors = (*(o.value for o in operands), *in_settings.values())
            whole_batch.check_operands(operator, tensors, self.of_batch)
            taken = self._prepare_operands(operator, operands, span)
            operator = self.read_by(operator, taken[0], span) if operator.reads_text else operator
            given = {name: self._setting_value(operator, name, tensor, spans.get(name, span))
                     for name, tensor in in_settings.items()}  # fmt: skip
            typed = operator.with_settings(**{name: value.type for name, value in given.items()})
            taken += [given[name] for name in typed.given]
            bound = typed.bind(*(v.type for v in taken))
            refuse_text(bound, taken)
            specs = list(bound.weights(*bound.positional))
        except Reject as reject:
            raise self.rejected(reject, operator, operands, span, spans) from None
        except DimError as error:
            raise self.fail("E0207", span, f"the result of `{operator.name}` has no size: {error}") from None
        name = self._name_for(bound, specs, given)
        weights = {s.leaf: self._weight(operator, name, s, span, spans, given.get(s.leaf)) for s in specs}
        results = self._node(bound, tuple(taken), weights, name, span)
        return results[:1] if bound.reads_text else results

    def _name_for(self, operator: Operator, specs: list[WeightSpec], given: Mapping[str, Value]) -> str:
        if operator.reading is not None:
            return operator.reading.name
        name = self.level.names.next(operator.name)
        if any(s.leaf not in given for s in specs):
            self.level.names.take(name)
        return name

    def _setting_value(self, operator: Operator, name: str, tensor: Any, span: Span) -> Value:
        """The tensor or numbers given to a setting, as a value of the element type that the setting takes."""
        kind = operator.tensor_settings()[name]
        takes = kind.takes
        try:
            if isinstance(tensor, Value):
                kind.check(tensor.type)
            else:
                tensor = self.constant(converted(tensor, CONVERSIONS.get(takes, lambda n: n)), span)
            return self._converted(operator, tensor, takes, name, span)
        except Reject as reject:
            reject.at = name
            raise

    def _weight(
        self,
        operator: Operator,
        name: str,
        spec: WeightSpec,
        span: Span,
        spans: Mapping[str, Span],
        value: Value | None,
    ) -> Value:
        """The tensor given in place of a weight, or a new weight."""
        if value is None:
            self.check_initial(spec, spans.get("init", span))
            return self.declare_weight(f"{name}.{spec.leaf}", spec, span)
        given_at = spans.get(spec.leaf, span)
        if value.type.shape != spec.shape or value.type.batched:
            raise self.fail("E0406", given_at,
                            f"`{spec.leaf}` of `{operator.name}` has to be {Tensor('float', spec.shape)}, "
                            f"found {value.type}"
                            + (", which differs from sample to sample" if value.type.batched
                               else ""))  # fmt: skip
        return value

    def rejected(
        self, reject: Reject, operator: Any, operands: list[Operand], span: Span, spans: Mapping[str, Span]
    ) -> Halt:
        """Report the `Reject` of an operator, at the operand or setting that caused it."""
        at = reject.at
        names = operator.operand_names() if hasattr(operator, "operand_names") else ()
        if isinstance(at, str) and at in names:
            at = names.index(at)
        if isinstance(at, str) and at in spans:
            place = spans[at].with_name(at) if reject.help.startswith("leave it out") else spans[at]
            return self.fail(reject.code, place, reject.message, help=reject.help)
        if isinstance(at, int) and at < len(operands) and len(operands) > 1:
            return self.fail(
                reject.code, operands[at].span, reject.message, help=reject.help, label=operands[at].label
            )
        help = shape_hints.operand_fix(operator, operands, self.producers) if len(operands) > 1 else ""
        if not help and reject.code == "E0203":
            help = shape_hints.layer_fix(operator, operands)
        if len(operands) == 1 and isinstance(operands[0].value, Value):
            help = shape_hints.upstream_fix(operator, operands[0].value, self.producers)
        help = help or reject.help
        labels = [
            Label(o.span, o.label) for o in operands if o.span != span and len(operands) > 1 and at is None
        ]
        if not labels:
            return self.fail(reject.code, span, reject.message, help=help)
        return self.fail(
            reject.code, labels[0].span, reject.message, help=help, label=labels[0].text, more=labels[1:]
        )

    def _node(self, operator: Operator, operands: tuple[Value, ...], weights: dict[str, Value], name: str,
              span: Span) -> tuple[Value, ...]:  # fmt: skip
        if len(self.nodes) >= MAX_NODES:
            raise self.stop(
                "E0902", span, f"this spec expands to more than {MAX_NODES:_} operators", LOOP_HELP
            )
        full = f"{self.level.prefix}{name}"
        if operator.reads_text:
            results, own = self.text_results(operator, span), self._value_names.claim(full)
        else:
            results = tuple(self.value(full, type, span) for type in operator.results)
            own = results[0].name
        node = Node(operator, operands, weights, results, own, self.site(span), self.level.net)
        self.nodes.append(node)
        self.producers.update(dict.fromkeys(results, node))
        if not self.input_dependent.isdisjoint(operands):
            self.input_dependent.update(results)
        if operator.joins_batch or not self.of_batch.isdisjoint(operands):
            self.of_batch.update(value for value in results if value.type.rank)
        return results
