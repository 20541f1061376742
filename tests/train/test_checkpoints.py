import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cajax.base.errors import StoreError
from cajax.train import History
from cajax.train.checkpoints import Checkpoints, State


def state(optimizer=None, shape=(3,), dtype=jnp.float64, path="soma.na.g") -> State:
    theta = {
        path: jnp.linspace(0.1, 0.7, int(np.prod(shape))).astype(dtype).reshape(shape),
        "a->b[1].w": jnp.ones(2),
    }
    return State(theta, (optimizer or optax.adam(0.1)).init(theta))


def history(steps: int) -> History:
    return History(
        [1 / 3] * steps, [0.1] * steps, [0.2] * steps, [{"hits": k} for k in range(steps)], ["x"], "running"
    )


def save(run, steps=(3,), what=None):
    store = Checkpoints(run)
    for k in steps:
        store.save(what or state(), history(k))
    store.close()


def test_the_state_comes_back_bit_for_bit_with_its_types(tmp_path):
    saved = State(
        {"g": jnp.asarray(np.random.default_rng(0).normal(size=5)), "f": jnp.ones((), jnp.float32)}, ()
    )
    saved = State(saved.theta, (jnp.asarray(7, jnp.int32), jax.random.key(5), jax.random.PRNGKey(3)))
    save(tmp_path, what=saved)
    fresh = jax.tree.map(lambda x: x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x * 0, saved)
    loaded, past = Checkpoints(tmp_path).restore(fresh)
    assert jax.tree.structure(loaded) == jax.tree.structure(saved)
    for a, b in zip(jax.tree.leaves(loaded), jax.tree.leaves(saved), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert bool(jnp.all(a == b))
    assert past == history(3)


def test_the_last_two_are_kept_and_the_newest_is_found(tmp_path):
    save(tmp_path, (3, 5, 5, 8))
    store = Checkpoints(tmp_path)
    assert store.latest == 8
    assert sorted(p.name for p in store.folder.iterdir()) == ["5", "8"]


def test_a_saved_state_is_a_copy(tmp_path):
    fresh = state()
    store = Checkpoints(tmp_path)
    store.save(fresh, history(1))
    for leaf in jax.tree.leaves(fresh):
        leaf.delete()
    store.close()
    loaded, _ = Checkpoints(tmp_path).restore(state())
    np.testing.assert_array_equal(loaded.theta["soma.na.g"], state().theta["soma.na.g"])


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (state(shape=(4,)), r"parameter 'soma\.na\.g' is float64\[3\] there and float64\[4\] here"),
        (state(dtype=jnp.float32), r"float64\[3\] there and float32\[3\] here"),
        (state(path="soma.kd.g"), r"parameter 'soma\.na\.g' is float64\[3\] there and absent here"),
        (state(optax.sgd(0.1)), r"optimizer state '.*count' is int32\[\] there and absent here"),
    ],
)
def test_another_fit_is_recognised_by_name(tmp_path, other, text):
    save(tmp_path)
    with pytest.raises(StoreError, match=text) as caught:
        Checkpoints(tmp_path).restore(other)
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_said_to_be_damaged(tmp_path):
    save(tmp_path)
    for path in (tmp_path / "checkpoints" / "3" / "arrays").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(StoreError, match=r"checkpoint 3 .* is damaged") as caught:
        Checkpoints(tmp_path).restore(state())
    assert "\n" not in str(caught.value)


def test_an_empty_or_unusable_folder_says_so(tmp_path):
    with pytest.raises(StoreError, match="there is no checkpoint"):
        Checkpoints(tmp_path).restore(state())
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another run folder"):
        Checkpoints(tmp_path / "file")


def test_pipes_among_checkpoints_are_refused(tmp_path):
    save(tmp_path)
    victim = next(p for p in (tmp_path / "checkpoints" / "3" / "arrays").rglob("*") if p.is_file())
    victim.unlink()
    os.mkfifo(victim)
    with pytest.raises(StoreError, match="neither a file nor a folder"):
        Checkpoints(tmp_path)


def test_a_history_that_was_changed_is_noticed(tmp_path):
    save(tmp_path)
    path = tmp_path / "checkpoints" / "3" / "about" / "metadata"
    for old, new, said in (
        ("0.2", "0.4", "not what was saved"),
        ('"running"', '"walking"', "stopped is 'walking'"),
    ):
        text = path.read_text()
        path.write_text(text.replace(old, new))
        with pytest.raises(StoreError, match=f"checkpoint 3 .* is damaged .*{said}"):
            Checkpoints(tmp_path).restore(state())
        path.write_text(text)


FULL = """
import resource, signal, sys
import jax, optax
from cajax.base.errors import StoreError
from cajax.train import Free, fit, positive
from small_model import SmallModel

model = SmallModel.new().replace({})
wide = SmallModel({**model.params, "in->out.graded.weight": jax.random.uniform(jax.random.key(0), (20_000,))})

def full(step):  # no file may grow any more: what a full disk does to a running training
    if step.number == 12 and len(sys.argv) > 2:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

def loss(model):
    return (model.params["in->out.graded.weight"] ** 2).sum()

try:
    _, history = fit(
        loss, wide, Free({"*weight": positive()}), optax.adam(0.1), 30, run=sys.argv[1], save_every=5, callback=full,
        progress=False,
    )
    print(history.steps, history.stopped)
except StoreError as error:
    print(error)
"""


def test_a_full_disk_ends_in_one_line_and_the_last_whole_checkpoint_is_kept(tmp_path):
    paths = [str(Path(__file__).parent), *(p for p in sys.path if p)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def go(*args):
        command = [sys.executable, "-c", FULL, str(tmp_path / "run"), *args]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)

    done = go("full")
    assert len(done.stdout.splitlines()) == 1, done.stdout
    # The tenth step's may still have been on its way.
    assert re.search(r"too large; step (5|10) is kept there; make room", done.stdout), (
        done.stdout + done.stderr
    )
    assert "orbax" not in done.stderr
    assert go().stdout == "30 finished\n"
