"""Options for several hosts: by hand, under Slurm, and every mistake in one line."""

import pytest

from cajax.cli import hosts
from cajax.cli.hosts import Place, first, place

from ..helpers import raises

STEP = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_NODELIST": "node[007-010,020],other",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "2",
}


@pytest.fixture
def slurm(monkeypatch):
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_by_hand():
    assert place(None, None, None) is None and place("1", None, None) is None
    assert place("2", None, "node01:62000") == Place(2, 0, "node01:62000")
    assert place("2", 1, "node01:62000") == Place(2, 1, "node01:62000")


@pytest.mark.parametrize(
    "options, said",
    [
        (("2", None, None), "--hosts 2 needs --coordinator ADDRESS:PORT"),
        ((None, 1, None), "--host needs the number of hosts"),
        ((None, None, "a:1"), "--coordinator needs the number of hosts"),
        (("2", 2, "a:1"), "--host 2: of 2 hosts the numbers are 0 to 1"),
        (("0", None, None), "--hosts 0: give a number"),
        (("two", None, None), "--hosts two: give a number"),
        (("9" * 99, None, None), "give a number"),
        (("auto", None, None), "finds no SLURM_JOB_ID"),
    ],
)
def test_options_that_do_not_go_together(options, said, monkeypatch):
    for name in hosts.SLURM:
        monkeypatch.delenv(name, raising=False)
    raises(lambda: place(*options), said)


def test_under_slurm(slurm):
    assert place("auto", None, None) == Place(4, 2, f"node007:{61_440 + 1234567 % 4096}")
    assert place("auto", None, "10.0.0.1:99") == Place(4, 2, "10.0.0.1:99")
    raises(lambda: place("auto", 1, None), "takes the number from Slurm")
    slurm.setenv("SLURM_PROCID", "x")
    raises(lambda: place("auto", None, None), "no numbers")
    slurm.setenv("SLURM_PROCID", "0")
    slurm.setenv("SLURM_NTASKS", "1")
    assert place("auto", None, None) is None


@pytest.mark.parametrize(
    "nodes, name",
    [
        ("node001", "node001"),
        ("a,b", "a"),
        ("n[001-015],x", "n001"),
        ("n[7,9-12]", "n7"),
        ("gpu-a[3]", "gpu-a3"),
    ],
)
def test_the_first_node(nodes, name):
    assert first(nodes) == name
