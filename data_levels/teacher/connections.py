"""HTTP to one address: connections are kept and used again, a request has one deadline.

The standard library's client, because that is all it takes: POST a body, read a body.
"""

import http.client
import socket
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from davinci.data_levels.teacher.faults import Fault

MAX_IDLE_S = 3.0
"""Servers close idle connections: uvicorn, below vLLM and most others, after 5 s."""
MAX_REPLY_BYTES = 64 * 2**20
_READ_BYTES = 2**16
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_Connection = http.client.HTTPConnection


class Reply(NamedTuple):
    """What came back, whole. `retry_after` is the header's text, if there was one."""

    status: int
    retry_after: str | None
    body: bytes


class _ClosedBeforeReplyError(Exception):
    """The other end closed the connection before it sent anything."""


class Connections:
    """A pool of connections to one address; several threads may post at the same time."""

    def __init__(self, base_url: str, timeout_s: float) -> None:
        """Take the address; nothing is opened yet."""
        address = urlsplit(base_url)
        host = address.hostname or ""
        self._secure = address.scheme == "https"
        self._host, self._port = host, address.port
        self._path = address.path.rstrip("/")
        self._proxy = "" if host in _LOOPBACK else _proxy_for(address.scheme, host)
        self._timeout_s = timeout_s
        self._idle: list[tuple[float, _Connection]] = []
        self._lock = threading.Lock()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a request and return the reply, whatever its status.

        A kept connection that the other end closed in the meantime, before it sent a byte, is
        replaced at once: that is no fault of the endpoint.

        Raises:
            Fault: If there is no connection, no reply in time, or not a whole one.
        """
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, path, body, headers)
            except _ClosedBeforeReplyError:
                pass
        try:
            return self._exchange(self._open(), path, body, headers)
        except _ClosedBeforeReplyError as error:
            raise Fault(f"connection closed: {error.__cause__}") from error

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _exchange(
        self, connection: _Connection, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        deadline_s = time.monotonic() + self._timeout_s
        try:
            sock = _connected(connection)
            sock.settimeout(self._timeout_s)
            response = _request(connection, self._target(path), body, headers)
            reply = _read(sock, response, deadline_s)
        except TimeoutError as error:
            connection.close()
            raise Fault(f"timed out after {self._timeout_s:g} s") from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            connection.close()
            raise Fault(f"{type(error).__name__}: {error}") from error
        except BaseException:
            connection.close()
            raise
        self._keep(connection, response.will_close)
        return reply

    def _target(self, path: str) -> str:
        if self._proxy and not self._secure:
            return f"http://{_with_port(self._host, self._port)}{self._path}{path}"
        return self._path + path

    def _open(self) -> _Connection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        if not self._proxy:
            return kind(self._host, self._port, timeout=self._timeout_s)
        proxy = urlsplit(self._proxy)
        connection = kind(proxy.hostname or "", proxy.port, timeout=self._timeout_s)
        if self._secure:
            connection.set_tunnel(self._host, self._port)
        return connection

    def _take(self) -> _Connection | None:
        with self._lock:
            while self._idle:
                since_s, connection = self._idle.pop()
                if time.monotonic() - since_s < MAX_IDLE_S:
                    return connection
                connection.close()
        return None

    def _keep(self, connection: _Connection, will_close: bool) -> None:
        if will_close:
            connection.close()
            return
        with self._lock:
            self._idle.append((time.monotonic(), connection))


def _connected(connection: _Connection) -> socket.socket:
    if connection.sock is None:
        connection.connect()
    sock: socket.socket = connection.sock
    return sock


def _request(
    connection: _Connection, target: str, body: bytes, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    try:
        connection.request("POST", target, body, dict(headers))
        return connection.getresponse()
    except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
        raise _ClosedBeforeReplyError from error


def _read(sock: socket.socket, response: http.client.HTTPResponse, deadline_s: float) -> Reply:
    """Return the whole reply; the client does not tell when a body ends too early, this does."""
    parts: list[bytes] = []
    size = 0
    with response:
        while part := response.read1(_READ_BYTES):
            parts.append(part)
            size += len(part)
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            if size > MAX_REPLY_BYTES:
                raise http.client.HTTPException(f"a reply of more than {MAX_REPLY_BYTES} bytes")
            sock.settimeout(left_s)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
    return Reply(response.status, response.headers.get("Retry-After"), b"".join(parts))


def _proxy_for(scheme: str, host: str) -> str:
    """Return the proxy that the environment names for a host, or ""."""
    return "" if proxy_bypass(host) else getproxies().get(scheme, "")


def _with_port(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"
