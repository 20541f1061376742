"""NEURON's side of the comparison: `python neuron_side.py JOBS.json OUT.npz`, in a folder with compiled mechanisms.

A job is one mechanism in one compartment, or in none where it is a point process, under a few protocols. What is
written: the voltage (mV) of every protocol, and what a pool makes of its concentration.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Any

import numpy as np

os.environ["NEURON_MODULE_OPTIONS"] = "-nogui"
from neuron import h


def run(job: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the traces of a job by "job|protocol|what"."""
    section = h.Section(name="s")
    section.L, section.diam, section.nseg, section.cm, section.Ra = 20, 20, 1, 1, 100
    here = section(0.5)
    if job["suffix"] != "pas":
        section.insert("pas")
        here.pas.g, here.pas.e = 1e-4, -70
    point = put(job, section)
    for name, values in job["drivers"].items():
        section.insert(name)
        for key, x in values.items():
            setattr(here, f"{key}_{name}", x)
    for name, x in job["ions"].items():
        with suppress(AttributeError, LookupError):  # an ion that nothing in this compartment uses
            setattr(here, name, x)
    h.celsius, h.dt, h.secondorder = job["celsius"], job["dt"], 0
    found: dict[str, np.ndarray] = {}
    for protocol in job["protocols"]:
        kept = [clamped(here, protocol), point]
        traces = {"v": h.Vector().record(here._ref_v)}
        traces |= {w: h.Vector().record(getattr(here, f"_ref_{w}")) for w in job["record"]}
        cons = connections(job, point)
        h.finitialize(job["v0"])
        for con in cons:
            for time in job["events"]:
                con.event(time + con.delay)
        for _ in range(round(job["t"] / job["dt"])):
            h.fadvance()
        found |= {f"{job['id']}|{protocol['name']}|{w}": np.array(x) for w, x in traces.items()}
        del kept, cons
    return found


def put(job: dict[str, Any], section: Any) -> Any:
    """Insert the mechanism with its parameters, without tables; return the point process, if it is one."""
    name, here = job["suffix"], section(0.5)
    point = getattr(h, name)(here) if job["point"] else None
    if point is None:
        section.insert(name)
    for key, x in job["parameters"].items():
        try:
            setattr(here if point is None else point, key if point else f"{key}_{name}", x)
        except (AttributeError, LookupError):
            setattr(h, f"{key}_{name}", x)
    with suppress(AttributeError, LookupError):  # it may have no table
        setattr(h, f"usetable_{name}", 0)
    return point


def clamped(here: Any, protocol: dict[str, Any]) -> Any:
    if "amp" in protocol:
        clamp = h.IClamp(here)
        clamp.delay, clamp.dur, clamp.amp = 5, 40, protocol["amp"]
        return clamp
    clamp = h.SEClamp(here)
    clamp.rs, clamp.dur1, clamp.amp1 = protocol["rs"], 1e9, protocol["level"]
    return clamp


def connections(job: dict[str, Any], point: Any) -> list[Any]:
    cons = []
    for weight in job["weights"]:
        con = h.NetCon(None, point)
        con.delay, con.weight[0] = 1.0, weight
        cons.append(con)
    return cons


if __name__ == "__main__":
    h.load_file("stdrun.hoc")
    found: dict[str, np.ndarray] = {}
    with open(sys.argv[1], encoding="utf-8") as file:
        for job in json.load(file):
            try:
                found |= run(job)
            except Exception as error:
                found[f"{job['id']}|fault"] = np.array(f"{type(error).__name__}: {error}"[:200])
    np.savez(sys.argv[2], **found)  # pyright: ignore[reportArgumentType]
