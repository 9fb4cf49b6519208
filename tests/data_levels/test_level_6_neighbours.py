"""Neighbours in the corpus: who resembles a chunk most, whatever the parts."""

from collections.abc import Sequence
from math import log, log1p
from pathlib import Path

import numpy as np
import pytest

from davinci.data_levels.corpus import writing_part
from davinci.data_levels.document import Document
from davinci.data_levels.engine import Engine
from davinci.data_levels.levels.writing import neighbours
from davinci.data_levels.levels.writing.neighbours import (
    Neighbour,
    find_neighbours,
    read_neighbours,
)
from davinci.data_levels.settings import ContextSettings

SETTINGS = ContextSettings(num_neighbours=2)
TEXTS = {
    "oak": "The oak is a broad tree with acorns.",
    "elm": "The elm is a tall tree with seeds.",
    "acorn": "Acorns fall from the oak in autumn.",
    "boil": "Water boils earlier on high mountains.",
    "peak": "High mountains have thin air, and water boils there early.",
    "alone": "Zymurgy!",
    "empty": "",
}


def corpus(folder: Path, texts: dict[str, str], parts: Sequence[int] = (7,)) -> Path:
    documents = [Document(id=n, domain="general", text=text) for n, text in texts.items()]
    for number, size in enumerate(parts):
        with writing_part(folder, f"{number:05d}") as writer:
            for document in documents[:size]:
                writer.write(document)
        documents = documents[size:]
    assert not documents
    return folder


def found(
    tmp_path: Path,
    texts: dict[str, str],
    parts: Sequence[int] = (7,),
    settings: ContextSettings = SETTINGS,
) -> dict[str, list[list[str]]]:
    parent = corpus(tmp_path / "parent", texts, parts)
    out = tmp_path / "neighbours"
    find_neighbours(parent, out, settings, Engine(work=tmp_path / "work"))
    return {
        name: [[neighbour.id for neighbour in chunk] for chunk in chunks]
        for part in range(len(parts))
        for name, chunks in read_neighbours(out, f"{part:05d}")
    }


def test_those_are_found_that_share_telling_words(tmp_path: Path) -> None:
    near = found(tmp_path, TEXTS)
    assert list(near) == list(TEXTS)
    assert near["boil"][0][0] == "peak"
    assert near["peak"][0][0] == "boil"
    assert near["acorn"][0][0] == "oak"
    assert near["alone"] == [[]]
    assert near["empty"] == []
    assert all(name not in chunk for name, chunks in near.items() for chunk in chunks)


@pytest.mark.parametrize("parts", [(1, 6), (3, 0, 2, 2), (1,) * 7])
def test_the_parts_of_a_corpus_make_no_difference(tmp_path: Path, parts: Sequence[int]) -> None:
    assert found(tmp_path / "a", TEXTS, parts) == found(tmp_path / "b", TEXTS)


def test_a_tie_goes_to_the_earlier_passage(tmp_path: Path) -> None:
    texts = {"a": "one two", "d": "one two", "c": "one two", "b": "one two", "e": "else"}
    near = found(tmp_path, texts, (2, 3))
    assert near["c"] == [["a", "d"]]
    assert near["a"] == [["d", "c"]]
    one = ContextSettings(num_neighbours=1)
    assert found(tmp_path / "one", texts, (2, 3), one)["c"] == [["a"]]


def test_long_documents_are_compared_by_chunks_and_give_one_passage_each(tmp_path: Path) -> None:
    oaks, waters = "Oaks bear acorns. " * 20, "Water boils early. " * 20
    texts = {"long": f"{oaks}\n\n{waters}", "o": "Oaks and acorns.", "w": "Water that boils."}
    settings = ContextSettings(num_neighbours=2, chunk_chars=400, neighbour_chars=100)
    near = found(tmp_path, texts, (3,), settings)
    assert near["long"][0] == ["o"]
    assert near["long"][-1] == ["w"]
    assert near["o"] == near["w"] == [["long"]]
    [[chunk]] = [
        chunks for name, chunks in read_neighbours(tmp_path / "neighbours", "00000") if name == "w"
    ]
    assert chunk[0].text.startswith("Water boils early.")
    assert len(chunk[0].text) <= 100


def test_the_score_is_bm25(tmp_path: Path) -> None:
    texts = {"q": "red", "a": "red red blue", "b": "red blue green white", "c": "black"}
    parent = corpus(tmp_path / "parent", texts, (4,))
    out = tmp_path / "out"
    (out / "index").mkdir(parents=True)
    neighbours._index_part(None, 0, 1, parent=parent, out=out, settings=SETTINGS)
    totals = neighbours._totals(out, ["00000"])
    assert totals.mean_words == (1 + 3 + 4 + 1) / 4
    index = neighbours._load(out, ["00000"], 0, totals)
    asked = neighbours._weighted(neighbours._counted(["red red"]), totals.idf)
    scores = (asked @ neighbours._saturated(index.counts, totals.mean_words).T).toarray()[0]
    idf = log1p((4 - 3 + 0.5) / (3 + 0.5))
    of_a = idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2.25))
    of_b = idf * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 4 / 2.25))
    of_q = idf * 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2.25))
    assert scores == pytest.approx([of_q, of_a, of_b, 0.0])
    assert log(1 + 1.5 / 3.5) == pytest.approx(idf)


def test_words_that_are_everywhere_tell_nothing(tmp_path: Path) -> None:
    texts = {f"d{n}": f"the common word{n // 2}x" for n in range(120)}
    near = found(tmp_path, texts, (60, 60))
    assert all(near[f"d{n}"] == [[f"d{n ^ 1}"]] for n in range(120))


def test_finding_again_repeats_no_stage(tmp_path: Path) -> None:
    parent = corpus(tmp_path / "parent", TEXTS)
    out, engine = tmp_path / "out", Engine(work=tmp_path / "work")
    find_neighbours(parent, out, SETTINGS, engine)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    find_neighbours(parent, out, SETTINGS, engine)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.*")} == before
    assert len(before) == 2


def test_nothing_in_the_index_can_run_code(tmp_path: Path) -> None:
    find_neighbours(
        corpus(tmp_path / "p", TEXTS), tmp_path / "out", SETTINGS, Engine(work=tmp_path / "work")
    )
    with np.load(tmp_path / "out" / "index" / "00000.npz", allow_pickle=False) as saved:
        assert all(saved[name].dtype.kind in "iuf" for name in saved.files)


def test_lone_surrogates_and_odd_ids_do_no_harm(tmp_path: Path) -> None:
    texts = {'a"\n\u2028': "red \ud800 blue", "b": "red blue \udfff"}
    parent = corpus(tmp_path / "parent", texts, (2,))
    out = tmp_path / "out"
    find_neighbours(parent, out, SETTINGS, Engine(work=tmp_path / "work"))
    rows = dict(read_neighbours(out, "00000"))
    assert rows['a"\n\u2028'] == [[Neighbour("b", "red blue \udfff")]]
