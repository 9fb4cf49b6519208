import os
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"
SCRIPT = """
import sys
import davinci.platform.training.settings
import davinci.platform.evaluation.settings
assert not {"torch", "lightning", "transformers"} & set(sys.modules)
import davinci.platform.training.segment
import davinci.platform.evaluation.evaluate
print(sorted({"mlflow", "hydra", "sqlalchemy"} & set(sys.modules)))
"""


def test_training_and_evaluation_run_alone_and_their_settings_are_light() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
