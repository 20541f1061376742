"""The floors of the house: imports go down only, the islands stay apart, files and functions stay short."""

import ast
import statistics
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "cajax"

# Unit (a file or a sub-package directly under cajax) → floor. A new unit takes its place here first.
FLOORS: dict[str, float] = {
    "base": 0,
    "mech": 1,
    "morph": 1,
    "solve": 1,
    "inputs": 2,
    "recipe": 2,
    "model": 3,
    "lower": 3.5,
    "engine": 4,
    "record": 4.5,
    "program": 4.7,
    "cell": 5,
    "network": 5,
    "simulate": 5,
    "plan": 5.5,  # times runs of `simulate`
    "train": 6,
    "fitting": 6.2,
    "formats": 6.3,  # other programs' models; the engine learns nothing of them
    "__init__": 6.5,  # gathers what is below; tasks, plots and the command line use it as a user would
    "plot": 7,
    "jobs": 7,
    "analysis": 7.2,  # takes apart what jobs trained
    "tasks": 7.4,
    "report": 7.6,  # shows what jobs left behind
    "__main__": 8,
    "cli": 8,
}
ISLANDS = {"mech", "morph", "solve"}
HEAVY = {
    *("h5py", "matplotlib", "orbax", "pandas", "plotly", "pooch", "scipy", "sklearn", "tensorstore"),
    *("blackjax", "cma", "efel", "flowjax", "hdmf", "igor2", "neuron", "pyabf", "pynwb"),
}

MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted(p for p in PACKAGE.rglob("*") if p.suffix in {".py", ".cc", ".cpp", ".h", ".hpp"})
TREES = {path: ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in MODULES}


def dotted(path: Path) -> str:
    """`solve/tree.py` → "solve.tree"; a package is named by its folder, the root package by "__init__"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


NAMES = {dotted(path): path for path in MODULES}


def unit(module: str) -> str:
    """The file or sub-package directly under cajax that a module belongs to."""
    return module.split(".")[0]


def imports(path: Path) -> set[str]:
    """Every module of cajax that a file imports, also inside functions and for type checkers only."""
    found = set()
    package = ["cajax", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found |= {resolve(alias.name.split("."), None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            base = start + (node.module.split(".") if node.module else [])
            found |= {resolve(base, alias.name) for alias in node.names}
    return {name for name in found if name} - {dotted(path)}


def resolve(base: list[str], name: str | None) -> str:
    """The module meant by `from base import name`; empty for a module outside cajax."""
    if base[:1] != ["cajax"]:
        return ""
    inside = base[1:]
    if name and ".".join([*inside, name]) in NAMES:
        inside = [*inside, name]
    return ".".join(inside) or "__init__"


GRAPH = {name: imports(path) for name, path in NAMES.items()}


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_every_unit_has_a_floor():
    strangers = {unit(name) for name in NAMES} - FLOORS.keys()
    assert not strangers, f"give these a floor in FLOORS: {sorted(strangers)}"


def test_every_import_exists():
    wrong = [f"{a} imports {b}" for a, targets in GRAPH.items() for b in targets if b not in NAMES]
    assert not wrong, "no such module: " + "; ".join(wrong)


def test_imports_go_down_only():
    wrong = [
        f"{a} (floor {FLOORS[unit(a)]:g}) imports {b} (floor {FLOORS[unit(b)]:g})"
        for a, targets in GRAPH.items()
        for b in targets
        if unit(a) in FLOORS and unit(b) in FLOORS and FLOORS[unit(a)] < FLOORS[unit(b)]
    ]
    assert not wrong, "; ".join(wrong)


def test_islands_do_not_know_one_another():
    wrong = [
        f"{a} imports {b}"
        for a, targets in GRAPH.items()
        for b in targets
        if {unit(a), unit(b)} <= ISLANDS and unit(a) != unit(b)
    ]
    assert not wrong, "; ".join(wrong)


def test_no_import_cycle():
    try:
        tuple(TopologicalSorter(GRAPH).static_order())
    except CycleError as error:
        pytest.fail("import cycle: " + " -> ".join(error.args[1]))


def test_files_are_short():
    lines = {str(p.relative_to(PACKAGE)): length(p) for p in SOURCES}
    median = statistics.median(lines.values())
    print(f"{len(lines)} files, median {median:g} lines, longest {max(lines.items(), key=lambda kv: kv[1])}")
    long = {name: n for name, n in lines.items() if n > 400}
    assert not long, f"over 400 lines: {long}"
    assert median < 160, f"median file has {median:g} lines"


def test_few_modules_are_loose():
    loose = [p.stem for p in PACKAGE.glob("*.py") if p.stem != "__init__"]
    assert len(loose) <= 8, f"give these a room: {loose}"


def test_functions_are_short():
    long = [
        f"{path.relative_to(PACKAGE)}:{f.lineno} {f.name} has {n} lines"
        for path, tree in TREES.items()
        for f in functions(tree)
        if (n := (f.end_lineno or f.lineno) - f.lineno + 1) > 50
    ]
    assert not long, "over 50 lines: " + "; ".join(long)


def test_no_star_imports():
    stars = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not stars, f"star imports: {stars}"


def test_user_input_is_never_asserted():
    asserts = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert not asserts, f"raise an error of cajax.base.errors instead of assert: {asserts}"


def test_root_exports_few_names_and_says_so():
    import cajax

    public = {k for k, x in vars(cajax).items() if not k.startswith("_") and not isinstance(x, ModuleType)}
    assert len(public) <= 80, f"{len(public)} names: {sorted(public)}"
    tree = TREES[PACKAGE / "__init__.py"]
    aliases = [a for n in tree.body if isinstance(n, ast.ImportFrom) and n.level for a in n.names]
    loose = [a.name for a in aliases if a.asname != a.name]
    assert not loose, f"write `import {loose[0]} as {loose[0]}` for {loose}"


def child(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_import_pulls_in_nothing_heavy():
    loaded = set(child("import cajax, sys; print(*{m.split('.')[0] for m in sys.modules})").split())
    assert not loaded & HEAVY, f"import these where they are used: {sorted(loaded & HEAVY)}"


def test_import_is_quick():
    """Under a second of its own, in processor time, since the machine may be busy with other tests."""
    code = (
        "import time, numpy, jax, jax.numpy, jax.ffi, equinox, optax, jaxtyping; "
        "t = time.process_time(); import cajax; print(time.process_time() - t)"
    )
    best = min(float(child(code)) for _ in range(3))
    assert best < 1.0, f"import cajax takes {best:.2f} s of its own"
