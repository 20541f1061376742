"""The gradient by every parameter of every mechanism of the library equals central differences of a whole run.

Mechanisms are found by walking the modules of `cajax.mech`, so that a new file is tried as soon as it exists. Several
share a model, since compiling is what takes time. Where a gradient is zero for a reason, `ZERO` says which and why; a
listed gradient that is not zero fails, and so does one that is zero, or too small to be checked, and is not listed.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax import mech
from cajax.mech import (
    LIF,
    Channel,
    EventSynapse,
    ExpSyn,
    Fixed,
    GapJunction,
    Ion,
    Leak,
    Plasticity,
    PointNeuron,
    Pool,
    Reversal,
    RewardSTDP,
    Shells,
    Synapse,
    reading,
)
from cajax.mech.library import fohlmeister1997, mainen1996

Params = dict[str, jax.Array]
Comparison = dict[str, tuple[float, float, float]]
"""Parameter → gradient, central difference, and the noise of that; all per relative change of the parameter."""

Loss = Callable[[Params], jax.Array]

T1, DT = 8.0, 0.05
SIZES = {"ca.cai": 2e-4, "ca.eca": 100.0}  # mM, mV
CELSIUS = 34.0

# "module.Class.parameter" → why the run does not depend on it.
RESET = "a neuron is reset at the end of the step in which it spikes: moved within a step, the time changes nothing"
ZERO: dict[str, str] = {
    "point.LIF.vth": RESET,
    "point.AdEx.peak": RESET,
    "ions.Held.co": "no current reads the concentration outside",
    "point.LIF.refractory": "the refractory period ends with a whole step",
}

# Values other than the defaults, where these would hide what a parameter does in a run of some ms.
CALCIUM = {"ci": 2e-4, "co": 2.0}
VALUES: dict[str, dict[str, Any]] = {
    "ions.Fixed": CALCIUM,
    "ions.Held": CALCIUM | {"e": 120.0},
    "ions.Reversal": {"e": 120.0},
    "ions.Pump": CALCIUM | {"vmax": 1e-4, "depth": 0.5},
    "ions.Shells": CALCIUM | {"vmax": 1e-3, "shells": 2},
    "ions.Diffusive": CALCIUM | {"gamma": 0.05, "tau": 20.0},
    "poirazi2003.SAHP": {"ca": 5e-4},
    "plasticity.RewardSTDP": {"a_plus": 0.3, "a_minus": 0.2, "rate": 0.1},
    "plasticity.STDP": {"a_plus": 0.3, "a_minus": 0.2},
    "plasticity.TripletSTDP": {"a3_plus": 0.3, "a2_minus": 0.2},
    "point.LIF": {"refractory": 2.02},
    "synapses.GABAB": {"bound": 0.5, "k2": 0.05, "kd": 1e-3},
}

# Optimising the compiled code takes longer than running it.
QUICK = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}


def label(cls: type) -> str:
    return f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"


def library(base: type, but: tuple[type, ...] = ()) -> list[Any]:
    """Return every concrete subclass of `base` that a module of the library defines."""
    names = [m.name for m in pkgutil.walk_packages(mech.__path__, f"{mech.__name__}.")]
    classes = {c for n in names for c in vars(importlib.import_module(n)).values() if isinstance(c, type)}
    found = {c for c in classes if issubclass(c, base) and c.__module__ in names and not issubclass(c, but)}
    abstract = {c for c in found if inspect.isabstract(c) or getattr(c, "__abstractvars__", None)}
    return sorted((c for c in found - abstract if c.__name__[0] != "_"), key=label)


def word(cls: type) -> str:
    """The label as a name for a paint, a population or a projection."""
    return label(cls).replace(".", "_")


def each(classes: Iterable[type]) -> Any:
    return pytest.mark.parametrize("cls", classes, ids=label)


def made(cls: Any) -> Any:
    """Return a mechanism with its defaults, but for `VALUES` and for conductances that would make the run unstable."""
    small = {s.name: 2e-3 for s in cls.specs() if s.unit == "S/cm2" and s.default > 2e-3}
    return cls(**small | VALUES.get(label(cls), {}))


def reads_calcium(cls: Any) -> bool:
    outline = cls().outline()
    return "cai" in (*outline.gates_read, *outline.current_reads)


CHANNELS = library(Channel, but=(PointNeuron,))
POINTS = library(PointNeuron)
IONS = library(Ion)
SYNAPSES = [*library(Synapse), *library(EventSynapse), GapJunction]
RULES = library(Plasticity)


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(7).uniform(0.5, 1.5, shape)


def compared(loss: Loss, params: Params, of: dict[str, type]) -> dict[str, Comparison]:
    """Return, per class and path, the gradient, the central difference and the noise of the latter.

    All are per relative change of the parameter. `of` tells the class by the middle of a path. One compiled function
    gives the values for all shifted parameters and the gradient.
    """
    step, scales = 4e-4, np.array([0.0, 1.0, -1.0, 0.5, -0.5, 0.25, -0.25])
    size = {k: float(p) or 1.0 for k, p in params.items()}
    batch = {}
    for k, p in params.items():
        moves = np.concatenate([scales * (step * size[k] if name == k else 0.0) for name in params])
        batch[k] = p + jnp.asarray(moves)
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(loss)), compiler_options=QUICK)(batch)
    rows = np.asarray(values).reshape(len(params), len(scales))
    d = (rows[:, 1::2] - rows[:, 2::2]) / (2 * step * scales[1::2])
    d = (4 * d[:, 1:] - d[:, :-1]) / 3  # error h⁴
    numeric = (16 * d[:, 1] - d[:, 0]) / 15  # error h⁶
    floor = 100 * np.finfo(float).eps * abs(rows[0, 0]) / step
    found: dict[str, Comparison] = {label(c): {} for c in of.values()}
    for i, k in enumerate(params):
        exact = float(gradients[k][0]) * size[k]
        found[label(of[k.split(".")[-2]])][k.split(".")[-1]] = (exact, float(numeric[i]), floor)
    return found


def check(cls: type, found: Comparison) -> None:
    assert found or not cls.specs()
    wrong, worst = [], 0.0
    for name, (exact, numeric, floor) in found.items():
        full = f"{label(cls)}.{name}"
        if full in ZERO:
            if exact != 0.0 or abs(numeric) > floor:
                wrong.append(f"{full} is listed as without effect, but {exact:.3e} (numeric {numeric:.3e})")
        elif abs(numeric) < 1e3 * floor:
            wrong.append(
                f"{full} has no effect that could be checked: {exact:.3e}, {numeric:.3e} ± {floor:.0e}"
            )
        elif abs(exact - numeric) > 1e-6 * abs(numeric) + floor:
            wrong.append(f"{full}: gradient {exact:.9e}, difference {numeric:.9e} ± {floor:.0e}")
        else:
            worst = max(worst, abs(exact - numeric) / abs(numeric))
    print(f"\n{label(cls)}: {len(found)} parameters, worst {worst:.1e}")
    assert not wrong, "\n".join(wrong)


def sweep(model: cx.Model, place: str = "soma") -> cx.Current:
    """A current that takes a cell with a leak of 1 mS/cm² slowly from hyper- to depolarised and back, twice."""
    t = np.arange(0.0, T1 + 0.25, 0.25)
    density = 0.03 + 0.11 * np.sin(2 * np.pi * (t - 1.0) / 5.0)  # mA/cm²
    return cx.Current(place, density * float(model.area.sum()) * 1e-2, 0.25)


def surroundings(channels: Iterable[Channel]) -> dict[str, Ion]:
    """Return an ion for every species that the channels read or carry."""
    wanted: dict[str, set[str]] = {}
    for channel in channels:
        outline = channel.outline()
        for name in (*outline.gates_read, *outline.current_reads):
            if found := reading(name) if name != "celsius" else None:
                wanted.setdefault(found[0], set()).add(found[1])
        for species in outline.carriers:
            wanted.setdefault(species, set())
    still = {"ca": (120.0, 1e-4, 2.0), "na": (50.0, 12.0, 140.0), "k": (-85.0, 140.0, 5.0)}
    ions: dict[str, Ion] = {}
    for species, kinds in wanted.items():
        if species == "ca" and kinds & {"i", "o"}:
            ions[species] = Pool(ci=2e-4, gamma=0.05, depth=0.5, tau=20.0)
        else:
            e, ci, co = still.get(species, (-70.0, 10.0, 100.0))
            ions[species] = Fixed(ci, co, valence=1) if kinds & {"i", "o"} else Reversal(e)
    return ions


def cell_loss(
    paints: dict[str, Any], tested: set[str], record: tuple[str, ...] = (), method: Any = None
) -> tuple[Loss, Params]:
    """Return the loss of a run of two control volumes with `paints`, and the parameters of the `tested` ones.

    The loss is a weighted mean square of the voltages, and of what else is recorded.
    """
    cell = cx.Cell(cx.ball_and_stick(), temperature=CELSIUS, v0=-72.0).paint(
        "all", leak_=Leak(g=1e-3, e=-65.0), **paints
    )
    model = cell.discretize(cx.PerBranch(1))
    params = {k: v for k, v in model.params.items() if k.split(".")[-2] in tested}
    steps, sites = round(T1 / DT) + 1, model.area.shape[0]
    weight, current, how = noise((steps, sites)), sweep(model), method or cx.Staggered()
    probes = {"v": cx.every_cv()} | {name: cx.Probe(cx.every_cv(), name) for name in record}

    def loss(params: Params) -> jax.Array:
        sol = cx.simulate(model.replace(params), T1, DT, [current], probes, how, adjoint=cx.Direct())
        total = jnp.mean(weight * (sol["v"] / 50.0) ** 2)
        return sum((jnp.mean(weight * (sol[name] / SIZES[name]) ** 2) for name in record), total)

    return loss, params


# Schemes of many states compile for minutes; each has a model of its own, and those runs are marked slow.
LARGE = [c for c in CHANNELS if len(c().outline().states) > 8]
SMALL = sorted((c for c in CHANNELS if c not in LARGE), key=reads_calcium)  # few models with a pool
GROUPS = {c: SMALL[i : i + 5] for i in range(0, len(SMALL), 5) for c in SMALL[i : i + 5]}


@cache
def of_group(classes: tuple[Any, ...]) -> dict[str, Comparison]:
    """Return the comparison for several channels on one cell."""
    channels = {word(cls): made(cls) for cls in classes}
    paints: dict[str, Any] = {**channels}
    if any(map(reads_calcium, classes)):
        paints["influx_"] = mainen1996.Ca(g=1e-4)
    ions = surroundings(c for c in paints.values())
    loss, params = cell_loss(paints | ions, set(channels))
    return compared(loss, params, {word(cls): cls for cls in classes})


@each(SMALL)
def test_channel(cls: Any) -> None:
    check(cls, of_group(tuple(GROUPS[cls]))[label(cls)])


@pytest.mark.slow
@each(LARGE)
def test_large_scheme(cls: Any) -> None:
    check(cls, of_group((cls,))[label(cls)])


@cache
def of_ion(cls: Any, method: Any = None) -> Comparison:
    """Return the comparison for an ion fed by a calcium current; a potassium current reads its concentration."""
    ion = made(cls)
    paints: dict[str, Any] = {"ca": ion, "influx_": mainen1996.Ca(g=1e-4)}
    record: tuple[str, ...] = ()
    if ion.inside(**ion.start()) is not None:
        paints |= {"kca_": fohlmeister1997.KCa(g=1e-3), "k": Reversal(-85.0)}
        record = ("ca.cai", "ca.eca")
    loss, params = cell_loss(paints, {"ca"}, record, method)
    return compared(loss, params, {"ca": cls})[label(cls)]


@each(IONS)
def test_ion(cls: Any) -> None:
    # The second-order step of as many states as Shells has compiles for long.
    check(cls, of_ion(cls, cx.BackwardEuler() if cls is Shells else cx.Staggered()))


@pytest.mark.slow
def test_shells_to_second_order() -> None:
    check(Shells, of_ion(Shells, cx.Staggered()))


def of_networks(net: cx.Network, inputs: list[Any], of: dict[str, type]) -> dict[str, Comparison]:
    """Return the comparison for the mechanisms that paths call `of`, by the voltages of all cells."""
    model = net.discretize(cx.PerBranch(1))
    params = {k: v for k, v in model.params.items() if k.split(".")[-2] in of}
    names = [p.name for p in net.populations]
    weight = noise((round(T1 / DT) + 1, len(names)))

    def loss(params: Params) -> jax.Array:
        sol = cx.simulate(model.replace(params), T1, DT, inputs, {n: n for n in names}, adjoint=cx.Direct())
        return jnp.mean(weight * (jnp.concatenate([sol[n] for n in names], axis=1) / 50.0) ** 2)

    return compared(loss, params, of)


def spiking(**paints: Any) -> cx.Cell:
    return cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0, temperature=CELSIUS).paint("all", **paints)


def step(population: str, density: float, delay: float = 0.5) -> cx.IClamp:
    """A current step of `density` µA/cm² for a cell of `spiking`."""
    return cx.IClamp(population, delay, T1, density * 1e-5 * np.pi * 20.0 * 20.0)


@cache
def of_points() -> dict[str, Comparison]:
    """Return the comparison for all point neurons, each a population of its own."""
    net = cx.Network()
    for cls in POINTS:
        net = net.add(word(cls), spiking(**{word(cls): made(cls)}), 1)
    return of_networks(net, [step(word(cls), 17.0) for cls in POINTS], {word(cls): cls for cls in POINTS})


@each(POINTS)
def test_point_neuron(cls: Any) -> None:
    check(cls, of_points()[label(cls)])


@cache
def of_synapses() -> dict[str, Comparison]:
    """Return the comparison for all synapses and gap junctions between a spiking driver and a passive follower."""
    net = cx.Network().add("a", spiking(lif=LIF()), 1).add("b", spiking(leak=Leak(g=3e-4, e=-65.0)), 1)
    for cls in SYNAPSES:
        if issubclass(cls, EventSynapse):
            net = net.connect("a", "b", made(cls), delay=0.72, weight=1e-3, name=word(cls))
        else:
            net = net.connect("a", "b", made(cls), weight=1e-3, name=word(cls))
    return of_networks(net, [step("a", 17.0), step("b", 2.0)], {word(cls): cls for cls in SYNAPSES})


@each(SYNAPSES)
def test_synapse(cls: Any) -> None:
    check(cls, of_synapses()[label(cls)])


@cache
def of_rules() -> dict[str, Comparison]:
    """Return the comparison for all plasticity rules, each on a projection between two spiking cells."""
    net = cx.Network().add("a", spiking(lif=LIF()), 1)
    inputs: list[Any] = [step("a", 17.0)]
    for cls in RULES:
        net = net.add(word(cls), spiking(lif=LIF()), 1)
        net = net.connect("a", word(cls), ExpSyn(), delay=0.72, weight=2e-3, plasticity=made(cls))
        inputs.append(step(word(cls), 12.0, 0.9))
        if issubclass(cls, RewardSTDP):
            inputs.append(cx.Reward(f"a->{word(cls)}.expsyn", np.linspace(0.5, 1.0, 17), 0.5))
    return of_networks(net, inputs, {c.__name__.lower(): c for c in RULES})


@each(RULES)
def test_plasticity(cls: Any) -> None:
    check(cls, of_rules()[label(cls)])


def test_what_is_listed_exists() -> None:
    known = {
        f"{label(c)}.{s.name}" for c in (*CHANNELS, *POINTS, *IONS, *SYNAPSES, *RULES) for s in c.specs()
    }
    known |= {f"{label(c)}.{name}" for c in SYNAPSES for name in ("weight", "delay", "threshold")}
    assert known >= set(ZERO)
    assert known >= {f"{c}.{name}" for c, values in VALUES.items() for name in values if name != "shells"}
