"""When a held-out item or text counts as dirty: parameters of the contamination check."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ContaminationRule:
    """When an item counts as dirty.

    Attributes:
        words: Length of the runs that are compared.
        min_words: Items shorter than this are not checkable.
        min_shared_frac: Share of an item's runs that one document must hold; 0 stands for a single
            run.
        min_partial_words: A shorter question, or held-out text, makes its item dirty only where all
            of it stands.
    """

    words: int = 13
    min_words: int = 5
    min_shared_frac: float = 0.5
    min_partial_words: int = 50

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            ValueError: If a field is out of range.
        """
        if not 1 <= self.min_words <= self.words:
            raise ValueError(
                f"`1 <= min_words <= words` must hold, but got {self.min_words=}, {self.words=}."
            )
        if not 0 <= self.min_shared_frac <= 1:
            raise ValueError(f"`0 <= min_shared_frac <= 1` must hold, got {self.min_shared_frac}.")


DEFAULT_RULE = ContaminationRule()
DATA_DARWINISM = ContaminationRule(words=20, min_shared_frac=0.0, min_partial_words=0)
"""Source: Data Darwinism I, decontamination: one exact run of 20 words of problem plus solution."""
