"""Electrodes in a run: what inputs at places drive, what they remember, which currents they are measured to pass."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.errors import ParameterError, ProtocolError
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


def numbered(inputs: Iterable[Input]) -> Iterator[tuple[str, Input]]:
    """Yield inputs under their kind, place and number among those of the same."""
    seen: dict[str, int] = {}
    for x in inputs:
        name = f"{type(x).__name__} at {x.at}"
        seen[name] = seen.get(name, 0) + 1
        yield f"{name}, {seen[name]}", x


@final
class Electrodes(Part):
    """All electrodes of a run. With `metered` the currents over the last step are remembered too.

    What each remembers is kept under its kind and place, for a run that goes on with the same inputs. `others` are the
    names of inputs that are no electrodes: they remember nothing, but are known to be of the run.
    """

    placed: tuple[Placed, ...]
    others: tuple[str, ...] = eqx.field(static=True)
    metered: bool = eqx.field(static=True)

    @staticmethod
    def of(structure: Structure, inputs: Sequence[Input], metered: bool) -> "Electrodes":
        """Return the electrodes among the inputs."""
        placed = (Placed.of(structure, x) for x in inputs if isinstance(x, Electrode))
        others = (name for name, x in numbered(inputs) if not isinstance(x, Electrode))
        return Electrodes(tuple(placed), tuple(others), metered)

    def named(self) -> Iterator[tuple[str, Placed]]:
        """Yield the electrodes by kind, place and number."""
        names = (name for name, _ in numbered([p.electrode for p in self.placed]))
        return zip(names, self.placed, strict=True)

    def start(self, moment: Moment) -> dict[str, Any]:
        memories: dict[str, Any] = dict.fromkeys(self.others)
        memories |= {name: p.electrode.start(p.shape, moment.v.dtype) for name, p in self.named()}
        return {"memories": memories, **self._at_rest(memories, moment)}

    def _at_rest(self, memories: Mapping[str, Any], moment: Moment) -> dict[str, Array]:
        """Return the currents before any step: i + g (e − v) of every electrode."""
        if not self.metered:
            return {}
        total, clamp = jnp.zeros_like(moment.v), jnp.zeros_like(moment.v)
        for drive in self.drives({"memories": memories}, moment, moment.dt):
            i = _direct(drive, moment.v)
            total = drive.sites.add(total, i)
            clamp = clamp if drive.g is None else drive.sites.add(clamp, i)
        return {"all": total, "clamp": clamp}

    def resume(self, state: Any, moment: Moment, same: Array) -> dict[str, Any]:
        fresh = self.start(moment)
        old: Mapping[str, Any] = state["memories"]

        def taken(name: str, new: Any) -> Any:
            kept = old.get(name, new)
            if jax.tree.map(jnp.shape, kept) != jax.tree.map(jnp.shape, new):
                raise ProtocolError(
                    f"the run before had another {name.rsplit(',', 1)[0]}; go on with the same inputs, or begin a new"
                    " run without continued=True"
                )
            return kept

        memories = {name: taken(name, new) for name, new in fresh["memories"].items()}
        if not self.metered:
            return {"memories": memories}
        measured = state if "all" in state else self._at_rest(memories, moment)
        return {"memories": memories, "all": measured["all"], "clamp": measured["clamp"]}

    def load(self, state: Any, moment: Moment, dt: Array) -> Load:
        return state, None, None

    def drives(self, state: Any, moment: Moment, dt: Array) -> tuple[Drive, ...]:
        return tuple(p.drive(moment, state["memories"][name], dt) for name, p in self.named())

    def settle(self, state: Any, before: Moment, after: Moment, dt: Array) -> dict[str, Any]:
        memories: dict[str, Any] = dict.fromkeys(self.others)
        memories |= {
            name: p.remembered(state["memories"][name], before, after, dt) for name, p in self.named()
        }
        if not self.metered or after.stage is None:
            return {"memories": memories}
        total = after.stage.driven()
        clamp = total
        for drive in after.stage.drives:
            if drive.g is None and drive.i is not None:
                clamp = drive.sites.add(clamp, -drive.i)
        return {"memories": memories, "all": total, "clamp": clamp}

    def observed(self) -> tuple[str, ...]:
        return ("all", "clamp") if self.metered else ()

    def observe(self, what: str, state: Any, moment: Moment) -> Array:
        """Return the current (nA) [cv] that came in over the last step: "all", or from voltage clamps, "clamp".

        Needs `metered`.
        """
        return state[checked(what, self.observed(), "electrodes")]


def _direct(drive: Drive, v: Array) -> Array:
    """Return i + g (e − v) at the sites: exact where g is small."""
    total = jnp.zeros((len(drive.sites),), v.dtype)
    if drive.i is not None:
        total = total + drive.i
    if drive.g is not None and drive.e is not None:
        total = total + drive.g * (drive.e - drive.sites.take(v))
    return total
