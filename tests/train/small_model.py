"""A stand-in for `Model`: two cells of two branches and six control volumes, with the little that training needs.

Run as a program it trains this model slowly, so that a test can kill it: `small_model.py RUN STEPS`.
"""

import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

WHERE = {
    "cv": np.arange(6),
    "branch": np.array([0, 0, 1, 2, 2, 3]),
    "cell": np.array([0, 0, 0, 1, 1, 1]),
}
VALUES = {
    "soma.na.g": (0.12, "S/cm2"),
    "soma.kd.g": (0.036, "S/cm2"),
    "dend.na.g": (0.02, "S/cm2"),
    "dend.leak.e": (-65.0, "mV"),
    "dend[1].cm": (1.0, "uF/cm2"),
    "in->out.graded.weight": ([0.1, 0.2, 0.3, 0.4], "uS"),
}


class SmallModel(eqx.Module):
    params: dict[str, jax.Array]
    places: tuple[tuple[str, str], ...] = eqx.field(static=True, default=())

    @classmethod
    def new(cls, dtype=None) -> "SmallModel":
        return cls({path: jnp.asarray(value, dtype or float) for path, (value, _) in VALUES.items()})

    @property
    def units(self):
        return {path: unit for path, (_, unit) in VALUES.items()}

    def replace(self, params):
        for path, value in params.items():
            assert jnp.shape(value) == self.params[path].shape, path
        return SmallModel({**self.params, **params}, self.places)

    def widened(self, path, place):
        if (path, place) in self.places:
            return self
        wide = jnp.broadcast_to(self.params[path], (WHERE[place].max() + 1,))
        return SmallModel({**self.params, path: wide}, (*self.places, (path, place)))

    def __call__(self, path):
        """The parameter in every control volume `[6]`."""
        place = dict(self.places).get(path)
        return jnp.broadcast_to(self.params[path], (6,)) if place is None else self.params[path][WHERE[place]]


def loss(model, batch, key):
    """Something nonlinear in everything, with noise."""
    x = batch + 0.01 * jax.random.normal(key, batch.shape)
    na, kd, cm = (jnp.broadcast_to(model(p), (6,))[None] for p in ("soma.na.g", "soma.kd.g", "dend[1].cm"))
    v = jnp.tanh(10.0 * na * x[:, None]) * kd / cm
    return jnp.mean((v - 0.02 * jnp.arange(6.0)[None]) ** 2) * 1e3 + jnp.sum(
        model.params["in->out.graded.weight"] ** 2
    )


def batches(step):
    return np.random.default_rng(step).uniform(0.5, 1.5, 8)


def setting():
    """Everything a run of `fit` needs, but the folder and the number of steps."""
    import optax

    from cajax import train
    from cajax.base.distributions import each

    free = train.Free({"soma.*.g": each("branch", train.positive()), "*weight": train.unbounded()})
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.03))
    return (loss, SmallModel.new(), free, optimizer), {"batches": batches, "key": jax.random.key(3)}


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    from cajax.train import fit

    arguments, options = setting()
    options["batches"] = lambda step: (time.sleep(0.002), batches(step))[1]
    fit(*arguments, int(sys.argv[2]), **options, run=sys.argv[1], save_every=7)
