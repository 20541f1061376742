"""Electrodes in a run: what inputs at places drive, what they remember, which currents they are measured to pass."""

from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.errors import ParameterError
from ..base.types import Array
from ..inputs.base import Electrode, Input
from ..model.structure import Structure
from .links import Drive
from .moment import Moment
from .part import Load, Part, checked
from .sites import Sites


@final
class Placed(eqx.Module):
    """An electrode and where it acts: its `sites`, and the `shape` they are addressed in."""

    electrode: Electrode
    sites: Sites = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)

    @staticmethod
    def of(structure: Structure, electrode: Electrode) -> "Placed":
        """Resolve where an electrode is; raises `ParameterError` where its values do not fit that place."""
        sites = structure.sites(electrode.at)
        memory = jax.eval_shape(lambda: electrode.start(sites.shape, jnp.result_type(float)))
        shapes = jax.eval_shape(lambda m: electrode.drive(jnp.zeros(()), jnp.ones(()), m), memory)
        for x in jax.tree.leaves(shapes):
            if x.ndim > sites.ndim or any(
                a not in (1, b) for a, b in zip(x.shape[::-1], sites.shape[::-1], strict=False)
            ):
                raise ParameterError(
                    f"{type(electrode).__name__} at {electrode.at!r} has values of shape {x.shape}, but that place"
                    f" has shape {sites.shape} in this model"
                )
        return Placed(electrode, Sites(sites.ravel(), structure.size), sites.shape)

    def drive(self, moment: Moment, memory: Any, dt: Array) -> Drive:
        """Return what the electrode drives in the step that begins at `moment`."""

        def spread(x: Any) -> Array | None:
            return None if x is None else jnp.broadcast_to(x, self.shape).ravel().astype(moment.v.dtype)

        i, g, e = self.electrode.drive(moment.t, dt, memory)
        return Drive(self.sites, spread(i), spread(g), spread(e))

    def remembered(self, memory: Any, before: Moment, after: Moment, dt: Array) -> Any:
        """Return what the electrode remembers after a step."""
        if memory is None:
            return None
        v = self.sites.take(after.v).reshape(self.shape)
        return self.electrode.advance(memory, v, before.t, before.n, dt)


@final
class Electrodes(Part):
    """All electrodes of a run. With `metered` their currents over the last step are remembered too."""

    placed: tuple[Placed, ...]
    metered: bool = eqx.field(static=True)

    @staticmethod
    def of(structure: Structure, inputs: Sequence[Input], metered: bool) -> "Electrodes":
        """Return the electrodes among the inputs."""
        found = (Placed.of(structure, x) for x in inputs if isinstance(x, Electrode))
        return Electrodes(tuple(found), metered)

    def start(self, moment: Moment) -> dict[str, Any]:
        dtype = moment.v.dtype
        memories = tuple(p.electrode.start(p.shape, dtype) for p in self.placed)
        if not self.metered:
            return {"memories": memories}
        drives = self.drives({"memories": memories}, moment, jnp.ones((), dtype))
        return {"memories": memories, "i": tuple(_direct(drive, moment.v) for drive in drives)}

    def load(self, state: Any, moment: Moment, dt: Array) -> Load:
        return state, None, None

    def drives(self, state: Any, moment: Moment, dt: Array) -> tuple[Drive, ...]:
        return tuple(
            p.drive(moment, memory, dt) for p, memory in zip(self.placed, state["memories"], strict=True)
        )

    def settle(self, state: Any, before: Moment, after: Moment, dt: Array) -> dict[str, Any]:
        memories = tuple(
            p.remembered(memory, before, after, dt)
            for p, memory in zip(self.placed, state["memories"], strict=True)
        )
        if not self.metered:
            return {"memories": memories}
        return {"memories": memories, "i": _measured(self.drives(state, before, dt), after)}

    def observed(self) -> tuple[str, ...]:
        return ("i", "clamp") if self.metered else ()

    def observe(self, what: str, state: Any, moment: Moment) -> Array:
        """Return the current (nA) [cv] brought in over the last step: "i" by all, "clamp" by those that hold a voltage.

        Needs `metered`.
        """
        checked(what, self.observed(), "electrodes")
        holding = self.drives(state, moment, jnp.ones_like(moment.t))
        total = jnp.zeros_like(moment.v)
        for drive, i in zip(holding, state["i"], strict=True):
            if what == "i" or drive.g is not None:
                total = drive.sites.add(total, i)
        return total


def _direct(drive: Drive, v: Array) -> Array:
    """Return i + g (e − v) at the sites: exact where g is small."""
    total = jnp.zeros((len(drive.sites),), v.dtype)
    if drive.i is not None:
        total = total + drive.i
    if drive.g is not None and drive.e is not None:
        total = total + drive.g * (drive.e - drive.sites.take(v))
    return total


def _measured(drives: Sequence[Drive], after: Moment) -> tuple[Array, ...]:
    """Return the current of every drive over a step.

    Of a current source it is known. A voltage clamp passes what the balance of charge at its site lacks: g (e − v)
    would be the difference of nearly equal numbers. Where several clamps share a site the balance gives their sum
    only, and each is g (e − v).
    """
    stage: Any = after.stage
    balance, clamps = stage.driven(), jnp.zeros_like(after.v)
    for drive in drives:
        if drive.i is not None:
            balance = drive.sites.add(balance, -drive.i)
        if drive.g is not None:
            clamps = drive.sites.add(clamps, jnp.ones_like(drive.g))
    found = []
    for drive in drives:
        i = _direct(drive, after.v)
        if drive.g is not None:
            own = drive.sites.take(balance) + (0.0 if drive.i is None else drive.i)
            i = jnp.where(drive.sites.take(clamps) > 1.5, i, own)
        found.append(i)
    return tuple(found)
