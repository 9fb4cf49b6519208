"""Training speed on a CPU beside Hugging Face Trainer and LitGPT, same architecture and batches.

    pip install --no-deps --target PEERS litgpt accelerate psutil jsonargparse docstring-parser
    python benchmarks/train_cpu.py PEERS [STEPS] [THREADS]

All train the `1m` rung of `conf/scale` (a Qwen2 of 1.2M parameters, context 256) in float32 with
fused AdamW, clipping at 1.0, and 80 sequences a step in micro-batches of 20, on the same tokens,
each with its own training loop in a process of its own. They take turns, three rounds. Tokens per
second are counted between the fetches of micro-batches, from the third step on; the first line
also has ours in bfloat16. Last run: litgpt 0.5.13, accelerate 1.15.0, transformers 5.23.0,
torch 2.13.0.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

ROOT = Path(__file__).resolve().parents[1]
SCALE: dict[str, Any] = yaml.safe_load((ROOT / "conf/scale/1m.yaml").read_text())
CONTEXT, VOCAB = SCALE["context_length"], SCALE["vocab_size"]
BATCH, MICRO_BATCH, WARM_STEPS, ROUNDS = 80, 20, 2, 3
NUM_TOKENS = 2_000_000
PER_STEP = BATCH // MICRO_BATCH


class Clock:
    """Notes when micro-batches are fetched."""

    def __init__(self) -> None:
        """Start with none."""
        self.times_s: list[float] = []

    def rate(self) -> float:
        """Return tokens per second after the warm-up."""
        first = WARM_STEPS * PER_STEP
        num_micro_batches = len(self.times_s) - 1 - first
        return num_micro_batches * MICRO_BATCH * CONTEXT / (self.times_s[-1] - self.times_s[first])


def tokens() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return the training tokens: a skewed random walk, so that there is something to learn."""
    rng = np.random.default_rng(0)
    return (np.cumsum(rng.integers(0, 4, NUM_TOKENS)) % VOCAB).astype(np.uint16)


def rows(clock: Clock, num_steps: int) -> Iterator[torch.Tensor]:
    """Yield windows of context + 1 tokens, noting the time at the first of each micro-batch."""
    every = tokens()
    for number in range(num_steps * BATCH):
        if number % MICRO_BATCH == 0:
            clock.times_s.append(time.perf_counter())
        begin = number * CONTEXT % (NUM_TOKENS - CONTEXT - 1)
        yield torch.from_numpy(every[begin : begin + CONTEXT + 1].astype(np.int64))
    clock.times_s.append(time.perf_counter())


def ours(num_steps: int, precision: str) -> float:
    """Train with `train_segment`."""
    from davinci.models.settings import ModelSettings, OptimizerSettings
    from davinci.platform.training.batches import SegmentBatches
    from davinci.platform.training.segment import train_segment
    from davinci.platform.training.settings import SegmentSettings, TrainingRuntime

    clock, steps = Clock(), SegmentBatches.__iter__

    def timed(self: SegmentBatches) -> Iterator[Any]:
        for batch in steps(self):
            clock.times_s.append(time.perf_counter())
            yield batch
        clock.times_s.append(time.perf_counter())

    SegmentBatches.__iter__ = timed  # type: ignore[method-assign]
    names = set(ModelSettings.__dataclass_fields__)
    settings = SegmentSettings(
        model=ModelSettings(**{k: v for k, v in SCALE.items() if k in names}),
        optimizer=OptimizerSettings(lr_peak=SCALE["lr_peak"]),
        seed=0,
        num_steps=num_steps,
        batch_tokens=BATCH * CONTEXT,
        weights={"general": 1.0},
        precision=precision,  # type: ignore[arg-type]
    )
    with tempfile.TemporaryDirectory() as folder:
        shards = Path(folder) / "shards"
        shards.mkdir()
        np.save(shards / "tokens.npy", tokens())
        train_segment(
            settings,
            shards={"general": shards},
            parent=None,
            out=Path(folder) / "out",
            runtime=TrainingRuntime(
                accelerator="cpu",
                num_threads=torch.get_num_threads(),
                micro_batch_size=MICRO_BATCH,
            ),
            progress=lambda done, total, note: None,
        )
    return clock.rate()


def hugging_face(num_steps: int) -> float:
    """Train with transformers' Trainer."""
    from torch.utils.data import IterableDataset
    from transformers import Qwen2Config, Qwen2ForCausalLM, Trainer, TrainingArguments

    clock = Clock()

    class Rows(IterableDataset[dict[str, torch.Tensor]]):
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            for row in rows(clock, num_steps):
                yield {"input_ids": row[:-1], "labels": row[:-1]}

    config = Qwen2Config(
        vocab_size=VOCAB,
        hidden_size=SCALE["hidden_size"],
        intermediate_size=SCALE["intermediate_size"],
        num_hidden_layers=SCALE["num_layers"],
        num_attention_heads=SCALE["num_heads"],
        num_key_value_heads=SCALE["num_kv_heads"],
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        use_cache=False,
    )
    model = Qwen2ForCausalLM(config)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=MICRO_BATCH,
            gradient_accumulation_steps=PER_STEP,
            max_steps=num_steps,
            learning_rate=SCALE["lr_peak"],
            adam_beta2=0.95,
            weight_decay=0.1,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            lr_scheduler_type="constant",
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_steps=20,
            dataloader_num_workers=0,
        )
        Trainer(model=model, args=arguments, train_dataset=Rows()).train()
    return clock.rate()


def litgpt(num_steps: int) -> float:
    """Train with LitGPT's pretraining loop."""
    from litgpt import pretrain
    from litgpt.args import EvalArgs, TrainArgs
    from litgpt.config import Config
    from litgpt.data import DataModule
    from torch.utils.data import DataLoader, IterableDataset

    clock = Clock()

    class Rows(IterableDataset[torch.Tensor]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            yield from rows(clock, num_steps + 1)

        def __reduce__(self) -> tuple[type, tuple[()]]:
            return list, ()  # its checkpoint, which nobody reads, pickles the loader

    class Data(DataModule):
        def connect(self, **_: Any) -> None:
            """Take nothing: sizes are fixed."""

        def train_dataloader(self) -> DataLoader[torch.Tensor]:
            return DataLoader(Rows(), batch_size=MICRO_BATCH, num_workers=0)

        def val_dataloader(self) -> DataLoader[torch.Tensor]:
            return DataLoader(torch.zeros(1, CONTEXT + 1, dtype=torch.int64), batch_size=1)

    config = Config(
        name="1m",
        block_size=CONTEXT,
        vocab_size=VOCAB,
        padded_vocab_size=VOCAB,
        n_layer=SCALE["num_layers"],
        n_head=SCALE["num_heads"],
        n_query_groups=SCALE["num_kv_heads"],
        n_embd=SCALE["hidden_size"],
        head_size=SCALE["head_dim"],
        intermediate_size=SCALE["intermediate_size"],
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        attn_bias=True,
        norm_class_name="RMSNorm",
        norm_eps=1e-6,
        mlp_class_name="LLaMAMLP",
        rope_base=10000,
    )
    with tempfile.TemporaryDirectory() as folder:
        pretrain.setup(
            model_name="1m",
            model_config=config,
            out_dir=Path(folder),
            precision="32-true",
            data=Data(),
            train=TrainArgs(
                save_interval=None,
                log_interval=20,
                global_batch_size=BATCH,
                micro_batch_size=MICRO_BATCH,
                max_tokens=num_steps * BATCH * CONTEXT,
                max_seq_length=CONTEXT,
                max_norm=1.0,
                lr_warmup_steps=1,
                tie_embeddings=True,
            ),
            eval=EvalArgs(interval=10**9, max_iters=1, initial_validation=False),
            optimizer={
                "class_path": "torch.optim.AdamW",
                "init_args": {"lr": SCALE["lr_peak"], "betas": (0.9, 0.95), "fused": True},
            },
            devices=1,
            logger_name="csv",
            seed=0,
        )
    clock.times_s = clock.times_s[: num_steps * PER_STEP + 1]
    return clock.rate()


WAYS: dict[str, Callable[[int], float]] = {
    "davinci": lambda num_steps: ours(num_steps, "32-true"),
    "davinci bf16": lambda num_steps: ours(num_steps, "bf16-mixed"),
    "Hugging Face Trainer": hugging_face,
    "LitGPT": litgpt,
}


def main() -> None:
    """Take turns, and print medians and ratios."""
    peers, num_steps, num_threads = sys.argv[1], *(int(a) for a in (*sys.argv[2:], 30, 1)[:2])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), peers]),
        "OMP_NUM_THREADS": str(num_threads),
        "CUDA_VISIBLE_DEVICES": "",
    }
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            command = [sys.executable, "-W", "ignore", __file__, "--one", way, str(num_steps)]
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"{way} failed:\n{done.stderr[-3000:]}")
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"  {way}: {found[way][-1]:,.0f}", flush=True)
    medians = {way: statistics.median(rates) for way, rates in found.items()}
    print(f"{num_threads} thread(s), {num_steps} steps, median of {ROUNDS} turns")
    for way, rates in found.items():
        turns = " ".join(f"{rate:,.0f}" for rate in rates)
        ratio = medians["davinci"] / medians[way]
        print(f"{way:21} {medians[way]:8,.0f} tokens/s ({turns}); davinci is {ratio:.2f} x")
    fastest = max(medians["Hugging Face Trainer"], medians["LitGPT"])
    print(f"davinci over the faster peer: {medians['davinci'] / fastest:.2f} x")


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        asked, num = sys.argv[2], int(sys.argv[3])
        sys.argv = [__file__, "1m"]  # LitGPT reads the command line once more
        print(json.dumps(WAYS[asked](num)))
    else:
        main()
