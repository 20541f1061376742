"""NMODL statements, computed by Python: what a generated .mod file says, without NEURON."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_IF = re.compile(r"if \((?P<test>.*)\) \{ (?P<one>.*?) \} else \{ (?P<other>.*) \}$")


def _trap(z: float, exp_z: float) -> float:
    return 1 - z / 2 + z * z / 12 if abs(z) < 1e-4 else z / (exp_z - 1)


_NAMES = {"exp": math.exp, "log": math.log, "sqrt": math.sqrt, "fabs": abs, "tanh": math.tanh, "sinh": math.sinh,
          "cosh": math.cosh, "floor": math.floor, "trap": _trap}  # fmt: skip


def value(text: str, names: Mapping[str, Any]) -> float:
    """Return the value of an expression; in NMODL a sign binds more tightly than a power."""
    text = re.sub(r"-(\w[\w.]*)\^", r"(-\1)^", text)
    text = text.replace("^", "**").replace("&&", " and ").replace("||", " or ").replace("!(", "not (")
    return eval(text, {**_NAMES, **names})


def executed(lines: Iterable[str], names: Mapping[str, Any]) -> dict[str, Any]:
    """Return all variables after the statements."""
    found = dict(names)
    for line in lines:
        line = line.strip()
        if not line or line.startswith((":", "LOCAL")):
            continue
        if match := _IF.match(line):
            line = match["one"] if value(match["test"], found) else match["other"]
        name, text = line.split(" = ", 1)
        found[name] = value(text, found)
    return found


def body(text: str, head: str) -> list[str]:
    """Return the lines of a block of a .mod file."""
    lines = text.splitlines()
    start = lines.index(f"{head} {{")
    return [x.strip() for x in lines[start + 1 : lines.index("}", start)]]
