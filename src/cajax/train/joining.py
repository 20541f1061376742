"""How hosts come together: each greets host 0, which compares them, and only then JAX starts on all of them."""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, final

import jax

from ..base.checks import count
from ..base.disk import plain
from ..base.errors import ParameterError
from . import line
from .hosts import Team, difference, together
from .line import Address
from .store import versions

WAIT = 120.0
"""Seconds for which hosts wait for one another at the start."""
UNUSED = 10**6
"""Seconds after which JAX itself would give up a host: the line does so much earlier."""


@contextlib.contextmanager
def joined(
    hosts: int,
    host: int = 0,
    coordinator: str = "",
    about: Mapping[str, Any] | None = None,
    wait: float = WAIT,
) -> Iterator[Team]:
    """Train on several hosts: make the same calls in a process on each, within this context, before JAX is used.

    `host` is the number of this one, from 0; `coordinator` is where host 0 listens, `ADDRESS:PORT`. Every `fit` and
    `split_mean` within uses the devices of all hosts; host 0 alone writes run folders and reports. `about` (plain
    values) must be the same on all hosts, and so must be the versions of Cajax and JAX.

    Raises `ParameterError` for hosts that do not come within `wait` seconds, or differ. A host that is lost later ends
    the others, with one line and status 1, within 30 s.
    """
    count(hosts, "joined: hosts", least=1)
    count(host, "joined: host", least=0)
    if host >= hosts:
        raise ParameterError(f"host {host} of {hosts}: hosts are numbered from 0 to {hosts - 1}")
    where = line.address(coordinator)
    known = versions()
    mine = {
        **{name: known[name] for name in ("cajax", "jax", "jaxlib")}, "hosts": hosts,
        "double precision": bool(jax.config.jax_enable_x64),  # pyright: ignore[reportAttributeAccessIssue]
        **plain(about or {}),
    }  # fmt: skip
    end = time.monotonic() + wait
    group = (
        _Gathering(where, hosts, mine, wait).team(end)
        if host == 0
        else _greeted(where, host, mine, end, wait)
    )
    with together(group):
        yield group


@final
class _Gathering:
    """Host 0 while it waits for the others, and what it keeps open for them."""

    def __init__(self, where: Address, hosts: int, mine: Mapping[str, Any], wait: float) -> None:
        self._where, self._hosts, self._mine, self._wait = where, hosts, mine, wait
        self._links: dict[int, socket.socket] = {}
        self._fault = ""
        self._word = secrets.token_hex()  # what welcomed hosts know
        self._service = line.free_port()
        self._server = line.listening(where)

    def team(self, end: float) -> Team:
        """Return the hosts when all are there."""
        line.serve(self._server, self._take)
        while len(self._links) < self._hosts - 1 and not self._fault and time.monotonic() < end:
            time.sleep(0.01)
        missing = [k for k in range(1, self._hosts) if k not in self._links]
        if missing and not self._fault:
            self._fault = (
                f"host {missing[0]} of {self._hosts} has not come to {self._where} within {self._wait:g} s; start it "
                "there with the same command, and let this port through the firewall"
            )
        for link in list(self._links.values()):
            with contextlib.suppress(OSError):
                line.send(link, {"refused": self._fault} if self._fault else {"welcome": self._word})
        if self._fault:
            line.shut(self._server)
            raise ParameterError(self._fault)
        group = Team(0, dict(sorted(self._links.items())), self._hosts)
        _start_jax(f"127.0.0.1:{self._service}", 0, self._hosts)
        return group

    def _take(self, link: socket.socket) -> None:
        """Look at a connection: a host that greets, or the relay of one that is known."""
        link.settimeout(10.0)
        message = line.receive(link, stranger=True)
        link.settimeout(None)
        head = message.head if message is not None and isinstance(message.head, dict) else {}
        if secrets.compare_digest(str(head.get("relay", "")), self._word):
            line.joined_up(link, socket.create_connection(("127.0.0.1", self._service)))
        elif isinstance(head.get("host"), int) and not isinstance(head["host"], bool):
            self._greet(line.kept(link), head["host"], head.get("about"))
        else:
            line.shut(link)

    def _greet(self, link: socket.socket, host: int, about: Any) -> None:
        fault = difference(self._mine, about, host, self._hosts)
        if not fault and (host in self._links or not 0 < host < self._hosts):
            fault = f"there are two hosts {host} of {self._hosts}; number them from 0 to {self._hosts - 1}"
        if fault:
            with contextlib.suppress(OSError):
                line.send(link, {"refused": fault})
            self._fault = self._fault or fault
        else:
            self._links[host] = link


def _greeted(where: Address, host: int, mine: Mapping[str, Any], end: float, wait: float) -> Team:
    """Return the hosts as one of the others sees them, when host 0 has welcomed it."""
    link = _reached(where, end, wait)
    line.send(link, {"host": host, "about": mine})
    link.settimeout(max(1.0, end - time.monotonic()) + 5.0)  # host 0 may wait for others
    answer = line.receive(link)
    link.settimeout(None)
    head = answer.head if answer is not None and isinstance(answer.head, dict) else {}
    if "welcome" not in head:
        raise ParameterError(
            head.get("refused")
            or f"what listens at {where} does not answer as host 0 of a training; give its address and a free port"
        )

    def relay() -> socket.socket:
        far = line.kept(socket.create_connection(where))
        line.send(far, {"relay": head["welcome"]})
        return far

    group = Team(host, {0: link}, mine["hosts"])
    _start_jax(f"127.0.0.1:{line.relayed(relay)}", host, mine["hosts"])
    return group


def _reached(where: Address, end: float, wait: float) -> socket.socket:
    """Return a connection to host 0, which may start later than this one."""
    while True:
        left = end - time.monotonic()
        try:
            link = socket.create_connection(where, timeout=max(0.1, min(left, 5.0)))
            link.settimeout(None)
            return line.kept(link)
        except OSError as error:
            if left < 0.2:
                raise ParameterError(
                    f"no host 0 at {where} within {wait:g} s ({error.strerror or error}); start it there, check the "
                    "address, and let this port through the firewall"
                ) from None
            time.sleep(0.2)


def _start_jax(where: str, host: int, hosts: int) -> None:
    """Start JAX on all hosts, and connect their devices."""
    # Python's handler of SIGTERM stays; proxies are not for addresses of this machine.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_check_proxy_envs", False)
    for name in ("no_grpc_proxy", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1"]))
    try:
        jax.distributed.initialize(
            where, hosts, host, cluster_detection_method="deactivate", coordinator_bind_address=where,
            heartbeat_timeout_seconds=UNUSED, shutdown_timeout_seconds=30,
        )  # fmt: skip
    except RuntimeError as error:
        if "before" not in str(error):
            raise
        raise ParameterError(
            "joined: JAX has computed already; join the hosts at the start of the program"
        ) from error
    from jax.experimental import multihost_utils

    with _silent():
        multihost_utils.sync_global_devices("cajax")


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Leave out what native code writes to standard output: Gloo says there that it has connected."""
    try:
        kept = os.dup(1)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
