"""Every answer that was paid, kept in an SQLite file, and what each task has paid.

Many processes of one machine may share the file, on a local disk: its write-ahead log needs shared
memory, which network disks do not give. An answer is on the disk when `put` returns (one commit
each, synchronous=FULL): a power cut loses the calls that were on their way, and no answer.
"""

import errno
import fcntl
import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from davinci.data_levels.teacher.answers import Answer

ANSWERS_FILE = "answers.db"
LOCK_FILE = "answers.lock"
BUSY_TIMEOUT_S = 60.0
LOCK_POLL_S = 0.02

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, text TEXT NOT NULL, finished INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS paid (
    task TEXT PRIMARY KEY, prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL
) WITHOUT ROWID;
"""
_ADD_PAID = """
INSERT INTO paid VALUES (?, ?, ?) ON CONFLICT (task) DO UPDATE SET
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    answer_tokens = answer_tokens + excluded.answer_tokens
"""

Message = Mapping[str, str]
"""`{"role": ..., "content": ...}`."""


class Paid(NamedTuple):
    """Tokens that a task has paid for."""

    prompt_tokens: int
    answer_tokens: int


def answer_key(
    messages: Sequence[Message], *, model: str, temperature: float, max_tokens: int
) -> bytes:
    """Return what an answer is known by: the SHA-256 of all that determines it.

    The address of the endpoint is no part of it, nor are keys.
    """
    asked = {
        "messages": [{"role": m["role"], "content": m["content"]} for m in messages],
        "model": model,
        "temperature": float(temperature),
        "max_tokens": max_tokens,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode("ascii")).digest()


class AnswerCache:
    """The answers in a folder; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the file, and make it if need be.

        Raises:
            OSError: If the folder cannot be written, or what is there is no such file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / ANSWERS_FILE
        self._mutex = threading.Lock()
        self._locks = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._db = _open(self._path)
        except BaseException:
            os.close(self._locks)
            raise

    def get(self, key: bytes) -> Answer | None:
        """Return the answer that is known by a key."""
        rows = self._run("SELECT * FROM answers WHERE key = ?", (key,))
        if not rows:
            return None
        _, text, finished, prompt_tokens, answer_tokens = rows[0]
        return Answer(text, bool(finished), prompt_tokens, answer_tokens, cached=True)

    def put(self, key: bytes, answer: Answer, task: str) -> None:
        """Keep an answer that a task has paid for.

        Raises:
            OSError: If it cannot be written, such as on a full disk; what was there stays whole.
        """
        row = (key, answer.text, answer.finished, answer.prompt_tokens, answer.answer_tokens)
        paid = (task, answer.prompt_tokens, answer.answer_tokens)
        with self._mutex, self._failing_clearly(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", row)
            self._db.execute(_ADD_PAID, paid)

    def paid(self, task: str) -> Paid:
        """Return what a task has paid for so far, in all its processes."""
        rows = self._run("SELECT prompt_tokens, answer_tokens FROM paid WHERE task = ?", (task,))
        return Paid(*rows[0]) if rows else Paid(0, 0)

    @contextmanager
    def alone(self, key: bytes, stop: threading.Event) -> Iterator[None]:
        """Keep other processes from asking the same at the same time; wait for one that does.

        The lock goes with the process that holds it. Waiting ends when `stop` is set, too.
        """
        place = int.from_bytes(key[:7], "big")
        while not stop.is_set():
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                break
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    raise
            stop.wait(LOCK_POLL_S)
        try:
            yield
        finally:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, place)

    def close(self) -> None:
        """Close the files."""
        with self._mutex:
            self._db.close()
            os.close(self._locks)

    def _run(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._mutex, self._failing_clearly():
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def _failing_clearly(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _as_os_error(error, self._path) from error


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        _set_up(db)
    except sqlite3.Error as error:
        db.close()
        raise _as_os_error(error, path) from error
    return db


def _set_up(db: sqlite3.Connection) -> None:
    """Prepare the file; when several processes do so at once, the busy timeout does not help."""
    give_up_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(_TABLES)
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() > give_up_s:
                raise
        time.sleep(LOCK_POLL_S)


def _as_os_error(error: sqlite3.Error, path: Path) -> OSError:
    """Return the failure with its cause in words; the caller raises it from SQLite's own."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return OSError(errno.ENOSPC, "No space left for the teacher's answers", str(path))
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return OSError(
            errno.EIO,
            "The file of the teacher's answers (`data.teacher.cache_dir`) is damaged; move it "
            "away, and all answers will be asked for again",
            str(path),
        )
    return OSError(errno.EIO, f"The teacher's answers cannot be read or kept: {error}", str(path))
