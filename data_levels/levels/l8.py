"""L8, ecosystem synthesis (experimental: the papers describe this level but did not build it).

Several roles talk about a document over the same endpoint, each with goals and a view of its own: a
teacher who has read it and a student who has not, or a proposer and a critic who both have. What is
kept is the dialogue, with a trace of who said what.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from davinci.data_levels.document import Document, Dropped, Outcome
from davinci.data_levels.levels import LEVEL_VERSIONS
from davinci.data_levels.levels.operator import LevelContext, Prepared, with_text
from davinci.data_levels.levels.writing.dialogues import (
    CASTS,
    Role,
    Turn,
    empty_turn,
    flaw_of,
    trace_of,
    untraced,
    without_own_label,
    written,
)
from davinci.data_levels.levels.writing.teaching import add, fault_of
from davinci.data_levels.settings import LevelSettings, check_choice
from davinci.data_levels.teacher.answers import Answer, between_tags
from davinci.data_levels.teacher.budget import new_task
from davinci.data_levels.teacher.check import check_teacher
from davinci.data_levels.teacher.chunks import chunks
from davinci.data_levels.teacher.concurrency import in_order
from davinci.data_levels.teacher.endpoint import Endpoint, open_endpoint
from davinci.data_levels.teacher.prompts import fill, read_prompt, restored
from davinci.data_levels.teacher.protocol import label_of

SILENCE = "(Nobody has said anything yet.)"


def prepare(context: LevelContext) -> Prepared:
    """Return the one operator of L8, and the checks of its dialogues.

    Raises:
        ValueError: If a setting is out of range, or there is no endpoint.
    """
    settings = context.settings.ecosystem
    check_choice("data.ecosystem.cast", settings.cast, tuple(CASTS))
    if context.settings.teacher.kind != "endpoint":
        raise ValueError(
            "At L8 models talk: `data.teacher.kind` must be 'endpoint', but got "
            f"{context.settings.teacher.kind!r}."
        )
    check_teacher(context.settings.teacher)
    return Prepared(
        operators=(Converse(settings=context.settings, task=new_task("L8")),),
        checks={"traceable": untraced, "no_empty_turn": empty_turn},
        teacher=label_of(context.settings.teacher),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Converse:
    """Lets the roles of a cast talk about each document, turn by turn.

    `task` is whose budget pays, see `budget.new_task`.
    """

    settings: LevelSettings
    task: str = ""
    name: str = "converse"
    version: int = LEVEL_VERSIONS["L8"]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The settings, the model and the prompts."""
        own, model = asdict(self.settings.ecosystem), self.settings.teacher.model
        prompts = [role.prompt for role in CASTS[self.settings.ecosystem.cast]]
        return {**own, "model": model, "prompts": prompts}

    def run(self, documents: Iterable[Document], counts: dict[str, float]) -> Iterator[Outcome]:
        """Yield the dialogues; several are under way at once."""
        with open_endpoint(self.settings.teacher, self.task) as endpoint:
            talk = partial(converse, endpoint, self.settings)
            yield from in_order(talk, documents, endpoint.concurrency)
            add(counts, endpoint.counts())


def converse(endpoint: Endpoint, settings: LevelSettings, document: Document) -> Outcome:
    """Return the dialogue about one document, or the document where a turn could not be used."""
    cast, rounds = CASTS[settings.ecosystem.cast], settings.ecosystem.rounds
    if not document.text.strip():
        return Dropped(document, "nothing_to_talk_about")
    passage = chunks(document.text.strip(), settings.ecosystem.max_source_chars)[0]
    turns: list[Turn] = []
    for number in range(1, rounds + 1):
        for role in cast:
            view = {"passage": passage} if role.sees_document else {}
            answer = endpoint.ask(
                _messages(role, turns, round=f"{number}", rounds=f"{rounds}", **view)
            )
            text, flaw = _heard(role, answer, passage)
            if flaw:
                detail = f"step {len(turns) + 1} ({role.name}): {flaw}"
                return Dropped(document, "broken_dialogue", detail)
            turns.append(Turn(settings.teacher.model, role, text))
    return with_text(document, written(turns), trace=trace_of(turns))


def _messages(role: Role, turns: list[Turn], **fields: str) -> list[dict[str, str]]:
    """Return what a role is told: its goals, what it may see, and all that was said."""
    conversation = written(turns) or SILENCE
    prompt = fill(read_prompt(role.prompt), conversation=conversation, **fields)
    return [{"role": "user", "content": prompt}]


def _heard(role: Role, answer: Answer, passage: str) -> tuple[str, str]:
    """Return what was said, and what is wrong with it."""
    turn = between_tags(answer.text, "turn")
    fault = fault_of(answer, turn, passage)
    if turn is None or fault:
        return "", fault
    text = without_own_label(restored(turn, read_prompt(role.prompt)), role)
    return text, flaw_of(text)
