"""Every corpus that is trained on is compared with the held-out items, once, and nothing waits."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hydra.core.config_loader import ConfigLoader
from rich.console import Console

from davinci.data_levels.contamination.measure import measure_contamination
from davinci.data_levels.contamination.settings import DEFAULT_RULE
from davinci.data_levels.corpus import write_documents
from davinci.data_levels.document import Document
from davinci.data_levels.sources.held_out import write_held_out
from davinci.data_levels.sources.source import Benchmark, HeldOut, Item
from davinci.models.build import build_model, save_model
from davinci.models.settings import ModelSettings
from davinci.platform.config.compose import config_loader
from davinci.platform.config.recipe import EvaluationSettings
from davinci.platform.config.schema import register_schema
from davinci.platform.evaluation.evaluate import evaluate
from davinci.platform.evaluation.outcomes import load_outcomes
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.execute.layout import Layout
from davinci.platform.execute.local import LocalExecutor
from davinci.platform.execute.view import View
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.plan.graph import Plan
from davinci.platform.plan.plan import make_plan
from davinci.platform.plan.points import request_sweep
from davinci.platform.plan.record import record_sweep
from davinci.platform.plan.sweep import plan_sweep
from davinci.platform.store.open import open_store
from davinci.platform.store.read import load_sweep

CONF = Path(__file__).resolve().parents[2] / "conf"
TWO_DOMAINS = "mixture.weights={general: 0.5, code: 0.5, math: 0, science: 0, qa: 0}"


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


def plan_of(loader: ConfigLoader, *words: str) -> Plan:
    request = request_sweep(list(words), loader, "config")
    return make_plan((arm.recipe, r) for arm in request.arms for r in arm.replicates)


def test_every_run_has_one_check_for_each_corpus_that_it_trains_on(loader: ConfigLoader) -> None:
    plan = plan_of(loader, "data.level=L1,L2", "seeds=2", TWO_DOMAINS)
    checks = {d: t for d, t in plan.tasks.items() if t.kind == "contamination"}
    assert len(checks) == 2 * 2  # levels and domains; both seeds share them
    for run in plan.runs:
        roles = {role: digest for role, digest in run.tasks.items() if digest in checks}
        assert set(roles) == {"contamination.general", "contamination.code"}
        for role, digest in roles.items():
            corpus = run.tasks[role.replace("contamination", "corpus")]
            assert checks[digest].inputs == {"corpus": corpus, "held_out": run.tasks["held_out"]}


def test_a_check_is_no_input_of_anything_and_starts_last(loader: ConfigLoader) -> None:
    plan = plan_of(loader, "data.level=L1,L2", "seeds=2")
    kinds = [task.kind for task in plan.tasks.values()]
    first = kinds.index("contamination")
    assert set(kinds[first:]) == {"contamination"}
    used = {digest for task in plan.tasks.values() for digest in task.inputs.values()}
    assert not used & set(list(plan.tasks)[first:])


def test_the_rule_is_part_of_the_tasks_identity(loader: ConfigLoader) -> None:
    plan = plan_of(loader, "seeds=1", TWO_DOMAINS)
    settings = [t.settings for t in plan.tasks.values() if t.kind == "contamination"]
    rule = {"words": 13, "min_words": 5, "min_shared_frac": 0.5, "min_partial_words": 50}
    assert settings == [{"rule": rule}] * 2


def test_a_planned_check_is_executed_stored_and_read_back(
    loader: ConfigLoader, tmp_path: Path
) -> None:
    words = ["seeds=2", "data.level=L1", "data.documents=40", "executor.workers=2", TWO_DOMAINS]
    request = request_sweep([*words, f"output_dir={tmp_path}"], loader, "config")
    planned = plan_sweep(request)
    checked = [d for d, t in planned.plan.tasks.items() if t.kind == "contamination"]
    needed = set().union(*(planned.plan.needed(digest) for digest in checked))
    plan = Plan(tasks={d: t for d, t in planned.plan.tasks.items() if d in needed})
    engine = open_store(request.runtime.store_url)
    Ledger(engine, "me:1").plan(planned.plan.tasks.values())
    record_sweep(engine, planned, "a command", 0)
    outcome = LocalExecutor(plan, engine, request.runtime, View(Console(file=StringIO()))).run()
    assert outcome.failed == {}
    assert set(checked) <= outcome.done

    first, second = load_sweep(engine, planned.digest).arms[0].runs
    engine.dispose()
    for one, other in zip(first.contamination, second.contamination, strict=True):
        assert one is other
    found = {(c.corpus_domain, c.overlap.benchmark): c for c in first.contamination}
    assert len(found) == 2 * 10
    layout = Layout(request.runtime.output_dir)
    corpus = layout.artifact(plan.tasks[first.corpora["code"]])
    held_out = layout.artifact(plan.tasks[planned.plan.runs[0].tasks["held_out"]])
    expected = measure_contamination(corpus, held_out)
    for overlap in expected.benchmarks:
        check = found["code", overlap.benchmark]
        assert check.rule == DEFAULT_RULE
        assert check.corpus_documents == expected.num_documents == 40
        assert check.corpus_bytes == expected.num_bytes
        assert check.overlap.item_ids == overlap.item_ids
        np.testing.assert_array_equal(check.overlap.overlap, overlap.overlap)
        np.testing.assert_array_equal(check.overlap.coverage, overlap.coverage)
        np.testing.assert_array_equal(check.overlap.question_overlap, overlap.question_overlap)
        np.testing.assert_array_equal(check.overlap.checkable, overlap.checkable)
        np.testing.assert_array_equal(check.overlap.dirty, overlap.dirty)
    assert found["code", "microworld_code"].overlap.coverage.max() > 0
    assert found["general", "microworld_code"].overlap.coverage.max() == 0


def test_items_have_the_same_names_where_they_are_checked_and_where_they_are_scored(
    tmp_path: Path, byte_tokenizer: Path
) -> None:
    items = tuple(
        Item(id=f"quiz/{i}", prompt=f"Is {i} a prime number?", options=("yes", "no")) for i in "abc"
    )
    held_out = HeldOut(
        texts={"math": ("", *(f"text number {i} " * 5 for i in range(5)))},
        benchmarks=(Benchmark(name="quiz", domain="qa", items=items, chance=0.5),),
    )
    write_held_out(held_out, tmp_path / "held_out")
    document = Document(id="1", domain="math", text=f"{held_out.texts['math'][3]}{items[1].prompt}")
    write_documents([document], tmp_path / "corpus")
    found = measure_contamination(tmp_path / "corpus", tmp_path / "held_out")
    checked = {o.benchmark: o for o in found.benchmarks}
    assert {name: list(o.examples) for name, o in checked.items()} == {
        "held_out_math": ["math/3"], "quiz": ["quiz/b"]
    }  # fmt: skip

    settings = ModelSettings(
        hidden_size=16, num_layers=1, num_heads=1, num_kv_heads=1, head_dim=16,
        intermediate_size=16, vocab_size=257, context_length=128,
    )  # fmt: skip
    save_model(build_model(settings, seed=0), tmp_path / "model")
    for protocol, scored in (("bpb", ("math/1", "math/3")), ("ppl", ("quiz/a", "quiz/b"))):
        evaluate(
            protocol,  # type: ignore[arg-type]
            model_dir=tmp_path / "model",
            tokenizer_file=byte_tokenizer,
            items=tmp_path / "held_out",
            settings=EvaluationSettings(protocols=(protocol,), max_items=2),  # type: ignore[arg-type]
            out=tmp_path / protocol,
            runtime=EvaluationRuntime(accelerator="cpu"),
            progress=lambda done, total, note: None,
        )
        outcome = load_outcomes(tmp_path / protocol)[0]
        assert outcome.item_ids == scored
        assert set(scored) <= set(checked[outcome.benchmark].item_ids)


@pytest.fixture
def byte_tokenizer(tmp_path: Path) -> Path:
    """Return the file of a tokenizer that has one token for each byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    names = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([names[0]])
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"
