"""A channel of one's own, the h-current, and what it does: the voltage sags back during a hyperpolarising step."""

import jax.numpy as jnp

import cajax as cx
from cajax.mech import Q10, Channel, Gate, Leak, Param, param


class Ih(Channel):
    """Hyperpolarisation-activated cation current (Huguenard & McCormick 1992, J Neurophysiol 68:1373)."""

    g: Param = param(2e-5, "S/cm2")
    e: Param = param(-43.0, "mV")
    q10 = Q10(3.0, at=35.5)

    def gates(self, v):
        inf = 1.0 / (1.0 + jnp.exp((v + 75.0) / 5.5))
        tau = 1.0 / (jnp.exp(-14.59 - 0.086 * v) + jnp.exp(-1.87 + 0.0701 * v))  # ms
        return {"m": Gate.relax(inf, tau)}

    def current(self, v, m):
        return self.g * m * (v - self.e)  # mA/cm², outward positive


Ih().check()  # do gates and current fit together?

passive = cx.Cell(cx.cylinder(length=30.0, radius=15.0), temperature=35.5).paint("all", leak=Leak(g=5e-5))
step = cx.IClamp("soma", delay=500.0, dur=1500.0, amp=-0.03)  # ms, ms, nA

for name, cell in {"leak alone": passive, "with Ih": passive.paint("all", ih=Ih(g="0.03 mS/cm2"))}.items():
    model = cell.discretize(cx.PerBranch(1))
    record = {"v": "soma"} | ({"m": "soma.ih.m"} if name == "with Ih" else {})
    sol = cx.simulate(model, t1=2000.0, dt=0.5, inputs=[step], record=record)
    v = sol["v"][1000:]  # mV, during the step
    print(f"{name}: {v[0]:.1f} mV before the step, {v.min():.1f} at its deepest, {v[-1]:.1f} mV at its end")
    if "m" in record:
        print(f"the gate opens from {sol['m'][1000]:.2f} to {sol['m'][-1]:.2f}")
