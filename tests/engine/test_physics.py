import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.engine import bind
from cajax.mech import Graded, Kd, Leak

from ..helpers import active, joined, pair


def test_physical_units():
    """A cylinder of 1000 µm² at 1 µF/cm² is 10 pF; two halves of 50 µm, 1 µm and 100 Ω·cm are 15.9 MΩ apart."""
    model = cx.Cell(cx.cylinder(100.0, 1.0)).paint("all", leak=Leak(g=1e-3)).discretize(cx.PerBranch(2))
    physics = bind(model)
    area = 2 * np.pi * 50.0
    np.testing.assert_allclose(physics.capacitance, area * 1e-5, rtol=1e-12)
    megaohm = 1e-2 * 100.0 * 50.0 / np.pi
    assert float(physics.axial[1]) == pytest.approx(1.0 / megaohm, rel=1e-12)
    np.testing.assert_allclose(physics.membranes.channels[0].scale, area * 1e-2, rtol=1e-12)


def test_shared_values_stay_scalars():
    kd, leak = bind(active()).membranes.channels
    assert jnp.shape(leak.channel.g) == () and isinstance(kd.channel, Kd)
    assert kd.q10 == 1.0 and kd.sites.index.tolist() == [0, 1]


def test_temperature_scales_rates():
    warm = (
        cx.Cell(cx.cylinder(20.0, 10.0), temperature=26.0).paint("all", kd=Kd()).discretize(cx.PerBranch(1))
    )
    assert float(bind(warm).membranes.channels[0].q10) == pytest.approx(1 / 3)


def test_dense_and_sparse_conductances():
    s = jnp.array([0.2, 0.7])
    weight = np.arange(6.0).reshape(2, 3)
    net = pair().connect("a", "b", Graded(), weight=weight).discretize(cx.PerBranch(1))
    dense = bind(net).part("a->b.graded")
    pairs = np.argwhere(np.ones((2, 3)))[::-1]
    rule = cx.edges(pairs)
    sparse = (
        pair()
        .connect("a", "b", Graded(), rule=rule, weight=weight[tuple(pairs.T)])
        .discretize(cx.PerBranch(1))
    )
    np.testing.assert_allclose(dense.conductance(s), s @ weight, rtol=1e-14)
    np.testing.assert_allclose(bind(sparse).part("a->b.graded").conductance(s), s @ weight, rtol=1e-14)
    assert bind(joined()).part("a->b.graded").weight.shape == (2, 3)
