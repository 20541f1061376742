"""Random cells, networks and clamps: what every law is tried on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import cajax as cx
from cajax.mech import HH, CaL, CaT, Graded, Kd, Km, Leak, Na
from cajax.morph import Branch

TAGS = ("axon", "basal", "apical")


def random_morphology(rng: np.random.Generator, n_branches: int) -> cx.Morphology:
    """A soma and a random tree of `n_branches` tapering branches on it; every tag occurs from four branches on."""
    branches = [Branch(_polyline(rng, np.zeros(3), rng.uniform(15, 25), 8.0, 2), tag="soma")]
    tags = [*rng.permutation(TAGS), *rng.choice(TAGS, max(n_branches - 3, 0))]
    for k in range(n_branches):
        parent = int(rng.integers(0, len(branches))) if k >= 3 else 0
        attach = float(rng.choice([0.0, 0.5, 1.0])) if parent == 0 else 1.0
        start = branches[parent].points[-1 if attach else 0, :3]
        points = _polyline(rng, start, rng.uniform(40, 150), rng.uniform(0.4, 1.5), int(rng.integers(2, 5)))
        branches.append(Branch(points, parent, attach, str(tags[k])))
    return cx.Morphology.of(branches)


def _polyline(
    rng: np.random.Generator, start: np.ndarray, length: float, radius: float, n: int
) -> np.ndarray:
    steps = rng.normal(size=(n - 1, 3))
    steps *= length / (n - 1) / np.linalg.norm(steps, axis=1, keepdims=True)
    xyz = start + np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])
    return np.column_stack([xyz, radius * rng.uniform(0.7, 1.2, n)])


def random_channel(rng: np.random.Generator, cls: type) -> Any:
    """The channel with every conductance off its default; sometimes given to each place, sometimes graded."""
    channel = cls()
    values: dict[str, Any] = {}
    for spec in cls.specs():
        value = spec.default * rng.uniform(0.6, 1.4)
        if spec.unit == "S/cm2":
            values[spec.name] = _spread(rng, value)
    return channel.with_params(values)


def _spread(rng: np.random.Generator, value: float) -> Any:
    kind = rng.choice(["plain", "plain", "each", "along"])
    if kind == "each":
        return cx.each(str(rng.choice(["cv", "branch", "cell"])), value)
    if kind == "along":
        return cx.along(cx.path_distance(), _falling, base=value, scale=rng.uniform(80.0, 200.0))
    return value


def _falling(x: Any, base: Any, scale: Any) -> Any:
    return base * jnp.exp(-x / scale)


def random_cell(rng: np.random.Generator, n_branches: int = 3, channels: int = 3) -> cx.Cell:
    """A random tree with a leak, a sodium and a potassium channel, and `channels - 2` more on random regions."""
    morph = random_morphology(rng, n_branches)
    cell = cx.Cell(
        morph,
        cm=rng.uniform(0.7, 1.3),
        ra=rng.uniform(70, 200),
        v0=rng.uniform(-72, -62),
        temperature=rng.choice([None, 30.0]),
    ).label(near=cx.path_distance() < 60.0, rest=~cx.region("near"), mixed="soma" | cx.tag("apical"))
    # Few branches do not have every tag, and what is empty cannot be painted.
    tagged = [tag for tag in ("apical", "basal") if tag in morph.tags]
    regions = ["all", "soma", *tagged, "near", "mixed"]
    cell = cell.paint("all", leak=random_channel(rng, Leak))
    cell = cell.paint(str(rng.choice(regions)), cm=rng.uniform(0.7, 2.0), ra=rng.uniform(70, 200))
    for cls in (Na, Kd, *rng.permutation([CaT, Km, CaL, HH])[: channels - 2]):
        for label in rng.choice(["all", *regions], 2, replace=False)[: int(rng.integers(1, 3))]:
            cell = cell.paint(str(label), **{cls.__name__.lower(): random_channel(rng, cls)})
    return cell


def random_network(rng: np.random.Generator) -> cx.Network:
    """Three populations (a shape repeated, two different shapes, single cylinders), excitation and inhibition."""
    point = cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0).paint("all", hh=random_channel(rng, HH))
    tree = cx.Cell(random_morphology(rng, 3), v0=-68.0).paint("all", leak=random_channel(rng, Leak))
    other = cx.Cell(random_morphology(rng, 3), v0=-65.0).paint("all", leak=Leak(g=cx.each("cell", 2e-4)))
    shape = cx.Cell(random_morphology(rng, 4), v0=-65.0).paint("all", leak=other.paints[-1].value)
    return (
        cx.Network()
        .add("input", point, 3)
        .add("tree", tree, 2)
        .add("mixed", [other, shape])
        .connect("input", "tree", Graded(e=0.0), at="apical", weight=rng.uniform(1e-4, 1e-3, (3, 2)))
        .connect(
            "input",
            "tree",
            Graded(e=-80.0, threshold=-50.0),
            at=cx.every_cv("basal"),
            weight=3e-4,
            name="inh",
        )
        .connect("tree", "mixed", Graded(slope=5.0), rule=cx.one_to_one(), weight=cx.each("edge", 5e-4))
        .connect("input", "mixed", Graded(e=-70.0), rule=cx.edges([[0, 0], [2, 1], [1, 0]]), at="all")
        .connect("mixed", "mixed", Graded(e=-75.0), rule=cx.bernoulli(0.5, seed=1), weight=1e-4)
    )


def noise(model: cx.Model, seed: int = 0) -> jax.Array:
    """One fixed random weight per CV, for losses in which nothing cancels by symmetry."""
    return jnp.asarray(np.random.default_rng(seed).uniform(0.5, 1.5, model.structure.size))
