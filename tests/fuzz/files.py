"""Spoiled model files: JSON within them, their arrays, their bytes. Each loads, or is refused in one line.

python tests/fuzz/files.py --seed 0 --count 2000 --seconds 900
"""

import contextlib
import json
import random
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script

import jax

import cajax as cx
from cajax.base.archive import read_arrays
from cajax.base.errors import StoreError
from tests.fuzz import folders
from tests.fuzz.mutants import array_mutant, bytes_mutant, json_mutant, lying_header, write_npz
from tests.fuzz.pool import Try, main
from tests.parity import unchanged_models as models

CASES = (
    models.passive, models.squid, models.hay, models.ions, models.markov, models.ca1, models.graded, models.synapses,
    models.delays, models.trains, models.plastic, models.rewarded, models.gaps, models.points,
)  # fmt: skip


@cache
def originals() -> list[tuple[cx.Model, bytes, dict[str, np.ndarray]]]:
    """Return models of many kinds with the bytes and the arrays of their files; some hold code and have none."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            with contextlib.suppress(StoreError):
                path = cx.save(Path(folder) / case.__name__, case()[0])
                found.append((cx.load(path), path.read_bytes(), read_arrays(path)))
    return found


def attempt(random: random.Random, folder: Path) -> str:
    """Spoil the file of a model, or a run folder."""
    return folders.attempt(random, folder) if random.random() < 1 / 3 else of_model(random, folder)


def of_model(random: random.Random, folder: Path) -> str:
    """Spoil the file of a model and load it; what loads must be a model that runs."""
    model, content, arrays = random.choice(originals())
    path, how = folder / "model.npz", random.random()
    if how < 0.6:
        head = json.loads(str(arrays["structure"]))
        if random.random() < 0.5:  # as of an older file, or one whose hash was made anew
            del head["content"]
        text, about = json_mutant(head, random)
        write_npz(path, {**arrays, "structure": np.array(text)})
    elif how < 0.8:
        name = random.choice(sorted(arrays))
        changed: dict[str, Any] = {**arrays, name: array_mutant(arrays[name], random)}
        if random.random() < 0.1:
            del changed[name]
        about = f"array {name}"
        write_npz(path, changed)
    elif how < 0.97:
        path.write_bytes(bytes_mutant(content, random))
        about = "bytes"
    else:
        lying_header(path, random)
        about = "header"
    loaded = cx.load(path)
    same = loaded.structure == model.structure and all(
        np.array_equal(loaded.params[k], x) for k, x in model.params.items()
    )
    if same:
        return f"the same; {about}"
    jax.eval_shape(lambda m: cx.simulate(m, 0.2, 0.1), loaded)
    return f"another model; {about}"


def warm() -> Try:
    """Return `attempt`, ready to run at once."""
    originals()
    folders.originals()
    return attempt


if __name__ == "__main__":
    main(__file__, warm)
