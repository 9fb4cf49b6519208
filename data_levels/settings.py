"""What fixes the levels: thresholds and teachers, hashed into every corpus's digest."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """L2: deterministic rules and near-duplicate removal. Counts in characters and words.

    Defaults: the garbled limit is Data Darwinism I's (documents above 50 % dropped); MinHash has
    14 buckets of 8 hashes, as both papers; the repetition limits are those of Gopher
    (Rae et al. 2021, Table A1); the rest is set for the short documents of the embedded corpora.
    """

    min_chars: int = 40
    max_chars: int = 1_000_000
    max_garbled_frac: float = 0.5
    max_duplicate_line_frac: float = 0.30
    max_top_ngram_frac: float = 0.20
    min_english_stop_words: int = 2
    minhash_buckets: int = 14
    minhash_hashes_per_bucket: int = 8
    minhash_shingle_words: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierSettings:
    """L3: a small trained classifier; documents whose keep-probability is lower are dropped."""

    min_keep_probability: float = 0.5
    ngram_max: int = 2
    num_features: int = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherSettings:
    """L4 and L5: who writes. `kind` is `source` (the source's own) or `endpoint`.

    An endpoint speaks the OpenAI chat protocol at `base_url`; its key is read from the environment
    variable `api_key_env`, and never stored.
    """

    kind: str = "source"
    base_url: str = ""
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    temperature: float = 0.0
    max_tokens: int = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSettings:
    """The parameters of all levels; a corpus is named by those of the levels it went through."""

    rules: RuleSettings = field(default_factory=RuleSettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
