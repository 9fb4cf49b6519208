"""The paper's benchmarks on made-up data, under both protocols; a user's own; bad input."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm_eval.api.instance import Instance
from tests.evaluation.benchmark_data import write_dataset
from tests.evaluation.tiny_model import tiny_model
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from davinci.platform.config.recipe import BenchmarkSettings, EvaluationSettings, Protocol
from davinci.platform.evaluation.harness.check import check_items
from davinci.platform.evaluation.harness.letters import letter_of, lettered, letters_of_choices
from davinci.platform.evaluation.harness.model import HarnessModel
from davinci.platform.evaluation.harness.own import (
    final_math_answer,
    minerva_examples,
    same_math,
)
from davinci.platform.evaluation.harness.programs import pass_at_k, score_programs
from davinci.platform.evaluation.harness.run import TOO_LONG, BenchmarkResult, run_benchmark
from davinci.platform.evaluation.harness.snapshot import data_digest, take_snapshot
from davinci.platform.evaluation.harness.suite import known, suite
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.evaluation.subject import LoadedSubject


@pytest.fixture(scope="module")
def long_model(tokenizer: Tokenizer) -> Qwen2ForCausalLM:
    shape = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "num_kv_heads": 1}
    made = tiny_model(tokenizer, **shape)
    with torch.no_grad():  # a model that stops now and then
        bias = torch.zeros(tokenizer.get_vocab_size())
        bias[0] = 3.0
        made.lm_head.bias = torch.nn.Parameter(bias)
    return made


@pytest.fixture(scope="module")
def taken(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the snapshot of every benchmark of the suite, by name."""
    folder = tmp_path_factory.mktemp("taken")
    for name, benchmark in suite().items():
        take_snapshot(benchmark, str(mirror), folder / name, lambda *_: None)
    return folder


def run(
    model: Qwen2ForCausalLM,
    tokenizer: Tokenizer,
    name: str,
    protocol: Protocol,
    snapshot: Path,
    shots: int = -1,
    **settings: Any,
) -> BenchmarkResult:
    runtime = EvaluationRuntime(accelerator="cpu", max_tokens=20_000)
    subject = LoadedSubject(model=model, tokenizer=tokenizer, runtime=runtime)
    return run_benchmark(
        HarnessModel(subject),
        protocol,
        benchmark=BenchmarkSettings(name=name, protocols=(protocol,), shots=shots),
        settings=EvaluationSettings(protocols=(protocol,), **{"max_items": 10, **settings}),
        snapshot=snapshot,
        sandbox_workers=2,
        progress=lambda *_: None,
    )


WITH_OPTIONS = {
    "mmlu", "mmlu_pro", "hellaswag", "race", "winogrande", "openbookqa", "piqa", "gpqa",
    "supergpqa", "mmlu_stem", "mmlu_pro_stem",
}  # fmt: skip


@pytest.mark.parametrize("name", list(suite()))
def test_every_benchmark_of_the_paper_is_asked_under_both_protocols_on_the_same_items(
    name: str, taken: Path, long_model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    benchmark = suite()[name]
    shots = min(benchmark.shots, 2)
    ppl = run(long_model, tokenizer, name, "ppl", taken / name, shots, max_items=8)
    free = run(long_model, tokenizer, name, "generative", taken / name, shots, max_items=8)
    first, answered = ppl.outcomes[0], free.outcomes[0]
    if name != "agieval":  # one of its parts has no options, so that it has no rank
        assert first.item_ids == answered.item_ids
    assert len(answered.values) in (7, 8)
    assert {one.benchmark for one in (*ppl.outcomes, *free.outcomes)} == {name}
    assert {one.domain for one in (*ppl.outcomes, *free.outcomes)} == {benchmark.domain}
    assert first.metric == ("accuracy" if name in WITH_OPTIONS | {"agieval"} else "bits_per_byte")
    if name in WITH_OPTIONS:
        assert 0.1 <= first.chance <= 0.5
    coded = benchmark.domain == "code"
    assert answered.metric == ("pass_at_1" if coded else "accuracy")
    assert answered.samples
    assert first.samples
    bits = next(one for one in ppl.outcomes if one.metric == "bits_per_byte")
    assert not bits.higher_is_better
    assert (bits.values > 0).all()
    assert len(ppl.notes["prompts"]) == 64
    assert ppl.notes["prompts"] != free.notes["prompts"]
    again = run(long_model, tokenizer, name, "ppl", taken / name, shots, max_items=8)
    assert again.notes == ppl.notes
    for one, other in zip(ppl.outcomes, again.outcomes, strict=True):
        assert one.values.tolist() == other.values.tolist()


def test_the_suite_is_the_papers() -> None:
    assert len(suite()) == 19
    by_protocol = {
        p: [n for n, b in suite().items() if b.printed == p] for p in ("ppl", "generative")
    }
    assert by_protocol["ppl"] == ["mmlu", "openbookqa", "piqa", "gpqa", "mmlu_stem"]
    assert sum(b.domain == "general" for b in suite().values()) == 9
    assert sum(b.domain == "code" for b in suite().values()) == 3
    assert suite()["gsm_plus"].cluster == "seed_question"


def test_items_of_one_seed_question_are_one_cluster(
    taken: Path, long_model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    found = run(long_model, tokenizer, "gsm_plus", "ppl", taken / "gsm_plus", 0).outcomes[0]
    assert len(found.clusters) == 7
    assert len(set(found.clusters)) == 4


def test_what_does_not_fit_scores_nothing_and_is_counted(
    taken: Path, model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    ranked = run(model, tokenizer, "winogrande", "ppl", taken / "winogrande")
    assert ranked.outcomes == ()  # a context of 48 tokens holds none of its items
    assert ranked.notes["items_over_context"] == {"winogrande": 7}


def test_an_item_fits_up_to_the_last_token_that_can_be_predicted(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    runtime = EvaluationRuntime(accelerator="cpu")
    asked = HarnessModel(LoadedSubject(model=model, tokenizer=tokenizer, runtime=runtime))
    for length, fits in ((46, True), (47, True), (48, False)):  # and the end of text before it
        arguments = ("x" * length, "y")
        request = Instance("loglikelihood", {}, arguments, 0, metadata=("own", length, 1))
        asked.loglikelihood([request])
        assert (("own", length) not in asked.unfit) == fits


def test_an_answer_with_less_room_than_its_task_gives_is_noted(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    runtime = EvaluationRuntime(accelerator="cpu")
    asked = HarnessModel(LoadedSubject(model=model, tokenizer=tokenizer, runtime=runtime))
    words = {"until": ["\n"], "max_gen_toks": 8}
    for length in (39, 40):  # of 48 tokens, one being the end of text
        request = Instance(
            "generate_until", {}, ("x" * length, words), 0, metadata=("own", length, 1)
        )
        asked.generate_until([request])
    assert asked.cramped == {("own", 40)}


def own_task(folder: Path, rows: list[dict[str, Any]], **changes: Any) -> Path:
    """Write a user's own multiple choice over local files; return its task file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": "own",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "items.jsonl"}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_text": "{{q}}",
        "doc_to_choice": "{{options}}",
        "doc_to_target": "{{gold}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        **changes,
    }
    (folder / "own.yaml").write_text(json.dumps(task))
    return folder / "own.yaml"


ROWS = [
    {"q": "a is", "options": ["b", "ab"], "gold": 1},
    {"q": "is a a" * 20, "options": ["b", "ab"], "gold": 0},
    {"q": "b is", "options": ["x", "yy"], "gold": 0},
]


def test_a_task_of_ones_own_is_taken_with_its_definition_and_scored(
    tmp_path: Path, model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    path = own_task(tmp_path / "mine", ROWS)
    before = data_digest(known(str(path)), "")
    take_snapshot(known(str(path)), "", tmp_path / "taken", lambda *_: None)
    for file in (tmp_path / "mine").iterdir():
        file.unlink()  # the snapshot has all that is needed
    found = run(model, tokenizer, "own", "ppl", tmp_path / "taken")
    accuracy = found.outcomes[0]
    assert accuracy.item_ids == ("own/0", "own/1", "own/2")
    assert found.notes["items_over_context"] == {"own": 1}
    assert accuracy.values[1] == 0.0
    assert accuracy.samples[1]["got"] == TOO_LONG
    bits = next(one for one in found.outcomes if one.metric == "bits_per_byte")
    assert bits.item_ids == ("own/0", "own/2")  # nothing is known of the one that does not fit
    own_task(tmp_path / "mine", ROWS)
    assert data_digest(known(str(path)), "") == before
    own_task(tmp_path / "mine", ROWS[:2])
    assert data_digest(known(str(path)), "") != before


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        ([], {}, "is empty|could not be read"),
        ([{"q": "a", "gold": 0}], {}, "does it lack a field"),
        ([*ROWS, {"q": "a", "options": None, "gold": 0}], {}, "item 3 cannot be asked"),
        ([*ROWS, {"q": "a", "options": ["x", ""], "gold": 0}], {}, "none of them empty"),
        ([{"q": "a", "options": ["x", "y"], "gold": 7}], {}, "its first item cannot be asked"),
        ([*ROWS, {"q": "a", "options": ["x", "y"], "gold": 7}], {}, "none of its 2 options"),
        (ROWS, {"test_split": "nowhere"}, "nowhere"),
    ],
)
def test_broken_data_are_refused_in_one_sentence(
    rows: list[dict[str, Any]],
    changes: dict[str, Any],
    words: str,
    tmp_path: Path,
) -> None:
    path = own_task(tmp_path / "mine", rows, **changes)
    with pytest.raises(ValueError, match=words):
        take_and_check(path, tmp_path / "taken")


def take_and_check(task_file: Path, out: Path) -> None:
    take_snapshot(known(str(task_file)), "", out, lambda *_: None)
    check_items(known(str(task_file)), out, lambda *_: None)


def test_a_mirror_without_the_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no baber/piqa"):
        data_digest(known("piqa"), str(tmp_path))
    write_dataset(tmp_path / "baber/piqa", {"default": {"train": [{"goal": "x"}]}})
    with pytest.raises(ValueError, match="split 'validation' of baber/piqa could not be read"):
        take_snapshot(known("piqa"), str(tmp_path), tmp_path / "taken", lambda *_: None)


def test_empty_answers_are_wrong_and_counted(
    tmp_path: Path, model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    silent = build_model_that_says(model, token=0)
    path = own_task(tmp_path / "mine", ROWS[:1] + ROWS[2:])
    take_snapshot(known(str(path)), "", tmp_path / "taken", lambda *_: None)
    found = run(silent, tokenizer, "own", "generative", tmp_path / "taken")
    assert found.outcomes[0].values.tolist() == [0.0, 0.0]
    assert found.notes["empty_answers"] == {"own": 2}


def test_a_model_that_returns_no_numbers_is_refused(
    tmp_path: Path, model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    broken = build_model_that_says(model, token=None)
    path = own_task(tmp_path / "mine", ROWS)
    take_snapshot(known(str(path)), "", tmp_path / "taken", lambda *_: None)
    for protocol in ("ppl", "generative"):
        with pytest.raises(ValueError, match="finite"):
            run(broken, tokenizer, "own", protocol, tmp_path / "taken")


def build_model_that_says(model: Qwen2ForCausalLM, token: int | None) -> Qwen2ForCausalLM:
    made = Qwen2ForCausalLM(model.config)
    made.train(False)
    with torch.no_grad():
        made.lm_head.weight.fill_(math.nan if token is None else 0.0)
    if token is not None:
        bias = torch.zeros(model.config.vocab_size)
        bias[token] = 1.0
        made.lm_head.bias = torch.nn.Parameter(bias)
    return made


def test_programs_are_judged_by_running_them() -> None:
    doc = {
        "prompt": "def add(x):\n",
        "test": "def check(candidate):\n    assert candidate(1) == 3\n",
        "entry_point": "add",
    }
    samples = [
        {"doc": doc, "resps": [["    return x + 2\n", "    return x\n", "    return x + 2\n"]]},
        {"doc": doc, "resps": [["    return x\n"] * 3]},
    ]
    right, wrong = score_programs(known("humaneval"), samples, num_workers=2)
    assert right == {"pass_at_1": pytest.approx(2 / 3), "pass_at_3": 1.0}
    assert wrong == {"pass_at_1": 0.0, "pass_at_3": 0.0}
    mbpp = {"test_list": ["assert f(1) == 2", "assert f(2) == 3"], "test_setup_code": "one = 1"}
    [found] = score_programs(
        known("mbpp"), [{"doc": mbpp, "resps": [["def f(x): return x + one"]]}], num_workers=1
    )
    assert found == {"pass_at_1": 1.0}


def test_pass_at_k_is_the_unbiased_estimate() -> None:
    rng = np.random.default_rng(0)
    outcomes = np.array([True] * 3 + [False] * 7)
    drawn = [outcomes[rng.choice(10, 4, replace=False)].any() for _ in range(20_000)]
    assert pass_at_k(10, 3, 4) == pytest.approx(np.mean(drawn), abs=0.01)
    assert (pass_at_k(5, 0, 1), pass_at_k(5, 5, 3), pass_at_k(3, 1, 3)) == (0.0, 1.0, 1.0)


def test_sampled_programs_differ_and_are_seeded(
    taken: Path, long_model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    words: dict[str, Any] = {"num_samples": 2, "temperature": 1.0, "max_items": 2}
    first = run(long_model, tokenizer, "mbpp", "generative", taken / "mbpp", 0, **words)
    assert [one.metric for one in first.outcomes] == ["pass_at_1", "pass_at_2"]
    again = run(long_model, tokenizer, "mbpp", "generative", taken / "mbpp", 0, **words)
    assert first.outcomes[0].samples == again.outcomes[0].samples


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"), (" B. because", "B"), ("(C)", "C"), ("It is so, the answer is (D).", "D"),
        ("E", ""), ("Bread", ""), ("", ""), ("A cat", "A"),
        ("the answer is A. No, the answer is B", "B"),
    ],
)  # fmt: skip
def test_letters_are_read_off_answers(answer: str, letter: str) -> None:
    assert letter_of(answer, 4) == letter


def test_options_are_shown_under_letters() -> None:
    assert lettered("What?\nAnswer:", ["x", " y"]) == "What?\nA. x\nB. y\nAnswer:"
    assert letters_of_choices(["A", "B"])
    assert letters_of_choices(["(A)one", "(B)two"])
    assert not letters_of_choices(["A cat", "B"])


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("\\frac{1}{2}", "\\dfrac12", True), ("0.5", "\\frac{1}{2}", True), ("1/2", "0.50", True),
        ("$3$", "3.", True), ("1,000", "1000", True), ("x = 4", "4", True), ("2", "3", False),
        ("90^\\circ", "90", True), ("\\text{east}", "east", True), ("(1, 2)", "(1,2)", True),
        ("", "", False), ("\\frac{1}{0}", "1", False), ("1/0", "1/0", True),
        ("-\\frac{1}{2}", "\\frac{-1}{2}", True),
    ],
)  # fmt: skip
def test_answers_to_math_are_the_same_where_they_mean_the_same(
    first: str, second: str, same: bool
) -> None:
    assert same_math(first, second) is same


def test_the_final_answer_of_a_solution_is_found() -> None:
    assert final_math_answer("So it is $\\boxed{\\frac{1}{2}}$.") == "\\frac{1}{2}"
    assert (
        final_math_answer("Final Answer: The final answer is $7$. I hope it is correct.") == "$7$"
    )
    assert final_math_answer("no answer \\boxed{unclosed") == ""
    assert len(minerva_examples()) == 4
