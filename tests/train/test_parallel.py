import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from cajax.base.errors import ParameterError
from cajax.train import split_mean

TWO_DEVICES = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp
import numpy as np
import optax
from cajax import train
from cajax.base.errors import ParameterError
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

import numpy as np
from cajax.train import split_rows
rows = lambda scale, batch: {"sum": scale * batch["x"].sum(axis=1), "x": batch["x"]}
there = {"x": jnp.arange(12.0).reshape(4, 3)}
for devices in (jax.devices()[:1], jax.devices()):
    found = jax.jit(split_rows(rows, devices))(2.0, there)
    np.testing.assert_array_equal(found["sum"], 2.0 * there["x"].sum(axis=1))
    np.testing.assert_array_equal(found["x"], there["x"])
print("fine")
"""


SAME_BITS = """
import hashlib
import jax
jax.config.update("jax_num_cpu_devices", 2)
import jax.numpy as jnp
import numpy as np
import cajax as cx
from cajax.mech import HH
from cajax.train import split_mean

cell = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH(gna=cx.each("cv", 0.12)))
model = cell.discretize(cx.PerBranch(3))

def mean(params, amps):
    def one(amp):
        clamp = cx.IClamp("soma", 0.5, 4.0, amp)
        return cx.simulate(model.replace(params), 5.0, 0.05, [clamp], adjoint=ADJOINT)["v"]
    return jnp.mean((jax.vmap(one)(amps) + 60.0) ** 2)

amps = jnp.linspace(0.1, 0.4, 64)
for adjoint in (cx.Checkpointed(), cx.Checkpointed(1e4)):
    ADJOINT = adjoint
    for devices in (jax.devices()[:1], jax.devices()):
        value, slope = jax.jit(jax.value_and_grad(split_mean(mean, devices, 4)))(model.params, amps)
        text = b"".join(np.asarray(slope[k]).tobytes() for k in sorted(slope)) + np.asarray(value).tobytes()
        print(hashlib.sha256(text).hexdigest())
"""


def run(program: str, **environment: str) -> str:
    paths = [p for p in sys.path if p]
    child = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return child.stdout


def test_two_devices_give_the_mean_and_derivatives_of_one():
    assert run(TWO_DEVICES) == "fine\n"


def test_bits_do_not_depend_on_the_number_of_devices():
    """Where the compiler does not contract a·b + c, which it does differently in every program."""
    one, two, nested_one, nested_two = run(SAME_BITS, XLA_FLAGS="--xla_cpu_max_isa=AVX").split()
    assert one == two and nested_one == nested_two


def test_shares():
    def fn(params, batch):
        return params * jnp.mean(batch)

    one, batch = jax.devices()[:1], jnp.arange(64.0)
    for shares in (None, 1, 8):
        assert float(split_mean(fn, one, shares)(2.0, batch)) == 63.0
    for wrong in (3, 0, 2.0, 128):
        with pytest.raises(ParameterError, match="shares"):
            split_mean(fn, one, wrong)(2.0, batch)
