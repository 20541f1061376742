"""Who projects to whom, by which synapse: plain data."""

from dataclasses import dataclass
from typing import Any, final

from ..mech import EventSynapse, GapJunction, Plasticity, Surrogate, Synapse
from ..morph import Location
from .rules import Rule


@final
@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses of one kind from locations `source` on population `pre` to locations `at` on population `post`.

    `delay` ms, `threshold` mV, `surrogate`, `in_flight` and `plasticity` are those of an event synapse.
    """

    name: str
    pre: str
    post: str
    synapse: Synapse | EventSynapse | GapJunction
    rule: Rule
    at: Location
    weight: Any
    source: Location | None = None
    delay: Any = None
    threshold: Any = None
    surrogate: Surrogate | None = None
    in_flight: int | None = None
    plasticity: Plasticity | None = None

    @property
    def path(self) -> str:
        return f"{self.pre}->{self.post}.{self.name}"
