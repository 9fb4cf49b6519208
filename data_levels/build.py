"""Builds one domain's corpus at one level from the corpus one level before (L0: from the source).

Documents in = documents out + documents dropped by reason, at every step and over all of them:
asserted here. What the level promises is measured on every document and stands in the manifest. A
build that was killed goes on where it was when it is started again on the same folder.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from davinci.data_levels.accounts import Report, Totals, add_up
from davinci.data_levels.chain import EXPERIMENTAL, LEVELS, chain_of
from davinci.data_levels.corpus import (
    DIGESTS_DIR,
    DOCUMENTS_DIR,
    PART_BYTES,
    Progress,
    digest_of_parts,
    part_names,
    silent,
)
from davinci.data_levels.document import Document, Domain
from davinci.data_levels.engine import Engine
from davinci.data_levels.flow import Operate, ReadParts, Rules, Settle, same_id, same_text
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.operator import Check, Edit, LevelContext, Prepared
from davinci.data_levels.manifest import (
    MANIFEST_FILE,
    Invariant,
    Manifest,
    read_manifest,
    write_manifest,
)
from davinci.data_levels.settings import LevelSettings
from davinci.data_levels.sources.registry import keeps_published, open_source
from davinci.data_levels.sources.source import Source, SourceSettings

WORK_DIR = "work"
DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSettings:
    """What to build: one domain of a source, at the last level of a chain.

    `chain` is the name of the whole chain; its last level is the one to build.
    """

    source: SourceSettings
    domain: Domain
    chain: str
    levels: LevelSettings

    @property
    def level(self) -> str:
        """The level to build."""
        return chain_of(self.chain)[-1]

    @property
    def climbs(self) -> bool:
        """Whether this is a rung of the ladder: documents that are as deep already pass by."""
        chain = chain_of(self.chain)
        return chain == LEVELS[: len(chain)]


def build_corpus(
    settings: CorpusSettings,
    *,
    parent: Path | None,
    out: Path,
    held_out: Path | None = None,
    progress: Progress = silent,
    workers: int = 1,
    part_bytes: int = PART_BYTES,
) -> Manifest:
    """Build one corpus into the folder `out`; see `corpus` for what it holds.

    Args:
        settings: What to build.
        parent: Corpus folder of the same domain, one level of the chain before; None for L0.
        out: Folder to write into, made if need be; an unfinished build there goes on.
        held_out: Folder of the same source's held-out data, which L0 keeps out of the corpus; made
            from the source where it is not given.
        progress: Told as the parts go through.
        workers: Parts worked on at the same time, each in a process.
        part_bytes: Size of L0's parts, which all levels keep; it changes no document.

    Raises:
        ValueError: If the parent does not fit the level, an invariant was violated and is fatal, or
            the level's settings cannot be worked with.
    """
    if (parent is None) != (settings.level == "L0"):
        raise ValueError(
            f"L0 is built from the source, all others from a corpus; got {settings.chain=}, "
            f"{parent=}."
        )
    engine = Engine(work=out / WORK_DIR, workers=workers, progress=progress)
    if (out / MANIFEST_FILE).is_file():
        engine.clear()  # a kill may have come between the two
        return read_manifest(out)
    (out / DOCUMENTS_DIR).mkdir(parents=True, exist_ok=True)
    source = open_source(settings.source)
    if parent is None:
        manifest = _acquire(settings, source, engine, out, held_out, part_bytes)
    else:
        manifest = _climb(settings, source, engine, out, parent)
    # Written aside: half a manifest would pass for a finished corpus.
    engine.work.mkdir(parents=True, exist_ok=True)
    write_manifest(manifest, engine.work)
    (engine.work / MANIFEST_FILE).replace(out / MANIFEST_FILE)
    engine.clear()
    return read_manifest(out)


def _acquire(
    settings: CorpusSettings,
    source: Source,
    engine: Engine,
    out: Path,
    held_out: Path | None,
    part_bytes: int,
) -> Manifest:
    from davinci.data_levels.levels.l0 import STEP, Acquire, check_unique_ids
    from davinci.data_levels.sources.held_out import load_held_out, write_held_out

    started = time.perf_counter()
    if held_out is None:
        held_out = engine.work / "held_out"
        write_held_out(source.held_out(), held_out)
    step = Acquire(
        source, settings.domain, held_out, out=out, work=engine.work, part_bytes=part_bytes
    )
    engine.run(STEP, [step], source.num_inputs(settings.domain), "acquiring documents")
    total = check_unique_ids(out, engine.work)
    operators = {STEP: (LEVEL_VERSIONS["L0"], _plain(settings.source))}
    totals = add_up(engine.work / "reports", part_names(out), operators)
    unique = Invariant(name="unique_ids", checked=total, violations=0)
    provenance = totals.invariants or (Invariant(name="provenance", checked=0, violations=0),)
    totals = totals._replace(invariants=(unique, *provenance))
    notes: tuple[str, ...] = ()
    if not total:
        notes = (f"The source {source.name!r} has no {settings.domain} documents.",)
    elif not load_held_out(held_out).texts.get(settings.domain):
        notes = (
            f"No {settings.domain} text is held out, so nothing scores what was learned from this "
            "corpus; give `data.held_out_frac` more, or the domain more documents.",
        )
    return _manifest(settings, out, None, totals, notes=notes, started=started)


def _climb(
    settings: CorpusSettings, source: Source, engine: Engine, out: Path, parent: Path
) -> Manifest:
    started = time.perf_counter()
    context = LevelContext(
        source=source,
        domain=settings.domain,
        settings=settings.levels,
        parent=parent,
        work=engine.work / "prepared",
        engine=engine,
    )
    context.work.mkdir(parents=True, exist_ok=True)
    prepared = _prepare(settings, context)
    report, reports = Report(), engine.work / "reports"
    rules = _rules(settings, prepared)
    pipeline = [
        ReadParts(parent, report, level=settings.level, climbs=settings.climbs),
        *(Operate(operator, report) for operator in prepared.operators),
        Settle(out, report, reports, rules),
    ]
    parts = part_names(parent)
    engine.run("level", pipeline, len(parts), f"{settings.domain} {settings.chain}")
    operators = {o.name: (o.version, o.parameters) for o in prepared.operators}
    totals = add_up(reports, parts, operators)
    notes = (*prepared.notes(totals.counts), *_passed_by(totals), *_experimental(settings.level))
    return _manifest(
        settings, out, parent, totals, teacher=prepared.teacher, notes=notes, started=started
    )


def _prepare(settings: CorpusSettings, context: LevelContext) -> Prepared:
    if settings.climbs and keeps_published(settings.source):
        return Prepared(operators=(Edit(name="as_published", version=1, edit=_same),), strict=True)
    module = import_module(f"davinci.data_levels.levels.{settings.level.lower()}")
    prepared: Prepared = module.prepare(context)
    return prepared


def _same(document: Document) -> Document:
    return document


def _rules(settings: CorpusSettings, prepared: Prepared) -> Rules:
    level = settings.level
    own: dict[str, Check] = {"subset": same_id}
    if level == "L1":
        own = {"same_ids": same_id}
    elif level in ("L2", "L3"):
        own["text_unchanged"] = same_text
    return Rules(
        level=level,
        checks={**own, **prepared.checks},
        policy="fatal" if prepared.strict else settings.levels.on_violation,
        may_drop=level != "L1",
    )


def _manifest(
    settings: CorpusSettings,
    out: Path,
    parent: Path | None,
    totals: Totals,
    *,
    started: float,
    teacher: str = "",
    notes: tuple[str, ...] = (),
) -> Manifest:
    first, last = totals.steps[0], totals.steps[-1]
    passed, passed_bytes = totals.passed_by
    elapsed = time.perf_counter() - started  # of this attempt; the parts remember those before
    manifest = Manifest(
        source=settings.source.name,
        domain=settings.domain,
        level=settings.level,
        chain=settings.chain,
        parents=() if parent is None else (digest_of_parts(parent),),
        teacher=teacher,
        documents_in=first.documents_in + passed,
        bytes_in=first.bytes_in + passed_bytes,
        documents_out=last.documents_out + passed,
        bytes_out=last.bytes_out + passed_bytes,
        digest=digest_of_parts(out),
        seconds=max(elapsed, sum(step.seconds for step in totals.steps)),
        counts=totals.counts,
        steps=totals.steps,
        invariants=totals.invariants,
        samples=totals.samples,
        notes=notes,
    )
    _assert_nothing_lost(manifest, out, parent)
    return manifest


def _assert_nothing_lost(manifest: Manifest, out: Path, parent: Path | None) -> None:
    """Compare the accounts with one another and with what lies on disk."""
    dropped = sum(sum(step.dropped.values()) for step in manifest.steps)
    assert manifest.documents_in == manifest.documents_out + dropped, "documents were lost"
    for before, after in zip(manifest.steps, manifest.steps[1:], strict=False):
        assert before.documents_out == after.documents_in, f"lost before {after.name}"
    assert manifest.documents_out == _num_documents(out), "documents were lost in writing"
    if parent is not None:
        assert manifest.documents_in == _num_documents(parent), "documents were lost in reading"


def _num_documents(corpus: Path) -> int:
    sizes = ((corpus / DIGESTS_DIR / f"{part}.bin").stat().st_size for part in part_names(corpus))
    return sum(sizes) // DIGEST_BYTES


def _passed_by(totals: Totals) -> tuple[str, ...]:
    number, _ = totals.passed_by
    if not number:
        return ()
    return (f"{number:,} documents have this level as their source publishes them: left as is.",)


def _experimental(level: str) -> tuple[str, ...]:
    if level not in EXPERIMENTAL:
        return ()
    return (f"{level} is experimental: the papers describe this level and did not build it.",)


def _plain(source: SourceSettings) -> Mapping[str, Any]:
    """Return the settings of a source for its manifest, without the folder that it lies in."""
    options = {name: value for name, value in source.options.items() if name != "path"}
    return {"name": source.name, "documents": source.documents, **options}
