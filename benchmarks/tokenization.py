"""How fast and in how much memory a corpus becomes token ids: ours, datatrove's, the library's.

    python benchmarks/tokenization.py [MEGABYTES]

The corpus is Python text of this machine, with a tokenizer of 16,000 ids trained on it. Three ways
read the same parts and use the same `tokenizer.json`, each in a process of its own:

    write_shards        ours: token, document and question files, counts by source, resumable
    DocumentTokenizer   datatrove's step behind its JsonlReader, one task per part, unshuffled
    encode_batch_fast   ids dropped: what the library can do

The corpus is then written ten times as large; peak memory must stay.
"""

import json
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from davinci.data_levels.corpus import PART_BYTES, num_bytes, read_documents, writing_part
from davinci.data_levels.document import Document
from davinci.data_levels.tokens.shards import write_shards
from davinci.data_levels.tokens.tokenizer import load_tokenizer, train_tokenizer

VOCAB_SIZE = 16_000
BATCH_DOCUMENTS = 256


def python_texts() -> Iterator[Document]:
    """Yield Python sources of the standard library and the installed packages."""
    for folder in (sysconfig.get_paths()["stdlib"], sysconfig.get_paths()["purelib"]):
        for path in sorted(Path(folder).rglob("*.py")):
            text = path.read_bytes().decode("utf-8", "replace")
            if text:  # datatrove's reader passes over empty ones
                meta = {"source": "python"}
                yield Document(id=str(path), domain="code", text=text, meta=meta)


def write_corpus(corpus: Path, max_bytes: int) -> None:
    """Write parts of about `PART_BYTES` until `max_bytes` are written."""
    documents, part, written = python_texts(), 0, 0
    while written < max_bytes:
        with writing_part(corpus, f"{part:05d}") as writer:
            for document in documents:
                writer.write(document)
                if min(PART_BYTES, max_bytes - written) <= writer.num_bytes:
                    break
        if not writer.num_bytes:
            raise ValueError(f"This machine holds only {written / 1e6:.0f} MB of Python text.")
        part, written = part + 1, written + writer.num_bytes


def repeat_corpus(corpus: Path, times: int, out: Path) -> None:
    """Copy the parts of a corpus so many times."""
    for folder in ("documents", "digests"):
        (out / folder).mkdir(parents=True)
        for path in sorted((corpus / folder).iterdir()):
            for copy in range(times):
                shutil.copyfile(path, out / folder / f"{copy}{path.name}")


def ours(corpus: Path, tokenizer: Path, out: Path) -> int:
    """Return the number of tokens that `write_shards` wrote."""
    return int(write_shards(corpus, tokenizer, out)["num_tokens"])


def with_datatrove(corpus: Path, tokenizer: Path, out: Path) -> int:
    """Return the number of tokens that datatrove's tokenization step wrote."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    parts = len(list((corpus / "documents").iterdir()))
    LocalPipelineExecutor(
        [
            JsonlReader(str(corpus / "documents"), compression="zstd"),
            DocumentTokenizer(
                str(out / "tokens"),
                str(tokenizer / "tokenizer.json"),
                eos_token="<|endoftext|>",
                shuffle_documents=False,
                batch_size=BATCH_DOCUMENTS,
            ),
        ],
        tasks=parts,
        workers=1,
        logging_dir=str(out / "logs"),
    ).run()
    return sum(path.stat().st_size for path in (out / "tokens").glob("*.ds")) // 2


def bare(corpus: Path, tokenizer: Path, out: Path) -> int:
    """Return the number of tokens that the library made of texts, ends counted in."""
    loaded, num_tokens, batch = load_tokenizer(tokenizer), 0, list[str]()
    for document in read_documents(corpus):
        batch.append(document.text)
        if len(batch) == BATCH_DOCUMENTS:
            num_tokens += sum(len(encoding) + 1 for encoding in loaded.encode_batch_fast(batch))
            batch.clear()
    return num_tokens + sum(len(encoding) + 1 for encoding in loaded.encode_batch_fast(batch))


WAYS: dict[str, Callable[[Path, Path, Path], int]] = {
    "write_shards": ours,
    "DocumentTokenizer": with_datatrove,
    "encode_batch_fast": bare,
}


def measure(way: str, folder: Path, corpus: str) -> dict[str, float]:
    """Return tokens, wall and processor seconds and peak MiB of one way, in a new process."""
    command = [sys.executable, __file__, "--measure", way, str(folder), corpus]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def measured(way: str, folder: Path, corpus: str) -> dict[str, float]:
    """Run one way here; imports and the start of the process are not timed."""
    import davinci.data_levels.engine  # noqa: F401

    with tempfile.TemporaryDirectory(dir=folder) as out:
        wall, processor = time.perf_counter(), time.process_time()
        num_tokens = WAYS[way](folder / corpus, folder / "tokenizer", Path(out))
        return {
            "num_tokens": num_tokens,
            "wall_s": time.perf_counter() - wall,
            "processor_s": time.process_time() - processor,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def shown(way: str, got: dict[str, float], num_bytes: int, ours_s: float) -> str:
    """Return one line: seconds, rates and memory."""
    seconds = got["processor_s"]
    return (
        f"{way:18} {got['num_tokens']:11,.0f} tokens {got['wall_s']:6.1f} s {seconds:6.1f} s"
        f" {got['num_tokens'] / seconds / 1e6:6.2f} Mtokens/s {num_bytes / seconds / 1e6:6.2f} MB/s"
        f" {seconds / ours_s:6.2f} x ours, peak {got['peak_mib']:5.0f} MiB"
    )


def main() -> None:
    """Print speed and memory of each way, and the ratios to ours."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "1x", megabytes * 10**6)
        train_tokenizer({"code": folder / "1x"}, VOCAB_SIZE, folder / "tokenizer")
        size = num_bytes(read_documents(folder / "1x"))
        print(f"{size / 1e6:.1f} MB, n=1; seconds of wall and of processor, rates by the latter")
        found = {way: measure(way, folder, "1x") for way in WAYS}
        for way, got in found.items():
            print(shown(way, got, size, found["write_shards"]["processor_s"]))
        repeat_corpus(folder / "1x", 10, folder / "10x")
        got = measure("write_shards", folder, "10x")
        print(shown("write_shards, 10x", got, 10 * size, 10 * found["write_shards"]["processor_s"]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measured(sys.argv[2], Path(sys.argv[3]), sys.argv[4])))
    else:
        main()
