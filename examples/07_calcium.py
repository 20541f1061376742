"""Calcium that spikes let in opens SK channels, and the firing slows down: adaptation, with and without SK."""

import numpy as np

import cajax as cx
from cajax.mech import Leak, Pool, Reversal
from cajax.mech.library.hay2011 import SK, CaHVA, Kv31, NaTs2

cell = (
    cx.Cell(cx.cylinder(length=20.0, radius=10.0), v0=-70.0, temperature=34.0)  # µm, mV, °C
    .paint("all", na=Reversal(50.0), k=Reversal(-85.0))  # mV
    .paint("all", ca=Pool(gamma=0.05, depth=0.1, tau=80.0))  # share that stays free, µm, ms
    .paint("all", leak=Leak(g=1e-4, e=-70.0), nat=NaTs2(g=0.5), kv=Kv31(g=0.3), cahva=CaHVA(g=5e-5))
    .paint("all", sk=SK(g=5e-4))  # S/cm²; reads the calcium of the pool
)
with_sk = cell.discretize(cx.PerBranch(1))
clamp = cx.IClamp("soma", delay=20.0, dur=180.0, amp=0.3)  # ms, ms, nA

intervals = {}
for name, model in {"without SK": with_sk.replace({"all.sk.g": 0.0}), "with SK": with_sk}.items():
    sol = cx.simulate(
        model,
        t1=200.0,
        inputs=[clamp],
        record={"v": "soma", "ca": "soma.ca.cai", "eca": "soma.ca.eca", "open": "soma.sk.z"},
    )
    v = np.asarray(sol["v"])
    spikes = np.asarray(sol.ts)[1:][(v[1:] > 0.0) & (v[:-1] <= 0.0)]  # ms
    intervals[name] = np.diff(spikes)
    print(
        f"{name}: {len(spikes)} spikes, {intervals[name][0]:.1f} ms apart at first, {intervals[name][-1]:.1f} at last"
    )
    print(
        f"  calcium {1e3 * sol['ca'][0]:.2f} → {1e3 * sol['ca'].max():.2f} µM, SK open to {sol['open'].max():.2f}"
    )
    print(f"  calcium reverses at {sol['eca'][0]:.0f} mV before and {sol['eca'][-1]:.0f} mV after the spikes")
