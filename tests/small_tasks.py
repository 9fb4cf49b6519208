"""A kind of task for tests of executors: it fails, dies or waits as its settings say."""

import contextlib
import errno
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from davinci.platform.execute import work
from davinci.platform.ledger import task as kinds
from davinci.platform.ledger.usage import Usage

KIND = "small"
USAGE = Usage(wall_s=1.0, cpu_s=1.0, max_rss_bytes=1)


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """Make the kind known, here and in the processes of executors."""
    folder = str(Path(__file__).resolve().parents[1])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, before]))
    kinds.KIND_VERSIONS[KIND] = 1  # type: ignore[index]
    try:
        yield
    finally:
        del kinds.KIND_VERSIONS[KIND]  # type: ignore[attr-defined]
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def do(document: Mapping[str, Any], inputs: Mapping[str, Path], out: Path, progress: Any) -> None:
    """Do what the settings say."""
    settings = document["settings"]
    what = settings["what"]
    if what == "value_error":
        raise ValueError("it is broken")
    if what == "os_error_until" and _count(settings) <= settings["times"]:
        raise OSError(errno.EIO, "the network is away")
    if what == "no_space_until" and _count(settings) <= settings["times"]:
        raise OSError(errno.ENOSPC, "No space left on device")
    if what == "kill_until" and _count(settings) <= settings["times"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "memory_error_unless_alone":
        deadline = time.monotonic() + 0.4
        while time.monotonic() < deadline:
            if list(Path(settings["path"]).glob("*")):
                raise MemoryError
            time.sleep(0.01)
    if what == "beside":
        mark = Path(settings["path"]) / str(os.getpid())
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        time.sleep(settings["seconds"])
        mark.unlink()
    if what == "sleep":
        if "path" in settings:
            aside = out / "process"
            aside.write_text(str(os.getpid()))
            aside.rename(settings["path"])
        time.sleep(settings["seconds"])
    if what == "signal_itself":
        os.kill(os.getpid(), settings["number"])
    (out / "done").touch()


def _count(settings: Mapping[str, Any]) -> int:
    """Return which try this is, from 1."""
    with Path(settings["path"]).open("a+") as file:
        file.write(".")
        file.flush()
        return file.tell()


work.WORK[KIND] = do  # type: ignore[index]
work.PRELOAD[KIND] = (__name__,)  # type: ignore[index]
