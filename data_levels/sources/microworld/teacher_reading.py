"""L4 on prose: read a page as an editor does, drop what is not its content, tidy the notation."""

import re

from davinci.data_levels.sources.microworld.phrases import Paragraph, text_of

_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u00d7": "*", "\u00b7": "*", "\u00a0": " "})
_WORDS = {"plus": "+", "minus": "-", "times": "*", "equals": "="}
_SPOKEN = re.compile(r"(?<=[\w)]) (plus|minus|times|equals) (?=[\w(])")
_SPACED = re.compile(r"(?<=[\w)])[ ]*([-+*=])[ ]*(?=[\w(])")
_UNREADABLE = re.compile(r"[\ufffd#_]|[=( ]\?|\?[\w.,)]|[-+*]\?|\?[-+*=]")
_FINISHED = re.compile(r"(?<!\.\.)[.?!]$")
_SITE = re.compile(
    r"cookie|privacy|advert|sponsor|subscribe|comment|log in|logged in|share this|posted by"
    r"|click here|sign up|order now|order the|buy |offer|free |deal |guaranteed|premium|bonus"
    r"|hate this|loading",
    re.IGNORECASE,
)
_SET_UP = re.compile(r"\.\n(?=What is \w+\?)")


def paragraphs_of(text: str) -> list[Paragraph]:
    """Return the paragraphs of a text, each with its lines; broken lines are joined again."""
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
    return [part for block in blocks if block.strip() for part in _parted(_joined(block))]


def refine(text: str) -> str:
    """Return the readable content of a page."""
    kept = (_readable(lines) for lines in paragraphs_of(text.translate(_SIGNS)))
    return text_of(lines for lines in kept if lines)


def _joined(block: str) -> list[str]:
    """Return a paragraph's lines, each of them up to the end of a sentence."""
    lines: list[str] = []
    for line in (line.strip() for line in _SET_UP.sub(". ", block).split("\n")):
        if lines and not _FINISHED.search(lines[-1]):
            lines[-1] = f"{lines[-1]} {line}"
        elif line:
            lines.append(line)
    return lines


def _parted(lines: list[str]) -> list[Paragraph]:
    """Return a paragraph parted before each of its questions, so that each has its own answer."""
    starts = [i for i, line in enumerate(lines) if line.endswith("?") and i > 0]
    bounds = [0, *starts, len(lines)]
    return [tuple(lines[i:j]) for i, j in zip(bounds, bounds[1:], strict=False)]


def _readable(lines: Paragraph) -> Paragraph:
    """Return the usable lines: a question stands or falls with its answer, facts one by one."""
    content = [line for line in lines if not _SITE.search(line)]
    whole = [line for line in content if _is_whole(line)]
    asks = any(line.endswith("?") for line in content)
    if asks and (len(whole) < len(content) or whole[-1].endswith("?")):
        return ()
    return tuple(_in_one_notation(line) for line in whole)


def _is_whole(line: str) -> bool:
    return _FINISHED.search(line) is not None and _UNREADABLE.search(line) is None


def _in_one_notation(line: str) -> str:
    line = _SPOKEN.sub(lambda match: _WORDS[match.group(1)], re.sub(r"\s+", " ", line))
    is_formula = "=" in line or re.search(r"\d\)?\s*[-+*]", line) is not None
    return _SPACED.sub(r"\1", line) if is_formula else line
