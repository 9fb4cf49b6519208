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


BARE = """
import importlib.util, sys
import torch, torch._dynamo, lightning, transformers, omegaconf

class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
            raise ModuleNotFoundError(f"{name} is not on this machine", name=name)

MISSING = {
    "mlflow", "hydra", "sqlalchemy", "datatrove", "orjson", "zstandard", "pandas", "pyarrow",
    "scipy", "statsmodels", "sklearn", "rich", "datasets", "ftfy", "resiliparse", "fastwarc",
    "py3langid", "jinja2", "matplotlib", "threadpoolctl", "lm_eval",
}
sys.meta_path.insert(0, Bare())
known = importlib.util.find_spec  # by which libraries ask what there is
importlib.util.find_spec = lambda name, package=None: (
    None if name.split(".")[0] in MISSING else known(name, package)
)
import davinci.platform.training.entry
import davinci.platform.training.processes
print("trains")
"""


def test_a_machine_with_torch_lightning_transformers_and_omegaconf_alone_can_train() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BARE],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("trains", 0), done.stderr


def test_training_and_evaluation_run_alone_and_their_settings_are_light() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
