"""Batches, paddings and caches change nothing: everything equals one sequence at a time."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Qwen2ForCausalLM

from davinci.models.build import build_model
from davinci.models.settings import ModelSettings
from davinci.platform.evaluation.generation import Request, generate
from davinci.platform.evaluation.prompts import encode_option, encode_prompt
from davinci.platform.evaluation.protocols import Subject, bits_per_byte
from davinci.platform.evaluation.scoring import token_nlls_nats
from davinci.platform.evaluation.settings import EvaluationRuntime

MERGES = [("Ċ", "Ġ"), ("ĊĠ", "Ġ"), ("Ġ", "a"), ("a", "b")]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Return a byte-level tokenizer with a few merges, two of them of white space."""
    names = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    names += [left + right for left, right in MERGES]
    vocab = {name: index for index, name in enumerate(names)}
    made = Tokenizer(models.BPE(vocab=vocab, merges=MERGES))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([names[0]])
    return made


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Qwen2ForCausalLM:
    """Return random weights, large enough that the model has firm opinions."""
    settings = ModelSettings(
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        head_dim=8,
        intermediate_size=48,
        vocab_size=tokenizer.get_vocab_size() + 3,
        context_length=48,
        initializer_std=0.4,
        tie_embeddings=False,
    )
    made = build_model(settings, seed=1)
    made.train(False)
    return made


def test_batched_likelihoods_equal_those_of_single_sequences(model: Qwen2ForCausalLM) -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.integers(0, 260, rng.integers(2, 49)).tolist() for _ in range(25)]
    batched = token_nlls_nats(model, sequences, max_logits=200 * 264)
    for sequence, nlls in zip(sequences, batched, strict=True):
        (alone,) = token_nlls_nats(model, [sequence], max_logits=1)
        with torch.inference_mode():
            logprobs = model(input_ids=torch.tensor([sequence])).logits[0].log_softmax(-1)
        expected = [-float(logprobs[i, token]) for i, token in enumerate(sequence[1:])]
        assert nlls == pytest.approx(alone, abs=1e-4)
        assert nlls == pytest.approx(expected, abs=1e-4)


def test_likelihoods_that_are_no_numbers_are_refused(model: Qwen2ForCausalLM) -> None:
    broken = build_broken(model)
    with pytest.raises(ValueError, match="finite"):
        token_nlls_nats(broken, [[1, 2, 3]], max_logits=10_000)


def build_broken(model: Qwen2ForCausalLM) -> Qwen2ForCausalLM:
    broken = Qwen2ForCausalLM(model.config)
    with torch.no_grad():
        broken.lm_head.weight.fill_(float("nan"))
    return broken


def test_a_uniform_model_needs_log_two_of_the_vocabulary_for_every_token(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    uniform = Qwen2ForCausalLM(model.config)
    with torch.no_grad():
        uniform.lm_head.weight.zero_()
    runtime = EvaluationRuntime(accelerator="cpu")
    subject = Subject(model=uniform, tokenizer=tokenizer, runtime=runtime)
    texts = ["xyz", "é" * 100, "ab"]
    outcomes, terse, worked = bits_per_byte(subject, "math", texts, ("worked", "terse", "worked"))
    bits = math.log2(tokenizer.get_vocab_size() + 3)
    # "xyz" is three tokens of a byte, "é" two of one, "ab" a single token of two bytes.
    assert outcomes.values == pytest.approx([bits, bits, bits / 2], rel=1e-5)
    assert outcomes.weights.tolist() == [3, 200, 2]
    assert outcomes.score == pytest.approx(204 * bits / 205, rel=1e-5)
    assert not outcomes.higher_is_better
    assert (terse.metric, worked.metric) == ("bits_per_byte_terse", "bits_per_byte_worked")
    assert terse.item_ids == outcomes.item_ids[1:2]
    assert worked.values.tolist() == [outcomes.values[0], outcomes.values[2]]
    assert worked.weights.tolist() == [3, 2]


def test_batched_answers_equal_transformers_own_greedy_search(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    texts = ["a", "what is ab", "x" * 30, "def f(a, b)", "1 + 2 =", "Question: ab ab?"]
    requests = [
        Request(prompt=encode_prompt(tokenizer, text), stop=(), max_new_tokens=12) for text in texts
    ]
    small = generate(model, tokenizer, requests, max_cache_bytes=1)
    together = generate(model, tokenizer, requests, max_cache_bytes=2**30)
    assert small == together
    for request, answer in zip(requests, together, strict=True):
        ids = torch.tensor([request.prompt.ids])
        theirs = model.generate(  # type: ignore[misc]
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            pad_token_id=0,
            suppress_tokens=list(range(tokenizer.get_vocab_size(), model.config.vocab_size)),
        )
        expected = tokenizer.decode(theirs[0, ids.shape[1] :].tolist(), skip_special_tokens=True)
        assert answer == expected


def test_an_answer_ends_before_its_stop(model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
    prompt = encode_prompt(tokenizer, "what is ab")
    free = Request(prompt=prompt, stop=(), max_new_tokens=20)
    (whole,) = generate(model, tokenizer, [free], max_cache_bytes=2**30)
    assert len(whole) > 4
    stop = whole[3:5]
    stopped = Request(prompt=prompt, stop=("not there", stop), max_new_tokens=20)
    (answer,) = generate(model, tokenizer, [stopped], max_cache_bytes=2**30)
    assert answer == whole[: whole.find(stop)]


def test_no_room_gives_no_answer(model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
    request = Request(prompt=encode_prompt(tokenizer, "a"), stop=(), max_new_tokens=0)
    assert generate(model, tokenizer, [request], max_cache_bytes=2**30) == [""]


def test_white_space_at_the_end_of_a_prompt_is_spelled_as_in_training(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    prompt = encode_prompt(tokenizer, "x:\n ")
    assert prompt.space == "\n "
    assert tokenizer.decode(list(prompt.ids), skip_special_tokens=True) == "x:"
    request = Request(prompt=prompt, stop=(), max_new_tokens=6)
    (answer,) = generate(model, tokenizer, [request], max_cache_bytes=2**30)
    whole = tokenizer.encode("x:\n " + answer, add_special_tokens=False).ids
    assert tokenizer.decode(whole) == "x:\n " + answer


def test_an_option_is_cut_off_where_the_words_of_the_prompt_end(tokenizer: Tokenizer) -> None:
    ids, num_option = encode_option(tokenizer, "x:\n", "  ab")
    # The line end and a space are one token, as they were in training text.
    assert tokenizer.decode(ids[-num_option:]) == "\n  ab"
    assert [tokenizer.decode([i]) for i in ids[-num_option:]] == ["\n ", " a", "b"]
    joined, num_joined = encode_option(tokenizer, "is", " ab")
    assert tokenizer.decode(joined[-num_joined:]) == " ab"


def test_lengths_of_batches_rise(model: Qwen2ForCausalLM) -> None:
    sequences = [[1] * length for length in (9, 3, 7, 3)]
    results = token_nlls_nats(model, sequences, max_logits=12 * 264)
    assert [len(row) for row in results] == [8, 2, 6, 2]
    assert all(a is not b for a, b in pairwise(results))
