"""What a point process sends to itself: events after a delay (net_send, net_move), and conditions that it watches."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import jax.numpy as jnp

from . import maths
from . import tree as t
from .evaluate import Machine, Scope
from .faults import AtLine
from .flow import Flow, expressions, nested
from .maths import Mask

IDLE = 1e9
"""ms until an event that nobody has sent."""
DEPTH = 4
"""How many events of one `net_send` wait at once."""
SINCE = "since'"
"""The variable that says how many ms after the start of the step the event falls that NET_RECEIVE runs for."""
FIRED = "fired'"
"""The variable that `net_event` sets to 1."""


@final
class Site:
    """One `net_send` of a file: its events wait in `depth` places, each with the time left and a flag unless fixed."""

    def __init__(self, k: int, call: t.Call, receive: t.Body):
        self.call = call
        if len(call.args) != 2:
            raise AtLine(call.line, f"net_send takes a delay and a flag, not {len(call.args)} arguments")
        delay, flag = call.args
        self.flag = flag.value if isinstance(flag, t.Number) else None
        self.is_instant = isinstance(delay, t.Number) and delay.value <= 0.0
        # Where only the event that was sent last does anything, the others need no place.
        self.is_last_only = isinstance(flag, t.Name) and _compared(receive, flag.id)
        self.depth = 1 if self.is_instant or self.is_last_only else DEPTH
        self.left = tuple(f"left{k}_{j}" for j in range(self.depth))
        self.flags = () if self.flag is not None else tuple(f"flag{k}_{j}" for j in range(self.depth))

    def put(self, scope: Scope, delay: Any, flag: Any) -> None:
        """Let an event wait, in the first free place; in the last one where none is free."""
        shared, taken = scope.shared, False
        for j, left in enumerate(self.left):
            free = shared[left] > 0.5 * IDLE
            here = (free | (j == self.depth - 1)) & ~jnp.asarray(taken)
            shared[left] = jnp.where(here, delay, shared[left])
            if self.flags:
                shared[self.flags[j]] = jnp.where(here, flag, shared[self.flags[j]])
            taken = here | taken


@final
class Sending:
    """All that a file sends to itself. What waits are variables of the scope that its statements run in.

    `fires`: whether the events that it sends to others are kept too, as `FIRED`.
    """

    def __init__(self, file: t.File, flow: Flow, fires: bool = False):
        self.fires = fires
        receive = file.receive.body if file.receive else ()
        statements = {id(s): s for s in flow.statements((*receive, *file.initial))}.values()
        sends = [s for s in statements if isinstance(s, t.Do) and s.call.name == "net_send"]
        self.sites = {id(s): Site(k, s.call, receive) for k, s in enumerate(sends)}
        self.watches = {
            id(s): f"watch{k}" for k, s in enumerate(x for x in statements if isinstance(x, t.Watch))
        }
        self.conditions = [s for s in statements if isinstance(s, t.Watch)]
        self.emits = next((s.line for s in statements if _does(s, "net_event")), None)
        self.machine = Machine(file, {t.Do: self._do, t.Watch: self._watch})

    @property
    def hooks(self) -> Mapping[type, Callable[..., None]]:
        """What the special statements do."""
        return self.machine.hooks

    def start(self) -> dict[str, float]:
        """Return the variables of what waits, when nothing does."""
        found = {n: IDLE for site in self.sites.values() for n in site.left}
        found |= {n: 0.0 for site in self.sites.values() for n in site.flags}
        found |= {FIRED: 0.0} if self.fires else {}
        return found | dict.fromkeys(self.watches.values(), 0.0)

    def passed(self, scope: Scope, dt: Any) -> None:
        """Let `dt` ms pass for all that waits."""
        for site in self.sites.values():
            for n in site.left:
                scope.shared[n] = scope.shared[n] - dt

    def _do(self, s: t.Do, scope: Scope, mask: Mask) -> None:
        since = scope.shared.get(SINCE, 0.0)
        match s.call.name:
            case "net_send":
                delay, flag = (self.machine.number(x, scope, mask) for x in s.call.args)
                self.sites[id(s)].put(scope, delay + since, flag)
            case "net_move":
                when = self.machine.number(s.call.args[0], scope, mask)
                for site in self.sites.values():
                    for n in site.left:
                        waits = scope.shared[n] < 0.5 * IDLE
                        left = when - scope.shared["t"] + since
                        scope.shared[n] = jnp.where(waits, left, scope.shared[n])
            case "net_event":
                scope.shared[FIRED] = 1.0
            case _:
                self.machine.do(s.call, scope, mask)

    def _watch(self, s: t.Watch, scope: Scope, mask: Mask) -> None:
        """Watch a condition: 1 while it does not hold, 2 while it does; 0 is not watched.

        The first WATCH that a NET_RECEIVE comes to ends all that were watched before.
        """
        shared, fresh = scope.shared, "watching"
        for n in self.watches.values():
            shared[n] = jnp.where(shared.get(fresh, 0.0) > 0.0, shared[n], 0.0)
        holds = self._holds(s, scope, mask)
        shared[self.watches[id(s)]], shared[fresh] = jnp.where(holds, 2.0, 1.0), 1.0

    def _holds(self, s: t.Watch, scope: Scope, mask: Mask) -> Any:
        return jnp.asarray(maths.truth(self.machine.evaluate(s.condition, scope, mask)))

    def due(self, scope: Scope, dt: Any, handle: Callable[[Any, Any, Any], None]) -> None:
        """Call `handle(whether, flag, time left)` for all that is due at the start of a step, as NEURON's fixed step.

        An event is due in the step whose middle reaches its time. What is sent without delay comes at once.
        """
        shared = scope.shared
        for s in self.conditions:
            name = self.watches[id(s)]
            holds, state = self._holds(s, scope, None), shared[name]
            shared[name] = jnp.where(state > 0.0, jnp.where(holds, 2.0, 1.0), 0.0)
            flag = self.machine.number(s.flag, scope, None)
            handle((state == 1.0) & holds, flag, 0.0)
        self._all(self.sites.values(), scope, dt, handle)
        self.instant(scope, dt, handle)

    def instant(self, scope: Scope, dt: Any, handle: Callable[[Any, Any, Any], None]) -> None:
        """Call `handle` for what was sent without delay."""
        self._all((s for s in self.sites.values() if s.is_instant), scope, dt, handle)

    def _all(self, sites: Iterable[Site], scope: Scope, dt: Any, handle: Any) -> None:
        for site in sites:
            times = [scope.shared[n] for n in site.left]
            first = times[0]
            for x in times[1:]:
                first = jnp.minimum(first, x)
            is_due, flag, taken = first <= 0.5000001 * dt, site.flag, jnp.asarray(False)
            for j, n in enumerate(site.left):
                here = is_due & (times[j] == first) & ~taken
                scope.shared[n] = jnp.where(here, IDLE, times[j])
                if site.flags:
                    flag = jnp.where(here, scope.shared[site.flags[j]], 0.0 if flag is None else flag)
                taken = taken | here
            handle(is_due, flag, first)


def _does(s: t.Stmt, name: str) -> bool:
    return isinstance(s, t.Do) and s.call.name == name


def _compared(body: t.Body, name: str) -> bool:
    """Whether NET_RECEIVE asks if its flag is the variable `name`."""
    for s in nested(body):
        for expr in expressions(s):
            for x in t.walk(expr):
                if isinstance(x, t.Binary) and x.op == "==":
                    ids = {e.id for e in (x.a, x.b) if isinstance(e, t.Name)}
                    if ids == {"flag", name}:
                        return True
    return False
