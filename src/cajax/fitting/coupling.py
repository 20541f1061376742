"""Coupling: a current that pulls a model's voltage towards a recorded one, as strongly as one number says.

Nudging, or synchronisation: C dv/dt = … + C rate (v_recorded − v). Sources: Abarbanel et al. (2009), SIAM J Appl Dyn
Syst 8:1341; Toth et al. (2011), Biol Cybern 105:217. Nothing is held fixed: at every rate the recorded voltage acts
through a smooth term of the membrane equation, and at rate 0 the model runs freely.
"""

from typing import Any, cast, final

import equinox as eqx
import jax.numpy as jnp

from ..engine.method import damping
from ..engine.moment import Moment
from ..engine.part import Load, Part, checked
from ..engine.sites import Sites
from ..inputs.base import sample
from ..mech import Mechanism, Param, param
from ..model.model import Model


@final
class Coupling(Part, Mechanism):
    """A pull of the voltage at a place `at` towards `v` [sample] or [sample, site] mV, one sample each `every` ms.

    `rate` (1/ms) is that of the pull: the difference falls by exp(−rate t) where nothing else acts. It is part of the
    membrane's slope, hence of the implicit step: no rate is too large for a time step, and a step stays one solve.
    """

    at: Any = eqx.field(static=True, default="soma")
    v: Param = param(-65.0, "mV")
    every: Param = param(1.0, "ms", lo=0.0)
    rate: Param = param(0.0, "1/ms", lo=0.0)
    sites: Sites | None = eqx.field(static=True, default=None)

    def bind(self, model: Model) -> "Coupling":
        bound = self.with_params({})
        object.__setattr__(bound, "sites", Sites.of(model.structure, self.at))
        return bound

    def start(self, moment: Moment) -> Any:
        return ()

    def load(self, state: Any, moment: Moment, dt: Any) -> Load:
        sites = self._sites
        slope = self.rate * sites.take(moment.physics.capacitance)  # 1/ms · nF = µS
        # Backward Euler's step ends after dt, that within Staggered's after θ dt: then the recording is read.
        ahead = dt if moment.order == 1 else damping(jnp.asarray(self.rate) * dt) * dt
        given = sample(jnp.atleast_1d(jnp.asarray(self.v)), jnp.asarray(self.every), moment.t + ahead)
        return state, sites.spread(slope * (sites.take(moment.v) - given)), sites.spread(slope)

    def settle(self, state: Any, before: Moment, after: Moment, dt: Any) -> Any:
        return state

    def observed(self) -> tuple[str, ...]:
        return ("i",)

    def observe(self, what: str, state: Any, moment: Moment) -> Any:
        """Return "i": the outward current (nA) of the pull at its sites."""
        checked(what, self.observed(), "coupling")
        load = self.load(state, moment, jnp.zeros_like(moment.t))
        return self._sites.take(jnp.asarray(load[1]))

    @property
    def _sites(self) -> Sites:
        return cast(Sites, self.sites)  # bound, as every part of a run is
