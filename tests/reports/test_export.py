"""`davinci export`, on an output folder with one small checkpoint."""

import json
from pathlib import Path

import pytest
import torch
from tests.small_corpora import write_byte_tokenizer
from transformers import Qwen2ForCausalLM

from davinci.models.build import build_model, save_model
from davinci.models.settings import ModelSettings
from davinci.platform.execute.layout import Layout
from davinci.platform.ledger.ledger import Ledger
from davinci.platform.plan.graph import Plan
from davinci.platform.store.open import open_store
from davinci.platform.store.write import record_result
from davinci.reports.cli import main

MODEL = ModelSettings(
    hidden_size=16,
    num_layers=1,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    intermediate_size=24,
    vocab_size=300,
    context_length=16,
)


@pytest.fixture
def segment(tmp_path: Path) -> str:
    """Return the digest of a segment in the store of an output folder."""
    plan, layout = Plan(), Layout(tmp_path)
    tokenizer = plan.add("tokenizer", {}, {}, "tokenizer")
    shards = plan.add("shards", {}, {"tokenizer": tokenizer}, "shards")
    digest = plan.add("segment", {}, {"shards.math": shards}, "segment")
    layout.artifact(plan.tasks[tokenizer]).parent.mkdir(parents=True)
    write_byte_tokenizer(layout.artifact(plan.tasks[tokenizer]))
    folder = layout.artifact(plan.tasks[digest])
    save_model(build_model(MODEL, seed=0), folder / "model")
    result = {"num_parameters": 1, "tokens": 1, "flops": 1.0}
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "curve.json").write_text("{}")
    engine = open_store(f"sqlite:///{tmp_path / 'davinci.db'}")
    Ledger(engine, "me").plan(plan.tasks.values())
    record_result(engine, digest, "segment", folder)
    engine.dispose()
    return digest


def test_a_checkpoint_leaves_with_its_tokenizer_and_equal_logits(
    segment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", segment[:10], str(tmp_path / "to"), "--output-dir", str(tmp_path)]
    assert main(words) == 0
    assert segment[:12] in capsys.readouterr().out
    found = Qwen2ForCausalLM.from_pretrained(tmp_path / "to", dtype=torch.float32)
    ids = torch.arange(10)[None]
    assert torch.equal(
        found(input_ids=ids).logits, build_model(MODEL, seed=0)(input_ids=ids).logits
    )
    assert (tmp_path / "to" / "tokenizer.json").is_file()
    assert found.generation_config.eos_token_id == 0
    assert main(words) == 2
    assert "holds a model already" in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there_is_said_so(
    segment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = [str(tmp_path / "to"), "--output-dir", str(tmp_path)]
    assert main(["export", "zz", *to]) == 2
    assert "No finished segment begins with 'zz'" in capsys.readouterr().err
    folder = tmp_path / "artifacts" / "segment" / segment / "model"
    folder.rename(folder.with_name("gone"))
    assert main(["export", segment[:6], *to]) == 2
    assert "trainer.keep" in capsys.readouterr().err
