"""Training on several hosts: who takes part, what host 0 decides for all, and what happens when one of them is lost."""

import contextlib
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, final

import jax
import numpy as np

from ..base.disk import plain
from ..base.errors import Interrupted, NonFiniteError, ParameterError, StoreError
from . import line
from .line import Message

T = TypeVar("T")

GRACE = 5.0
"""Seconds that a host has to end by itself once another one has ended: it may wait for that one inside of JAX."""


@final
class Team:
    """The hosts of a training, as one of them sees it: `host` of `hosts`, where host 0 leads.

    Every host makes the same calls in the same order. Host 0 alone writes, reports, and decides; `again` is what is to
    be typed to go on after a loss.
    """

    def __init__(self, host: int, links: Mapping[int, socket.socket], hosts: int) -> None:
        self.host, self.hosts = host, hosts
        self.again = "start every host again with the same command"
        self.stop_asked = False
        self._links = dict(links)
        self._heard: dict[int, queue.SimpleQueue[Message]] = {k: queue.SimpleQueue() for k in links}
        self._sending = threading.Lock()
        self._leaving = False
        self._ended = ""  # why host 0 has ended, once it has said so
        self._known = ""  # what all hosts raise alike
        for other in links:
            line.start(lambda other=other: self._listen(other))

    @property
    def leads(self) -> bool:
        """Whether this is host 0."""
        return self.host == 0

    def share(self, make: Callable[[], T]) -> T:
        """Return on all hosts what `make` returns on host 0: plain values, as JSON has them."""
        if self.leads:
            value = make()
            self._tell({"value": plain(value)})
            return value
        return self._answer(0, "value").head["value"]

    def share_arrays(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return on all hosts the arrays of host 0, bit for bit; those given have the same types and shapes."""
        if self.leads:
            self._tell({"arrays": len(arrays)}, b"".join(np.ascontiguousarray(x).tobytes() for x in arrays))
            return list(arrays)
        body, begin, found = self._answer(0, "arrays").body, 0, []
        if len(body) != sum(x.nbytes for x in arrays):
            raise StoreError("host 0 sends arrays of other sizes; start all hosts with the same command")
        for x in arrays:
            found.append(np.frombuffer(body, x.dtype, x.size, begin).reshape(x.shape))
            begin += x.nbytes
        return found

    def agree(self, about: Mapping[str, Any]) -> None:
        """Raise `ParameterError` on all hosts unless `about` has the same plain values on each."""
        mine = plain(about)
        if not self.leads:
            self._tell({"about": mine})
            fault = self._answer(0, "value").head["value"]
        else:
            others = [(other, self._answer(other, "about").head["about"]) for other in self._links]
            faults = [difference(mine, about, other, self.hosts) for other, about in others]
            fault = self.share(lambda: next(filter(None, faults), ""))
        if fault:
            self._known = _line(ParameterError(fault))
            raise ParameterError(fault)

    def goes_on_with(self, again: str) -> None:
        """Say on all hosts what is to be typed to go on after a loss; called on host 0."""
        self.again = again
        self._tell({"again": again})

    def ask_to_stop(self) -> None:
        """Let host 0 end the training as after Ctrl-C."""
        if not self.stop_asked:
            self.stop_asked = True
            self._tell({"stop": True})

    def wait(self) -> str:
        """Wait, on a host that does not lead, until host 0 has ended; return why, "" where all is well."""
        while True:
            with contextlib.suppress(StoreError, Interrupted):
                if "bye" in self._hear(0, ending=True).head:
                    return ""
            if self._ended:
                return self._ended

    def leave(self, fault: BaseException | None = None) -> None:
        """End together; `fault` is what has ended this host."""
        text = _line(fault) if fault else ""
        if self.leads:
            self._leaving = True
            with contextlib.suppress(OSError):
                self._tell({"ended": text} if text else {"bye": True})
        elif (
            not text or isinstance(fault, Interrupted | NonFiniteError) or text == self._known or self._ended
        ):
            text = self._ended or self.wait()  # all hosts end so, host 0 when everything is saved
            self._leaving = True
        else:
            self._leaving = True
            with contextlib.suppress(OSError):
                self._tell({"failed": text})
        if not text:
            jax.distributed.shutdown()

    def fault_of(self, error: Exception) -> Exception:
        """Return what is to be raised for an error inside of JAX: a host that is lost comes first, and ends all."""
        time.sleep(0.5)
        if self._ended or self._leaving:
            return StoreError(f"host 0 of {self.hosts} ended: {self._ended}")
        if not any(word in str(error) for word in _TRANSPORTS):
            return error
        time.sleep(GRACE)  # for the line to notice it
        return StoreError(f"the hosts lost each other: {_line(error)}; {self.again}")

    def _tell(self, head: Any, body: bytes = b"") -> None:
        with self._sending:
            for other, link in self._links.items():
                try:
                    line.send(link, head, body)
                except OSError:
                    self._lost(other)

    def _answer(self, other: int, key: str) -> Message:
        """Return the next message of a host, which has this key."""
        message = self._hear(other)
        if key not in message.head:
            raise StoreError(
                f"host {other} of {self.hosts} is elsewhere in the program; make the same calls on all hosts in turn"
            )
        return message

    def _hear(self, other: int, ending: bool = False) -> Message:
        """Return the next message of a host; Ctrl-C while waiting for host 0 is passed on to it once."""
        while True:
            try:
                message = self._heard[other].get(timeout=0.5)
            except queue.Empty:
                continue
            except KeyboardInterrupt:
                if self.leads or self.stop_asked:
                    raise
                self.ask_to_stop()
                continue
            if "ended" in message.head:
                kind = Interrupted if self._ended == _INTERRUPTED else StoreError
                raise kind(f"host 0 of {self.hosts} ended: {self._ended}")
            if "bye" in message.head and not ending:
                raise StoreError(f"host 0 of {self.hosts} has left; start all hosts with the same command")
            return message

    def _listen(self, other: int) -> None:
        """Take in what a host says until its line ends."""
        while (message := line.receive(self._links[other])) is not None and isinstance(message.head, dict):
            head = message.head
            if "again" in head:
                self.again = str(head["again"])
            elif "stop" in head:
                self.stop_asked = True
            elif "lost" in head:
                self._end(str(head["lost"]))
            elif "failed" in head:
                self._lost(other, f"ended: {head['failed']}")
            else:
                if "ended" in head:
                    self._ended = str(head["ended"])
                    overdue = threading.Timer(GRACE, self._overdue)
                    overdue.daemon = True
                    overdue.start()
                self._heard[other].put(message)
        self._lost(other)

    def _overdue(self) -> None:
        self._end(f"host 0 of {self.hosts} ended: {self._ended}")

    def _lost(self, other: int, how: str = "was lost") -> None:
        if self._ended:  # it has said so; this host ends by itself, or after its time of grace
            return
        text = f"host {other} of {self.hosts} {how}"
        if self.leads and not self._leaving:
            self._leaving = True
            for link in self._links.values():
                with contextlib.suppress(OSError):
                    line.send(link, {"lost": text})
            self._leaving = False
        self._end(text)

    def _end(self, text: str) -> None:
        """End this process: JAX may wait for the lost host for ever, and nothing can interrupt it."""
        if self._leaving:
            return
        self._leaving = True
        with contextlib.suppress(OSError, ValueError):
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h\n")  # a bar of progress has hidden the cursor
            kept = " ".join(f"{text}; the last checkpoint is whole; {self.again}".split())
            sys.stderr.write(f"cajax: {kept}\n")
            sys.stderr.flush()
            sys.stdout.flush()
        os._exit(1)


_TRANSPORTS = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED")
"""What errors of JAX name when hosts cannot reach one another."""


def difference(mine: Any, other: Any, host: int, hosts: int) -> str:
    """Say in which entry a host differs from host 0; "" where in none."""
    if not isinstance(mine, dict) or not isinstance(other, dict):
        return f"host {host} of {hosts} is of another version of Cajax; install the same everywhere"
    for name in [*mine, *(name for name in other if name not in mine)]:
        if mine.get(name) != other.get(name):
            there, here = (_shown(x.get(name)) for x in (other, mine))
            return (
                f"host {host} of {hosts} has {name} {there}, host 0 has {here}; "
                "give every host the same versions, settings and data"
            )
    return ""


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


_INTERRUPTED = "interrupted"


def _line(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return _INTERRUPTED
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}…"


_joined: list[Team] = []
_alone: list[bool] = []


def team() -> Team | None:
    """Return the hosts that train together with this process, None where it is alone."""
    return _joined[-1] if _joined and not _alone else None


def follows() -> bool:
    """Whether another host leads, which writes and reports for this one."""
    return bool(_joined) and not _joined[-1].leads


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let this process train, evaluate and write for itself, whatever the other hosts do."""
    _alone.append(True)
    try:
        yield
    finally:
        _alone.pop()


@contextlib.contextmanager
def together(team: Team) -> Iterator[Team]:
    """Let every `fit` and `split_mean` within use the devices of all hosts; at its end all hosts end."""
    _joined.append(team)
    try:
        yield team
    except BaseException as fault:
        team.leave(fault)
        raise
    else:
        team.leave()
    finally:
        _joined.pop()


def devices() -> list[Any]:
    """Return the devices that a batch is shared out over: those of all hosts, or of this process."""
    return list(jax.local_devices() if team() is None else jax.devices())


def everywhere(tree: Any) -> Any:
    """Return arrays that are on all devices of all hosts, the same on each."""
    if team() is None:
        return tree
    mesh = jax.make_mesh((jax.device_count(),), ("all",), axis_types=(jax.sharding.AxisType.Auto,))
    whole = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())

    def spread(leaf: Any) -> Any:
        if is_key(leaf):
            return jax.random.wrap_key_data(spread(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        values = np.asarray(leaf, dtype=jax.numpy.result_type(leaf))
        return jax.make_array_from_callback(values.shape, whole, lambda index: values[index])

    return jax.tree.map(spread, tree)


def here(tree: Any) -> Any:
    """Return arrays of this process alone from arrays that are the same on all devices."""
    if team() is None:
        return tree
    return jax.tree.map(lambda leaf: leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf, tree)


def as_led(tree: Any) -> Any:
    """Return the arrays of host 0 in the place of those of this host, bit for bit."""
    group = team()
    if group is None:
        return tree
    leaves, form = jax.tree.flatten(tree)
    bits = [np.asarray(jax.random.key_data(x) if is_key(x) else x) for x in leaves]
    found = group.share_arrays(bits)
    if group.leads:
        return tree
    new = [
        jax.random.wrap_key_data(jax.numpy.asarray(x), impl=jax.random.key_impl(old))
        if is_key(old)
        else jax.numpy.asarray(x)
        for x, old in zip(found, leaves, strict=True)
    ]
    return jax.tree.unflatten(form, new)


def is_key(leaf: Any) -> bool:
    """Whether an array holds random keys."""
    return jax.numpy.issubdtype(jax.numpy.result_type(leaf), jax.dtypes.prng_key)
