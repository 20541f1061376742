"""What a run returns."""

from typing import Any, final

import equinox as eqx

from ..base.errors import unknown
from ..base.types import Array, Bool, Float
from .moment import State


@final
class Solution(eqx.Module):
    """What a run returns.

    `sol["v"]` is a recording `[time]`, or `[time, site…]` for several sites, `SpikeTimes` for spikes; `sol.ts` [time]
    ms has round(t1/dt) + 1 entries, the first at the start; `sol.times("v")` are those of a recording that is thinned
    by `every=`; `sol.state` restarts the run exactly; `sol.finite` tells whether every voltage stayed finite.
    """

    ts: Float[Array, "time"]
    records: dict[str, Any]
    state: State
    finite: Bool[Array, ""]
    thinned: tuple[tuple[str, int], ...] = eqx.field(static=True, default=())

    def __getitem__(self, name: str) -> Any:
        if not isinstance(name, str) or name not in self.records:
            raise unknown("recording", name, self.records)
        return self.records[name]

    def times(self, name: str) -> Float[Array, "time"]:
        """Return the times (ms) of the samples of a recording."""
        if not isinstance(name, str) or name not in self.records:
            raise unknown("recording", name, self.records)
        return self.ts[:: dict(self.thinned).get(name, 1)]
