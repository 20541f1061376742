"""Potentials and currents of ions in solution: Nernst's, Goldman, Hodgkin and Katz's."""

from typing import Any

import jax.numpy as jnp

from ..base.checks import broadcast, divides, numeric, of_kind, shown
from ..base.errors import ParameterError
from .gating import trap

FARADAY = 96485.33212  # C/mol, CODATA 2018, exact
GAS = 8.314462618  # J/(mol K), CODATA 2018, exact
KELVIN = 273.15

VALENCE = {"na": 1, "k": 1, "ca": 2, "cl": -1, "mg": 2, "h": 1, "li": 1, "hco3": -1}
"""Charge numbers of the ions that have a name here; any other `Ion` needs `valence=…`."""


def thermal(valence: Any, celsius: Any) -> Any:
    """Return RT/(zF) in mV."""
    return 1e3 * GAS * (celsius + KELVIN) / (valence * FARADAY)


def nernst(inside: Any, outside: Any, valence: Any, celsius: Any) -> Any:
    """Return the Nernst potential RT/(zF) ln(outside/inside) in mV of concentrations in mM (both positive)."""
    _check_numbers("nernst", inside=inside, outside=outside, valence=valence, celsius=celsius)
    return thermal(valence, celsius) * jnp.log(outside / inside)


def ghk(v: Any, inside: Any, outside: Any, valence: Any, celsius: Any) -> Any:
    """Return the Goldman–Hodgkin–Katz current of a permeability of 1 cm/s, in mA/cm², outward positive.

    P z F x (inside − outside exp(−x)) / (1 − exp(−x)) with x = v zF/(RT): smooth through x = 0. `v` in mV,
    concentrations in mM. Source: Hodgkin & Katz, J Physiol 108:37 (1949).
    """
    _check_numbers("ghk", v=v, inside=inside, outside=outside, valence=valence, celsius=celsius)
    x = jnp.clip(jnp.asarray(v / thermal(valence, celsius)), -80.0, 80.0)
    # x/(1 − e^−x) = x/(e^x − 1) + x, and e^−x x/(1 − e^−x) = x/(e^x − 1). C/mol · mM · cm/s is 1e-3 mA/cm².
    t = trap(x, jnp.exp(x))
    return 1e-3 * valence * FARADAY * ((t + x) * inside - t * outside)


def ghk_voltage(
    permeability: dict[str, Any], inside: dict[str, Any], outside: dict[str, Any], celsius: Any
) -> Any:
    """Return the Goldman–Hodgkin–Katz potential (mV) of monovalent ions, with any relative permeabilities.

    Raises `ParameterError` for an ion that is not monovalent.
    """
    _check_numbers("ghk_voltage", celsius=celsius)
    for of in (permeability, inside, outside):
        for name, x in of_kind(of, dict, "ghk_voltage", "dictionaries such as {'k': 1.0}").items():
            numeric(x, f"ghk_voltage {shown(name)}")
    if not permeability:
        raise ParameterError("ghk_voltage needs the permeability of one ion at least, such as {'k': 1.0}")
    if missing := {*permeability} - ({*inside} & {*outside}):
        raise ParameterError(
            f"ghk_voltage needs the concentrations of '{min(map(str, missing))}' inside and outside"
        )
    into, out = 0.0, 0.0
    for name, p in permeability.items():
        if abs(VALENCE.get(name, 0)) != 1:
            raise ParameterError(f"ghk_voltage takes monovalent ions such as na, k and cl, not '{name}'")
        near, far = (inside[name], outside[name]) if VALENCE[name] > 0 else (outside[name], inside[name])
        into, out = into + p * near, out + p * far
    return thermal(1, celsius) * jnp.log(out / into)


def _check_numbers(function: str, **values: Any) -> None:
    """Raise `ParameterError` unless all are numbers that fit one another, and none divides by zero."""
    broadcast(function, **values)
    for name in ("valence", "inside", "outside"):
        if name in values:
            divides(values[name], f"{function} {name}")
