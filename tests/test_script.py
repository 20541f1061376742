"""The user's script: what a newcomer writes first must work as a whole, word for word."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import cajax as cx
from cajax.mech import Kd, Leak, Na


def test_the_script_of_a_newcomer():
    cell = (
        cx.Cell(cx.pyramidal(seed=1, tips=8, stems=2), cm=1.0, ra=100.0)
        .label(tuft=cx.tag("apical") & (cx.path_distance() > 200.0))
        .paint("all", leak=Leak(g=1e-4, e=-70.0))
        .paint("soma", na=Na(g=0.08), kd=Kd(g=0.01))
        .paint("apical", na=Na(g=0.02), cm=2.0)
        .paint("tuft", na=Na(g=0.005))  # same name: the last paint wins
    )
    model = cell.discretize(cx.DLambda(0.1))

    def trace(model, amp):
        clamp = cx.IClamp("soma", delay=0.5, dur=6.0, amp=amp)
        return cx.simulate(model, t1=5.0, dt=0.025, inputs=[clamp], record={"v": "soma"})["v"]

    amps = jnp.array([0.5, 1.0])
    target = cx.features(jax.vmap(trace, (None, 0))(model, amps))

    def loss(model):
        v = jax.vmap(trace, (None, 0))(model, amps)
        return jnp.mean((cx.features(v) - target) ** 2)

    free = cx.Free({"*.na.g": cx.positive(), "soma.kd.g": cx.bounded(1e-3, 0.1)})
    start = model.replace({"soma.na.g": 0.06, "tuft.na.g": 0.01})
    fitted, history = cx.fit(loss, start, free, optax.adam(5e-2), steps=15)
    assert set(free.init(model)) == {"soma.na.g", "apical.na.g", "tuft.na.g", "soma.kd.g"}
    assert history.losses[-1] < 0.7 * history.losses[0]
    assert "soma.kd.g" in str(free.table(fitted))
    grads = jax.jit(jax.grad(loss))(start)  # a plain transform on a plain model: every leaf has a gradient
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
