"""Pump and exchanger: direction, stoichiometry, equilibrium, and what they do to a cell."""

import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Diffusive, Fixed, Leak, Pump, nernst
from cajax.mech.library.transporters import NCX, NaKPump

REST = {"nai": 10.0, "nao": 145.0, "cai": 1e-4, "cao": 2.0, "celsius": 37.0}


def test_the_pump_moves_three_sodium_for_two_potassium():
    i = NaKPump().current(jnp.array([-90.0, 0.0]), nai=10.0, nao=145.0, ko=4.0, celsius=37.0)
    np.testing.assert_allclose(i["na"], -1.5 * i["k"], rtol=1e-14)
    assert (i["na"] > 0).all() and i["na"][1] > i["na"][0]
    much = NaKPump().current(jnp.array([0.0]), nai=1e4, nao=0.0, ko=1e4, celsius=37.0)
    assert float(much["na"][0] + much["k"][0]) == pytest.approx(1.5e-3 / 1.1245, rel=1e-3)


def test_the_exchanger_stands_still_at_its_own_potential():
    """Three sodium for one calcium reverse at 3 e_na − 2 e_ca."""
    ena = nernst(REST["nai"], REST["nao"], 1, 37.0)
    eca = nernst(REST["cai"], REST["cao"], 2, 37.0)
    v = jnp.array([3 * ena - 2 * eca])
    assert abs(float(NCX().current(v, **REST)["na"][0])) < 1e-15
    above, below = NCX().current(v + 5.0, **REST), NCX().current(v - 5.0, **REST)
    assert float(above["ca"][0]) < 0 < float(below["ca"][0])
    np.testing.assert_allclose(above["na"], -1.5 * above["ca"], rtol=1e-14)


def test_a_cell_empties_its_sodium():
    cell = cx.Cell(cx.cylinder(20.0, 2.0), temperature=37.0).paint(
        "all",
        leak=Leak(),
        na=Diffusive(ci=30.0, tau=1e9),
        k=Fixed(140.0, 4.0),
        ca=Pump(),
        pump=NaKPump(),
        ncx=NCX(0.05),
    )
    model = cell.discretize(cx.PerBranch(2))
    sol = cx.simulate(model, 200.0, 0.1, record={"na": "soma.na.nai", "ca": "soma.ca.cai", "v": "soma"})
    assert float(sol["na"][-1]) < 30.0 - 0.01
    assert np.isfinite(sol["ca"]).all() and float(sol["ca"].min()) > 0
