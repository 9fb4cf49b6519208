"""What a source of documents must offer: raw documents, held-out text and items, a teacher."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from davinci.data_levels.document import Document, Domain, Outcome

Check = Literal["exact", "steps", "execute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One held-out evaluation item, scored under both protocols.

    Attributes:
        id: Unique within its benchmark.
        prompt: What the model reads; ends where the answer begins.
        options: Answer texts that the `ppl` protocol ranks; empty when the item has none.
        gold: Index of the right option.
        answer: The answer that a perfect model writes after `prompt`.
        check: How a generated answer is scored: `exact` (the final answer equals `final`),
            `steps` (share of the worked steps that are right), `execute` (runs `tests`).
        final: The bare final answer, for `exact` and `steps`.
        tests: Python assertions run after the generated code, each worth the same, for `execute`.
        stop: Generation ends at the first of these strings.
        steps: Number of reasoning steps that the item needs (its difficulty).
        cluster: Items of one cluster share what makes them hard (a law, an attribute), so they are
            no independent evidence: statistics treat the cluster as the unit. "" is a cluster of
            its own.
    """

    id: str
    prompt: str
    options: tuple[str, ...] = ()
    gold: int = 0
    answer: str = ""
    check: Check = "exact"
    final: str = ""
    tests: tuple[str, ...] = ()
    stop: tuple[str, ...] = ("\n\n",)
    steps: int = 1
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Held-out items of one domain.

    Attributes:
        chance: The `ppl` accuracy of random guessing.
        floor: The `generative` score of the best answer that ignores the question: one constant for
            all, or a program that returns its argument. NaN where nobody has worked it out.
    """

    name: str
    domain: Domain
    items: tuple[Item, ...]
    chance: float
    floor: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What a source keeps away from training: clean text per domain, and benchmarks.

    `styles` names how each text of a domain is written (`worked`, `terse`), in the order of
    `texts`, where that makes a difference worth a score of its own; other domains are left out.
    """

    texts: Mapping[Domain, tuple[str, ...]]
    styles: Mapping[Domain, tuple[str, ...]] = field(default_factory=dict)
    benchmarks: tuple[Benchmark, ...] = ()


class Teacher(Protocol):
    """The writer behind L4 and L5: a language model, or a stand-in that plays its part.

    `label` is shown wherever its output is shown, and says what the teacher really is.
    """

    label: str

    def refine(self, document: Document) -> str:
        """Return the L4 text: the same content, cleaned; nothing that is not in the document."""

    def complete(self, document: Document) -> str:
        """Return the L5 text: the content kept, the steps that follow from it spelled out."""


class Source(Protocol):
    """Where documents come from. A source is a pure function of its settings."""

    name: str

    def num_inputs(self, domain: Domain) -> int:
        """Return into how many independent inputs the domain falls, each read by itself."""

    def acquire(self, domain: Domain, index: int, held_out: "HeldOut") -> Iterator[Outcome]:
        """Yield the raw documents (L0) of one input, never any held-out text.

        What cannot be read, or copies held-out text, comes as a `Dropped` with its reason; its
        text may be empty where it could not be held. `held_out` is what `held_out()` returned.
        """

    def held_out(self) -> HeldOut:
        """Return what training never sees."""

    def labels(self, domain: Domain, documents: list[Document]) -> Mapping[str, bool] | None:
        """Return quality labels (id -> worth keeping) for some of the documents given, for L3.

        None where the source has no labels for this domain: L3 then keeps everything and its
        manifest says so.
        """

    def teacher(self) -> Teacher | None:
        """Return the source's own teacher, or None where an endpoint must serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Identity of a source: all that determines its documents and held-out items.

    `name` picks the source (`microworld`, `pylib`, `files`); `options` holds its own settings, such
    as `path`.
    """

    name: str
    world_seed: int = 0
    documents: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
