"""Binding, once per run: from a model's parameters to parts and physical arrays in nF, µS, nA."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp

from ..base.errors import ParameterError, unknown
from ..base.types import Array, Float
from ..inputs.base import Input
from ..model.model import Model
from ..model.structure import Structure
from ..solve import Tree
from .electrodes import Electrodes
from .event_synapses import EventSynapses
from .geometry import NF_PER_UF_CM2_UM2, axial_conductance, geometry
from .graded_synapses import GradedSynapses
from .ions import Ions
from .junctions import Junctions
from .membranes import Membranes
from .moment import Moment
from .part import Part
from .readings import Readings, States
from .resets import Resets
from .sites import Sites


@final
class Physics(eqx.Module):
    """The right-hand side of the cable equation for one set of parameters, and everything that acts on the voltage.

    `capacitance` [cv] nF; `axial` [node] µS, the conductance of each node to its parent; `v0` [cv] mV; `celsius` °C
    (None, a scalar or [cv]); `area` [cv] µm² and `diam` [cv] µm. `parts` go by their `names`, in the order in which
    their currents are added.
    """

    capacitance: Float[Array, "cv"]
    axial: Float[Array, "node"]
    v0: Float[Array, "cv"]
    celsius: Float[Array, "..."] | None
    area: Float[Array, "cv"]
    diam: Float[Array, "cv"]
    structure: Structure = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    parts: tuple[Part, ...]
    ions: Ions
    membranes: Membranes
    electrodes: Electrodes

    @property
    def forest(self) -> tuple[Tree, ...]:
        """The trees of control volumes."""
        return self.structure.forest

    def sites(self, at: Any) -> Sites:
        """Return the control volumes of a place, flat; `at` as in recordings."""
        return Sites.of(self.structure, at)

    def named(self) -> Iterator[tuple[str, Part]]:
        """Yield the parts with their names."""
        yield from zip(self.names, self.parts, strict=True)

    def part(self, name: str) -> Part:
        """Return the part of a name; raises `UnknownNameError` where there is none."""
        if name not in self.names:
            raise unknown("part", name, self.names)
        return self.parts[self.names.index(name)]

    def readings(self, states: States, t: Any, dt: Any) -> Readings:
        """Return what mechanisms read of the place, of the ions in these states, of the time and the step (ms)."""
        place = {"celsius": self.celsius, "t": t, "dt": dt, "diam": self.diam, "area": self.area}
        return Readings(self.ions.seen(), states, place, self.v0)

    def ahead(self, moment: Moment, gates: States, dt: Array) -> States:
        """Return the states of the ions at which the currents of a step are taken."""
        return self.ions.ahead(moment, gates, dt)

    def carried(self, species: str, v: Array, gates: States, readings: Readings) -> Float[Array, "cv"]:
        """Return the outward current density (mA/cm²) that an ion carries through every CV."""
        return self.ions.added(species, self.membranes.carried(species, v, gates, readings), v, readings)

    def pumped(self, v: Array, readings: Readings) -> tuple[Array, Array] | None:
        """Return the outward current (nA) [cv] of the ions themselves and its slope (µS), None where none has one."""
        return self.ions.total(v, readings)

    def present(self, name: str, moment: Moment, lag: Array) -> Any:
        """Return the memory of a part at the time of the voltage."""
        return self.part(name).present(moment.parts[name], moment, lag)


def bind(model: Model, inputs: Sequence[Input] = (), metered: bool = False) -> Physics:
    """Return the physics of a model under `inputs`: every field assembled per CV, every conductance in µS.

    `metered`: whether the currents of the electrodes are measured.
    """
    s = model.structure
    values = {name: field.assemble(model.params) for name, field in s.properties.items()}
    shape, temperature = geometry(model, values), values.get("temperature")

    def every_cv(x: Array) -> Array:
        return jnp.broadcast_to(x, (s.size,))

    ions, membranes = Ions.of(model, shape), Membranes.of(model, shape, temperature)
    electrodes = Electrodes.of(s, inputs, metered)
    parts: dict[str, Part] = {"ions": ions, "membranes": membranes}
    parts |= {p.wires.path: GradedSynapses.of(model, p) for p in s.graded}
    parts |= {p.wires.path: EventSynapses.of(model, p, membranes, inputs) for p in s.events}
    parts |= _own(model)
    parts |= {p.wires.path: Junctions.of(model, p) for p in s.gaps}
    parts |= {"electrodes": electrodes, "resets": Resets.of(membranes)}
    return Physics(
        capacitance=NF_PER_UF_CM2_UM2 * values["cm"] * shape.area,
        axial=axial_conductance(model, shape, every_cv(values["ra"])),
        v0=every_cv(values["v0"]),
        celsius=temperature,
        area=shape.area,
        diam=2.0 * shape.radius,
        structure=s,
        names=tuple(parts),
        parts=tuple(parts.values()),
        ions=ions,
        membranes=membranes,
        electrodes=electrodes,
    )


def _own(model: Model) -> Mapping[str, Part]:
    """Return the parts of the user's own."""
    found: dict[str, Part] = {}
    for inserted in model.structure.parts:
        values = {k: model.params[path] for k, path in inserted.fields.items()}
        part = inserted.template.with_params(values)
        if not isinstance(part, Part):
            raise ParameterError(
                f"'{inserted.name}' is a {type(part).__name__}, which is no cajax.engine.Part; subclass both"
            )
        found[inserted.name] = part.bind(model)
    return found
