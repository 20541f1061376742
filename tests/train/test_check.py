from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_model import SmallModel

import cajax as cx
from cajax.base.distributions import each
from cajax.base.errors import CajaxError, NonFiniteError, ParameterError
from cajax.mech import HH, ExpSyn, FastSigmoid
from cajax.train import Free, bounded, check_gradient, positive, unbounded

FREE = Free(
    {"soma.*.g": positive(), "dend.na.g": each("branch", bounded(0.0, 0.5)), "dend.leak.e": unbounded(5.0)}
)
NA, KD, DEND, LEAK = "soma.na.g", "soma.kd.g", "dend.na.g", "dend.leak.e"


def smooth(model):
    """Something nonlinear in all that is free."""
    drive = jnp.tanh(10.0 * model(NA) * jnp.arange(1.0, 7.0)) * model(KD)
    return jnp.sum(drive) + jnp.mean(model(DEND) ** 2) * 1e2 + jnp.sin(model(LEAK) / 50.0)[0]


@jax.custom_vjp
def wrong(x):
    return x


wrong.defvjp(lambda x: (x, None), lambda _, g: (1.01 * g,))


def verdicts(check):
    return {row.path: row.verdict for row in check.paths}


def test_a_right_gradient_agrees_to_many_digits(model):
    check = check_gradient(smooth, model, FREE, directions=4)
    assert check.ok and check.cut == () and check.dtype == "float64"
    assert check.loss == pytest.approx(float(smooth(model)))
    assert len(check.directions) == 4 and len({row.reverse for row in check.directions}) == 4
    for row in check.directions:
        assert row.verdict == "agrees" and row.error < 1e-8 and row.uncertainty < 1e-6 * abs(row.difference)
        assert row.forward == pytest.approx(row.reverse, rel=1e-12)
        assert abs(row.reverse - row.difference) < 10 * row.uncertainty
    assert verdicts(check) == dict.fromkeys((NA, KD, DEND, LEAK), "not cut")


def test_the_norms_are_those_of_the_gradient_in_unconstrained_space(model):
    theta = FREE.init(model)
    gradient = jax.grad(lambda t: smooth(FREE.apply(model, t)))(theta)
    for row in check_gradient(smooth, model, FREE).paths:
        assert row.norm == pytest.approx(float(jnp.linalg.norm(gradient[row.path])))
        assert row.count == theta[row.path].size
    assert DEND in {row.path for row in check_gradient(smooth, model, FREE).paths if row.count == 4}


def test_a_hard_threshold_is_a_cut(model):
    def loss(model):
        return smooth(model) + jnp.sum(model(NA) > 0.1) - smooth(model.replace({KD: 1.2 * model.params[KD]}))

    def counted(model):
        return jnp.sum(jnp.round(100.0 * model(NA))) + 0.0 * model(KD)[0]

    assert check_gradient(loss, model, FREE).cut == ()
    check = check_gradient(counted, model, FREE)
    assert not check.ok and check.cut == (NA,)
    assert verdicts(check) == {NA: "cut", KD: "no effect", DEND: "no effect", LEAK: "no effect"}
    assert all(row.reverse == 0.0 for row in check.directions)
    assert f"cut: {NA}" in check.summary


def test_one_cut_path_among_others_is_named(model):
    def loss(model):
        return smooth(model.replace({KD: jax.lax.stop_gradient(model.params[KD])}))

    check = check_gradient(loss, model, FREE)
    assert check.cut == (KD,) and not check.ok
    assert verdicts(check) == {NA: "agrees", KD: "cut", DEND: "agrees", LEAK: "agrees"}
    assert all(row.verdict == "differs" for row in check.directions)


def test_a_wrong_gradient_is_found_and_its_path_named(model):
    check = check_gradient(lambda m: smooth(m.replace({KD: wrong(m.params[KD])})), model, FREE)
    assert not check.ok and check.cut == ()
    assert verdicts(check)[KD] == "differs" and verdicts(check)[NA] == "agrees"
    assert all(row.forward is None for row in check.directions)
    assert f"wrong: {KD}" in check.summary and "none" in str(check)
    (row,) = (row.along for row in check.paths if row.path == KD)
    assert row is not None and row.error == pytest.approx(0.0099, rel=1e-3)


def test_a_wrong_rule_for_both_modes_is_found(model):
    @jax.custom_jvp
    def odd(x):
        return x

    odd.defjvp(lambda x, t: (x[0], 1.1 * t[0]))
    check = check_gradient(lambda m: smooth(m.replace({KD: odd(m.params[KD])})), model, FREE)
    assert verdicts(check)[KD] == "differs"


def test_a_rough_difference_is_doubted_not_blamed(model):
    """The start lies on a jump: no step of the difference says what the slope is."""
    at = jnp.log(model.params[NA])

    def loss(model):
        return smooth(model) + 1e3 * jnp.sign(jnp.log(model.params[NA]) - at) * jnp.ones(())

    check = check_gradient(loss, model, FREE)
    assert not check.ok and {row.verdict for row in check.directions} == {"doubtful"}
    assert "cannot be told" in check.summary


def test_the_noise_of_the_loss_is_seen(model):
    noisy = check_gradient(lambda m: jax.lax.optimization_barrier(smooth(m) + 1e8) - 1e8, model, FREE)
    quiet = check_gradient(smooth, model, FREE)
    assert quiet.noise < 1e-14 < 1e-10 < noisy.noise < 1e-7
    assert all(row.verdict == "agrees" for row in noisy.directions)
    assert all(a.step > b.step for a, b in zip(noisy.directions, quiet.directions, strict=True))


def test_the_key_chooses_the_directions(model):
    one, same, other = (
        check_gradient(smooth, model, FREE, key=jax.random.key(k), directions=1) for k in (1, 1, 2)
    )
    assert one == same and one.directions[0].reverse != other.directions[0].reverse


def test_more_arguments_go_to_the_loss(model):
    check = check_gradient(lambda m, batch: smooth(m) * batch.mean(), model, FREE, jnp.arange(3.0))
    assert check.loss == pytest.approx(float(smooth(model)))


def test_single_precision_warns_and_still_finds_a_cut():
    model = SmallModel.new(np.float32)

    def loss(model):
        return smooth(model.replace({KD: jax.lax.stop_gradient(model.params[KD])})).astype(np.float32)

    with pytest.warns(UserWarning, match="jax_enable_x64") as record:
        check = check_gradient(loss, model, FREE)
    assert "\n" not in str(record[0].message)
    assert check.dtype == "float32" and check.cut == (KD,)
    with pytest.warns(UserWarning, match="three digits"):
        right = check_gradient(lambda m: smooth(m).astype(np.float32), model, FREE)
    assert right.ok and all(row.error < 1e-2 for row in right.directions)


def test_the_table_shows_all(model):
    text = str(check_gradient(smooth, model, FREE))
    for part in (
        "parameter",
        "gradient",
        "verdict",
        "direction",
        "difference",
        *FREE.choices(model),
        "random 3",
    ):
        assert part in text
    assert "the gradient is that of the loss" in text.splitlines()[-1]


def test_wrong_kinds_are_told(model):
    right: dict[str, Any] = {"loss": lambda m: 0.0, "model": model, "free": Free({"*": unbounded()})}
    for name in right:
        wrong: Any = {**right, name: "text"}
        with pytest.raises(
            ParameterError, match="^check_gradient.*" + ("Model" if name == "model" else name)
        ):
            check_gradient(**wrong)


def test_wrong_arguments_are_told(model):
    wrong_numbers: tuple[Any, ...] = (0, -1, 1.5, True)
    for bad in wrong_numbers:
        with pytest.raises(ParameterError, match="directions"):
            check_gradient(smooth, model, FREE, directions=bad)
    for loss in (lambda m: m(NA), lambda m: 3, lambda m: jnp.argmax(m(NA)), lambda m: (smooth(m), 1.0)):
        with pytest.raises(ParameterError, match="one real number") as excinfo:
            check_gradient(loss, model, FREE)
        assert "\n" not in str(excinfo.value)
    with pytest.raises(NonFiniteError, match="the loss"):
        check_gradient(lambda m: jnp.log(-m(NA)[0]), model, FREE)
    with pytest.raises(NonFiniteError, match=f"gradient of {NA}"):
        check_gradient(lambda m: jnp.sqrt(m(NA)[0] * 0.0) + smooth(m), model, FREE)
    with pytest.raises(CajaxError):
        check_gradient(smooth, model, Free({"nothing": positive()}))


def test_says_what_comes_from_surrogates():
    """A population that spikes before a threshold synapse gets a surrogate share, everything after it is exact."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", hh=HH())
    paths = ("a.all.hh.gna", "b.all.hh.gna", "a->b.expsyn.weight", "a->b.expsyn.delay")
    shares = {}
    for surrogate in (None, FastSigmoid(5.0)):
        net = cx.Network().add("a", cell).add("b", cell)
        model = net.connect("a", "b", ExpSyn(), weight=2e-3, delay=1.5, surrogate=surrogate).discretize(
            cx.PerBranch(1)
        )

        def loss(model):
            clamp = cx.IClamp("a", 1.0, 8.0, 0.2)
            return 1e-3 * jnp.mean(cx.simulate(model, t1=9.0, dt=0.05, inputs=[clamp])["b"] ** 2)

        found = cx.check_gradient(
            loss, model, cx.Free({p: cx.positive() for p in paths}), directions=1, progress=False
        )
        assert found.ok, str(found)
        shares[surrogate] = [row.surrogate for row in found.paths]
    assert shares[None] == [None] * 4
    assert shares[FastSigmoid(5.0)][0] > 0.1 and shares[FastSigmoid(5.0)][1:] == [0.0] * 3
    assert "surrogates add" in str(found) and "exact" in str(found)
