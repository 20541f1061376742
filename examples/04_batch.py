"""An f–I curve: one `vmap` runs every amplitude at once."""

import jax
import jax.numpy as jnp

import cajax as cx
from cajax.mech import Kd, Km, Leak, Na

cell = cx.Cell(cx.cylinder(length=60.0, radius=30.0)).paint(
    "all", na=Na(), kd=Kd(), km=Km(), leak=Leak()
)  # a regular-spiking cell after Pospischil et al. 2008
model = cell.discretize(cx.PerBranch(1))


def trace(amp):
    clamp = cx.IClamp("soma", delay=50.0, dur=400.0, amp=amp)  # ms, nA
    return cx.simulate(model, t1=450.0, dt=0.05, inputs=[clamp])["v"]


amps = jnp.linspace(0.0, 1.5, 16)  # nA
v = jax.vmap(trace)(amps)  # mV [amplitude, time]

above = v > 0.0
spikes = jnp.sum(above[:, 1:] & ~above[:, :-1], axis=1)
rates = spikes / 0.4  # Hz
for amp, rate in zip(amps.tolist(), rates.tolist(), strict=True):
    print(f"{amp:5.2f} nA {rate:6.1f} Hz {'#' * round(rate / 5)}")
