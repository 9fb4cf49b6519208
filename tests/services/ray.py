"""A real Ray cluster of one node on this machine, on loopback."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

RAY = Path(sys.executable).with_name("ray")


def missing_ray() -> list[str]:
    """Return the parts of Ray that this environment lacks."""
    return [] if RAY.exists() else ["ray"]


@contextlib.contextmanager
def ray_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run a cluster of four (pretended) cores; give the environment of its clients."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ADDRESS": f"127.0.0.1:{port}",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    words = ["start", "--head", "--num-cpus=4", f"--port={port}", "--node-ip-address=127.0.0.1"]
    words += ["--include-dashboard=false", "--disable-usage-stats", "--block"]
    words += [f"--temp-dir={folder}", "--object-store-memory=100000000"]
    log = folder / "start.log"
    folder.mkdir(parents=True, exist_ok=True)
    own = {name: value for name, value in environment.items() if name != "RAY_ADDRESS"}
    with log.open("w") as out:
        head = subprocess.Popen(
            [RAY, *words],
            env={**os.environ, **own},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield environment
    finally:
        head.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            head.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(head.pid, 9)
        head.wait()
