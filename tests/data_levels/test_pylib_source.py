"""The installation as a crawl, on a small installation made by hand, and on the real one."""

import sys
from pathlib import Path

import pytest

from davinci.data_levels.document import DOMAINS, Document, Domain, Dropped
from davinci.data_levels.sources.pylib import readers
from davinci.data_levels.sources.pylib.installation import Distribution, File, Installation
from davinci.data_levels.sources.pylib.rubric import is_worth_keeping
from davinci.data_levels.sources.pylib.source import Pylib
from davinci.data_levels.sources.registry import source_identity
from davinci.data_levels.sources.separation import HeldOutRuns
from davinci.data_levels.sources.source import SourceSettings

MODULE = '''"""Numbers on a line."""

def distance(a, b=0, *, signed=False):
    """Return how far apart two numbers are.

    >>> distance(3, 5)
    2
    >>> x = 7
    >>> distance(x)
    7
    """
    return abs(a - b)

class Point:
    """A place on the line."""
    def move(self, by):
        """Move it."""
    def _quiet(self):
        return None
'''

METADATA = """Metadata-Version: 2.1
Name: mathlike
Version: 1.2
License-Expression: MIT

# Mathlike

A package about numbers on a line, which are the simplest numbers of all.
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    stdlib, site = tmp_path / "lib", tmp_path / "site"
    for folder in (stdlib / "site-packages", stdlib / "__pycache__", site / "numpy"):
        folder.mkdir(parents=True)
    (stdlib / "text.py").write_text('"""Text."""\n')
    (stdlib / "site-packages" / "hidden.py").write_text("x = 1\n")
    (site / "numpy" / "line.py").write_text(MODULE)
    (site / "numpy" / "broken.py").write_text('def f(:\n    """Not Python."""\n')
    (site / "numpy" / "README.md").write_bytes("# Über\n".encode())
    (site / "numpy" / "huge.py").write_text("x = 1\n" * 50_000)
    for name in ("mathlike-1.2", "davinci-0.1.0"):
        info = site / f"{name}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(METADATA.replace("mathlike", name.split("-")[0]))
        (info / "RECORD").write_text("numpy/line.py,sha256=x,1\n" if "math" in name else "")
    return Installation(stdlib=stdlib, site_packages=site)


def acquire(pylib: Pylib, domain: Domain) -> list[Document]:
    """Return the domain's documents without those that copy held-out text."""
    assert pylib.num_inputs(domain) == 1
    outcomes = pylib.acquire(domain, 0, pylib.held_out())
    return [outcome for outcome in outcomes if isinstance(outcome, Document)]


def source(installation: Installation, documents: int = 0) -> Pylib:
    return Pylib(SourceSettings(name="pylib", documents=documents), installation)


def test_files_carry_relative_paths_distributions_and_licences(installation: Installation) -> None:
    found = {file.path: file.distribution for file in installation.files}
    assert sorted(found) == [
        "numpy/README.md", "numpy/broken.py", "numpy/line.py", "stdlib/text.py"
    ]  # fmt: skip
    assert found["numpy/line.py"] == Distribution(name="mathlike", version="1.2", licence="MIT")
    python = sys.version.split()[0]
    assert found["stdlib/text.py"] == Distribution(name="python", version=python, licence="PSF-2.0")


def test_own_text_is_left_out(installation: Installation) -> None:
    assert [file.path for file in installation.metadata] == ["mathlike-1.2.dist-info/METADATA"]


def test_every_domain_has_its_kind_of_documents(installation: Installation) -> None:
    pylib = source(installation)
    ids = {domain: [document.id for document in acquire(pylib, domain)] for domain in DOMAINS}
    assert ids == {
        "general": ["mathlike-1.2.dist-info/METADATA", "numpy/README.md"],
        "code": ["numpy/broken.py", "numpy/line.py", "stdlib/text.py"],
        "math": [
            "numpy/line.py",
            "numpy/line.py::Point",
            "numpy/line.py::Point.move",
            "numpy/line.py::distance",
        ],
        "science": [],
        "qa": ["numpy/line.py::distance"],
    }


def file_of(installation: Installation, path: str) -> File:
    return next(file for file in installation.files if file.path == path)


def test_docstrings_are_headed_by_what_they_describe(installation: Installation) -> None:
    documents = readers.docstring_documents(file_of(installation, "numpy/line.py"), "math")
    texts = {document.id: document.text for document in documents}
    assert texts["numpy/line.py::Point.move"] == "numpy.line.Point.move(self, by)\n\nMove it.\n"
    assert texts["numpy/line.py::distance"].startswith(
        "numpy.line.distance(a, b=0, *, signed=False)\n\nReturn how far apart"
    )


def test_doctests_become_questions_and_answers(installation: Installation) -> None:
    [document] = readers.doctest_documents(file_of(installation, "numpy/line.py"))
    assert document.text == (
        "`numpy.line.distance`: Return how far apart two numbers are.\n\n"
        "Question 1: what does this print?\ndistance(3, 5)\nAnswer 1:\n2\n\n"
        "Question 2: what does this print?\nx = 7\ndistance(x)\nAnswer 2:\n7\n"
    )


def test_files_are_kept_as_bytes_with_provenance(installation: Installation) -> None:
    document = readers.whole_file(file_of(installation, "numpy/README.md"), "general")
    assert document.text.encode("latin-1").decode() == "# Über\n"
    assert document.meta == {
        "source": "pylib",
        "path": "numpy/README.md",
        "distribution": "mathlike 1.2",
        "licence": "MIT",
        "format": "text",
        "encoding": "bytes",
    }


def test_a_name_defined_twice_gets_two_ids() -> None:
    found = readers.docstrings(b'def f():\n    """A."""\ndef f():\n    """B."""\n')
    assert [docstring.text for docstring in found] == ["A.", "B."]


def test_a_limit_is_kept(installation: Installation) -> None:
    assert len(acquire(source(installation, 2), "math")) == 2


@pytest.mark.parametrize(
    ("domain", "path", "text", "worth"),
    [
        ("code", "numpy/line.py", MODULE, True),
        ("code", "numpy/tests/line.py", MODULE, False),
        ("code", "pip/_vendor/line.py", MODULE, False),
        ("code", "a.py", "# Generated by a machine. DO NOT EDIT\n" + MODULE, False),
        ("code", "a.py", "def f(:\n", False),
        ("math", "a.py", "a.f(x)\n\nReturn it.\n", False),
        ("math", "a.py", "a.f(x)\n\nReturn the root of a number. It must be positive at all "
         "times.\n\nParameters\n----------\nx : float\n", True),
        ("general", "README.md", "Permission is hereby granted, free of charge, to all.", False),
        ("qa", "a.py", "`a.f`: Return the distance of two points.\n\nQuestion 1: what does this "
         "print?\nf(1)\nAnswer 1:\n5\n", True),
        ("qa", "a.py", "`a.f`: Return the distance of two points.\n\nQuestion 1: what does this "
         "print?\nf(1)\nAnswer 1:\n<a.F object at 0x7f>\n", False),
    ],
)  # fmt: skip
def test_the_rubric_judges_as_it_says(domain: str, path: str, text: str, worth: bool) -> None:
    document = Document(id="a", domain=domain, text=text, meta={"path": path})  # type: ignore[arg-type]
    assert is_worth_keeping(document) is worth


def test_identity_is_the_same_for_all_worlds() -> None:
    first, second = (source_identity(SourceSettings(name="pylib", world_seed=n)) for n in (0, 1))
    assert first == second
    assert first["content"]["python"] == sys.version.split()[0]


def test_the_real_installation_gives_training_text_without_held_out_text() -> None:
    pylib = Pylib(SourceSettings(name="pylib", documents=60))
    texts = pylib.held_out().texts
    assert all(len(texts[domain]) >= 20 for domain in texts)
    assert all(len(text.encode()) <= 2000 for found in texts.values() for text in found)
    held_out = HeldOutRuns(text for found in texts.values() for text in found)
    for domain in DOMAINS:
        outcomes = list(pylib.acquire(domain, 0, pylib.held_out()))
        documents = [outcome for outcome in outcomes if isinstance(outcome, Document)]
        assert len(outcomes) == 60
        assert {o.reason for o in outcomes if isinstance(o, Dropped)} <= {"near_copy_of_held_out"}
        assert [d.id for d in documents] == sorted(d.id for d in documents)
        assert not any(held_out.has_copy_in(document.text) for document in documents)
        assert not any("/root" in path or path.startswith("/") for path in
                       (document.meta["path"] for document in documents))  # fmt: skip
