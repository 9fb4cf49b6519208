"""Which executor takes a plan, and whether what it needs is there."""

import importlib.util
import shutil
from collections.abc import Sequence

from sqlalchemy import Engine

from davinci.models.devices import may_have_gpu
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.runtime import Runtime, TrainingRuntime
from davinci.platform.execute.cluster import Cluster, ClusterExecutor, Ray, Slurm
from davinci.platform.execute.devices import num_bytes_of_memory, visible_gpus
from davinci.platform.execute.local import LocalExecutor
from davinci.platform.execute.outcome import Outcome
from davinci.platform.execute.view import View
from davinci.platform.plan.graph import Plan

NEEDS = {"slurm": "submitit", "ray": "ray"}
"""The package of each executor, an extra of davinci under the executor's name."""


def execute(
    plan: Plan, engine: Engine, runtime: Runtime, view: View, targets: Sequence[str] = ()
) -> Outcome:
    """Take `targets` (default: all of the plan) to done or failed; return what became of them.

    Raises:
        ConfigError: If the cluster does not answer.
    """
    if runtime.executor.name == "local":
        return LocalExecutor(plan, engine, runtime, view, targets=targets).run()
    cluster = cluster_of(runtime)
    return ClusterExecutor(plan, engine, runtime, view, cluster=cluster, targets=targets).run()


def cluster_of(runtime: Runtime) -> Cluster:
    """Return the cluster that the runtime names.

    Raises:
        ConfigError: If it does not answer.
    """
    if runtime.executor.name == "slurm":
        return Slurm(runtime)
    try:
        return Ray(runtime)
    except (ConnectionError, ValueError, RuntimeError) as error:
        rule = f"no Ray cluster answers there ({str(error).splitlines()[0]})."
        raise _refused("address", runtime.executor.address, rule) from None


def check_executor(runtime: Runtime) -> None:
    """Check that the executor is there, and on this machine the devices that it needs.

    Raises:
        ConfigError: Naming the field.
    """
    name = runtime.executor.name
    if name == "local":
        check_devices(runtime.training)
        if not runtime.executor.wait:
            raise _refused("wait", "false", "tasks of this machine end with the command.")
        return
    if importlib.util.find_spec(NEEDS[name]) is None:
        rule = f"needs {NEEDS[name]}: pip install 'davinci[{name}]'."
        raise _refused("name", name, rule)
    if name == "slurm" and shutil.which("sbatch") is None:
        raise _refused("name", name, "there is no sbatch on this machine.")
    if name == "ray" and not runtime.executor.wait:
        raise _refused("wait", "false", "tasks of Ray end with the command; SLURM's do not.")


def check_devices(training: TrainingRuntime) -> None:
    """Check that the GPUs that training asks for are on this machine.

    Raises:
        ConfigError: If they are not.
    """
    if training.accelerator == "gpu" and not may_have_gpu():
        rule = "there is no GPU on this machine."
        allowed = ("auto", "cpu")
        field = "trainer.accelerator"
        raise ConfigError([Problem(field=field, value="gpu", rule=rule, allowed=allowed)])
    there = len(visible_gpus(training.accelerator))
    if there and training.devices > there:
        rule = f"there are {there} GPUs on this machine."
        value = str(training.devices)
        raise ConfigError([Problem(field="trainer.devices", value=value, rule=rule)])


def check_memory(num_bytes: int, runtime: Runtime) -> None:
    """Check that a training process of so many bytes fits this machine, where it is to run here.

    Raises:
        ConfigError: If it does not.
    """
    if runtime.executor.name != "local" or runtime.training.accelerator == "gpu":
        return
    if visible_gpus(runtime.training.accelerator):
        return
    limit = runtime.executor.memory_bytes or num_bytes_of_memory()
    if num_bytes > limit:
        rule = (
            f"a training process needs {num_bytes / 2**30:.1f} GiB, and there are "
            f"{limit / 2**30:.1f}: try trainer.micro_batch_size=1 or trainer.recompute=true, or a "
            "larger machine (executor=slurm)."
        )
        raise ConfigError([Problem(field="executor.memory_gib", value="", rule=rule)])


def _refused(field: str, value: str, rule: str) -> ConfigError:
    return ConfigError([Problem(field=f"executor.{field}", value=value, rule=rule)])
