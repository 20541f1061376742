"""Training on several hosts, here processes of one machine: the same bits, and what happens when one is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError
from cajax.train import hosts, joined, line
from cajax.train.parallel import _copies, _paired

from ..helpers import raises

HERE = Path(__file__).parent
AT_MOST = 30.0
"""Seconds after which the loss of a host must have ended the others."""


def free_port():
    return line.free_port()


def started(host, count, port, run, steps=30, devices=1, *more):
    """Start one host, with the compiler as users have it."""
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    env["PYTHONPATH"] = os.pathsep.join([str(HERE), *(p for p in sys.path if p)])
    words = [host, count, port, run, steps, devices, *more]
    return subprocess.Popen(
        [sys.executable, str(HERE / "hosted_fit.py"), *map(str, words)],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def together(count, run, steps=30, **more):
    """Start all hosts; only the first one can write into the run folder."""
    port = free_port()
    return [
        started(k, count, port, run if k == 0 else f"{run}/nowhere/{k}", steps, **more) for k in range(count)
    ]


def ended(processes, patience=300):
    """Return what every process wrote, and check that none left a traceback."""
    found = []
    for process in processes:
        out, err = process.communicate(timeout=patience)
        assert "Traceback" not in err and "***" not in err, err
        found.append((process.returncode, out.replace("step\n", "").strip(), err))
    return found


def alike(found):
    """Return what all processes say alike."""
    assert [code for code, _, _ in found] == [0] * len(found), found
    (said,) = {out for _, out, _ in found}
    return said


def steps_of(process, count):
    """Wait until a process has made so many steps."""
    for _ in range(count):
        assert process.stdout.readline() == "step\n", process.communicate()


def test_derivatives_of_copies_are_added_in_pairs():
    x = np.random.default_rng(0).normal(size=(8, 3)) * 10.0 ** np.arange(-3, 5)[:, None]
    x = x.astype(np.float32)
    (slope,) = jax.vjp(lambda p: _copies(p, 8), jnp.zeros(3, jnp.float32))[1](jnp.asarray(x))
    pairs = x[::2] + x[1::2]
    whole = (pairs[0] + pairs[1]) + (pairs[2] + pairs[3])
    np.testing.assert_array_equal(slope, whole)
    np.testing.assert_array_equal(_paired(jnp.asarray(x)), whole * np.float32(0.125))
    for count in (1, 3, 6):
        assert _copies(jnp.ones(2), count).shape == (count, 2)
        np.testing.assert_allclose(_paired(jnp.arange(float(count))), np.arange(count).mean(), rtol=1e-15)


def test_messages_are_whole():
    near, far = socket.socketpair()
    with near, far:
        line.send(near, {"a": [1.5, "µ"]}, b"\0" * 70_000)
        assert line.receive(far) == ({"a": [1.5, "µ"]}, b"\0" * 70_000)
        near.sendall(line.HEADER.pack(2**31, 0))
        assert line.receive(far) is None  # no memory is taken for what cannot be
        near.sendall(line.HEADER.pack(3, 9))
        assert line.receive(far, stranger=True) is None
    assert line.receive(far) is None


def test_a_relay_stays_open_when_its_far_end_is_gone():
    server = socket.create_server(("127.0.0.1", 0))
    port = line.relayed(lambda: socket.create_connection(server.getsockname()))
    with socket.create_connection(("127.0.0.1", port)) as near:
        far, _ = server.accept()
        near.sendall(b"there")
        assert far.recv(9) == b"there"
        far.sendall(b"back")
        assert near.recv(9) == b"back"
        far.close()
        near.settimeout(0.3)
        with pytest.raises(TimeoutError):
            near.recv(9)
        near.sendall(b"nobody")
    server.close()


@pytest.mark.parametrize(
    "text", ["node", "node:", ":1", "node:0", "node:65536", "node:x", "node:²", "a\nb:1"]
)
def test_addresses(text):
    raises(lambda: line.address(text), "ADDRESS:PORT", kind=ParameterError)
    assert str(line.address("[::1]:80")) == "[::1]:80" and line.address("node01:62000") == ("node01", 62000)


def test_differences_are_named():
    assert hosts.difference({"jax": "1", "steps": 3}, {"jax": "1", "steps": 3}, 1, 2) == ""
    said = hosts.difference({"jax": "1", "steps": 3}, {"jax": "1", "steps": 4}, 1, 2)
    assert said.startswith("host 1 of 2 has steps 4, host 0 has 3; ")
    assert "has seed none" in hosts.difference({"seed": 1}, {}, 1, 2)
    assert "another version" in hosts.difference({}, "x", 1, 2)


def test_wrong_numbers():
    for words, said in (
        ((2, 2, "a:1"), "host 2 of 2"),
        ((0, 0, "a:1"), "hosts = 0"),
        ((2, 0, "a"), "ADDRESS:PORT"),
    ):

        def enter(words=words):
            with joined(*words):
                pass

        raises(enter, said, kind=ParameterError)


def test_alone_there_is_no_team():
    assert hosts.team() is None and not hosts.follows()
    assert hosts.devices() == jax.local_devices()
    tree = {"x": jnp.ones(3)}
    assert hosts.everywhere(tree) is tree and hosts.here(tree) is tree and hosts.as_led(tree) is tree


@pytest.mark.slow
def test_a_host_that_does_not_come_is_said_in_one_line(tmp_path):
    port = free_port()
    first, other = (
        started(0, 2, port, tmp_path, 3, 1, 0.03, 1.0),
        started(1, 2, free_port(), tmp_path, 3, 1, 0.03, 1.0),
    )
    (code, _, err), (code2, _, err2) = ended([first, other])
    assert code == code2 == 1 and len(err.splitlines()) == len(err2.splitlines()) == 1
    assert f"host 1 of 2 has not come to 127.0.0.1:{port} within 1 s" in err
    assert "no host 0 at 127.0.0.1:" in err2 and "within 1 s (Connection refused)" in err2


@pytest.mark.slow
def test_hosts_that_differ_are_refused(tmp_path):
    port = free_port()
    both = [started(k, 2, port, tmp_path / "run", 3, 1, 0.03 * (k + 1)) for k in range(2)]
    for code, _, err in ended(both):
        assert code == 1 and len(err.splitlines()) == 1
        assert "host 1 of 2 has rate 0.06, host 0 has 0.03" in err
    port = free_port()
    both = [started(k, 2, port, tmp_path / "run", 3 + k) for k in range(2)]
    for code, _, err in ended(both):
        assert code == 1 and len(err.splitlines()) == 1, err
        assert "host 1 of 2 has steps 4, host 0 has 3" in err


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_several_hosts_give_the_bits_of_one_with_as_many_devices(tmp_path, count):
    one = alike(ended([started(0, 1, 0, tmp_path / "one", 30, count)]))
    many = alike(ended(together(count, tmp_path / "many")))
    assert one == many and one.startswith("finished 30 sha256:")
    assert not (tmp_path / "many" / "nowhere").exists()
    assert sorted(os.listdir(tmp_path / "many")) == sorted(os.listdir(tmp_path / "one"))
    losses = [
        json.loads((tmp_path / name / "history.json").read_text())["losses"] for name in ("one", "many")
    ]
    assert losses[0] == losses[1]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_host_that_is_killed_ends_the_others_and_the_run_goes_on(tmp_path, victim):
    whole = alike(ended(together(2, tmp_path / "whole", 60)))
    pair = together(2, tmp_path / "killed", 60)
    steps_of(pair[0], 25)
    pair[victim].send_signal(signal.SIGKILL)
    begin = time.monotonic()
    (code, _, err), *_ = ended([pair[1 - victim]])
    assert time.monotonic() - begin < AT_MOST
    assert code == 1 and len(err.splitlines()) == 1
    assert err.startswith(f"cajax: host {victim} of 2 was lost; the last checkpoint is whole; resume with ")
    pair[victim].communicate()
    assert {p.name for p in (tmp_path / "killed" / "checkpoints").iterdir()} & {"14", "21"}
    assert alike(ended(together(2, tmp_path / "killed", 60))) == whole


@pytest.mark.slow
@pytest.mark.parametrize("asked", [0, 1])
def test_sigterm_on_any_host_stops_all_in_order(tmp_path, asked):
    pair = together(2, tmp_path / "run", 3000)
    steps_of(pair[0], 5)
    pair[asked].send_signal(signal.SIGTERM)
    said = alike(found := ended(pair))
    stopped, steps, _ = said.split()
    assert stopped == "interrupted" and 5 <= int(steps) < 3000
    assert "interrupted after step" in found[0][2] and not found[1][2]
    assert (tmp_path / "run" / "checkpoints" / steps).is_dir()
    assert json.loads((tmp_path / "run" / "history.json").read_text())["stopped"] == "interrupted"


@pytest.mark.slow
def test_what_fails_on_one_host_ends_all(tmp_path):
    """The folder of host 0 is of something else: only host 0 can know."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"task": "digits"}')
    (code, _, err), (code2, _, err2) = ended(together(2, tmp_path / "run"))
    assert code == code2 == 1 and "is the run folder of 'digits'" in err
    assert len(err2.splitlines()) == 1 and "host 0 of 2 ended: " in err2 and "'digits'" in err2
