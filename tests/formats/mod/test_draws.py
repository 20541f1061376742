"""Random numbers of .mod files: explicit seeds, right distributions, the same bits whatever a run is cut into."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Leak

pytest.importorskip("neuron.nmodl", reason="cajax[neuron] is not installed")

UNRELIABLE = """
NEURON { POINT_PROCESS unreliable NONSPECIFIC_CURRENT i RANGE tau, p POINTER rng }
UNITS { (nA) = (nanoamp) (mV) = (millivolt) (uS) = (microsiemens) }
VERBATIM
double nrn_random_pick(void* r);
ENDVERBATIM
PARAMETER { tau = 1e6 (ms) p = 0.3 }
ASSIGNED { v (mV) i (nA) rng }
STATE { g (uS) }
INITIAL { g = 0 }
BREAKPOINT { SOLVE state METHOD cnexp i = 1e-9*g*v }
DERIVATIVE state { g' = -g/tau }
NET_RECEIVE(weight (uS)) {
    if (urand() < p) { g = g + weight }
}
FUNCTION urand() {
VERBATIM
    double value;
    if (_p_rng) { value = nrn_random_pick(_p_rng); return value; } else {
ENDVERBATIM
    value = scop_random(1)
VERBATIM
    }
ENDVERBATIM
    urand = value
}
PROCEDURE setRNG() {
VERBATIM
    _p_rng = nrn_random_arg(1);
ENDVERBATIM
}
"""
NOISY = """
NEURON { SUFFIX noisy NONSPECIFIC_CURRENT i RANGE s, k, n, x RANDOM r }
PARAMETER { s = 2 k = 0.25 n = 8 }
ASSIGNED { v (mV) i (mA/cm2) x }
STATE { a b c d }
INITIAL { a = 0 b = 0 c = 0 d = 0 }
BREAKPOINT { SOLVE draw i = 0 }
PROCEDURE draw() {
    a = normrand(1, s)
    b = exprand(s)
    c = random_uniform(r, -1, 3)
    d = BnlDev(k, n)
}
FUNCTION BnlDev(p, N) {
VERBATIM
    return binomial(_lp, _lN, nrnran123_dblpick(_p_r));
ENDVERBATIM
}
"""


def written(folder: Path, text: str, name: str) -> type:
    path = folder / f"{name}.mod"
    path.write_text(text)
    return cx.read_mod(path)


def reaching(made, count=400, **options):
    """The conductances of `count` synapses after 20 spikes."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    net = cx.Network().add("s", cx.SpikeSource(), count).add("c", cell, count)
    net = net.connect("s", "c", made, weight=1.0, delay=1.0, rule=cx.one_to_one(), name="syn")
    times = [[2.0 * k for k in range(20)]] * count
    model = net.discretize(cx.PerBranch(1))
    record = {"g": "s->c.syn.g"}
    return cx.simulate(model, t1=45.0, inputs=[cx.Spikes("s", times)], record=record, **options)["g"]


def test_spikes_release_as_often_as_they_should(tmp_path):
    Unreliable = written(tmp_path, UNRELIABLE, "unreliable")
    assert any("JAX for seed=0" in text for text in Unreliable.report.approximated)
    for p in (0.0, 0.3, 1.0):
        g = np.asarray(reaching(Unreliable(p=p)))[-1]
        expected, spread = 20.0 * p, np.sqrt(20.0 * p * (1.0 - p) / 400.0)
        assert abs(g.mean() - expected) <= 4.0 * spread + 1e-3
        assert np.std(g) == pytest.approx(np.sqrt(20.0 * p * (1.0 - p)), rel=0.15, abs=1e-3)


def test_a_seed_gives_its_bits_in_both_executors(tmp_path):
    Unreliable = written(tmp_path, UNRELIABLE, "unreliable")
    runs = [np.asarray(reaching(Unreliable(seed=s), 20)) for s in (3, 3, 4)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0] != runs[2]).any()
    np.testing.assert_allclose(reaching(Unreliable(seed=3), 20, backend="xla"), runs[0], rtol=1e-12)


def noisy(made, cells=200, **options):
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak(), x=made)
    model = cx.Network().add("c", cell, cells).discretize(cx.PerBranch(1))
    record = {name: f"c.x.{name}" for name in "abcd"}
    return model, cx.simulate(model, t1=2.5, record=record, **options)


def test_distributions(tmp_path):
    Noisy = written(tmp_path, NOISY, "noisy")
    _, sol = noisy(Noisy())
    drawn = {k: np.asarray(sol[k])[1:].ravel() for k in "abcd"}
    count = len(drawn["a"])
    assert len(np.unique(drawn["a"])) == count  # no number comes twice
    for name, mean, std in (
        ("a", 1.0, 2.0),
        ("b", 2.0, 2.0),
        ("c", 1.0, 4 / np.sqrt(12)),
        ("d", 2.0, np.sqrt(1.5)),
    ):
        assert abs(drawn[name].mean() - mean) < 4.5 * std / np.sqrt(count), name
        assert drawn[name].std() == pytest.approx(std, rel=0.03), name
    assert drawn["c"].min() >= -1.0 and drawn["c"].max() < 3.0
    assert set(np.unique(drawn["d"])) <= set(range(9))
    series = np.asarray(sol["a"])[1:]
    assert abs(np.corrcoef(series[:-1].ravel(), series[1:].ravel())[0, 1]) < 0.03


def test_a_run_that_goes_on_draws_as_if_it_had_not_stopped(tmp_path):
    Noisy = written(tmp_path, NOISY, "noisy")
    model, whole = noisy(Noisy(), 3)
    first = cx.simulate(model, t1=1.0, record={"a": "c.x.a"})
    second = cx.simulate(model, t1=1.5, record={"a": "c.x.a"}, state=first.state, continued=True)
    np.testing.assert_array_equal(np.asarray(second["a"])[1:], np.asarray(whole["a"])[-60:])


def test_gradients_go_through_what_is_drawn(tmp_path):
    Noisy = written(tmp_path, NOISY, "noisy")
    model, _ = noisy(Noisy(), 3)

    def last(s):
        return cx.simulate(model.replace({"c.all.x.s": s}), t1=1.0, record={"a": "c.x.a"})["a"][-1].sum()

    slope, step = jax.grad(last)(2.0), 1e-4
    assert slope == pytest.approx(float(last(2.0 + step) - last(2.0 - step)) / (2 * step), rel=1e-6)


def test_a_saved_model_keeps_its_seed(tmp_path):
    Noisy = written(tmp_path, NOISY, "noisy")
    model, before = noisy(Noisy(seed=7), 3)
    again = cx.load(cx.save(tmp_path / "model", model))
    after = cx.simulate(again, t1=2.5, record={"a": "c.x.a"})
    np.testing.assert_array_equal(after["a"], before["a"])
    assert jnp.isfinite(after["a"]).all()
