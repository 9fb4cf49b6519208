"""Builds one domain's corpus at one level from the corpus one level below (L0: from the source).

Documents in = documents out + documents dropped by reason, at every step: asserted here. What the
level promises is measured here too, and stands in the manifest.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from davinci.data_levels.corpus import (
    Progress,
    content_digest,
    num_bytes,
    read_documents,
    silent,
    write_documents,
)
from davinci.data_levels.document import LEVELS, Document, Domain
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.step import StepRun
from davinci.data_levels.manifest import Invariant, Manifest, Step, write_manifest
from davinci.data_levels.samples import choose_samples
from davinci.data_levels.settings import LevelSettings, TeacherSettings
from davinci.data_levels.source import Source, SourceSettings
from davinci.data_levels.sources import open_source
from davinci.data_levels.teacher import PROMPTS, choose_teacher, concurrency_of, notes_of


@runtime_checkable
class ExplainsLabels(Protocol):
    """A source that says where its quality labels come from."""

    def label_notes(self) -> Sequence[str]:
        """Return sentences for the manifest of L3."""


def build_corpus(
    source: SourceSettings,
    domain: Domain,
    level: str,
    settings: LevelSettings,
    *,
    parent: Path | None,
    out: Path,
    held_out: Path | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Build one corpus into the folder `out`: `documents.jsonl` and `manifest.json`.

    Args:
        source: Where the documents come from.
        domain: Which of its domains.
        level: The level to build.
        settings: Parameters of the levels.
        parent: Corpus folder of the same domain one level below; None for L0.
        out: Folder to write into, made if need be.
        held_out: Folder of the same source's held-out data, to count the documents that repeat
            some of it; None leaves that out, and the manifest says so.
        progress: Told as the documents go through.

    Raises:
        ValueError: If the level is unknown, the parent is missing, or there is no teacher for it.
    """
    _check_level(level, parent)
    started = time.perf_counter()
    opened = open_source(source)
    before = [] if parent is None else list(read_documents(parent))
    runs, teacher = _run_level(opened, domain, level, settings, before, progress)
    kept = runs[-1].result.kept
    dropped = [drop for run in runs for drop in run.result.dropped]
    steps = _describe_steps(before or [*kept, *(drop.document for drop in dropped)], runs)
    overlap, unchecked = _overlap(kept, held_out)
    invariants = [*_measure(level, before, kept), *(i for run in runs for i in run.invariants)]
    out.mkdir(parents=True, exist_ok=True)
    write_documents(kept, out)
    manifest = Manifest(
        source=source.name,
        domain=domain,
        level=level,
        teacher=teacher,
        documents_in=steps[0].documents_in,
        bytes_in=steps[0].bytes_in,
        documents_out=steps[-1].documents_out,
        bytes_out=steps[-1].bytes_out,
        digest=content_digest(kept),
        seconds=time.perf_counter() - started,
        steps=tuple(steps),
        invariants=(*invariants, *overlap),
        samples=choose_samples({d.id: d.text for d in before}, kept, dropped),
        notes=(*(note for run in runs for note in run.notes), *unchecked),
    )
    write_manifest(manifest, out)
    return manifest


def level_identity(level: str, settings: LevelSettings) -> dict[str, Any]:
    """Return plain data that determines what the level does: its version and what it uses.

    Settings that equal their defaults are left out, so that adding one changes no digest; so are
    those that other levels use, and the name of the variable that holds the endpoint's key.

    Raises:
        ValueError: If the level is unknown.
    """
    if level not in LEVELS:
        raise ValueError(f"No data level {level!r} (`data.level`); known: {', '.join(LEVELS)}.")
    identity: dict[str, Any] = {"level": level, "version": LEVEL_VERSIONS[level]}
    if level == "L2":
        identity["rules"] = _changed(settings.rules)
    if level == "L3":
        identity["classifier"] = _changed(settings.classifier)
    if level in PROMPTS:
        identity["teacher"] = _teacher_identity(level, settings.teacher)
    return identity


def _teacher_identity(level: str, settings: TeacherSettings) -> dict[str, Any]:
    if settings.kind != "endpoint":
        return {"kind": settings.kind}
    changed = _changed(settings)
    changed.pop("api_key_env", None)
    return {**changed, "prompt": PROMPTS[level]}


def _changed(settings: Any) -> dict[str, Any]:
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    default = type(settings)()
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def _check_level(level: str, parent: Path | None) -> None:
    if level not in LEVELS:
        raise ValueError(f"No data level {level!r} (`data.level`); known: {', '.join(LEVELS)}.")
    if (parent is None) != (level == "L0"):
        raise ValueError(
            f"L0 is built from the source, all others from a corpus; got {level=}, {parent=}."
        )


def _run_level(
    source: Source,
    domain: Domain,
    level: str,
    settings: LevelSettings,
    documents: list[Document],
    progress: Progress,
) -> tuple[list[StepRun], str]:
    """Return the steps of one level, and the label of the teacher who wrote, if any did."""
    if level == "L0":
        from davinci.data_levels.levels import l0

        return l0.run(source, domain), ""
    if level == "L1":
        from davinci.data_levels.levels import l1

        return l1.run(documents, progress), ""
    if level == "L2":
        from davinci.data_levels.levels import l2

        return l2.run(documents, settings.rules, progress), ""
    if level == "L3":
        from davinci.data_levels.levels import l3

        runs = l3.run(documents, source.labels(domain, documents), settings.classifier)
        about_labels = tuple(source.label_notes()) if isinstance(source, ExplainsLabels) else ()
        return [replace(runs[-1], notes=(*runs[-1].notes, *about_labels))], ""
    return _run_teacher_level(source, level, settings.teacher, documents, progress)


def _run_teacher_level(
    source: Source,
    level: str,
    settings: TeacherSettings,
    documents: list[Document],
    progress: Progress,
) -> tuple[list[StepRun], str]:
    from davinci.data_levels.levels import l4, l5

    teacher = choose_teacher(source, settings)
    run = l4.run if level == "L4" else l5.run
    runs = run(documents, teacher, concurrency_of(teacher), progress)
    notes = (*runs[-1].notes, *notes_of(teacher))
    return [*runs[:-1], replace(runs[-1], notes=notes)], teacher.label


def _describe_steps(documents: Sequence[Document], runs: Sequence[StepRun]) -> list[Step]:
    """Return the manifest's lines, and assert that no step lost a document silently."""
    steps: list[Step] = []
    documents_in, bytes_in = len(documents), num_bytes(documents)
    for run in runs:
        kept, dropped, edited = run.result
        assert documents_in == len(kept) + len(dropped), f"step {run.name} lost documents"
        bytes_out = num_bytes(kept)
        steps.append(
            Step(
                name=run.name,
                version=run.version,
                documents_in=documents_in,
                bytes_in=bytes_in,
                documents_out=len(kept),
                bytes_out=bytes_out,
                edited=edited,
                kept_original=run.kept_original,
                dropped=dict(sorted(Counter(drop.reason for drop in dropped).items())),
                seconds=run.seconds,
            )
        )
        documents_in, bytes_in = len(kept), bytes_out
    return steps


def _overlap(
    kept: Sequence[Document], held_out: Path | None
) -> tuple[tuple[Invariant, ...], tuple[str, ...]]:
    """Return what the comparison with held-out data measured, or the note that there was none."""
    if held_out is None:
        return (), ("The documents were not compared with held-out data: none was given.",)
    from davinci.data_levels.overlap import held_out_overlap

    return (held_out_overlap(kept, held_out),), ()


def _measure(level: str, before: Sequence[Document], kept: Sequence[Document]) -> list[Invariant]:
    """Compare what came out of a level with what went in."""
    texts = {document.id: document.text for document in before}
    if level == "L0":
        return []
    strangers = sum(document.id not in texts for document in kept)
    if level == "L1":
        lost = len(texts.keys() - {document.id for document in kept})
        return [Invariant(name="same_ids", checked=len(texts), violations=strangers + lost)]
    invariants = [Invariant(name="subset", checked=len(kept), violations=strangers)]
    if level in ("L2", "L3"):
        changed = sum(texts.get(document.id) != document.text for document in kept)
        invariants.append(Invariant(name="text_unchanged", checked=len(kept), violations=changed))
    return invariants
