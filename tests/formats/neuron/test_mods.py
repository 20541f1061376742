"""Classes as .mod files: their texts compute what the classes do."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arithmetic import body, executed

import cajax as cx
from cajax import mech
from cajax.formats.neuron.channels import channel_mod
from cajax.formats.neuron.mod import named
from cajax.formats.neuron.pools import pool_mod
from cajax.formats.neuron.synapses import synapse_mod
from cajax.mech import Channel, Coupled, EventSynapse, Gate, Instant, Kinetics, Param, Scheme, param

VALENCES = {"na": 1, "k": 1, "ca": 2, "cl": -1}
READINGS = {
    "ena": 50.0,
    "ek": -80.0,
    "eca": 120.0,
    "ecl": -70.0,
    "cai": 3e-4,
    "cao": 2.0,
    "nai": 10.0,
    "nao": 140.0,
}
VOLTAGES = (-90.0, -65.0, -40.0, -38.0, 0.0, 35.0)


def library() -> list[type[Channel]]:
    """Return every channel of the libraries that does not reset itself."""
    found = {}
    for name in (*mech.LIBRARY, "hh", "leak"):
        module = mech.load_library(name)
        for cls in vars(module).values():
            ours = inspect.isclass(cls) and issubclass(cls, Channel) and cls.__module__ == module.__name__
            if ours and "__final__" in vars(cls) and not cls.is_point:
                found[f"{name}.{cls.__name__}"] = cls
    return list(found.values())


@pytest.mark.parametrize("cls", library(), ids=lambda c: f"{c.__module__.rpartition('.')[2]}.{c.__name__}")
def test_gates_and_currents_of_the_library_are_written_as_they_are(cls):
    channel = cls()
    text = channel_mod(channel, channel.outline(), "cx", True, VALENCES).text
    outline = channel.outline()
    with jax.enable_x64(True):
        for v in VOLTAGES:
            read = {k: READINGS.get(k, 34.0) for k in (*outline.gates_read, *outline.current_reads)}
            params = {k: float(x) for k, x in channel.params().items()}
            names = {**params, **read, "v": v, "celsius": 34.0}
            kinds = channel.gates(jnp.asarray(v), **{k: read[k] for k in outline.gates_read})
            kinds = {k: x.scaled(channel.temperature_factor(34.0)) for k, x in kinds.items()}
            gates = {k: x for k, x in kinds.items() if isinstance(x, Gate)}
            if gates:
                after = executed(body(text, "PROCEDURE rates()"), names)
                for k, gate in gates.items():
                    np.testing.assert_allclose(after[f"{k}_inf"], float(gate.inf), rtol=2e-9, atol=1e-12)
                    np.testing.assert_allclose(after[f"{k}_rate"], float(gate.rate), rtol=2e-9, atol=1e-12)
            states = {k: 0.3 + 0.1 * n for n, k in enumerate(outline.states)}
            states |= {k: float(x) for k, x in mech.instant_states(kinds).items()}
            taken = {k: x for k, x in {**states, **read}.items()}
            expected = sum(float(x) for x in channel.carried(jnp.asarray(v), **taken).values())
            lines = [x for x in body(text, "BREAKPOINT") if not x.startswith("SOLVE")]
            after = executed(lines, {**names, **states})
            got = sum(after[k] for k in (*(f"i{s}" for s in VALENCES), "i") if k in after)
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15)


class Mixed(Channel):
    """A gate, a scheme, a state without memory, and equations that drive one another."""

    g: Param = param(1e-3, "S/cm2")
    threshold: Param = param(-40.0, "mV")
    ion = "k"

    def gates(self, v):
        return {
            "m": Gate.relax(jax.nn.sigmoid((v - self.threshold) / 9.0), 2.0 + 0.0 * v),
            "s": Scheme.of(
                {"C <-> O": (jnp.exp(v / 30.0), 1.0 + 0.0 * v), "O -> I": 0.1 + 0.0 * v, "I -> C": 0.05 * v}
            ),
            "q": Instant(jax.nn.sigmoid(v / 5.0)),
            "w": Coupled(
                {"a": 0.1 + 0.0 * v, "b": 0.2 * jnp.ones_like(v)},
                lambda x: {"a": -x["a"] * x["b"], "b": x["a"]},
            ),
        }

    def current(self, v, m, O, q, a, ek):
        return self.g * m * O * q * a * (v - ek)


def test_all_kinds_of_kinetics_have_their_blocks():
    mod = channel_mod(Mixed(), Mixed().outline(), "cx_Mixed", False, VALENCES)
    assert body(mod.text, "KINETIC scheme") == [
        "rates()",
        "~ C <-> O (s_rate1, s_rate2)",
        "~ O <-> I (s_rate3, 0)",
        "~ I <-> C (s_rate4, 0)",
        "CONSERVE C + O + I = 1",
    ]
    assert "SOLVE scheme METHOD sparse" in body(mod.text, "BREAKPOINT")
    assert "m = m_inf + (m - m_inf) * exp(-dt * m_rate)" in body(mod.text, "PROCEDURE gates()")
    assert "q" not in body(mod.text, "STATE")
    assert mod.late == ("a", "b")
    assert mod.parameters["threshold"] == "threshold_"  # a word of NMODL's
    after = executed(body(mod.text, "PROCEDURE blocks()"), {"a": 0.4, "b": 0.3, "dt": 0.5})
    with jax.enable_x64(True):
        v = jnp.zeros(1)
        states = Mixed().gates(v)["w"].advance("w", {"a": v + 0.4, "b": v + 0.3}, 0.5, 1)
    np.testing.assert_allclose(
        [after["a"], after["b"]], [float(states["a"][0]), float(states["b"][0])], rtol=1e-12
    )


def test_names_of_nmodl_and_of_other_ions_are_left_to_them():
    assert named(["tau", "threshold", "ena", "class", "µ"], ["ena"]) == {
        "tau": "tau", "threshold": "threshold_", "ena": "ena_", "class": "class_", "µ": "p__",
    }  # fmt: skip


def test_a_pool_is_what_the_class_says():
    pool = mech.Pool(tau=20.0)
    text = pool_mod(pool, "ca", "cx_Pool").text
    assert "USEION ca READ ica WRITE cai, cao" in body(text, "NEURON")
    lines = [x for x in body(text, "DERIVATIVE blocks") if "'" not in x]
    given = {"ica": -2e-3, "cai": 3e-4, "gamma": 0.05, "depth": 0.1, "tau": 20.0, "ci": 1e-4}
    after = executed(lines, given)
    flux = 2e-3 * 1e4 / (mech.FARADAY * 2)
    np.testing.assert_allclose(after["d1"], 0.05 * flux / 0.1 - (3e-4 - 1e-4) / 20.0, rtol=1e-9)


def test_a_pump_takes_our_own_step():
    pump = mech.Pump(vmax=2e-3, depth=1.0)
    lines = body(pool_mod(pump, "ca", "cx_Pump").text, "PROCEDURE blocks()")
    params = {k: float(x) for k, x in pump.params().items()}
    after = executed(lines, {**params, "ica": -2e-3, "cai": 3e-4, "dt": 0.025})
    flux = 2e-3 * 1e4 / (mech.FARADAY * 2)
    with jax.enable_x64(True):
        now = {"i": jnp.asarray([3e-4])}
        step = mech.implicit_step(lambda s: pump.rates(jnp.asarray([flux]), jnp.ones(1), s), now, 0.025, 1)
    np.testing.assert_allclose(after["cai"], float(step["i"][0]), rtol=1e-12)


@pytest.mark.parametrize(
    "synapse", [mech.NMDA(), mech.GABAB(), mech.ShortTerm(), mech.Alpha(), mech.Exp2Syn(), mech.ExpSyn()],
    ids=lambda s: type(s).__name__,
)  # fmt: skip
def test_synapses_run_and_jump_as_the_class_says(synapse):
    mod = synapse_mod(synapse, "cx")
    params = {mod.parameters[k]: float(x) for k, x in synapse.params().items()}
    states = {k: 0.2 + 0.1 * n for n, k in enumerate(synapse.states())}
    names = {**params, **{mod.states[k]: x for k, x in states.items()}}
    with jax.enable_x64(True):
        now = {k: jnp.asarray(x) for k, x in states.items()}
        jumped = {**now, **synapse.event(**now)}
        current = float(synapse.current(-50.0, 2e-3 * synapse.release(**now)))
        flowed = synapse.flow(0.3, **now)
    after = executed(body(mod.text, "PROCEDURE event()"), names)
    for k, x in jumped.items():
        np.testing.assert_allclose(after[mod.states[k]], float(x), rtol=1e-9)
    lines = [x for x in body(mod.text, "BREAKPOINT") if not x.startswith("SOLVE")]
    got = executed(lines, {**names, "v": -50.0, "gmax": 2e-3})["i"]
    np.testing.assert_allclose(got, current, rtol=1e-9)
    if "PROCEDURE flow() {" in mod.text:
        after = executed(body(mod.text, "PROCEDURE flow()"), {**names, "dt": 0.3})
        for k, x in flowed.items():
            np.testing.assert_allclose(after[mod.states[k]], float(x), rtol=1e-9)


class _Odd(Kinetics):
    x: object

    def names(self, own):
        return (own,)

    def rest(self, own):
        return {own: self.x}

    def advance(self, own, now, dt, order):
        return {own: now[own]}

    def scaled(self, factor):
        return self


class Odd(Channel):
    """Kinetics that nobody knows."""

    g: Param = param(1e-3, "S/cm2")

    def gates(self, v):
        return {"m": _Odd(v)}

    def current(self, v, m):
        return self.g * m


class Saturating(EventSynapse):
    """A current that is no multiple of its conductance."""

    tau: Param = param(2.0, "ms")

    def gates(self):
        return {"g": Gate.relax(0.0 * self.tau, self.tau)}

    def event(self, g):
        return {"g": g + 1.0}

    def release(self, g):
        return g

    def current(self, v, g):
        return jnp.tanh(1e3 * g) * v


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: channel_mod(mech.LIF(), mech.LIF().outline(), "x", False, {}), "reset at its threshold"),
        (lambda: channel_mod(mech.AdEx(), mech.AdEx().outline(), "x", False, {}), "reset at its threshold"),
        (lambda: channel_mod(Odd(), Odd().outline(), "x", False, {}), "'m' is a _Odd"),
        (lambda: pool_mod(mech.Shells(), "ca", "x"), "diffuses along the cell"),
        (lambda: pool_mod(mech.Diffusive(), "ca", "x"), "diffuses along the cell"),
        (lambda: synapse_mod(Saturating(), "x"), "not proportional to g"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(write, says):
    with pytest.raises(cx.CajaxError, match=re.escape(says)):
        write()
