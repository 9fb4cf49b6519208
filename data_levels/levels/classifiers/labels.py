"""Where the trained classifier of L3 learns from: the source, a file of labels, or a teacher.

Whatever the corpus's size, a bounded number of documents is looked at: those with the smallest
hashes, so that neither order nor parts matter. Two passes find them: one notes the smallest hashes
of every part, one copies the documents that are among the smallest of all, in corpus order.
"""

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import orjson

from davinci.data_levels.corpus import (
    DOCUMENTS_DIR,
    hash_order,
    part_names,
    read_documents,
    read_part,
    write_aside,
    writing_part,
)
from davinci.data_levels.document import Document
from davinci.data_levels.levels.classifiers.judge import check_keep
from davinci.data_levels.levels.operator import LevelContext

MAX_SOURCE_DOCUMENTS = 2_000
"""Documents that a source is shown to choose some to label from."""
MAX_LABELLED = 20_000
"""Documents that a classifier learns from at the most, since it holds their features."""
_HASHES_DIR = "label_hashes"
_DOCUMENTS_DIR = "label_documents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels by document id, and the corpus folder where the labelled documents are.

    Attributes:
        notes: What a reader should know about them.
        why_none: Why there are none, if so.
    """

    documents: Path
    by_id: Mapping[str, str]
    notes: tuple[str, ...] = ()
    why_none: str = ""


class LabelFile(NamedTuple):
    """A file of labels: those that could be read, and how many lines told nothing new."""

    by_id: Mapping[str, str]
    num_unreadable: int
    num_repeated: int


@runtime_checkable
class ExplainsLabels(Protocol):
    """A source that says where its quality labels come from."""

    def label_notes(self) -> Sequence[str]:
        """Return sentences for the manifest of L3."""


def gather_labels(context: LevelContext) -> Labels:
    """Return the labels that the settings ask for.

    Raises:
        ValueError: If a file holds no label of a document of the corpus, or a teacher is asked
            who is no language model.
    """
    settings = context.settings.classifier
    if settings.labels == "source":
        return _from_source(context)
    if settings.labels == "teacher":
        return _from_teacher(context)
    return _from_file(context)


@lru_cache(maxsize=1)
def read_label_file(path: str) -> LabelFile:
    """Return the labels of a file of JSON lines with `id` and `label`, both strings.

    The last of several labels for one id counts; empty lines do not.
    """
    by_id: dict[str, str] = {}
    num_lines = num_unreadable = 0
    with open(path, "rb") as file:
        for line in filter(bytes.strip, file):
            num_lines += 1
            row = _label_row(line)
            if row is None:
                num_unreadable += 1
            else:
                by_id[row[0]] = row[1]
    return LabelFile(by_id, num_unreadable, num_lines - num_unreadable - len(by_id))


def smallest_documents(context: LevelContext, limit: int, label_file: str = "") -> tuple[Path, int]:
    """Copy the documents with the smallest hashes, in corpus order, into a corpus of their own.

    Args:
        context: Where the documents are, and where the copies go.
        limit: How many, at the most.
        label_file: Only those whose id has a label in this file.

    Returns:
        The folder, and how many documents there were to choose from.
    """
    hashes, out = context.work / _HASHES_DIR, context.work / _DOCUMENTS_DIR
    for folder in (hashes, out / DOCUMENTS_DIR):
        folder.mkdir(parents=True, exist_ok=True)
    num_parts = len(part_names(context.parent))
    note = partial(_note_hashes, corpus=context.parent, out=hashes, limit=limit, labels=label_file)
    context.engine.run("label_hashes", [note], num_parts)
    rows = [json.loads(path.read_text("ascii")) for path in sorted(hashes.glob("[!.]*.json"))]
    smallest = heapq.nsmallest(limit, (name for row in rows for name in row["smallest"]))
    copy = partial(
        _copy_documents,
        corpus=context.parent,
        out=out,
        largest=smallest[-1] if smallest else "",
        labels=label_file,
    )
    context.engine.run("label_documents", [copy], num_parts)
    return out, sum(row["num"] for row in rows)


def _from_source(context: LevelContext) -> Labels:
    folder, _ = smallest_documents(context, MAX_SOURCE_DOCUMENTS)
    answers = context.source.labels(context.domain, list(read_documents(folder)))
    source = context.source
    return Labels(
        documents=folder,
        by_id={name: "keep" if worth else "drop" for name, worth in (answers or {}).items()},
        notes=tuple(source.label_notes()) if isinstance(source, ExplainsLabels) else (),
        why_none="the source has no labels for this domain" if answers is None else "",
    )


def _from_file(context: LevelContext) -> Labels:
    path = context.settings.classifier.labels
    found = read_label_file(path)
    check_keep(context.settings.classifier.keep, sorted(set(found.by_id.values())), path)
    folder, num_matching = smallest_documents(context, MAX_LABELLED, path)
    if num_matching == 0:
        raise ValueError(
            f"`data.classifier.labels`={path}: none of its {len(found.by_id)} labels is of a "
            f"document of the corpus ({found.num_unreadable} lines could not be read)."
        )
    note = (
        f"L3 label file {Path(path).name}: {num_matching} labels of documents of this corpus; "
        f"{len(found.by_id) - num_matching} of unknown ids, {found.num_repeated} overruled by a "
        f"later line, {found.num_unreadable} lines that are no label."
    )
    limited = f"L3 learned from {MAX_LABELLED} of them, chosen by their hash."
    return Labels(
        documents=folder,
        by_id=found.by_id,
        notes=(note, limited) if num_matching > MAX_LABELLED else (note,),
    )


def _from_teacher(context: LevelContext) -> Labels:
    from davinci.data_levels.teacher.annotate import LABELS, annotate
    from davinci.data_levels.teacher.budget import new_task
    from davinci.data_levels.teacher.endpoint import open_endpoint

    settings, teacher = context.settings.classifier, context.settings.teacher
    if teacher.kind != "endpoint":
        raise ValueError(
            "`data.classifier.labels`=teacher needs a language model: set "
            "`data.teacher.kind`=endpoint, `data.teacher.base_url` and `data.teacher.model`."
        )
    check_keep(settings.keep, LABELS[settings.target], "the teacher's")
    folder, _ = smallest_documents(context, settings.num_teacher_labels)
    documents = list(read_documents(folder))
    with open_endpoint(teacher, task=new_task("L3")) as endpoint:
        by_id = dict(annotate(documents, teacher, settings.target, endpoint))
        label = endpoint.label
    note = (
        f"L3 labels by {label}: {len(by_id)} of {len(documents)} documents; "
        f"{len(documents) - len(by_id)} answers gave no verdict. No person has checked them."
    )
    return Labels(documents=folder, by_id=by_id, notes=(note,))


def _note_hashes(
    _: object, rank: int, world_size: int, *, corpus: Path, out: Path, limit: int, labels: str
) -> None:
    """Write how many documents of one part qualify, and the smallest of their hashes."""
    part = part_names(corpus)[rank]
    num = 0

    def counted() -> Iterator[str]:
        nonlocal num
        for document in _qualifying(corpus, part, labels):
            num += 1
            yield _hash(document)

    smallest = heapq.nsmallest(limit, counted())
    row = json.dumps({"num": num, "smallest": smallest})
    write_aside(out / f"{part}.json", row.encode("ascii"))


def _copy_documents(
    _: object, rank: int, world_size: int, *, corpus: Path, out: Path, largest: str, labels: str
) -> None:
    """Copy the documents of one part whose hash is no larger than the largest chosen one."""
    part = part_names(corpus)[rank]
    with writing_part(out, part) as writer:
        for document in _qualifying(corpus, part, labels):
            if _hash(document) <= largest:
                writer.write(document)


def _qualifying(corpus: Path, part: str, labels: str) -> Iterator[Document]:
    documents = read_part(corpus, part)
    if not labels:
        return documents
    by_id = read_label_file(labels).by_id
    return (document for document in documents if document.id in by_id)


def _hash(document: Document) -> str:
    return hash_order("labels", document.id).hex()


def _label_row(line: bytes) -> tuple[str, str] | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict):
        return None
    name, label = row.get("id"), row.get("label")
    if not isinstance(name, str) or not isinstance(label, str) or not label:
        return None
    return name, label
