"""Two spikes leave at different times; the delays of their axons are trained until they arrive together."""

import numpy as np
import optax

import cajax as cx
from cajax.mech import ExpSyn, Leak

leaves = np.array([2.0, 7.0])  # ms
cell = cx.Cell(cx.ball_and_stick(), v0=-65.0).paint("all", leak=Leak(g=1e-4, e=-65.0))  # S/cm², mV
net = (
    cx.Network()
    .add("input", cx.SpikeSource(), 2)
    .add("cell", cell)
    .connect(
        "input", "cell", ExpSyn(tau=2.0), at="apical", weight=1e-3, delay=[[4.0], [4.0]]
    )  # µS, ms [pre, post]
)
model = net.discretize(cx.MaxLength(100.0))
path = "input->cell.expsyn.delay"
spikes = cx.Spikes("input", leaves[:, None])  # one row per source


def peak(model):
    return cx.simulate(model, t1=25.0, dt=0.1, inputs=[spikes], record={"v": "cell"})["v"].max()  # mV


def loss(model):
    return -peak(model)  # the soma rises highest when both arrive at once


free = cx.Free({path: cx.bounded(0.5, 10.0)})  # ms
fitted, history = cx.fit(loss, model, free, optax.adam(0.1), steps=80, progress=False)

arrives = {}
for name, which in {"before": model, "after": fitted}.items():
    arrives[name] = leaves + np.asarray(which.params[path])[:, 0]
    print(
        f"{name}: delays {np.asarray(which.params[path])[:, 0].round(2)} ms, arrivals {arrives[name].round(2)} ms,"
        f" the soma rises to {peak(which):.3f} mV"
    )
