"""The order of the training data: what stands at position k depends on seed, stage and k alone.

Nothing is drawn one after the other, so nothing has to be stored to resume, and every world size
reads the same sequence. Two questions are answered for a position:

- Which domain? A golden-ratio sequence `u_k = frac(u_0 + k phi)` falls into the intervals that the
  weights cut from [0, 1). After any number of positions a domain's count differs from its share by
  a few sequences at most, far less than independent draws would.
- Which window of that domain? The j-th draw of a domain, counted from the first stage on, is the
  j-th window of a seeded permutation. When all windows are used, the next epoch begins with another
  permutation and another start, so that documents are cut elsewhere. No token is trained on twice
  within an epoch, however many stages it spans.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from davinci.data_levels.document import DOMAINS, Domain
from davinci.platform.training.permutation import UInts, key_of, permuted

_WORD = 1 << 64
GOLDEN_STEP = 0x9E3779B97F4A7C15
"""2^64 times the fractional part of the golden ratio, rounded to odd."""

Ints = NDArray[np.int64]


class Windows(NamedTuple):
    """Where to read each position's tokens; arrays of shape (positions,).

    Attributes:
        domains: Index into the sampler's `domains`.
        begins: First token of the window in the domain's shard; windows wrap around its end.
        epochs: Times the domain's tokens had been used up before.
    """

    domains: Ints
    begins: Ints
    epochs: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureSampler:
    """The sequence of windows of one stage.

    Attributes:
        domains: Domains with a positive weight, in the order of `DOMAINS`.
        num_tokens: Tokens of each domain's shard.
        bounds: Upper ends of the domains' intervals in units of 2^-64; the last one is 2^64.
        context_length: Tokens trained per window; a window reads one more.
        first_draws: Windows of each domain that the stages before have used.
    """

    domains: tuple[Domain, ...]
    num_tokens: tuple[int, ...]
    bounds: tuple[int, ...]
    context_length: int
    seed: int
    stage_index: int
    first_draws: tuple[int, ...]

    def num_draws(self, position: int) -> tuple[int, ...]:
        """Return how often each domain is drawn in this stage before `position`, at once."""
        below = [_count_below(self._start, position, bound) for bound in self.bounds]
        return tuple(np.diff([0, *below]).tolist())

    def windows(self, start: int, stop: int) -> Windows:
        """Return the windows of the positions `start` up to `stop`."""
        points = (np.arange(start, stop, dtype=np.uint64) * np.uint64(GOLDEN_STEP)) + np.uint64(
            self._start
        )
        inner_bounds = np.array(self.bounds[:-1], dtype=np.uint64)
        domains = np.searchsorted(inner_bounds, points, side="right").astype(np.int64)
        begins, epochs = np.zeros_like(domains), np.zeros_like(domains)
        for index, first_draw in enumerate(self.num_draws(start)):
            mine = np.flatnonzero(domains == index)
            first_draw += self.first_draws[index]
            draws = np.arange(first_draw, first_draw + len(mine), dtype=np.uint64)
            begins[mine], epochs[mine] = self._locate(index, draws)
        return Windows(domains, begins, epochs)

    def epochs(self, start: int, stop: int) -> dict[Domain, float]:
        """Return how often each domain's tokens are trained on between two positions."""
        draws = np.subtract(self.num_draws(stop), self.num_draws(start)).tolist()
        return {
            domain: count * self.context_length / tokens
            for domain, count, tokens in zip(self.domains, draws, self.num_tokens, strict=True)
        }

    @property
    def _start(self) -> int:
        return key_of("mixture", self.seed, self.stage_index)

    def _locate(self, index: int, draws: UInts) -> tuple[Ints, Ints]:
        num_tokens = self.num_tokens[index]
        num_windows = max(1, num_tokens // self.context_length)
        epochs = (draws // np.uint64(num_windows)).astype(np.int64)
        begins = np.zeros_like(epochs)
        for epoch in np.unique(epochs).tolist():
            mine = np.flatnonzero(epochs == epoch)
            name = (self.seed, self.domains[index], epoch)
            places = draws[mine] - np.uint64(epoch * num_windows)
            windows = permuted(places, num_windows, key_of("windows", *name)).astype(np.int64)
            rotation = key_of("rotation", *name) % num_tokens
            begins[mine] = (rotation + windows * self.context_length) % num_tokens
        return begins, epochs


def build_sampler(
    *,
    weights: Mapping[Domain, float],
    num_tokens: Mapping[Domain, int],
    context_length: int,
    seed: int,
    stage_index: int,
    first_draws: Mapping[Domain, int] | None = None,
) -> MixtureSampler:
    """Return the sampler of a stage; `first_draws` has what earlier stages used of each domain.

    Raises:
        ValueError: If the weights are no shares, or a domain is weighed that has no tokens.
    """
    if any(weight < 0 for weight in weights.values()) or abs(sum(weights.values()) - 1) > 1e-6:
        raise ValueError(f"`weights` must be >= 0 and sum to 1, but got {dict(weights)}.")
    domains = tuple(domain for domain in DOMAINS if weights.get(domain, 0.0) > 0)
    empty = [domain for domain in domains if num_tokens.get(domain, 0) < 1]
    if empty:
        raise ValueError(
            f"Every domain with a weight needs tokens, but {', '.join(empty)} has none; "
            "set its weight to 0, or choose a level that keeps some of its documents."
        )
    shares = np.cumsum([weights[domain] for domain in domains])
    bounds = tuple(round(share / shares[-1] * _WORD) for share in shares[:-1].tolist())
    return MixtureSampler(
        domains=domains,
        num_tokens=tuple(num_tokens[domain] for domain in domains),
        bounds=(*bounds, _WORD),
        context_length=context_length,
        seed=seed,
        stage_index=stage_index,
        first_draws=tuple((first_draws or {}).get(domain, 0) for domain in domains),
    )


def _count_below(start: int, num_points: int, bound: int) -> int:
    """Return how many of the first points of the golden sequence lie below `bound`."""
    if bound >= _WORD:
        return num_points
    return _floor_sum(num_points, GOLDEN_STEP, start) - _floor_sum(
        num_points, GOLDEN_STEP, start - bound
    )


def _floor_sum(num_terms: int, step: int, start: int) -> int:
    """Return the sum of `floor((step i + start) / 2^64)` over i < `num_terms`, in log time.

    Source: the Euclid-like recursion known from AtCoder Library's `floor_sum`.
    """
    total, modulus = 0, _WORD
    while num_terms > 0:
        total += (step // modulus) * (num_terms * (num_terms - 1) // 2)
        total += (start // modulus) * num_terms
        step, start = step % modulus, start % modulus
        top = step * num_terms + start
        num_terms, start = divmod(top, modulus)
        step, modulus = modulus, step
    return total
