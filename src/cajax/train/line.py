"""The line between hosts: whole messages over TCP, word of a host that is gone, and a relay for JAX's own service."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, final

from ..base.errors import ParameterError

HEADER = struct.Struct(">IQ")
MOST_HEAD = 2**28
"""No message has more bytes of text: the history of a million steps has a third of it."""
MOST_GREETING = 2**20
"""Nor has the greeting of a stranger."""
IDLE, AGAIN, TIMES = 5, 5, 3
"""After so many seconds without a word the system asks whether a host is there, so often, so many times: 20 s."""


@final
class Message(NamedTuple):
    """What one host says to another: plain values and bytes."""

    head: Any
    body: bytes = b""


@final
class Address(NamedTuple):
    """Where host 0 listens."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


def address(text: str) -> Address:
    """Return `ADDRESS:PORT` as a name and a number; `ParameterError` for what is not one."""
    name, _, port = text.rpartition(":")
    name = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    if not (
        name and name.isprintable() and port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 2**16
    ):
        raise ParameterError(
            f"coordinator '{text}' is not ADDRESS:PORT; write for example --coordinator node01:62000"
        )
    return Address(name, int(port))


def listening(where: Address) -> socket.socket:
    """Return the socket on which host 0 waits for the others; `ParameterError` where that cannot be."""
    local = where.name in ("localhost", "::1") or where.name.startswith("127.")
    try:
        if local or not socket.has_dualstack_ipv6():
            family = socket.AF_INET6 if ":" in where.name else socket.AF_INET
            return socket.create_server((where.name if local else "", where.port), family=family)
        return socket.create_server(("", where.port), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError as error:
        raise ParameterError(
            f"host 0 cannot listen at {where}: {error.strerror or error}; choose another port of this machine"
        ) from error


def kept(link: socket.socket) -> socket.socket:
    """Let the system notice within 20 s when the machine at the other end is gone; small messages go at once."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # TCP_KEEPALIVE is the name of TCP_KEEPIDLE on macOS; what a system lacks is left at its default.
    for name, value in (
        ("TCP_KEEPIDLE", IDLE), ("TCP_KEEPALIVE", IDLE), ("TCP_KEEPINTVL", AGAIN), ("TCP_KEEPCNT", TIMES),
        ("TCP_USER_TIMEOUT", 1000 * (IDLE + AGAIN * TIMES)),
    ):  # fmt: skip
        option = getattr(socket, name, None)
        if option is not None:
            link.setsockopt(socket.IPPROTO_TCP, option, value)
    return link


def send(link: socket.socket, head: Any, body: bytes = b"") -> None:
    """Send one message; `OSError` when the other end is gone."""
    text = json.dumps(head).encode()
    link.sendall(HEADER.pack(len(text), len(body)) + text)
    if body:
        link.sendall(body)


def receive(link: socket.socket, stranger: bool = False) -> Message | None:
    """Return the next message, None at the end of the line or for what is no message."""
    start = _exactly(link, HEADER.size)
    if start is None:
        return None
    head, body = HEADER.unpack(start)
    if head > (MOST_GREETING if stranger else MOST_HEAD) or (stranger and body):
        return None
    text = _exactly(link, head)
    rest = _exactly(link, body) if text is not None else None
    if text is None or rest is None:
        return None
    try:
        return Message(json.loads(text), bytes(rest))
    except (ValueError, RecursionError):
        return None


def _exactly(link: socket.socket, count: int) -> bytearray | None:
    """Return so many bytes, None where the line ends before."""
    found = bytearray()
    while len(found) < count:
        try:
            part = link.recv(min(count - len(found), 2**20))
        except OSError:
            return None
        if not part:
            return None
        found += part
    return found


def serve(server: socket.socket, take: Callable[[socket.socket], None]) -> None:
    """Give every connection to `take`, each in a thread of its own, until the socket is closed."""

    def accept() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            start(lambda link=link: take(link))

    start(accept)


def start(work: Callable[[], None]) -> None:
    """Do something beside the program, which does not wait for it."""
    threading.Thread(target=work, daemon=True).start()


def relayed(open_link: Callable[[], socket.socket]) -> int:
    """Return a port of this machine whose connections lead through links of their own to host 0.

    JAX ends a process, with a page of text, as soon as the connection to its service closes. Here it stays open when
    host 0 is gone, and the line says so first.
    """
    server = socket.create_server(("127.0.0.1", 0))

    def take(near: socket.socket) -> None:
        try:
            far = open_link()
        except OSError:
            return
        joined_up(near, far, hold=True)

    serve(server, take)
    return server.getsockname()[1]


def joined_up(near: socket.socket, far: socket.socket, hold: bool = False) -> None:
    """Carry bytes both ways; with `hold` the near end stays open once the far one closes, and is not answered."""

    def outward() -> None:
        try:
            while data := near.recv(2**16):
                try:
                    far.sendall(data)
                except OSError:
                    if not hold:
                        break
        except OSError:
            pass
        shut(near, far)

    start(outward)
    try:
        while data := far.recv(2**16):
            near.sendall(data)
    except OSError:
        pass
    if not hold:
        shut(near, far)


def shut(*links: socket.socket) -> None:
    """Close connections for both ends, and for threads that wait for them."""
    for link in links:
        with contextlib.suppress(OSError):  # closed already
            link.shutdown(socket.SHUT_RDWR)
        link.close()


def free_port() -> int:
    """Return a port of this machine that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
