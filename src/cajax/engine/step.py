"""One time step: load all parts, add their currents, solve for the voltage, settle all parts."""

from collections.abc import Iterator, Mapping
from typing import Any, final

import jax.numpy as jnp

from ..base.types import Array, Float
from .method import Method
from .moment import Moment, State
from .physics import Physics
from .system import System, total


def initial(physics: Physics, method: Method, dt: Float[Array, ""]) -> State:
    """Return the state at t = 0: every gate, scheme and signal at rest for the initial voltage."""
    v = physics.v0
    t, n = jnp.zeros((), v.dtype), jnp.zeros((), jnp.int32)
    moment = Moment(physics, v, t, n, dt, method.order, {})
    for name, part in physics.named():
        moment = moment.but(parts={**moment.parts, name: part.start(moment)})
    return State(v, dict(moment.parts), t, n, dt)


def resumed(physics: Physics, method: Method, state: State, dt: Float[Array, ""]) -> State:
    """Return the state with its clock in steps of `dt`, the same bits as an unbroken run when dt has not changed.

    The count of steps goes on, for noise draws by it. Inputs that the state does not know begin here.
    """
    same = state.dt == dt
    moment = Moment(physics, state.v, state.t, state.n, dt, method.order, state.parts)
    parts = {name: part.resume(state.parts[name], moment, same) for name, part in physics.named()}
    origin = jnp.where(same, state.origin, state.t - state.n * dt)
    return State(state.v, parts, origin, state.n, dt)


def advance(physics: Physics, method: Method, state: State) -> State:
    """Return the state one step of `state.dt` later."""
    dt = state.dt
    before = Moment(physics, state.v, state.t, state.n, dt, method.order, state.parts)
    for part in physics.parts:
        before = part.wake(before)
    working, currents, slopes = {}, [], []
    for name, part in physics.named():
        working[name], current, slope = part.load(before.parts[name], before, dt)
        currents.append(current)
        slopes.append(slope)
    system = System(
        v=before.v,
        dt=dt,
        capacitance=physics.capacitance,
        current=total(currents, before.v),
        slope=total(slopes, before.v),
        axial=physics.axial,
        forest=physics.forest,
        drives=tuple(d for name, part in physics.named() for d in part.drives(working[name], before, dt)),
        links=tuple(link for part in physics.parts for link in part.links()),
    )
    v, stage = method.voltage(system)
    n = state.n + 1
    after = Moment(physics, v, state.origin + n * dt, n, dt, method.order, working, stage)
    settled = {name: part.settle(working[name], before, after, dt) for name, part in physics.named()}
    after = after.but(parts=settled)
    for part in physics.parts:
        after = part.jump(after)
    return State(after.v, dict(after.parts), state.origin, n, dt)


@final
class _Present(Mapping[str, Any]):
    """The memory of every part brought to the time of the voltage, each when it is first asked for."""

    def __init__(self, moment: Moment, lag: Array):
        self._moment, self._lag = moment, lag
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._moment.physics.present(name, self._moment, self._lag)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._moment.parts)

    def __len__(self) -> int:
        return len(self._moment.parts)


def present(physics: Physics, method: Method, state: State) -> Moment:
    """Return the moment of a state as recordings see it: what lags behind the voltage is brought forward to it."""
    moment = Moment(physics, state.v, state.t, state.n, state.dt, method.order, state.parts)
    return moment.but(parts=_Present(moment, method.lag * state.dt))
