"""Starting the user's inference server for one checkpoint, and ending it."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from davinci.platform.children import die_with_parent

START_TIMEOUT_S = 1800
"""A big model is read and compiled for many minutes."""
STOP_TIMEOUT_S = 30
POLL_S = 0.2
LOG_TAIL_CHARS = 2000


class ServerStartError(RuntimeError):
    """The server ended, or was not ready in time."""


@contextlib.contextmanager
def serve(command: str, model: Path, log: Path) -> Iterator[str]:
    """Run `command` while the context lasts; yield its address up to `/v1`.

    Args:
        command: With `{model}` for the folder, and `{port}` for the port on 127.0.0.1 that it must
            listen on. No shell reads it.
        model: Hugging Face folder with its tokenizer.
        log: File for what the server prints.

    Raises:
        ServerStartError: If it ends before it is ready, or is not ready in half an hour.
    """
    port = _free_port()
    words = [
        word.replace("{model}", str(model)).replace("{port}", str(port))
        for word in shlex.split(command)
    ]
    with log.open("wb") as printed:
        try:
            process = subprocess.Popen(
                words,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise ServerStartError(f"{words[0]!r} does not start: {error}") from error
    url = f"http://127.0.0.1:{port}/v1"
    try:
        _wait(process, url, log)
        yield url
    finally:
        _stop(process)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            tail = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL_CHARS:].strip()
            raise ServerStartError(
                f"The server ended with code {process.returncode} before it was ready: {tail}"
            )
        try:
            with urllib.request.urlopen(f"{url}/models", timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(POLL_S)
    raise ServerStartError(f"The server was not ready after {START_TIMEOUT_S} s; see {log}.")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
