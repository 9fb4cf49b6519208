"""A real PostgreSQL server on this machine, on loopback, in a folder."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def missing_postgres() -> list[str]:
    """Return the parts of PostgreSQL that this machine lacks."""
    there = BINARIES[-1] / "postgres" if BINARIES else None
    return [] if there and there.exists() else ["postgres"]


@dataclass(slots=True)
class Server:
    """A running server; `stop` and `start` are what happens in the middle of a sweep."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The address of its database."""
        return f"postgresql+psycopg://davinci:s3cret@127.0.0.1:{self.port}/davinci"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.folder / "log"
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off "
        options += f"-c unix_socket_directories={self.folder}"
        self.run(
            "pg_ctl",
            "-D",
            str(self.folder / "data"),
            "-l",
            str(log),
            "-w",
            "start",
            f"-o {options}",
        )

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; at once, as when the machine fails, unless told otherwise."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")

    def run(self, program: str, *words: str) -> None:
        """Run one of PostgreSQL's programs, as a user who is not root."""
        command = [str(BINARIES[-1] / program), *words]
        environment = {**os.environ, "PGPASSWORD": "s3cret"}
        as_user = {"user": _user().pw_uid, "group": _user().pw_gid} if os.getuid() == 0 else {}
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=self.folder,
            **as_user,  # type: ignore[call-overload]
        )


@contextlib.contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """Run a server with an empty database `davinci`."""
    folder = Path("/tmp") / f"davinci-postgres-{os.getpid()}-{time.time_ns()}"  # short, for sockets
    folder.mkdir()
    if os.getuid() == 0:
        os.chown(folder, _user().pw_uid, _user().pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, port)
    password = folder / "password"
    password.write_text("s3cret")
    try:
        words = ["-U", "davinci", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync"]
        server.run("initdb", "-D", str(folder / "data"), *words)
        server.start()
        server.run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "davinci", "davinci")
        yield server
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> pwd.struct_passwd:
    return pwd.getpwnam("postgres")
