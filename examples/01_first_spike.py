"""A ball and stick fires one spike; the picture goes to the path given, or to a temporary folder."""

import sys
import tempfile
from pathlib import Path

import numpy as np

import cajax as cx
from cajax import plot
from cajax.mech import HH, Leak

path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "first_spike.png")

cell = (
    cx.Cell(cx.ball_and_stick(soma_radius=10.0, length=300.0))  # µm
    .paint("all", leak=Leak(g=1e-4, e=-65.0))  # S/cm², mV
    .paint("soma", hh=HH())
)
model = cell.discretize(cx.MaxLength(20.0))  # control volumes of at most 20 µm
print(model)

clamp = cx.IClamp("soma", delay=2.0, dur=1.0, amp=1.0)  # ms, ms, nA
sol = cx.simulate(model, t1=15.0, dt=0.025, inputs=[clamp], record={"soma": "soma", "tip": cx.at(1, 1.0)})

v = np.asarray(sol["soma"])  # mV, one value each 0.025 ms
peak = int(v.argmax())
print(f"the soma rests at {v[0]:.1f} mV and peaks at {v[peak]:.1f} mV, {sol.ts[peak]:.2f} ms after the start")

figure, ax = plot.subplots()
traces = np.stack([v, np.asarray(sol["tip"])], axis=1)  # [time, site]
plot.traces(ax, np.asarray(sol.ts), traces, labels=["soma", "tip of the dendrite"])
plot.save(figure, path)
print(f"wrote {path}")
