"""Spoiled SWC and ASC files that we read, compared with what NEURON's Import3d makes of them.

python tests/fuzz/against_neuron.py --neuron PYTHON --seed 0 --count 300

PYTHON has NEURON. Sections, total length and total area of each tree are compared; every file on which they differ
is reported with its facts, unless NEURON fails on it or one of us warns. Exit status 1 where any does.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script

from cajax.base.errors import CajaxError
from cajax.morph import Morphology, read_morphology
from tests.fuzz.morphology_files import mutant

LIMIT = 60.0  # seconds that NEURON may take
LARGEST = 100_000  # bytes: NEURON takes minutes for larger ones

# Reads one file and prints per tree [sections, length, area].
NEURON = """
import json, sys
from neuron import h
h.load_file("stdlib.hoc"); h.load_file("import3d.hoc")
path = sys.argv[1]
r = (h.Import3d_SWC_read if path.endswith("swc") else h.Import3d_Neurolucida3)()
r.input(path)
class Cell: pass
cell = Cell()
h.Import3d_GUI(r, 0).instantiate(cell)
trees = {}
for s in cell.all:
    root = s
    while root.parentseg() is not None:
        root = root.parentseg().sec
    n, length, area = trees.get(root.name(), (0, 0.0, 0.0))
    trees[root.name()] = (n + 1, length + s.L, area + sum(seg.area() for seg in s))
print("\\nFACTS" + json.dumps([list(t) for t in trees.values()]))
"""


def theirs(python: str, path: Path) -> tuple[list | None, str]:
    """What NEURON reads, None where it fails; and what it prints."""
    try:
        run = subprocess.run(
            [python, "-c", NEURON, str(path)], capture_output=True, text=True, timeout=LIMIT, errors="replace",
            cwd=path.parent,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, "too slow"
    head, _, facts = run.stdout.rpartition("FACTS")
    return (json.loads(facts) if head and run.returncode == 0 else None), run.stdout + run.stderr[-300:]


def ours(morph: Morphology) -> list:
    root = np.arange(len(morph.parent))
    for b, p in enumerate(morph.parent):
        if p >= 0:
            root[b] = root[p]
    return [
        [int((root == r).sum()), float(morph.lengths[root == r].sum()), float(morph.areas[root == r].sum())]
        for r in np.flatnonzero(morph.parent < 0)
    ]


def same(a: list, b: list) -> bool:
    """Equal trees in any order; NEURON keeps single precision."""
    a, b = (sorted(x, key=lambda t: (t[0], round(t[1], 1), round(t[2], 1))) for x in (a, b))
    return len(a) == len(b) and all(
        s[0] == t[0] and np.allclose(s[1:], t[1:], rtol=2e-5, atol=1e-5) for s, t in zip(a, b, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--neuron", required=True, help="a Python that has NEURON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=300, help="files that we read")
    parser.add_argument("--keep", type=Path, help="a folder for the files that differ")
    args = parser.parse_args()
    counts, number = Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        while sum(counts.values()) < args.count:
            number += 1
            rng = random.Random(f"{args.seed}/{number}")
            path = Path(folder) / f"{number}{rng.choice(['.swc', '.asc'])}"
            path.write_bytes(mutant(path.suffix, rng).replace(b"units", b""))  # which NEURON ignores
            if path.stat().st_size < LARGEST:
                verdict = compared(args.neuron, path, args.keep)
                counts.update([verdict] if verdict else [])
            path.unlink()
    for verdict, n in counts.most_common():
        print(f"{n:6d} {verdict}")
    sys.exit(1 if counts["differ without a word"] else 0)


def compared(python: str, path: Path, keep: Path | None) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            mine = ours(read_morphology(path))
        except CajaxError:
            return ""
    facts, said = theirs(python, path)
    if facts is None:
        verdict = "NEURON fails"
    elif same(mine, facts):
        verdict = "agree"
    elif caught:
        verdict = "differ with a warning"
    else:
        verdict = "differ without a word"
    if verdict != "agree":
        print(f"{path.name}: {verdict}: ours {mine[:4]}, NEURON {(facts or [])[:4]} {said.strip()[-200:]!r}")
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / path.name).write_bytes(path.read_bytes())
    return verdict


if __name__ == "__main__":
    main()
