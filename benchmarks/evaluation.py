"""How fast the engine answers: items/s beside lm-evaluation-harness's own Hugging Face backend.

    python benchmarks/evaluation.py [ITEMS]

One model of 11M parameters on this machine's processor, float32, the same requests through the same
interface of the harness, the peer with the best of three batch sizes:

    fixed examples    5-shot multiple choice, four options; all items have the same five examples
    drawn examples    the same, each item with five examples of its own
    generation        5-shot answers of up to 128 tokens that end at a stop word

Answers must be the same, item by item, and likelihoods within float tolerance.
"""

import logging
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from davinci.models.build import build_model
from davinci.models.settings import ModelSettings
from davinci.platform.evaluation.harness.model import HarnessModel
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.evaluation.subject import LoadedSubject

BATCH_SIZES = (1, 8, 32)
END = "<|endoftext|>"
DRAW = random.Random(0)
WORDS = [
    "".join(DRAW.choices("abcdefghijklmnopqrstuvwxyz", k=DRAW.randint(2, 7))) for _ in range(400)
]


def words(num: int) -> str:
    """Return made-up words."""
    return " ".join(DRAW.choices(WORDS, k=num))


def question() -> str:
    """Return the prompt of one item."""
    return f"Question: {words(25)}?\nAnswer:"


def option() -> str:
    """Return an answer."""
    return f" {words(DRAW.randint(3, 8))}"


def choices(num: int, *, fixed: bool) -> list[Instance]:
    """Return the requests of `num` items with four options."""
    examples = [question() + option() for _ in range(5)]
    found = []
    for item in range(num):
        own = examples if fixed else [question() + option() for _ in range(5)]
        context = "\n\n".join([*own, question()])
        found += [
            Instance("loglikelihood", {}, (context, option()), place, ("choice", item, 1))
            for place in range(4)
        ]
    return found


def answers(num: int) -> list[Instance]:
    """Return the requests of `num` answers that end at different lengths."""
    examples = [question() + option() for _ in range(5)]
    keywords = {"until": ["q", "\n\n"], "max_gen_toks": 128, "do_sample": False}
    return [
        Instance("generate_until", {}, ("\n\n".join([*examples, question()]), dict(keywords)), 0,
                 ("answer", item, 1))
        for item in range(num)
    ]  # fmt: skip


def make_tokenizer() -> Tokenizer:
    """Return a byte-level tokenizer trained on the made-up words."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=4000, special_tokens=[END], initial_alphabet=alphabet)
    made.train_from_iterator([words(50) for _ in range(400)], trainer)
    return made


def make_model(vocab_size: int) -> Qwen2ForCausalLM:
    """Return a model with random weights that are large enough to have opinions."""
    settings = ModelSettings(
        hidden_size=256, num_layers=8, num_heads=4, num_kv_heads=4, head_dim=64,
        intermediate_size=1376, vocab_size=vocab_size, context_length=1024, initializer_std=0.1,
    )  # fmt: skip
    made = build_model(settings, seed=0)
    made.train(False)
    return made


def timed(ask: Callable[[list[Instance]], Any], requests: list[Instance]) -> tuple[float, Any]:
    """Return seconds and answers."""
    begin = time.perf_counter()
    found = ask(requests)
    return time.perf_counter() - begin, found


def same(mine: Sequence[Any], theirs: Sequence[Any]) -> str:
    """Return in words how far the answers agree."""
    if isinstance(mine[0], str):
        equal = sum(a == b for a, b in zip(mine, theirs, strict=True))
        return f"{equal} of {len(mine)} answers the same"
    apart = max(abs(a[0] - b[0]) for a, b in zip(mine, theirs, strict=True))
    picks = sum(
        max(range(4), key=lambda i: mine[at + i][0])
        == max(range(4), key=lambda i: theirs[at + i][0])
        for at in range(0, len(mine), 4)
    )
    return f"{picks} of {len(mine) // 4} decisions the same, likelihoods within {apart:.1e} nats"


def main() -> None:
    """Measure and print."""
    num = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer.get_vocab_size())
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, bos_token=END, pad_token=END
    )
    runtime = EvaluationRuntime(accelerator="cpu")
    subject = LoadedSubject(model=model, tokenizer=tokenizer, runtime=runtime)
    ours = HarnessModel(subject, begin_with_end_of_text=False)
    size = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"{size:.0f}M parameters, {torch.get_num_threads()} threads, {num} items each")
    for name, requests, kind in (
        ("fixed examples", choices(num, fixed=True), "loglikelihood"),
        ("drawn examples", choices(num, fixed=False), "loglikelihood"),
        ("generation", answers(num), "generate_until"),
    ):
        getattr(ours, kind)(requests[:4])
        mine_s, mine = timed(getattr(ours, kind), requests)
        best_s, best_size, theirs = float("inf"), 0, None
        for batch_size in BATCH_SIZES:
            peer = HFLM(pretrained=model, tokenizer=wrapped, batch_size=batch_size, device="cpu")
            seconds, found = timed(lambda r: getattr(peer, kind)(r, disable_tqdm=True), requests)  # noqa: B023
            if seconds < best_s:
                best_s, best_size, theirs = seconds, batch_size, found
        assert theirs is not None
        print(
            f"{name:<15} ours {num / mine_s:7.1f} items/s   Hugging Face backend "
            f"{num / best_s:6.1f} (batches of {best_size})   {best_s / mine_s:.1f} x   "
            f"{same(mine, theirs)}"
        )


if __name__ == "__main__":
    main()
