"""What acts on the voltage beside the membrane: drives from outside, and links between control volumes."""

from typing import NamedTuple, final

from ..base.types import Array, Float
from .sites import Sites


@final
class Drive(NamedTuple):
    """What drives `sites` from outside in a step: a current `i` (nA) inwards, a conductance `g` (µS) to `e` (mV).

    Both are [site], None where there is none. They enter the solve as they are: as a current and its slope, g (v − e)
    would cancel where g is large.
    """

    sites: Sites
    i: Array | None
    g: Array | None
    e: Array | None


@final
class Link(NamedTuple):
    """Conductances `g` [edge] µS between the control volumes `a` and `b` [edge]."""

    g: Float[Array, "edge"]
    a: Sites
    b: Sites

    def flow(self, v: Float[Array, "cv"]) -> Float[Array, "edge"]:
        """Return the current g (v_a − v_b) (nA) of every edge."""
        return self.g * (self.a.take(v) - self.b.take(v))

    def add_outflow(self, out: Float[Array, "cv"], v: Float[Array, "cv"]) -> Float[Array, "cv"]:
        """Return `out` with what leaves every control volume through the link added."""
        flow = self.flow(v)
        return self.b.add(self.a.add(out, flow), -flow)
