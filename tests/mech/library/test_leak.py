"""The leak is Ohm's law."""

import jax.numpy as jnp

from cajax.mech import Leak


def test_leak_is_ohmic_and_has_no_gates():
    leak = Leak(g="0.1 mS/cm2", e=-65.0)
    assert leak.gates(jnp.zeros(2)) == {}
    assert jnp.allclose(leak.current(jnp.array([-75.0, -65.0, 35.0])), jnp.array([-1e-3, 0.0, 1e-2]))
    assert Leak().params() == {"g": 1e-4, "e": -70.0}
