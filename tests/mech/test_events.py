"""What every synapse that answers to spikes must do: flow exactly, jump by what is said, keep its types."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError
from cajax.mech import (
    AMPA,
    GABAA,
    GABAB,
    NMDA,
    Alpha,
    EventSynapse,
    Exp2Syn,
    ExpSyn,
    Gate,
    Param,
    ShortTerm,
    param,
)

from ..helpers import one_line

ALL = [ExpSyn(), Alpha(), Exp2Syn(), AMPA(), GABAA(), NMDA(), GABAB(), ShortTerm()]
ids = lambda s: type(s).__name__  # noqa: E731


def rested(synapse: EventSynapse) -> dict[str, jax.Array]:
    return {k: jnp.asarray(x, float) for k, x in synapse.start().items()}


def close(a, b, rtol=1e-12):
    assert set(a) == set(b)
    for k in a:
        np.testing.assert_allclose(a[k], b[k], rtol=rtol, atol=1e-14)


@pytest.mark.parametrize("synapse", ALL, ids=ids)
def test_rest_stays_and_is_silent(synapse):
    synapse.check()
    start = rested(synapse)
    close(synapse.flow(3.7, **start), start)
    assert float(synapse.release(**start)) == 0.0
    assert float(synapse.current(-65.0, 0.0)) == 0.0


@pytest.mark.parametrize("synapse", ALL, ids=ids)
def test_flow_is_exact_whatever_it_is_cut_into(synapse):
    states = synapse.event(**rested(synapse)) | {}
    states = rested(synapse) | states
    whole = synapse.flow(7.0, **states)
    cut = states
    for dt in (0.0, 1e-4, 0.5, 2.4999, 4.0):
        cut = synapse.flow(dt, **cut)
    close(whole, cut)


@pytest.mark.parametrize("synapse", ALL, ids=ids)
def test_a_spike_opens_and_time_closes(synapse):
    states = rested(synapse)
    states |= synapse.event(**states)
    t = jnp.linspace(0.0, 5000.0, 100001)
    signal = synapse.release(**jax.vmap(lambda t: synapse.flow(t, **states))(t))
    assert float(signal.min()) >= -1e-15 and float(signal.max()) > 0.0
    assert float(signal[-1]) < 1e-3 * float(signal.max())


@pytest.mark.parametrize("synapse", ALL, ids=ids)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_types_are_kept(synapse, dtype):
    values = {s.name: jnp.asarray(getattr(synapse, s.name), dtype) for s in type(synapse).specs()}
    synapse = synapse.with_params(values)
    states = {k: jnp.asarray(x, dtype) for k, x in synapse.start().items()}
    for _ in range(2):
        states = states | synapse.event(**states)
        states = synapse.flow(jnp.asarray(0.1, dtype), **states)
    assert {x.dtype for x in states.values()} == {jnp.dtype(dtype)}
    assert synapse.release(**states).dtype == dtype
    assert synapse.current(jnp.asarray(-60.0, dtype), synapse.release(**states)).dtype == dtype


@pytest.mark.parametrize("synapse", ALL, ids=ids)
def test_one_parameter_per_synapse_or_one_for_all(synapse):
    n = 3
    wide = synapse.with_params({s.name: jnp.full(n, getattr(synapse, s.name)) for s in type(synapse).specs()})
    a, b = rested(synapse), {k: jnp.broadcast_to(x, (n,)) for k, x in wide.start().items()}
    for dt in (0.3, 1.1):
        a, b = a | synapse.event(**a), b | wide.event(**b)
        a, b = synapse.flow(dt, **a), wide.flow(dt, **b)
    close({k: jnp.broadcast_to(x, (n,)) for k, x in a.items()}, b)


class Partial(EventSynapse):
    """Jumps in one state only; the other follows by itself."""

    tau: Param = param(2.0, "ms", lo=1e-3)

    def gates(self):
        return {"g": Gate.relax(jnp.zeros(()), self.tau), "rest": Gate.relax(jnp.ones(()), self.tau)}

    def event(self, g, rest):
        return {"g": g + rest}

    def release(self, g, rest):
        return g

    def current(self, v, g):
        return g * v


class Stray(Partial):
    """Jumps in a state that it does not have."""

    def event(self, g, rest):
        return {"h": g}


class Deaf(Partial):
    """Does not take its states."""

    def event(self, g):
        return {"g": g}


class Forgetful(Partial):
    """Loses a state between spikes."""

    def flow(self, dt, g, rest):
        return {"g": g}


def test_a_state_need_not_jump():
    Partial().check()
    assert set(Partial().start()) == {"g", "rest"}


@pytest.mark.parametrize(
    ("cls", "says"), [(Stray, "'h'"), (Deaf, "has states g, rest"), (Forgetful, "'rest'")]
)
def test_methods_that_do_not_fit_are_refused(cls, says):
    with pytest.raises(ParameterError) as error:
        cls().check()
    assert says in one_line(error)
