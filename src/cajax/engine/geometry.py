"""The geometry of a run: areas and resistances, stretched where a radius or length was painted; unit conversions."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax.numpy as jnp

from ..base.types import Array, Float
from ..model.model import Model

# µF/cm² · µm² = 1e-8 µF = 1e-5 nF; S/cm² · µm² = 1e-8 S = 1e-2 µS, and so mA/cm² · µm² = 1e-2 nA;
# Ω·cm / µm = 1e4 Ω = 1e-2 MΩ, whose inverse is 100 µS.
NF_PER_UF_CM2_UM2 = 1e-5
NA_PER_MA_CM2_UM2 = 1e-2
US_PER_UM_OHM_CM = 1e2


@final
class Geometry(eqx.Module):
    """`area` µm² and `radius` µm per CV, and the geometric part of the resistances to the parent node, 1/µm."""

    area: Float[Array, "cv"]
    radius: Float[Array, "cv"]
    res_child: Float[Array, "node"]
    res_parent: Float[Array, "node"]


def geometry(model: Model, values: Mapping[str, Array]) -> Geometry:
    """Return the measured geometry, stretched by the painted "radius" and "length" among `values`.

    A painted value replaces the mean radius r, or the length l, of a CV; its taper stays. Areas go with r l, the
    resistance of a piece with l/r².
    """
    s = model.structure
    radius, area, res = s.radius, model.area, [model.res_child, model.res_parent]
    owners = (s.cv_child, s.cv_parent)
    if "length" in values:
        stretch = jnp.broadcast_to(values["length"], (s.size,)) / s.length
        area, res = area * stretch, [r * stretch[at] for r, at in zip(res, owners, strict=True)]
    if "radius" in values:
        stretch = jnp.broadcast_to(values["radius"], (s.size,)) / s.radius
        radius, area = s.radius * stretch, area * stretch
        res = [r / stretch[at] ** 2 for r, at in zip(res, owners, strict=True)]
    return Geometry(area, jnp.asarray(radius, area.dtype), *res)


def axial_conductance(model: Model, shape: Geometry, ra: Float[Array, "cv"]) -> Float[Array, "node"]:
    """Return the conductance (µS) of every node to its parent, for the axial resistivity `ra` (Ω·cm)."""
    s = model.structure
    resistance = ra[s.cv_child] * shape.res_child + ra[s.cv_parent] * shape.res_parent
    # Roots have no edge: their resistance is zero and their entry is never read.
    return US_PER_UM_OHM_CM / jnp.where(resistance > 0, resistance, 1.0)
