"""What fixes the levels: thresholds, models and teachers, hashed into every corpus's digest.

A field made by `runtime` says where and how, changes no document, and stays out of digests.
"""

from dataclasses import dataclass, field, fields
from typing import Any


def runtime(default: Any) -> Any:
    """Declare a field that does not change the result."""
    return field(default=default, metadata={"role": "runtime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """L2: deterministic rules and duplicate removal. Counts in characters, words and bytes.

    Defaults: the garbled limit is Data Darwinism I's (documents above 50 % dropped), PDFs below
    8 kB and repositories below 10 stars are its and daVinci-LLM's; MinHash has 14 buckets of 8
    hashes, as both papers; the repetition limits are those of Gopher (Rae et al. 2021, Table A1);
    the rest is set for the short documents of the embedded corpora.

    Attributes:
        published: Published sets of rules to apply as well: `gopher_quality`,
            `gopher_repetition`, `c4`, `fineweb`.
        languages: ISO codes to keep, by a language identifier; none: English by its stop words.
        min_stars: For documents whose provenance tells their repository's stars.
    """

    min_chars: int = 40
    max_chars: int = 1_000_000
    max_garbled_frac: float = 0.5
    max_duplicate_line_frac: float = 0.30
    max_top_ngram_frac: float = 0.20
    min_english_stop_words: int = 2
    languages: tuple[str, ...] = ()
    min_language_probability: float = 0.5
    published: tuple[str, ...] = ()
    min_pdf_bytes: int = 8192
    min_stars: int = 10
    minhash_buckets: int = 14
    minhash_hashes_per_bucket: int = 8
    minhash_shingle_words: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierSettings:
    """L3: a small model judges documents and never edits them.

    Attributes:
        kind: `trained` (on labels, here), `huggingface` or `fasttext` (a model at `model`).
        labels: Where a trained one learns from: `source`, `teacher`, or the path of JSON lines
            with `id` and `label`.
        target: What is judged: `educational` value, `domain` or `document_type`. It chooses the
            teacher's question and names the score in a document's meta.
        keep: The labels worth keeping; their probabilities are added.
        min_keep_probability: Documents below are dropped.
        num_teacher_labels: Documents that a teacher annotates.
        model: Folder or hub name of a Hugging Face sequence classifier, or path of a fastText
            model.
    """

    kind: str = "trained"
    labels: str = "source"
    target: str = "educational"
    keep: tuple[str, ...] = ("keep",)
    min_keep_probability: float = 0.5
    num_teacher_labels: int = 500
    model: str = ""
    ngram_max: int = 2
    num_features: int = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherSettings:
    """L3 (annotations) and L4-L8: who writes. `kind` is `source` (its own) or `endpoint`.

    An endpoint speaks the OpenAI chat protocol at `base_url`; its key is read from the environment
    variable `api_key_env`, and never stored. The answers are known by model, prompt and
    parameters, not by the address.

    Attributes:
        concurrency: Requests on their way at once.
        max_total_tokens: Stop before another request once so many tokens were paid in this task;
            0: no limit.
        max_usd: The same for money, at the two prices.
        usd_per_million_prompt_tokens: Price.
        usd_per_million_answer_tokens: Price.
        cache_dir: Where answers are kept; empty: `teacher_cache` in the output folder.
    """

    kind: str = "source"
    base_url: str = runtime("")
    model: str = ""
    api_key_env: str = runtime("OPENAI_API_KEY")
    temperature: float = 0.0
    max_tokens: int = 4096
    concurrency: int = runtime(8)
    timeout_s: float = runtime(120.0)
    max_tries: int = runtime(6)
    first_wait_s: float = runtime(1.0)
    max_total_tokens: int = runtime(0)
    max_usd: float = runtime(0.0)
    usd_per_million_prompt_tokens: float = runtime(0.0)
    usd_per_million_answer_tokens: float = runtime(0.0)
    cache_dir: str = runtime("")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementSettings:
    """L4: a teacher cleans a document chunk by chunk.

    Source: Data Darwinism I, Section 4: chunks of 1,024 characters; math pages are rewritten at
    about equal length.

    Attributes:
        mode: `clean` deletes noise and repairs; `rewrite` reorganizes compactly.
        max_novel_frac: Share of the output's content words that the input may lack.
        min_length_ratio: Characters of the output over those of the input, at least.
        max_length_ratio: The same, at most.
    """

    mode: str = "clean"
    chunk_chars: int = 1024
    max_novel_frac: float = 0.10
    min_length_ratio: float = 0.05
    max_length_ratio: float = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionSettings:
    """L5: a teacher spells out what a document leaves unsaid, or asks and answers from it.

    Attributes:
        task: `complete` (all that follow), `reason` (skipped steps), `explain` (terms and
            symbols), `bridge` (pedagogical bridges), or `qa` (grounded questions and answers).
        chunk_chars: Source: Data Darwinism I, Section 4: windows of 1,024 tokens, at about 4
            characters a token.
    """

    task: str = "complete"
    chunk_chars: int = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSettings:
    """L6: a teacher completes a document with what its neighbours in the corpus say.

    `max_added_frac` bounds the length that is added, as a share of the document's own.
    """

    num_neighbours: int = 3
    neighbour_chars: int = 1000
    chunk_chars: int = 4096
    max_added_frac: float = 1.0


ENVIRONMENT_DOMAINS = ("code", "math")
"""The domains of which L7 can make executable tasks; it drops the documents of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSettings:
    """L7: documents become executable tasks with tests, and what does not run is dropped.

    `maker` is `teacher` (a model proposes) or `doctest` (the document's own examples).
    """

    maker: str = "teacher"
    max_source_chars: int = 6000
    min_tests: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EcosystemSettings:
    """L8: roles talk about a document; `cast` is `teacher_student` or `proposer_critic`."""

    cast: str = "teacher_student"
    rounds: int = 2
    max_source_chars: int = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """L9: a generator writes about a world of its own, one document for each that comes in."""

    generator: str = "microworld"
    seed: int = 0


ON_VIOLATION = ("drop", "keep_original", "fatal")


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSettings:
    """The parameters of all levels; a corpus is named by those of the levels it went through.

    `on_violation` says what happens to a document that broke an invariant of L4 or above: it is
    dropped, its original text kept, or the build stopped.
    """

    rules: RuleSettings = field(default_factory=RuleSettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    refinement: RefinementSettings = field(default_factory=RefinementSettings)
    completion: CompletionSettings = field(default_factory=CompletionSettings)
    context: ContextSettings = field(default_factory=ContextSettings)
    environment: EnvironmentSettings = field(default_factory=EnvironmentSettings)
    ecosystem: EcosystemSettings = field(default_factory=EcosystemSettings)
    world: WorldSettings = field(default_factory=WorldSettings)
    on_violation: str = "drop"


def changed_fields(settings: Any) -> dict[str, Any]:
    """Return the identity-bearing fields that differ from their defaults.

    What equals its default is left out, so that adding a field changes no digest.
    """
    default = type(settings)()
    return {
        f.name: getattr(settings, f.name)
        for f in fields(settings)
        if f.metadata.get("role") != "runtime"
        and getattr(settings, f.name) != getattr(default, f.name)
    }


def check_choice(field_name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise unless the value is one of the known ones.

    Raises:
        ValueError: It names the field, the value, the known ones, and the nearest of them.
    """
    if value in known:
        return
    from difflib import get_close_matches

    near = get_close_matches(value, known, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"No such choice {value!r} (`{field_name}`); known: {', '.join(known)}.{hint}")
