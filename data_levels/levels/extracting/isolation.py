"""Extraction in a process of its own: whatever a file does to it, the build goes on."""

import atexit
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal

from davinci.data_levels.levels.extracting import extraction
from davinci.data_levels.levels.extracting.extraction import (
    FAILED,
    HEADER,
    OUT_OF_MEMORY,
    REPLY,
    Extracted,
)

Kind = Literal["html", "pdf"]

MAX_CPU_S = 30
"""Processor time for one document; an ordinary page takes milliseconds."""
MAX_MEMORY_BYTES = 2 * 2**30
"""Address space of the process."""
MAX_WAIT_S = 5.0
"""For the process to end by itself once nothing more is asked of it."""


class _Died(Exception):
    """The process ended before it answered; says how."""

    def __init__(self, status: int) -> None:
        super().__init__(_manner(status))
        self.is_final = status == -signal.SIGXCPU
        """Whether a new process would end like this too: time is counted for each document."""


class _Extractor:
    """One process, started when it is needed, and anew after it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._owner = os.getpid()
        atexit.register(self._stop)

    def extract(self, kind: Kind, data: bytes) -> Extracted:
        """Return the text; a failure is believed only of a process that did nothing before."""
        with self._lock:
            while True:
                is_fresh = self._process is None
                try:
                    return self._ask(kind, data)
                except _Died as error:
                    if is_fresh or error.is_final:
                        return Extracted("", f"{FAILED}: {error}")

    def _ask(self, kind: Kind, data: bytes) -> Extracted:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(HEADER.pack(kind.encode(), len(data)))
            process.stdin.write(data)
            process.stdin.flush()
            head = process.stdout.read(REPLY.size)
            num_note, num_text = REPLY.unpack(head)
            note = process.stdout.read(num_note).decode()
            text = process.stdout.read(num_text).decode("utf-8", "surrogatepass")
        except Exception as error:
            raise _Died(self._stop()) from error
        except BaseException:
            self._stop()
            raise
        return Extracted(text, note)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            # -P: the folder of this file has modules named like the standard library's
            limits = [str(MAX_CPU_S), str(MAX_MEMORY_BYTES)]
            command = [sys.executable, "-P", str(Path(extraction.__file__)), *limits]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _stop(self) -> int:
        """End the process, if this one started it; return its status."""
        process, self._process = self._process, None
        if process is None or os.getpid() != self._owner:
            return 0
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            status = process.wait(MAX_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdout.close()
        return status


def _manner(status: int) -> str:
    if status == OUT_OF_MEMORY:
        return f"took more than {MAX_MEMORY_BYTES / 2**30:g} GiB of memory"
    if status == -signal.SIGXCPU:
        return f"took more than {MAX_CPU_S} s of processor time"
    if status < 0:
        return f"the extractor died of {signal.Signals(-status).name}"
    return f"the extractor ended with status {status}"


@lru_cache(maxsize=1)
def _extractor(pid: int) -> _Extractor:
    """Return the extractor of this process: a fork must not share its parent's."""
    return _Extractor()


def extract(kind: Kind, data: bytes) -> Extracted:
    """Return the text of a page (its UTF-8) or of a PDF; never raises because of what is in it."""
    return _extractor(os.getpid()).extract(kind, data)
