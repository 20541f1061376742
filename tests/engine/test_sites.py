import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.engine import Sites


@pytest.mark.parametrize("index", [[0, 1, 2, 3], [1, 2], [0, 2, 3], [3, 1]])
def test_sites_are_read_and_added_to(index):
    sites, x = Sites(np.array(index), 4), jnp.arange(4.0)
    value = jnp.arange(1.0, 1.0 + len(index))
    dense = np.zeros(4)
    dense[index] = value
    assert sites.take(x).tolist() == [float(i) for i in index]
    assert sites.add(x, value).tolist() == (np.arange(4.0) + dense).tolist()
    text = str(jax.make_jaxpr(sites.take)(x))
    assert ("cajax_take" in text) == (index != [0, 1, 2, 3])  # nothing is moved where all are meant


def test_a_site_that_occurs_twice_is_added_to_twice():
    assert Sites(np.array([1, 1]), 3).add(jnp.zeros(3), jnp.ones(2)).tolist() == [0.0, 2.0, 0.0]
