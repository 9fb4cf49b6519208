"""Prompts as token ids, so that the boundary to the answer is cut as training text was."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from davinci.models.build import END_OF_TEXT_ID

_BYTE_LEVEL = {"\n": "Ċ", " ": "Ġ", "\t": "ĉ", "\r": "č"}
"""How a byte-level tokenizer spells white space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    r"""What the model reads, up to the white space that its first token has to spell.

    "def f(x):\n" followed by an indented line was one token `\n    ` in training; a prompt that
    ends with the token `\n` would be something the model never saw. So trailing white space is
    left to be generated, and enforced.
    """

    ids: tuple[int, ...]
    space: str

    @property
    def end_id(self) -> int:
        """The end of text, which stands before every document."""
        return self.ids[0]


def split_space(text: str) -> tuple[str, str]:
    """Return the text without its trailing white space, and that white space."""
    body = text.rstrip("".join(_BYTE_LEVEL))
    return body, text[len(body) :]


def encode_prompt(tokenizer: Tokenizer, text: str, end_id: int = END_OF_TEXT_ID) -> Prompt:
    """Return the prompt of a new document: the end of text stands before it, as in training."""
    body, space = split_space(text)
    ids = tokenizer.encode(body, add_special_tokens=False).ids
    return Prompt(ids=(end_id, *ids), space=space)


def encode_option(
    tokenizer: Tokenizer, prompt: str, option: str, end_id: int = END_OF_TEXT_ID
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ids of the prompt, and those of the option behind it.

    White space at the end of the prompt counts as the option's, and the boundary is where the
    prompt alone ends, both as in lm-evaluation-harness.
    """
    body, _ = split_space(prompt)
    before = tokenizer.encode(body, add_special_tokens=False).ids
    whole = tokenizer.encode(prompt + option, add_special_tokens=False).ids
    return (end_id, *before), tuple(whole[len(before) :])


class SpaceGuide:
    """Knows which tokens may come while a prompt's white space is still to be spelled."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Read the vocabulary once."""
        self._tokens = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())]
        self._masks: dict[str, NDArray[np.bool_]] = {}

    def allowed(self, space: str) -> NDArray[np.bool_]:
        """Return which ids go on with `space`: a part of it, or all of it and more; shape (V,)."""
        if space not in self._masks:
            spelled = "".join(_BYTE_LEVEL[character] for character in space)
            self._masks[space] = np.array(
                [
                    bool(token) and (token.startswith(spelled) or spelled.startswith(token))
                    for token in self._tokens
                ]
            )
        return self._masks[space]

    def left(self, space: str, token_id: int) -> str:
        """Return what is left of `space` after a token."""
        return space[len(self._tokens[token_id]) :]
