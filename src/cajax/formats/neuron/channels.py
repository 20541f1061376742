"""Channels as density mechanisms: gates as DERIVATIVE, schemes as KINETIC, coupled equations, currents by ion."""

from collections.abc import Iterator, Mapping
from typing import Any, final

from ...base.errors import ParameterError
from ...mech import Channel, Coupled, Gate, Instant, Kinetics, Outline, Scheme, instant_states, reading
from ...mech.potentials import VALENCE
from .expressions import Statements, euler, statements
from .mod import Mod, assignments, block, functions, named, parameters, title

_BUILT_IN = ("na", "k", "ca")


def channel_mod(
    channel: Channel, outline: Outline, name: str, warm: bool, valences: Mapping[str, int]
) -> Mod:
    """Return the .mod file of a channel.

    `warm`: whether the model has a temperature. `valences` of the ions that are painted; what is carried by an ion that
    NEURON does not know, and nobody painted, is nonspecific. Raises `ParameterError` for what NMODL has no words for.
    """
    if channel.is_point or type(channel).runaway is not Channel.runaway:
        raise ParameterError(
            f"'{type(channel).__name__}' is reset at its threshold, which no density mechanism of NEURON can do; export"
            " cells whose channels spike by themselves"
        )
    return _Writer(channel, outline, name, warm, valences).mod()


@final
class _Writer:
    """One channel while its file is written."""

    def __init__(
        self, channel: Channel, outline: Outline, name: str, warm: bool, valences: Mapping[str, int]
    ):
        self.channel, self.outline, self.name, self.warm, self.valences = (
            channel,
            outline,
            name,
            warm,
            valences,
        )
        self.who = type(channel).__name__
        self.reads = tuple(dict.fromkeys((*outline.gates_read, *outline.current_reads)))
        self.specs = [spec.name for spec in channel.specs()]
        self.kept = [s for s in outline.states if s not in outline.instant]
        self.currents = {s: f"i{s}" for s in outline.carriers if s in valences or s in _BUILT_IN}
        ours = named([*self.specs, *self.kept], [*self.reads, *self.currents.values()])
        self.names = ours
        self.given = {**{k: ours[k] for k in self.specs}, "v": "v", **{k: k for k in self.reads}}
        if warm and channel.q10 is not None:
            self.given["celsius"] = "celsius"
        self.kinds = self._kinds()
        self.gates = {k: x for k, x in self.kinds.items() if isinstance(x, Gate)}
        self.schemes = {k: x for k, x in self.kinds.items() if isinstance(x, Scheme)}
        self.coupled = {k: x for k, x in self.kinds.items() if isinstance(x, Coupled)}
        self._check()

    def _check(self) -> None:
        known = {*self.gates, *self.schemes, *self.coupled}
        for own, kind in self.kinds.items():
            if own not in known and not isinstance(kind, Instant):
                raise ParameterError(
                    f"{self.who}: '{own}' is a {type(kind).__name__}, which a .mod file has no words for; write it as a"
                    " Gate, a Scheme or Coupled"
                )

    def _kinds(self) -> dict[str, Kinetics]:
        """Return the kinetics by name, for their structure alone: the values in them are tracers."""
        found: dict[str, Kinetics] = {}

        def look(given: dict[str, Any]) -> dict[str, Any]:
            found.update(self.kinetics(given))
            return {}

        statements(look, self.given, f"{self.who}.gates")
        return found

    def bound(self, given: Mapping[str, Any]) -> Channel:
        """Return the channel with the parameters that are `given`."""
        return self.channel.with_params({k: given[k] for k in self.specs})

    def kinetics(self, given: Mapping[str, Any]) -> dict[str, Kinetics]:
        """Return the gates and other kinetics at the voltage, the readings and the temperature that are `given`."""
        channel = self.bound(given)
        found = channel.gates(given["v"], **{k: given[k] for k in self.outline.gates_read})
        factor = channel.temperature_factor(
            given["celsius"] if self.warm and channel.q10 is not None else None
        )
        return {k: x.scaled(factor) for k, x in found.items()}

    def rates(self, given: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield what the procedure `rates` assigns, by name."""
        kinds = self.kinetics(given)
        for k in self.gates:
            gate: Any = kinds[k]
            yield f"{self.names[k]}_inf", gate.inf
            yield f"{self.names[k]}_rate", gate.rate
        for k in self.schemes:
            scheme: Any = kinds[k]
            for n, rate in enumerate(scheme.rates, 1):
                yield f"{k}_rate{n}", rate

    def current(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the current (mA/cm2) by the variable that holds it."""
        states = {k: given[k] for k in self.kept}
        states |= instant_states(self.kinetics(given)) if self.outline.instant else {}
        carried = self.bound(given).carried(
            given["v"], **states, **{k: given[k] for k in self.outline.current_reads}
        )
        total: dict[str, Any] = {}
        for species, x in carried.items():
            name = self.currents.get(species, "i")
            total[name] = total[name] + x if name in total else x
        return total

    def mod(self) -> Mod:
        with_states = {**self.given, **{k: self.names[k] for k in self.kept}}
        rates = statements(lambda g: dict(self.rates(g)), self.given, f"{self.who}.gates")
        current = statements(self.current, with_states, f"{self.who}.current")
        inner, extra = self._integrated(with_states)
        starts, begun = self._started()
        same = {k: k for k in (*rates.results, *current.results)}
        parts = [
            title(self.channel, f"{self.who}, a channel"),
            self._neuron(current),
            block("PARAMETER", parameters(self.channel, self.names)) if self.specs else "",
            self._state(),
            self._assigned(rates, current),
            block("INITIAL", starts, begun.locals),
            block(
                "BREAKPOINT",
                [*self._solves(), *current.lines, *(f"{k} = {x}" for k, x in current.results.items())],
                current.locals,
            ),
            *inner,
            block("PROCEDURE rates()", assignments(rates, same), rates.locals) if rates.results else "",
            functions(rates, current, begun, *extra),
        ]
        late = tuple(self.names[s] for x in self.coupled.values() for s in x.start)
        names, states = ({k: self.names[k] for k in keys} for keys in (self.specs, self.kept))
        return Mod(self.name, "\n".join(x for x in parts if x), names, states, late)

    def _neuron(self, current: Statements) -> str:
        lines = [f"SUFFIX {self.name}"]
        by_ion: dict[str, list[str]] = {}
        for name in self.reads:
            if found := reading(name):
                by_ion.setdefault(found[0], []).append(name)
        for species in dict.fromkeys((*by_ion, *self.currents)):
            line = f"USEION {species}"
            line += f" READ {', '.join(by_ion[species])}" if species in by_ion else ""
            line += f" WRITE {self.currents[species]}" if species in self.currents else ""
            valence = self.valences.get(species, VALENCE.get(species, 1))
            lines.append(line if species in _BUILT_IN else f"{line} VALENCE {valence}")
        lines += ["NONSPECIFIC_CURRENT i"] if "i" in current.results else []
        rest = [self.names[k] for k in self.specs]
        return block("NEURON", [*lines, *([f"RANGE {', '.join(rest)}"] if rest else []), "THREADSAFE"])

    def _state(self) -> str:
        return block("STATE", [self.names[k] for k in self.kept]) if self.kept else ""

    def _assigned(self, rates: Statements, current: Statements) -> str:
        lines = ["v (mV)"]
        if self.coupled or (self.gates and self.schemes):
            lines.append("dt (ms)")
        if "celsius" in self.given:
            lines.append("celsius (degC)")
        lines += [f"{k} (mV)" if k.startswith("e") else f"{k} (mM)" for k in self.reads if k != "celsius"]
        lines += [f"{k} (mA/cm2)" for k in current.results]
        lines += [f"{k} (/ms)" if "_rate" in k else k for k in rates.results]
        return block("ASSIGNED", lines)

    def _started(self) -> tuple[list[str], Statements]:
        begun = Statements()
        lines = ["rates()"] if self.gates or self.schemes else []
        lines += [f"{self.names[k]} = {self.names[k]}_inf" for k in self.gates]
        lines += ["SOLVE scheme STEADYSTATE sparse"] if self.schemes else []
        if self.coupled:

            def start(given: dict[str, Any]) -> dict[str, Any]:
                kinds = self.kinetics(given)
                return {s: x for k in self.coupled for s, x in kinds[k].rest(k).items()}

            begun = statements(start, self.given, f"{self.who}.gates")
            lines += assignments(begun, self.names)
        return lines, begun

    def _solves(self) -> list[str]:
        # A .mod file has one integrating SOLVE: beside a scheme the gates take their exact step by themselves.
        lines = [f"SOLVE gates METHOD {'after_cvode' if self.schemes else 'cnexp'}"] if self.gates else []
        lines += ["SOLVE scheme METHOD sparse"] if self.schemes else []
        return lines + (["SOLVE blocks METHOD after_cvode"] if self.coupled else [])

    def _integrated(self, given: Mapping[str, str]) -> tuple[list[str], list[Statements]]:
        """Return the blocks that integrate the states, and the statements in them."""
        texts, extra = [], []
        if self.gates and not self.schemes:
            lines = [f"{n}' = ({n}_inf - {n}) * {n}_rate" for n in (self.names[k] for k in self.gates)]
            texts.append(block("DERIVATIVE gates", ["rates()", *lines]))
        elif self.gates:
            pairs = [(self.names[k], f"exp(-dt * {self.names[k]}_rate)") for k in self.gates]
            lines = [f"{n} = {n}_inf + ({n} - {n}_inf) * {decay}" for n, decay in pairs]
            texts.append(block("PROCEDURE gates()", ["rates()", *lines]))
        if self.schemes:
            texts.append(block("KINETIC scheme", ["rates()", *self._reactions()]))
        if self.coupled:
            found = statements(self._stepped, {**given, "dt": "dt"}, f"{self.who}.gates")
            new = [(f"d{n}", self.names[k], x) for n, (k, x) in enumerate(found.results.items(), 1)]
            lines = [*found.lines, *(f"{d} = {x}" for d, _, x in new), *(f"{k} = {d}" for d, k, _ in new)]
            note = ": one linearly implicit step, with the exact Jacobian"
            texts.append(
                block("PROCEDURE blocks()", [note, *lines], [*found.locals, *(d for d, _, _ in new)])
            )
            extra.append(found)
        return texts, extra

    def _stepped(self, given: dict[str, Any]) -> dict[str, Any]:
        kinds, found = self.kinetics(given), {}
        for k, one in self.coupled.items():
            kind: Any = kinds[k]
            found |= euler(kind.derivative, {s: given[s] for s in one.start}, given["dt"])
        return found

    def _reactions(self) -> list[str]:
        lines = []
        for k, scheme in self.schemes.items():
            forward: dict[tuple[int, int], list[str]] = {}
            for n, (i, j) in enumerate(scheme.ends, 1):
                forward.setdefault((i, j), []).append(f"{k}_rate{n}")
            names, done = [self.names[s] for s in scheme.states], set()
            for i, j in forward:
                if (j, i) in done:
                    continue
                done.add((i, j))
                there, back = (" + ".join(forward.get(x, ["0"])) for x in ((i, j), (j, i)))
                lines.append(f"~ {names[i]} <-> {names[j]} ({there}, {back})")
            lines.append(f"CONSERVE {' + '.join(names)} = 1")
        return lines
