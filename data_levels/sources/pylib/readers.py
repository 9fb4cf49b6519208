"""Documents out of an installation's files: sources, descriptions, docstrings, doctests.

Sources are parsed with `ast`; nothing of what is read is ever imported or run.
"""

import ast
import doctest
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from davinci.data_levels.document import Document, Domain
from davinci.data_levels.sources.pylib.installation import File

_Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Docstring(NamedTuple):
    """A docstring with the name and the arguments of what it describes ("" for modules)."""

    name: str
    arguments: str
    text: str


def whole_file(file: File, domain: Domain) -> Document:
    """Return a file as it is: its bytes as Latin-1."""
    meta = {
        **provenance(file),
        "format": "code" if file.path.endswith(".py") else "text",
        "encoding": "bytes",
    }
    return Document(id=file.path, domain=domain, text=file.read().decode("latin-1"), meta=meta)


def description(file: File) -> Document | None:
    """Return the long description in a `METADATA` file, or None where it has none."""
    _, _, body = file.read().replace(b"\r\n", b"\n").partition(b"\n\n")
    if not body.strip():
        return None
    meta = {**provenance(file), "format": "text", "encoding": "bytes"}
    return Document(id=file.path, domain="general", text=body.decode("latin-1"), meta=meta)


def docstring_documents(file: File, domain: Domain) -> list[Document]:
    """Return one document for every docstring of a module, headed by what it describes."""
    documents: list[Document] = []
    for name, docstring in _named(file):
        heading = f"{_qualified(file, docstring.name)}{docstring.arguments}"
        text = f"{heading}\n\n{docstring.text}\n"
        documents.append(Document(id=name, domain=domain, text=text, meta=_text_meta(file)))
    return documents


def doctest_documents(file: File) -> list[Document]:
    """Return one document for every docstring with examples: questions and their answers."""
    documents: list[Document] = []
    for name, docstring in _named(file):
        text = questions_and_answers(_qualified(file, docstring.name), docstring.text)
        if text:
            documents.append(Document(id=name, domain="qa", text=text, meta=_text_meta(file)))
    return documents


def questions_and_answers(name: str, docstring: str) -> str:
    """Return the examples of a docstring as questions and answers, "" if there are none.

    Statements without output belong to the question that follows them.
    """
    try:
        examples = doctest.DocTestParser().get_examples(docstring)
    except ValueError:
        return ""
    summary = " ".join(docstring.strip().partition("\n\n")[0].split())
    parts = [f"`{name}`" if ">>>" in summary or not summary else f"`{name}`: {summary}"]
    code: list[str] = []
    for example in examples:
        code.append(example.source.rstrip("\n"))
        if example.want.strip():
            question = f"Question {len(parts)}: what does this print?\n" + "\n".join(code)
            parts.append(f"{question}\nAnswer {len(parts)}:\n{example.want.rstrip()}")
            code = []
    return "\n\n".join(parts) + "\n" if len(parts) > 1 else ""


def docstrings(source: bytes) -> list[Docstring]:
    """Return all docstrings of a module, in order; none where it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return list(_walk(tree, ""))


def provenance(file: File) -> dict[str, str]:
    """Return where a document comes from."""
    distribution = f"{file.distribution.name} {file.distribution.version}".strip()
    meta = {"source": "pylib", "path": file.path, "distribution": distribution}
    if file.distribution.licence:
        meta["licence"] = file.distribution.licence
    return meta


def _walk(node: ast.Module | _Defined, prefix: str) -> Iterator[Docstring]:
    text = ast.get_docstring(node)
    if text:
        yield Docstring(prefix, _arguments(node), text)
    for child in node.body:
        if isinstance(child, _Defined):
            yield from _walk(child, f"{prefix}.{child.name}" if prefix else child.name)


def _arguments(node: ast.Module | _Defined) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"({ast.unparse(node.args)})"
    return ""


def _named(file: File) -> Iterator[tuple[str, Docstring]]:
    """Yield every docstring with an id; a name that is defined again gets a number."""
    seen: Counter[str] = Counter()
    for docstring in docstrings(file.read()):
        name = f"{file.path}::{docstring.name}" if docstring.name else file.path
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}#{seen[name]}"), docstring


def _qualified(file: File, name: str) -> str:
    module = file.path.removeprefix("stdlib/").removesuffix(".py").removesuffix("/__init__")
    return ".".join(part for part in (module.replace("/", "."), name) if part)


def _text_meta(file: File) -> dict[str, str]:
    return {**provenance(file), "format": "text"}
