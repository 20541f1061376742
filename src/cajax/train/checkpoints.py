"""Checkpoints of a fit, kept with Orbax: parameters, optimizer state, step and history."""

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.errors import StoreError
from .history import History

KEPT = 2
"""How many checkpoints stay on disk."""


@final
class State(NamedTuple):
    """What a fit carries from step to step."""

    theta: dict[str, Any]
    optimizer: Any


@final
class Checkpoints:
    """The checkpoints in `run/checkpoints`, named by the number of steps made.

    Saving copies the state and writes in the background; a process that is killed at any moment leaves the
    last whole checkpoint. Raises `StoreError` for a folder that cannot be used.
    """

    def __init__(self, run: str | Path) -> None:
        import orbax.checkpoint as ocp

        logging.getLogger("absl").addFilter(_not_of_orbax)  # once: the same function is not added twice
        self._ocp = ocp
        self.folder = Path(run).absolute() / "checkpoints"
        self.seconds = 0.0  # that the last save held up the loop
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, cleanup_tmp_directories=True)
            self._manager = ocp.CheckpointManager(self.folder, options=options)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"cannot keep checkpoints in {self.folder}: {error}; choose another run folder"
            ) from error

    @property
    def latest(self) -> int | None:
        """The step of the newest whole checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, state: State, history: History) -> None:
        """Save `state` as it is after `history.steps` steps, unless that is saved already."""
        if self.latest == history.steps:
            return
        begin = time.perf_counter()
        # Copies: the loop gives the buffers of the state to the next step while Orbax still writes.
        arrays = {f"{i:05d}": np.array(_bits(leaf)) for i, leaf in enumerate(jax.tree.leaves(state))}
        about = {"signature": _signature(state), "history": asdict(history)}
        save = self._ocp.args
        try:
            self._manager.save(
                history.steps,
                args=save.Composite(arrays=save.StandardSave(arrays), about=save.JsonSave(about)),
            )
        except (OSError, ValueError) as error:
            raise self._not_saved(error) from error
        self.seconds = time.perf_counter() - begin

    def restore(self, state: State) -> tuple[State, History]:
        """Return the newest state, in the form of the fresh `state`, and its history.

        Raises `StoreError` when it belongs to another model, `Free` or optimizer, naming the difference.
        """
        step, load = self.latest, self._ocp.args
        if step is None:
            raise StoreError(f"there is no checkpoint in {self.folder}; start without resume=True")
        try:
            about = self._manager.restore(step, args=load.Composite(about=load.JsonRestore()))["about"]
            _compare(about["signature"], _signature(state), f"checkpoint {step} in {self.folder}")
            leaves, tree = jax.tree.flatten(state)
            like = {f"{i:05d}": np.array(_bits(leaf)) for i, leaf in enumerate(leaves)}
            arrays = self._manager.restore(step, args=load.Composite(arrays=load.StandardRestore(like)))[
                "arrays"
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"checkpoint {step} in {self.folder} is damaged ({_line(error)}); "
                "remove it to resume from the one before"
            ) from error
        restored = [_like(arrays[name], leaf) for name, leaf in zip(sorted(like), leaves, strict=True)]
        return jax.tree.unflatten(tree, restored), History.from_json(about["history"])

    def close(self) -> None:
        """Wait until everything is on disk; raises `StoreError` when it cannot be written."""
        try:
            self._manager.wait_until_finished()
            self._manager.close()
        except (OSError, ValueError) as error:
            raise self._not_saved(error) from error

    def _not_saved(self, error: Exception) -> StoreError:
        whole = [int(p.name) for p in self.folder.iterdir() if p.name.isdecimal()]
        kept = f"step {max(whole)} is kept there" if whole else "there is none yet"
        return StoreError(
            f"cannot save a checkpoint in {self.folder}: {_reason(error)}; {kept}; make room and go on with the run"
        )


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """Let pass what is not Orbax's: its faults come back as errors, and need no traceback of each of its threads."""
    return "orbax" not in record.pathname


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key)


def _bits(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like(bits: Any, leaf: Any) -> Any:
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(bits), impl=jax.random.key_impl(leaf))
    return jnp.asarray(bits, dtype=leaf.dtype)


def _signature(state: State) -> dict[str, Mapping[str, str]]:
    """Describe every array, so that a checkpoint of something else is recognised before it is read."""
    named = jax.tree_util.tree_leaves_with_path(state.optimizer)
    return {
        "parameter": {path: _form(theta) for path, theta in state.theta.items()},
        "optimizer state": {jax.tree_util.keystr(path): _form(leaf) for path, leaf in named},
    }


def _form(leaf: Any) -> str:
    return f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}"


def _compare(saved: dict[str, Any], present: dict[str, Mapping[str, str]], where: str) -> None:
    for kind, now in present.items():
        then = saved[kind]
        for name in [*then, *(name for name in now if name not in then)]:
            if then.get(name) != now.get(name):
                raise StoreError(
                    f"{where} is of another fit: {kind} '{name}' is {then.get(name, 'absent')} there and "
                    f"{now.get(name, 'absent')} here; "
                    "use the model, Free and optimizer it was made with, or a new run folder"
                )


def _reason(error: Exception) -> str:
    """Return what the system said: TensorStore puts it behind the names of many files."""
    found = re.search(r": ([^:]*?) \[os_error_code='\d+'\]", str(error))
    return found[1] if found else _line(error)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
