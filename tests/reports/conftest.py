import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from davinci.platform.store.records import Arm, Corpus, Cost, Curve, Outcomes, Run, Sweep

DOMAINS = ("general", "code", "math", "science", "qa")
NUM_ITEMS = 40
BPB = {"general": 1.9, "code": 1.2, "math": 1.4, "science": 1.6, "qa": 1.7}
BPB_GAIN = {"general": 0.0, "code": 0.03, "math": 0.08, "science": 0.06, "qa": -0.05}
SKILL = {"general": 0.1, "code": -0.2, "math": 0.3, "science": -0.1, "qa": 0.2}
TEACHER = "microworld tutor (a program that knows the world; stands in for a language model)"


def outcomes(
    domain: str, protocol: str, metric: str, values: np.ndarray, **changes: Any
) -> Outcomes:
    name = f"held_out_{domain}" if protocol == "bpb" else f"microworld_{domain}"
    fields: dict[str, Any] = {
        "benchmark": name,
        "domain": domain,
        "protocol": protocol,
        "metric": metric,
        "higher_is_better": protocol != "bpb",
        "item_ids": tuple(f"{domain}-{index}" for index in range(len(values))),
        "values": values,
        "weights": np.ones(len(values)),
        "chance": 0.25 if protocol == "ppl" else float("nan"),
    }
    return Outcomes(**(fields | changes))


def run_outcomes(gain: float, seed: int, domains: tuple[str, ...]) -> tuple[Outcomes, ...]:
    """Return one run's outcomes: items are equally hard for all arms and seeds."""
    found = []
    for number, domain in enumerate(domains):
        items = np.random.default_rng([1, number])
        own = np.random.default_rng([2, number, seed, round(gain * 1000)])
        hardness = items.normal(size=NUM_ITEMS)
        text_bytes = items.integers(80, 900, size=NUM_ITEMS).astype(float)
        bpb = BPB.get(domain, 1.5) - gain * BPB_GAIN.get(domain, 0.0) + own.normal(0, 0.004)
        values = bpb + 0.2 * hardness + own.normal(0, 0.02, NUM_ITEMS)
        found.append(outcomes(domain, "bpb", "bits_per_byte", values, weights=text_bytes))
        skill = 0.2 + gain * SKILL.get(domain, 0.0) + own.normal(0, 0.1)
        right = (skill + own.normal(size=NUM_ITEMS) > 0.7 * hardness).astype(float)
        found.append(outcomes(domain, "ppl", "accuracy", right))
        steps = np.clip(0.5 + 0.3 * gain * BPB_GAIN.get(domain, 0.0) - 0.2 * hardness, 0, 1)
        metric = "pass_rate" if domain == "code" else "accuracy"
        right = (own.random(NUM_ITEMS) < steps).astype(float)
        samples = tuple(
            {
                "id": f"{domain}-{index}",
                "prompt": f"Question {index}: what is 3 + {index}?\nAnswer:",
                "expected": f" 3 + {index} = {3 + index}",
                "got": f" 3 + {index} = {3 + index - int(right[index] == 0)}",
                "value": str(right[index]),
            }
            for index in range(4)
        )
        found.append(outcomes(domain, "generative", metric, right, samples=samples))
        if domain in ("math", "science"):
            found.append(outcomes(domain, "generative", "step_rate", steps))
    return tuple(found)


def curves(gain: float, seed: int) -> tuple[Curve, ...]:
    tokens = np.arange(0, 1_200_001, 12_000, dtype=float)
    noise = np.random.default_rng([3, seed]).normal(0, 0.03, len(tokens))
    loss = 1.6 - 0.1 * gain + 4.6 * np.exp(-tokens / 120_000) + noise
    return (
        Curve(name="loss", tokens=tokens, values=loss),
        Curve(name="lr", tokens=tokens, values=np.cos(tokens / 1_200_000)),
    )


def make_run(gain: float, seed: int, level: str, **changes: Any) -> Run:
    domains = changes.pop("domains", DOMAINS)
    fields: dict[str, Any] = {
        "digest": f"{level}{seed}" * 8,
        "recipe": f"recipe-{level}",
        "seed": seed,
        "world_seed": 0,
        "state": "done",
        "checkpoint": f"checkpoint{level}{seed}",
        "num_parameters": 136_512,
        "outcomes": run_outcomes(gain, seed, domains),
        "curves": curves(gain, seed),
        "cost": Cost(
            tokens=1_200_000, flops=9.8e11, wall_s=61.0 + seed, cpu_s=58.0, max_rss_bytes=700 << 20
        ),
        "corpora": {domain: f"{domain}-{level}" for domain in domains},
        "epochs": {domain: 1.3 if domain != "qa" else 5.2 for domain in domains},
        "mlflow_run_id": f"mlflow{seed}",
    }
    return Run(**(fields | changes))


def config_of(level: str) -> dict[str, Any]:
    return {
        "data": {"source": {"name": "microworld"}, "levels": dict.fromkeys(DOMAINS, level)},
        "model": {"hidden_size": 64, "num_layers": 2},
        "optimizer": {"lr_peak": 0.003},
        "stages": [{"name": "main", "tokens": 1_200_000, "weights": {"math": 0.6, "code": 0.4}}],
        "precision": "32-true",
    }


def make_arm(level: str, runs: tuple[Run, ...], **changes: Any) -> Arm:
    fields: dict[str, Any] = {
        "label": f"data.level={level}",
        "recipe": f"recipe-{level}",
        "choices": {"data.level": level},
        "overrides": (f"data.level={level}", "mixture=math_heavy"),
        "config": config_of(level),
        "runs": runs,
    }
    return Arm(**(fields | changes))


def make_corpus(domain: str, level: str, parent: str, documents_in: int) -> Corpus:
    documents_out = documents_in * 3 // 4 if level in ("L2", "L3") else documents_in
    written = level in ("L4", "L5")
    after = f"{domain}: 3 + 4 = 7\nThe sum is 7." if written else f"{domain}: 3 + 4 = 7"
    manifest = {
        "source": "microworld",
        "domain": domain,
        "level": level,
        "teacher": TEACHER if written else "",
        "documents_in": documents_in,
        "bytes_in": documents_in * 410,
        "documents_out": documents_out,
        "bytes_out": documents_out * 390,
        "digest": f"{domain}-{level}",
        "seconds": 1.25,
        "steps": [
            {
                "name": "near_duplicates" if level == "L2" else f"{level.lower()}_step",
                "version": "1",
                "documents_in": documents_in,
                "bytes_in": documents_in * 410,
                "documents_out": documents_out,
                "bytes_out": documents_out * 390,
                "edited": documents_out // 2,
                "dropped": {"near_duplicate": documents_in - documents_out}
                if documents_in > documents_out
                else {},
                "seconds": 1.0,
            }
        ],
        "invariants": [{"name": "no_new_numbers", "checked": documents_out, "violations": 0}],
        "samples": [
            {
                "id": f"{domain}-17",
                "before": f"<p>{domain}: 3 + 4 = 7</p>\n<nav>Home | About</nav>",
                "after": after,
                "reason": "",
            },
            {
                "id": f"{domain}-18",
                "before": "win win win cash",
                "after": "",
                "reason": "near_duplicate",
            },
        ],
        "notes": ["No quality labels: all is kept."] if level == "L3" else [],
    }
    return Corpus(
        digest=f"{domain}-{level}", domain=domain, level=level, parent=parent, manifest=manifest
    )


def make_corpora(domains: tuple[str, ...] = DOMAINS) -> dict[str, Corpus]:
    found: dict[str, Corpus] = {}
    for domain in domains:
        parent, documents = "", 2_000
        for level in ("L0", "L1", "L2", "L3", "L4", "L5"):
            corpus = make_corpus(domain, level, parent, documents)
            found[corpus.digest] = corpus
            parent, documents = corpus.digest, corpus.manifest["documents_out"]
    return found


def make_sweep(**changes: Any) -> Sweep:
    levels: Mapping[str, float] = changes.pop("levels", {"L2": 0.0, "L5": 1.0})
    seeds = changes.pop("seeds", (0, 1, 2))
    arms = tuple(
        make_arm(level, tuple(make_run(gain, seed, level) for seed in seeds))
        for level, gain in levels.items()
    )
    fields: dict[str, Any] = {
        "digest": "5e" * 32,
        "name": "data.level",
        "command": "python run.py -m data.level=L2,L5 mixture=math_heavy",
        "created": "2026-11-23T16:00:00+00:00",
        "axes": {"data.level": tuple(levels)},
        "fixed": ("mixture=math_heavy",),
        "baseline": arms[0].label if arms else "",
        "arms": arms,
        "corpora": make_corpora(),
        "provenance": {
            "git": "3f2a1b0",
            "python": "3.11.9",
            "platform": "Linux x86_64",
            "cpu": "2 cores",
            "started": "2026-11-23T16:00:00+00:00",
            "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
        },
        "num_tasks": 52,
        "num_tasks_unshared": 84,
        "num_tasks_reused": 12,
    }
    return Sweep(**(fields | changes))


VOID = {"meta", "link", "br", "img", "input", "hr", "path", "use"}


class Page(HTMLParser):
    """Checks that elements nest, and gathers what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.open: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.bare_headers = 0
        self.fetched: list[str] = []
        self.scripts = 0
        self.data: dict[str, Any] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in found:
            self.ids.append(str(found["id"]))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.bare_headers += tag == "th" and "scope" not in found
        self.scripts += tag == "script"
        for name in ("src", "href"):
            value = str(found.get(name) or "#")
            if not value.startswith(("#", "data:")):
                self.fetched.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def read_page(path: Path) -> Page:
    page = Page(path.read_text(encoding="utf-8"))
    page.feed(page.text)
    assert page.open == []
    match = re.search(r'id="davinci-data">(.*?)</script>', page.text)
    page.data = json.loads(match.group(1)) if match else {}
    return page


@pytest.fixture(scope="session")
def read() -> Callable[[Path], Page]:
    return read_page


@pytest.fixture(scope="session")
def sweep() -> Sweep:
    return make_sweep()


@pytest.fixture(scope="session")
def build_sweep() -> Callable[..., Sweep]:
    return make_sweep


@pytest.fixture(scope="session")
def build_arm() -> Callable[..., Arm]:
    return make_arm


@pytest.fixture(scope="session")
def build_run() -> Callable[..., Run]:
    return make_run


@pytest.fixture(scope="session")
def build_outcomes() -> Callable[..., Outcomes]:
    return outcomes
