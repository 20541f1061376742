"""Bad .mod files: one line with the file and the line in it, nothing run, nothing half-built."""

import random
import re
from pathlib import Path

import pytest

import cajax as cx

pytest.importorskip("neuron", reason="NEURON's parser is the extra cajax[neuron]")

FILES = sorted((Path(__file__).resolve().parent / "files").glob("*.mod"))
KV = """NEURON { SUFFIX kx USEION k READ ek WRITE ik RANGE g }
PARAMETER { g = 1 (S/cm2) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) }
STATE { n }
BREAKPOINT {
    SOLVE s METHOD cnexp
    ik = g*n*(v - ek)
}
DERIVATIVE s { n' = (0.5 - n)/2 }
"""


def refused(tmp_path, text, name="bad.mod"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(cx.CajaxError) as found:
        cx.read_mod(path)
    message = str(found.value)
    assert "\n" not in message and re.search(r"\w+\.\w+:\d+: ", message), message
    return message


def test_the_good_file_is_good(tmp_path):
    path = tmp_path / "kx.mod"
    path.write_text(KV)
    assert cx.read_mod(path)().check() is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(v - ek)", "(v - ek", "bad.mod:8: syntax error"),
        ("g*n*", "g*n*free_", "bad.mod:7: no function 'free_'"),
        ("g*n*(", "g*k*(", "bad.mod:7: reads 'k', which is not declared"),
        ("g*n*(", "g@2*n*(", "bad.mod:7"),
        ("g*n*(", "n[0]*(", "bad.mod:7: 'n' is no array"),
        ("SOLVE s METHOD", "SOLVE r METHOD", "bad.mod:6: SOLVE r: there is no block of that name"),
        ("cnexp", "magic", "bad.mod:6: syntax error, unexpected NAME, expecting METHOD"),
        ("READ ek", "READ ak", "bad.mod:1: reads 'ak' of the ion k"),
        ("ik = g", "ix = g", "bad.mod:7: 'ix' is not declared"),
        ("    ik", 'VERBATIM\n system("true");\nENDVERBATIM\n    ik', "bad.mod:7: C code"),
        ("SUFFIX kx", "", "bad.mod:1: no NEURON block"),
        ("= 1 (S", "= 1e999 (S", "bad.mod:2: g = inf is not finite"),
        ("STATE { n }", "STATE { n[9999999] }", "too long"),
        ("g*n*(", "normrand(1)*(", "bad.mod:7: normrand takes 2 arguments, not 1"),
        ("SUFFIX", "ARTIFICIAL_CELL", "bad.mod:1: kx sends no event to other cells"),
        ("g*n*(", "exp(1, 2)*(", "bad.mod:7: exp takes 1 argument, not 2"),
        ("g*n*(", "s()*(", "no function 's'"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path, old, new, message):
    assert old in KV
    assert re.search(message, refused(tmp_path, KV.replace(old, new, 1)))


def test_a_function_that_calls_itself_is_refused(tmp_path):
    text = KV.replace("g*n*", "f(g)*n*") + "FUNCTION f(x) { f = f(x) + 1 }\n"
    assert "f calls itself" in refused(tmp_path, text)


def test_loops_without_end_are_refused(tmp_path):
    assert "WHILE" in refused(tmp_path, KV.replace("    ik", "    WHILE (1) { }\n    ik"))
    assert "FROM" in refused(tmp_path, KV.replace("    ik", "    FROM i = 0 TO 99999999 { }\n    ik"))


def test_missing_cyclic_and_outside_includes_are_refused(tmp_path):
    assert "bad.mod:1: there is no file" in refused(tmp_path, 'INCLUDE "none.inc"\n' + KV)
    assert "includes itself" in refused(tmp_path, 'INCLUDE "bad.mod"\n' + KV)
    (tmp_path / "a.inc").write_text('\nINCLUDE "b.inc"\n')
    (tmp_path / "b.inc").write_text('INCLUDE "a.inc"\n')
    assert "b.inc:1: 'a.inc' includes itself" in refused(tmp_path, 'INCLUDE "a.inc"\n' + KV)
    assert "leads out of the folder" in refused(tmp_path, 'INCLUDE "../x.inc"\n' + KV)


def test_an_include_is_read_and_its_lines_are_its_own(tmp_path):
    (tmp_path / "gate.inc").write_text("DERIVATIVE s {\n    n' = (0.5 - n)/wrong\n}\n")
    head = KV[: KV.index("DERIVATIVE")]
    assert "gate.inc:2: reads 'wrong'" in refused(tmp_path, head + 'INCLUDE "gate.inc"\n')


@pytest.mark.parametrize("text", ["(" * 5_000_000 + ")" * 5_000_000, "{" * 10_000_000])
def test_ten_megabytes_of_parentheses_are_refused(tmp_path, text):
    assert "bytes" in refused(tmp_path, text)


@pytest.mark.parametrize("inner", ["(" * 2000 + "n" + ")" * 2000, "n" + "+n" * 20_000, "-" * 20_000 + "n"])
def test_deep_and_long_expressions_are_refused(tmp_path, inner):
    refused(tmp_path, KV.replace("g*n*", inner + "*"))


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.mod", 3, "", "a\0b"):
        with pytest.raises(cx.CajaxError):
            cx.read_mod(path)


def test_zeros_and_noise_are_refused(tmp_path):
    assert "zero character" in refused(tmp_path, b"NEURON {\0}")
    refused(tmp_path, bytes(random.Random(1).randrange(1, 256) for _ in range(4000)))


def test_truncated_files_are_refused(tmp_path):
    for path in FILES[:3]:
        text = path.read_text()
        for share in (0.3, 0.6, 0.9):
            refused(tmp_path, text[: int(len(text) * share)].rstrip("}\n ") + "\n{")


def test_mutants_are_read_or_refused_on_one_line(tmp_path):
    draw, path = random.Random(5), tmp_path / "mutant.mod"
    words = [
        "(",
        ")",
        "{",
        "}",
        "'",
        "IF",
        "SOLVE",
        "n",
        "v",
        "=",
        "0",
        "1e9",
        "/",
        "[",
        "]",
        "STATE",
        "exp",
        ":",
        "~",
    ]
    for _ in range(60):
        text = draw.choice(FILES).read_text()
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(text))
            text = text[:at] + draw.choice(words) + text[at + draw.randint(0, 12) :]
        path.write_text(text)
        try:
            cx.read_mod(path)
        except cx.CajaxError as error:
            assert "\n" not in str(error) and "mutant.mod:" in str(error)
