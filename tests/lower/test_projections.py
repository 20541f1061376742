"""Projections after lowering: layouts that mean the same, values in the order they were given, errors, disk."""

import pickle
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax import CajaxError
from cajax.base.errors import ParameterError, ProtocolError, RegionError, UnknownNameError
from cajax.mech import (
    AMPA,
    HH,
    LIF,
    NMDA,
    STDP,
    Exp2Syn,
    ExpSyn,
    FastSigmoid,
    GapJunction,
    Graded,
    Leak,
    Pool,
    RewardSTDP,
    ShortTerm,
)

from ..helpers import raises

DT = 0.1
TRAIN = cx.Spikes("s", [[0.53, 1.7, 2.2], [0.97, 1.21, 3.3], [1.5, 2.51]])
PAIRS = [[i, j] for i in range(3) for j in range(2)]


@cache
def cells() -> cx.Network:
    """Three sources "s", two trees "b" of two sizes' CVs, two spiking points "p"."""
    tree = cx.Cell(cx.ball_and_stick(), v0=-65.0).paint("all", leak=Leak(g=3e-4, e=-65.0))
    point = cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0).paint("all", lif=LIF())
    return cx.Network().add("s", cx.SpikeSource(), 3).add("b", tree, 2).add("p", point, 2)


def run(net: cx.Network, t1: float = 6.0, **options: Any) -> cx.Solution:
    return cx.simulate(net.discretize(cx.MaxLength(100.0)), t1, DT, [TRAIN], **options)


def weights(seed: int = 0, *more: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5e-3, 3e-3, (3, 2, *more))


@pytest.mark.parametrize("at", ["soma", cx.every_cv("apical")], ids=["soma", "every CV"])
def test_dense_sparse_and_per_edge_layouts_are_the_same(at):
    """All pairs as a matrix, as a list in any order, with parameters for each edge: one result."""
    many = () if at == "soma" else (3,)
    w, delay = weights(0, *many), 1.0 + 100.0 * weights(1, *many)
    order = np.random.default_rng(3).permutation(6)
    flat = lambda x: x.reshape(6, *many)[order]  # noqa: E731
    pairs = cx.edges(np.array(PAIRS)[order])
    wide = AMPA(rise=cx.each("edge", 0.2), decay=cx.each("edge", 1.7), e=cx.each("edge", 0.0))
    dense = [
        run(cells().connect("s", "b", AMPA(), at=at, weight=w, delay=1.3))["b"],
        run(cells().connect("s", "b", AMPA(), pairs, at, flat(w), delay=1.3))["b"],
        run(cells().connect("s", "b", AMPA(), at=at, weight=w, delay=cx.each("edge", 1.3)))["b"],
        run(cells().connect("s", "b", wide, at=at, weight=w, delay=1.3))["b"],
        run(cells().connect("s", "b", wide, pairs, at, flat(w), delay=1.3))["b"],
        run(
            cells().connect(
                "s", "b", AMPA(), at=at, weight=w, delay=1.3, plasticity=STDP(a_plus=0.0, a_minus=0.0)
            )
        )["b"],
    ]
    for other in dense[1:]:
        np.testing.assert_allclose(other, dense[0], rtol=1e-12)
    own = [
        run(cells().connect("s", "b", AMPA(), at=at, weight=w, delay=cx.each("edge", delay)))["b"],
        run(cells().connect("s", "b", AMPA(), pairs, at, flat(w), delay=cx.each("edge", flat(delay))))["b"],
    ]
    np.testing.assert_allclose(own[1], own[0], rtol=1e-12)
    assert float(jnp.abs(own[0] - dense[0]).max()) > 1e-3


def test_one_to_one_and_bernoulli_are_their_edges():
    net = cx.Network().add("s", cx.SpikeSource(), 2).add("b", cx.Cell(cx.cylinder(20.0, 10.0)), 2)
    spikes = [cx.Spikes("s", [[0.5], [1.1]])]
    record = {"v": "b", "g": "s->b.expsyn.g"}

    def end(rule):
        model = net.connect("s", "b", ExpSyn(), rule, weight=1e-3, delay=0.5).discretize(cx.PerBranch(1))
        return cx.simulate(model, 3.0, DT, spikes, record)["v"]

    np.testing.assert_array_equal(end(cx.one_to_one()), end(cx.edges([[0, 0], [1, 1]])))
    np.testing.assert_allclose(end(cx.bernoulli(1.0)), end(cx.all_to_all()), rtol=1e-13)


def test_projections_add_up():
    a = cells().connect("s", "b", ExpSyn(), weight=1e-3, delay=1.0)
    twice = a.connect("s", "b", ExpSyn(), weight=1e-3, delay=1.0, name="second")
    once = cells().connect("s", "b", ExpSyn(), weight=2e-3, delay=1.0)
    np.testing.assert_allclose(run(twice)["b"], run(once)["b"], rtol=1e-12)


def test_each_site_of_a_cell_gets_its_own_synapse():
    """Weights [pre, post, site]: with all but one at zero only that place is driven."""
    w = np.zeros((3, 2, 3))
    w[0, 1, 2] = 5e-3
    record = {"v": ("b", cx.every_cv("apical"))}
    v = np.asarray(
        run(cells().connect("s", "b", ExpSyn(), at=cx.every_cv("apical"), weight=w), record=record)["v"]
    )
    rise = v.max(axis=0) + 65.0
    assert np.abs(rise[0]).max() < 1e-9 and rise[1, 2] > rise[1, 1] > rise[1, 0] > 0


def test_an_edge_may_name_its_site():
    """Triples (pre, post, site) are the dense matrix [pre, post, site] with zeros elsewhere, in any order."""
    triples = np.array([[2, 1, 0], [0, 1, 2], [1, 0, 1]])
    w, at = np.array([1.0, 2.0, 3.0]) * 1e-3, cx.every_cv("apical")
    dense = np.zeros((3, 2, 3))
    dense[tuple(triples.T)] = w
    record = {"v": ("b", at)}
    few = run(cells().connect("s", "b", ExpSyn(), cx.edges(triples), at, w), record=record)["v"]
    all_of_them = run(cells().connect("s", "b", ExpSyn(), at=at, weight=dense), record=record)["v"]
    np.testing.assert_allclose(few, all_of_them, rtol=1e-12)


def test_the_recorded_weights_are_in_the_order_of_the_parameters():
    """`w` lists the synapses as `weight` does: `[edge]` in the order given, a matrix row by row."""
    pairs, w = cx.edges([[2, 1], [0, 0], [1, 1], [0, 1]]), np.array([1.0, 2.0, 3.0, 4.0]) * 1e-3
    record = {"w": "s->b.expsyn.w"}
    sparse = run(cells().connect("s", "b", ExpSyn(), pairs, weight=w, plasticity=STDP()), 1.0, record=record)
    dense = run(cells().connect("s", "b", ExpSyn(), weight=weights(), plasticity=STDP()), 1.0, record=record)
    np.testing.assert_allclose(sparse["w"][0], w)
    np.testing.assert_allclose(np.ravel(dense["w"][0]), weights().ravel())


def test_a_source_may_be_anywhere_on_a_cell():
    """A spike that runs out along a dendrite leaves its end later than the soma."""
    axon = cx.Cell(cx.cylinder(1000.0, 1.0), v0=-65.0).paint("all", hh=HH())
    quiet = cx.Cell(cx.cylinder(20.0, 10.0), v0=0.0).paint("all", leak=Leak(g=1e-4, e=0.0))
    net = cx.Network().add("a", axon, 1).add("b", quiet, 1)
    for name, x in (("near", 0.0), ("far", 1.0)):
        net = net.connect("a", "b", ExpSyn(tau=20.0), weight=0.0, name=name, source=cx.at(0, x), delay=1.0)
    model = net.discretize(cx.PerBranch(9))
    record = {k: f"a->b.{k}.g" for k in ("near", "far")}
    sol = cx.simulate(model, 12.0, 0.05, [cx.IClamp(("a", cx.at(0, 0.0)), 0.0, 1.0, 1.0)], record)
    near, far = (12.0 + 20.0 * np.log(float(sol[k][-1, 0])) for k in ("near", "far"))
    assert 1.0 < near < far < 12.0 and far - near > 0.5
    twin = net.connect("a", "b", ExpSyn(), name="wide", source=cx.every_cv(), delay=1.0)
    raises(lambda: twin.discretize(cx.PerBranch(2)), "source", "one place", kind=RegionError)


def test_thresholds_and_delays_are_parameters():
    net = cells().connect("p", "b", ExpSyn(), weight=1e-3).connect("s", "b", ExpSyn(), delay="2 ms")
    model = net.discretize(cx.PerBranch(1))
    assert "p->b.expsyn.threshold" not in model.params  # the point neurons have their own
    assert float(model.params["p->b.expsyn.delay"]) == 1.0 and model.units["p->b.expsyn.delay"] == "ms"
    assert float(model.params["s->b.expsyn.delay"]) == 2.0
    assert "s->b.expsyn.threshold" not in model.params
    net = cells().connect("b", "p", ExpSyn(), threshold=-33.0)
    assert float(net.discretize(cx.PerBranch(1)).params["b->p.expsyn.threshold"]) == -33.0


def recorded(model: cx.Model, at: Any) -> Any:
    return lambda: cx.simulate(model, 1.0, DT, [TRAIN], {"x": at})


def test_spike_sources_have_no_membrane():
    model = cells().connect("s", "b", ExpSyn()).discretize(cx.PerBranch(1))
    for at in ("s", ("s", cx.center("soma"))):
        raises(recorded(model, at), "spike sources", kind=ProtocolError)
    raises(recorded(model, "s.soma"), "'soma'", "'s'", kind=UnknownNameError)
    raises(
        lambda: cx.simulate(model, 1.0, DT, [cx.IClamp("s", 0.0, 1.0, 1.0)]),
        "spike sources",
        kind=ProtocolError,
    )
    graded = cells().connect("s", "b", Graded())
    raises(lambda: graded.discretize(cx.PerBranch(1)), "spike sources", "ExpSyn", kind=ParameterError)
    for synapse in (ExpSyn(), Graded(), GapJunction()):
        raises(lambda s=synapse: cells().connect("b", "s", s), "spike sources", kind=ParameterError)
    only = cx.Network().add("s", cx.SpikeSource(), 2)
    raises(lambda: only.discretize(cx.PerBranch(1)), "population of cells", kind=ParameterError)
    raises(lambda: only.add("t", cx.SpikeSource(), 0), "'t'", kind=ParameterError)
    assert set(cx.simulate(model, 1.0, DT).records) == {"b", "p"}


def test_recordings_of_a_projection():
    net = cells().connect("s", "b", ShortTerm()).connect("s", "p", ExpSyn(), plasticity=STDP())
    model = net.discretize(cx.PerBranch(1))
    for name in ("g", "x", "u"):
        assert recorded(model, f"s->b.shortterm.{name}")()["x"].shape == (11, 3)
    raises(recorded(model, "s->b.shortterm.w"), "'w'", "x", kind=UnknownNameError)
    raises(recorded(model, "s->b.shorterm.g"), "s->b.shortterm", kind=UnknownNameError)
    assert recorded(model, "s->p.expsyn.w")()["x"].size == 11 * 6
    raises(recorded(model, "s->p.expsyn.z"), "'z'", kind=UnknownNameError)


def bad(**options: Any) -> Any:
    """Connect and build with these options; `synapse`, `pre` and `post` may be among them."""
    pre, post = options.pop("pre", "s"), options.pop("post", "b")
    synapse = options.pop("synapse", ExpSyn())
    return lambda: cells().connect(pre, post, synapse, **options).discretize(cx.MaxLength(100.0))


WRONG: dict[str, tuple[Any, tuple[str, ...]]] = {
    "region of the target": (bad(at="tuft"), ("'tuft'", "b")),
    "region that is empty": (bad(at="axon"), ("axon",)),
    "region of the source": (bad(pre="b", source="tuft"), ("'tuft'",)),
    "population": (bad(post="bb"), ("'bb'", "b")),
    "delay for graded": (bad(pre="b", synapse=Graded(), delay=1.0), ("delay", "Graded")),
    "threshold for graded": (bad(pre="b", synapse=Graded(), threshold=0.0), ("threshold", "Graded")),
    "surrogate for graded": (bad(pre="b", synapse=Graded(), surrogate=FastSigmoid()), ("surrogate",)),
    "plasticity for graded": (bad(pre="b", synapse=Graded(), plasticity=STDP()), ("plasticity",)),
    "room for graded": (bad(pre="b", synapse=Graded(), in_flight=3), ("in_flight",)),
    "surrogate class": (bad(surrogate=FastSigmoid), ("surrogate", "FastSigmoid()")),
    "plasticity text": (bad(plasticity="stdp"), ("plasticity", "STDP()")),
    "no room": (bad(in_flight=0), ("in_flight",)),
    "half a room": (bad(in_flight=1.5), ("in_flight",)),
    "negative delay": (bad(delay=-1.0), ("delay",)),
    "NaN delay": (bad(delay=np.nan), ("delay",)),
    "delay by branch": (bad(delay=cx.each("branch", 1.0)), ("delay", "edge")),
    "delay along": (bad(delay=cx.along(cx.path_distance(), lambda x: x)), ("delay",)),
    "delays of another shape": (bad(delay=cx.each("edge", [1.0, 2.0, 3.0, 4.0])), ("delay", "(3, 2)")),
    "words for a delay": (bad(delay="soon"), ("delay",)),
    "another unit": (bad(delay="1 mV"), ("delay",)),
    "NaN threshold": (bad(pre="b", threshold=np.nan), ("threshold",)),
    "negative weight": (bad(weight=-1e-3), ("weight", "negative")),
    "weights of another shape": (bad(weight=np.ones((2, 2))), ("weight", "(3, 2)")),
    "kinetics of another shape": (bad(synapse=ExpSyn(tau=cx.each("edge", [1.0, 2.0]))), ("tau",)),
    "time constant of 0": (lambda: ExpSyn(tau=0.0), ("tau",)),
    "a class": (bad(synapse=ExpSyn), ("synapse",)),
    "rule": (bad(rule="all"), ("rule",)),
    "cells outside": (bad(rule=cx.edges([[3, 0]])), ("edges",)),
    "sites outside": (bad(rule=cx.edges([[0, 0, 1]])), ("site 1", "1 on every cell")),
    "unequal one to one": (bad(rule=cx.one_to_one()), ("one_to_one",)),
}


@pytest.mark.parametrize("what", WRONG)
def test_mistakes_are_named_in_one_line(what):
    call, parts = WRONG[what]
    raises(call, *parts, kind=CajaxError)


def busy() -> cx.Model:
    """Events, ions, plasticity, surrogates, point neurons and junctions in one network."""
    tree = cx.Cell(cx.ball_and_stick(), v0=-65.0, temperature=30.0).paint("all", leak=Leak(), ca=Pool())
    point = cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0, temperature=30.0).paint("all", lif=LIF())
    net = cx.Network().add("s", cx.SpikeSource(), 3).add("b", tree, 2).add("p", point, 2)
    net = net.connect("s", "b", NMDA(), at="apical", weight=weights(), delay=cx.each("edge", 1.2))
    net = net.connect(
        "s", "p", ExpSyn(), weight=0.05, plasticity=STDP(a_plus=0.1), surrogate=FastSigmoid(3.0)
    )
    net = net.connect("p", "b", Exp2Syn(), weight=1e-3, plasticity=RewardSTDP(), in_flight=5)
    return net.connect("b", "b", GapJunction(), cx.edges([[0, 1]]), weight=1e-3).discretize(
        cx.MaxLength(100.0)
    )


def test_a_network_comes_back_from_disk_and_from_pickle(tmp_path):
    model = busy()
    record = {"b": "b", "p": "p", "w": "s->p.expsyn.w", "c": "b.soma.ca.cai"}
    inputs = [TRAIN, cx.Reward("p->b.exp2syn", [1.0], 1.0)]
    go = lambda m: cx.simulate(m, 6.0, DT, inputs, record)  # noqa: E731
    before = go(model)
    for back in (cx.load(cx.save(tmp_path / "net", model)), pickle.loads(pickle.dumps(model))):
        assert set(back.params) == set(model.params) and back.units == model.units
        after = go(back)
        for name, x in before.records.items():
            np.testing.assert_array_equal(after[name], x)
    assert float(before["p"].max()) > -55.0 and float(jnp.abs(before["w"][-1] - before["w"][0]).max()) > 0
    state = jax.tree.map(jnp.asarray, pickle.loads(pickle.dumps(before.state)))
    a, b = (cx.simulate(model, 1.0, DT, inputs, record, state=s)["b"] for s in (before.state, state))
    np.testing.assert_array_equal(a, b)
    assert "cells" in repr(model)


def test_equal_recipes_share_a_structure():
    assert busy().structure == busy().structure and hash(busy().structure) == hash(busy().structure)
    other = cells().connect("s", "b", ExpSyn(), surrogate=FastSigmoid(2.0)).discretize(cx.PerBranch(1))
    assert other.structure != cells().connect("s", "b", ExpSyn()).discretize(cx.PerBranch(1)).structure


@pytest.mark.parametrize("synapse", [Graded(e=0.0), ExpSyn(), NMDA()])
def test_within_a_population_the_diagonal_of_the_weights_is_not_used(synapse):
    """The same as the edges off the diagonal; weights and recordings by edge keep the shape [pre, post]."""
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak())
    net = (
        cx.Network()
        .add("s", cx.SpikeSource(), 3)
        .add("a", cell, 3)
        .connect("s", "a", ExpSyn(), cx.one_to_one())
    )
    w = 1e-3 * (1.0 + np.arange(9.0).reshape(3, 3))
    pairs = np.argwhere(~np.eye(3, dtype=bool))
    options = {"at": "apical", "name": "own"}
    runs = []
    for rule, weight in ((None, w), (cx.edges(pairs), w[tuple(pairs.T)]), (cx.all_to_all(autapses=True), w)):
        model = net.connect("a", "a", synapse, rule, weight=weight, **options).discretize(cx.PerBranch(1))
        inputs = [cx.IClamp("a", 0.0, 9.0, np.array([9.0, 7.0, 5.0]))]
        runs.append((model, cx.simulate(model, 9.0, 0.1, inputs, {"v": ("a", cx.every_cv())})["v"]))
    (model, v), (_, by_edges), (_, with_autapses) = runs
    assert model.params["a->a.own.weight"].shape == (3, 3)
    np.testing.assert_allclose(v, by_edges, atol=1e-9)
    assert np.abs(v - with_autapses).max() > 1e-3


def test_plastic_weights_within_a_population_have_zeros_on_the_diagonal():
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    net = cx.Network().add("a", cell, 3).connect("a", "a", ExpSyn(), weight=1e-3, plasticity=STDP())
    sol = cx.simulate(net.discretize(cx.PerBranch(1)), 0.1, record={"w": "a->a.expsyn.w"})
    np.testing.assert_allclose(sol["w"][-1], 1e-3 * (1.0 - np.eye(3)))


def test_one_cell_has_nobody_to_connect_to():
    net = (
        cx.Network()
        .add("a", cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak()))
        .connect("a", "a", Graded())
    )
    raises(lambda: net.discretize(cx.PerBranch(1)), "joins nobody", "autapses=True", kind=ParameterError)
