"""`to_neuron`: a model as a folder that runs in plain NEURON, and the proof that it does the same there."""

import copy
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.checks import flag, number, of_kind
from ...base.checks import path as as_path
from ...base.disk import reason, write_json, write_whole
from ...base.errors import ProtocolError, StoreError
from ...engine.method import BackwardEuler
from ...engine.moment import Moment
from ...engine.physics import bind
from ...engine.step import initial
from ...inputs.base import Input
from ...model.model import Model, require_model
from ...simulate import as_inputs, simulate
from .contents import Contents, Run
from .proof import proven
from .report import Report

_MOST_CELLS = 10
"""Of so many cells at most the voltage is compared unless `record` says otherwise."""
_CURE = "choose a new folder where you may write"


@final
@dataclass(frozen=True)
class Exported:
    """What `to_neuron` wrote: the `folder`, the `report`, and the largest `difference` (mV) between both simulators.

    `difference` is None where no NEURON was found to make the proof; `why` says so. The script makes it when it first
    runs.
    """

    folder: Path
    report: Report
    difference: float | None
    why: str = ""

    def __repr__(self) -> str:
        proof = (
            f"differs by {self.difference:.2g} mV" if self.difference is not None else f"no proof: {self.why}"
        )
        exact, about = len(self.report.exact), len(self.report.approximated)
        return f"Exported({str(self.folder)!r}: {exact} things exact, {about} approximated; {proof})"


def to_neuron(
    model: Model,
    folder: str | Path,
    inputs: Iterable[Input] = (),
    t1: float = 100.0,
    dt: float = 0.025,
    record: Mapping[str, Any] | None = None,
    python: str | Path | None = None,
    proof: bool = True,
    pointers: bool = False,
    strict: bool = False,
) -> Exported:
    """Write a model, and one run of it, to a new folder that plain NEURON runs: `nrnivmodl mod; python run.py`.

    The folder holds the script, `model.json` (sections, mechanisms per segment, synapses, connections, electrodes),
    `mod/` (made from the classes of the mechanisms), `cajax.json` (the run here: `BackwardEuler`, `t1` ms in steps of
    `dt` ms, double precision), `report.json`, and `proof.json` with the voltages of both.

    `record` says which are compared, name → place as in `simulate`; by default the somata. `python` is an interpreter
    that has `neuron`; by default this one, where it has. Without `proof` none is made here. Gap junctions are a
    `LinearMechanism`, solved with the cable as here; with `pointers` they are point processes with a POINTER, which
    read the other voltage a step late. With `strict` what is not written exactly is refused.

    Raises `CajaxError` for what cannot be written, before anything is, and where the folder exists.
    """
    require_model(model, "to_neuron")
    _check_flags(proof=proof, pointers=pointers, strict=strict)
    target = as_path(folder, "to_neuron folder")
    interpreter = None if python is None else as_path(python, "to_neuron python")
    of_kind(record or {}, Mapping, "to_neuron record", "a dictionary such as {'v': 'soma'}")
    given = as_inputs(inputs)
    _check_new(target)
    t1, dt = number(t1, "ms", "to_neuron t1", above=0.0), number(dt, "ms", "to_neuron dt", above=0.0)
    steps = round(t1 / dt)
    with jax.enable_x64(True):
        model, given = _double(_apart(model)), tuple(_double(x) for x in given)
        ours, traces, cvs = _run(model, given, t1, dt, record)
        run = Run(given, dt, steps, _gates(model, given, dt), pointers)
        contents = _contents(model, run, strict)
    whole = {**contents.json(), "dt": dt, "steps": steps, "record": cvs}
    scratch = _scratch(target)
    try:
        _write(scratch, contents, whole, {"dt_ms": dt, "method": ours, "traces": traces})
        difference, why = proven(scratch, interpreter) if proof else (None, "not asked for")
        os.rename(scratch, target)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {reason(error)}; {_CURE}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Exported(target, contents.report, difference, why)


def _contents(model: Model, run: Run, strict: bool) -> Contents:
    """Return what is written; with `strict` raises `ParameterError` where not all of it is exact."""
    contents = Contents(model, bind(model, run.inputs), run)
    if strict:
        contents.report.require_exact("to_neuron")
    return contents


def _check_flags(**flags: Any) -> None:
    for name, x in flags.items():
        flag(x, f"to_neuron {name}")


def _check_new(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise StoreError(f"{target} exists already, and nothing is overwritten; {_CURE}")
    if not target.absolute().parent.is_dir():
        raise StoreError(f"cannot write {target}: {target.absolute().parent} is no folder; {_CURE}")


def _scratch(target: Path) -> Path:
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.absolute().parent))
        made.chmod(0o755)  # as of any other folder
        return made
    except OSError as error:
        raise StoreError(f"cannot write {target}: {reason(error)}; {_CURE}") from error


def _apart(model: Model) -> Model:
    """Return the model with arrays of its own in its structure.

    JAX remembers in which precision it first saw an array of indices: the user's would fail in single precision after
    this.
    """
    structure = copy.deepcopy(model.structure)
    return Model(model.params, model.area, model.res_child, model.res_parent, structure)


def _double(tree: Any) -> Any:
    """Return a model or an input in double precision."""

    def cast(x: Any) -> Any:
        floating = isinstance(x, (jax.Array, np.ndarray)) and jnp.issubdtype(x.dtype, jnp.floating)
        return jnp.asarray(x, jnp.float64) if floating else x

    return jax.tree.map(cast, tree)


def _run(
    model: Model, inputs: Sequence[Input], t1: float, dt: float, record: Mapping[str, Any] | None
) -> tuple[str, dict[str, list[float]], dict[str, int]]:
    """Run the model here; return the method, the voltages of every place by name, and its control volume."""
    s = model.structure
    places = dict(record) if record is not None else _somata(model)
    if not places:
        raise ProtocolError("to_neuron needs a voltage to compare; record one, such as record={'v': 'soma'}")
    method = BackwardEuler()
    solution = simulate(model, t1=t1, dt=dt, inputs=inputs, record=places, method=method, backend="xla")
    traces, cvs = {}, {}
    for name, place in places.items():
        sites = np.asarray(s.sites(place)).ravel()
        voltage = np.asarray(solution[name], float)
        if voltage.size != len(voltage) * len(sites):
            raise ProtocolError(f"to_neuron compares voltages; '{name}' records something else")
        voltage = voltage.reshape(len(voltage), -1)
        for k, cv in enumerate(sites.tolist() if record is not None else sites[:_MOST_CELLS].tolist()):
            own = name if len(sites) == 1 else f"{name}[{k}]"
            traces[own], cvs[own] = np.round(voltage[:, k], 9).tolist(), cv
    return type(method).__name__, traces, cvs


def _somata(model: Model) -> dict[str, Any]:
    cells = [x for x in model.structure.layouts if not x.virtual]
    return {x.name or "soma": (x.name, x.soma) if x.name else x.soma for x in cells}


def _gates(model: Model, inputs: Sequence[Input], dt: float) -> Mapping[str, Any]:
    """Return the gates of every channel as the first step takes them: where NEURON's begin."""
    physics, method = bind(model, inputs), BackwardEuler()
    step = jnp.asarray(dt)
    state = initial(physics, method, step)
    moment = Moment(physics, state.v, state.t, state.n, step, method.order, state.parts)
    return physics.membranes.present(state.parts["membranes"], moment, step)


def _write(folder: Path, contents: Contents, model: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    (folder / "mod").mkdir()
    for name, text in contents.mods.items():
        write_whole(folder / "mod" / f"{name}.mod", text.encode(), _CURE)
    write_json(folder / "model.json", model)
    write_json(folder / "cajax.json", ours)
    report = contents.report
    write_json(folder / "report.json", {"exact": report.exact, "approximated": report.approximated})
    script = Path(__file__).with_name("run_neuron.py").read_bytes()
    write_whole(folder / "run.py", script, _CURE)
