"""The papers' findings beside ours: every claim and verdict stands on the page."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from davinci.ablations.known import findings, names, read, record_verdicts
from davinci.ablations.paper.read import ours, study_scores
from davinci.ablations.paper.rejudge import claims
from davinci.ablations.statistics import Paired, paired_effect
from davinci.ablations.verdicts import Verdict
from davinci.platform.store import tables
from davinci.platform.store.open import open_store
from davinci.reports.cli import main
from davinci.reports.entries import read_entry, write_entry
from davinci.reports.html import render_paper
from davinci.reports.paper import paper_studies


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return a store with two judged sweeps of one ablation; the newer supports a claim."""
    import numpy as np

    engine = open_store(f"sqlite:///{tmp_path_factory.mktemp('store')}/davinci.db")
    ablation = read("code_filter")
    rng = np.random.default_rng(0)
    rows = rng.normal(0.03, 0.002, size=(3, 40))
    effect = paired_effect([Paired(rows, np.zeros_like(rows), np.ones(40))])
    verdicts = tuple(
        Verdict(claim=claim, state="supported" if place == 0 else "inconclusive", effect=effect)
        for place, claim in enumerate(ablation.claims)
    )
    with engine.begin() as connection:
        now = "2026-11-29T00:00:00+00:00"
        usual: dict[str, Any] = {
            "name": "code_filter",
            "command": "c",
            "created": now,
            "axes": {},
            "fixed": [],
        }
        usual |= {"baseline": "rules", "provenance": {}, "num_tasks": 0, "num_tasks_unshared": 0}
        sweeps = [{**usual, "digest": one * 64, "num_tasks_reused": 0} for one in ("0", "f")]
        connection.execute(insert(tables.sweep), sweeps)
        connection.execute(
            insert(tables.ablation).values(
                digest="a" * 64, name=ablation.name, declared={}, created=now
            )
        )
    older = tuple(replace(verdict, state="contradicted") for verdict in verdicts)
    for sweep, found in (("0" * 64, older), ("f" * 64, verdicts)):
        record_verdicts(
            engine, sweep, "a" * 64, found, baseline=ablation.baseline, scale="134k parameters"
        )
    with engine.begin() as connection:
        old = tables.verdict.c.sweep == "0" * 64
        connection.execute(update(tables.verdict).where(old).values(created="2026-11-01"))
    return engine


def test_every_study_of_the_papers_is_asked_here_or_says_that_it_is_not() -> None:
    studies = {claim.study for claim in claims()}
    assert set(ours()) <= studies
    assert set(ours().values()) <= set(names())
    assert studies - set(ours()) == {"dd1-l4-cleaner-model-selection"}, "needs other teachers"


def test_the_page_has_every_printed_claim_and_every_verdict(engine: Engine, tmp_path: Path) -> None:
    page = render_paper(engine, tmp_path).read_text("utf-8")
    for claim in claims():
        assert page.count(f'id="{claim.study}"') == 1
    assert page.count('<tr><th scope="row">') >= len(claims())
    assert "1 of 22 ablations that ask the same were run here" in page
    (study,) = [one for one in paper_studies(engine) if one.study == "code-filter-l2-vs-l3"]
    assert [claim.state for claim in study.ours] == ["supported", "inconclusive", "inconclusive"]
    section = page[page.index('id="code-filter-l2-vs-l3"') :]
    first = re.search(r'<span class="badge supported">supported</span></td>\s*<td>([^<]*)', section)
    finding = findings(engine, "code_filter")[0]
    assert first is not None
    assert first[1].startswith(f"+{finding.content['effect']:.3f} [")
    assert 'href="ffffffffffff/index.html"' in section
    mbpp = section[section.index("MBPP: L3-model-filter above L2-rule-filter") :]
    assert re.search(r">\+3\.40<.*?>1\.1<", mbpp, re.DOTALL)


def test_without_a_store_the_page_says_that_nothing_was_run(tmp_path: Path) -> None:
    page = render_paper(None, tmp_path).read_text("utf-8")
    assert "0 of 22 ablations" in page
    assert "python run.py -m ablation=code_filter" in page


def test_printed_scores_are_those_of_the_tables() -> None:
    scores = study_scores("code-filter-l2-vs-l3")
    by_arm = {score.arm: score.value for score in scores["MBPP (generative)"]}
    assert by_arm["L3-model-filter"] - by_arm["L2-rule-filter"] == pytest.approx(3.4)


def test_a_study_of_others_becomes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--output-dir", str(tmp_path)]
    assert main(["import", "--paper", *place]) == 0
    words = ["--external", "davinci-llm", "--study", "code-filter-l2-vs-l3"]
    assert main(["report", *words, "--baseline", "L2-rule-filter", *place]) == 0
    page = Path(capsys.readouterr().out.splitlines()[-1])
    assert page.is_relative_to(tmp_path / "reports")
    text = page.read_text("utf-8")
    assert "L3-model-filter" in text
    assert "1 seed × 1 item per domain" in text
    assert "the configurations are not known here" in text
    assert "differ in nothing but" not in text
    assert "davinci reproduce" not in text
    assert "MBPP" in text
    pages = [one.name for one in (page.parent / "runs").iterdir()]
    assert len(pages) >= 2
    assert all(re.fullmatch(r"[0-9a-f]{12}\.html", name) for name in pages)
    entry = read_entry(page.parent)
    assert entry is not None
    stray = replace(entry, sweep="0" * 64, title="of a store elsewhere", source="")
    (tmp_path / "reports" / ("0" * 12)).mkdir()
    write_entry(stray, tmp_path / "reports" / ("0" * 12))
    assert main(["report", *words, *place]) == 0
    index = (tmp_path / "reports" / "index.html").read_text("utf-8")
    assert "of a store elsewhere" not in index
    section = index[index.index('id="imported"') :]
    assert f'href="{page.parent.name}/index.html"' in section
    assert "davinci-llm: code-filter-l2-vs-l3" in section
    assert "davinci-llm" not in index[: index.index('id="imported"')], "it counts nowhere else"
    assert main(["report", "--external", "davinci-llm", "--study", "none", *place]) == 2
    assert "code-filter-l2-vs-l3" in capsys.readouterr().err
