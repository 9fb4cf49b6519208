"""A teacher labels documents for L3, against a real server."""

import json
from pathlib import Path

import pytest
from tests.openai_server import OpenAIServer, passage_of

from davinci.data_levels.document import Document
from davinci.data_levels.settings import TeacherSettings
from davinci.data_levels.teacher.annotate import LABELS, annotate, verdict
from davinci.data_levels.teacher.answers import Answer
from davinci.data_levels.teacher.endpoint import open_endpoint
from davinci.data_levels.teacher.prompts import ANNOTATION_PROMPTS, read_prompt


def said(text: str, target: str) -> str | None:
    return verdict(Answer(text, True, 1, 1, False), target)


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        (0, "drop"), (2, "drop"), (2.9, "drop"), (3, "keep"), (5, "keep"), ("4", "keep"),
        (6, None), (-1, None), ("good", None), (True, None), (None, None), ([3], None),
    ],
)  # fmt: skip
def test_a_score_of_three_or_more_is_worth_keeping(label: object, kept: str | None) -> None:
    assert said(json.dumps({"reason": "so", "label": label}), "educational") == kept


def test_only_labels_that_were_offered_count() -> None:
    assert said('{"reason": "so", "label": "physics"}', "domain") == "physics"
    assert said('{"reason": "so", "label": "Physics"}', "domain") is None
    assert said('{"reason": "so", "label": ["news"]}', "document_type") is None
    assert said('{"reason": "so"}', "document_type") is None
    assert said('["news"]', "document_type") is None
    assert said("news", "document_type") is None


def test_every_label_is_explained_to_the_teacher() -> None:
    for target in ("domain", "document_type"):
        prompt = read_prompt(ANNOTATION_PROMPTS[target])
        assert all(f"- {label}: " in prompt for label in LABELS[target])
        assert prompt.count("\n- ") == len(LABELS[target])


def test_documents_are_labelled_in_order_and_those_without_a_verdict_are_left_out(
    openai_server: OpenAIServer, tmp_path: Path
) -> None:
    def write(prompt: str) -> str:
        number = int(passage_of(prompt).split()[1])
        return "I cannot say." if number == 3 else json.dumps({"reason": "", "label": number})

    openai_server.writer = write
    settings = TeacherSettings(
        kind="endpoint", base_url=openai_server.base_url, model="m", cache_dir=str(tmp_path)
    )
    documents = [
        Document(id=f"d{n}", domain="general", text=f"Text {n} " + "x" * 9000) for n in range(6)
    ]
    with open_endpoint(settings) as endpoint:
        labels = list(annotate(documents, settings, "educational", endpoint))
    assert labels == [
        ("d0", "drop"), ("d1", "drop"), ("d2", "drop"), ("d4", "keep"), ("d5", "keep"),
    ]  # fmt: skip
    assert {len(passage_of(prompt)) for prompt in openai_server.prompts} == {6000}
    assert openai_server.requests[0]["body"]["max_tokens"] == 4096
    with open_endpoint(settings) as endpoint, pytest.raises(ValueError, match=r"data\.classifier"):
        annotate(documents, settings, "beauty", endpoint)
