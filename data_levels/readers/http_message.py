"""HTTP responses within WARC records: status, headers, and the payload with its codings undone."""

import io
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from fastwarc.stream_io import BrotliReader, ChunkedReader, ZstdReader

MAX_CODINGS = 4


class TooLarge(ValueError):
    """A payload swells beyond the limit."""


class Response(NamedTuple):
    """A response as the server sent it; header names are lower case."""

    status: str
    headers: Mapping[str, str]
    payload: bytes

    @property
    def charset(self) -> str:
        """The charset that the server names, in lower case, or ""."""
        for parameter in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                return value.strip().strip("\"'").lower()
        return ""


def parse_response(block: bytes) -> Response:
    """Return the parts of a response.

    Raises:
        ValueError: If it has no status line, or no end of its headers.
    """
    head, end, payload = block.partition(b"\r\n\r\n")
    if not end:
        head, end, payload = block.partition(b"\n\n")
    first, *lines = head.decode("latin-1").splitlines() or [""]
    if not end or not first.startswith("HTTP/"):
        raise ValueError("the record holds no HTTP response")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    return Response(first.partition(" ")[2][:3], headers, payload)


def decoded_payload(response: Response, max_bytes: int) -> bytes:
    """Return the payload as it was before it was coded for the way.

    Raises:
        ValueError: If a coding is unknown or does not fit the payload.
        TooLarge: If there would be more than `max_bytes`.
    """
    codings = [
        coding.strip().lower()
        for name in ("content-encoding", "transfer-encoding")
        for coding in response.headers.get(name, "").split(",")
    ]
    codings = [coding for coding in codings if coding not in ("", "identity", "none")]
    if len(codings) > MAX_CODINGS:
        raise ValueError(f"{len(codings)} codings, one in the other")
    payload = response.payload
    for coding in reversed(codings):
        payload = _undo(coding, payload, max_bytes)
        if len(payload) > max_bytes:
            raise TooLarge(f"more than {max_bytes:,} bytes once {coding} is undone")
    return payload


def _undo(coding: str, payload: bytes, max_bytes: int) -> bytes:
    """Return at most `max_bytes + 1` bytes."""
    if coding in ("gzip", "x-gzip", "deflate"):
        return _inflate(payload, max_bytes)
    readers = {"chunked": ChunkedReader, "br": BrotliReader, "zstd": ZstdReader}
    if coding not in readers:
        raise ValueError(f"unknown coding {coding!r}")
    reader = readers[coding](io.BytesIO(payload))
    parts: list[bytes] = []
    missing = max_bytes + 1
    try:
        while missing and (part := reader.read(missing)):
            parts.append(part)
            missing -= len(part)
    except OSError as error:
        raise ValueError(f"it is not coded as {coding!r}: {error}") from error
    return b"".join(parts)


def _inflate(payload: bytes, max_bytes: int) -> bytes:
    """Undo gzip or deflate, which servers send with a zlib header or without."""
    is_bare = payload[:1] != b"\x1f" and payload[:1] != b"\x78"
    decompressor = zlib.decompressobj(wbits=-15 if is_bare else 47)
    try:
        data = decompressor.decompress(payload, max_bytes + 1)
    except zlib.error as error:
        raise ValueError(f"it does not inflate: {error}") from error
    if not decompressor.eof and len(data) <= max_bytes:
        raise ValueError("its compressed data breaks off")
    return data
