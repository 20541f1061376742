"""Names of types on disk: what a file calls a class stays the same wherever the class moves in the package.

Classes of Cajax go by their own name ("HH", "Layout"), those of a library by its paper too ("hay2011.NaTs2T"); classes
of a user go by module and name ("mymodel:Kv3"), and must have been imported before a file that uses them is read.
"""

from collections.abc import Callable
from typing import TypeVar

_TYPES: dict[str, type] = {}
_NAMES: dict[type, str] = {}

_TEXTS: dict[type, tuple[str, str]] = {}
_DEFINERS: dict[str, Callable[[str], type]] = {}

T = TypeVar("T", bound=type)

_PACKAGE = __name__.split(".")[0]


def on_disk(cls: T) -> T:
    """Register a class under its stable name; base classes do so for every subclass, others as a decorator."""
    module, name = cls.__module__, cls.__qualname__.lstrip("_")
    if module.split(".")[0] == _PACKAGE:
        if ".library." in module:
            name = f"{module.rpartition('.')[2]}.{name}"
    else:
        name = f"{module}:{cls.__qualname__}"
    taken = _TYPES.get(name)
    if taken is not None and taken.__module__ != module:
        raise TypeError(f"{module} and {taken.__module__} both keep a class on disk as '{name}'; rename one")
    # `dataclass(slots=True)` and notebooks define a class anew: the newest one has the name.
    _TYPES[name] = cls
    _NAMES[cls] = name
    return cls


def name_of(cls: type) -> str | None:
    """Return the name of a registered class, None for any other."""
    return _NAMES.get(cls)


def class_of(name: str, more: Callable[[str], None] = lambda name: None) -> type | None:
    """Return the class of that name, None where nobody has registered it; `more(name)` may import what defines it."""
    if name not in _TYPES:
        more(name)
    return _TYPES.get(name)


def namesakes(name: str) -> list[str]:
    """Return the names of registered classes that are called the same, wherever they are defined."""
    own = name.rpartition(":")[2].rpartition(".")[2]
    return sorted(n for n in _TYPES if n != name and n.rpartition(":")[2].rpartition(".")[2] == own)


def defined_by(cls: type, kind: str, text: str) -> None:
    """Remember the text that defines a class; files keep it beside the class's name. `kind` says who can read it."""
    _TEXTS[cls] = (kind, text)


def text_of(cls: type) -> tuple[str, str] | None:
    """Return (kind, text) of a class that a text defines, None for any other."""
    return _TEXTS.get(cls)


def defines(kind: str, reader: Callable[[str], type]) -> None:
    """Say how classes are made from a kind of text; the text is data, and nothing in it may be run."""
    _DEFINERS[kind] = reader


def class_by_text(kind: str, text: str) -> type | None:
    """Return the class that a text defines, None for a kind that nobody reads."""
    reader = _DEFINERS.get(kind)
    return None if reader is None else reader(text)
