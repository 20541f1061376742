"""Ions whose concentrations change, as mechanisms that read their current and write their concentrations."""

from collections.abc import Callable, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.errors import ParameterError
from ...mech import FARADAY, Ion
from .expressions import Statements, euler, statements
from .mod import Mod, assignments, block, functions, named, parameters, title

_BUILT_IN = ("na", "k", "ca")


def pool_mod(ion: Ion, species: str, name: str) -> Mod:
    """Return the .mod file of an ion that has states.

    Raises `ParameterError` for one that diffuses along the cell or has a reversal potential of its own making.
    """
    who = type(ion).__name__
    if ion.diffusion():
        raise ParameterError(
            f"'{who}' of '{species}' diffuses along the cell, which is not written to NEURON; paint a Pool or a Pump"
        )
    if type(ion).reversal is not Ion.reversal:
        raise ParameterError(
            f"'{who}' has a reversal potential of its own and concentrations that change; NEURON takes Nernst's there"
        )
    return _Writer(ion, species, name).mod()


@final
class _Writer:
    """One ion while its file is written."""

    def __init__(self, ion: Ion, species: str, name: str):
        self.ion, self.species, self.name = ion, species, name
        self.who = type(ion).__name__
        self.specs = [spec.name for spec in ion.specs()]
        self.states = list(ion.plain().start())
        self.inner, self.outer, self.current = f"{species}i", f"{species}o", f"i{species}"
        taken = (self.inner, self.outer, self.current, "flux", "radius")
        self.names = named([*self.specs, *self.states], taken)
        shown = self._shown()
        if (own := shown.results["inside"]) in self.names.values() and not shown.lines:
            # The concentration is one of the states: it takes the ion's name.
            state = next(k for k in self.states if self.names[k] == own)
            self.names[state] = self.inner
        self.linear = self._linear()
        self.has_outside = "outside" in shown.results

    def bound(self, given: Mapping[str, Any]) -> Ion:
        """Return the ion with the parameters that are `given`."""
        return self.ion.with_params({k: given[k] for k in self.specs})

    def _shown(self) -> Statements:
        """Return the concentrations inside and outside, of the states."""

        def look(given: dict[str, Any]) -> dict[str, Any]:
            ion, states = self.bound(given), {k: given[k] for k in self.states}
            found = {"inside": ion.inside(**states), "outside": ion.outside(**states)}
            return {k: x for k, x in found.items() if x is not None}

        found = statements(look, self.names, f"{self.who}.inside")
        if "inside" not in found.results:
            raise ParameterError(f"'{self.who}' has states but no concentration inside; give it one")
        return found

    def _change(self, given: Mapping[str, Any]) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
        """Return the rates as a function of the states."""
        more = {"v": given["v"]} if self.ion.reads_voltage() else {}
        ion = self.bound(given)
        return lambda states: ion.rates(given["flux"], given["radius"], states, **more)

    def _integrated(self) -> tuple[str, Statements]:
        """Return the block that integrates: of linear rates NMODL's implicit step, of others our linearised one."""
        extra = {"flux": "flux", "radius": "radius", "dt": "dt"} | (
            {"v": "v"} if self.ion.reads_voltage() else {}
        )
        flux = f"flux = {-1e4 / (FARADAY * self.ion.charge(self.species))!r} * {self.current}"
        head = [": 1 mA/cm2 of charge z carries 1e4/(z F) mM um/ms through the membrane", flux]

        def now(given: dict[str, Any]) -> dict[str, Any]:
            return {k: given[k] for k in self.states}

        def rates(given: dict[str, Any]) -> dict[str, Any]:
            return dict(self._change(given)(now(given)))

        def step(given: dict[str, Any]) -> dict[str, Any]:
            return euler(self._change(given), now(given), given["dt"])

        found = statements(rates if self.linear else step, {**self.names, **extra}, f"{self.who}.rates")
        new = [(f"d{n}", self.names[k], x) for n, (k, x) in enumerate(found.results.items(), 1)]
        lines = [*head, *found.lines, *(f"{d} = {x}" for d, _, x in new)]
        lines += [f"{k}' = {d}" if self.linear else f"{k} = {d}" for d, k, _ in new]
        kind = "DERIVATIVE blocks" if self.linear else "PROCEDURE blocks()"
        return block(kind, lines, ["flux", *found.locals, *(d for d, _, _ in new)]), found

    def mod(self) -> Mod:
        shown, (inner, rates) = self._shown(), self._integrated()
        start = statements(
            lambda given: dict(self.bound(given).start()),
            {k: self.names[k] for k in self.specs},
            f"{self.who}.start",
        )
        seen = self._concentrations(shown)
        parts = [
            title(self.ion, f"{self.who} of {self.species}, the concentrations of an ion"),
            self._neuron(),
            block("PARAMETER", [*parameters(self.ion, self.names), "radius = 1 (um)"]),
            block("STATE", [f"{self.names[k]} (mM)" for k in self.states]),
            self._assigned(),
            block("INITIAL", [*assignments(start, self.names), *(["shown()"] if seen else [])], start.locals),
            block("BREAKPOINT", self._solves(bool(seen))),
            inner,
            block("PROCEDURE shown()", seen, shown.locals) if seen else "",
            functions(rates, shown),
        ]
        names, states = ({k: self.names[k] for k in keys} for keys in (self.specs, self.states))
        return Mod(self.name, "\n".join(x for x in parts if x), names, states)

    def _linear(self) -> bool:
        """Whether the rates are linear in the states, as far as their slopes at two places tell."""
        one = jnp.ones(())
        voltage = {"v": -60.0 * one} if self.ion.reads_voltage() else {}

        def rates(x: Any) -> Any:
            states = dict(zip(self.states, x, strict=True))
            return jnp.stack(
                [self.ion.plain().rates(one * 1e-3, one, states, **voltage)[k] for k in self.states]
            )

        slopes = [np.asarray(jax.jacfwd(rates)(jnp.full(len(self.states), c))) for c in (1e-4, 3e-3)]
        return np.allclose(*slopes, rtol=1e-9, atol=0.0)

    def _concentrations(self, shown: Statements) -> list[str]:
        """Return the lines that set the concentrations where they are no states."""
        of = {"inside": self.inner, "outside": self.outer}
        lines = [f"{of[k]} = {x}" for k, x in shown.results.items() if x != of[k]]
        return [*shown.lines, *lines] if lines else []

    def _solves(self, shown: bool) -> list[str]:
        return [
            f"SOLVE blocks METHOD {'derivimplicit' if self.linear else 'after_cvode'}",
            *(["SOLVE shown METHOD after_cvode"] if shown else []),
        ]

    def _neuron(self) -> str:
        written = [self.inner, *([self.outer] if self.has_outside else [])]
        use = f"USEION {self.species} READ {self.current} WRITE {', '.join(written)}"
        if self.species not in _BUILT_IN:
            use += f" VALENCE {self.ion.charge(self.species)}"
        ranges = ["radius", *(self.names[k] for k in self.specs)]
        return block("NEURON", [f"SUFFIX {self.name}", use, f"RANGE {', '.join(ranges)}", "THREADSAFE"])

    def _assigned(self) -> str:
        own = set(self.names.values())
        written = [self.inner, *([self.outer] if self.has_outside else [])]
        lines = [
            f"{self.current} (mA/cm2)",
            *([] if self.linear else ["dt (ms)"]),
            *(f"{x} (mM)" for x in written if x not in own),
        ]
        return block("ASSIGNED", [*(["v (mV)"] if self.ion.reads_voltage() else []), *lines])
