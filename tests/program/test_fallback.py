"""Where nothing can be compiled, runs take JAX's scan: without the compiler, without the library, for odd steps."""

import importlib.util
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import CajaxError, ParameterError, UnknownNameError
from cajax.mech import HH
from cajax.program import compiled, executor
from cajax.program import run as programs
from cajax.solve import native
from cajax.solve.adjoint import Nested

path = Path(__file__).parents[1] / "fuzz" / "jaxprs.py"
spec = importlib.util.spec_from_file_location("cajax_fuzz_jaxprs", path)
assert spec is not None and spec.loader is not None
jaxprs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(jaxprs)

needs_compiler = pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")
CELL = cx.Cell(cx.cylinder(300.0, 2.0)).paint("all", hh=HH()).discretize(cx.PerBranch(3))


def run(**options: Any) -> Any:
    return cx.simulate(CELL, 1.0, 0.025, inputs=[cx.IClamp("soma", 0.1, 0.5, 0.3)], **options)["v"]


@pytest.fixture
def forgotten() -> Any:
    """What was found out about this machine is asked again, before and after."""

    def forget() -> None:
        for x in vars(executor).values():
            if isinstance(x, type(executor.missing)):  # what a cache wraps
                x.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture
def without_compiler(forgotten: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "available", lambda: False)


@pytest.fixture
def without_library(forgotten: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor.native, "available", lambda: False)


@pytest.mark.skipif(not native.available(), reason="the native library is missing anyway")
def test_without_compiler_says_so_once(without_compiler: None, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.warns(RuntimeWarning, match="pip install 'cajax\\[native\\]'"):
        found = run()
    np.testing.assert_allclose(found, run(backend="xla"), rtol=1e-12)
    run(method=cx.BackwardEuler())
    assert not recwarn.list


@pytest.mark.parametrize("missing", ["without_compiler", "without_library"])
def test_native_that_cannot_be_had(missing: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(missing)
    with pytest.raises(CajaxError, match="backend 'native' cannot be had") as error:
        run(backend="native")
    assert "\n" not in str(error.value) and "install" in str(error.value)


def test_without_library_runs(without_library: None) -> None:
    np.testing.assert_allclose(run(), run(backend="xla"), rtol=1e-12)


@needs_compiler
def test_all_ways_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = run(backend="xla")
    np.testing.assert_allclose(run(backend="native"), wanted, rtol=1e-10)
    np.testing.assert_allclose(run(), wanted, rtol=1e-10)
    for name in executor.BACKENDS:
        monkeypatch.setenv(executor.BACKEND_VARIABLE, name)
        np.testing.assert_allclose(run(), wanted, rtol=1e-10)
    monkeypatch.setenv(executor.BACKEND_VARIABLE, "")
    np.testing.assert_allclose(run(), wanted, rtol=1e-10)


def test_names_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("natve", "", "XLA", None, 3, b"xla", ["xla"], 1.5):
        with pytest.raises(UnknownNameError) as error:
            run(backend=name)
        assert "\n" not in str(error.value) and str(name) in str(error.value)
    monkeypatch.setenv(executor.BACKEND_VARIABLE, "pallas!")
    with pytest.raises(UnknownNameError, match=executor.BACKEND_VARIABLE):
        run()
    assert run(backend="xla").shape  # the argument counts first


def test_what_is_asked_for_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: Any) -> Any:
        raise NotImplementedError("a program was compiled")

    monkeypatch.setattr(programs, "compiled_run", taken)
    run(backend="xla", method=cx.BackwardEuler())
    monkeypatch.setenv(executor.BACKEND_VARIABLE, "xla")
    cx.simulate(CELL, 0.5, 0.025)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "two", 1025, True, [2]])
def test_numbers_of_threads_that_are_none(threads: Any) -> None:
    with pytest.raises(ParameterError, match="threads"):
        cx.simulate(CELL, 0.5, 0.025, threads=threads)


@needs_compiler
def test_threads_that_are_asked_for_take_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(executor.THREADS_VARIABLE, "5")

    def text(**more: Any) -> str:
        run = lambda v0: cx.simulate(CELL.replace({"all.v0": v0}), 0.5, throw=False, **more).records  # noqa: E731
        return jax.jit(run).lower(CELL.params["all.v0"]).as_text()

    assert "threads = 3 :" in text(threads=3) and "threads = 5 :" in text()


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5", " 2", "99999", "²"])
def test_threads_that_are_none(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(executor.THREADS_VARIABLE, threads)
    with pytest.raises(ParameterError, match=executor.THREADS_VARIABLE) as error:
        executor.threads()
    assert "\n" not in str(error.value)


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(executor.THREADS_VARIABLE, "3")
    assert executor.threads() == 3
    monkeypatch.setenv(executor.THREADS_VARIABLE, "")
    assert executor.threads() >= 1


@needs_compiler
@pytest.mark.parametrize("name", [name for name in jaxprs.PARTS if name != "no entries"])
def test_steps_that_cannot_be_compiled(name: str) -> None:
    carry = jnp.linspace(-0.9, 0.8, jaxprs.N), jnp.int32(0)
    w = jnp.linspace(0.5, 1.5, jaxprs.N)
    for put in jaxprs.PLACES.values():
        assert not jaxprs.is_compiled(jaxprs.step_of(put(jaxprs.PARTS[name]))(w), carry)


@needs_compiler
@pytest.mark.parametrize("name", ["sort", "complex", "callback", "small whole numbers", "no entries"])
def test_steps_that_fall_back_run_right(name: str) -> None:
    jaxprs.check(jaxprs.PARTS[name])


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("place", jaxprs.PLACES)
@pytest.mark.parametrize("name", jaxprs.PARTS)
def test_all_steps_that_fall_back_run_right(name: str, place: str) -> None:
    jaxprs.check(jaxprs.PLACES[place](jaxprs.PARTS[name]))


def test_loop_without_steps_or_state() -> None:
    loop = programs.Runner(Nested(1))
    x = jnp.arange(3.0)
    last, outs = loop(lambda c: (c + 1, jnp.sum(c)), x, 0)
    assert outs.shape == (0,) and np.array_equal(last, x)
    last, outs = loop(lambda c: (c, ()), x, 4)
    assert outs == () and np.array_equal(last, x)
    last, outs = jax.jit(lambda: loop(lambda c: ((), x), (), 4))()
    assert last == () and np.array_equal(outs, jnp.stack([x] * 4))
