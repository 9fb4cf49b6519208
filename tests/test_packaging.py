"""The five rooms form one namespace, and the standard library keeps its `platform`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("ablations", "platform", "models", "data_levels", "reports")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_no_init_file_and_is_linked_into_the_namespace(room: str) -> None:
    assert not (ROOT / room / "__init__.py").exists()
    assert (ROOT / "src" / "davinci" / room).resolve() == ROOT / room


def test_no_test_folder_is_a_package() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_the_root_still_sees_the_standard_librarys_platform_module() -> None:
    code = "import platform, uuid; print(platform.__file__); print(platform.system())"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert Path(shown.splitlines()[0]).name == "platform.py"


def test_run_py_still_sees_the_standard_librarys_platform_module() -> None:
    code = (
        "import runpy, sys; sys.argv = ['run.py', '--cfg', 'job'];"
        "sys.path.insert(0, '.')\n"
        "try:\n runpy.run_path('run.py', run_name='__main__')\nexcept SystemExit: pass\n"
        "import platform; print(platform.__file__)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert Path(shown.splitlines()[-1]).name == "platform.py"


def test_models_training_and_evaluation_import_without_hydra_mlflow_and_sqlalchemy() -> None:
    code = (
        "import sys\n"
        "import davinci.models.build, davinci.models.module\n"
        "import davinci.platform.training.segment, davinci.platform.evaluation.evaluate\n"
        "loaded = {'hydra', 'mlflow', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=True)


def test_start_up_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['run.py', '--help']\n"
        "import runpy\n"
        "try:\n runpy.run_path('run.py', run_name='__main__')\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'lightning', 'transformers', 'mlflow', 'sklearn', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
