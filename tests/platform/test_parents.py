"""Starting from a checkpoint: found, compared, refused."""

import json
from pathlib import Path

import pytest
from hydra.core.config_loader import ConfigLoader
from transformers import GPT2Config, GPT2LMHeadModel

from davinci.models.build import build_model, save_model
from davinci.models.settings import ModelSettings
from davinci.platform.config.compose import config_loader
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.parents import find_parent
from davinci.platform.config.schema import register_schema
from davinci.platform.plan.graph import Plan
from davinci.platform.plan.plan import make_plan
from davinci.platform.plan.points import request_run

CONF = Path(__file__).resolve().parents[2] / "conf"
DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def loader() -> ConfigLoader:
    register_schema()
    return config_loader(CONF)


@pytest.fixture(scope="module")
def nano(loader: ConfigLoader) -> ModelSettings:
    return request_run([], loader, "config").arms[0].recipe.model


@pytest.fixture
def outputs(tmp_path: Path, nano: ModelSettings) -> Path:
    """Return an output folder with one segment in it, of a run of two stages."""
    folder = tmp_path / "artifacts" / "segment" / DIGEST
    save_model(build_model(nano, seed=0), folder / "model")
    result = {"tokens_total": 4096, "position": {"stage_index": 1}}
    (folder / "result.json").write_text(json.dumps(result))
    return tmp_path


def problems(asked: str, model: ModelSettings, outputs: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as raised:
        find_parent(asked, model, outputs)
    return raised.value.problems


def test_a_segment_is_found_by_the_first_digits_of_its_digest(
    outputs: Path, nano: ModelSettings
) -> None:
    found = find_parent(DIGEST[:8], nano, outputs)
    assert found is not None
    assert (found.kind, found.digest, found.tokens, found.num_stages) == (
        "segment",
        DIGEST,
        4096,
        2,
    )
    assert find_parent("", nano, outputs) is None


def test_a_folder_from_elsewhere_is_known_by_its_content(
    outputs: Path, nano: ModelSettings, loader: ConfigLoader
) -> None:
    one, other = outputs / "one", outputs / "moved"
    save_model(build_model(nano, seed=1), one)
    found = find_parent(str(one), nano, outputs)
    assert found is not None
    assert (found.kind, found.tokens, found.num_stages) == ("folder", 0, 0)
    one.rename(other)
    moved = find_parent(str(other), nano, outputs)
    assert moved is not None
    assert moved.digest == found.digest
    words = ["curriculum=decay", f"curriculum.parent={other}"]
    plan = plan_of(loader, *words)
    segment = plan.tasks[plan.runs[0].tasks["segment.000"]]
    parent = plan.tasks[segment.inputs["parent"]]
    assert (parent.kind, parent.settings) == ("checkpoint", {"checkpoint": found.digest})


def plan_of(loader: ConfigLoader, *words: str) -> Plan:
    arm = request_run(list(words), loader, "config").arms[0]
    return make_plan((arm.recipe, replicate) for replicate in arm.replicates)


def test_a_parent_of_another_shape_names_each_field(
    outputs: Path, nano: ModelSettings, loader: ConfigLoader
) -> None:
    words = ["scale=1m", f"output_dir={outputs}", f"curriculum.parent={DIGEST[:8]}"]
    with pytest.raises(ConfigError) as raised:
        request_run(words, loader, "config")
    found = {problem.field: str(problem) for problem in raised.value.problems}
    assert "scale.hidden_size=128: the parent checkpoint has 64" in found["scale.hidden_size"]
    assert set(found) >= {"scale.num_layers", "scale.vocab_size", "scale.intermediate_size"}


def test_what_is_no_checkpoint_is_refused_with_those_there_are(
    outputs: Path, nano: ModelSettings
) -> None:
    (problem,) = problems("abcdef", nano, outputs / "nowhere")
    assert problem.field == "curriculum.parent"
    (problem,) = problems("no such folder", nano, outputs)
    assert problem.allowed == (DIGEST[:12],)


def test_digits_that_fit_several_are_refused(outputs: Path, nano: ModelSettings) -> None:
    (outputs / "artifacts" / "segment" / (DIGEST[:10] + "0" * 54)).mkdir()
    (problem,) = problems(DIGEST[:8], nano, outputs)
    assert "2 segments begin so" in problem.rule


def test_other_architectures_and_pickles_are_refused(outputs: Path, nano: ModelSettings) -> None:
    GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1)).save_pretrained(outputs / "gpt")
    (problem,) = problems(str(outputs / "gpt"), nano, outputs)
    assert "only qwen2" in problem.rule
    save_model(build_model(nano, seed=1), outputs / "pickled")
    (outputs / "pickled" / "model.safetensors").rename(outputs / "pickled" / "model.bin")
    (problem,) = problems(str(outputs / "pickled"), nano, outputs)
    assert "pickled" in problem.rule
