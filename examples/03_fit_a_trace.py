"""Two conductances of a pyramidal cell are hidden, and found again from what the soma does under two currents."""

import jax
import jax.numpy as jnp
import optax

import cajax as cx
from cajax.mech import Kd, Leak, Na

cell = (
    cx.Cell(cx.pyramidal(seed=1, tips=8, stems=2), cm=1.0, ra=100.0)  # µF/cm², Ω·cm
    .label(tuft=cx.tag("apical") & (cx.path_distance() > 200.0))  # µm
    .paint("all", leak=Leak(g=1e-4, e=-70.0))  # S/cm², mV
    .paint("soma", na=Na(g=0.08), kd=Kd(g=0.01))
    .paint("apical", na=Na(g=0.02), cm=2.0)
    .paint("tuft", na=Na(g=0.005))  # same name: the last paint wins
)
true = cell.discretize(cx.MaxLength(100.0))


def trace(model, amp):
    clamp = cx.IClamp("soma", delay=1.0, dur=7.0, amp=amp)  # ms, ms, nA
    return cx.simulate(model, t1=8.0, dt=0.05, inputs=[clamp], record={"v": "soma"})["v"]


traces = jax.vmap(trace, (None, 0))
amps = jnp.array([0.5, 1.0])  # nA
target = cx.features(traces(true, amps))  # mean and deviation of the voltage in 10 windows


def loss(model):
    return jnp.mean((cx.features(traces(model, amps)) - target) ** 2)


free = cx.Free({"soma.na.g": cx.positive(), "soma.kd.g": cx.bounded(1e-3, 0.1)})
start = true.replace({"soma.na.g": 0.05, "soma.kd.g": 0.02})  # a wrong guess
fitted, history = cx.fit(loss, start, free, optax.adam(5e-2), steps=80)

print(free.table(fitted, start))
print(f"loss {history.losses[0]:.3g} → {history.losses[-1]:.3g} mV²")
for path in ("soma.na.g", "soma.kd.g"):
    print(f"{path}: true {true.params[path]:.4f}, found {fitted.params[path]:.4f} {true.units[path]}")
