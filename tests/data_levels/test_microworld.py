"""The microworld as a source: deterministic, dirty, and strictly apart from its exam."""

import ast
from collections.abc import Iterator

import pytest

from davinci.data_levels.document import DOMAINS, Document, Domain
from davinci.data_levels.levels import l1
from davinci.data_levels.sources.microworld.exam import set_exam
from davinci.data_levels.sources.microworld.options import read_options
from davinci.data_levels.sources.microworld.plan import plan_crawl
from davinci.data_levels.sources.microworld.source import Microworld
from davinci.data_levels.sources.microworld.world import RIVAL, apply, build_world
from davinci.data_levels.sources.source import Item, SourceSettings

DOCUMENTS = 250


def microworld(seed: int = 0, **options: float) -> Microworld:
    return Microworld(
        SourceSettings(name="microworld", world_seed=seed, documents=DOCUMENTS, options=options)
    )


def acquire(source: Microworld, domain: Domain) -> list[Document]:
    assert source.num_inputs(domain) == 1
    return list(source.acquire(domain, 0, source.held_out()))


@pytest.fixture(scope="module")
def crawl() -> dict[Domain, list[Document]]:
    return {domain: acquire(microworld(), domain) for domain in DOMAINS}


@pytest.fixture(scope="module")
def extracted(crawl: dict[Domain, list[Document]]) -> dict[Domain, list[Document]]:
    return {domain: list(map(l1.normalise, documents)) for domain, documents in crawl.items()}


@pytest.fixture(scope="module")
def trained_on(extracted: dict[Domain, list[Document]]) -> str:
    """Everything a model may read at any level, in one notation."""
    teacher = microworld().teacher()
    parts: list[str] = []
    for documents in extracted.values():
        for document in documents:
            refined = teacher.refine(document)
            completed = Document(id=document.id, domain=document.domain, text=refined)
            parts += [document.text, refined, teacher.complete(completed)]
    return "\n\n".join(parts)


def items() -> Iterator[Item]:
    for benchmark in microworld().held_out().benchmarks:
        yield from benchmark.items


def test_the_same_settings_give_the_same_documents(crawl: dict[Domain, list[Document]]) -> None:
    for domain in DOMAINS:
        assert acquire(microworld(), domain) == crawl[domain]


def test_another_world_seed_gives_another_world() -> None:
    one, other = build_world(0), build_world(1)
    assert set(one.towns) != set(other.towns)
    assert one.laws != other.laws
    assert microworld(0).held_out() != microworld(1).held_out()


def test_every_domain_has_the_asked_number_of_documents_with_unique_ids_and_provenance(
    crawl: dict[Domain, list[Document]],
) -> None:
    for domain, documents in crawl.items():
        assert len({document.id for document in documents}) == DOCUMENTS
        for document in documents:
            assert document.domain == domain
            assert {"source", "url", "licence", "format"} <= set(document.meta)
            assert (document.meta.get("encoding") == "bytes") == (domain != "code")
            if domain != "code":
                document.text.encode("latin-1")


def test_the_crawl_holds_html_bytes_in_more_than_one_encoding(
    crawl: dict[Domain, list[Document]],
) -> None:
    def is_utf8(document: Document) -> bool:
        try:
            document.text.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            return False
        return True

    sound = sum(map(is_utf8, crawl["math"]))
    assert 0.8 * DOCUMENTS < sound < DOCUMENTS
    assert all("<html" in document.text for document in crawl["math"])


def test_no_question_of_a_benchmark_stands_in_any_document_at_any_level(trained_on: str) -> None:
    for item in items():
        if item.check == "execute":
            assert item.prompt not in trained_on
        elif "?" in item.prompt:
            question = item.prompt.split("\n")[0].removeprefix("Question: ")
            assert question.endswith("?")
            assert question not in trained_on
        elif item.steps > 1:
            assert f"{item.prompt} {item.final}" not in trained_on


def test_no_held_out_text_stands_in_any_document_at_any_level(trained_on: str) -> None:
    for texts in microworld().held_out().texts.values():
        assert len(texts) == len(set(texts)) == 48
        for text in texts:
            assert text not in trained_on


def test_every_text_of_a_domain_with_several_styles_has_its_style() -> None:
    held_out = microworld().held_out()
    assert set(held_out.styles) == set(DOMAINS)
    for domain, styles in held_out.styles.items():
        assert len(styles) == len(held_out.texts[domain])
        assert 0.1 < styles.count("terse") / len(styles) < 0.4
        assert set(styles) == {"terse", "worked"}


def test_worked_steps_are_right() -> None:
    exam = set_exam(build_world(3))
    for exercise in (*exam.exercises["math"], *exam.exercises["science"]):
        for step in exercise.steps:
            left, op, right, result = parsed(step)
            assert apply(op, left, right) == result
        assert exercise.steps[-1].endswith(f"={exercise.answer}.")


def parsed(step: str) -> tuple[int, str, int, int]:
    """Return `(3, "+", 4, 7)` of `b=3+4=7.` and of `flux=mass+heat=3+4=7.`."""
    formula, result = step.rstrip(".").split("=")[-2:]
    return int(formula[0]), formula[1], int(formula[2]), int(result)


def test_every_quantity_and_fact_of_the_world_is_known() -> None:
    world = build_world(5)
    assert len(set(world.towns)) == 32
    assert sorted(law.depth for law in world.laws.values()) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert all(fact.value in world.values[fact.attribute] for fact in world.all_facts())
    assert all(world.facts[town, RIVAL] != town for town in world.towns)


def test_labels_cover_a_sample_only_and_say_what_an_expert_would() -> None:
    world = microworld()
    kinds = [entry.kind for entry in plan_crawl(0, "math", DOCUMENTS, read_options({}))]
    documents = acquire(world, "math")
    labels = world.labels("math", documents)
    assert len(labels) == DOCUMENTS // 2
    assert labels == world.labels("math", documents[::-1])
    for document, kind in zip(documents, kinds, strict=True):
        if document.id in labels:
            assert labels[document.id] == (kind in ("good", "mirror", "near_copy"))


def test_labels_are_never_more_than_400() -> None:
    world = Microworld(SourceSettings(name="microworld", documents=1000))
    assert len(world.labels("general", acquire(world, "general"))) == 400


def test_mirrors_hold_the_same_code_as_their_original(crawl: dict[Domain, list[Document]]) -> None:
    entries = plan_crawl(0, "code", DOCUMENTS, read_options({}))
    mirrors = [entry for entry in entries if entry.kind == "mirror"]
    assert mirrors
    for entry in mirrors:
        assert crawl["code"][entry.number].text == crawl["code"][entry.original].text


def test_only_some_of_the_code_is_sound(crawl: dict[Domain, list[Document]]) -> None:
    def compiles(document: Document) -> bool:
        try:
            ast.parse(document.text)
        except SyntaxError:
            return False
        return True

    sound = sum(map(compiles, crawl["code"]))
    assert 0.5 * DOCUMENTS < sound < 0.85 * DOCUMENTS


def test_an_unknown_option_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="terse_frac, wrong_frac, damaged_frac, noisy_frac"):
        microworld(tersity=0.5)


@pytest.mark.parametrize("value", [-0.1, 0.6])
def test_an_option_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="`0 <= wrong_frac <= 0.5` must hold"):
        microworld(wrong_frac=value)
