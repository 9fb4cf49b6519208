"""A mirror of the paper's benchmarks: data sets of each one's schema, with items made up here."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from davinci.platform.evaluation.harness.index import leaves
from davinci.platform.evaluation.harness.suite import suite

Rows = Sequence[Mapping[str, Any]]
LETTERS = "ABCDEFGHIJ"
NOUNS = ("stone", "river", "lamp", "bird", "cloud", "wheel", "seed", "glass", "rope", "door")
NUM_ITEMS = 7


def write_mirror(folder: Path, *, num_items: int = NUM_ITEMS) -> Path:
    """Write every data set of the suite below `folder`, as the hub has it; return the folder."""
    made: dict[str, dict[str, dict[str, Rows]]] = {}
    for benchmark in suite().values():
        for leaf in leaves(benchmark):
            path, config = leaf.value("dataset_path"), leaf.value("dataset_name") or "default"
            splits = made.setdefault(path, {}).setdefault(config, {})
            for split in leaf.splits:
                seed = f"{path}{config}{split}"
                splits.setdefault(split, rows_of(path, config, split, num_items, seed))
    for path, configs in made.items():
        write_dataset(folder / path, configs)
    return folder


def write_dataset(folder: Path, configs: Mapping[str, Mapping[str, Rows]]) -> None:
    """Write one data set: its configurations, their splits, and the card that names them."""
    card = []
    for config, splits in configs.items():
        files = []
        for split, rows in splits.items():
            path = folder / config / f"{split}-00000-of-00001.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
            files.append({"split": split, "path": f"{config}/{split}-*.parquet"})
        card.append({"config_name": config, "data_files": files})
    text = f"---\n{yaml.safe_dump({'configs': card})}---\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


def rows_of(path: str, config: str, split: str, num: int, seed: str) -> Rows:
    """Return made-up items of one data set's schema."""
    draw = random.Random(seed)
    maker = MAKERS[path.split("/")[-1] if not path.startswith("hails/") else "agieval"]
    if path == "google-research-datasets/mbpp" and split == "prompt":
        return [maker(draw, number, config) | {"task_id": number} for number in range(1, 11)]
    rows = [maker(draw, number, config) for number in range(num)]
    if path == "TIGER-Lab/MMLU-Pro":
        rows = [maker(draw, n, c) for c in SUBJECTS for n in range(max(6, num))]
    return rows


SUBJECTS = (
    "biology", "business", "chemistry", "computer science", "economics", "engineering", "health",
    "history", "law", "math", "other", "philosophy", "physics", "psychology",
)  # fmt: skip


def _question(draw: random.Random) -> str:
    return f"Which {draw.choice(NOUNS)} is like a {draw.choice(NOUNS)} or a {draw.choice(NOUNS)}"


def _options(draw: random.Random, num: int) -> list[str]:
    return [f"the {draw.choice(NOUNS)} number {draw.randint(1, 99)}" for _ in range(num)]


def _mmlu(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    return {
        "question": _question(draw) + "?",
        "subject": config,
        "choices": _options(draw, 4),
        "answer": draw.randrange(4),
    }


def _mmlu_pro(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    num = draw.randint(3, 10)
    gold = draw.randrange(num)
    return {
        "question_id": number,
        "question": _question(draw) + "?",
        "options": _options(draw, num),
        "answer": LETTERS[gold],
        "answer_index": gold,
        "cot_content": f"A: Let's think step by step. So the answer is ({LETTERS[gold]}).",
        "category": config,
        "src": "made up",
    }


def _agieval(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    options = [f"({LETTERS[i]}){text}" for i, text in enumerate(_options(draw, 4))]
    joined = " ".join(options)
    return {
        "query": f"Q: {_question(draw)}? Answer Choices: {joined}\nA: Among A through D, the "
        "answer is",
        "choices": options,
        "gold": [draw.randrange(4)],
        "answer": f"\\frac{{{number}}}{{7}}",
    }


def _hellaswag(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    return {
        "ind": number,
        "activity_label": "Carrying things",
        "ctx_a": f"A man lifts a {draw.choice(NOUNS)}.",
        "ctx_b": "then he",
        "endings": [f"puts it on {option}." for option in _options(draw, 4)],
        "label": str(draw.randrange(4)),
    }


def _trivia_qa(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    value = draw.choice(NOUNS)
    return {
        "question": _question(draw),
        "question_id": str(number),
        "answer": {"value": value, "aliases": [value, f"a {value}"]},
    }


def _race(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    problems = [
        {
            "question": "What is it about?" if last else "It is about  _  .",
            "answer": LETTERS[draw.randrange(4)],
            "options": _options(draw, 4),
        }
        for last in (False, True)
    ]
    return {"article": f"{_question(draw)}.", "problems": str(problems)}


def _winogrande(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    first, second = draw.sample(NOUNS, 2)
    return {
        "sentence": f"The {first} did not fit the {second}, for the _ was too big for it.",
        "option1": first,
        "option2": second,
        "answer": str(draw.randint(1, 2)),
    }


def _openbookqa(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "question_stem": _question(draw),
        "choices": {"text": _options(draw, 4), "label": list("ABCD")},
        "answerKey": LETTERS[draw.randrange(4)],
    }


def _piqa(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    first, second = _options(draw, 2)
    return {"goal": _question(draw), "sol1": first, "sol2": second, "label": draw.randrange(2)}


def _humaneval(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    return {
        "task_id": f"Made/{number}",
        "prompt": f'def add(x):\n    """Add {number}."""\n',
        "canonical_solution": f"    return x + {number}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {number + 1}\n",
        "entry_point": "add",
    }


def _mbpp(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    return {
        "task_id": 11 + number,
        "text": f"Write a function to add {number}.",
        "code": f"def add(x):\n  return x + {number}",
        "test_list": [f"assert add({x}) == {x + number}" for x in range(3)],
        "test_setup_code": "",
        "challenge_test_list": [],
    }


def _gsm8k(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    total = number + 3
    return {
        "question": f"Ann has {number} lamps and buys 3. How many has she?",
        "answer": f"She has {number}+3=<<{number}+3={total}>>{total} lamps.\n#### {total}",
    }


def _gsm_plus(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    return {
        "question": f"Ann has {number} lamps and loses {number}. How many has she?",
        "solution": f"{number}-{number}=0\n#### 0",
        "answer": "0",
        "seed_question": f"seed {number // 2}",
        "perturbation_type": "made up",
    }


def _math(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    return {
        "problem": f"What is ${number} + 1$?",
        "solution": f"It is $\\boxed{{{number + 1}}}$.",
        "answer": str(number + 1),
        "subject": "Algebra",
        "level": 1,
        "unique_id": f"made/{number}",
    }


def _gpqa(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    right, *wrong = _options(draw, 4)
    named = {f"Incorrect Answer {place}": text for place, text in enumerate(wrong, start=1)}
    return {"Question": _question(draw) + "?", "Correct Answer": right, **named}


def _supergpqa(draw: random.Random, number: int, config: str) -> dict[str, Any]:
    options = _options(draw, draw.randint(4, 10))
    gold = draw.randrange(len(options))
    return {
        "uuid": json.dumps(number),
        "question": _question(draw) + "?",
        "options": options,
        "answer": options[gold],
        "answer_letter": LETTERS[gold],
        "discipline": "Science",
    }


MAKERS = {
    "mmlu": _mmlu,
    "MMLU-Pro": _mmlu_pro,
    "agieval": _agieval,
    "hellaswag": _hellaswag,
    "trivia_qa": _trivia_qa,
    "race": _race,
    "winogrande": _winogrande,
    "openbookqa": _openbookqa,
    "piqa": _piqa,
    "openai_humaneval": _humaneval,
    "humanevalplus": _humaneval,
    "mbpp": _mbpp,
    "gsm8k": _gsm8k,
    "GSM-Plus": _gsm_plus,
    "MATH-500": _math,
    "gpqa": _gpqa,
    "SuperGPQA": _supergpqa,
}
