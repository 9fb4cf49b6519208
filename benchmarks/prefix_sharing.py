"""What sharing a first stage saves: eight second stages in one sweep, and the same eight apart.

    python benchmarks/prefix_sharing.py [TOKENS]

The sweep varies the share of QA in the second stage of `curriculum=two_stage` at nano scale. Its
forecast (`sweep.dry_run=true`) is set beside the processor time of the training tasks as the store
has it, once for the sweep and once for eight runs that share nothing, each in an output folder of
its own with the same corpora. Final weights are compared bit for bit.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import create_engine, func, select

from davinci.platform.store import tables
from davinci.platform.store.read import find_sweep, load_sweep

ROOT = Path(__file__).resolve().parents[1]
SHARES = ("0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7")
AXIS = "curriculum.stages.1.qa_frac"


def run(out: Path, tokens: int, shares: Sequence[str], *more: str) -> str:
    """Run a sweep over shares of QA; return what it printed."""
    words = ["-m", "curriculum=two_stage", f"{AXIS}={','.join(shares)}", "seeds=1"]
    words += [f"scale.tokens={tokens}", "evaluation=bpb", "evaluation.trajectory=[]"]
    words += ["trainer.accelerator=cpu", "executor.workers=1", "store.mlflow=false"]
    command = [sys.executable, "run.py", *words, f"output_dir={out}", *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def training_s(out: Path) -> float:
    """Return the processor seconds of all training tasks in a store."""
    engine = create_engine(f"sqlite:///{out / 'davinci.db'}")
    with engine.connect() as connection:
        query = select(func.sum(tables.task.c.cpu_s)).where(tables.task.c.kind == "segment")
        return float(connection.scalar(query) or 0.0)


def weights(out: Path) -> list[str]:
    """Return digests of the newest sweep's final weights, in the order of its arms."""
    engine = create_engine(f"sqlite:///{out / 'davinci.db'}")
    sweep = load_sweep(engine, find_sweep(engine, ""))
    found = []
    for arm in sweep.arms:
        folder = out / "artifacts" / "segment" / arm.runs[0].checkpoint / "model"
        found.append(hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest())
    return found


def copy_data(out: Path, to: Path) -> None:
    """Copy the corpora and shards of one output folder to another."""
    for kind in ("held_out", "corpus", "tokenizer", "shards", "contamination"):
        shutil.copytree(out / "artifacts" / kind, to / "artifacts" / kind)


def main() -> None:
    """Measure, and print forecast and measurement."""
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 1_048_576
    with tempfile.TemporaryDirectory() as folder:
        data, shared = Path(folder) / "data", Path(folder) / "shared"
        run(data, 8192, SHARES[:2])
        copy_data(data, shared)
        plan = run(shared, tokens, SHARES, "sweep.dry_run=true")
        found = re.search(r"\((\d+)% less", plan.replace("\n", " "))
        assert found is not None, plan
        run(shared, tokens, SHARES)
        together, apart, same = training_s(shared), 0.0, []
        for share in SHARES:
            alone = Path(folder) / f"alone-{share}"
            copy_data(data, alone)
            run(alone, tokens, (share,))
            apart += training_s(alone)
            same += weights(alone)
        equal = sum(a == b for a, b in zip(weights(shared), same, strict=True))
    saved = 1 - together / apart
    print(f"eight second stages of {tokens:,} tokens in all, one first stage")
    print(f"processor time of training: {together:.1f} s shared, {apart:.1f} s apart")
    print(f"saved: {saved:.1%} measured, {int(found[1])}% forecast")
    print(f"final weights equal bit for bit: {equal} of {len(SHARES)}")


if __name__ == "__main__":
    main()
