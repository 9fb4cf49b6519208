"""What a model's answer says about its task instead of about its subject."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

PROMPTS = Path(__file__).parents[1] / "prompts"
MIN_PROMPT_WORDS = 6
"""A sentence of a prompt that is shorter may stand in any document."""

REACH_CHARS = 80
"""An expression is looked for so far around its keyword."""

Patterns = Sequence[tuple[str, re.Pattern[str]]]
"""Expressions, each with a keyword without which it need not be tried. All in lower case."""

_MADE_NAMES = """
cleaned refined rewritten revised completed expanded improved corrected edited polished updated
enriched
"""
_MADE_LIST = _MADE_NAMES.split()
_MADE = "|".join(_MADE_LIST)
_TEXT = "text|version|passage|document|chunk|content|output|response|rewrite|answer"
_DID = f"{_MADE}|removed|deleted|preserved|retained"
_DO = "clean|rewrite|refine|complete|output|answer|follow"


def _compiled(*patterns: tuple[str, str]) -> Patterns:
    return tuple((keyword, re.compile(pattern, re.MULTILINE)) for keyword, pattern in patterns)


_CHAT = _compiled(
    (" ai", r"\bas an ai\b|\bi(?:'m| am) an ai\b"),
    ("language model", r"\b(?:as|am|i'm) an? (?:large )?language model\b"),
    ("i'm ", r"\bi'm (?:sorry|unable|happy to|glad to)\b"),
    ("i am ", r"\bi am (?:sorry|unable to|happy to|glad to)\b"),
    ("i apolog", r"\bi apologi[sz]e\b"),
    ("i can", rf"\bi can(?:not|'t) (?:help|assist|comply|provide|fulfil|{_DO})"),
    ("i hope", r"\bi hope (?:this|that) helps\b"),
    ("let me know", r"\blet me know (?:if|whether)\b"),
    ("feel free", r"\bfeel free to (?:ask|reach|let me)\b"),
    ("if you", r"\bif you (?:have|need) (?:any |other |more |further )+(?:questions|help|changes)"),
    ("sure", r"^sure[!,.:]"),
    ("certainly", r"^certainly[!,.:]"),
    ("of course", r"^of course[!,.:]? (?:here|i|below|let)\b"),
    ("absolutely", r"^absolutely[!,.:]"),
    ("here", rf"\bhere(?: is|'s| are) (?:the|your|a|my|an) (?:\w+ )?(?:{_MADE})\b"),
    ("below is", rf"\bbelow is (?:the|your|a|my|an) (?:\w+ )?(?:{_MADE})\b"),
    ("following is", rf"\bthe following is (?:the|your|a|my|an) (?:\w+ )?(?:{_MADE})\b"),
    *(
        (made, rf"^\W*(?:the )?{made} (?:{_TEXT})\W*$|^\W*{made} (?:{_TEXT}):")
        for made in _MADE_LIST
    ),
    ("i ", rf"\bi(?: have)? (?:{_DID}) (?:the|all|any)\b"),
    ("i've", rf"\bi've (?:{_DID})\b"),
    ("instruct", r"\b(?:as|per|following) (?:you |your |the )?(?:instructed|instructions)\b"),
    ("request", r"\bas (?:you )?requested\b|\bper your request\b"),
    (
        "no c",
        r"\bno (?:changes|corrections|cleaning) (?:were|was|are|is) (?:made|needed|necessary)",
    ),
    ("the user", r"\bthe user (?:asks|asked|wants me|provided|has provided)\b"),
    ("i need to", rf"\bi need to (?:{_DO})\b"),
    ("i will", rf"\bi will (?:now )?(?:{_DO})\b"),
    ("i'll", rf"\bi'll (?:now )?(?:{_DO})\b"),
    ("passage", r"\bthe passage (?:contains|holds|consists|is|has) (?:only|nothing|no)\b"),
    (">", r"</?(?:think(?:ing)?|reasoning|refined|rewritten|answer|output|response)>"),
    ("<|", r"<\|\w+\|>"),
    ("[", r"\[/?inst\]"),
    ("<<", r"<</?sys>>"),
    ("assistant:", r"^assistant:"),
    ("user:", r"^user:"),
)
_POINTER = _compiled(
    (
        "passage",
        r"\b(?:the|this|that|our|given|above) (?:\w+ )?passage\b"
        r"(?! (?:of|through|from|to|between)\b)",
    ),
    ("excerpt", r"\b(?:the|this|above) (?:\w+ )?excerpt\b"),
    ("source", r"\b(?:the|this) (?:original )?source (?:text|document|material|passage)\b"),
    ("original", r"\b(?:the|this) original (?:text|document|passage|author)\b"),
    ("provided", r"\b(?:the|this) provided (?:text|document|context|information|content)\b"),
    ("given", r"\b(?:the|this) given (?:text|document|context)\b"),
    ("above", r"\babove (?:text|document|passage)\b"),
    ("text", r"\bthe text (?:above|below|provided|given)\b"),
    ("text", r"\b(?:in|from|according to) (?:the|this) text\b"),
    ("document", r"\b(?:in|from|according to) (?:the|this) document\b"),
    ("author", r"\baccording to (?:the|this) authors?\b"),
    ("author", r"\b(?:as )?the authors? (?:states?|explains?|notes?|mentions?)\b"),
    ("article", r"\b(?:in|from|according to) (?:the|this) article\b"),
    ("chapter", r"\b(?:in|from|according to) this chapter\b"),
    ("as an ai", r"\bas an ai\b"),
)
_NUMBERED_ITEM = re.compile(
    r"\b(?:Figure|Fig\.|Table|Equation|Eq\.|Section|Chapter|Theorem|Lemma|Example|Exercise"
    r"|Problem|Listing|Appendix)s?[ ~]*\(?(?:\d+|[A-Z]\b)"
)
_PROMPT_PART = re.compile(r"(?<=[.!?:])\s+|\n\s*\n|\n- ")
_PROMPT_TAG = re.compile(r"</?[a-z_]+>")


def new_chat(before: str, after: str) -> str | None:
    """Return talk of a task, or a tag of one, that `before` holds less often, or None."""
    return _new(_CHAT, before, after) or _new_prompt_part(before, after)


def new_pointer(before: str, after: str) -> str | None:
    """Return a mention of a text that was the source of this one, or None."""
    return _new(_POINTER, before, after)


def pointer_in(question: str) -> str | None:
    """Return what a question points at that its reader cannot see, or None."""
    pointer = next(iter(_found(_POINTER, question)), None)
    item = _NUMBERED_ITEM.search(question)
    return pointer or (item.group() if item else None)


@lru_cache(maxsize=1)
def prompt_parts() -> tuple[str, ...]:
    """Return the tags and the longer sentences of all our prompts, one space between words."""
    texts = [path.read_text(encoding="utf-8") for path in PROMPTS.glob("*.txt")]
    tags = {tag for text in texts for tag in _PROMPT_TAG.findall(text)}
    return tuple(sorted(tags.union(*map(_long_sentences, texts))))


def _new(patterns: Patterns, before: str, after: str) -> str | None:
    found = _found(patterns, after)
    return next(iter(found - _found(patterns, before)), None) if found else None


def _found(patterns: Patterns, text: str) -> Counter[str]:
    """Return what the patterns find, looking around their keywords only; in lower case."""
    lines = text.lower().replace("\u2019", "'")
    flat = " ".join(lines.split())
    found: Counter[str] = Counter()
    for keyword, pattern in patterns:
        where = lines if "^" in pattern.pattern else flat
        if keyword in where:
            found.update(_around(keyword, pattern, where))
    return found


def _around(keyword: str, pattern: re.Pattern[str], text: str) -> Iterator[str]:
    end = place = 0
    while (place := text.find(keyword, place)) >= 0:
        match = pattern.search(text, max(end, place - REACH_CHARS), place + REACH_CHARS)
        place += len(keyword)
        if match:
            end = max(end, match.end())
            yield " ".join(match.group().split())


def _new_prompt_part(before: str, after: str) -> str | None:
    written = " ".join(after.split())
    held = ""
    for part in prompt_parts():
        if part in written:
            held = held or " ".join(before.split())
            if written.count(part) > held.count(part):
                return part
    return None


def _long_sentences(text: str) -> Iterator[str]:
    for part in _PROMPT_PART.split(text):
        words = part.removeprefix("- ").split()
        if len(words) >= MIN_PROMPT_WORDS and "{{" not in part:
            yield " ".join(words)
