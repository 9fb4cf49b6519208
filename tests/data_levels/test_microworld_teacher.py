"""The stand-in teacher: cleans without adding, and spells out only what follows."""

from davinci.data_levels.document import Document, Domain
from davinci.data_levels.sources.microworld.teacher import OracleTeacher

TEACHER = OracleTeacher()


def refined(text: str, domain: Domain = "math") -> str:
    return TEACHER.refine(Document(id="a", domain=domain, text=text))


def completed(text: str, domain: Domain = "math") -> str:
    return TEACHER.complete(Document(id="a", domain=domain, text=text))


def test_the_label_says_that_it_is_no_language_model() -> None:
    assert TEACHER.label == "microworld oracle (rule-based stand-in, not a language model)"


def test_site_lines_and_headlines_go_and_content_stays() -> None:
    page = (
        "Home About us Shop\n\nPractice sheet 3\n\nHere are the exercises of the week.\n\n"
        "Advertisement: save half of the price on shoes today!\n\n"
        "Let a=3, b=a+4. What is b?\nThe result is 7.\n\nLoading image..."
    )
    assert refined(page) == (
        "Here are the exercises of the week.\n\nLet a=3, b=a+4. What is b?\nThe result is 7."
    )


def test_all_notations_become_one() -> None:
    for spelled in (
        "Let a = 8, b = a * 1, c = b - 2. What is c?\nThe result is 6.",
        "Let a equals 8, b equals a times 1, c equals b minus 2. What is c?\nThe result is 6.",
        "Let a=8, b=a\u00d71, c=b\u22122. What is c?\nThe result is 6.",
    ):
        assert refined(spelled) == "Let a=8, b=a*1, c=b-2. What is c?\nThe result is 6."


def test_broken_lines_are_joined() -> None:
    broken = "Let a=3,\nb=a+4.\nWhat is b?\nThe result\nis 7.\n\nThe tree of\nDolton is oak."
    assert refined(broken) == (
        "Let a=3, b=a+4. What is b?\nThe result is 7.\n\nThe tree of Dolton is oak."
    )


def test_a_problem_with_an_unreadable_digit_is_dropped_not_mended() -> None:
    whole = "Let a=1, b=a+1. What is b?\nThe result is 2."
    for damaged in (
        "Let a=3, b=a+\ufffd. What is b?\nThe result is 7.",
        "Let a=3, b=a+4. What is b?\nb=a+4=3+4=#.\nThe result is 7.",
        "Let a=?, b=a+4. What is b?\nThe result is 7.",
        "Let a=3, b=a+?. What is b?\nThe result is 7.",
        "Let a=3, b=a?4. What is b?\nThe result is 7.",
        "Let a=3, b?=a+4. What is b?\nThe result is 7.",
    ):
        assert refined(f"{damaged}\n\n{whole}") == whole


def test_a_truncated_problem_is_dropped_not_mended() -> None:
    whole = "Let a=1, b=a+1. What is b?\nThe result is 2."
    for cut in (
        "Let a=3, b=a+4. What",
        "Let a=3, b=a+4. What is b?\nThe res...",
        "Let a=3 [more]",
    ):
        assert refined(f"{whole}\n\n{cut}") == whole


def test_facts_are_dropped_one_by_one() -> None:
    page = "The tree of Dolton is o_k.\nThe bird of Dolton is owl."
    assert refined(page, "general") == "The bird of Dolton is owl."


def test_a_page_without_content_becomes_empty() -> None:
    assert refined("Page under construction") == ""


def test_refining_leaves_false_statements_as_they_stand() -> None:
    false = "Let a=3, b=a+4. What is b?\nThe result is 9."
    assert refined(false) == false


def test_a_skipped_chain_is_spelled_out() -> None:
    assert completed("Let a=3, b=a+4, c=b-2. What is c?\nThe result is 5.") == (
        "Let a=3, b=a+4, c=b-2. What is c?\nb=a+4=3+4=7.\nc=b-2=7-2=5.\nThe result is 5."
    )


def test_steps_that_do_not_lead_to_the_stated_answer_are_not_written() -> None:
    false = "Let a=3, b=a+4, c=b-2. What is c?\nThe result is 6."
    assert completed(false) == false


def test_a_derivation_uses_the_laws_that_the_document_states() -> None:
    laws = "The laws are flux=mass+heat, glow=flux-mass."
    problem = "Given mass=2, heat=3 by the laws, what is the glow?\nThe glow is 3."
    assert completed(f"{laws}\n\n{problem}", "science") == (
        f"{laws}\n\nGiven mass=2, heat=3 by the laws, what is the glow?\n"
        "flux=mass+heat=2+3=5.\nglow=flux-mass=5-2=3.\nThe glow is 3."
    )
    assert completed(problem, "science") == problem


def test_notes_become_sentences() -> None:
    assert completed("Dolton: tree oak, rival Fenmar.", "general") == (
        "The tree of Dolton is oak.\nThe rival of Dolton is Fenmar."
    )


def test_a_note_about_a_rival_becomes_a_sentence() -> None:
    assert completed("Dolton: rival tree oak.", "general") == (
        "The tree of the rival of Dolton is oak."
    )


def test_the_notes_count_what_was_rewritten_and_say_that_the_false_is_too() -> None:
    teacher = OracleTeacher()
    assert teacher.notes() == ()
    text = (
        "Dolton: tree oak.\n\nQuestion: What is the tree of Dolton?\nAnswer: elm.\n\n"
        "Let a=3, b=a+4. What is b?\nThe result is 7."
    )
    teacher.complete(Document(id="a", domain="qa", text=text))
    (note,) = teacher.notes()
    assert "bare answers rewritten as sentences: 1, shorthand rewritten as sentences: 1" in note
    assert "steps spelled out: 1" in note
    assert "false statements are rewritten like true ones" in note


def test_bare_answers_become_full_ones() -> None:
    assert completed("Question: What is the tree of Dolton?\nAnswer: oak.", "qa") == (
        "Question: What is the tree of Dolton?\nAnswer: The tree of Dolton is oak."
    )
    assert completed("Question: What is the value of (3+4)-2 in code?\nAnswer: 5.", "qa") == (
        "Question: What is the value of (3+4)-2 in code?\nAnswer: 3+4=7.\n7-2=5.\nThe value is 5."
    )


def test_code_keeps_its_whole_functions_and_loses_the_rest() -> None:
    file = (
        "# Author: unknown\r\ndef add_3(n): n = n + 3; return n\r\n# print('here')\r\n\r\n"
        "def sub_#(n):\r\n    return n - #\r\n\r\ndef add_1(n):\r\n\treturn n + 1\r\n\r\n"
        "def max_4(n):\r\n    n = ma"
    )
    assert refined(file, "code") == (
        "def add_3(n):\n    n = n + 3\n    return n\n\ndef add_1(n):\n    return n + 1"
    )


def test_functions_that_return_nothing_known_are_dropped() -> None:
    whole = "def add_1(n):\n    return max(n, 1)"
    for broken in (
        "def f(n):\n    return",
        "def f(n):\n    return ma",
        "def f(n):\n    return x + 1",
    ):
        assert refined(f"{broken}\n\n{whole}\n", "code") == whole


def test_nested_code_is_worked_line_by_line_and_simple_code_is_left() -> None:
    nested = "def f(n):\n    return max(n + 1, 4) * 2\n\ndef g(n):\n    return (n + 1) * 2"
    assert completed(nested, "code") == (
        "def f(n):\n    n = n + 1\n    n = max(n, 4)\n    n = n * 2\n    return n\n\n"
        "def g(n):\n    return (n + 1) * 2"
    )
