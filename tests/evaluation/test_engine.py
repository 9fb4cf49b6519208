"""Batches, paddings and caches change nothing: everything equals one sequence at a time."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from davinci.platform.evaluation.engine.generation import Request, _draw, generate
from davinci.platform.evaluation.engine.likelihood import Question, score_continuations
from davinci.platform.evaluation.engine.passes import value_bytes_per_token
from davinci.platform.evaluation.engine.prefixes import group_by_prefix
from davinci.platform.evaluation.engine.rolling import token_nlls_nats
from davinci.platform.evaluation.prompts import encode_option, encode_prompt
from davinci.platform.evaluation.protocols import bits_per_byte
from davinci.platform.evaluation.settings import EvaluationRuntime
from davinci.platform.evaluation.subject import LoadedSubject


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
    subject = LoadedSubject(model=uniform, tokenizer=tokenizer, runtime=runtime)
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
    requests = [request(tokenizer, text, 12) for text in texts]
    small = generate(model, tokenizer, requests, max_cache_bytes=1, max_tokens=64)
    together = generate(model, tokenizer, requests, max_cache_bytes=2**30, max_tokens=64)
    assert small == together
    for asked, answer in zip(requests, together, strict=True):
        ids = torch.tensor([asked.ids])
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
    free = request(tokenizer, "what is ab", 20)
    (whole,) = generate(model, tokenizer, [free], max_cache_bytes=2**30, max_tokens=64)
    assert len(whole) > 4
    stop = whole[3:5]
    stopped = request(tokenizer, "what is ab", 20, ("not there", stop))
    (answer,) = generate(model, tokenizer, [stopped], max_cache_bytes=2**30, max_tokens=64)
    assert answer == whole[: whole.find(stop)]


def test_no_room_gives_no_answer(model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
    asked = request(tokenizer, "a", 0)
    assert generate(model, tokenizer, [asked], max_cache_bytes=2**30, max_tokens=64) == [""]


def test_white_space_at_the_end_of_a_prompt_is_spelled_as_in_training(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    prompt = encode_prompt(tokenizer, "x:\n ")
    assert prompt.space == "\n "
    assert tokenizer.decode(list(prompt.ids), skip_special_tokens=True) == "x:"
    asked = request(tokenizer, "x:\n ", 6)
    (answer,) = generate(model, tokenizer, [asked], max_cache_bytes=2**30, max_tokens=64)
    whole = tokenizer.encode("x:\n " + answer, add_special_tokens=False).ids
    assert tokenizer.decode(whole) == "x:\n " + answer


def test_an_option_is_cut_off_where_the_words_of_the_prompt_end(tokenizer: Tokenizer) -> None:
    before, option = encode_option(tokenizer, "x:\n", "  ab")
    # The line end and a space are one token, as they were in training text.
    assert tokenizer.decode(list(before), skip_special_tokens=True) == "x:"
    assert [tokenizer.decode([i]) for i in option] == ["\n ", " a", "b"]
    _, joined = encode_option(tokenizer, "is", " ab")
    assert tokenizer.decode(list(joined)) == " ab"


def test_lengths_of_batches_rise(model: Qwen2ForCausalLM) -> None:
    sequences = [[1] * length for length in (9, 3, 7, 3)]
    results = token_nlls_nats(model, sequences, max_logits=12 * 264)
    assert [len(row) for row in results] == [8, 2, 6, 2]
    assert all(a is not b for a, b in pairwise(results))


def test_questions_of_one_context_and_of_its_beginning_each_read_something(
    model: Qwen2ForCausalLM,
) -> None:
    context = tuple(np.random.default_rng(6).integers(1, 260, 30).tolist())
    asked = [
        Question(context, ((5, 6),)),
        Question(context, ((7,),)),
        Question(context[:25], ((5,),)),
    ]
    together = score_continuations(model, asked, max_tokens=4096, max_logits=10**6)
    for question, found in zip(asked, together, strict=True):
        [alone] = score_continuations(model, [question], max_tokens=4096, max_logits=10**6)
        assert found[0].logprob_nats == pytest.approx(alone[0].logprob_nats, abs=1e-4)


def test_a_question_of_very_many_options_is_asked_in_parts(
    model: Qwen2ForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    options = tuple(tuple(rng.integers(1, 260, rng.integers(1, 9)).tolist()) for _ in range(40))
    asked = [Question((0,), options), Question((0, 7), options[:2])]
    told: list[int] = []
    whole = score_continuations(model, asked, max_tokens=4096, max_logits=10**6)
    monkeypatch.setattr("davinci.platform.evaluation.engine.likelihood.MAX_ROW_TOKENS", 20)
    parts = score_continuations(model, asked, max_tokens=40, max_logits=10**6, progress=told.append)
    assert told[-1] == 2
    assert len(told) > 5, "all options stand in few rows"
    for one, other in zip(whole, parts, strict=True):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert left.logprob_nats == pytest.approx(right.logprob_nats, abs=1e-4)
            assert left.greedy == right.greedy


def request(
    tokenizer: Tokenizer, text: str, num_tokens: int, stop: tuple[str, ...] = ()
) -> Request:
    prompt = encode_prompt(tokenizer, text)
    return Request(
        ids=prompt.ids,
        space=prompt.space,
        stop=stop,
        max_new_tokens=num_tokens,
        end_ids=frozenset({prompt.end_id}),
    )


def questions(num: int, shared: int) -> list[Question]:
    rng = np.random.default_rng(5)
    beginning = tuple(rng.integers(1, 260, shared).tolist())
    found = []
    for _ in range(num):
        own = tuple(rng.integers(1, 260, rng.integers(1, 48 - shared - 8)).tolist())
        lengths = rng.integers(1, 9, rng.integers(1, 5))
        options = tuple(tuple(rng.integers(1, 260, length).tolist()) for length in lengths)
        found.append(Question(beginning + own, options))
    return found


@pytest.mark.parametrize("shared", [0, 20, 30])
@pytest.mark.parametrize("max_tokens", [1, 200, 10_000])
def test_continuations_in_one_row_are_as_likely_as_each_alone(
    model: Qwen2ForCausalLM, shared: int, max_tokens: int
) -> None:
    asked = questions(23, shared)
    found = score_continuations(model, asked, max_tokens=max_tokens, max_logits=50 * 264)
    for question, likelihoods in zip(asked, found, strict=True):
        assert len(likelihoods) == len(question.continuations)
        for continuation, likelihood in zip(question.continuations, likelihoods, strict=True):
            ids = torch.tensor([question.context + continuation])
            with torch.inference_mode():
                logprobs = model(input_ids=ids).logits[0].log_softmax(-1)
            places = range(len(question.context) - 1, ids.shape[1] - 1)
            wanted = sum(float(logprobs[i, ids[0, i + 1]]) for i in places)
            greedy = all(int(logprobs[i].argmax()) == int(ids[0, i + 1]) for i in places)
            assert likelihood.logprob_nats == pytest.approx(wanted, abs=1e-3)
            assert likelihood.greedy == greedy


def test_what_greedy_decoding_writes_is_called_greedy(model: Qwen2ForCausalLM) -> None:
    context: tuple[int, ...] = (0, 5, 77)
    written: tuple[int, ...] = ()
    with torch.inference_mode():
        for _ in range(4):
            logits = model(input_ids=torch.tensor([context + written])).logits[0, -1]
            written = (*written, int(logits.argmax()))
    other = (*written[:-1], (written[-1] + 1) % 200)
    [[same, changed]] = score_continuations(
        model, [Question(context, (written, other))], max_tokens=64, max_logits=2**20
    )
    assert same.greedy
    assert not changed.greedy


def test_continuations_of_a_broken_model_are_refused(model: Qwen2ForCausalLM) -> None:
    with pytest.raises(ValueError, match="finite"):
        score_continuations(
            build_broken(model), [Question((1, 2), ((3,),))], max_tokens=64, max_logits=2**20
        )


def test_answers_of_a_broken_model_are_refused(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    asked = request(tokenizer, "a", 3)
    with pytest.raises(ValueError, match="finite"):
        generate(build_broken(model), tokenizer, [asked], max_cache_bytes=2**30, max_tokens=64)


@pytest.mark.parametrize("num_slots", [1, 3, 40])
def test_answers_do_not_depend_on_who_else_is_answered(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer, num_slots: int
) -> None:
    beginning = "one two three four five "
    texts = [f"{beginning}{'x' * (n % 7)}{n}" for n in range(17)] + ["q", "another one", "z" * 20]
    asked = [
        request(tokenizer, text, 3 + n % 9, ("a",) if n % 2 else ()) for n, text in enumerate(texts)
    ]
    one_slot = value_bytes_per_token(model) * max(len(r.ids) + r.max_new_tokens for r in asked)
    together = generate(
        model, tokenizer, asked, max_cache_bytes=num_slots * one_slot, max_tokens=80
    )
    alone = [
        generate(model, tokenizer, [one], max_cache_bytes=2**30, max_tokens=80)[0] for one in asked
    ]
    assert together == alone


def test_draws_are_seeded_per_answer_and_as_warm_as_asked(
    model: Qwen2ForCausalLM, tokenizer: Tokenizer
) -> None:
    def drawn(num: int, **words: float) -> list[str]:
        plain = request(tokenizer, "what is ab", 4)
        asked = [replace(plain, seed=seed, **words) for seed in range(num)]  # type: ignore[arg-type]
        return generate(model, tokenizer, asked, max_cache_bytes=2**30, max_tokens=64)

    (greedy,) = drawn(1)
    assert drawn(40, temperature=1.0)[:10] == drawn(10, temperature=1.0)
    assert len(set(drawn(40, temperature=1.0))) > 5
    assert set(drawn(10, temperature=1e-3)) == {greedy}
    assert set(drawn(10, temperature=1.0, top_p=1e-6)) == {greedy}


def test_a_draw_follows_the_probabilities() -> None:
    logits = torch.log(torch.tensor([0.5, 0.3, 0.2]))
    asked = Request(
        ids=(1,), stop=(), max_new_tokens=1, end_ids=frozenset(), temperature=1.0, top_p=0.75
    )
    draws = np.random.default_rng(0)
    counts = np.bincount([_draw(logits, asked, draws) for _ in range(4000)], minlength=3)
    # the two likeliest reach 0.75 together, so the third is never drawn
    assert counts[2] == 0
    assert counts[0] / 4000 == pytest.approx(0.5 / 0.8, abs=0.03)


def test_groups_share_all_that_their_members_begin_with() -> None:
    shared = list(range(30))
    sequences = [[*shared, 1, 2], [99, 98], [*shared, 1, 3], [*shared, 7], [99, 98]]
    groups = {group.members: group.length for group in group_by_prefix(sequences)}
    assert groups == {(0, 2, 3): 30, (1,): 0, (4,): 0}
    # the last token is everyone's own to read
    same = group_by_prefix([shared, shared])
    assert [(group.members, group.length) for group in same] == [((0, 1), 29)]
