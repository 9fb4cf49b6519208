"""Item by item, the engine answers as lm-evaluation-harness's own Hugging Face backend does."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from davinci.platform.evaluation.harness.forms import build_tasks
from davinci.platform.evaluation.harness.model import HarnessModel
from davinci.platform.evaluation.harness.quiet import quiet
from davinci.platform.evaluation.harness.snapshot import take_snapshot
from davinci.platform.evaluation.harness.suite import known
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.evaluation.subject import LoadedSubject

pytestmark = pytest.mark.filterwarnings("default")
"""The peer's own warnings are its own affair."""

ROLLING = """
task: rolling
dataset_path: json
dataset_kwargs: {data_files: {test: texts.jsonl}}
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: bits_per_byte}]
"""
CLOZE = """
task: cloze
dataset_path: json
dataset_kwargs: {data_files: {test: texts.jsonl}}
output_type: loglikelihood
test_split: test
doc_to_text: "{{text.rsplit(' ', 1)[0]}}"
doc_to_target: "{{' ' + text.rsplit(' ', 1)[1]}}"
metric_list: [{metric: perplexity}, {metric: acc}]
"""


def both(model: Qwen2ForCausalLM, tokenizer: Tokenizer, begin: bool) -> tuple[HarnessModel, HFLM]:
    """Return our model and the peer's, with or without the end of text before every context."""
    runtime = EvaluationRuntime(accelerator="cpu", max_tokens=20_000)
    ours = HarnessModel(
        LoadedSubject(model=model, tokenizer=tokenizer, runtime=runtime),
        begin_with_end_of_text=begin,
    )
    copy = Tokenizer.from_str(tokenizer.to_str())
    end = "<|endoftext|>"
    if begin:
        copy.post_processor = TemplateProcessing(single=f"{end} $A", special_tokens=[(end, 0)])
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=copy, eos_token=end, bos_token=end, pad_token=end
    )
    theirs = HFLM(
        pretrained=model, tokenizer=wrapped, batch_size=4, device="cpu", add_bos_token=begin
    )
    return ours, theirs


def samples_of(lm: Any, tasks: dict[str, Any]) -> dict[str, Sequence[dict[str, Any]]]:
    found = evaluate(
        lm=lm, task_dict={"tasks": tasks, "groups": {}}, bootstrap_iters=0, log_samples=True
    )
    assert found is not None
    return dict(found["samples"])


def answers(
    name: str, protocol: Any, shots: int, snapshot: Path, lm: Any, max_new: int = 0
) -> dict[str, Sequence[dict[str, Any]]]:
    with quiet():
        built = build_tasks(known(name), protocol, snapshot, shots)
        tasks = {}
        for task_name, (_, task) in built.items():
            task.set_fewshot_seed(seed=1234)
            if max_new and task.config.generation_kwargs is not None:
                task.config.generation_kwargs["max_gen_toks"] = max_new
            tasks[task_name] = task
        return samples_of(lm, tasks)


def assert_equal(
    ours: dict[str, Sequence[dict[str, Any]]], theirs: dict[str, Sequence[dict[str, Any]]]
) -> int:
    """Compare every item; return how many there were."""
    assert ours.keys() == theirs.keys()
    count = 0
    for name in ours:
        for mine, peer in zip(ours[name], theirs[name], strict=True):
            count += 1
            assert mine["arguments"] == peer["arguments"]
            assert mine["metrics"] == peer["metrics"]
            for metric in mine["metrics"]:
                if metric == "bypass":  # programs: what was written is compared below
                    continue
                assert mine[metric] == pytest.approx(peer[metric], rel=1e-4, abs=1e-3)
            for one, other in zip(mine["resps"], peer["resps"], strict=True):
                if isinstance(one[0], str):
                    assert one == other
                elif isinstance(one[0], float):
                    assert one[0] == pytest.approx(other[0], rel=1e-4)
                else:
                    assert one[0][0] == pytest.approx(other[0][0], rel=1e-4, abs=1e-3)
                    assert one[0][1] == other[0][1]
    return count


CASES = (
    ("hellaswag", "ppl", 0),
    ("winogrande", "ppl", 0),
    ("openbookqa", "ppl", 5),
    ("gpqa", "ppl", 5),
    ("mmlu_pro_stem", "ppl", 5),
    ("triviaqa", "ppl", 5),
    ("gsm8k", "ppl", 8),
    ("piqa", "generative", 0),
    ("triviaqa", "generative", 5),
    ("gsm8k", "generative", 8),
    ("math", "generative", 4),
    ("humaneval", "generative", 0),
    ("mbpp", "generative", 3),
)


@pytest.mark.parametrize("begin", [False, True])
@pytest.mark.parametrize(("name", "protocol", "shots"), CASES)
def test_every_item_is_answered_as_by_the_harness_itself(
    name: str,
    protocol: str,
    shots: int,
    begin: bool,
    mirror: Path,
    long_model: Qwen2ForCausalLM,
    tokenizer: Tokenizer,
    tmp_path: Path,
) -> None:
    take_snapshot(known(name), str(mirror), tmp_path, lambda *_: None)
    ours, theirs = both(long_model, tokenizer, begin)
    mine = answers(name, protocol, shots, tmp_path, ours, max_new=24)
    peers = answers(name, protocol, shots, tmp_path, theirs, max_new=24)
    assert assert_equal(mine, peers) >= 7
    assert not ours.unfit


@pytest.mark.parametrize("task", [ROLLING, CLOZE])
def test_texts_and_last_words_are_as_likely_as_to_the_harness_itself(
    task: str, model: Qwen2ForCausalLM, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    name = "rolling" if task is ROLLING else "cloze"
    (folder / f"{name}.yaml").write_text(task)
    # the first is longer than the context of 48 where it is read in windows
    first = "a b ab " * 30 if task is ROLLING else "a b ab "
    (folder / "texts.jsonl").write_text(f'{{"text": "{first}c"}}\n{{"text": "is ab or é?"}}\n')
    spec = known(str(folder / f"{name}.yaml"))
    take_snapshot(spec, "", tmp_path / "taken", lambda *_: None)
    ours, theirs = both(model, tokenizer, begin=False)
    built = {}
    for lm in (ours, theirs):
        tasks = {n: t for n, (_, t) in build_tasks(spec, "ppl", tmp_path / "taken", 0).items()}
        built[lm] = samples_of(lm, tasks)
    assert assert_equal(built[ours], built[theirs]) == 2


def test_an_item_that_does_not_fit_is_named_and_never_cut(
    mirror: Path, model: Qwen2ForCausalLM, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    take_snapshot(known("piqa"), str(mirror), tmp_path, lambda *_: None)
    runtime = dataclasses.replace(EvaluationRuntime(accelerator="cpu"), max_tokens=64)
    ours = HarnessModel(LoadedSubject(model=model, tokenizer=tokenizer, runtime=runtime))
    answers("piqa", "ppl", 0, tmp_path, ours)
    assert ours.unfit == {("piqa", place) for place in range(7)}
