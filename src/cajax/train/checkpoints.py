"""Checkpoints of a fit, kept with Orbax: parameters, optimizer state, step and history."""

import json
import logging
import re
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.digest import data_hash
from ..base.disk import is_file, is_folder, read_json
from ..base.errors import StoreError
from ..base.schema import conformed
from .history import History

KEPT = 2
"""How many checkpoints stay on disk."""


@final
class State(NamedTuple):
    """What a fit carries from step to step."""

    theta: dict[str, Any]
    optimizer: Any


@final
class About(TypedDict):
    """What a checkpoint says of itself; `content` is the hash of its history and arrays."""

    signature: dict[str, dict[str, str]]
    history: dict[str, Any]
    content: NotRequired[str]


@final
class Checkpoints:
    """The checkpoints in `run/checkpoints`, named by the number of steps made.

    Saving copies the state and writes in the background; a process that is killed at any moment leaves the
    last whole checkpoint. Raises `StoreError` for a folder that cannot be used.
    """

    def __init__(self, run: str | Path) -> None:
        import orbax.checkpoint as ocp

        for name in ("absl", "asyncio"):
            logging.getLogger(name).addFilter(_not_of_orbax)  # once: the same function is not added twice
        _quiet_loops()
        self._ocp = ocp
        self.folder = Path(run).absolute() / "checkpoints"
        self.seconds = 0.0  # that the last save held up the loop
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _require_files(self.folder)
            shared = _of_this_process(ocp)
            more: dict[str, Any] = {"multiprocessing_options": shared, "create": False} if shared else {}
            options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, cleanup_tmp_directories=True, **more)
            more.pop("create", None)
            handlers = {
                "arrays": ocp.StandardCheckpointHandler(**more), "about": ocp.JsonCheckpointHandler(**more)
            }  # fmt: skip
            self._manager: Any = _read(
                lambda: ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)
            )
        except (OSError, ValueError, _Damaged) as error:
            raise StoreError(
                f"cannot keep checkpoints in {self.folder}: {_line(error)}; choose another run folder"
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
        about = {
            "signature": _signature(state), "history": asdict(history), "content": _content_of(asdict(history), arrays),
        }  # fmt: skip
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
        step = self.latest
        if step is None:
            raise StoreError(f"there is no checkpoint in {self.folder}; start without resume=True")
        where = f"checkpoint {step} in {self.folder}"
        leaves, tree = jax.tree.flatten(state)
        like = {f"{i:05d}": np.array(_bits(leaf)) for i, leaf in enumerate(leaves)}
        try:
            about, history = self._about(step)
            _compare(about["signature"], _signature(state), where)
            arrays = self._arrays(step, like, about)
        except _Damaged as error:
            raise StoreError(
                f"{where} is damaged ({_line(error)}); remove it to resume from the one before"
            ) from error
        restored = [_like(arrays[name], leaf) for name, leaf in zip(sorted(like), leaves, strict=True)]
        return jax.tree.unflatten(tree, restored), history

    def _about(self, step: int) -> tuple["About", History]:
        """Return what a checkpoint says of itself."""
        load, manager = self._ocp.args, self._manager
        try:
            for path in (self.folder / str(step)).rglob("*"):
                if path.name in ("_METADATA", "_CHECKPOINT_METADATA", "metadata"):
                    read_json(path)  # Orbax would recurse over it
            found = _read(lambda: manager.restore(step, args=load.Composite(about=load.JsonRestore())))
            about: About = conformed(found["about"], About, "about: ")
            history = History.from_json(about["history"])
        except StoreError as error:
            raise _Damaged(str(error)) from error
        if history.steps != step:
            raise _Damaged(f"its history has {history.steps} steps")
        return about, history

    def _arrays(self, step: int, like: Mapping[str, np.ndarray], about: "About") -> dict[str, np.ndarray]:
        """Return the arrays of a checkpoint, whose sizes are checked before memory is taken for them."""
        load, manager = self._ocp.args, self._manager
        sizes = _read(lambda: _sizes(manager.item_metadata(step)["arrays"].tree))
        for name, x in like.items():
            shape, pieces = sizes.get(name, (None, ()))
            if shape != x.shape or any(n > max(m, 1) for n, m in zip(pieces, shape, strict=False)):
                raise _Damaged(f"array {name} claims {shape} in pieces of {pieces}, not {x.shape}")
        wanted = load.Composite(arrays=load.StandardRestore(like))
        arrays = _read(lambda: manager.restore(step, args=wanted))["arrays"]
        # Checkpoints of the first versions have no hash.
        if about.get("content", known := _content_of(about["history"], arrays)) != known:
            raise _Damaged("its content is not what was saved")
        return arrays

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


def _of_this_process(ocp: Any) -> Any:
    """Return what lets Orbax write on one of several hosts, without waiting for the others; None where there is one."""
    if jax.process_count() == 1:
        return None
    me = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"host{me}"
    )


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """Let pass what is not Orbax's: its faults come back as errors, and need no traceback of each of its threads."""
    late = record.name == "asyncio" and "never retrieved" in record.getMessage()
    return "orbax" not in record.pathname and not (late and "OCDBT" in record.getMessage())


@final
class _Damaged(Exception):
    """A checkpoint that does not say what a checkpoint says."""


def _require_files(folder: Path) -> None:
    """Raise `StoreError` for a pipe or a device among checkpoints: Orbax would wait for it for ever."""
    for path in folder.rglob("*"):
        if not (is_file(path) or is_folder(path)):
            raise StoreError(
                f"{path} is neither a file nor a folder; remove it, or choose another run folder"
            )


def _read(call: Callable[[], Any]) -> Any:
    """Return what Orbax returns, or raise `_Damaged`: for damaged bytes it has exceptions of many kinds."""
    with warnings.catch_warnings():
        # What it had begun is left undone, and would be said when memory is tidied up.
        warnings.simplefilter("ignore")
        try:
            return call()
        except Exception as error:
            said = _line(error)
            traceback.clear_frames(error.__traceback__)
    raise _Damaged(said)


def _sizes(tree: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return what every array claims: its shape, and that of the pieces in which it lies."""
    found = {}
    for name, entry in tree.items():
        pieces = entry.storage and entry.storage.chunk_shape
        found[name] = tuple(entry.shape), tuple(entry.shape if pieces is None else pieces)
    return found


def _quiet_loops() -> None:
    """Leave out what threads of TensorStore say when a restore has failed and they come too late."""
    shown = sys.unraisablehook
    if not (isinstance(shown, partial) and shown.func is _unraisable):
        sys.unraisablehook = partial(_unraisable, shown)


def _unraisable(shown: Callable[[Any], Any], given: Any) -> None:
    late = isinstance(given.exc_value, RuntimeError) and "Event loop is closed" in str(given.exc_value)
    if not late or threading.current_thread() is threading.main_thread():
        shown(given)


def _content_of(history: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    text = json.dumps(history, sort_keys=True)
    return data_hash(np.array(text), *(arrays[name] for name in sorted(arrays)))


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


def _compare(saved: Mapping[str, Any], present: dict[str, Mapping[str, str]], where: str) -> None:
    for kind, now in present.items():
        then = saved.get(kind, {})
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
