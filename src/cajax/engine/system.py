"""The linear system of one implicit solve for the voltage, and the currents of drives that follow from its solution."""

from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base.types import Array, Float
from ..solve import Tree, matvec
from .joined import solve_joined
from .links import Drive, Link


@final
class Stage(eqx.Module):
    """One solve: (inertia + slope) v + A v = rhs without the drives, where A v is what leaves through the tree.

    `v` [cv] mV is the solution with the drives.
    """

    v: Float[Array, "cv"]
    diagonal: Float[Array, "cv"]
    rhs: Float[Array, "cv"]
    axial: Float[Array, "node"]
    forest: tuple[Tree, ...] = eqx.field(static=True)
    links: tuple[Link, ...]
    drives: tuple[Drive, ...]

    def driven(self) -> Float[Array, "cv"]:
        """Return the current (nA) that the drives bring in: what the rows of the system lack without them.

        By the balance of charge; g (e − v) of a good voltage clamp is the difference of nearly equal numbers. Zero
        where nothing drives.
        """
        if not self.drives:
            return jnp.zeros_like(self.v)
        driven = np.zeros(self.v.shape, bool)
        for drive in self.drives:
            driven[drive.sites.index] = True
        out = matvec(self.forest, self.diagonal, self.axial, self.v) - self.rhs
        for link in self.links:
            out = link.add_outflow(out, self.v)
        return jnp.where(driven, out, 0.0)


@final
class System(eqx.Module):
    """A step of `dt` ms from the voltage `v` mV: C dv/dt = −(current + slope (v′ − v)) − A v′ + drives.

    `capacitance` nF, `current` nA and `slope` µS per control volume, all [cv]; `axial` [node] µS.
    """

    v: Float[Array, "cv"]
    dt: Float[Array, ""]
    capacitance: Float[Array, "cv"]
    current: Float[Array, "cv"]
    slope: Float[Array, "cv"]
    axial: Float[Array, "node"]
    forest: tuple[Tree, ...] = eqx.field(static=True)
    drives: tuple[Drive, ...]
    links: tuple[Link, ...]

    @property
    def is_clamped(self) -> bool:
        """Whether an electrode holds a voltage: its stiff modes hardly decay under Crank–Nicolson."""
        return any(drive.g is not None for drive in self.drives)

    def solve(self, inertia: Float[Array, "cv"], extra: Any = None) -> Stage:
        """Return the solution of (inertia + slope) v′ + A v′ = (inertia + slope) v − current + drives + extra.

        `inertia` is C over the length of the implicit step (µS), `extra` [cv] nA or None.
        """
        diagonal = inertia + self.slope
        rhs = diagonal * self.v - self.current
        own, plain = diagonal, rhs
        for drive in self.drives:
            if drive.i is not None:
                rhs = drive.sites.add(rhs, drive.i)
            if drive.g is not None and drive.e is not None:
                diagonal = drive.sites.add(diagonal, drive.g)
                rhs = drive.sites.add(rhs, drive.g * drive.e)
        if extra is not None:
            rhs, plain = rhs + extra, plain + extra
        v = solve_joined(self.forest, diagonal, self.axial, rhs, self.links)
        return Stage(v, own, plain, self.axial, self.forest, self.links, self.drives)


def total(terms: Sequence[Array | None], like: Array) -> Array:
    """Return the sum of what is not None, in order; zeros where nothing is."""
    found = None
    for term in terms:
        if term is not None:
            found = term if found is None else found + term
    return jnp.zeros_like(like) if found is None else found
