import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError
from cajax.train import accuracy, cross_entropy, mae, mse

RNG = np.random.default_rng(0)


def test_errors_of_traces_agree_with_numpy():
    v, target = RNG.normal(size=(2, 5, 3))
    assert mse(jnp.asarray(v), target) == pytest.approx(np.mean((v - target) ** 2))
    assert mae(jnp.asarray(v), target) == pytest.approx(np.mean(abs(v - target)))
    assert mse(jnp.asarray(v), target[0]) == pytest.approx(np.mean((v - target[0]) ** 2))
    assert mse(jnp.asarray(v), 0.0) == pytest.approx(np.mean(v**2))


@pytest.mark.parametrize("shape", [(5, 1, 5), (4,), (1, 5, 3)])
@pytest.mark.parametrize("error", [mse, mae])
def test_a_target_that_would_blow_up_the_trace_is_refused(error, shape):
    with pytest.raises(ParameterError, match="target has shape"):
        error(jnp.zeros((5, 3)), np.zeros(shape))
    with pytest.raises(ParameterError, match=r"\(5, 1\).*\(5,\)"):
        error(jnp.zeros(5), np.zeros((5, 1)))


def test_cross_entropy_is_the_log_loss():
    logits, labels = RNG.normal(size=(7, 4)) * 3, RNG.integers(4, size=7)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert cross_entropy(jnp.asarray(logits), labels) == pytest.approx(
        -np.log(p[np.arange(7), labels]).mean()
    )
    slope = jax.grad(cross_entropy)(jnp.asarray(logits), labels)
    np.testing.assert_allclose(slope, (p - np.eye(4)[labels]) / 7, atol=1e-12)


def test_extreme_logits_stay_finite():
    logits = jnp.asarray([[1e4, -1e4], [-1e4, 1e4]], jnp.float32)
    value, slope = jax.value_and_grad(cross_entropy)(logits, np.array([1, 1]))
    assert jnp.isfinite(value)
    assert jnp.isfinite(slope).all()


def test_accuracy_counts_hits():
    logits = jnp.asarray([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], jnp.float32)
    assert accuracy(logits, np.array([1, 0, 0, 1])) == 0.5
    assert accuracy(logits, np.array([1, 0, 0, 1])).dtype == jnp.float32
    assert jax.jit(accuracy)(logits[2], jnp.asarray(1)) == 1.0


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.array([0, 1, 2]), "from 0 to 2, but there are 2 logits"),
        (np.array([0, -1, 1]), "from -1 to 1"),
        (np.array([0, 1]), r"shape \(2,\); .*shape \(3,\)"),
        (np.array([0.0, 1.0, 1.0]), "whole numbers"),
    ],
)
@pytest.mark.parametrize("score", [cross_entropy, accuracy])
def test_labels_that_do_not_fit_are_refused(score, labels, text):
    with pytest.raises(ParameterError, match=text):
        score(jnp.zeros((3, 2)), labels)
