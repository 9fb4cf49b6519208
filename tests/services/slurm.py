"""A real SLURM on this machine, on loopback: munged, slurmctld and two slurmd, in a folder."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PARTS = ("slurmctld", "slurmd", "munged", "sbatch")

CONF = """
ClusterName=davinci
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=600
KillWait=5
InactiveLimit=0
SlurmdParameters=config_overrides
SwitchType=switch/none
PropagateResourceLimits=NONE
JobRequeue=1
NodeName=one,two NodeHostname={host} NodeAddr=127.0.0.1 Port=[{one}-{two}] CPUs=4 Boards=1 \
SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=one,two Default=YES MaxTime=INFINITE State=UP
"""


def missing_slurm() -> list[str]:
    """Return the parts of SLURM that this machine lacks."""
    return [part for part in PARTS if shutil.which(part) is None]


@contextlib.contextmanager
def slurm_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run a cluster of two nodes with four (pretended) cores each; give its environment."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir()
    host = socket.gethostname().partition(".")[0]
    port, one, two = _free_ports()
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=host, folder=folder, port=port, one=one, two=two))
    environment = {"SLURM_CONF": str(conf)}
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(_munged(folder))
        _wait_for(lambda: (folder / "munge.socket").exists(), "munged")
        every = {**os.environ, **environment}
        for words in (["slurmctld", "-D"], *(["slurmd", "-D", "-N", n] for n in ("one", "two"))):
            running.append(
                subprocess.Popen(
                    words, env=every, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
        _wait_for(lambda: _idle(every) == 2, "slurmd", folder / "slurmctld.log")
        yield environment
    finally:
        if len(running) > 1:
            cancel = ["scancel", "--user=root"]
            subprocess.run(cancel, env={**os.environ, **environment}, check=False, timeout=30)
        for process in reversed(running):
            process.terminate()
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def _munged(folder: Path) -> "subprocess.Popen[bytes]":
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    names = ("socket", "log", "pid", "seed")
    places = {name: folder / f"munge.{name}" for name in names}
    words = ["munged", "--foreground", "--force", f"--key-file={key}", "--num-threads=2"]
    words += [f"--socket={places['socket']}", f"--log-file={places['log']}"]
    words += [f"--pid-file={places['pid']}", f"--seed-file={places['seed']}"]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _idle(environment: dict[str, str]) -> int:
    words = ["sinfo", "--noheader", "--Node", "--format=%t"]
    found = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    return found.stdout.split().count("idle")


def _free_ports() -> tuple[int, int, int]:
    """Return three free ports, the last two in a row as the configuration wants them."""
    for start in range(21000, 29000, 7):
        sockets = [socket.socket() for _ in range(3)]
        try:
            for offset, each in enumerate(sockets):
                each.bind(("127.0.0.1", start + offset))
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
        return start, start + 1, start + 2
    raise RuntimeError("No three free ports in a row.")


def _wait_for(ready: Callable[[], bool], what: str, log: Path | None = None) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if time.monotonic() > deadline:
            told = log.read_text()[-2000:] if log and log.exists() else ""
            raise RuntimeError(f"{what} does not come up. {told}")
        time.sleep(0.2)
