"""What a decision costs: currents through every membrane, spikes, and the ATP that pumps sodium and calcium out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.types import Array
from ..engine.membranes import Membrane
from ..engine.physics import bind
from ..engine.solution import Solution
from ..jobs.job import Batch, Job, Stage
from ..model.inserted import THRESHOLD, ChannelSites, EventProjection, GradedProjection, Wires
from ..model.layout import Layout
from ..model.model import Model
from ..model.structure import Structure
from ..morph import every_cv, region
from ..record.currents import ChannelCurrent
from ..record.quantities import ChannelState, Signal, Voltage

SODIUM, POTASSIUM = 50.0, -90.0
"""Potentials (mV) of sodium and potassium, of which a current with a potential of its own is taken to be a mixture."""
CHLORIDE_BELOW, CALCIUM_ABOVE = -40.0, 80.0
"""A synapse that reverses below the one (mV) lets no sodium in, a channel that reverses above the other calcium."""
ATP_PER_SPIKE = 3.84e8
"""ATP for the sodium of one action potential of a rat's cortical neuron (Attwell & Laughlin 2001), a yardstick."""
CHARGES_PER_PC = 1e-12 / 1.602176634e-19  # elementary charges in 1 nA · ms


def in_chunks(run: Callable[[Any], Any], trials: Any, chunk: int) -> Any:
    """Return `run(trials)` as NumPy arrays [trial, …], computed `chunk` trials at a time in calls of one shape."""
    count = len(jax.tree.leaves(trials)[0])
    chunk = min(chunk, count)
    parts = []
    for start in range(0, count, chunk):
        which = np.arange(start, start + chunk) % count
        part = run(jax.tree.map(lambda x, which=which: jnp.asarray(x)[which], trials))
        parts.append(jax.tree.map(np.asarray, part))
    return jax.tree.map(lambda *x: np.concatenate(x)[:count], *parts)


@final
class Flow(NamedTuple):
    """A recorded current: `current` [time, site] nA, outward positive, at the model's CVs `cvs` [site].

    `kind`: "channel", "leak" (a channel without gates) or "synapse". `sodium` and `calcium` (nA) are what these ions
    carry of it, None where that is unknown. A projection has a `conductance` [time, site] in µS.
    """

    kind: str
    cvs: np.ndarray
    current: Array
    sodium: Any
    calcium: Any
    conductance: Any = None


def populations(structure: Structure) -> tuple[str, ...]:
    """Return the names of all populations that have membranes."""
    return tuple(layout.name for layout in structure.layouts if not layout.virtual)


def painted(structure: Structure, population: str) -> tuple[ChannelSites, ...]:
    """Return the channels of a population."""
    return tuple(m for m in structure.channels if m.population == population)


def projections(structure: Structure, population: str) -> tuple[GradedProjection | EventProjection, ...]:
    """Return the chemical synapses onto a population."""
    every = sorted((*structure.graded, *structure.events), key=lambda p: p.wires.number)
    return tuple(p for p in every if p.wires.post_population == population)


def recordings(structure: Structure, population: str) -> dict[str, Any]:
    """Return what `flows` reads, as `record` for `Job.run`."""
    layout = structure.layout(population)
    record: dict[str, Any] = {f"{layout.prefix}v": Voltage(_place(layout, every_cv()))}
    for m in painted(structure, population):
        at = _painted_place(layout, m)
        whole = () if len(m.outline.parts) > 1 and _is_split(m) else ("",)
        record |= {
            f"{m.path}.i{part}": ChannelCurrent(at, m.name, part) for part in (*whole, *m.outline.parts)
        }
        if _is_mixed(m):
            record |= {f"{m.path}.{state}": ChannelState(at, m.name, state) for state in m.outline.states}
    for p in projections(structure, population):
        path = p.wires.path
        record |= {f"{path}.{what}": Signal(path, what) for what in ("current", "conductance")}
    return record


def _place(layout: Layout, at: Any) -> Any:
    return (layout.name, at) if layout.name else at


def _painted_place(layout: Layout, m: ChannelSites) -> Any:
    """Return the place of every CV that a channel is painted on."""
    labels = sorted({p.address.label for field in m.fields.values() for p in field.painted})
    return _place(layout, every_cv(reduce(or_, map(region, labels)) if labels else "all"))


def _is_mixed(m: ChannelSites) -> bool:
    """Whether the channel has a potential `e` of its own, that no ion names, and `current` needs nothing else."""
    named = m.outline.parts or m.template.is_point or m.outline.current_reads
    return not named and "e" in m.template.params()


def _is_split(m: ChannelSites) -> bool:
    """Whether the parts of a channel make up its whole current: asked at a few voltages, all states half open."""
    v = np.array([-80.0, -20.0, 35.0])
    given = dict.fromkeys(m.outline.states, 0.5 * np.ones(3)) | dict.fromkeys(
        m.outline.current_reads, 1.7 * np.ones(3)
    )
    with jax.ensure_compile_time_eval():
        parts = m.template.parts(v, **given)
        named = sum(x for name, x in parts.items() if name)
        return np.allclose(named, sum(m.template.carried(v, **given).values()), rtol=1e-4, atol=1e-12)


def flows(model: Model, solution: Solution, population: str) -> dict[str, Flow]:
    """Return every current through the membranes of a population by its name, from a run with its `recordings`."""
    structure, physics = model.structure, bind(model)
    layout = structure.layout(population)
    v = by_cv(structure, population, solution)
    found: dict[str, Flow] = {}
    for m in painted(structure, population):
        # Recordings go cell by cell, the model's CVs place by place.
        order = np.argsort(structure.sites(_painted_place(layout, m)).ravel())
        membrane: Any = physics.membranes.named(m.path)
        found |= _channel_flows(membrane, m, solution, order, v[:, m.index - layout.start])
    for p in projections(structure, population):
        synapse: Any = physics.part(p.wires.path)
        found[p.wires.path] = _synaptic_flow(
            synapse.synapse, p.wires, solution, v[:, p.wires.post - layout.start]
        )
    return found


def by_cv(structure: Structure, population: str, solution: Solution) -> Array:
    """Return the voltage [time, cv] in the order of the model."""
    layout = structure.layout(population)
    sites = structure.sites(_place(layout, every_cv())).ravel()
    v = solution[f"{layout.prefix}v"]
    return v.reshape(len(v), -1)[:, np.argsort(sites)]


def _channel_flows(
    membrane: Membrane, m: ChannelSites, solution: Solution, order: np.ndarray, v: Array
) -> dict[str, Flow]:
    """Return the current of a channel, or one per part; `v` [time, site] mV, `order` of the recordings' sites."""
    channel: Any = membrane.channel
    parts, states, none = m.outline.parts, m.outline.states, jnp.zeros(())
    scale = membrane.scale[None]
    kind = "channel" if states else "leak"

    def recorded(what: str) -> Array:
        x = solution[f"{m.path}.{what}"]
        return x.reshape(len(x), -1)[:, order]

    def flow(i: Array, ion: str) -> Flow:
        return Flow(kind, m.index, i, i if ion == "na" else none, i if ion == "ca" else none)

    currents = {part: recorded(f"i{part}") * scale for part in parts}
    found = {f"{m.name}.{part}": flow(i, part) for part, i in currents.items()}
    if "l" in parts:
        # A leak without a potential of its own, `el`, may be of any ions.
        split = (None, None)
        if "el" in channel.params() and not m.outline.current_reads:
            closed = dict.fromkeys(states, none)
            salted = channel.with_params({"el": SODIUM})
            as_sodium = jax.vmap(lambda v: salted.parts(v, **closed)["l"])(v) * scale
            split = _mixture(channel.el, currents["l"], as_sodium)
        found[f"{m.name}.l"] = Flow("leak", m.index, currents["l"], *split)
    if len(parts) > 1 and _is_split(m):
        return found
    whole = recorded("i") * scale
    if len(parts) == 1 and _is_split(m):
        return {m.name: found[f"{m.name}.{parts[0]}"]._replace(current=whole)}
    if parts:
        return {**found, f"{m.name}.rest": Flow(kind, m.index, whole - sum(currents.values()), None, None)}
    if not _is_mixed(m):
        return {m.name: Flow(kind, m.index, whole, None, None)}
    now = {k: recorded(k) for k in states}
    salted = channel.with_params({"e": SODIUM})
    as_sodium = jax.vmap(lambda v, now: sum(salted.carried(v, **now).values()))(v, now) * scale
    return {m.name: Flow(kind, m.index, whole, *_mixture(channel.e, whole, as_sodium))}


def _mixture(e: Any, current: Array, as_sodium: Array) -> tuple[Array, Array]:
    """Return what sodium and calcium carry of a current that reverses at `e`: sodium and potassium open together.

    `as_sodium`: the current that the same conductance would pass if it reversed where sodium does.
    """
    e = jnp.broadcast_to(e, current.shape[1:])[None]
    share = jnp.clip((e - POTASSIUM) / (SODIUM - POTASSIUM), 0.0, 1.0)
    sodium = jnp.where(share < 1.0, share * as_sodium, jnp.where(e < CALCIUM_ABOVE, current, 0.0))
    return sodium, jnp.where(e < CALCIUM_ABOVE, 0.0, current)


def _synaptic_flow(synapse: Any, wires: Wires, solution: Solution, v: Array) -> Flow:
    """Return the current of a projection; `v` [time, site] mV."""
    current, g = solution[f"{wires.path}.current"], solution[f"{wires.path}.conductance"]
    if "e" not in synapse.params():
        return Flow("synapse", wires.post, current, None, None, g)
    # Where every connection has parameters of its own, a current with their mean stands for a site's.
    synapse = synapse.with_params({k: jnp.mean(x) for k, x in synapse.params().items()})
    e = synapse.params()["e"]
    salted = synapse.with_params({"e": SODIUM})
    sodium, _ = _mixture(e, current, jax.vmap(salted.current)(v, g))
    none = jnp.zeros(())
    return Flow("synapse", wires.post, current, jnp.where(e > CHLORIDE_BELOW, sodium, 0.0), none, g)


KINDS = ("channels", "calcium", "synapses", "leak")


@final
@dataclass(frozen=True)
class Energy:
    """Means over trials: `spikes[population]` and `atp[population][by]`, molecules of ATP, per decision.

    `by`: "channels" (sodium), "calcium", "synapses", "leak". `left_out` names the currents whose ions are unknown.
    """

    spikes: dict[str, float]
    atp: dict[str, dict[str, float]]
    left_out: tuple[str, ...]

    @property
    def total(self) -> float:
        """ATP per decision of the whole network."""
        return sum(x for by in self.atp.values() for x in by.values())

    @property
    def in_spikes(self) -> float:
        """The total in action potentials of a cortical neuron, at `ATP_PER_SPIKE` each."""
        return self.total / ATP_PER_SPIKE

    def __str__(self) -> str:
        lines = [f"{'ATP per decision':18s} {'spikes':>8s} " + " ".join(f"{k:>9s}" for k in KINDS)]
        for name, by in self.atp.items():
            spikes = f"{self.spikes[name]:8.1f}" if name in self.spikes else f"{'?':>8s}"
            lines.append(f"{name or 'cell':18s} {spikes} " + " ".join(f"{by[k]:9.2g}" for k in KINDS))
        lines.append(f"in all {self.total:.3g}, as much as {self.in_spikes:.3g} spikes of a cortical neuron")
        if self.left_out:
            lines.append(f"left out: {', '.join(self.left_out)}")
        return "\n".join(lines)


def energy(job: Job[Any], model: Model, batch: Batch, stage: Stage, chunk: int = 8) -> Energy:
    """Count spikes and ATP per decision, `chunk` trials at a time.

    Three sodium ions cost one ATP and one calcium ion one (Attwell & Laughlin, J Cereb Blood Flow Metab 21:1133, 2001).
    Sodium enters through sodium channels; through synapses that reverse above −40 mV and through leaks in the share
    that makes sodium (50 mV) and potassium (−90 mV) reverse together where the conductance does, as there. Not counted:
    chloride, transmitter and its recycling, spikes in axons that the model has not, electrodes.

    A spike is an upward crossing of −20 mV at the soma; a population without gated channels has none, and of point
    neurons, which are reset, it is not known.
    """
    costs = in_chunks(lambda inputs: _costs(model, inputs, job, stage), batch.inputs, chunk)
    spikes, atp = jax.tree.map(lambda x: float(np.mean(x, dtype=np.float64)), costs)
    names = populations(model.structure)
    in_order = {name: {kind: atp[name][kind] for kind in KINDS} for name in names}
    return Energy(
        {name: spikes[name] for name in names if name in spikes}, in_order, _unknown(model.structure)
    )


@partial(jax.jit, static_argnames=("job", "stage"))
def _costs(model: Model, inputs: dict[str, Any], job: Job[Any], stage: Stage) -> tuple[dict, dict]:
    structure = model.structure
    names = populations(structure)
    record = {k: x for name in names for k, x in recordings(structure, name).items()}

    def one(inputs: dict[str, Any]) -> tuple[dict[str, Array], dict[str, dict[str, Array]]]:
        solution = job.run(model, inputs, stage, record)
        dt, spikes, atp = solution.ts[1] - solution.ts[0], {}, {}
        for name in names:
            if (count := _spikes(structure, name, solution)) is not None:
                spikes[name] = count
            atp[name] = _atp(flows(model, solution, name), dt)
        return spikes, atp

    return jax.vmap(one)(inputs)


def _spikes(structure: Structure, population: str, solution: Solution) -> Array | None:
    """Return how often the cells of a population spike in a run, None where that is not known."""
    layout = structure.layout(population)
    channels = painted(structure, population)
    if any(m.template.is_point for m in channels):
        return None
    soma = structure.sites(_place(layout, layout.soma))
    above = by_cv(structure, population, solution)[:, soma.ravel() - layout.start] >= THRESHOLD
    crossings = jnp.sum(above[1:] & ~above[:-1], dtype=jnp.int32)
    return crossings if any(m.outline.states for m in channels) else jnp.zeros_like(crossings)


def _atp(found: Mapping[str, Flow], dt: Array) -> dict[str, Array]:
    """Return the ATP (molecules) for the ions that entered during a run."""

    def entered(flow: Flow, ion: Any) -> Array:
        # The mean of both ends of every step, as the currents are recorded between steps.
        i = jnp.broadcast_to(jnp.zeros(()) if ion is None else ion, flow.current.shape)
        return -dt * jnp.sum(0.5 * (i[1:] + i[:-1])) * CHARGES_PER_PC

    names = {"channel": "channels", "leak": "leak", "synapse": "synapses"}
    atp: dict[str, Array] = dict.fromkeys(KINDS, jnp.zeros(()))
    for flow in found.values():
        atp[names[flow.kind]] = atp[names[flow.kind]] + entered(flow, flow.sodium) / 3.0
        atp["calcium"] = atp["calcium"] + entered(flow, flow.calcium) / 2.0
    return atp


def _unknown(structure: Structure) -> tuple[str, ...]:
    """Return the names of the currents whose ions are unknown, and of the point neurons."""
    channels = (m.path for m in structure.channels if not m.outline.parts and not _is_mixed(m))
    synapses = (p.wires.path for p in structure.projections if "e" not in p.template.params())
    return (*channels, *synapses)
