"""Files as streams of bytes: decompressed on the way, cut into lines, never held whole."""

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import zstandard

CHUNK_BYTES = {".gz": 2**14, ".zst": 2**10}
"""Compressed bytes taken at once: whatever they swell to stays below some 32 MB."""
BUFFER_BYTES = 2**18


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class Stream(io.RawIOBase):
    """The decompressed bytes of a file, for one reading from start to end.

    Where the compressed data breaks off or is corrupt the stream ends, with the cause in `error`,
    after all that came before.

    Attributes:
        error: What is wrong with the compressed data, or "".
        tail: The last four bytes read so far.
    """

    def __init__(self, path: Path) -> None:
        """Open a file; its name says how it is compressed.

        Raises:
            OSError: If it cannot be opened.
        """
        super().__init__()
        self.error = ""
        self.tail = b""
        self._file: BinaryIO = path.open("rb")
        self._kind = path.suffix.lower()
        self._decompressor: _Decompressor | None = None
        self._input = b""
        self._pending = memoryview(b"")
        self._position = 0
        self._is_untouched = True

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: a reader may ask where it is, though it cannot go elsewhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Return the position; moving is not possible.

        Raises:
            io.UnsupportedOperation: If another position is asked for.
        """
        if (offset, whence) not in ((0, io.SEEK_CUR), (self._position, io.SEEK_SET)):
            raise io.UnsupportedOperation("a stream is read once, from start to end")
        return self._position

    def readinto(self, buffer: "memoryview", /) -> int:  # type: ignore[override]
        """Fill the buffer as far as the next bytes go; 0 at the end or where the damage begins."""
        if not self._pending:
            self._pending = memoryview(self._next_bytes(len(buffer)))
        taken = self._pending[: len(buffer)]
        buffer[: len(taken)] = taken
        self._pending = self._pending[len(taken) :]
        self._position += len(taken)
        self.tail = (self.tail + bytes(taken[-4:]))[-4:]
        return len(taken)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _next_bytes(self, size: int) -> bytes:
        try:
            if self._kind not in CHUNK_BYTES:
                return self._file.read(size)
            return b"" if self.error else self._decompressed()
        except (OSError, zlib.error, zstandard.ZstdError) as error:
            self.error = f"{error}"
            return b""

    def _decompressed(self) -> bytes:
        """Return the next decompressed bytes, across the members that a file may consist of."""
        while True:
            if not self._input:
                self._input = self._file.read(CHUNK_BYTES[self._kind])
            if not self._input:
                if self._decompressor is not None or self._is_untouched:
                    self.error = "the compressed data breaks off"
                return b""
            self._is_untouched = False
            if self._decompressor is None:
                self._decompressor = _decompressor(self._kind)
            data = self._decompressor.decompress(self._input)
            self._input = b""
            if self._decompressor.eof:
                padding = b"\0" if self._kind == ".gz" else b""
                self._input = self._decompressor.unused_data.lstrip(padding)
                self._decompressor = None
            if data:
                return data


def _decompressor(kind: str) -> _Decompressor:
    if kind == ".gz":
        return zlib.decompressobj(wbits=31)
    return zstandard.ZstdDecompressor().decompressobj()


class Line(NamedTuple):
    """A line without its end, and its size; `data` is None where it is above the limit."""

    number: int
    data: bytes | None
    num_bytes: int


def lines_of(stream: Stream, max_bytes: int) -> Iterator[Line]:
    """Yield the lines of a stream, numbered from 1; no more than `max_bytes` of one are held.

    What follows the last end of line is a line too, unless the stream broke off.
    """
    buffered = io.BufferedReader(stream, BUFFER_BYTES)
    number = 0
    while data := buffered.readline(max_bytes + 1):
        number += 1
        num_bytes, ended = len(data), data.endswith(b"\n")
        too_long = num_bytes > max_bytes and not ended
        while too_long and not ended and (data := buffered.readline(BUFFER_BYTES)):
            num_bytes += len(data)
            ended = data.endswith(b"\n")
        if stream.error and not ended:
            return
        yield Line(number, None if too_long else data.rstrip(b"\r\n"), num_bytes)
