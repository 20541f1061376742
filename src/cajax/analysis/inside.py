"""Looking inside a trained network: put parts of it back, silence parts of it, follow what holds a memory."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError, unknown
from ..jobs.job import Batch, Stage, Task, take
from ..jobs.learn import Say, score
from ..mech import GapJunction
from ..model.model import Model
from ..model.structure import Group, Layout
from ..train.free import matching as matched
from .attack import Attack as Attack
from .attack import attack as attack
from .energy import Energy as Energy
from .energy import energy as energy
from .held import Held as Held
from .held import held_by as held_by
from .held import numbers

CUT = 1e12
"""The factor on the axial resistance where a branch is cut off: its conductance ends far below rounding."""


def inside(
    task: Task,
    before: Model,
    after: Model,
    say: Say = print,
    trials: int = 256,
    followed: int = 64,
    rivals: Mapping[str, Callable[[Any], Any]] | None = None,
) -> dict[str, Any]:
    """Take a trained task apart in every way that makes sense for it, on its first `trials` test trials.

    Returns plain figures: "resets", "lesions", "attack" (of tasks with an input to attack; beside `rivals`, other
    functions from inputs to logits), "held_by" (through the delay, or else the first phase) and "energy"; the last
    three on `followed` trials.
    """
    stage, batch = next(iter(task.tests().values()))
    many, few = _some(batch, trials), _some(batch, followed)
    say("looking inside: what was learned where, and what the answer needs")
    found: dict[str, Any] = {
        "resets": resets(task, before, after, stage, many),
        "lesions": lesions(task, after, stage, many),
    }
    if task.attacked:
        say("looking inside: under attack")
        found["attack"] = {}
        for name, answer in {"network of neurons": after, **(rivals or {})}.items():
            fooled = attack(task, answer, few, stage)
            steps = {"steps": np.arange(len(fooled.accuracy)), "accuracy": fooled.accuracy}
            found["attack"][name] = steps | {"l2": fooled.l2, "linf": fooled.linf}
    say("looking inside: what holds the classes apart, and what a decision costs")
    classes = task.remembered or None
    if (known := _repeated(few, classes)) is not None:
        phases = task.phases({name: np.asarray(x)[0] for name, x in known.inputs.items()}, stage)
        phase = "delay" if "delay" in phases else next(iter(phases))
        held = held_by(task, after, known, stage, classes=classes, phase=phase)
        share = {name: float(x) for name, x in zip(held.names, held.share, strict=True) if np.isfinite(x)}
        found["held_by"] = {
            "population": held.population, "phase": held.phase, "times": held.ts, "names": held.names,
            "separation": held.separation, "decoded": held.decoded, "share": share,
        }  # fmt: skip
    cost = energy(task, after, few, stage)
    total = {"ATP in all": cost.total, "in spikes of a cortical neuron": cost.in_spikes}
    found["energy"] = {"spikes": cost.spikes, "atp": cost.atp, **total}
    return found


def _some(batch: Batch, count: int) -> Batch:
    """Return `count` trials from all over the batch: its classes may be in order."""
    total = len(batch.labels)
    which = np.arange(min(count, total)) * total // min(count, total)
    return Batch(take(batch.inputs, which), np.asarray(batch.labels)[which])


def _repeated(batch: Batch, classes: Any) -> Batch | None:
    """Return the trials whose class occurs twice at least, None where `held_by` has nothing to tell apart."""
    kinds = np.asarray(batch.labels) if classes is None else numbers(batch, classes)
    if kinds.ndim != 1:
        return None
    which = np.flatnonzero(
        np.unique(kinds, return_counts=True)[1][np.unique(kinds, return_inverse=True)[1]] > 1
    )
    return (
        Batch(take(batch.inputs, which), np.asarray(batch.labels)[which])
        if len(set(kinds[which])) > 1
        else None
    )


def matching(globs: Iterable[str], model: Model) -> tuple[str, ...]:
    """Return the paths of the parameters that any of `globs` means, as in `Free`."""
    found: dict[str, None] = {}
    for glob in globs:
        paths = matched(glob, model.params)
        if not paths:
            raise unknown("parameter", glob, model.params)
        found |= dict.fromkeys(paths)
    return tuple(found)


def resets(task: Task, before: Model, after: Model, stage: Stage, batch: Batch) -> dict[str, float]:
    """Return the accuracy with each group of trained parameters put back to where training started.

    First "intact", then every group of `task.groups`, "all membranes", "all synapses" and "everything". `before` is the
    network before training.
    """
    wide = _as_wide(before, after)
    groups = {**task.groups}
    if task.membranes:
        groups["all membranes"] = tuple(task.membrane)
    groups["all synapses"] = tuple(task.synapses)
    groups["everything"] = tuple(task.free().globs)
    found = {"intact": score(task, after, stage, batch)}
    for name, globs in groups.items():
        start = {path: wide.params[path] for path in matching(globs, after)}
        found[name] = score(task, after.replace(start), stage, batch)
    return found


def _as_wide(before: Model, after: Model) -> Model:
    """Return `before` with a value per place wherever training has made it so in `after`."""
    for path, value in after.params.items():
        source = after.structure.source(path)
        if path in before.params and before.params[path].shape != value.shape and source is not None:
            before = before.widened(path, source.place)
    return before


def silenced(model: Model, globs: Iterable[str]) -> Model:
    """Return the model with conductances and weights set to zero, or to the least that their range allows.

    Raises `ParameterError` for a parameter that is no conductance.
    """
    values = {}
    for path in matching(globs, model):
        spec = model.structure.specs[path]
        if spec.unit not in ("S/cm2", "uS"):
            raise ParameterError(
                f"'{path}' (in {spec.unit}) cannot be silenced; lesions name conductances (S/cm2) and weights (uS)"
            )
        values[path] = jnp.full_like(model.params[path], spec.lo or 0.0)
    return model.replace(values)


def cut_off(model: Model, population: str, branches: Iterable[int] | str) -> Model:
    """Return the model with `branches` (numbers, or a kind such as "basal") cut off every cell of a population.

    The axial resistance between a branch and its parent is made `CUT` times as large. The branch and all that lies
    beyond it keep their channels and synapses, but nothing that happens there reaches the soma, and they no longer load
    it. Cells without such a branch stay whole. `population` is "" for a lone cell.
    """
    factor = np.ones(len(model.res_child))
    first = 0
    for layout in model.structure.layouts:
        for group in layout.groups:
            cvs, lanes = group.cvs, group.lanes
            if layout.name == population:
                kinds = _dendrites(group)
                own = [
                    b for b in kinds if (kinds[b] == branches if isinstance(branches, str) else b in branches)
                ]
                nodes = np.flatnonzero(np.isin(cvs.node_cv, cvs.offsets[own]))
                factor[(first + nodes[:, None] * lanes + np.arange(lanes)).ravel()] = CUT
            first += len(cvs.node_cv) * lanes
    res = model.res_child * jnp.asarray(factor, model.res_child.dtype)
    return Model(model.params, model.area, res, model.res_parent, model.structure)


def _dendrites(group: Group) -> dict[int, str]:
    """Return the kind of every branch that can be cut off: all but the root and what else is soma."""
    cvs = group.cvs
    kinds = {b: str(cvs.tag[cvs.offsets[b]]) for b, parent in enumerate(cvs.branch_parent) if parent >= 0}
    return {b: kind for b, kind in kinds.items() if kind != "soma"}


def lesions(
    task: Task, after: Model, stage: Stage, batch: Batch, most_branches: int = 24
) -> dict[str, float]:
    """Return the accuracy with parts of the network silenced, one at a time.

    First "intact", then every lesion of `task.lesions`, every projection by its name, and every dendrite, cut off with
    `cut_off`: by kind ("hidden: all basal") and by number in all cells at once ("hidden: branch 3 (basal)"). Cells of
    more than `most_branches` branches are cut by kind only.
    """
    structure = after.structure
    found = {"intact": score(task, after, stage, batch)}
    globs = dict(task.lesions)
    for c in structure.connections:
        globs[c.name + (" (electrical)" if isinstance(c.template, GapJunction) else "")] = (c.weight,)
    for name, which in globs.items():
        found[name] = score(task, silenced(after, which), stage, batch)
    for layout in structure.layouts:
        for name, branches in dendrites(layout, most_branches).items():
            found[name] = score(task, cut_off(after, layout.name, branches), stage, batch)
    return found


def dendrites(layout: Layout, most_branches: int = 24) -> dict[str, tuple[int, ...] | str]:
    """Return what can be cut off a population's cells, as `cut_off` takes it, by name: kinds, then single branches."""
    kinds: dict[int, set[str]] = {}
    for group in layout.groups:
        for b, kind in _dendrites(group).items():
            kinds.setdefault(b, set()).add(kind)
    who = f"{layout.name}: " if layout.name else ""
    singles = {f"{who}branch {b} ({' or '.join(sorted(kinds[b]))})": (b,) for b in sorted(kinds)}
    every = sorted(set().union(*kinds.values()))
    found: dict[str, tuple[int, ...] | str] = {f"{who}all {kind}": kind for kind in every}
    if len(singles) == len(every):  # one of each kind
        return {**singles}
    return found | singles if len(singles) <= most_branches else found
