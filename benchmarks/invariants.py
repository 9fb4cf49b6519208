"""How often the checks of L4, L5 and L6 miss a planted violation, and how often they cry wolf.

    python benchmarks/invariants.py [--planted 400] [--documents 200] [--texts 1600] [--seed 1]

Faithful edits (`faithful_pairs.py`) give the false alarms. One violation at a time is planted into
the same edits (`planted_violations.py`); each kind names the check that should catch it. Intervals
are Wilson's, at 95 %. The checks were made while looking at seed 0. The tables are in Markdown.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from random import Random
from time import process_time
from typing import NamedTuple

import planted_phrases as phrases
import planted_violations as plant
from faithful_pairs import Pair, microworld_pairs, prose_pairs
from planted_violations import Plant, appended, in_pair, inserted, replaced, swapped, without

from davinci.data_levels.levels.faithful import faithfulness
from davinci.data_levels.levels.operator import Check
from davinci.data_levels.settings import CompletionSettings, ContextSettings, RefinementSettings

CHECKS: Mapping[str, Mapping[str, Check]] = {
    "L4": faithfulness.refinement_checks(RefinementSettings()),
    "L4 rewrite": faithfulness.refinement_checks(RefinementSettings(mode="rewrite")),
    "L5": faithfulness.completion_checks(CompletionSettings()),
    "L5 qa": faithfulness.completion_checks(CompletionSettings(task="qa")),
    "L6": faithfulness.context_checks(ContextSettings()),
}
Row = tuple[str, str, Plant]
"""A kind of violation, the check that should catch it ("" where none claims to), its planter."""

_ALL: tuple[Row, ...] = (
    ("talks of its task in a known phrase", "no_chat_residue", plant.wrapped(phrases.CHAT)),
    ("talks of its task in another phrase", "", plant.wrapped(phrases.OTHER_CHAT)),
    ("takes a negation away", "", replaced(plant.A_NEGATION, "")),
    ("swaps two numbers", "", swapped(plant.A_NUMBER)),
    ("swaps two names", "", swapped(plant.A_NAME)),
)
_FENCED = "```\nfor walrus in range(10):\n    feed(walrus)\n```"
_ONE_MORE = phrases.CONTINUATION.partition(". ")[0] + "."
VIOLATIONS: Mapping[str, tuple[Row, ...]] = {
    "L4": (
        ("changes a digit of a number", "adds_no_numbers", plant.changed_digit),
        ("adds a number", "adds_no_numbers", inserted("(about {number})")),
        ("repeats a number", "adds_no_numbers", inserted(plant.repeated_number)),
        ("puts a minus before a number", "adds_no_numbers", replaced(plant.A_NUMBER, "-{0}")),
        ("adds a formula", "adds_no_formulas", inserted("Thus $q^2 = 7w + z$.")),
        ("alters a sign in a formula", "adds_no_formulas", plant.altered_formula),
        ("adds a block of code", "adds_no_code", inserted(_FENCED, gap="\n\n")),
        ("alters a name in a line of code", "adds_no_code", plant.altered_code),
        ("adds a new name", "adds_no_entities", inserted("This is due to {name}.")),
        ("puts a new name for another", "adds_no_entities", replaced(plant.A_NAME, "{name}")),
        ("adds an acronym", "adds_no_entities", inserted("This is called QZX.")),
        ("begins a sentence with a new name", "", inserted("{name} said this.")),
        ("adds a sentence of new words", "adds_no_words", inserted(plant.new_sentence)),
        ("replaces a fifth of the words", "adds_no_words", plant.replaced_words(0.2)),
        ("replaces one word", "", plant.replaced_words(0.0)),
        ("adds a sentence of old words", "adds_no_sentences", inserted(plant.shuffled_sentence)),
        ("negates a sentence", "adds_no_negations", replaced(plant.A_VERB, "{0} not")),
        ("says everything twice", "length_within_bounds", plant.repeated(2)),
        ("keeps the first 2 %", "length_within_bounds", plant.first_part(0.02)),
        ("keeps the first half", "", plant.first_part(0.5)),
        ("deletes all LaTeX", "keeps_protected", without("LaTeX", all_of_them=True)),
        ("deletes all code", "keeps_protected", without("code", all_of_them=True)),
        ("deletes all tables", "keeps_protected", without("table rows", all_of_them=True)),
        ("deletes one line of code", "", without("code")),
        *_ALL,
    ),
    "L4 rewrite": (
        ("changes a digit of a number", "adds_no_numbers", plant.changed_digit),
        ("adds a formula", "adds_no_formulas", inserted("Thus $q^2 = 7w + z$.")),
        ("adds a block of code", "adds_no_code", inserted(_FENCED, gap="\n\n")),
        ("adds a new name", "adds_no_entities", inserted("This is due to {name}.")),
        ("adds a sentence of new words", "adds_no_words", inserted(plant.new_sentence)),
        ("replaces two fifths of the words", "adds_no_words", plant.replaced_words(0.4)),
        ("replaces a fifth of the words", "", plant.replaced_words(0.2)),
        ("adds a sentence of old words", "", inserted(plant.shuffled_sentence)),
        ("negates a sentence", "", replaced(plant.A_VERB, "{0} not")),
        ("says everything twice", "length_within_bounds", plant.repeated(2)),
        ("keeps the first third", "length_within_bounds", plant.first_part(0.33)),
        ("deletes all LaTeX", "keeps_protected", without("LaTeX", all_of_them=True)),
        ("deletes all code", "keeps_protected", without("code", all_of_them=True)),
        *_ALL,
    ),
    "L5": (
        ("leaves out a number", "keeps_numbers", plant.lost_number),
        ("alters a sign in a formula", "keeps_formulas", plant.altered_formula),
        ("leaves out a formula", "keeps_formulas", without("formulas")),
        ("leaves out a line of code", "keeps_code", without("code")),
        ("leaves out a function", "keeps_code", without("functions")),
        ("leaves out a heading", "keeps_headings", without("headings")),
        (
            "leaves out the first sentence",
            "begins_where_source_begins",
            plant.without_sentence("first"),
        ),
        ("leaves out the last sentence", "ends_where_source_ends", plant.without_sentence("last")),
        ("leaves out a sentence between", "keeps_sentences", plant.without_sentence("middle")),
        ("goes on for five sentences", "ends_where_source_ends", appended(phrases.CONTINUATION)),
        ("goes on for one sentence", "", appended(_ONE_MORE)),
        ("keeps the first half", "not_shortened", plant.first_part(0.5)),
        ("adds a false sum", "contradicts_no_equation", inserted(plant.false_sum)),
        ("gets a sum wrong", "contradicts_no_equation", replaced(plant.A_SUM, plant.wrong_sum)),
        ("points at its source", "self_contained", inserted(plant.pointer)),
        ("invents a fact", "", inserted("This is due to {name}.")),
        ("negates a sentence", "", replaced(plant.A_VERB, "{0} not")),
        *_ALL,
    ),
    "L5 qa": (
        ("holds no pair", "has_pairs", plant.unlabelled),
        ("answers with a new number", "answers_grounded", in_pair(answer="{a} It is {number}.")),
        ("answers with a new name", "answers_grounded", in_pair(answer="{a} See {name}.")),
        ("adds a false sum", "contradicts_no_equation", in_pair(answer="{a} {false_sum}")),
        ("points at a text", "questions_stand_alone", in_pair(question="{pointing} {q}")),
        ("answers another question", "", in_pair(answer="Nobody can tell.")),
    ),
    "L6": (
        ("says everything five times", "added_within_limit", plant.repeated(5)),
        ("leaves out a number", "keeps_numbers", plant.lost_number),
        *_ALL,
    ),
}


class Rate(NamedTuple):
    """How many of how many."""

    hits: int
    total: int

    def __str__(self) -> str:
        """Return the rate in per cent with its interval."""
        if not self.total:
            return "-"
        low, high = wilson(self.hits, self.total)
        return f"{self.hits / self.total:.1%} [{low:.1%}, {high:.1%}]".replace("%", "")


class Catch(NamedTuple):
    """What became of the planted violations of one kind.

    Attributes:
        caught: By the check that should; by any check where none claims to.
        caught_by_any: By whichever check.
    """

    level: str
    kind: str
    check: str
    planted: int
    caught: int
    caught_by_any: int


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return the score interval of a share. Source: Wilson (1927)."""
    share, spread = hits / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def bases(num_documents: int, num_texts: int, seed: int = 0) -> dict[str, dict[str, list[Pair]]]:
    """Return the faithful pairs by base and level. L6 is asked about additions that are L5's."""
    pairs = {
        "microworld": microworld_pairs(num_documents, seed),
        "prose": prose_pairs(num_texts, seed),
    }
    pairs["prose"]["L6"] = pairs["prose"]["L5"]
    return pairs


def false_alarms(level: str, pairs: Sequence[Pair]) -> dict[str, Rate]:
    """Return for each check of a level how many of the faithful pairs it complains about."""
    return {
        name: Rate(sum(bool(check(*pair)) for pair in pairs), len(pairs))
        for name, check in CHECKS[level].items()
    }


def megabytes_per_s(level: str, pairs: Sequence[Pair]) -> float:
    """Return how much source text a level's checks get through in a second of one core."""
    started = process_time()
    false_alarms(level, pairs)
    num_bytes = sum(len(pair.before.text.encode()) for pair in pairs)
    return num_bytes / 1e6 / (process_time() - started)


def catches(pairs: Mapping[str, Mapping[str, Sequence[Pair]]], num_planted: int) -> Iterator[Catch]:
    """Yield for each kind of violation how many are caught, of at most so many planted."""
    for level, rows in VIOLATIONS.items():
        faithful = [pair for base in pairs.values() for pair in base.get(level, ())]
        Random(level).shuffle(faithful)
        for kind, check, planter in rows:
            yield _catch(level, (kind, check, planter), faithful, num_planted)


def _catch(level: str, row: Row, faithful: Sequence[Pair], num_planted: int) -> Catch:
    kind, check, planter = row
    planted = caught = caught_by_any = 0
    for index, pair in enumerate(faithful):
        text = planter(pair, Random(f"{level}/{kind}/{index}"))
        if text is None or text == pair.after.text or planted == num_planted:
            continue
        broken = replace(pair.after, text=text)
        rules = [name for name, rule in CHECKS[level].items() if rule(pair.before, broken)]
        planted += 1
        caught += check in rules if check else bool(rules)
        caught_by_any += bool(rules)
    return Catch(level, kind, check, planted, caught, caught_by_any)


def tables(pairs: Mapping[str, Mapping[str, Sequence[Pair]]], num_planted: int) -> Iterator[str]:
    """Yield the lines of both tables, in Markdown."""
    yield "| level | planted violation | caught by | n | missed, % | missed by all checks, % |"
    yield "|---|---|---|---:|---:|---:|"
    for one in catches(pairs, num_planted):
        missed = Rate(one.planted - one.caught, one.planted)
        by_all = Rate(one.planted - one.caught_by_any, one.planted)
        check = f"`{one.check}`" if one.check else "no check claims to"
        yield f"| {one.level} | {one.kind} | {check} | {one.planted} | {missed} | {by_all} |"
    yield ""
    yield "| level | check | " + " | ".join(f"false alarms, {base}, %" for base in pairs) + " |"
    yield "|---|---|" + "---:|" * len(pairs)
    for level in CHECKS:
        alarms = [false_alarms(level, base.get(level, ())) for base in pairs.values()]
        for name in CHECKS[level]:
            rates = " | ".join(f"{base[name]}" for base in alarms)
            yield f"| {level} | `{name}` | {rates} |"
    yield ""
    base = pairs["prose"]
    sizes = (
        f"{len(base[level])} {level} ({name})" for name, base in pairs.items() for level in base
    )
    yield f"Faithful edits: {', '.join(sizes)}."
    speeds = (
        f"{level} {megabytes_per_s(level, base[level]):.1f}" for level in CHECKS if level in base
    )
    yield f"Speed on prose, all checks of a level, MB/s of source text: {', '.join(speeds)}."


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--planted", type=int, default=400, help="violations of each kind, at most")
    parser.add_argument("--documents", type=int, default=200, help="microworld's, each domain")
    parser.add_argument("--texts", type=int, default=1600, help="docstrings and descriptions")
    parser.add_argument("--seed", type=int, default=1, help="which world, which texts")
    asked = parser.parse_args()
    for line in tables(bases(asked.documents, asked.texts, asked.seed), asked.planted):
        print(line)


if __name__ == "__main__":
    main()
