"""Building corpora level by level: counts add up, digests are stable, rules are measured."""

import hashlib
import json
import multiprocessing
import random
import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from davinci.data_levels.build import CorpusSettings, build_corpus
from davinci.data_levels.chain import chain_of, name_of
from davinci.data_levels.corpus import (
    content_digest,
    part_names,
    read_documents,
    read_drops,
    write_documents,
)
from davinci.data_levels.document import Document, Domain, Outcome
from davinci.data_levels.life import ids_like, life_of
from davinci.data_levels.manifest import Manifest, read_manifest
from davinci.data_levels.settings import (
    LevelSettings,
)
from davinci.data_levels.sources.files import Files
from davinci.data_levels.sources.source import HeldOut, SourceSettings

SETTINGS = LevelSettings()


def write_source(folder: Path) -> SourceSettings:
    """Write 60 general documents: some short, doubled or foreign, most of them fine."""
    rows = []
    for n in range(60):
        text = (
            f"<html><body><nav>Home | About</nav><main><p>Note {n} is about the mill number {n} "
            f"that was built at the river in the year {1700 + n} by the miller of the town.</p>"
            f"<p>It {'grinds' if n % 3 else 'used to grind'} the grain of farm {n * 7}.</p></main>"
        )
        rows.append({"id": f"mill-{n}", "text": text, "format": "html", "url": f"u/{n}"})
    rows.append({"id": "short", "text": "Too short.", "format": "text"})
    rows.append({"id": "double", "text": rows[0]["text"], "format": "html"})
    rows.append({"id": "empty", "text": "<html></html>", "format": "html"})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "general.jsonl").write_text(lines, encoding="utf-8")
    return SourceSettings(name="files", options={"path": str(folder), "held_out_frac": 0.1})


def corpus_of(
    source: SourceSettings, chain: str, domain: Domain = "general", levels: LevelSettings = SETTINGS
) -> CorpusSettings:
    return CorpusSettings(source=source, domain=domain, chain=chain, levels=levels)


def build_chain(
    source: SourceSettings,
    out: Path,
    top: str = "L3",
    domain: Domain = "general",
    part_bytes: int = 2**20,
) -> dict[str, Manifest]:
    """Build every corpus of a chain, each into a folder that has the chain's name."""
    manifests: dict[str, Manifest] = {}
    parent = None
    chain = chain_of(top)
    for position in range(len(chain)):
        name = name_of(chain[: position + 1])
        settings = corpus_of(source, name, domain)
        manifests[name] = build_corpus(
            settings, parent=parent, out=out / name, part_bytes=part_bytes
        )
        parent = out / name
    return manifests


@pytest.fixture
def source(tmp_path: Path) -> SourceSettings:
    (tmp_path / "data").mkdir()
    return write_source(tmp_path / "data")


def test_documents_in_are_documents_out_and_dropped_by_reason(
    source: SourceSettings, tmp_path: Path
) -> None:
    manifests = build_chain(source, tmp_path)
    for level, manifest in manifests.items():
        for step in manifest.steps:
            assert step.documents_in == step.documents_out + sum(step.dropped.values())
        for before, after in zip(manifest.steps, manifest.steps[1:], strict=False):
            assert before.documents_out == after.documents_in
        documents = list(read_documents(tmp_path / level))
        assert manifest.documents_out == len(documents)
        assert manifest.bytes_out == sum(len(d.text.encode()) for d in documents)
        assert manifest.digest == content_digest(documents)
        assert manifest == read_manifest(tmp_path / level)
    assert manifests["L0"].documents_out == manifests["L1"].documents_out
    dropped = {r: n for step in manifests["L2"].steps for r, n in step.dropped.items()}
    assert dropped["too_short"] == 2
    assert "exact_duplicate" in dropped


def test_every_level_keeps_its_own_rules(source: SourceSettings, tmp_path: Path) -> None:
    manifests = build_chain(source, tmp_path)
    names = {level: [i.name for i in manifest.invariants] for level, manifest in manifests.items()}
    assert names == {
        "L0": ["unique_ids", "provenance"],
        "L1": ["same_ids"],
        "L2": ["subset", "text_unchanged"],
        "L3": ["subset", "text_unchanged"],
    }
    invariants = [i for manifest in manifests.values() for i in manifest.invariants]
    assert all(i.checked > 0 and i.violations == 0 for i in invariants)
    assert manifests["L3"].notes == (
        "L3 kept every document: the source has no labels for this domain.",
    )


def test_two_builds_give_the_same_bytes(source: SourceSettings, tmp_path: Path) -> None:
    first, second = (build_chain(source, tmp_path / name) for name in ("a", "b"))
    for level in first:
        assert first[level].digest == second[level].digest
        files = [tmp_path / n / level / "documents" / "00000-00000.jsonl.zst" for n in ("a", "b")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_the_size_of_parts_changes_no_corpus(source: SourceSettings, tmp_path: Path) -> None:
    whole = build_chain(source, tmp_path / "a", "L3")
    split = build_chain(source, tmp_path / "b", "L3", part_bytes=2_000)
    assert len(part_names(tmp_path / "a" / "L3")) == 1
    assert len(part_names(tmp_path / "b" / "L3")) > 3
    for level, manifest in whole.items():
        assert split[level].digest == manifest.digest
        assert split[level].samples == manifest.samples
        assert [s.dropped for s in split[level].steps] == [s.dropped for s in manifest.steps]


def test_levels_come_out_of_order_and_repeatedly(tmp_path: Path) -> None:
    world = SourceSettings(name="microworld", documents=60)
    manifests = build_chain(world, tmp_path, "L2+L4+L3+L4", "math")
    assert list(manifests) == ["L0", "L1", "L2", "L2+L4", "L2+L4+L3", "L2+L4+L3+L4"]
    last = manifests["L2+L4+L3+L4"]
    assert (last.level, last.chain) == ("L4", "L2+L4+L3+L4")
    assert last.parents == (manifests["L2+L4+L3"].digest,)
    assert last.documents_in == manifests["L2+L4+L3"].documents_out > 0
    assert last.steps[-1].edited == 0  # refining what is refined changes nothing here


def test_samples_show_every_reason_and_documents_before_and_after(
    source: SourceSettings, tmp_path: Path
) -> None:
    manifests = build_chain(source, tmp_path)
    assert all(0 < len(manifest.samples) <= 20 for manifest in manifests.values())
    shown = {sample.reason: sample for sample in manifests["L2"].samples}
    assert {"", "too_short", "exact_duplicate"} <= set(shown)
    assert shown["too_short"].after == ""
    edited = manifests["L1"].samples[0]
    assert "<html>" in edited.before
    assert "<html>" not in edited.after


def test_digest_is_over_lengths_ids_and_texts() -> None:
    document = Document(id="ab", domain="math", text="é")
    one = hashlib.sha256(
        (2).to_bytes(8, "little") + b"ab" + (2).to_bytes(8, "little") + b"\xc3\xa9"
    ).digest()
    assert content_digest([document, document]) == hashlib.sha256(one + one).hexdigest()


def test_lone_surrogates_survive_a_corpus(tmp_path: Path) -> None:
    document = Document(id="a", domain="math", text="x \ud800 y", meta={"source": "\udfff"})
    write_documents([document], tmp_path)
    assert list(read_documents(tmp_path)) == [document]


def test_an_id_that_stands_for_two_documents_stops_the_build(tmp_path: Path) -> None:
    rows = [{"id": n % 3, "text": f"A text of its own, number {n}."} for n in range(3)]
    rows.append({"id": 1, "text": "Another text under an id that was taken."})
    lines = "".join(json.dumps({**row, "id": f"id-{row['id']}"}) + "\n" for row in rows)
    (tmp_path / "math.jsonl").write_text(lines)
    source = SourceSettings(name="files", options={"path": str(tmp_path), "held_out_frac": 0.01})
    with pytest.raises(ValueError, match=r"1 are used again: 'id-1'.*`id` of its own"):
        build_corpus(corpus_of(source, "L0", "math"), parent=None, out=tmp_path / "L0")


def test_an_id_used_again_in_the_same_part_stops_the_build_by_its_cause(tmp_path: Path) -> None:
    rows = [{"id": "same", "text": f"A text of its own, number {n}."} for n in range(9)]
    (tmp_path / "math.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = SourceSettings(name="files", options={"path": str(tmp_path), "held_out_frac": 0.01})
    with pytest.raises(ValueError, match="are used again: 'same'"):
        build_corpus(corpus_of(source, "L0", "math"), parent=None, out=tmp_path / "L0")


def test_ids_of_more_parts_than_a_process_may_open_files_are_compared(tmp_path: Path) -> None:
    rows = [{"id": f"n{n}", "text": f"A text of its own, number {n}."} for n in range(300)]
    (tmp_path / "math.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = SourceSettings(name="files", options={"path": str(tmp_path), "held_out_frac": 0.01})
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, limits[1]))
    try:
        settings = corpus_of(source, "L0", "math")
        build_corpus(settings, parent=None, out=tmp_path / "L0", part_bytes=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(part_names(tmp_path / "L0")) > 200


def test_a_kill_while_the_manifest_is_written_leaves_none(
    source: SourceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(manifest: Manifest, corpus: Path) -> None:
        (corpus / "manifest.json").write_text('{"source": ')
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("davinci.data_levels.build.write_manifest", half)
        with pytest.raises(KeyboardInterrupt):
            build_corpus(corpus_of(source, "L0"), parent=None, out=tmp_path / "L0")
    assert not (tmp_path / "L0" / "manifest.json").exists()
    manifest = build_corpus(corpus_of(source, "L0"), parent=None, out=tmp_path / "L0")
    assert manifest.documents_in == 63


def test_a_build_that_went_on_tells_the_seconds_of_all_its_attempts(
    source: SourceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire = Files.acquire

    def slowly(self: Files, domain: Domain, index: int, held_out: HeldOut) -> Iterator[Outcome]:
        time.sleep(1)
        yield from acquire(self, domain, index, held_out)

    def killed(manifest: Manifest, corpus: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Files, "acquire", slowly)
        patched.setattr("davinci.data_levels.build.write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            build_corpus(corpus_of(source, "L0"), parent=None, out=tmp_path / "L0")
    manifest = build_corpus(corpus_of(source, "L0"), parent=None, out=tmp_path / "L0")
    assert manifest.seconds >= 1


def test_accounts_are_compared_with_what_lies_on_disk(
    source: SourceSettings, tmp_path: Path
) -> None:
    build_chain(source, tmp_path, "L0")

    def lose(done: int, total: int, note: str) -> None:
        if done == total:  # all parts are written, nothing has been added up
            (tmp_path / "L1" / "digests" / "00000-00000.bin").write_bytes(b"")

    with pytest.raises(AssertionError, match="lost in writing"):
        build_corpus(
            corpus_of(source, "L1"), parent=tmp_path / "L0", out=tmp_path / "L1", progress=lose
        )
    assert not (tmp_path / "L1" / "manifest.json").exists()


def test_a_documents_life_is_shown_up_to_where_it_ended(
    source: SourceSettings, tmp_path: Path
) -> None:
    build_chain(source, tmp_path)
    folders = [tmp_path / level for level in ("L0", "L1", "L2", "L3")]
    kept = life_of("mill-7", folders)
    if kept[0].document is None:  # held out
        kept = life_of("mill-8", folders)
    assert [station.chain for station in kept] == ["L0", "L1", "L2", "L3"]
    first, second = kept[0].document, kept[1].document
    assert first is not None
    assert second is not None
    assert "<main>" in first.text
    assert "<main>" not in second.text
    short = life_of("short", folders)
    assert [station.document is None for station in short] == [False, False, True]
    assert short[2].drop is not None
    assert short[2].drop.reason == "too_short"
    assert ids_like("SHO", folders[0]) == ["short"]


def _build_all(source: SourceSettings, out: Path) -> None:
    build_chain(source, out, part_bytes=2_000)


def test_a_build_killed_twenty_times_at_random_ends_in_the_same_corpus(
    source: SourceSettings, tmp_path: Path
) -> None:
    started = time.monotonic()
    expected = build_chain(source, tmp_path / "whole", part_bytes=2_000)
    whole_s = time.monotonic() - started
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_build_all.__module__, "davinci.data_levels.build"])
    dice = random.Random(7)
    out, num_killed = tmp_path / "killed", 0
    while num_killed < 20:
        process = context.Process(target=_build_all, args=(source, out))
        process.start()
        process.join(dice.uniform(0.02, 0.6 * whole_s))
        process.kill()
        process.join()
        if process.exitcode == 0:  # done: begin again, there are kills left
            assert {n: read_manifest(out / n).digest for n in expected} == {
                n: m.digest for n, m in expected.items()
            }
            out = tmp_path / f"killed-{num_killed}"
        else:
            num_killed += 1
    manifests = build_chain(source, out, part_bytes=2_000)
    for level, manifest in expected.items():
        assert manifests[level].digest == manifest.digest
        assert [s.dropped for s in manifests[level].steps] == [s.dropped for s in manifest.steps]
        assert manifests[level].samples == manifest.samples
        assert sorted(read_drops(out / level)) == sorted(read_drops(tmp_path / "whole" / level))
        assert not (out / level / "work").exists()


def test_a_domain_that_the_source_lacks_gives_an_empty_corpus_with_a_note(
    source: SourceSettings, tmp_path: Path
) -> None:
    manifests = build_chain(source, tmp_path, "L3", "qa")
    for manifest in manifests.values():
        assert (manifest.documents_in, manifest.documents_out) == (0, 0)
    assert manifests["L0"].notes == ("The source 'files' has no qa documents.",)


def test_a_corpus_of_which_nothing_is_held_out_says_so(tmp_path: Path) -> None:
    (tmp_path / "math.jsonl").write_text('{"text": "One text alone."}\n')
    source = SourceSettings(name="files", options={"path": str(tmp_path), "held_out_frac": 1e-6})
    manifest = build_corpus(corpus_of(source, "L0", "math"), parent=None, out=tmp_path / "L0")
    assert "No math text is held out" in manifest.notes[0]
    assert "data.held_out_frac" in manifest.notes[0]


def test_a_level_without_a_teacher_names_the_fields(source: SourceSettings, tmp_path: Path) -> None:
    build_chain(source, tmp_path, "L1")
    with pytest.raises(ValueError, match=r"data\.teacher\.kind"):
        build_corpus(corpus_of(source, "L1+L4"), parent=tmp_path / "L1", out=tmp_path / "L4")
    assert not (tmp_path / "L4" / "manifest.json").exists()


def test_the_microworld_reaches_the_deepest_level_and_names_its_teacher(tmp_path: Path) -> None:
    manifests = build_chain(SourceSettings(name="microworld", documents=120), tmp_path, "L5")
    assert manifests["L3"].teacher == ""
    assert "not a language model" in manifests["L5"].teacher
    assert all(i.violations == 0 for m in manifests.values() for i in m.invariants)


@pytest.mark.parametrize(("level", "has_parent"), [("L0", True), ("L2", False)])
def test_wrong_parents_are_refused(
    source: SourceSettings, tmp_path: Path, level: str, has_parent: bool
) -> None:
    parent = tmp_path if has_parent else None
    with pytest.raises(ValueError, match="L0 is built from the source, all others from a corpus"):
        build_corpus(corpus_of(source, level), parent=parent, out=tmp_path / "out")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of its own with 200 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(place)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system needs the right to mount one")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_stops_by_its_cause_and_the_build_goes_on_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    (tmp_path / "data").mkdir()
    rng = random.Random(3)
    with (tmp_path / "data" / "general.jsonl").open("w") as file:
        for number in range(400):
            words = " ".join(f"{rng.randrange(10**9)}" for _ in range(120))
            file.write(json.dumps({"id": f"d{number}", "text": words}) + "\n")
    source = SourceSettings(name="files", options={"path": str(tmp_path / "data")})
    settings, out = corpus_of(source, "L0"), small_disk / "L0"
    with pytest.raises(OSError, match="No space left on device"):
        build_corpus(settings, parent=None, out=out, part_bytes=50_000)
    done = part_names(out)
    assert 0 < len(done) < 10
    assert not (out / "manifest.json").exists()
    remount = ["mount", "-o", "remount,size=20m", str(small_disk)]
    subprocess.run(remount, check=True, capture_output=True)
    manifest = build_corpus(settings, parent=None, out=out, part_bytes=50_000)
    assert manifest.digest == build_corpus(settings, parent=None, out=tmp_path / "b").digest
    assert set(done) < set(part_names(out))
