import jax.numpy as jnp
import numpy as np

from cajax.mech import Timer


def test_it_counts_down_to_zero_at_every_temperature():
    timer = Timer(jnp.zeros(3))
    np.testing.assert_array_equal(timer.rest("left")["left"], np.zeros(3))
    left = timer.scaled(3.0).advance("left", {"left": jnp.array([2.0, 0.05, 0.0])}, 0.1, 2)["left"]
    np.testing.assert_allclose(left, [1.9, 0.0, 0.0], rtol=1e-15)
