"""A job on several hosts: host 0 runs it, the others train with it and keep still."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError
from cajax.jobs import team
from cajax.jobs.folder import require_devices
from cajax.train import hosts
from cajax.train.line import free_port

from ..helpers import raises
from ..tasks.tiny import Tiny

HERE = Path(__file__).parent


def started(host, count, port, runs, *more):
    paths = [str(HERE), str(HERE.parent / "tasks"), *(p for p in sys.path if p)]
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {"PYTHONPATH": os.pathsep.join(paths)}
    words = [
        sys.executable,
        str(HERE / "hosted_job.py"),
        str(host),
        str(count),
        str(port),
        str(runs),
        *map(str, more),
    ]
    return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(*processes):
    found = []
    for process in processes:
        out, err = process.communicate(timeout=400)
        assert "Traceback" not in err, err
        found.append((process.returncode, out, err))
    return found


def same_models(one, two):
    for name in ("before.npz", "model.npz"):
        a, b = (cx.load(folder / name) for folder in (one, two))
        for path, value in a.params.items():
            np.testing.assert_array_equal(value, b.params[path])


def test_alone_nobody_is_told_anything():
    team.order("")
    team.told("x")
    team.over(None)
    team.lead(Tiny())
    raises(lambda: team.follow(Tiny), "this process is alone", kind=ParameterError)


def test_a_batch_must_fit_the_devices_of_all(monkeypatch):
    class Three:
        hosts = 3

    monkeypatch.setattr(hosts, "team", Three)
    monkeypatch.setattr(hosts, "devices", lambda: [None] * 3)
    raises(lambda: require_devices(Tiny()), "a batch of 16", "3 devices of 3 hosts", kind=ParameterError)


@pytest.mark.slow
def test_two_hosts_end_in_the_folder_of_one_with_two_devices(tmp_path):
    (one,) = ended(started(0, 1, 0, tmp_path / "one", 2))
    port = free_port()
    first, second = ended(
        *(started(k, 2, port, tmp_path / ("two" if k == 0 else "none"), 1) for k in range(2))
    )
    assert one[0] == first[0] == second[0] == 0, (one, first, second)
    assert second[1] == f"{tmp_path}/two/tiny-001\n" and not (tmp_path / "none").exists()
    folders = [tmp_path / name / "tiny-001" for name in ("one", "two")]
    same_models(*folders)
    assert "untrained membranes" in (folders[1] / "controls.json").read_text()
    kept = [{str(p.relative_to(f)) for p in f.rglob("*.*") if "checkpoints" not in p.parts} for f in folders]
    assert kept[0] == kept[1]


@pytest.mark.slow
def test_killed_and_resumed_on_two_hosts(tmp_path):
    """Host 1 is killed and has no folder: it is told settings and parameters when the run goes on."""
    port = free_port()
    pair = [started(k, 2, port, tmp_path / "killed", 1) for k in range(2)]
    checkpoint = tmp_path / "killed" / "tiny-001" / "stages" / "1-a" / "checkpoints" / "6"
    while not checkpoint.is_dir():
        assert pair[0].poll() is None, pair[0].communicate()
        time.sleep(0.005)
    pair[1].send_signal(signal.SIGKILL)
    (code, _, err), _ = ended(*pair)
    assert code == 1 and "host 1 of 2 was lost" in err.splitlines()[-1] and "resume with" in err
    port, folder = free_port(), tmp_path / "killed" / "tiny-001"
    again = [started(k, 2, port, "none", 1, 0, folder if k == 0 else "/nowhere") for k in range(2)]
    assert [code for code, _, _ in ended(*again)] == [0, 0]
    (one,) = ended(started(0, 1, 0, tmp_path / "one", 2))
    assert one[0] == 0
    same_models(tmp_path / "one" / "tiny-001", folder)


@pytest.mark.slow
def test_other_settings_are_refused(tmp_path):
    port = free_port()
    pair = [started(k, 2, port, tmp_path / "runs", 1, k) for k in range(2)]
    for code, _, err in ended(*pair):
        assert (
            code == 1 and "host 1 of 2 has setting seed 1, host 0 has 0" in err and len(err.splitlines()) == 1
        ), err
    assert not (tmp_path / "runs").exists()
