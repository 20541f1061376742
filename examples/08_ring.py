"""A ring of eight cells: one kick, and a spike goes round, held up at every axon by its delay."""

import numpy as np

import cajax as cx
from cajax.mech import HH, ExpSyn, Leak

N = 8
cell = (
    cx.Cell(cx.ball_and_stick(soma_radius=10.0, length=100.0))  # µm
    .paint("all", leak=Leak(g=1e-4, e=-65.0))  # S/cm², mV
    .paint("soma", hh=HH())
)
delays = np.linspace(2.0, 5.5, N)  # ms: every axon is longer than the one before
net = (
    cx.Network()
    .add("cells", cell, N)
    .add("kick", cx.SpikeSource())
    .connect(
        "cells", "cells", ExpSyn(tau=2.0, e=0.0), at="apical", weight=0.02,  # µS
        rule=cx.edges([[i, (i + 1) % N] for i in range(N)]), delay=cx.each("edge", delays),
    )
    .connect("kick", "cells", ExpSyn(tau=2.0, e=0.0), rule=cx.edges([[0, 0]]), weight=0.02, name="start")
)  # fmt: skip
model = net.discretize(cx.MaxLength(50.0))
print(model)

t1, dt = 80.0, 0.025  # ms
sol = cx.simulate(model, t1, dt, inputs=[cx.Spikes("kick", [1.0])], record={"v": "cells"})
v = np.asarray(sol["v"])  # mV [time, cell]
fired = (v[1:] > 0.0) & (v[:-1] <= 0.0)

for i in range(N):
    times = np.asarray(sol.ts)[1:][fired[:, i]]
    raster = "".join("|" if np.any((times >= t) & (times < t + 1.0)) else "·" for t in range(int(t1)))
    print(f"cell {i} {raster} {', '.join(f'{t:.1f}' for t in times)} ms")
first = np.asarray(sol.ts)[1:][fired[:, 0]]
print(f"a round takes {first[1] - first[0]:.2f} ms, of which the axons take {delays.sum():.2f} ms")
