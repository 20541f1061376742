"""A problem's cell in NEURON: built once, given parameters and a sweep it returns the voltage at the soma.

The mechanisms are those of the source distribution of `bluepyopt`, compiled into a scratch folder. Four of them get a
parameter there that the published fits vary and the files lack: `shift` (mV) moves both gates of NaTs2_t to lower
voltages, `tauscale` multiplies the time constants of Ca_HVA, Ca_LVAst and Im. At 0 and 1 nothing changes.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, final

import numpy as np

MORPHOLOGIES = "examples/l5pc/morphology"
SCALED = {"Ca_HVA": "mTau hTau", "Ca_LVAst": "mTau hTau", "Im": "mTau"}


def patched(name: str, text: str) -> str:
    """Return the text of a mechanism with the parameter that it lacks."""
    if name == "NaTs2_t":
        extra, before, after = "shift = 0 (mV)", "v = v + shift", "v = v - shift"
    elif name in SCALED:
        extra, before = "tauscale = 1", ""
        after = "\n".join(f"{tau} = {tau} * tauscale" for tau in SCALED[name].split())
    else:
        return text
    text = re.sub(r"RANGE\s+", f"RANGE {extra.split()[0]}, ", text, count=1)
    text = re.sub(r"PARAMETER\s*{", f"PARAMETER {{\n{extra}", text, count=1)
    start, body = re.split(r"(?=PROCEDURE rates)", text)
    body = body.replace("UNITSOFF", f"UNITSOFF\n{before}", 1)
    return start + body.replace("UNITSON", f"{after}\nUNITSON", 1)


def compiled(bluepyopt: Path, scratch: Path, flags: str) -> Path:
    """Compile the mechanisms of the unpacked source distribution `bluepyopt` in `scratch`; return the library."""
    folder = scratch / ("mechanisms" + "".join(flags.split()))
    if not (found := list(folder.glob("*/libnrnmech.so"))):
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted((bluepyopt / "examples/l5pc/mechanisms").glob("*.mod")):
            (folder / file.name).write_text(patched(file.stem, file.read_text()))
        options = ["-incflags", flags] if flags else []
        tool = shutil.which("nrnivmodl", path=str(Path(sys.executable).parent)) or "nrnivmodl"
        done = subprocess.run([tool, *options], cwd=folder, capture_output=True, text=True)
        if not (found := list(folder.glob("*/libnrnmech.so"))):
            raise RuntimeError(f"nrnivmodl failed in {folder}: {done.stdout[-500:]} {done.stderr[-1500:]}")
    return found[0]


@functools.cache
def simulator(bluepyopt: Path, scratch: Path, flags: str) -> Any:
    """Return NEURON with the mechanisms."""
    os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    from neuron import h

    h.nrn_load_dll(str(compiled(bluepyopt, scratch, flags)))
    h.load_file("stdrun.hoc")
    return h


@final
class Cell:
    """One cell with all mechanisms of a problem, at first with a fixed step of 0.025 ms.

    `bluepyopt` is the unpacked source distribution, `scratch` where the mechanisms are compiled, once, with `flags`.
    """

    def __init__(self, problem: dict, bluepyopt: Path, scratch: Path, flags: str = ""):
        self.h, self.problem = simulator(bluepyopt, scratch, flags), problem
        self.regions = self._sections(bluepyopt)
        self.soma = self.regions["soma"][0]
        self._paint()
        self.handles = {p["name"]: self._handles(p["sets"]) for p in problem["parameters"]}
        h = self.h
        self.hold, self.step = h.IClamp(self.soma(0.5)), h.IClamp(self.soma(0.5))
        self.context, self.cvode = h.ParallelContext(), h.CVode()
        self.use(0.025)

    def use(self, dt: float, atol: float = 1e-3, secondorder: int = 0) -> None:
        """Choose how to integrate: a fixed step in ms, or CVODE where `dt` is 0."""
        self.dt = dt
        self.cvode.active(dt == 0)
        self.h.secondorder = secondorder
        if dt == 0:
            self.cvode.atol(atol)
        else:
            self.h.dt, self.h.steps_per_ms = dt, 1.0 / dt

    def set(self, values: dict[str, float]) -> None:
        """Set parameters by name, in their own units."""
        for name, value in values.items():
            for handle in self.handles[name]:
                handle[0] = value

    def run(self, sweep: dict) -> np.ndarray:
        """Return the voltage (mV) at the soma, a sample each `sample_dt` ms of the sweep."""
        every = sweep["sample_dt"]
        self.step.delay, self.step.dur, self.step.amp = (
            sweep["on"],
            sweep["off"] - sweep["on"],
            sweep["amplitude"],
        )
        self.hold.delay, self.hold.dur, self.hold.amp = 0.0, 1e9, sweep["holding"]
        v = self.h.Vector()
        v.record(self.soma(0.5)._ref_v, *([every] if self.dt == 0 else []))
        self.h.cai0_ca_ion, self.h.cao0_ca_ion = self.problem["cai"], self.problem["cao"]
        self.h.celsius = self.problem["celsius"]
        self.h.finitialize(sweep["v_init"])
        self.context.set_maxstep(10)
        self.context.psolve(sweep["stop"])
        v, wanted = np.array(v), np.arange(round(sweep["stop"] / every) + 1) * every
        return v[: len(wanted)] if self.dt == 0 else np.interp(wanted, np.arange(len(v)) * self.dt, v)

    def _sections(self, bluepyopt: Path) -> dict[str, list]:
        cell = self.problem["cell"]
        if "sections" not in cell:
            return self._imported(bluepyopt / MORPHOLOGIES / cell["file"], cell["nseg"])
        self.sections: dict[str, Any] = {}
        regions: dict[str, list] = {}
        for name, spec in cell["sections"].items():
            section = self.sections[name] = self.h.Section(name=name)
            for point in spec["points"]:
                section.pt3dadd(*point)
            if spec["parent"]:
                section.connect(self.sections[spec["parent"]](spec["at"]))
            section.nseg = spec["nseg"]
            regions.setdefault(spec["region"], []).append(section)
        return regions

    def _imported(self, file: Path, nseg: int) -> dict[str, list]:
        h = self.h
        h.load_file("import3d.hoc")
        reader = h.Import3d_Neurolucida3()
        reader.quiet = 1
        reader.input(str(file))
        h.Import3d_GUI(reader, 0).instantiate(None)
        words = {"soma": "soma", "axon": "axon", "dend": "basal", "apic": "apical"}
        regions: dict[str, list] = {region: [] for region in words.values()}
        for section in h.allsec():
            section.nseg = 1 if section.name().startswith("soma") else nseg
            regions[words[section.name().split("[")[0]]].append(section)
        return regions

    def described(self) -> dict[str, dict]:
        """Return the cell's sections, parents first, as a problem has them."""
        tags = {section.name(): region for region, list_ in self.regions.items() for section in list_}
        ordered = [section for section in self.soma.wholetree() if section.name() in tags]
        return {
            section.name(): {
                "region": tags[section.name()],
                "parent": section.parentseg() and section.parentseg().sec.name(),
                "at": section.parentseg() and section.parentseg().x,
                "nseg": section.nseg,
                "points": points(section).tolist(),
            }
            for section in ordered
        }

    def _paint(self) -> None:
        for region, names in self.problem["mechanisms"].items():
            for section in self.regions[region]:
                for name in names:
                    section.insert(name)
        for region, what, value in self.problem["fixed"]:
            for section in self.regions[region]:
                for segment in [section] if what == "Ra" else section:
                    setattr(segment, what, value)
        grow = self.problem["apical_ih"]
        for section in self.regions["apical"]:
            for segment in section:
                d = np.linalg.norm(position(section, segment.x) - position(self.soma, 0.5))
                segment.gIhbar_Ih = grow["scale"] * (
                    grow["offset"] + grow["factor"] * np.exp(d / grow["length"])
                )

    def _handles(self, sets: list) -> list:
        return [
            getattr(segment, f"_ref_{what}")
            for region, what in sets
            for section in self.regions[region]
            for segment in section
        ]


def points(section: Any) -> np.ndarray:
    """Return x, y, z and diameter (µm) of a section's points."""
    n = range(section.n3d())
    return np.array([[section.x3d(i), section.y3d(i), section.z3d(i), section.diam3d(i)] for i in n])


def position(section: Any, x: float) -> np.ndarray:
    """Return the point (µm) at the share `x` of a section's length."""
    arc = np.array([section.arc3d(i) for i in range(section.n3d())])
    return np.array([np.interp(x * arc[-1], arc, axis) for axis in points(section)[:, :3].T])
