"""An existing Ray cluster: a remote task per group, after those that make its inputs.

Ray's tasks end with the driver that has started them, so the command has to stay; what they have
done is in the store, and the same command goes on.
"""

import logging
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from davinci.platform.config.runtime import Runtime
from davinci.platform.execute.agent import run_group
from davinci.platform.execute.groups import Group, resources_of
from davinci.platform.execute.plan_file import PASSWORD

TOKEN_FILE = Path.home() / ".ray" / "auth_token"


def work(plan_file: str, number: int, name: str, cpus: int, *_: Any) -> str:
    """Work on a group, in a process of Ray's; the rest are groups to wait for."""
    try:
        run_group(Path(plan_file), number, f"ray {name}", cpus=cpus)
    except Exception as error:  # another group's failure must not be this one's
        return f"{type(error).__name__}: {error}"
    return ""


def connect(address: str) -> None:
    """Join a cluster that is running.

    Raises:
        ConnectionError: If there is none at the address.
    """
    # `ray start` asks for the user's token where there is one; a client has to be told to send it.
    if TOKEN_FILE.exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    import ray

    passed = {PASSWORD: os.environ[PASSWORD]} if PASSWORD in os.environ else {}
    ray.init(
        address=address,
        log_to_driver=False,
        logging_level=logging.ERROR,
        ignore_reinit_error=True,
        runtime_env={"env_vars": passed} if passed else None,
    )


def submit(
    runtime: Runtime, plan_file: Path, groups: Sequence[Group], numbers: Sequence[int]
) -> dict[int, tuple[str, Any]]:
    """Submit groups, by their numbers in the plan's file; return number -> name and reference.

    Raises:
        ValueError: If no node has as many GPUs as training asks for: Ray would wait for ever.
    """
    import ray

    every: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in every if node["Alive"]]
    most = {kind: int(max(n.get(kind, 0) for n in nodes)) for kind in ("CPU", "GPU")}
    found: dict[int, tuple[str, Any]] = {}
    for number in numbers:
        on_gpu = runtime.training.accelerator == "gpu"
        asked = resources_of(groups[number], runtime.training, runtime.executor.cpus, on_gpu)
        if asked.gpus > most["GPU"]:
            raise ValueError(
                f"training asks for {asked.gpus} GPUs, no node has more than {most['GPU']}"
            )
        cpus = min(asked.cpus, most["CPU"])
        name = uuid.uuid4().hex[:12]
        before = [found[n][1] for n in groups[number].inputs if n in found]
        options = {"num_cpus": cpus, "num_gpus": asked.gpus, "max_retries": 0}
        if runtime.executor.memory_gib:
            options["memory"] = runtime.executor.memory_bytes
        remote = ray.remote(work).options(**options)
        found[number] = name, remote.remote(str(plan_file), number, name, cpus, *before)
    return found


def ended(references: Sequence[Any]) -> list[Any]:
    """Return those of the references whose task is over."""
    import ray

    if not references:
        return []
    over, _ = ray.wait(list(references), num_returns=len(references), timeout=0)
    return list(over)
