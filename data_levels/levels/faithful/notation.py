"""What a text holds that is not prose: formulas, code, tables, headings, labels, citations.

Each is found by how it is written, in LaTeX, Markdown or plain text, and compared without what an
editor may change: white space, delimiters, and the signs for one and the same operation.
"""

import ast
import re
import unicodedata
import warnings
from collections.abc import Iterator
from functools import lru_cache

from davinci.data_levels.levels.faithful.evidence import plain_signs

MIN_FORMULA_CHARS = 2

_DELIMITED = re.compile(
    r"\$\$(.{1,1000}?)\$\$|\\\[(.{1,1000}?)\\\]|\\\((.{1,500}?)\\\)"
    r"|\\begin\{(?:equation|align|gather|eqnarray|multline|displaymath)\*?\}(.{1,4000}?)\\end\{"
    r"|(?<![\\$\w])\$(?=[^\s$])([^$\n]{1,300}?)(?<=[^\s\\])\$(?![\w$])",
    re.DOTALL,
)
_MATH_LINE = re.compile(r"^.*[=^+*\u00d7\u00b7\u00b1\u2264\u2265\u2248].*$", re.MULTILINE)
_OPERATOR = "[-+*/=^\u2212\u00d7\u00b7\u00f7\u00b1\u2264\u2265\u2248]"
_OPERAND = r"[\w.(){}\[\]\\'|!]++"
_SHORT = rf"(?![A-Za-z]{{3,}}(?![\w(]))(?=[^\W_]|[\\(|]){_OPERAND}"
_PLAIN = re.compile(
    rf"(?<![\w/:&?=*]){_OPERAND}(?:{_OPERATOR}-?{_OPERAND}|[ ]{_OPERATOR}[ ]?-?{_SHORT}){{1,40}}"
)
_FLOAT = re.compile(r"-?\d+(?:\.\d*)?[eE][-+]\d+(?: [-+]?\d+(?:\.\d*)?[eE][-+]\d+)*")
_IS_FORMULA = re.compile("[=^+*\u00d7\u00b7\u00b1\u2264\u2265\u2248]")
_ADDRESS = re.compile(r"(?<!\S)\S*?(?:://|www\.|@)\S*|</?\w[^<>]*>")
_EDGES = ".,;:!'|"
_SPOKEN = re.compile(r"\b(plus|minus|times|equals|divided by)\b")
_SPOKEN_SIGNS = {"plus": "+", "minus": "-", "times": "*", "equals": "=", "divided by": "/"}
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_LAYOUT = re.compile(
    r"\\(?:left|right|displaystyle|textstyle|mathrm|mathbf|mathit|mathsf|operatorname|text|quad"
    r"|qquad|limits|nonumber|big|Big|bigg|Bigg|label\{[^{}]*\}|tag\{[^{}]*\})(?![A-Za-z])|\\[,;:! ]"
)
_COMMANDS = {
    **dict.fromkeys(("times", "cdot", "ast"), "*"),
    **dict.fromkeys(("le", "leq", "leqslant"), "<="),
    **dict.fromkeys(("ge", "geq", "geqslant"), ">="),
    **dict.fromkeys(("ne", "neq"), "!="),
    **dict.fromkeys(("to", "rightarrow", "longrightarrow"), "->"),
    **{"div": "/", "pm": "+-", "approx": "~=", "infty": "inf", "lbrace": "", "rbrace": ""},
}
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_MARKS = str.maketrans(
    {
        **{
            "\u00d7": "*",
            "\u00b7": "*",
            "\u22c5": "*",
            "\u2217": "*",
            "\u00f7": "/",
            "\u2044": "/",
        },
        **{"\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "\u2248": "~=", "\u00b1": "+-"},
        **{"\u221e": "inf", "\u221a": "sqrt", "\u2211": "sum", "\u222b": "int", "\u2192": "->"},
        **{"\u2202": "partial", "\u220f": "prod", "\u2208": "in", "\u2207": "nabla"},
        **{
            chr(code): unicodedata.name(chr(code)).rsplit(" ", 1)[-1].lower()
            for code in (*range(0x391, 0x3A2), *range(0x3A3, 0x3AA), *range(0x3B1, 0x3CA))
        },
        **dict.fromkeys("$\\{}^_`", ""),
    }
)
_LOOSE = re.compile(r" (?:(?=[^\w\s])|(?<=[^\w\s.,;:!?] ))")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.) (.+)$", re.MULTILINE)
_INDENTED = re.compile(r"(?:\A|\n[ \t]*\n)((?:(?: {4}|\t)[^\n]*(?:\n|\Z))+)")
_LOOKS_LIKE_CODE = re.compile(r"\w[(\[]|[={}]|;\s*$|^\s*(?:import|return|pass|try:|else:|@\w)")
_TABLE_ROW = re.compile(r"^[ \t]*\|.+\|[ \t]*$|^[^\n\t]+(?:\t[^\n\t]+){2,}$", re.MULTILINE)
_LABEL = re.compile(
    r"^[ \t>*_#]*((?:Exercise|Problem|Example|Question|Definition|Theorem|Lemma|Proposition"
    r"|Corollary|Remark|Axiom)\s+[A-Z]?\d+(?:\.\d+)*)\b(?!.*\.\s?\.\s?\.)",
    re.MULTILINE,
)
_ITEM_NUMBER = re.compile(r"^[ \t*_#-]*(?:\(?\d{1,2}[.):](?!\d)|Step \d+)", re.MULTILINE)
_CITATION = re.compile(
    r"(?<=[\w,.)] )\[\d+(?:\s?[,\u2013-]\s?\d+)*\]"
    r"|\((?:[A-Z][\w\u2019'-]+[^()\n\d]{0,60},? \d{4}[a-z]?(?:; )?)+\)"
)
_HEADING = re.compile(
    r"^ {0,3}#{1,6}[ \t]+(.+)$"
    r"|^((?:Chapter|Section|Part|Appendix|Lesson|Unit)[ ]+"
    r"(?:\d+(?:\.\d+)*|[IVXLC]+|[A-Z])\b(?:[^\n]{0,70}[^\n.!?;,])?)$"
    r"|^[ \t]*(\d+(?:\.\d+)+\.?[ \t]+[A-Z][^\n]{0,70}[^\n.!?;:,])$"
    r"|^(\S[^\n]{0,78})\n(?:={3,}|-{3,}|~{3,})[ \t]*$"
    r"|^[ \t]*([^a-z\n]{4,80})$",
    re.MULTILINE,
)
_LETTER = re.compile(r"[^\W\d_]")
_DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_NOT_ALNUM = re.compile(r"[\W_]+")


@lru_cache(maxsize=8)
def formulas(text: str) -> dict[str, str]:
    """Return the formulas of a text by their skeletons, in order: in LaTeX, and in plain text."""
    found = dict(latex_formulas(text))
    rest = _DELIMITED.sub(" ; ", text) if "$" in text or "\\" in text else text
    for line in _MATH_LINE.findall(rest):
        for match in _PLAIN.finditer(_ADDRESS.sub(" ", line)):
            formula = _trimmed(match.group())
            if _IS_FORMULA.search(formula) and not _FLOAT.fullmatch(formula):
                found.setdefault(skeleton(formula), formula)
    found.pop("", None)
    return found


@lru_cache(maxsize=8)
def latex_formulas(text: str) -> dict[str, str]:
    """Return the formulas between LaTeX's delimiters, such as dollars, by their skeletons.

    A mere symbol is none.
    """
    if "$" not in text and "\\" not in text:
        return {}
    matches = (next(filter(None, match)) for match in _DELIMITED.findall(text))
    found = {skeleton(formula): formula.strip() for formula in matches}
    return {key: formula for key, formula in found.items() if len(key) >= MIN_FORMULA_CHARS}


def skeleton(text: str) -> str:
    """Return a text as formulas are compared: one sign for one operation, no LaTeX, no spaces.

    Spaces are kept between letters or digits. Exponents and indices are left as plain letters.
    """
    text = plain_signs(text)
    if any(word in text for word in _SPOKEN_SIGNS):
        text = " ".join(text.split())
        text = _SPOKEN.sub(lambda match: _SPOKEN_SIGNS[match[1]], text)
    if "\\" in text:
        text = _LAYOUT.sub(" ", _FRACTION.sub(r"\1/\2", text))
        text = _COMMAND.sub(lambda match: _COMMANDS.get(match[1], match[1]), text)
    text = text.replace("**", "^").translate(_MARKS)
    return _LOOSE.sub("", " ".join(text.split()))


def holds_formula(text: str, formula: str) -> bool:
    """Return whether the text holds the formula of this skeleton, whatever its delimiters."""
    if formula in formulas(text):
        return True
    if formula.replace(" ", "") not in _squashed_skeleton(text):
        return False
    spaced = " ?".join(map(re.escape, formula.replace(" ", "")))
    begins = r"(?<!\w)" if formula[0].isalnum() else ""
    ends = r"(?!\w|\.\d)" if formula[-1].isalnum() else ""
    return re.search(begins + spaced + ends, _skeleton(text)) is not None


@lru_cache(maxsize=8)
def code_lines(text: str, *, is_code: bool = False) -> tuple[str, ...]:
    """Return the lines of code in a text: in fences, after prompts, or indented.

    Args:
        text: Prose with code, or code.
        is_code: Whether all of it is code.
    """
    if is_code:
        return tuple(filter(_counts, text.splitlines()))
    lines = [line for match in _FENCE.finditer(text) for line in match[2].splitlines()]
    rest = _FENCE.sub("\n", text) if lines else text
    lines += _PROMPT.findall(rest)
    for block in _INDENTED.findall(rest):
        lines += [line for line in block.splitlines() if _LOOKS_LIKE_CODE.search(line)]
    return tuple(filter(_counts, lines))


def holds_code(text: str, line: str) -> bool:
    """Return whether the text holds a line of code, spaces and kinds of quotes aside.

    A line of Python may also be formatted anew, without brackets that change nothing.
    """
    if _squash(line) in _squashed_lines(text) or _squash(line) in _squashed(text):
        return True
    bare = _bare(line)
    like = (one for one in text.splitlines() if bare in _bare(one))
    wanted = _unparsed(line)
    return bool(wanted) and any(wanted <= _unparsed(one) for one in like)


def table_rows(text: str) -> list[str]:
    """Return the rows of tables in a text: between bars, or of three cells parted by tabs."""
    if "|" not in text and "\t" not in text:
        return []
    return [row for row in _TABLE_ROW.findall(text) if _LETTER.search(_ADDRESS.sub("", row))]


def labels(text: str) -> list[str]:
    """Return what is labelled and numbered: exercises, examples, definitions, theorems."""
    return _LABEL.findall(text)


def citations(text: str) -> list[str]:
    """Return the citations within sentences: `[3, 4]`, `(Smith, 1999)`."""
    return [match.group() for match in _CITATION.finditer(text)]


def headings(text: str) -> list[str]:
    """Return headings: Markdown's, underlined, numbered `1.2 Title`, or all in capitals."""
    prose = _FENCE.sub("\n", text) if "```" in text or "~~~" in text else text
    found = (next(filter(None, match)).strip(" \t#") for match in _HEADING.findall(prose))
    return [heading for heading in found if len(_LETTER.findall(heading)) >= 4]


def without_labels(text: str) -> str:
    """Return the text without the numbers that count its steps and items at line starts."""
    return _ITEM_NUMBER.sub("", text)


def definitions(text: str) -> list[str]:
    """Return the names of the functions and classes that Python code defines."""
    return _DEFINED.findall(text)


def letters(text: str) -> str:
    """Return the letters and digits of a text, lower case, without anything between them."""
    return _NOT_ALNUM.sub("", text).lower()


def line_letters(text: str) -> Iterator[str]:
    """Yield `letters` of each line."""
    return map(letters, text.splitlines())


_skeleton = lru_cache(maxsize=4)(skeleton)


@lru_cache(maxsize=4)
def _squashed_skeleton(text: str) -> str:
    return _skeleton(text).replace(" ", "")


def _squash(text: str) -> str:
    return "".join(text.split()).replace('"', "'")


_squashed = lru_cache(maxsize=4)(_squash)


@lru_cache(maxsize=4)
def _squashed_lines(text: str) -> frozenset[str]:
    return frozenset(map(_squash, text.splitlines()))


def _bare(line: str) -> str:
    return re.sub(r"[\s()]+", "", line).replace('"', "'")


def _counts(line: str) -> bool:
    return len(line.strip()) >= 4 and any(map(str.isalnum, line))


def _trimmed(formula: str) -> str:
    """Return a formula without the punctuation and the brackets that belong to its sentence."""
    formula = formula.strip(_EDGES)
    while formula.endswith(")") and formula.count("(") < formula.count(")"):
        formula = formula[:-1].rstrip(_EDGES)
    while formula.startswith("(") and formula.count("(") > formula.count(")"):
        formula = formula[1:]
    return formula


def _unparsed(line: str) -> frozenset[str]:
    """Return a line of Python as the lines that its syntax tree is written as; none if broken."""
    line = line.strip()
    for source in (line, f"{line} pass"):
        try:
            with warnings.catch_warnings(action="ignore"):
                written = ast.unparse(ast.parse(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return frozenset(part.strip() for part in written.splitlines()) - {"pass"}
    return frozenset()
