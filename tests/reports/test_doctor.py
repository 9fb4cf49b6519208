"""The doctor tells what works, what is not there and what is broken, and nothing secret."""

import re
import shutil
from pathlib import Path

import pytest

from davinci.platform.config.places import sqlite_url
from davinci.platform.store.open import open_store
from davinci.reports import doctor
from davinci.reports.cli import main
from davinci.reports.doctor import Found, examine


def parts(output_dir: Path, store: str = "") -> dict[str, Found]:
    return {found.part: found for found in examine(output_dir, store)}


def test_a_machine_without_results_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = parts(tmp_path / "new" / "outputs")
    for part in ("Python", "torch", "processor", "output folder", "search", "harness"):
        assert found[part].state == "works", found[part]
    assert found["store"].state == "not there"
    assert "free" in found["output folder"].words
    assert main(["doctor", "--output-dir", str(tmp_path)]) == 0
    assert "not there  the first sweep makes it" in capsys.readouterr().out
    assert not list(tmp_path.iterdir()), "it only looks"


def test_a_store_is_tried(tmp_path: Path) -> None:
    open_store(sqlite_url(tmp_path / "davinci.db")).dispose()
    assert parts(tmp_path)["store"].state == "works"


@pytest.mark.parametrize("part", ["store", "output folder"])
def test_what_is_broken_is_named_and_ends_with_code_one(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path
    if part == "store":
        (tmp_path / "davinci.db").write_text("this is no database, but a text of some length")
    else:
        place = tmp_path / "file"
        place.write_text("not a folder")
    assert parts(place)[part].state == "broken"
    assert main(["doctor", "--output-dir", str(place)]) == 1
    assert re.search(rf"{part} +broken", capsys.readouterr().out)


def test_a_password_is_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = "postgresql+psycopg://me:s3cret@127.0.0.1:9/davinci"
    assert main(["doctor", "--output-dir", str(tmp_path), "--store", url]) == 1
    told = capsys.readouterr()
    assert "broken" in told.out
    assert "s3cret" not in told.out + told.err


def test_what_is_not_installed_is_said_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "search", ("no_such_module", "searches"))
    monkeypatch.setattr(shutil, "which", lambda *_: None)
    assert main(["doctor", "--output-dir", str(tmp_path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "pip install 'davinci[search]'" in told, "brackets are no markup"
    assert "slurm not there no `sbatch` on this machine" in told
