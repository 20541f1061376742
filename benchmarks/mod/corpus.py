"""Read every .mod file of folders and packages, and compare each that is taken over with NEURON.

    python corpus.py SCRATCH bmtk==1.2.0 hnn-core==0.6.1 FOLDER --neuron PYTHON --table table.md

A name with `==` is fetched by pip, unpacked in the scratch folder and never run. PYTHON has `neuron`; a C++ compiler is
needed. One compartment with a leak holds the mechanism: three steps of current and six clamped voltages, events for
what receives them. Both take the implicit Euler step of 0.025 ms.
"""

import argparse
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

import cajax as cx
from cajax.mech import Channel, EventSynapse, Fixed, Ion, Leak, PointNeuron, Reversal, nernst, reading

HERE = Path(__file__).resolve().parent
BUILT_IN = {
    "hh",
    "pas",
    "IClamp",
    "ExpSyn",
    "Exp2Syn",
    "SEClamp",
    "VClamp",
    "AlphaSynapse",
    "NetStim",
    "PatternStim",
}
DT, T, V0, CELSIUS, RS = 0.025, 50.0, -70.0, 22.0, 10.0
STEPS, LEVELS = (0.02, 0.2, -0.05), (-90.0, -60.0, -40.0, -20.0, 0.0, 30.0)
EVENTS, WEIGHTS = (2.0, 4.0, 4.5, 11.0, 20.0), (0.004, 0.001)
GOOD = 1e-3  # mV
CONCENTRATIONS = {"na": (10.0, 140.0, 50.0), "k": (54.4, 2.5, -77.0), "ca": (5e-5, 2.0, 132.4579341637009)}
DRIVEN = ("ca", "na", "k", "cl")
"""Ions that a current is there for."""
DRIVER = """NEURON {{ SUFFIX drive{ion} USEION {ion} WRITE i{ion} {valence} RANGE g }}
UNITS {{ (mV) = (millivolt) (mA) = (milliamp) }}
PARAMETER {{ g = 1e-5 (S/cm2) }}
ASSIGNED {{ v (mV) i{ion} (mA/cm2) }}
BREAKPOINT {{ i{ion} = g*(v - 50) }}
"""


PAGE = """# Published .mod files

Every .mod file inside four packages, read by [`read_mod`](mod.md) and compared with NEURON 9.0.1: one compartment with
a leak holds the mechanism, its conductance raised to what moves the voltage; three steps of current and six voltages
held through 10 MΩ, a driven current for what computes a concentration (relative, in the same column), spikes at
irregular times by two weights for synapses. Both take the implicit Euler step of 0.025 ms. The script that makes this
page, and takes any other folder of files, is [benchmarks/mod/corpus.py](../benchmarks/mod/README.md).

What becomes of a file is in its `report`:

```python
from pathlib import Path
import neuron
import cajax as cx

files = Path(neuron.__file__).parent / ".data" / "share" / "modfile"
for name in ("hh", "exp2syn", "svclmp"):
    made = cx.read_mod(files / f"{name}.mod")
    print(made.__name__, made.__mro__[1].__name__, len(made.report.approximated))
```

```text
hh Channel 0
Exp2Syn EventSynapse 0
SEClamp Channel 0
```
"""


@dataclass
class Case:
    """One file: what became of it here, what NEURON is asked, and how far apart the two are."""

    path: Path
    suffix: str
    point: bool
    outcome: str
    reason: str = ""
    job: dict[str, Any] | None = None
    rows: dict[str, float] = field(default_factory=dict)
    effect: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scratch", type=Path)
    parser.add_argument("sources", nargs="+", help="folders, or packages such as bmtk==1.2.0")
    parser.add_argument("--neuron", default=sys.executable, help="a Python that has NEURON")
    parser.add_argument("--page", type=Path, help="write docs/mod-files.md anew")
    parser.add_argument("--json", type=Path, help="write every figure")
    parser.add_argument(
        "--compile-only", action="store_true", help="get NEURON's side ready, compare nothing"
    )
    parser.add_argument("--batch", type=int, default=25, help="files compiled at once")
    args = parser.parse_args()
    args.neuron = os.path.abspath(args.neuron)  # not where a link leads: that is another environment
    args.scratch.mkdir(parents=True, exist_ok=True)
    found = {p: source for source in reversed(args.sources) for p in files(source, args.scratch)}
    cases = examined(unique(sorted(found)))
    for k in range(0, len(cases), args.batch):  # all files, so that what is compiled is found again
        compare(cases[k : k + args.batch], args)
        print(f"{min(k + args.batch, len(cases))} of {len(cases)} compared", file=sys.stderr, flush=True)
    print("\n".join((*summary(cases), *table(cases))))
    if args.page:
        args.page.write_text(page(cases, found), encoding="utf-8")
    if args.json:
        rows = [{**c.__dict__, "path": str(c.path), "job": None} for c in cases]
        args.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def files(source: str, scratch: Path) -> list[Path]:
    """Return the .mod files of a folder, or of a package."""
    folder = Path(source)
    if "==" in source:
        folder = scratch / source.replace("==", "-")
        if not folder.exists():
            fetched = scratch / "fetched" / source
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(fetched), source]
            subprocess.run(command, check=True)
            for archive in fetched.iterdir():
                unpack(archive, folder)
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".mod" and p.is_file())


def unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as whole:
            whole.extractall(folder, [n for n in whole.namelist() if n.lower().endswith((".mod", ".inc"))])
        return
    with tarfile.open(archive) as whole:
        wanted = [m for m in whole.getmembers() if m.name.lower().endswith((".mod", ".inc")) and m.isfile()]
        whole.extractall(folder, wanted, filter="data")


def unique(paths: Sequence[Path]) -> list[Path]:
    """Return the files that differ from one another."""
    return list({hashlib.sha256(p.read_bytes()).hexdigest(): p for p in reversed(paths)}.values())[::-1]


def examined(paths: Sequence[Path]) -> list[Case]:
    """Return what becomes of every file; each is read in a process of its own kind, with a limit of time."""
    with ProcessPoolExecutor(max(1, len(os.sched_getaffinity(0))), initializer=prepare) as pool:
        return list(pool.map(examine, paths, chunksize=4))


def prepare() -> None:
    jax.config.update("jax_enable_x64", True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the parser has much to say


class LateError(BaseException):
    """A file took too long."""


def limited(seconds: int) -> None:
    def late(*_: Any) -> None:
        raise LateError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)


def examine(path: Path) -> Case:
    text = path.read_text(encoding="utf-8", errors="replace")
    named = re.search(r"^[^:?\n]*\b(SUFFIX|POINT_PROCESS|ARTIFICIAL_CELL)\s+(\w+)", text, re.MULTILINE)
    kind, suffix = (named[1], named[2]) if named else ("", path.stem)
    case = Case(path, suffix, kind != "SUFFIX", "refused")
    limited(120)
    try:
        made = cx.read_mod(path)
        case.outcome = made.__mro__[1].__name__
        case.reason = "; ".join(re.sub(r"^\S+: ", "", x) for x in made.report.approximated)
        # What fires by itself is compared by its spikes, in the tests.
        case.job = None if issubclass(made, PointNeuron) else asked(made, case)
    except cx.CajaxError as error:
        case.reason = re.sub(r"\s+", " ", str(error))
    except LateError:
        case.outcome, case.reason = "late", "takes more than two minutes"
    except Exception as error:
        case.outcome, case.reason = "fault", f"{type(error).__name__}: {error}"[:200]
    signal.alarm(0)
    return case


def asked(made: type[Any], case: Case) -> dict[str, Any]:
    """Return the job for NEURON: the mechanism strong enough to be seen, the ions around it, the protocols."""
    reads, drivers = surroundings(made)
    ions: dict[str, float] = {}
    for species, kinds in reads.items():
        ci, co, e = CONCENTRATIONS.get(species, (1.0, 1.0, 0.0))
        if kinds & {"i", "o"}:
            e = float(nernst(ci, co, valence_of(made, species), CELSIUS))
            ions |= {f"{species}i": ci, f"{species}o": co}
        ions[f"e{species}"] = e
    protocols: list[dict[str, Any]] = [{"name": f"{x} nA", "amp": x} for x in STEPS]
    protocols += [{"name": f"{x} mV", "level": x, "rs": RS} for x in LEVELS]
    events = issubclass(made, EventSynapse)
    return {
        "id": f"{case.suffix}@{hashlib.sha256(str(case.path).encode()).hexdigest()[:8]}",
        "suffix": case.suffix,
        "point": case.point,
        "parameters": raised(made),
        "ions": ions,
        "drivers": drivers,
        "record": [f"{s}i" for s in pools(made)[:1]],
        "celsius": CELSIUS,
        "dt": DT,
        "t": T,
        "v0": V0,
        "events": EVENTS if events else (),
        "weights": WEIGHTS if events else (),
        "protocols": [{"name": "events", "amp": 0.0}, {"name": "clamped events", "level": -40.0, "rs": RS}]
        if events
        else protocols,
    }


def raised(made: type[Any]) -> dict[str, float]:
    """Return the densities that are raised, so that the mechanism moves the voltage."""
    if issubclass(made, Channel):
        least = {"S/cm2": 1e-3, "mS/cm2": 1.0, "cm/s": 1e-4}
        return {x.name: least[x.unit] for x in made.specs() if 0.0 <= x.default < least.get(x.unit, 0.0)}
    # Some synapses have a largest conductance beside the weight, and it is 0 until it is set.
    return {x.name: 1.0 for x in made.specs() if x.name.lower().startswith("g") and x.default == 0.0}


def surroundings(made: type[Any]) -> tuple[dict[str, set[str]], dict[str, dict[str, float]]]:
    """Return what a mechanism reads of which ions, and the currents that drive a pool."""
    if issubclass(made, Channel):
        outline = made().outline()
        reads: dict[str, set[str]] = {}
        for name in {*outline.gates_read, *outline.current_reads}:
            if found := reading(name):
                reads.setdefault(found[0], set()).add(found[1])
        return reads, {}
    if issubclass(made, Ion):
        ion, reads = made(), {}
        for name in {*ion.reads(), *ion.start_reads(), *(ion.current_reads() or ())} - {*ion.example()}:
            found = reading(name)
            if found and found[0] not in pools(made):
                reads.setdefault(found[0], set()).add(found[1])
        return reads, {f"drive{s}": {} for s in pools(made) if s in DRIVEN}
    return {}, {}


def pools(made: type[Any]) -> tuple[str, ...]:
    """Return the ions whose concentration a mechanism computes."""
    if not issubclass(made, Ion):
        return ()
    return (str(made.species), *made().companions())


def valence_of(made: type[Any], species: str) -> int:
    return {"na": 1, "k": 1, "ca": 2, "cl": -1, "mg": 2}.get(species, 1)


def model_of(case: Case, made: type[Any]) -> tuple[Any, list[Any]]:
    """Return the model of a job here, and what lets its synapses receive."""
    job = case.job or {}
    own = made(**job["parameters"])
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=V0, cm=1.0, ra=100.0, temperature=CELSIUS)
    if case.suffix != "pas":  # of which NEURON has one in a compartment
        cell = cell.paint("all", leak=Leak(g=1e-4, e=-70.0))
    if issubclass(made, EventSynapse):
        net = cx.Network().add("source", cx.SpikeSource(), 1).add("cell", cell)
        for weight in job["weights"]:
            net = net.connect(
                "source", "cell", own, weight=weight, delay=1.0, name=f"w{weight}".replace(".", "_")
            )
        return net.discretize(cx.PerBranch(1)), [cx.Spikes("source", [list(job["events"])])]
    if issubclass(made, Ion):
        drivers = {f"drive{x}": driver(x)() for x in pools(made) if x in DRIVEN}
        cell = cell.paint("all", **drivers, **{str(made.species): own})
    else:
        cell = cell.paint("all", own=own)
    for species, kinds in surroundings(made)[0].items():
        ci, co, e = CONCENTRATIONS.get(species, (1.0, 1.0, 0.0))
        charge = valence_of(made, species)
        around = Fixed(ci=ci, co=co, valence=charge) if kinds & {"i", "o"} else Reversal(e=e)
        cell = cell.paint("all", **{species: around})
    return cell.discretize(cx.PerBranch(1)), []


def driver(species: str) -> type[Any]:
    from cajax.formats.mod.read import class_of_text

    return class_of_text(driver_text(species))


def driver_text(species: str) -> str:
    return DRIVER.format(ion=species, valence="" if species in CONCENTRATIONS else "VALENCE 1")


def compare(cases: Sequence[Case], args: argparse.Namespace) -> None:
    """Run a batch in NEURON and here, and note how far apart they are."""
    folder, faults = compiled(cases, args)
    jobs = [c for c in cases if c.job is not None and c.path not in faults]
    for case in cases:
        if case.path in faults:
            case.rows["NEURON refuses it"] = float("nan")
    if args.compile_only:
        return
    whole = neuron(jobs, folder, args)
    with ProcessPoolExecutor(max(1, len(os.sched_getaffinity(0))), initializer=prepare) as pool:
        for case, (rows, effect) in zip(jobs, pool.map(measured, [(c, whole) for c in jobs]), strict=True):
            case.rows, case.effect = rows, effect


def compiled(cases: Sequence[Case], args: argparse.Namespace) -> tuple[Path, set[Path]]:
    """Compile the mechanisms of a batch; return the folder, and the files that NEURON's own translator refuses."""
    digest = hashlib.sha256("".join(str(c.path) for c in cases).encode()).hexdigest()[:12]
    folder = args.scratch / "compiled" / digest
    faults: set[Path] = set()
    note = folder / "faults.json"
    if note.exists():
        return folder, {Path(p) for p in json.loads(note.read_text(encoding="utf-8"))}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seen = set(BUILT_IN)
    for case in cases:
        target = folder / f"{case.suffix}.mod"
        if case.suffix in seen and case.suffix not in BUILT_IN:
            faults.add(case.path)  # its name is taken in this batch
        elif case.suffix not in BUILT_IN:
            for extra in case.path.parent.glob("*.inc"):
                shutil.copy(extra, folder)
            shutil.copy(case.path, target)
            if translated(target, args.neuron):
                seen.add(case.suffix)
            else:
                faults.add(case.path)
                target.unlink()
    for species in DRIVEN:
        (folder / f"drive{species}.mod").write_text(driver_text(species), encoding="utf-8")
    faults |= built(folder, {c.suffix: c.path for c in cases}, args.neuron)
    note.write_text(json.dumps([str(p) for p in faults]), encoding="utf-8")
    return folder, faults


def built(folder: Path, paths: Mapping[str, Path], python: str) -> set[Path]:
    """Compile a folder; return the files that the C++ compiler refuses, which are taken out."""
    faults: set[Path] = set()
    while any(folder.glob("*.mod")):
        tool = Path(python).parent / "nrnivmodl"
        done = subprocess.run([str(tool)], cwd=folder, capture_output=True, text=True, check=False)
        wrong = set(re.findall(r"(\w+)\.cpp:\d+:\d+: error", done.stdout + done.stderr))
        if done.returncode == 0 or not wrong:
            break
        for name in wrong:
            (folder / f"{name}.mod").unlink(missing_ok=True)
            if name in paths:
                faults.add(paths[name])
    return faults


@functools.cache
def translator(python: str) -> str:
    find = "import neuron, pathlib; print(next(pathlib.Path(neuron.__file__).parent.rglob('nocmodl')))"
    done = subprocess.run([python, "-c", find], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def translated(path: Path, python: str) -> bool:
    """Whether NEURON's translator takes a file."""
    command = [translator(python), path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=300, check=False)
    path.with_suffix(".cpp").unlink(missing_ok=True)
    return done.returncode == 0


def neuron(jobs: Sequence[Case], folder: Path, args: argparse.Namespace) -> Mapping[str, np.ndarray]:
    """Return NEURON's traces; where a mechanism takes the process down, the others are run without it."""
    given, out = folder / "jobs.json", folder / "traces.npz"
    out.unlink(missing_ok=True)
    given.write_text(json.dumps([c.job for c in jobs]), encoding="utf-8")
    command = [args.neuron, str(HERE / "neuron_side.py"), given.name, out.name]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=60 + 20 * len(jobs), check=False
        )
    except subprocess.TimeoutExpired:
        done = None
    if out.exists():
        return dict(np.load(out))
    if len(jobs) <= 1:
        text = done.stderr.decode(errors="replace")[-200:] if done else "takes too long"
        return {f"{(c.job or {})['id']}|fault": np.array(text) for c in jobs}
    half = len(jobs) // 2
    return {**neuron(jobs[:half], folder, args), **neuron(jobs[half:], folder, args)}


def measured(given: tuple[Case, Mapping[str, np.ndarray]]) -> tuple[dict[str, float], float]:
    """Return the largest difference (mV) of every protocol, and what the mechanism does to the voltage (mV)."""
    case, whole = given
    job = case.job or {}
    if (fault := whole.get(f"{job['id']}|fault")) is not None:
        return {f"NEURON fails: {fault}": float("nan")}, 0.0
    limited(600)
    try:
        return differences(case, whole)
    except LateError:
        return {"takes more than ten minutes here": float("nan")}, 0.0
    except Exception as error:
        return {f"fails here: {type(error).__name__}: {error}"[:200]: float("nan")}, 0.0
    finally:
        signal.alarm(0)


def differences(case: Case, whole: Mapping[str, np.ndarray]) -> tuple[dict[str, float], float]:
    job = case.job or {}
    model, triggers = model_of(case, cx.read_mod(case.path))
    leak = cx.Cell(cx.cylinder(20.0, 10.0), v0=V0, cm=1.0, ra=100.0).paint("all", leak=Leak(g=1e-4, e=-70.0))
    alone = leak.discretize(cx.PerBranch(1))
    place = "cell" if triggers else "soma"
    settings: dict[str, Any] = {"t1": T, "dt": DT, "method": cx.BackwardEuler()}
    record = {"v": place, **{name: f"{place}.{name[:-1]}.{name}" for name in job["record"]}}
    rows: dict[str, float] = {}
    effect = 0.0
    for p in job["protocols"]:
        sol = cx.simulate(model, inputs=[clamp(p, place), *triggers], record=record, **settings)
        without = cx.simulate(alone, inputs=[clamp(p, "soma")], record={"v": "soma"}, **settings)
        theirs = whole[f"{job['id']}|{p['name']}|v"]
        rows[p["name"]] = float(np.max(np.abs(np.ravel(sol["v"]) - theirs)))
        effect = max(effect, float(np.max(np.abs(theirs - np.ravel(without["v"])))))
        for name in job["record"]:
            inside = whole[f"{job['id']}|{p['name']}|{name}"]
            # Relative, in the same column: 1e-3 of the largest concentration.
            rows[f"{p['name']}, {name}"] = float(
                np.max(np.abs(np.ravel(sol[name]) - inside)) / np.max(np.abs(inside))
            )
    return rows, effect


def clamp(protocol: Mapping[str, Any], place: str) -> Any:
    """Return the clamp of a protocol."""
    if "amp" in protocol:
        return cx.IClamp(place, delay=5.0, dur=40.0, amp=protocol["amp"])
    return cx.VClamp(place, protocol["level"], rs=protocol["rs"])


def verdict(case: Case) -> str:
    if case.outcome in ("refused", "fault", "late"):
        return case.outcome
    if not case.rows:
        return "not compared"
    strange = [k for k, x in case.rows.items() if np.isnan(x) and k.startswith(("NEURON", "fails", "takes"))]
    if strange:
        return strange[0]
    return "agrees" if all(x <= GOOD for x in case.rows.values()) else "differs"


def table(cases: Sequence[Case]) -> Iterator[str]:
    yield "| file | becomes | largest difference, mV | it moves the voltage by, mV | |"
    yield "|---|---|---|---|---|"
    for case in sorted(cases, key=lambda c: (c.path.name, str(c.path))):
        worst = max((x for x in case.rows.values() if not np.isnan(x)), default=float("nan"))
        figures = "| |" if np.isnan(worst) else f"| {worst:.0e} | {case.effect:.2g} |"
        yield f"| {case.path.name} | {case.outcome} {figures} {remark(case)} |"


def page(cases: Sequence[Case], found: Mapping[Path, str]) -> str:
    """Return the page of the documentation: the files of every source with what became of them."""
    lines = [PAGE, " ".join(summary(cases)), ""]
    for source in dict.fromkeys(found.values()):
        own = [c for c in cases if found[c.path] == source]
        name = Path(source).name.replace("==", " ")
        lines += [f"## {name}: {len(own)} files", "", *table(own), ""]
    return "\n".join(lines)


def remark(case: Case) -> str:
    said = verdict(case)
    text = case.reason if said in ("refused", "agrees", "fault") else f"{said} {case.reason}"
    return re.sub(r"^\S+?:(\d+): ", r"line \1: ", text).replace("|", "\\|")[:300]


def summary(cases: Sequence[Case]) -> Iterator[str]:
    taken = [c for c in cases if c.outcome not in ("refused", "fault", "late")]
    told = [verdict(c) for c in taken]
    good, bad = told.count("agrees"), told.count("differs")
    yield f"{len(cases)} files, {len(taken)} taken over ({len(taken) / max(len(cases), 1):.0%}),"
    yield f"{good} of {good + bad} compared agree with NEURON to {GOOD:g} mV."


if __name__ == "__main__":
    main()
