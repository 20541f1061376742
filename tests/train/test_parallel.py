import os
import subprocess
import sys

import jax
import pytest

from cajax.train import split_mean

TWO_DEVICES = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
import optax
from cajax import train
from cajax._errors import ParameterError
from small_model import SmallModel

assert len(jax.devices()) == 2
traced = []

def fn(params, batch):
    traced.append(1)
    start = jnp.zeros(batch["x"].shape)  # a loop from a constant, as in a simulation
    y, _ = jax.lax.scan(lambda y, _: (jnp.sin(y + params * batch["x"]), None), start, None, length=3)
    return jnp.mean((y - batch["y"]) ** 2), {"mean": jnp.mean(y), "means": jnp.mean(y * jnp.ones((2, 1)), 1)}

batch = {k: np.random.default_rng(i).normal(size=8) for i, k in enumerate("xy")}
split = train.split_mean(fn)
close = lambda a, b: jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), a, b)
whole = jax.jit(jax.value_and_grad(fn, argnums=(0, 1), has_aux=True))(0.7, batch)
close(jax.jit(jax.value_and_grad(split, argnums=(0, 1), has_aux=True))(0.7, batch), whole)
close(jax.jit(lambda a: jax.jvp(lambda a: split(a, batch), (a,), (jnp.ones_like(a),)))(0.7)[1][0], whole[1][0])

for wrong, cure in [
    ({"x": batch["x"][:5], "y": batch["y"][:5]}, "batch of 5 cannot be shared out equally over 2 devices; take 4 or 6"),
    ({"x": batch["x"], "y": batch["y"][:4]}, "share one leading axis (found 4, 8)"),
    ({"x": batch["x"], "y": 1.0}, "what every device needs whole goes into params"),
]:
    try:
        split(0.7, wrong)
        raise SystemExit("no error")
    except ParameterError as error:
        assert cure in str(error), error

def trained(wrap):
    loss = wrap(lambda model, batch: fn(model.params["soma.na.g"], batch)[0])
    traced.clear()
    free = train.Free({"soma.na.g": train.unbounded()})
    model, history = train.fit(loss, SmallModel.new(), free, optax.adam(0.1), 5, batches=lambda _: batch)
    return model, history, len(traced)

one, past, count = trained(lambda f: f)
two, past2, count2 = trained(train.split_mean)
assert count == count2 == 1, (count, count2)
close(past.losses, past2.losses)
close(one.params, two.params)
assert len(two.params["soma.na.g"].devices()) == 1
print("fine")
"""


def test_two_devices_give_the_mean_and_derivatives_of_one():
    paths = [p for p in sys.path if p]
    child = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.stdout == "fine\n", child.stderr[-2000:]


@pytest.mark.skipif(jax.local_device_count() > 1, reason="one device is meant")
def test_one_device_changes_nothing():
    def fn(params, batch):
        return params * batch.mean()

    assert split_mean(fn) is fn
