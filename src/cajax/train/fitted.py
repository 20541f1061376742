"""What a plain fit leaves in its run folder beside checkpoints and history: its record, both models, its parameters."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax

from ..base.disk import read_json, write_json
from ..base.errors import StoreError
from ..base.lock import claimed
from ..base.schema import conformed
from ..model.files import NotData, load, save
from ..model.model import Model
from .free import Free, M
from .history import History
from .loop import DivergedError
from .store import RECORD, read_record, record
from .table import ParameterTable, Row

PARAMETERS = "parameters.json"
BEFORE, AFTER = "before.npz", "model.npz"


def recorded(
    fitting: Callable[..., tuple[M, History]],
    folder: Path,
    model: M,
    free: Free,
    steps: int,
    key: jax.Array | None,
) -> tuple[M, History]:
    """Run `fitting` and leave in `folder` what a report needs: also of a fit that diverges or is interrupted.

    Raises `StoreError` before anything is written where the folder is of another run, is in use by another process, or
    has files of these names that no fit has written.
    """
    with claimed(folder):
        _require_own(folder)
        return _recorded(fitting, folder, model, free, steps, key)


def _recorded(
    fitting: Callable[..., tuple[M, History]],
    folder: Path,
    model: M,
    free: Free,
    steps: int,
    key: jax.Array | None,
) -> tuple[M, History]:
    start: list[Any] = [model]

    def begun(resumed: bool) -> None:
        if resumed and isinstance(model, Model) and (folder / BEFORE).exists():
            start[0] = load(folder / BEFORE)
        if resumed or not (folder / RECORD).exists():
            record(folder, seed=_seed(key), kind="fit", settings={"steps": steps, **_written(free)})
        if not (folder / BEFORE).exists():
            _keep(folder / BEFORE, model)

    def end(fitted: Any) -> None:
        _keep(folder / AFTER, fitted)
        rows = free.table(fitted, start[0]).rows
        write_json(folder / PARAMETERS, [asdict(row) for row in rows])

    try:
        fitted, history = fitting(begun=begun)
    except DivergedError as error:
        end(error.model)
        raise
    end(fitted)
    return fitted, history


def read_parameters(folder: Path) -> ParameterTable:
    """Return the table of parameters that a fit has left; `StoreError` where it is damaged."""
    path = folder / PARAMETERS
    data = read_json(path)
    try:
        return ParameterTable(conformed(data, tuple[Row, ...], f"{path.name}: "))
    except StoreError as error:
        raise StoreError(f"{path.name} is not a table of parameters ({error})") from None


def _require_own(folder: Path) -> None:
    if (folder / RECORD).exists():
        task = read_record(folder).get("task")
        if task:
            raise StoreError(f"{folder} is the run folder of '{task}'; choose another folder for this fit")
        return
    strange = [name for name in (BEFORE, AFTER, PARAMETERS) if (folder / name).exists()]
    if strange:
        raise StoreError(
            f"{folder} holds {', '.join(strange)}, which this fit would overwrite; choose another folder"
        )


def _keep(path: Path, model: Any) -> None:
    """Save a Cajax model; others have no file, nor has a model with a function in it."""
    if isinstance(model, Model):
        try:
            save(path, model)
        except NotData:
            path.unlink(missing_ok=True)


def _written(free: Free) -> dict[str, str]:
    return {f"free: {glob}": str(bijection) for glob, bijection in free.globs.items()}


def _seed(key: jax.Array | None) -> int | None:
    """Return the seed that a key was made from, None where there is none."""
    if key is None:
        return None
    words = jax.random.key_data(key) if jax.numpy.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    seed = 0
    for word in words.ravel().tolist():
        seed = (seed << 32) | int(word)
    return seed
