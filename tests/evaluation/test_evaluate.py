"""A tiny model learns a few documents by heart; then every protocol has to find that out."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from davinci.data_levels.sources.source import Benchmark, Item
from davinci.data_levels.tokens.tokenizer import load_tokenizer
from davinci.models.settings import ModelSettings, OptimizerSettings
from davinci.platform.config.recipe import EvaluationSettings, Protocol
from davinci.platform.evaluation.evaluate import evaluate
from davinci.platform.evaluation.outcomes import load_outcomes
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.store.records import Outcomes
from davinci.platform.training.segment import train_segment
from davinci.platform.training.settings import LearningRateLaw, SegmentSettings, TrainingRuntime

FACTS = [
    Item(
        id=f"fact/{index}",
        prompt=f"Q: colour of {thing}?\nA:",
        options=(" red", " blue"),
        gold=index // 2,
        answer=(" red", " blue")[index // 2],
        final=("red", "blue")[index // 2],
        stop=("\n",),
        cluster=("water", "flower", "water", "")[index],
    )
    for index, thing in enumerate(("sky", "rose", "sea", "fire"))
]
SUMS = [
    Item(
        id=f"sum/{a}",
        prompt=f"{name} and 2\n",
        options=(f"So {a + 2}.", f"So {a + 3}."),
        gold=0,
        answer=f"{a} + 1 = {a + 1}\n{a + 1} + 1 = {a + 2}\nSo {a + 2}.",
        check="steps",
        final=str(a + 2),
        steps=2,
    )
    for name, a in (("one", 1), ("four", 4))
]
CODE = [
    Item(
        id="code/inc",
        prompt="def inc(x):\n",
        answer="    return x + 1",
        check="execute",
        tests=("assert inc(1) == 2", "assert inc(1) == 3"),
    ),
    Item(id="code/long", prompt="# " + "x" * 80, answer="", check="execute", tests=("pass",)),
]
BENCHMARKS = (
    Benchmark(name="facts", domain="general", items=tuple(FACTS), chance=0.5, floor=0.5),
    Benchmark(name="sums", domain="math", items=tuple(SUMS), chance=0.5),
    Benchmark(name="code", domain="code", items=tuple(CODE), chance=float("nan")),
)
DOCUMENTS = [item.prompt + item.answer for item in (*FACTS, *SUMS, CODE[0])]
MODEL = ModelSettings(
    hidden_size=48,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=12,
    intermediate_size=96,
    vocab_size=257,
    context_length=64,
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tokenizer, held-out data, shards and a model trained on them."""
    folder = tmp_path_factory.mktemp("room")
    write_tokenizer(folder)
    write_held_out(folder)
    write_shards(folder)
    settings = SegmentSettings(
        model=MODEL,
        optimizer=OptimizerSettings(lr_peak=1e-2),
        weights={"general": 1.0},
        num_steps=400,
        batch_tokens=512,
        lr=LearningRateLaw(
            shape="linear", warmup_tokens=512 * 8, total_tokens=512 * 400, end_frac=0.1
        ),
        seed=0,
    )
    train_segment(
        settings,
        shards={"general": folder},
        parent=None,
        out=folder / "segment",
        runtime=TrainingRuntime(accelerator="cpu"),
        progress=lambda done, total, note: None,
    )
    return folder


def write_tokenizer(folder: Path) -> None:
    names = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([names[0]])
    made.save(str(folder / "tokenizer.json"))


def write_held_out(folder: Path) -> None:
    texts = {"math": [DOCUMENTS[4], "zzzzzzzz"], "code": ["def inc(x):\n    return x + 1"] * 3}
    (folder / "texts.json").write_text(json.dumps(texts))
    (folder / "styles.json").write_text("{}")
    benchmarks = [asdict(benchmark) for benchmark in BENCHMARKS]
    (folder / "benchmarks.json").write_text(json.dumps(benchmarks))


def write_shards(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    rng = np.random.default_rng(0)
    order = [DOCUMENTS[index] for _ in range(60) for index in rng.permutation(len(DOCUMENTS))]
    ids = [token for text in order for token in (*tokenizer.encode(text).ids, 0)]
    np.save(folder / "tokens.npy", np.array(ids, dtype=np.uint16))


def run(room: Path, out: Path, protocol: Protocol, max_items: int = 0) -> dict[str, Outcomes]:
    evaluate(
        protocol,
        model_dir=room / "segment" / "model",
        tokenizer_file=room / "tokenizer.json",
        items=room,
        settings=EvaluationSettings(protocols=(protocol,), max_items=max_items, max_new_tokens=48),
        out=out,
        runtime=EvaluationRuntime(accelerator="cpu"),
        progress=lambda done, total, note: None,
    )
    return {f"{o.benchmark} {o.metric}": o for o in load_outcomes(out)}


def test_text_known_by_heart_costs_few_bits_and_noise_many(room: Path, tmp_path: Path) -> None:
    outcomes = run(room, tmp_path, "bpb")
    math = outcomes["held_out_math bits_per_byte"]
    assert math.values[0] < 0.5
    assert math.values[1] > 5
    assert math.weights.tolist() == [len(DOCUMENTS[4]), 8]
    assert len(outcomes["held_out_code bits_per_byte"].values) == 3


def test_ranking_finds_the_facts(room: Path, tmp_path: Path) -> None:
    outcomes = run(room, tmp_path, "ppl")
    assert outcomes["facts accuracy"].score == 1.0
    assert outcomes["facts accuracy_per_byte"].score == 1.0
    assert outcomes["facts gold_probability"].values.min() > 0.5
    assert outcomes["facts accuracy"].chance == 0.5
    assert outcomes["facts accuracy"].clusters == ("water", "flower", "water", "")
    assert outcomes["sums accuracy"].clusters == ()
    assert "code accuracy" not in outcomes, "items without options are not ranked"
    assert outcomes["facts accuracy"].samples[0]["expected"] == " red"


def test_another_items_prompt_gives_that_items_answer(room: Path, tmp_path: Path) -> None:
    """The red things are followed by the blue ones, so every other prompt misleads."""
    outcomes = run(room, tmp_path, "ppl")
    assert outcomes["facts accuracy_other_prompt"].score == 0.0


def test_answers_are_generated_checked_and_executed(room: Path, tmp_path: Path) -> None:
    outcomes = run(room, tmp_path, "generative")
    assert outcomes["facts accuracy"].score == 1.0
    assert outcomes["sums accuracy"].score == 1.0
    assert outcomes["sums step_rate"].score == 1.0
    assert outcomes["code pass_rate"].values.tolist() == [0.5, 0.0]
    assert outcomes["code solved"].values.tolist() == [0.0, 0.0]
    assert outcomes["code solved"].samples[0]["got"] == "    return x + 1"


def test_an_item_longer_than_the_context_is_counted_and_said(room: Path, tmp_path: Path) -> None:
    outcomes = run(room, tmp_path, "generative")
    assert "longer than the context" in outcomes["code pass_rate"].samples[1]["got"]
    notes = json.loads((tmp_path / "notes.json").read_text())
    assert notes["items_over_context"] == {"code": 1}
    assert "audit hook" in notes["sandbox"]


def test_fewer_items_are_spread_over_the_benchmark(room: Path, tmp_path: Path) -> None:
    outcomes = run(room, tmp_path, "ppl", max_items=2)
    assert outcomes["facts accuracy"].item_ids == ("fact/0", "fact/2")


def test_the_same_checkpoint_gives_the_same_bytes(room: Path, tmp_path: Path) -> None:
    protocols: tuple[Protocol, ...] = ("bpb", "ppl", "generative")
    for protocol in protocols:
        for name in ("one", "two"):
            run(room, tmp_path / name, protocol)
        one, two = ((tmp_path / name / "result.json").read_bytes() for name in ("one", "two"))
        assert one == two


def test_an_unknown_protocol_is_refused_with_the_known_ones(room: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="known: bpb, ppl, generative"):
        run(room, tmp_path, "guess")  # type: ignore[arg-type]


def test_nothing_to_score_is_an_error(room: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.json").write_text('{"math": ["a"]}')
    (tmp_path / "styles.json").write_text("{}")
    (tmp_path / "benchmarks.json").write_text("[]")
    with pytest.raises(ValueError, match="nothing to score"):
        evaluate(
            "ppl",
            model_dir=room / "segment" / "model",
            tokenizer_file=room,
            items=tmp_path,
            settings=EvaluationSettings(protocols=("ppl",)),
            out=tmp_path / "out",
            runtime=EvaluationRuntime(accelerator="cpu"),
            progress=lambda done, total, note: None,
        )
