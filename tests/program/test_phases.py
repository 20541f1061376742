"""Long kernels in phases: an order in which few results wait, cuts where few are handed on, the bits of one loop."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH
from cajax.program import emit, executor
from cajax.program.phases import LENGTH, MOST, in_order, phases


def random_uses(seed: int, count: int = 80) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    near = [range(max(0, k - 9), k) for k in range(count)]
    return [[int(rng.choice(x)) for _ in range(rng.integers(0, 3))] if len(x) else [] for x in near]


def waiting(uses: list[list[int]], order: list[int]) -> int:
    """The most results that wait at a time."""
    place = {step: at for at, step in enumerate(order)}
    last = dict(place)
    for step, taken in enumerate(uses):
        for k in taken:
            last[k] = max(last[k], place[step])
    return max(sum(place[k] < at <= last[k] for k in place) for at in range(len(order)))


@pytest.mark.parametrize("seed", range(20))
def test_order(seed: int) -> None:
    uses = random_uses(seed)
    order = in_order(uses)
    assert sorted(order) == list(range(len(uses)))
    place = {step: at for at, step in enumerate(order)}
    assert all(place[k] < place[step] for step, taken in enumerate(uses) for k in taken)


def test_chains_are_taken_one_after_the_other() -> None:
    # Four chains side by side, step by step, joined at the end: in this order all four wait, in ours one at a time.
    uses = [[] if k < 4 else [k - 4] for k in range(40)] + [[36, 37], [38, 40], [39, 41]]
    assert waiting(uses, list(range(len(uses)))) == 4
    assert waiting(uses, in_order(uses)) == 2


@pytest.mark.parametrize("seed", range(20))
def test_phases(seed: int) -> None:
    uses = random_uses(seed)
    costs = np.random.default_rng(seed).integers(1, 12, len(uses)).tolist()
    found = phases(costs, uses)
    assert [k for x in found for k in x] == list(range(len(uses)))
    assert all(len(x) for x in found)
    for phase in found[:-1]:
        handed = {k for taken in uses[phase.stop :] for k in taken if k < phase.stop}
        assert len(handed) <= MOST
        assert sum(costs[phase.start : phase.stop]) >= LENGTH / 2


def test_what_too_many_wait_for_is_not_cut() -> None:
    wide = [[] for _ in range(60)] + [list(range(60))]
    assert phases([9] * 61, wide)[-1] == range(MOST, 61)
    assert phases([1] * 61, wide) == [range(61)]


@pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")
@pytest.mark.parametrize("lanes", [None, 3])
def test_bits(lanes: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    # 37 entries: strips of unequal length, and a last one that is not whole.
    cell = cx.Cell(cx.cylinder(400.0, 2.0)).paint("all", hh=HH())
    model = cell.discretize(cx.PerBranch(37)).widened("all.hh.gna", "cv")
    cuts: list[int] = []

    def run() -> Any:
        def loss(gna: Any, amp: Any) -> Any:
            changed = model.replace({"all.hh.gna": gna})
            clamp = cx.IClamp("soma", delay=0.1, dur=5.0, amp=amp)
            sol = cx.simulate(changed, 2.0, inputs=[clamp], record={"v": cx.every_cv("all")})
            return jnp.sum(sol["v"] ** 2), sol["v"]

        gradient = jax.grad(loss, (0, 1), has_aux=True)
        if lanes is None:
            return jax.jit(gradient)(model.params["all.hh.gna"], 0.3)
        return jax.jit(jax.vmap(gradient, (None, 0)))(
            model.params["all.hh.gna"], jnp.linspace(0.1, 0.5, lanes)
        )

    def counted(*arguments: Any) -> Any:
        found = phases(*arguments)
        cuts.append(len(found))
        return found

    monkeypatch.setattr(emit, "phases", counted)
    found = run()
    assert max(cuts) > 2
    monkeypatch.setattr(emit, "phases", lambda costs, uses: [range(len(costs))])
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(run()), strict=True):
        np.testing.assert_array_equal(a, b)
