"""The levels L0-L5: each a list of plain steps over documents.

A level's version is part of every digest that depends on it: raise it whenever the level would give
other documents for the same input and settings.
"""

LEVEL_VERSIONS: dict[str, int] = {"L0": 1, "L1": 1, "L2": 1, "L3": 2, "L4": 2, "L5": 2}
