"""Run this folder's model in NEURON: `nrnivmodl mod`, then `python run.py`. It needs NEURON and nothing else.

`model.json` says what to build. `cajax.json`, where it is there, holds what Cajax computed; the comparison goes to
`proof.json`. To go on with the model, `from run import Built, load` and `cell = Built(load())`.
"""

import json
import sys
from pathlib import Path
from typing import Any, final

HERE = Path(__file__).resolve().parent


def load(name: str = "model.json") -> Any:
    """Return the content of a JSON file of this folder."""
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def simulator(mechanisms: list[str]) -> Any:
    """Return NEURON's `h` with the compiled mechanisms of this folder."""
    from neuron import h

    known: set[str] = set()
    for kind in (0, 1):
        types, name = h.MechanismType(kind), h.ref("")
        for k in range(int(types.count())):
            types.select(k)
            types.selected(name)
            known.add(name[0])
    if not set(mechanisms) <= known:
        libraries = sorted(HERE.glob("*/libnrnmech.*")) + sorted(HERE.glob("*/.libs/libnrnmech.*"))
        if not libraries:
            sys.exit(f"the mechanisms are not compiled: say 'nrnivmodl mod' in {HERE}, then run this again")
        h.nrn_load_dll(str(libraries[0]))
    h.load_file("stdrun.hoc")
    return h


def each(value: Any, k: int) -> float:
    """Return the value of entry `k`: of a list its own, else the one for all."""
    return value[k] if isinstance(value, list) else value


@final
class Built:
    """The model in NEURON: `sections`, `points`, `connections`, and everything else that must be kept alive."""

    def __init__(self, model: dict[str, Any]):
        self.model = model
        self.h = simulator(model["mechanisms"])
        if model["celsius"] is not None:
            self.h.celsius = model["celsius"]
        if not isinstance(model["v_init"], list):
            self.h.v_init = model["v_init"]
        self.kept: list[Any] = []
        self.sections: list[Any] = []
        for x in model["sections"]:
            self.sections.append(self._section(x))
        self.segments = [self.sections[s]((k + 0.5) / self.sections[s].nseg) for s, k in model["segments"]]
        for k, seg in enumerate(self.segments):
            seg.cm = each(model["cm"], k)
        for x in model["densities"]:
            self._insert(x)
        for x in model["ions"]:
            self._ion(x)
        self.points = [self._points(x) for x in model["points"]]
        self.connections = [self._connect(x) for x in model["connections"]]
        for x in model["stimuli"]:
            self._stimulate(x)
        for x in model["gaps"]:
            self._join(x)

    def _section(self, x: dict[str, Any]) -> Any:
        sec = self.h.Section(name=x["name"])
        if "points" in x:
            for place, diam in x["points"]:
                sec.pt3dadd(place, 0.0, 0.0, diam)
        else:
            sec.L, sec.diam = x["L"], x["diam"]
        sec.nseg, sec.Ra = x["nseg"], x["Ra"]
        if x["parent"] is not None:
            parent, place = x["parent"]
            sec.connect(self.sections[parent](place), 0)
        return sec

    def _insert(self, x: dict[str, Any]) -> None:
        for s in {self.model["segments"][cv][0] for cv in x["cvs"]}:
            self.sections[s].insert(x["name"])
        for k, cv in enumerate(x["cvs"]):
            mechanism = getattr(self.segments[cv], x["name"])
            for name, value in x["values"].items():
                setattr(mechanism, name, each(value, k))

    def _ion(self, x: dict[str, Any]) -> None:
        """Set what an ion has at its segments: a reversal potential of its own, or concentrations that stand still."""
        for s in {self.model["segments"][cv][0] for cv in x["cvs"]}:
            self.sections[s].insert(f"{x['species']}_ion")
            if x["fixed"]:
                self.h.ion_style(f"{x['species']}_ion", 1, 1, 0, 0, 0, sec=self.sections[s])
        for k, cv in enumerate(x["cvs"]):
            for name, value in x["values"].items():
                setattr(self.segments[cv], name, each(value, k))

    def _points(self, x: dict[str, Any]) -> list[Any]:
        found = []
        for k, cv in enumerate(x["cvs"]):
            point = getattr(self.h, x["name"])(self.segments[cv])
            for name, value in x["values"].items():
                setattr(point, name, each(value, k))
            for name, other in x.get("pointers", {}).items():
                self.h.setpointer(self.segments[other[k]]._ref_v, name, point)
            found.append(point)
        return found

    def _connect(self, x: dict[str, Any]) -> list[tuple[Any, list[float]]]:
        """Join every edge's source to its point; a train of events goes with it where the source has one."""
        found = []
        for k, (source, target) in enumerate(x["edges"]):
            point, delay = self.points[x["points"]][target], each(x["delay"], k)
            if x["sources"] is None:
                link = self.h.NetCon(None, point)
            else:
                seg = self.segments[x["sources"][source]]
                link = self.h.NetCon(seg._ref_v, point, sec=seg.sec)
                link.threshold = x["threshold"]
            link.delay, link.weight[0] = delay, each(x["weight"], k)
            times = x["trains"][source] if x["trains"] else []
            found.append((link, [t + delay for t in times]))
        return found

    def _stimulate(self, x: dict[str, Any]) -> None:
        electrode = getattr(self.h, x["name"])(self.segments[x["cv"]])
        for name, value in x["values"].items():
            setattr(electrode, name, value)
        self.kept.append(electrode)
        if "play" in x:
            # The fixed step reads a vector in the middle of a step.
            dt = self.model["dt"]
            times = self.h.Vector([(k + 0.5) * dt for k in range(len(x["values_over_time"]))])
            values = self.h.Vector(x["values_over_time"])
            values.play(getattr(electrode, f"_ref_{x['play']}"), times, True)
            self.kept += [times, values]

    def _join(self, x: dict[str, Any]) -> None:
        """Join two segments by a conductance (uS) that is solved with the cable equation.

        The rows are those of that equation, whose currents are densities (mA/cm2): nA over the area in 1e-2 um2.
        """
        h, ends = self.h, [self.segments[cv] for cv in x["cvs"]]
        c, g, y, b = h.Matrix(2, 2), h.Matrix(2, 2), h.Vector(2), h.Vector(2)
        for k in range(2):
            scale = 100.0 / ends[k].area()
            g.setval(k, k, x["g"] * scale)
            g.setval(k, 1 - k, -x["g"] * scale)
        where, places = h.Vector([seg.x for seg in ends]), h.SectionList()
        for seg in ends:
            places.append(sec=seg.sec)
        self.kept += [c, g, y, b, where, places, h.LinearMechanism(c, g, y, b, places, where)]

    def start(self) -> None:
        """Begin a run: voltages, states, and the events of all trains."""
        h, model = self.h, self.model
        h.dt, h.secondorder = model["dt"], 0
        h.cvode_active(0)
        for k, seg in enumerate(self.segments):
            seg.v = each(model["v_init"], k)
        if isinstance(model["v_init"], list):
            h.finitialize()
        else:
            h.finitialize(model["v_init"])
        for x in model["densities"]:
            for k, cv in enumerate(x["cvs"] if x["start"] else []):
                for name, value in x["start"].items():
                    setattr(getattr(self.segments[cv], x["name"]), name, value[k])
        for link, times in (pair for some in self.connections for pair in some):
            for t in times:
                link.event(t)

    def run(self) -> dict[str, list[float]]:
        """Run it for as long as Cajax did; return the voltages (mV) that `model.json` names, one a step."""
        probes = {
            name: self.h.Vector().record(self.segments[cv]._ref_v)
            for name, cv in self.model["record"].items()
        }
        self.start()
        for _ in range(self.model["steps"]):
            self.h.fadvance()
        return {name: [round(x, 9) for x in probe] for name, probe in probes.items()}


def proof(
    found: dict[str, list[float]], expected: dict[str, list[float]], version: str, dt: float
) -> dict[str, Any]:
    """Return the traces of both and their largest difference (mV)."""
    traces = {}
    for name, theirs in found.items():
        ours = expected[name]
        if len(ours) != len(theirs):
            sys.exit(
                f"'{name}' has {len(theirs)} samples here and {len(ours)} in cajax.json; export the model again"
            )
        largest = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
        traces[name] = {"difference_mV": largest, "cajax": ours, "neuron": theirs}
    largest = max((x["difference_mV"] for x in traces.values()), default=0.0)
    return {"difference_mV": largest, "neuron": version, "dt_ms": dt, "traces": traces}


def main() -> None:
    """Build the model, run it, and compare it with what Cajax computed."""
    built = Built(load())
    found = built.run()
    if not (HERE / "cajax.json").is_file():
        print("no cajax.json here to compare with")
        return
    result = proof(found, load("cajax.json")["traces"], built.h.nrnversion(0), built.model["dt"])
    (HERE / "proof.json").write_text(json.dumps(result), encoding="utf-8")
    print(f"largest difference: {result['difference_mV']:.3g} mV; see proof.json")


if __name__ == "__main__":
    main()
