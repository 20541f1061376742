"""Good calls of everything public, to be spoilt: of the root, of its objects' methods, and of `cajax.mech`.

Left out is what the engine calls and a user writes (`Channel.gates`, `Electrode.drive`, `Adjoint.plan`, …), and results
that nobody constructs by hand (`Solution`, `Model`, `Plan`, …); `LEFT_OUT` names them, and a test that it is complete.
"""

import inspect
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import cajax as cx
from cajax import mech

LEFT_OUT = {
    "CajaxError", "NonFiniteError", "Model", "Morphology", "Plan", "Solution",  # results and errors
    "Any", "Param", "States", "Outline", "ParamSpec", "ModuleType", "final", "FARADAY", "LIBRARY",  # words, not calls
    "Channel", "EventSynapse", "Ion", "Kinetics", "Mechanism", "Plasticity", "PointNeuron", "Surrogate", "Synapse",
    "advanced", "implicit_step", "initial_states", "instant_states", "check_value", "load_library",  # for the engine
    "Instant", "Timer", "Gate", "Scheme", "Coupled",  # made by their static methods, or of traced arrays
}  # fmt: skip


class Call(NamedTuple):
    """A call by name: `function` takes all `arguments`, of which any may be replaced."""

    name: str
    function: Callable[[dict[str, Any]], Any]
    arguments: dict[str, Any]


def _of(function: Callable[..., Any], name: str = "", /, **arguments: Any) -> Call:
    return Call(name or function.__name__, lambda a: function(**a), arguments)


def _positional(function: Callable[..., Any], *arguments: Any, name: str = "") -> Call:
    given = {str(k): x for k, x in enumerate(arguments)}
    return Call(name or function.__name__, lambda a: function(*a.values()), given)


def _key(x: Any) -> Any:
    """Return what may be the key of a dictionary: that others may not is Python's own error."""
    try:
        hash(x)
    except (TypeError, ValueError):
        return 3
    return x


@cache
def _cell() -> cx.Cell:
    return cx.Cell(cx.ball_and_stick()).paint("all", leak=mech.Leak()).paint("soma", hh=mech.HH())


@cache
def _model() -> cx.Model:
    return _cell().discretize(cx.PerBranch(1))


@cache
def _net() -> cx.Network:
    return cx.Network().add("in", cx.SpikeSource(), 2).add("a", _cell(), 2)


def _discretized(recipe: Any) -> None:
    """Lower what a call returned: what it accepted must be a model of finite numbers."""
    model = recipe.discretize(cx.PerBranch(1))
    wrong = [path for path, x in model.params.items() if not np.isfinite(x).all()]
    if wrong:
        raise AssertionError(f"{wrong[0]} is not finite")


def _recipes() -> Iterator[Call]:
    yield Call(
        "Cell",
        lambda a: _discretized(cx.Cell(**a)),
        {
            "morph": cx.cylinder(20.0, 10.0),
            "cm": 1.0,
            "ra": 100.0,
            "v0": -65.0,
            "temperature": 6.3,
            "labels": {},
        },
    )
    yield Call("Cell.paint", lambda a: _discretized(_cell().paint(**a)), {"label": "soma", "hh": mech.HH()})
    for name in ("cm", "ra", "v0", "temperature", "radius", "length", "x"):
        yield Call(f"Cell.paint {name}", lambda a: _discretized(_cell().paint("soma", **a)), {name: 1.0})
    yield Call(
        "Cell.paint each",
        lambda a: _discretized(_cell().paint("all", leak=mech.Leak(g=cx.each(**a)))),
        {"place": "cv", "x": 1e-3},
    )
    yield Call(
        "Cell.paint along",
        lambda a: _discretized(
            _cell().paint("all", leak=mech.Leak(g=cx.along(a["measure"], a["fn"], slope=a["slope"])))
        ),
        {"measure": cx.path_distance(), "fn": lambda x, slope: 1e-4 + slope * x, "slope": 1e-6},
    )
    yield Call(
        "Cell.paint along value",
        lambda a: _discretized(_cell().paint("all", cm=cx.along(cx.path_distance(), lambda x: a["value"]))),
        {"value": 1.0},
    )
    yield _of(_cell().label, "Cell.label", top=cx.tag("soma"))
    yield _of(_cell().discretize, "Cell.discretize", policy=cx.PerBranch(1))
    yield _of(_net().discretize, "Network.discretize", policy=cx.PerBranch(1))
    yield Call(
        "Network.add", lambda a: _discretized(_net().add(**a)), {"name": "b", "cell": _cell(), "count": 2}
    )
    for synapse in (mech.ExpSyn(), mech.Graded(), mech.GapJunction()):
        source = "in" if isinstance(synapse, mech.EventSynapse) else "a"
        arguments = {
            "pre": source, "post": "a", "synapse": synapse, "rule": cx.all_to_all(), "at": "soma", "weight": 1e-3,
            "name": "x", "source": None, "delay": None, "threshold": None, "surrogate": None, "plasticity": None,
            "in_flight": None,
        }  # fmt: skip
        yield Call("Network.connect", lambda a: _discretized(_net().connect(**a)), arguments)
    for rule, arguments in (
        (cx.all_to_all, {"autapses": True}), (cx.bernoulli, {"p": 0.5, "seed": 1, "autapses": False}),
        (cx.edges, {"pairs": [[0, 1]]}),
    ):  # fmt: skip
        yield Call(
            rule.__name__,
            lambda a, rule=rule: _discretized(_net().connect("a", "a", mech.Graded(), rule(**a))),
            arguments,
        )
    yield _of(cx.one_to_one)
    yield _of(cx.SpikeSource)
    yield _positional(lambda *a: cx.along(*a, slope=1.0), cx.path_distance(), lambda x: x, name="along")
    yield _of(cx.each, place="cv", x=1.0)


def _morph() -> Iterator[Call]:
    yield _of(cx.cylinder, length=20.0, radius=10.0, tag="soma")
    yield _of(cx.ball_and_stick, soma_radius=10.0, length=300.0, radius=1.0, taper=1.0, tag="apical")
    yield _of(cx.pyramidal, seed=0, tips=4, stems=1, scale=0.3, axon=False)
    yield _of(cx.read_morphology, path="nowhere.swc")
    yield _of(cx.at, branch=0, x=0.5)
    yield _of(cx.volume, branch=0, x=0.5)
    for function in (cx.center, cx.every_cv, cx.terminals):
        yield _of(function, region="soma")
    for function in (cx.region, cx.tag):
        yield _of(function, name="soma")
    for function in (cx.branch_order, cx.path_distance, cx.radius, cx.root):
        yield _of(function)
    yield _of(cx.PerBranch, n=1)
    yield _of(cx.MaxLength, um=50.0)
    yield _of(cx.DLambda, fraction=0.1, frequency=100.0)


def _inputs() -> Iterator[Call]:
    wave, key = np.zeros(5), jax.random.key(0)
    for kind, arguments in (
        (cx.IClamp, {"at": "soma", "delay": 1.0, "dur": 1.0, "amp": 0.1}),
        (cx.Current, {"at": "soma", "values": wave, "dt": 0.1}),
        (cx.VClamp, {"at": "soma", "v": wave, "dt": 0.1, "rs": 1.0}),
        (cx.VClamp, {"at": "soma", "v": -70.0}),
        (cx.Conductance, {"at": "soma", "values": wave, "dt": 0.1, "e": 0.0}),
        (cx.TwoElectrode, {"at": "soma", "v": -70.0, "gain": 100.0, "tau": 0.1, "rs": 1.0}),
        (cx.Noise, {"at": "soma", "mean": 0.0, "std": 0.1, "tau": 2.0, "key": key, "e": None}),
        (cx.Poisson, {"at": "in", "rate": 10.0, "key": key, "dt": None}),
        (cx.Spikes, {"at": "in", "times": [[1.0], [2.0, 3.0]]}),
        (cx.Reward, {"at": "a->b.x", "values": wave, "dt": 0.1}),
    ):
        yield _of(kind, **arguments)


def _runs() -> Iterator[Call]:
    clamp = cx.IClamp("soma", 0.0, 9.0, 0.1)
    run = {
        "model": _model(), "t1": 0.2, "dt": 0.1, "inputs": [clamp], "record": {"v": "soma"}, "method": cx.Staggered(),
        "adjoint": cx.Checkpointed(), "state": None, "throw": True, "continued": False,
    }  # fmt: skip
    yield _of(cx.simulate, **run)
    yield Call(
        "simulate", lambda a: cx.simulate(_model(), 0.2, 0.1, record={"v": a["place"]}), {"place": "soma"}
    )
    yield Call(
        "simulate",
        lambda a: cx.simulate(_model(), 0.2, 0.1, record={"v": cx.Probe(a["at"], a["what"])}),
        {"at": "soma", "what": "hh.m"},
    )
    planned = {k: v for k, v in run.items() if k not in ("state", "throw", "continued")} | {
        "batch": 1,
        "calibrate": False,
    }
    yield _of(cx.plan, **planned)
    yield _of(cx.BackwardEuler)
    yield _of(cx.Staggered)
    yield _of(cx.Direct)
    yield _of(cx.Probe, at="soma", what="v")
    yield _of(cx.Checkpointed, memory=1e6)
    yield _of(cx.Truncated, steps=3, keep=("x",), inside=cx.Checkpointed())
    solution = cx.simulate(_model(), 0.2, 0.1)
    yield _of(solution.times, "Solution.times", name="v")
    yield _of(solution.__getitem__, "Solution[]", name="v")
    yield _of(_model().replace, "Model.replace", params={"soma.hh.gna": 0.1})
    yield Call("Model.replace value", lambda a: _model().replace({"soma.hh.gna": a["x"]}), {"x": 0.1})
    yield _of(_model().widened, "Model.widened", path="soma.hh.gna", scope="cv")
    yield _of(_model().with_part, "Model.with_part", name="x", part=mech.Leak())
    folder = tempfile.mkdtemp()
    yield Call(
        "save", lambda a: cx.save(a["path"], a["model"]), {"path": Path(folder, "m"), "model": _model()}
    )
    yield _of(cx.load, path=Path(folder, "m"))


def _training() -> Iterator[Call]:
    yield _of(cx.bounded, lo=0.0, hi=1.0)
    yield _of(cx.unbounded, scale=1.0)
    yield _of(cx.positive)
    yield _of(cx.features, v=np.linspace(0.0, 1.0, 50), windows=5, axis=0)
    yield _of(cx.Free, globs={"*.gna": cx.positive()})
    yield Call(
        "Free glob",
        lambda a: cx.Free({_key(a["glob"]): a["to"]}).init(_model()),
        {"glob": "*.gna", "to": cx.positive()},
    )
    free = cx.Free({"*.gna": cx.positive()})
    for name in ("choices", "widened", "init", "count"):
        yield _of(getattr(free, name), f"Free.{name}", model=_model())
    yield _of(free.apply, "Free.apply", model=_model(), theta=free.init(_model()))
    yield Call(
        "Free.apply theta", lambda a: free.apply(_model(), {"soma.hh.gna": a["x"]}), {"x": jnp.zeros(())}
    )
    yield _of(free.table, "Free.table", model=_model(), reference=_model())

    def loss(model: Any, *rest: Any) -> Any:
        return model.params["soma.hh.gna"] ** 2

    yield _of(
        cx.fit, loss=loss, model=_model(), free=free, optimizer=optax.adam(0.1), steps=1, batches=None, until=None,
        run=None, save_every=None, resume=None, callback=None, progress=False, key=None, has_aux=False,
    )  # fmt: skip
    yield _of(
        cx.check_gradient,
        loss=loss,
        model=_model(),
        free=free,
        key=None,
        directions=1,
        tolerance=None,
        progress=False,
    )


def _mechanisms() -> Iterator[Call]:
    for name, kind in vars(mech).items():
        if (
            not (inspect.isclass(kind) and issubclass(kind, mech.Mechanism))
            or inspect.isabstract(kind)
            or name in LEFT_OUT
        ):
            continue
        arguments = {spec.name: spec.default for spec in kind.specs()}
        if issubclass(kind, mech.Ion):
            arguments |= {"species": "ca", "valence": 2}
        if kind is mech.Shells:
            arguments |= {"shells": 2, "axial": True}
        yield _of(kind, name, **arguments)
        first = next(iter(arguments), None)
        if first is not None:
            yield Call(
                f"{name}.with_params",
                lambda a, kind=kind, k=first: kind().with_params({k: a["x"]}),
                {"x": 1.0},
            )
            yield _of(kind().with_params, f"{name}.with_params", values={first: arguments[first]})
    for kind in (mech.ArcTan, mech.FastSigmoid, mech.Gaussian, mech.Triangle):
        yield _of(kind, width=5.0)
    yield _of(mech.Q10, factor=3.0, at=6.3)
    yield _of(mech.Gate.rates, "Gate.rates", a=1.0, b=2.0)
    yield _of(mech.Gate.relax, "Gate.relax", inf=1.0, tau=2.0)
    yield _of(mech.Scheme.of, "Scheme.of", transitions={"C <-> O": (1.0, 2.0)})
    yield Call(
        "Scheme.of rates",
        lambda a: mech.Scheme.of({_key(a["arrow"]): a["rates"]}),
        {"arrow": "C -> O", "rates": 1.0},
    )
    yield _of(mech.Scheme.matrix, "Scheme.matrix", states=("C", "O"), q=[[-1.0, 1.0], [1.0, -1.0]])
    yield _of(mech.vtrap, x=1.0, y=2.0)
    yield _of(mech.nernst, inside=1.0, outside=2.0, valence=1, celsius=6.3)
    yield _of(mech.ghk, v=-65.0, inside=1.0, outside=2.0, valence=1, celsius=6.3)
    ions = {"permeability": {"k": 1.0}, "inside": {"k": 140.0}, "outside": {"k": 5.0}, "celsius": 6.3}
    yield _of(mech.ghk_voltage, **ions)
    yield _of(mech.param, default=1.0, unit="mV", lo=0.0, hi=2.0)
    yield _of(mech.reading, name="eca")


def good_calls() -> list[Call]:
    """Return the calls; the same name may stand for several."""
    parts = (_recipes(), _morph(), _inputs(), _runs(), _training(), _mechanisms())
    return [call for part in parts for call in part]
