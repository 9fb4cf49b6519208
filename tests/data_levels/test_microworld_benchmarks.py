"""The microworld's benchmarks: graded, fairly asked, and not to be guessed without the question."""

import re
from collections.abc import Iterator

import pytest

from davinci.data_levels.sources.microworld.source import Microworld
from davinci.data_levels.sources.microworld.world import RIVAL
from davinci.data_levels.sources.source import Item, SourceSettings


def microworld(seed: int = 0) -> Microworld:
    return Microworld(SourceSettings(name="microworld", world_seed=seed))


def items() -> Iterator[Item]:
    for benchmark in microworld().held_out().benchmarks:
        yield from benchmark.items


def test_each_benchmark_has_options_with_one_right_one_and_an_honest_chance() -> None:
    for benchmark in microworld().held_out().benchmarks:
        assert benchmark.name == f"microworld_{benchmark.domain}"
        assert 100 <= len(benchmark.items) <= 150
        assert len({item.id for item in benchmark.items}) == len(benchmark.items)
        for item in benchmark.items:
            assert len(item.options) == len(set(item.options)) == 4
            assert 1 / len(item.options) == benchmark.chance
            right = item.options[item.gold]
            assert right == item.answer if item.check == "execute" else item.final in right


def test_items_are_graded_from_one_to_four_steps() -> None:
    by_domain = {b.domain: b.items for b in microworld().held_out().benchmarks}
    for domain in ("math", "science"):
        assert [item.steps for item in by_domain[domain]] == [
            n for n in (1, 2, 3, 4) for _ in range(28)
        ]
        for item in by_domain[domain]:
            assert len(item.answer.split("\n")) == item.steps + 1


def test_facts_are_asked_in_three_forms_equally_often_at_every_difficulty() -> None:
    (general,) = [b for b in microworld().held_out().benchmarks if b.domain == "general"]
    for steps, count in ((1, 80), (2, 40)):
        prompts = [item.prompt for item in general.items if item.steps == steps]
        assert len(prompts) == count
        forms = [sum(map(form, prompts)) for form in (is_sentence, is_question, is_note)]
        assert sum(forms) == count
        assert max(forms) - min(forms) <= 1
    assert {item.check for item in general.items} == {"exact"}


def is_sentence(prompt: str) -> bool:
    return re.fullmatch(r"The \w+ of (the rival of )?\w+ is", prompt) is not None


def is_question(prompt: str) -> bool:
    return prompt.startswith("Question: ") and prompt.endswith("?\nAnswer:")


def is_note(prompt: str) -> bool:
    return re.fullmatch(r"\w+: (rival )?\w+", prompt) is not None


def test_an_answer_is_as_often_right_as_chance_whatever_the_question() -> None:
    """Items that share their options have a different right one each."""
    for benchmark in microworld().held_out().benchmarks:
        if benchmark.domain == "code":
            continue
        for first in range(0, len(benchmark.items), 4):
            quartet = benchmark.items[first : first + 4]
            finals = {item.final for item in quartet}
            assert len(finals) == 4
            for item in quartet:
                assert {option.rstrip(".").split()[-1] for option in item.options} == finals


def test_no_town_is_an_option_for_its_own_rival() -> None:
    for item in items():
        asked = re.search(rf"(?:{RIVAL} of (\w+)\b|(\w+): {RIVAL}$)", item.prompt)
        if asked and item.steps == 1:
            town = asked[1] or asked[2]
            assert not any(option.rstrip(".").endswith(f" {town}") for option in item.options)


def test_the_right_code_is_not_the_option_nearest_to_the_others() -> None:
    """A choice by likeness alone is right about as often as chance, over ten worlds."""
    rates: list[float] = []
    for seed in range(10):
        (code,) = [b for b in microworld(seed).held_out().benchmarks if b.domain == "code"]
        for item in code.items:
            lines = [option.split("\n") for option in item.options]
            far = [
                sum(a != b for other in lines for a, b in zip(one, other, strict=True))
                for one in lines
            ]
            nearest = [index for index, distance in enumerate(far) if distance == min(far)]
            rates.append((item.gold in nearest) / len(nearest))
    assert sum(rates) / len(rates) == pytest.approx(0.25, abs=0.04)


def test_a_floor_is_what_one_answer_for_all_items_scores() -> None:
    by_domain = {b.domain: b for b in microworld().held_out().benchmarks}
    for domain in ("general", "math", "science", "qa"):
        finals = [item.final for item in by_domain[domain].items]
        assert by_domain[domain].floor == max(map(finals.count, finals)) / len(finals)
    code = by_domain["code"]
    identity = [
        parts[1] == parts[2]
        for item in code.items
        for test in item.tests
        if (parts := re.fullmatch(r"assert \w+\((\d+)\) == (-?\d+)", test))
    ]
    assert code.floor == sum(identity) / len(identity)
    assert 0 < code.floor < 0.2


def test_items_that_share_a_law_an_attribute_or_operations_share_a_cluster() -> None:
    by_domain = {b.domain: b.items for b in microworld().held_out().benchmarks}
    assert {item.cluster for item in by_domain["math"]} == {""}
    assert len({item.cluster for item in by_domain["science"]}) == 8
    assert len({item.cluster for item in by_domain["general"]}) == 6 + 5
    for item in by_domain["science"]:
        assert item.options[0].startswith(f"The {item.cluster.removeprefix('law ')} is")
    for item in by_domain["code"]:
        assert len(item.cluster.split()) == item.steps


def test_the_right_code_passes_every_test_and_no_other_option_does() -> None:
    (code,) = [b for b in microworld().held_out().benchmarks if b.domain == "code"]
    for item in code.items[::7]:
        passed = [
            all(passes(item.prompt + option, test) for test in item.tests)
            for option in item.options
        ]
        assert passed == [index == item.gold for index in range(4)]


def passes(source: str, test: str) -> bool:
    names: dict[str, object] = {}
    exec(compile(source, "item", "exec"), names)
    try:
        exec(compile(test, "test", "exec"), names)
    except AssertionError:
        return False
    return True
