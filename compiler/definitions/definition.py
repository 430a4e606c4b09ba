"""`Definition`: the base class of all words of the language that have settings.

Operators, losses, optimizers, metrics, data sources and the sections of a spec are definitions.
Argument checks, suggestions, documentation and completion are derived from them.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.parameter_types import ParameterType, Reject
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ["REQUIRED", "STAGES", "Definition", "ParameterType", "Reject", "Setting", "family", "setting"]


# Families whose members are stages of a flow. Their names are unique across these families, and reserved.
STAGES = ("operator", "combinator", "loss")


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()


@record
class Setting:
    """One setting of a definition.

    A `keyword` setting is given by name only. A `rest` setting takes all remaining positional arguments, as a
    tuple. `shown` describes the meaning of the default `none` in words. `usual` is the usual range (minimum,
    maximum); a value outside of it is a warning.
    """

    doc: str
    kind: ParameterType
    default: Any = REQUIRED
    keyword: bool = False
    rest: bool = False
    shown: str = ""
    usual: tuple[float, float] | None = None
    name: str = ""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


def setting(
    doc: str,
    kind: ParameterType,
    default: Any = REQUIRED,
    *,
    keyword: bool = False,
    rest: bool = False,
    shown: str = "",
    usual: tuple[float, float] | None = None,
) -> Any:
    """Declare a setting in the body of a definition. The order is that of positional arguments. A name that
    is a word of Python ends in `_`: `from_` declares the setting `from`."""
    return Setting(doc, kind, default, keyword, rest, shown, usual)


class Definition:
    """A word of the language with settings. Instances hold checked values and are immutable.

    A subclass with `family=` starts a family (operators, losses, ...), and `what` describes a member. The
    concrete subclasses are the members. Their name is `name`, or the class name in snake case without the
    name of the family (`MaeMetric` is `mae`). A shared base class is `abstract=True`. A member has a
    docstring, a unique name, and all methods that are `abstractmethod` in its bases.
    """

    families: ClassVar[dict[str, dict[str, type[Definition]]]] = {}
    spoken: ClassVar[dict[str, str]] = {}  # description of a member, by family: "an initial value"
    family: ClassVar[str] = ""
    name: ClassVar[str] = ""
    settings: ClassVar[dict[str, Setting]] = {}
    abstract: ClassVar[bool] = True
    # Example: a call, or a whole spec. By default the name alone.
    usage: ClassVar[str] = ""
    # Help if a tensor is given to a member that takes none; empty if its settings explain enough.
    without_tensor: ClassVar[str] = ""

    # Spans of the call and of its settings in a spec: see `placed`.
    span: Any = None
    spans: Mapping[str, Any] = MappingProxyType({})

    def __init_subclass__(cls, family: str = "", what: str = "", abstract: bool = False, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        cls.abstract = abstract or bool(family)
        own = {key: value for key, value in vars(cls).items() if isinstance(value, Setting)}
        names = {key: key.removesuffix("_") for key in own}  # `from_`, because `from` is a word of Python
        cls.settings = cls.settings | {names[key]: replace(s, name=names[key]) for key, s in own.items()}
        for key in (key for key, name in names.items() if key != name):
            setattr(cls, key, property(attrgetter(names[key])))
        if family:
            cls.family = family
            Definition.families.setdefault(family, {})
            Definition.spoken[family] = what
        elif not abstract:
            cls.name = vars(cls).get("name") or snake_case(cls.__name__).removesuffix(f"_{cls.family}")
            check_member(cls)
            Definition.families[cls.family][cls.name] = cls

    def __init__(self, **values: Any):
        for key, declared in self.settings.items():
            value = values.pop(key, declared.default)
            if value is REQUIRED:
                raise TypeError(f"{self.name} needs {key}")
            object.__setattr__(self, key, value)
        if values:
            raise TypeError(f"{self.name} has no setting {', '.join(values)}")

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} never changes")

    @classmethod
    def usual_call(cls) -> str:
        """The example call; of a whole spec in `usage`, the first call with numbers and texts alone. Empty if
        there is none."""
        usage = vars(cls).get("usage", "")
        value = r'(?:[\d.]+|"[^"]*")'
        calls = re.findall(rf"\b{cls.name}\({value}(?:, {value})*\)", usage) if "\n" in usage else [usage]
        return calls[0] if calls else ""

    def placed(self, span: Any, spans: Mapping[str, Any]) -> Self:
        """A copy with its span in the spec, and the spans of its settings."""
        return self.knowing(span=span, spans=spans)

    def knowing(self, **known: Any) -> Self:
        """A copy with additional attributes beside the settings."""
        made = copy(self)
        made.__dict__.update(known)
        return made

    def with_settings(self, **changed: Any) -> Self:
        """A copy with new values for some settings, without spans and additional attributes."""
        return type(self)(**self.values() | changed)

    def values(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in self.settings}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.values() == self.values()

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        """As a spec writes it, without the settings at their defaults."""
        given = [f"{k}={spell_value(v)}" for k, v in self.values().items() if v != self.settings[k].default]
        return f"{self.name}({', '.join(given)})" if given else self.name

    @classmethod
    def undefined(cls) -> list[str]:
        """The abstract methods that are not defined, in backquotes."""
        return [f"`{n}`" for n in dir(cls) if getattr(getattr(cls, n), "__isabstractmethod__", False)]

    @classmethod
    def signature(cls) -> str:
        """The signature: `dense(units, bias=true)`. Keyword-only settings are shown if there is no other."""
        keywords = sorted(cls.settings.values(), key=lambda s: not s.required)
        settings = [s for s in cls.settings.values() if not s.keyword] or keywords
        return f"{cls.name}({', '.join(map(spell_setting, settings))})"

    @classmethod
    def summary(cls) -> str:
        """The first sentence of the documentation."""
        return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


def check_member(cls: type[Definition]) -> None:
    """TypeError for a member without a docstring, with abstract methods, or with a name already in use."""
    if not cls.__doc__:
        raise TypeError(f"{cls.__name__} has no docstring; a base that others share is `abstract=True`")
    if cls.undefined():
        raise TypeError(f"{cls.__name__} does not define {', '.join(cls.undefined())}")
    for name in STAGES if cls.family in STAGES else (cls.family,):
        other = Definition.families.get(name, {}).get(cls.name)
        if other is not None:
            raise TypeError(f"`{cls.name}` is {other.__module__}.{other.__name__} already, and cannot be "
                            f"{cls.__module__}.{cls.__name__} too")  # fmt: skip


def family(name: str) -> dict[str, type[Definition]]:
    """All members of a family by name."""
    return Definition.families[name]


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def spell_setting(setting: Setting) -> str:
    if setting.rest:
        return f"{setting.name}, ..."
    if setting.required:
        return f"{setting.name}=..." if setting.keyword else setting.name
    in_words = setting.shown or isinstance(setting.default, Definition)
    return f"{setting.name}={'...' if in_words else spell_value(setting.default)}"


def spell_value(value: Any) -> str:
    """A static value as the language writes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(spell_value, value))}]"
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z_]\w*", value) else f'"{value}"'
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return str(value)
