"""C code in .mod files: what does nothing, what is NMODL in other words, and what is neither."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cajax as cx
from cajax.formats.mod.verbatim import as_nmodl, is_trivial

pytest.importorskip("neuron.nmodl", reason="cajax[neuron] is not installed")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "/* nothing */ // at all",
        '#include <stdlib.h>\nprintf("a; b %g\\n", x);',
        'fprintf(stderr, "never");',
        "extern double drand48();",
    ],
)
def test_trivial(code: str):
    assert is_trivial(code)


@pytest.mark.parametrize(
    ("code", "nmodl"),
    [
        ("cai = _ion_cai;", ""),
        ("lcai = _ion_tcai;", "lcai = tcai"),
        ("x = fabs(times[(int)in] - t);", "x = fabs ( times [ in ] - t )"),
        ("return x*2.;", "f = x * 2.\ncajax_return()"),
        ("return;", "cajax_return()"),
        ("x += y;", "x = x + (y)"),
        ("n++;", "n = n + 1"),
        ("if (_lv >= a && !b) { x = 1; } else y = 2;", "if (v >= a && ! b) { x = 1 } else { y = 2 }"),
        ("if ((x = a + 1.) < b) { x = b; }", "x = a + 1.\nif (x < b) { x = b }"),
        (
            "switch (_lj) { case 0: x = 1; break; case 1: if (a) { x = 2; } break; default: x = 3; }",
            "if (j == 0) { x = 1 } else { if (j == 1) { if (a) { x = 2 } } else { x = 3 } }",
        ),
        ("double a = 3., b; _lf = (double) a;", "LOCAL a, b\na = 3.\nf = a"),
    ],
)
def test_read_as_nmodl(code: str, nmodl: str):
    assert as_nmodl(code, "f") == nmodl


@pytest.mark.parametrize(
    "code",
    [
        "*p = 3;",
        "switch (j) { case 0: x = 1; case 1: x = 2; }",  # falls through
        "switch (j) { case 0: x = 1; break; ",
        "if (x = 3) { y = 2; }",
        "x = 1/2;",  # 0 in C
        "x = (int) y;",
        "int n; n = 3;",
        "while (1) {}",
        "for (i = 0; i < 3; i++) x += i;",
        'system("ls");',
        'x = "a";',
        "x = y ? 1 : 2;",
        "x = _p_rng;",
        "#if 0\nx = 1;\n#endif",
        "x = y",
        "static double a;",
        "{ x = 1;",
        "x = (y;",
    ],
)
def test_is_no_nmodl(code: str):
    assert not is_trivial(code)
    assert as_nmodl(code, "f") is None


@given(st.text(alphabet="axy01()[]{};=+-*/<>!&|.,_ \n#\"'ifretundouble", max_size=60))
def test_any_text_is_read_or_refused(code: str):
    found = as_nmodl(code, "f")
    assert found is None or isinstance(found, str)


EARLY = """
NEURON { SUFFIX early NONSPECIFIC_CURRENT i RANGE g }
PARAMETER { g = 1e-4 (S/cm2) }
ASSIGNED { v (mV) i (mA/cm2) }
BREAKPOINT { i = g*f(v) }
FUNCTION f(v (mV)) {
  f = 1
  if (v < -50) {
    if (v < -70) {
VERBATIM
      return 2.;
ENDVERBATIM
    }
    f = 3
  } else if (v > 0) {
VERBATIM
    return 4;
ENDVERBATIM
    f = 5
  }
VERBATIM
  if (_lv > -20) { return 6.; }
  return _lf + 10.;
ENDVERBATIM
  f = 7
}
"""


def test_returns_end_a_block_where_c_says_so(tmp_path: Path):
    path = tmp_path / "early.mod"
    path.write_text(EARLY)
    v = jnp.array([-80.0, -60.0, -40.0, -10.0, 10.0])
    found = cx.read_mod(path)(g=1.0).carried(v)[""]
    np.testing.assert_array_equal(found, [2.0, 13.0, 11.0, 6.0, 4.0])


def test_a_return_inside_a_loop_is_refused(tmp_path: Path):
    path = tmp_path / "early.mod"
    path.write_text(
        EARLY.replace("  f = 1\n", "  FROM k=0 TO 3 {\nVERBATIM\n  return 0;\nENDVERBATIM\n  }\n")
    )
    with pytest.raises(cx.CajaxError, match=r"early.mod:7: a `return` inside a loop"):
        cx.read_mod(path)


FILE = """
NEURON { SUFFIX leaky NONSPECIFIC_CURRENT i RANGE g, e }
VERBATIM
#include "misc.h"
static double unused(double x) { return x; }
ENDVERBATIM
PARAMETER { g = 1e-4 (S/cm2) e = -70 (mV) }
ASSIGNED { v (mV) i (mA/cm2) x }
CONSTRUCTOR {
VERBATIM
  { _p_space = malloc(8); }
ENDVERBATIM
}
BREAKPOINT { x = half(v)
VERBATIM
  i = g*(2*x - e);
ENDVERBATIM
}
FUNCTION half(v (mV)) {
VERBATIM
  _lhalf = 0.5*_lv;
  return _lhalf;
ENDVERBATIM
}
PROCEDURE never() {
VERBATIM
  hoc_execute("quit()");
ENDVERBATIM
}
"""


def test_file_with_c(tmp_path: Path):
    path = tmp_path / "leaky.mod"
    path.write_text(FILE)
    Leaky = cx.read_mod(path)
    v = jnp.array([-80.0, -60.0])
    np.testing.assert_allclose(Leaky(g=2e-4).carried(v)[""], 2e-4 * (v + 70.0), rtol=1e-6)
    slope = jax.grad(lambda g: Leaky(g=g).carried(v)[""][0])(1e-4)
    assert slope == pytest.approx(-10.0, rel=1e-6)
    assert any(":3: C code between VERBATIM" in line for line in Leaky.report.exact)
    assert any(":9: CONSTRUCTOR" in line for line in Leaky.report.exact)


def test_real_c_is_refused_with_its_line(tmp_path: Path):
    path = tmp_path / "leaky.mod"
    path.write_text(FILE.replace("x = half(v)", "never() x = v"))
    with pytest.raises(
        cx.CajaxError, match=r"leaky.mod:26: C code between VERBATIM and ENDVERBATIM is not taken"
    ):
        cx.read_mod(path)
