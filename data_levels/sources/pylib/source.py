"""The source `pylib`: what this Python installation says, as raw documents of all five domains.

- code: sources of the standard library and of site-packages
- general: long descriptions of distributions, and their .md, .rst and .txt files
- math: docstrings of numeric packages; science: those of other scientific and technical ones
- qa: doctest examples as questions and answers

Test folders count as code only.

A module is held out, for every domain alike, by the hash of its path.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from davinci.data_levels.corpus import hash_order
from davinci.data_levels.document import DOMAINS, Document, Domain, Outcome
from davinci.data_levels.sources.pylib import readers
from davinci.data_levels.sources.pylib.installation import File, Installation, this_installation
from davinci.data_levels.sources.pylib.rubric import RUBRIC_NOTE, is_licence, is_worth_keeping
from davinci.data_levels.sources.separation import HeldOutRuns, falls_in, held_out_texts, separate
from davinci.data_levels.sources.source import HeldOut, SourceSettings, Teacher

DEFAULT_DOCUMENTS: dict[Domain, int] = {
    "general": 700,
    "code": 1000,
    "math": 3000,
    "science": 3000,
    "qa": 2500,
}
"""Documents per domain where the settings do not say: some 20 MB in all."""

HELD_OUT_FRAC = 0.02
HELD_OUT_DOCS_FRAC = 0.06
"""Of descriptions and documentation files, which are few."""
MAX_HELD_OUT_TEXTS = 60
MAX_HELD_OUT_TEXT_BYTES = 2000
MAX_HELD_OUT_DOCUMENTS = 120
MAX_HELD_OUT_PER_FILE = 8
MIN_HELD_OUT_WORDS = 20
MAX_LABELS = 400

_MATH_LIST = "numpy scipy pandas sklearn statsmodels sympy mpmath networkx patsy formulaic"
MATH_PACKAGES = frozenset(_MATH_LIST.split())
MATH_MODULES = frozenset(
    f"stdlib/{name}.py" for name in ("statistics", "fractions", "_pydecimal", "random", "numbers")
)
_SCIENCE_LIST = """
torch torchmetrics torchgen transformers matplotlib mpl_toolkits contourpy PIL lightning
lightning_fabric pytorch_lightning pyarrow datatrove datasketch joblib safetensors tokenizers
huggingface_hub fontTools cryptography narwhals mlflow sqlalchemy
"""
SCIENCE_PACKAGES = frozenset(_SCIENCE_LIST.split())


class Pylib:
    """A Python installation as a source; the same installation gives the same documents."""

    name = "pylib"

    def __init__(self, settings: SourceSettings, installation: Installation | None = None) -> None:
        """Take the settings: `documents` per domain, 0 for `DEFAULT_DOCUMENTS`."""
        self._settings = settings
        self._installation = installation or this_installation()

    def num_inputs(self, domain: Domain) -> int:
        """Return 1: all is read at once."""
        return 1

    def acquire(self, domain: Domain, index: int, held_out: HeldOut) -> Iterator[Outcome]:
        """Yield a fixed pseudo-random sample of the domain's documents, sorted by id."""
        limit = self._settings.documents or DEFAULT_DOCUMENTS[domain]
        training = (file for file in _files(self._installation, domain) if not _is_held_out(file))
        sample: list[Document] = []
        for file in training:
            if len(sample) >= limit:
                break
            sample += _documents(file, domain)[: limit - len(sample)]
        sample.sort(key=lambda document: document.id)
        runs = HeldOutRuns(text for texts in held_out.texts.values() for text in texts)
        yield from separate(sample, runs)

    def held_out(self) -> HeldOut:
        """Return clean held-out text of every domain; there are no benchmark items."""
        return HeldOut(texts=self._texts)

    def labels(self, domain: Domain, documents: list[Document]) -> Mapping[str, bool]:
        """Return weak labels of at most 400 documents; see `rubric` for what they are worth."""
        sample = sorted(documents, key=lambda document: hash_order("labels", document.id))
        return {document.id: is_worth_keeping(document) for document in sample[:MAX_LABELS]}

    def teacher(self) -> Teacher | None:
        """Return None: an endpoint must serve."""
        return None

    def label_notes(self) -> list[str]:
        """Return what a reader of L3's manifest should know about the labels."""
        return [RUBRIC_NOTE]

    @property
    def _texts(self) -> Mapping[Domain, tuple[str, ...]]:
        return _held_out_texts(self._installation)


@lru_cache(maxsize=2)
def _held_out_texts(installation: Installation) -> Mapping[Domain, tuple[str, ...]]:
    """Return the held-out texts of all domains; every domain's training text is kept from all."""
    return {domain: _held_out_texts_of(installation, domain) for domain in DOMAINS}


def _held_out_texts_of(installation: Installation, domain: Domain) -> tuple[str, ...]:
    documents: list[Document] = []
    for file in _files(installation, domain):
        if len(documents) >= MAX_HELD_OUT_DOCUMENTS:
            break
        if _is_held_out(file):
            own = _documents(file, domain)
            own.sort(key=lambda document: hash_order("held_out", document.id))
            documents += own[:MAX_HELD_OUT_PER_FILE]
    return held_out_texts(
        documents,
        max_texts=MAX_HELD_OUT_TEXTS,
        max_bytes=MAX_HELD_OUT_TEXT_BYTES,
        max_per_document=4 if domain == "general" else 1,
        fits=_is_fit_to_score,
    )


def _files(installation: Installation, domain: Domain) -> list[File]:
    """Return the domain's files in their pseudo-random order."""
    files = [file for file in installation.files if _serves(file, domain)]
    if domain == "general":
        files += installation.metadata
    return sorted(files, key=lambda file: (hash_order("sample", _sample_key(file)), file.path))


def _serves(file: File, domain: Domain) -> bool:
    is_source = file.path.endswith(".py")
    if domain == "general":
        return not is_source
    if not is_source or (domain != "code" and "/tests/" in file.path):
        return False
    if domain == "math":
        return file.top in MATH_PACKAGES or file.path in MATH_MODULES
    return domain != "science" or file.top in SCIENCE_PACKAGES


def _documents(file: File, domain: Domain) -> list[Document]:
    if domain == "code":
        return [readers.whole_file(file, domain)]
    if domain == "qa":
        return readers.doctest_documents(file) if b">>> " in file.read() else []
    if domain != "general":
        return readers.docstring_documents(file, domain)
    if not file.path.endswith("/METADATA"):
        return [readers.whole_file(file, domain)]
    document = readers.description(file)
    return [] if document is None else [document]


def _is_held_out(file: File) -> bool:
    return falls_in(file.path, HELD_OUT_FRAC if file.path.endswith(".py") else HELD_OUT_DOCS_FRAC)


def _is_fit_to_score(piece: str) -> bool:
    """Return whether a piece says enough, and is no licence, of which training is full."""
    return len(piece.split()) >= MIN_HELD_OUT_WORDS and not is_licence(piece)


def _sample_key(file: File) -> str:
    """Return what decides a file's place: its name, so that vendored copies stay together.

    `__init__.py` says too little: the folder's name is added.
    """
    parts = file.path.split("/")
    return "/".join(parts[-2:]) if parts[-1] in ("__init__.py", "METADATA") else parts[-1]
