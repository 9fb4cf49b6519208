"""The cache of answers: shared, durable, whole whatever happens."""

import errno
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from davinci.data_levels.teacher.answers import Answer
from davinci.data_levels.teacher.cache import AnswerCache, Paid, answer_key

ANSWER = Answer("Yes.\né \u2028", True, 3, 4, False)


def key(number: int) -> bytes:
    messages = [{"role": "user", "content": str(number)}]
    return answer_key(messages, model="m", temperature=0.0, max_tokens=1)


def test_what_was_put_is_found_again_also_by_others(tmp_path: Path) -> None:
    one, other = AnswerCache(tmp_path), AnswerCache(tmp_path)
    one.put(key(1), ANSWER, "task")
    one.put(key(2), ANSWER._replace(finished=False, text=""), "task")
    assert other.get(key(1)) == ANSWER._replace(cached=True)
    assert other.get(key(2)) == Answer("", False, 3, 4, True)
    assert other.get(key(3)) is None
    assert other.paid("task") == Paid(6, 8)
    assert other.paid("another") == Paid(0, 0)
    one.close()
    other.close()


def test_a_commit_reaches_the_disk_at_once(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    with sqlite3.connect(tmp_path / "answers.db") as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
    assert cache._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    cache.close()


def test_many_threads_and_processes_may_write_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from davinci.data_levels.teacher.cache import AnswerCache\n"
        "from davinci.data_levels.teacher.answers import Answer\n"
        "cache = AnswerCache(Path(sys.argv[1]))\n"
        "for n in range(50): cache.put(f'{sys.argv[2]}/{n}'.encode(), "
        "Answer('x', True, 1, 1, False), 'task')\n"
        "cache.close()\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)])
        for number in range(4)
    ]
    cache = AnswerCache(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: cache.put(key(n), ANSWER, "task"), range(50)))
    assert [process.wait(60) for process in processes] == [0] * 4
    assert cache.paid("task") == Paid(50 * 3 + 200, 50 * 4 + 200)
    assert all(cache.get(key(n)) for n in range(50))
    cache.close()


def test_a_full_disk_is_named_and_what_was_kept_stays(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path)
    cache.put(key(1), ANSWER, "task")
    pages = cache._db.execute("PRAGMA page_count").fetchone()[0]
    cache._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(OSError, match=r"No space left.*answers\.db") as caught:
        cache.put(key(2), ANSWER._replace(text="x" * 100_000), "task")
    assert caught.value.errno == errno.ENOSPC
    assert cache.get(key(1)) == ANSWER._replace(cached=True)
    assert cache.get(key(2)) is None
    assert cache.paid("task") == Paid(3, 4)
    cache._db.execute("PRAGMA max_page_count = 1000000")
    cache.put(key(2), ANSWER, "task")
    cache.close()
    with sqlite3.connect(tmp_path / "answers.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_write_that_fails_in_the_system_is_an_error_with_its_cause(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from davinci.data_levels.teacher.cache import AnswerCache\n"
        "from davinci.data_levels.teacher.answers import Answer\n"
        "cache = AnswerCache(Path(sys.argv[1]))\n"
        "cache.put(b'1', Answer('x', True, 1, 1, False), 'task')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "try:\n"
        "    cache.put(b'2', Answer('x' * 200_000, True, 1, 1, False), 'task')\n"
        "except OSError as error: print(error)\n"
        "print(cache.get(b'1').text)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "answers.db" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1] == "x"


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "answers.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(OSError, match=r"data\.teacher\.cache_dir.*answers\.db"):
        AnswerCache(tmp_path)


def test_a_question_is_asked_by_one_process_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys, threading, time; from pathlib import Path\n"
        "from davinci.data_levels.teacher.cache import AnswerCache\n"
        "cache = AnswerCache(Path(sys.argv[1]))\n"
        "with cache.alone(b'12345678', threading.Event()):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    cache, stop = AnswerCache(tmp_path), threading.Event()
    with cache.alone(b"87654321", stop):
        pass  # another question is free
    threading.Timer(0.2, process.kill).start()
    started = time.monotonic()
    with cache.alone(b"12345678", stop):
        assert time.monotonic() - started >= 0.15
    process.wait()
    process.stdout.close()
    cache.close()
