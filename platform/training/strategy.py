"""How a segment is spread over processes: one, copies of the model (DDP), or parts (FSDP2)."""

import os
from typing import NamedTuple

import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from davinci.models.network import Network
from davinci.platform.config.recipe import Precision
from davinci.platform.training.settings import TrainingRuntime


class Place(NamedTuple):
    """This process among all that train the segment."""

    rank: int
    world_size: int


def place(runtime: TrainingRuntime) -> Place:
    """Return this process's place, as torchrun or SLURM tell it.

    Raises:
        ValueError: If there are more or fewer processes than the settings ask for.
    """
    asked = runtime.devices * runtime.num_nodes
    for rank, size in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        if asked > 1 and rank in os.environ:
            found = Place(int(os.environ[rank]), int(os.environ[size]))
            break
    else:
        found = Place(0, 1)
    if found.world_size != asked:
        raise ValueError(
            f"`devices` x `num_nodes` must be the number of processes, but got {runtime.devices} x "
            f"{runtime.num_nodes} and {found.world_size} started; start the entry by torchrun or "
            "srun with as many."
        )
    return found


def is_sharded(runtime: TrainingRuntime) -> bool:
    """Return whether each process holds a part of the model."""
    return runtime.strategy == "fsdp" and runtime.devices * runtime.num_nodes > 1


def build_strategy(runtime: TrainingRuntime) -> Strategy | str:
    """Return Lightning's strategy; `auto` for a single process."""
    if runtime.devices * runtime.num_nodes == 1:
        return "auto"
    if is_sharded(runtime):
        size = runtime.devices * runtime.num_nodes
        return ModelParallelStrategy(data_parallel_size=size, tensor_parallel_size=1)
    return DDPStrategy(gradient_as_bucket_view=True)


def shard_network(network: Network, mesh: DeviceMesh, precision: Precision) -> None:
    """Split every decoder layer, and what is left, over the processes of `mesh`, in place.

    In bfloat16, layers are gathered and computed in it; gradients are summed in float32.
    """
    low = torch.bfloat16 if precision != "32-true" else None
    policy = MixedPrecisionPolicy(param_dtype=low, reduce_dtype=torch.float32 if low else None)
    for layer in network.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(network, mesh=mesh, mp_policy=policy)
