"""The object rule: a class is abstract or final, and only abstract and optional methods are replaced."""

import ast
import importlib
import inspect
from pathlib import Path
from types import FunctionType

import pytest

from cajax.base.errors import CajaxError
from cajax.base.objects import is_optional

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "cajax"

FORBIDDEN = ("hasattr", "__subclasses__", "batch_dim", "__signature__")
"""Names that stand in for an interface."""


def modules() -> list[str]:
    paths = [p.relative_to(PACKAGE).with_suffix("") for p in sorted(PACKAGE.rglob("*.py"))]
    kept = [p for p in paths if p.parts[0] not in ("__main__",)]
    return [".".join(("cajax", *(part for part in p.parts if part != "__init__"))) for p in kept]


def classes() -> list[type]:
    found = {}
    for name in modules():
        for x in vars(importlib.import_module(name)).values():
            if isinstance(x, type) and x.__module__ == name:
                found[f"{name}.{x.__qualname__}"] = x
    return [x for _, x in sorted(found.items())]


CLASSES = classes()


def is_final(cls: type) -> bool:
    return vars(cls).get("__final__", False)


def is_protocol(cls: type) -> bool:
    return vars(cls).get("_is_protocol", False)


def is_abstract(cls: type) -> bool:
    """Whether it cannot be instantiated, as it is: it lacks methods or fields, or says so when it is called."""
    if any(getattr(cls, f"__abstract{kind}__", ()) for kind in ("methods", "vars", "classvars")):
        return True
    try:
        cls()
    except (CajaxError, TypeError) as error:
        return f"{cls.__name__} is abstract" in str(error)
    return False


def ids(cls: type) -> str:
    return f"{cls.__module__.removeprefix('cajax.')}.{cls.__qualname__}"


def ours(cls: type) -> list[type]:
    return [base for base in cls.__mro__[1:] if base.__module__.split(".")[0] == "cajax"]


@pytest.mark.parametrize("cls", [c for c in CLASSES if not issubclass(c, Exception)], ids=ids)
def test_a_class_is_abstract_or_final(cls):
    if not is_protocol(cls):
        assert is_final(cls) != is_abstract(cls), (
            "decorate it with typing.final, or give it an abstract method"
        )
    assert not any(is_final(base) for base in ours(cls)), "it subclasses a final class"


def is_method(x: object) -> bool:
    return isinstance(x, FunctionType | property | classmethod | staticmethod)


@pytest.mark.parametrize("cls", [c for c in CLASSES if ours(c)], ids=ids)
def test_only_abstract_and_optional_methods_are_replaced(cls):
    wrong = []
    for name, x in vars(cls).items():
        if name.startswith("__") or not is_method(x):
            continue
        for base in ours(cls):
            if name in vars(base):
                replaced = vars(base)[name]
                if is_method(replaced) and not (
                    getattr(replaced, "__isabstractmethod__", False) or is_optional(replaced)
                ):
                    wrong.append(f"{base.__name__}.{name}")
                break
    assert not wrong, f"mark them as abstract or optional: {wrong}"


def test_no_default_is_called_through_super():
    calls = [
        f"{cls.__qualname__}.{name}"
        for cls in CLASSES
        for name, x in vars(cls).items()
        if isinstance(x, FunctionType) and not name.startswith("__") and "super()" in inspect.getsource(x)
    ]
    assert not calls


@pytest.mark.parametrize("module", modules())
def test_interfaces_are_classes(module):
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    names = [getattr(n, "id", getattr(n, "attr", None)) for n in ast.walk(tree)]
    found = sorted(set(names) & set(FORBIDDEN))
    assert not found, f"an interface is an abstract class or a Protocol, not {found}"
