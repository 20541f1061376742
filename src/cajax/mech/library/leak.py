"""The passive membrane."""

from typing import final

from ...base.types import Array, Param
from ..base import Channel
from ..params import param


@final
class Leak(Channel):
    """Passive leak with conductance density `g` and reversal potential `e`; no gates."""

    g: Param = param(1e-4, "S/cm2")
    e: Param = param(-70.0, "mV")

    def current(self, v: Array) -> Array:
        return self.g * (v - self.e)
