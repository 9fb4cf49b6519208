"""What the task files in `tasks/` need beyond templates: examples, and when an answer is right."""

import ast
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from davinci.platform.evaluation.harness.letters import lettered

MBPP_EXAMPLES = (2, 3, 4)


def mbpp_examples(dataset: Any) -> Any:
    """Return the three examples of Austin et al. 2021 out of the split that holds them."""
    return dataset.filter(lambda doc: doc["task_id"] in MBPP_EXAMPLES)


def minerva_examples() -> list[dict[str, str]]:
    """Return the four examples of Lewkowycz et al. 2022, as the harness has them.

    They are read off its source as literals: the module itself refuses to be imported (see
    `tasks/math500.yaml`).

    Raises:
        ValueError: If the harness does not have them where it had them.
    """
    spec = find_spec("lm_eval")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    path = folder / "tasks/minerva_math/utils.py"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == "list_fewshot_samples":
            for statement in node.body:
                if isinstance(statement, ast.Return) and statement.value is not None:
                    return list(ast.literal_eval(statement.value))
    raise ValueError(f"The examples of MATH are no longer in {path}; use another harness version.")


def supergpqa_question(doc: Mapping[str, Any]) -> str:
    """Return the prompt of one item."""
    return lettered(doc["question"], doc["options"])


def math_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Return whether the final answer of a solution is right."""
    wanted = doc.get("answer") or final_math_answer(doc["solution"])
    return {"accuracy": float(same_math(final_math_answer(results[0]), str(wanted)))}


def final_math_answer(solution: str) -> str:
    r"""Return what a solution gives as its answer: the last `\boxed{}`, or after `answer is`.

    The examples end with `Final Answer: The final answer is $...$.`, so that a model ends so too.
    """
    stated = re.findall(r"final answer is:?\s*(.+?)(?:\.\s*I hope|\n|$)", solution, re.IGNORECASE)
    if stated:
        return str(stated[-1]).strip()
    begin = solution.rfind("\\boxed{")
    if begin < 0:
        return ""
    depth = 0
    for place in range(begin + len("\\boxed"), len(solution)):
        depth += {"{": 1, "}": -1}.get(solution[place], 0)
        if depth == 0:
            return solution[begin + len("\\boxed{") : place]
    return ""


def same_math(first: str, second: str) -> bool:
    """Return whether two answers are the same: as text once it is tidied, or as a number.

    Nothing is evaluated but fractions of two numbers.
    """
    first, second = tidied(first), tidied(second)
    if not first or not second:
        return False
    numbers = number_of(first), number_of(second)
    return first == second or (None not in numbers and numbers[0] == numbers[1])


def tidied(answer: str) -> str:
    r"""Return an answer without what does not change it: `$`, `\left`, units, spaces, `\dfrac`."""
    answer = answer.strip().strip(".").strip()
    answer = re.sub(r"\\(?:left|right|!|,|;|:|quad|qquad)(?![a-zA-Z])", "", answer)
    answer = re.sub(r"\\(?:text|mbox|textbf|mathrm)\{([^{}]*)\}", r"\1", answer)
    answer = re.sub(r"\\[dt]frac(?![a-zA-Z])", r"\\frac", answer)
    answer = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", answer)
    answer = answer.replace("\\$", "").replace("$", "").replace("\\%", "").replace("%", "")
    answer = re.sub(r"\^\s*\{?\\circ\}?|\\degree", "", answer)
    answer = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", answer)
    answer = re.sub(r"^[a-zA-Z]\s*=\s*", "", answer.strip())
    return re.sub(r"\s+", "", answer)


def number_of(answer: str) -> Fraction | None:
    """Return the number that a tidied answer spells, if it spells one."""
    parts = re.fullmatch(r"(-?)\\frac\{(-?\d+)\}\{(-?\d+)\}", answer)
    if parts and int(parts[3]):
        return Fraction(int(parts[2]), int(parts[3])) * (-1 if parts[1] else 1)
    if re.fullmatch(r"-?\d+/\d+", answer) and not re.fullmatch(r".*/0+", answer):
        return Fraction(answer)
    if re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", answer):
        return Fraction(answer)
    return None
