"""The report: one Markdown file and one picture per workload, from the JSON files that the workloads left."""

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any


def report(folder: Path, names: Sequence[str]) -> Path:
    """Write `report.md` and `NAME.png` into `folder` and return the former's path."""
    parts = ["# Benchmarks\n"]
    for name in names:
        path = folder / f"{name}.json"
        if path.exists():
            parts.append(section(name, json.loads(path.read_text()), folder))
    out = folder / "report.md"
    folder.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(parts))
    return out


def section(name: str, results: dict[str, Any], folder: Path) -> str:
    """Return the section of one workload."""
    module = import_module(f"workloads.{name}")
    versions = ", ".join(f"{k} {v}" for k, v in sorted(results["versions"].items()))
    machine = results["machine"]
    lines = [f"## {module.TITLE}\n"]
    lines.append(
        f"{versions}; {machine['cpu']}, {machine['cores']} cores; {results['seconds'] / 60:.1f} min."
    )
    if results["xla_flags"]:
        lines.append(f"XLA flags `{results['xla_flags']}`.")
    if results["quick"]:
        lines.append("**A quick run: the times mean nothing.**")
    if not results["complete"]:
        lines.append("**Not complete.**")
    lines += ["", module.markdown(results)]
    lines += [f"- {note}" for note in dict.fromkeys(results["notes"])]
    if picture(module, results, folder / f"{name}.png"):
        lines.append(f"\n![{module.TITLE}]({name}.png)\n")
    return "\n".join(lines) + "\n"


def picture(module: Any, results: dict[str, Any], path: Path) -> bool:
    """Save the picture of a workload; False where matplotlib is missing or there is nothing to draw."""
    try:
        import matplotlib
    except ImportError:
        print("no pictures: this interpreter has no matplotlib")
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig = module.figure(results, plt)
    if fig is None:
        return False
    fig.savefig(path, dpi=130, bbox_inches="tight")
    plt.close(fig)
    return True
