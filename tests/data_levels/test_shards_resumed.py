"""Shards are the same whatever the parts, workers and kills, and take no memory per part."""

import gc
import os
import pathlib
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from tests.small_corpora import (
    PAIR,
    contents,
    document,
    many_parts,
    write_byte_tokenizer,
    write_parts,
)

from davinci.data_levels.tokens.shards import write_shards
from davinci.data_levels.tokens.tokenizer import train_tokenizer


@pytest.fixture
def of_bytes(tmp_path: Path) -> Path:
    return write_byte_tokenizer(tmp_path / "of_bytes")


KILLED = """
import os, signal, sys
from pathlib import Path
from davinci.data_levels.tokens.shards import write_shards

def die(done, total, note):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

corpus, tokenizer, out, work = map(Path, sys.argv[1:])
write_shards(corpus, tokenizer, out, die, work=work)
"""


def test_a_killed_process_goes_on_and_writes_the_same_bytes(tmp_path: Path, of_bytes: Path) -> None:
    corpus, work = many_parts(tmp_path / "corpus", 6), tmp_path / "work"
    write_shards(corpus, of_bytes, tmp_path / "whole")
    arguments = [str(path) for path in (corpus, of_bytes, tmp_path / "killed", work)]
    source = Path(__file__).parents[2] / "src"
    died = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        env={**os.environ, "PYTHONPATH": str(source)},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert not list((tmp_path / "killed").glob("*.npy"))
    (tmp_path / "killed" / ".tokens.npy").write_bytes(b"what a kill while joining leaves")
    seen: list[int] = []
    write_shards(
        corpus, of_bytes, tmp_path / "killed", lambda done, *_: seen.append(done), work=work
    )
    assert seen == [3, 4, 5, 6]
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not work.exists()


def test_many_workers_write_the_same_bytes(tmp_path: Path, of_bytes: Path) -> None:
    corpus = many_parts(tmp_path / "corpus", 4)
    write_shards(corpus, of_bytes, tmp_path / "one")
    write_shards(corpus, of_bytes, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_how_documents_fall_into_parts_does_not_matter(tmp_path: Path, of_bytes: Path) -> None:
    documents = [document(str(n), f"{PAIR} {n}", "qa") for n in range(600)]
    whole = write_parts(tmp_path / "whole", documents)
    parts = write_parts(tmp_path / "parts", documents[:1], [], documents[1:301], documents[301:])
    for corpus in (whole, parts):
        write_shards(corpus, of_bytes, corpus / "shards")
    assert contents(whole / "shards") == contents(parts / "shards")


def test_pieces_of_another_corpus_or_tokenizer_are_not_taken(
    tmp_path: Path, of_bytes: Path
) -> None:
    other = tmp_path / "other"
    train_tokenizer({"qa": many_parts(tmp_path / "one", 2)}, 300, other)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "kept").touch()

    class Killed(Exception):
        pass

    def die(done: int, total: int, note: str) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        write_shards(tmp_path / "one", of_bytes, tmp_path / "out", die, work=tmp_path / "work")
    for corpus, tokenizer in (
        (tmp_path / "one", other),
        (many_parts(tmp_path / "x", 3, 80), of_bytes),
    ):
        write_shards(corpus, tokenizer, tmp_path / "clean")
        write_shards(corpus, tokenizer, tmp_path / "mixed", work=tmp_path / "work")
        assert contents(tmp_path / "clean") == contents(tmp_path / "mixed")
    assert (tmp_path / "work" / "kept").exists()


def test_no_part_leaves_anything_in_memory(tmp_path: Path, of_bytes: Path) -> None:
    corpus = many_parts(tmp_path / "corpus", 20, num_chars=4000)
    write_shards(corpus, of_bytes, tmp_path / "warm")
    # the table of interned strings, which paths fill, is made anew at any moment
    others = [tracemalloc.Filter(False, pathlib.__file__)]
    held = []

    def measure(done: int, total: int, note: str) -> None:
        gc.collect()
        traces = tracemalloc.take_snapshot().filter_traces(others).traces
        held.append(sum(trace.size for trace in traces))

    tracemalloc.start()
    write_shards(corpus, of_bytes, tmp_path / "out", measure)
    tracemalloc.stop()
    tokens = (tmp_path / "out" / "tokens.npy").stat().st_size
    assert max(held[5:]) - held[3] < 0.1 * tokens
