"""`cajax convert`: mechanisms and models from NEURON and to it."""

import importlib.util
import json
import sys

import pytest

import cajax as cx
from cajax.cli.commands import main
from cajax.formats import read_mod
from cajax.mech import HH

KV = """NEURON {
    SUFFIX kv
    USEION k READ ek WRITE ik
    RANGE gbar
}
PARAMETER { gbar = 0.003 (S/cm2) }
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) }
STATE { n }
INITIAL { n = inf(v) }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gbar*n*(v - ek)
}
DERIVATIVE states { n' = (inf(v) - n)/2 }
FUNCTION inf(v (mV)) { inf = 1/(1 + exp(-(v + 30)/9)) } : '''quotes''' and \\ too
"""
with_neuron = pytest.mark.skipif(importlib.util.find_spec("neuron") is None, reason="NEURON is not installed")


@pytest.fixture
def convert(capsys, monkeypatch, tmp_path):
    """Run the command in a folder with kv.mod; return its status, and both streams."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kv.mod").write_text(KV)

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["cajax", "convert", *map(str, args)])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        with pytest.raises(SystemExit) as end:
            main()
        return (end.value.code or 0, *capsys.readouterr())

    return run


@with_neuron
def test_a_mod_file_is_read_and_its_report_printed(convert, tmp_path):
    code, out, _ = convert("kv.mod")
    assert code == 0
    assert out.splitlines() == ["kv: Channel", "    gbar = 0.003 S/cm2", "exact        kv.mod:1: SUFFIX kv"]
    assert [x.name for x in tmp_path.iterdir()] == ["kv.mod"]


@with_neuron
def test_a_mod_file_becomes_a_module_that_needs_it_no_more(convert, tmp_path, monkeypatch):
    code, out, _ = convert("kv.mod", "channels.py")
    assert code == 0
    assert out.splitlines()[-1] == "written: channels.py"
    expected = read_mod("kv.mod").mod_text
    (tmp_path / "kv.mod").unlink()
    spec = importlib.util.spec_from_file_location("channels", tmp_path / "channels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.kv.mod_text == expected
    assert module.kv(gbar=0.1).params() == {"gbar": 0.1}
    assert module.__doc__ == "The mechanism kv of kv.mod: from channels import kv"


@pytest.mark.parametrize("kind", ["model", "run"])
def test_a_model_becomes_a_folder_for_neuron(kind, convert, tmp_path, monkeypatch):
    monkeypatch.setattr("cajax.formats.neuron.export.proven", lambda folder, python: (None, "not here"))
    model = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH()).discretize(cx.PerBranch(2))
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("[]")
    cx.save(folder / "model.npz", model)
    code, out, _ = convert(folder if kind == "run" else folder / "model.npz", "out", "--strict")
    assert code == 0
    assert out.splitlines() == ["exact: 'hh': HH on 4 segments, as cx_HH.mod", "written: out (not here)"]
    assert json.loads((tmp_path / "out" / "model.json").read_text())["mechanisms"] == ["cx_HH"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("cell.hoc",), "cell.hoc is a program, and convert runs none"),
        (("cell.py", "out"), "cell.py is a program"),
        (("kv.txt",), "cannot convert kv.txt; give a .mod file"),
        (("gone.mod",), "there is no file 'gone.mod'"),
        (("gone.npz", "out"), "cannot read gone.npz"),
        (("kv.mod", "kv.mod"), "kv.mod is no place for a mechanism"),
        (("kv.mod", "there.py"), "there.py exists already, and nothing is overwritten"),
        ((".",), "say where to: cajax convert . FOLDER"),
        ((".", "out"), ". is not a run folder"),
    ],
)
def test_mistakes_are_one_line(args, says, convert, tmp_path):
    (tmp_path / "there.py").write_text("kept")
    code, out, err = convert(*args)
    assert code == 1
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert says in err
    assert (tmp_path / "there.py").read_text() == "kept"


def test_strict_is_passed_on(convert, monkeypatch):
    asked = []

    def read(path, *, strict):
        asked.append(strict)
        raise cx.CajaxError("not exact")

    monkeypatch.setattr("cajax.formats.read_mod", read)
    assert convert("kv.mod", "--strict")[0] == 1
    assert convert("kv.mod")[0] == 1
    assert asked == [True, False]
