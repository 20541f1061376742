"""A run is continued from its state, bit for bit; and a gradient through time is taken within a budget of memory."""

import jax
import jax.numpy as jnp
import numpy as np

import cajax as cx
from cajax.mech import HH, Leak

cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(g=1e-4, e=-65.0)).paint("soma", hh=HH())
model = cell.discretize(cx.MaxLength(20.0))
clamp = cx.IClamp("soma", delay=2.0, dur=20.0, amp=0.3)  # ms since the start of the first run, nA

whole = cx.simulate(model, t1=20.0, inputs=[clamp])
first = cx.simulate(model, t1=12.0, inputs=[clamp])
second = cx.simulate(model, t1=8.0, inputs=[clamp], state=first.state, continued=True)
print(f"the second run goes from {second.ts[0]:g} to {second.ts[-1]:g} ms")
# The last entry of the first run is the first entry of the second one.
halves = np.concatenate([first["v"], second["v"][1:]])
print(f"equal to the unbroken run, bit for bit: {np.array_equal(whole['v'], halves)}")


def mean_voltage(model, adjoint=cx.Checkpointed()):
    return jnp.mean(cx.simulate(model, t1=20.0, inputs=[clamp], adjoint=adjoint)["v"])


# The 800 states of this run take 70 kB in single precision; within 50 kB most of them are computed twice.
gradient = jax.grad(mean_voltage)(model, adjoint=cx.Checkpointed(memory=50_000))

for path in ("soma.hh.gna", "soma.hh.gk", "all.leak.g"):
    h = 0.01 * model.params[path]
    up, down = (model.replace({path: model.params[path] + sign * h}) for sign in (1, -1))
    difference = (mean_voltage(up) - mean_voltage(down)) / (2 * h)
    print(f"d mean(v) / d {path} = {gradient.params[path]:.5g}, by differences {difference:.5g} mV cm²/S")
