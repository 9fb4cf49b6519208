"""The fixed words of a report: its question, its caveats, its glossary."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from davinci.ablations.findings import SweepComparison
from davinci.ablations.wording import count, listed
from davinci.platform.store.records import Sweep
from davinci.reports.contamination import contamination_caveats
from davinci.reports.filters import name


class Term(NamedTuple):
    """One entry of the glossary; `key` is its anchor."""

    key: str
    name: str
    meaning: str


GLOSSARY: tuple[Term, ...] = (
    Term(
        "bpb",
        "bits per byte",
        "How many bits the model needs per UTF-8 byte of held-out clean text. Lower is better; it "
        "does not depend on the tokenizer, and is the quietest of the metrics.",
    ),
    Term(
        "ppl",
        "ppl (likelihood ranking)",
        "The model does not write: the answer option to which it gives the highest likelihood "
        "counts as its answer.",
    ),
    Term(
        "generative",
        "generative (free answers)",
        "The model writes an answer, greedily; the answer is checked, or executed if it is code.",
    ),
    Term(
        "seed",
        "seed",
        "Number that fixes initialisation and data order of one training run. Runs that differ in "
        "the seed alone are repetitions; how far they differ is the noise.",
    ),
    Term(
        "world",
        "world",
        "Number that fixes a procedural data source, its facts and its items. Another world is a "
        "repetition with other documents and other items.",
    ),
    Term(
        "interval",
        "95 % interval",
        "Computed so that 95 of 100 such intervals contain the value that would be found with "
        "many seeds and many items: both are treated as random samples (two-way analysis of "
        "variance, Satterthwaite's degrees of freedom). Items of one cluster count as one. With "
        "three or more worlds, worlds are what is repeated; with two, the interval holds for "
        "these two.",
    ),
    Term(
        "cluster",
        "cluster",
        "Items that share what makes them hard, such as the law they apply. They are clones rather "
        "than independent evidence, so intervals treat the cluster as the unit.",
    ),
    Term(
        "floor",
        "floor",
        "Score without any skill: random guessing where options are ranked, the best answer that "
        "ignores the question where answers are free. A score whose interval includes it is at the "
        "floor: nothing shows that the model has learnt it.",
    ),
    Term(
        "control",
        "options alone",
        "Accuracy when each item's options are ranked after another item's prompt: what the "
        "options give away without their question.",
    ),
    Term(
        "difference",
        "difference",
        "Arm minus baseline, paired by seed and by item, in units of the score.",
    ),
    Term(
        "corrected",
        "corrected p",
        "Chance of a difference at least as large if there were none, corrected for the number of "
        "comparisons made together (Benjamini-Hochberg).",
    ),
    Term(
        "resolved",
        "resolved",
        "Corrected p below .05, the interval excludes 0, and at least 3 seeds. "
        "“Not resolved” means that this experiment cannot tell, not that there is no difference.",
    ),
    Term(
        "settle",
        "would settle it",
        "Seeds per arm that would find a true difference as large as the one seen here in 80 of "
        "100 repetitions, before any correction.",
    ),
    Term(
        "detectable",
        "detectable",
        "Smallest true difference that this design finds in 80 of 100 repetitions, before any "
        "correction.",
    ),
    Term(
        "swing",
        "swing and reversal",
        "Swing: the interaction is resolved, and the two protocols point in opposite directions. "
        "Reversal: a swing whose two differences are both resolved by themselves.",
    ),
    Term(
        "reversal",
        "reversal and swing of a pair",
        "Reversal: two arms whose differences are significant under both protocols, with opposite "
        "signs. Swing: opposite signs, but not both significant.",
    ),
    Term(
        "signal",
        "signal",
        "Spread of the arms' true scores: that of their means, less what seeds explain of it.",
    ),
    Term(
        "noise",
        "noise",
        "Seed noise: spread of a score over seeds within an arm. Checkpoint noise: spread of the "
        "last checkpoints around their own line. Item noise: standard error of one run's score "
        "from the choice of items.",
    ),
    Term(
        "monotone",
        "monotone",
        "Rank correlation of score and trained tokens, mean over runs: 1 if every checkpoint is "
        "better than the one before.",
    ),
    Term(
        "kendall",
        "Kendall and Spearman",
        "Rank correlations of the two protocols over the arms: 1 if both rank them alike, -1 if "
        "one ranks them the other way round, 0 if one says nothing of the other.",
    ),
    Term(
        "interaction",
        "interaction",
        "Difference in free answers minus difference in ranking, on the same seeds and items; "
        "corrected over all arms and benchmarks of the sweep.",
    ),
    Term(
        "levels",
        "L0 to L5",
        "Depth of processing: L0 raw, L1 extracted text, L2 rules and near-duplicate removal, "
        "L3 classifier, L4 refined by a teacher, L5 steps spelled out by a teacher.",
    ),
    Term(
        "teacher",
        "teacher",
        "The writer behind L4 and L5: a language model, or a stand-in that plays its part.",
    ),
    Term(
        "dirty",
        "dirty item",
        "Item whose question stands word for word in a single document that was trained on; or, if "
        "it is a held-out text or the question has 50 words, half of its runs of 13 words do. All "
        "others are clean.",
    ),
    Term("epochs", "epochs", "Passes over a domain's corpus. Above 4, repeated data teach little."),
)

PROTOCOL_TITLES: Mapping[str, str] = {
    "bpb": "Held-out text: bits per byte",
    "ppl": "Likelihood ranking (ppl)",
    "generative": "Free answers (generative)",
}


def axis_words(axis: str) -> str:
    """Return an axis as words: `data.level` is `data level`."""
    return name(axis).replace("_", " ").replace(".", " ")


def question(sweep: Sweep) -> str:
    """Return the declared question, or what was varied, as one."""
    if sweep.provenance.get("external"):
        return sweep.name
    if sweep.registrations:
        return str(sweep.registrations[-1].declared["question"])
    axes = [
        f"{axis_words(axis)} ({', '.join(map(name, values))})"
        for axis, values in sweep.axes.items()
        if len(values) > 1
    ]
    if not axes:
        return "How does this recipe score?"
    if len(axes) == 1:
        ((axis, values),) = [pair for pair in sweep.axes.items() if len(pair[1]) > 1]
        choices = listed([name(value) for value in values], "or")
        return f"What does {axis_words(axis)} change: {choices}?"
    return f"What do {listed(axes)} change?"


def caveats(sweep: Sweep, comparison: SweepComparison, teachers: list[str]) -> list[str]:
    """Return what a sceptical reader should hold against the numbers."""
    found = []
    sizes = sorted({r.num_parameters for a in sweep.arms for r in a.runs if r.num_parameters})
    if sizes and sizes[-1] < 1_000_000_000:
        span = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        found.append(
            f"Proxy scale: the models have {span} parameters. Proxies this small carry the order "
            "of losses per domain at best; what holds here need not hold at 3 billion parameters."
        )
    if any(metric.key.protocol == "bpb" for metric in comparison.metrics):
        found.append(
            "Held-out bits per byte partly reward style: held-out clean text resembles what L4 and "
            "L5 write, so a part of their gain may be the match of style and not knowledge. How "
            "much of each style the held-out text has is a choice of its source; so the styles are "
            "also scored apart."
        )
    if any(metric.key.protocol != "bpb" for metric in comparison.metrics):
        found.append(
            "Answers asked for in a form that one arm's text resembles gain from that form as "
            "well, ranked or free, not only bits per byte."
        )
    if len({run.world_seed for arm in sweep.arms for run in arm.runs}) == 1:
        found.append(_one_world(sweep))
    seeds = max((arm.num_done for arm in comparison.arms), default=0)
    found.append(
        f"{count(seeds, 'finished run')} per arm at most: what seeds do is estimated from that "
        "few. Accuracies of multi-step tasks often jump between seeds."
    )
    found += contamination_caveats(sweep)
    found += [f"The teacher of L4 and L5 was: {teacher}." for teacher in teachers]
    found.append(
        "Differences are tested within this sweep. Whoever repeats sweeps until one is resolved "
        "finds false ones."
    )
    return found


def _one_world(sweep: Sweep) -> str:
    """Return what a single draw of the data leaves open; only a procedural source can draw more."""
    sources = {_source(arm.config) for arm in sweep.arms}
    if sources <= {"microworld", ""}:
        return (
            "One world: facts, laws, items and corpora were drawn once; the intervals do not cover "
            "other draws (worlds=3 would)."
        )
    return (
        "One collection of documents: the intervals do not cover other documents or other "
        "held-out texts than these."
    )


def _source(config: Mapping[str, Any]) -> str:
    found: Any = config
    for key in ("data", "source", "name"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return str(found or "")
