"""What stands beside every sweep: the code, the versions and the machine that made it."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = (
    *("davinci", "torch", "lightning", "transformers", "tokenizers", "numpy"),
    *("hydra-core", "mlflow"),
)


def provenance() -> dict[str, Any]:
    """Return git revision, versions and machine; nothing secret and no path."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "git": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "packages": versions,
    }


def _git_revision() -> str:
    """Return the commit of the code, with "+changes" where files differ from it."""
    try:
        changes = "+changes" if _git("status", "--porcelain") else ""
        return _git("rev-parse", "HEAD") + changes
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*words: str) -> str:
    here = Path(__file__).resolve().parent
    run = subprocess.run(
        ["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=5
    )
    return run.stdout.strip()
