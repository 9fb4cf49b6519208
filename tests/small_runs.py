"""Words for real sweeps that build as little as possible."""

MATH_ALONE = "mixture.weights={general: 0, code: 0, math: 1, science: 0, qa: 0}"
"""One domain: a fifth of the corpora."""
