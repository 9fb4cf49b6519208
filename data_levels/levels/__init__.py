"""The levels L0-L9: each a list of operators over documents.

A level's version is part of every digest that depends on it: raise it whenever the level would give
other documents for the same input and settings.
"""

LEVEL_VERSIONS: dict[str, int] = {
    "L0": 2,
    "L1": 2,
    "L2": 2,
    "L3": 3,
    "L4": 3,
    "L5": 3,
    "L6": 1,
    "L7": 1,
    "L8": 1,
    "L9": 1,
}
