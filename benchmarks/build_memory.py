"""Peak memory of building a corpus, for one size and for ten times that size.

    python benchmarks/build_memory.py [--megabytes 20]

Writes synthetic prose with a fifth of near-duplicates, builds L0 to L3 and the token shards in a
child process each, and prints the peak resident memory beside that of a process which imports the
same and builds nothing.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

STEPS = ("L0", "L1", "L2", "L3", "tokenizer", "shards")
PARAGRAPHS = 12


def main() -> None:
    """Print peak memory at both sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=20.0)
    arguments = parser.parse_args()
    table = Table("step", "1x, MB peak", "10x, MB peak", "10x / 1x", box=None)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        sizes = (arguments.megabytes, 10 * arguments.megabytes)
        for index, megabytes in enumerate(sizes):
            write_files(Path(folder) / str(index), megabytes)
        base = measured(context, "imports", Path(folder) / "0")
        table.add_row("imports alone", f"{base:.0f}", "", "")
        for step in STEPS:
            one, ten = (measured(context, step, Path(folder) / str(i)) for i in (0, 1))
            table.add_row(step, f"{one:.0f}", f"{ten:.0f}", f"{ten / one:.2f}")
    Console().print(f"{sizes[0]:g} MB and {sizes[1]:g} MB of raw text, one process.")
    Console().print(table)


def write_files(folder: Path, megabytes: float) -> None:
    """Write `general.jsonl`: prose, a fifth of it copies of earlier documents, a word changed."""
    rng = Random(0)
    words = [
        "".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(2, 9))) for _ in range(20_000)
    ]
    common = ["the", "of", "and", "to", "is", "in", "that", "with"]
    (folder / "in").mkdir(parents=True)
    written, number, recent = 0, 0, [""]
    with (folder / "in" / "general.jsonl").open("w") as file:
        while written < megabytes * 1e6:
            if number % 5 == 4:
                text = recent[rng.randrange(len(recent))].replace(rng.choice(words), "changed")
            else:
                text = "\n\n".join(
                    " ".join(
                        rng.choice(common) if rng.random() < 0.4 else rng.choice(words)
                        for _ in range(60)
                    )
                    for _ in range(PARAGRAPHS)
                )
                recent = [*recent[-50:], text]
            file.write(json.dumps({"id": f"d{number}", "text": text}) + "\n")
            written += len(text)
            number += 1


def measured(context: multiprocessing.context.SpawnContext, step: str, folder: Path) -> float:
    """Return the peak resident memory of one step in a process of its own, in MB."""
    queue = context.Queue()
    process = context.Process(target=run, args=(step, folder, queue))
    process.start()
    peak: float = queue.get()
    process.join()
    return peak


def run(step: str, folder: Path, queue: "multiprocessing.Queue[float]") -> None:
    """Do one step, and report the peak."""
    from davinci.data_levels.build import CorpusSettings, build_corpus
    from davinci.data_levels.levels import l1, l2, l3  # noqa: F401
    from davinci.data_levels.settings import LevelSettings
    from davinci.data_levels.sources.source import SourceSettings
    from davinci.data_levels.tokens.shards import write_shards
    from davinci.data_levels.tokens.tokenizer import train_tokenizer

    if step == "tokenizer":
        train_tokenizer({"general": folder / "L1"}, 4096, folder / "tokenizer")
    elif step == "shards":
        write_shards(folder / "L3", folder / "tokenizer", folder / "shards")
    elif step != "imports":
        source = SourceSettings(name="files", options={"path": str(folder / "in")})
        parent = None if step == "L0" else folder / f"L{int(step[1]) - 1}"
        corpus = CorpusSettings(source=source, domain="general", chain=step, levels=LevelSettings())
        build_corpus(corpus, parent=parent, out=folder / step)
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


if __name__ == "__main__":
    main()
