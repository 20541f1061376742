"""Two populations joined by graded synapses: pacemakers driven by current, followers that hear only them."""

import numpy as np

import cajax as cx
from cajax.mech import HH, Graded, Leak

point = cx.Cell(cx.cylinder(length=20.0, radius=10.0)).paint("soma", hh=HH())
follower = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(g=1e-4, e=-65.0)).paint("soma", hh=HH())

net = (
    cx.Network()
    .add("drivers", point, 4)
    .add("followers", follower, 2)
    .connect("drivers", "followers", Graded(e=0.0, k=1.0), at="apical", weight=2e-3)  # µS, all to all
    .connect("followers", "drivers", Graded(e=-80.0, k=0.1), rule=cx.edges([[0, 0], [1, 1]]), weight=0.01)
)
model = net.discretize(cx.MaxLength(50.0))
print(model)

amps = np.array([0.2, 0.2, 0.3, 0.4])  # nA, one per cell of the population
sol = cx.simulate(
    model,
    t1=50.0,
    inputs=[cx.IClamp("drivers", delay=1.0, dur=50.0, amp=amps)],
    record={
        "drivers": "drivers",  # the soma of every cell: [time, cell]
        "followers": "followers",
        "dendrite": "followers.apical",
        "signal": "drivers->followers.graded.s",  # transmitter per presynaptic cell
    },
)

for name in ("drivers", "followers"):
    above = np.asarray(sol[name]) > 0.0
    print(f"{name}: spikes per cell {(above[1:] & ~above[:-1]).sum(axis=0).tolist()}")
print(f"the dendrites of the followers rise to {float(sol['dendrite'].max()):.1f} mV")
print(f"the transmitter signal rises to {float(sol['signal'].max()):.2f} of 1")
