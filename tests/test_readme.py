"""Nothing in the README that does not work."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from davinci.reports.cli import main
from davinci.reports.texts import GLOSSARY

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LEVELS = (ROOT / "data_levels" / "README.md").read_text(encoding="utf-8")
ABLATIONS = (ROOT / "ablations" / "README.md").read_text(encoding="utf-8")
REPORTS = (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
FENCES = re.findall(
    r"^```(\w*)\n(.*?)^```$", README + LEVELS + ABLATIONS + REPORTS, flags=re.S | re.M
)
BLOCKS = [block for language, block in FENCES if not language]
COMMANDS = [
    line for block in BLOCKS for line in block.splitlines() if line.startswith("python run.py")
]


DECLARED = {  # ablations of one's own, in whole
    text.split()[1]: text
    for language, text in FENCES
    if language == "yaml" and text.startswith("name: ") and "my_data" in text
}
SHOWN = sorted(
    {
        line.partition("#")[0].strip()
        for block in BLOCKS
        for line in block.splitlines()
        if line.startswith("davinci ")
    }
)


def test_the_readme_has_its_commands() -> None:
    assert len(COMMANDS) == 16
    assert list(DECLARED) == ["our_rules"]
    assert len(SHOWN) >= 12
    assert "make demo" in README
    assert "make test" in README


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_understood(command: str, tmp_path: Path) -> None:
    for domain in ("general", "code"):
        (tmp_path / f"{domain}.jsonl").write_text(json.dumps({"text": "a text"}))
    for entry in ("megamath-web", "megamath-refined"):
        (tmp_path / "mirror" / entry).mkdir(parents=True)
        (tmp_path / "mirror" / entry / "a.jsonl").write_text(json.dumps({"text": "a text"}))
    for name, text in DECLARED.items():
        (tmp_path / "ablation").mkdir(exist_ok=True)
        own = text.replace("=my_data", f"={tmp_path}")
        (tmp_path / "ablation" / f"{name}.yaml").write_text(own, encoding="utf-8")
    command = command.replace("=my_data", f"={tmp_path}").replace("my_ablations", str(tmp_path))
    command = command.replace("data.path=mirror", f"data.path={tmp_path / 'mirror'}")
    words = shlex.split(command)[2:]
    looking = [f"output_dir={tmp_path / 'out'}", "sweep.dry_run=true"]
    run = subprocess.run(
        [sys.executable, "run.py", *words, *looking], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "Dry run" in run.stdout


@pytest.mark.parametrize("command", SHOWN)
def test_a_davinci_command_of_the_readme_runs_until_it_asks_for_results(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command)[1:]
    code = main([*words, "--output-dir", str(tmp_path)])
    said = capsys.readouterr()
    assert code == 0 or "There is no" in said.err or "theirs" in said.err, said


def test_the_words_are_those_of_the_reports() -> None:
    for term in GLOSSARY:
        assert f"| {term.name} | {term.meaning} |" in REPORTS


def test_every_picture_of_the_gallery_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", REPORTS)
    assert len(pictures) >= 5
    for picture in pictures:
        assert (ROOT / "reports" / picture).read_bytes().startswith(b"\x89PNG")


def test_every_option_in_the_table_of_axes_is_there() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", README, flags=re.M)
    assert {group for group, _ in rows} >= {"data", "mixture", "curriculum", "evaluation", "scale"}
    for group, options in rows:
        for option in re.findall(r"`([\w]+)`", options):
            assert (ROOT / "conf" / group / f"{option}.yaml").exists(), f"{group}={option}"


def test_every_file_and_folder_that_the_readme_names_is_there() -> None:
    for place in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / place).exists(), place
    for place in re.findall(r"^\| `(\w+/|run\.py)`", README, flags=re.M):
        assert (ROOT / place).exists(), place
