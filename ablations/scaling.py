"""Laws of loss in compute: fitted on the smaller scales, held to the largest one.

    loss(recipe, C) = floor + amount(recipe) * (C / C_0) ** -exponent

All recipes share floor and exponent; C_0 is the smallest compute. Two solvers fit it: one that
shrugs off outliers (L-BFGS on Huber's loss of log residuals, many starts; Hoffmann et al. 2022,
appendix D.2, with their delta of 1e-3) and one that is exact given the exponent (non-negative least
squares within a search over it; variable projection, Golub and Pereyra 1973). Where they disagree,
the scales do not say what the law is. Beside them stand two that need no law: each recipe's last
loss goes on as it is, or on the line through its last two scales in log compute.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from davinci.platform.store.records import Floats

MIN_SCALES = 3
MIN_RECIPES = 2
HUBER_DELTA = 1e-3
MAX_EXPONENT = 2.0

Predict = Callable[[float], Floats]
"""Compute in FLOPs -> the loss of every recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """How well one way to extrapolate met the largest scale.

    Attributes:
        error: Root mean square over recipes, in units of the loss.
        decisions: Share of pairs of recipes whose better one it named; NaN without pairs.
    """

    method: str
    error: float
    decisions: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """A law, what it was worth where it could be checked, and what it says of a larger scale.

    Attributes:
        computes: FLOPs of every scale, rising.
        floor: By least squares over all scales, as `exponent`.
        held_out: Of every method, fitted without the largest scale; the best first.
        target: FLOPs at which `foretold` is.
        foretold: Recipe -> losses there by both solvers, fitted on all scales, the lower first.
    """

    computes: tuple[float, ...]
    floor: float
    exponent: float
    held_out: tuple[HeldOut, ...]
    target: float
    foretold: Mapping[str, tuple[float, float]]

    @property
    def worth_it(self) -> bool:
        """Whether a law met the largest scale better than going on without one."""
        return self.held_out[0].method in ("robust", "least squares")


def scaling(
    losses: Mapping[float, Mapping[str, float]], target: float | None = None
) -> Scaling | None:
    """Fit and check the law; None where there are too few scales or recipes.

    Args:
        losses: FLOPs -> recipe -> loss, above 0; recipes that lack a scale are left out.
        target: FLOPs to foretell; ten times the largest, if None.

    Raises:
        ValueError: If a loss or compute is not above 0.
    """
    computes = sorted(losses)
    names = [name for name in losses[computes[0]] if all(name in losses[c] for c in computes)]
    if len(computes) < MIN_SCALES or len(names) < MIN_RECIPES:
        return None
    table = np.array([[losses[c][name] for name in names] for c in computes])
    if not (min(computes) > 0 and np.isfinite(table).all() and (table > 0).all()):
        raise ValueError("computes and losses must be finite and above 0.")
    flops = np.array(computes)
    held_out = [
        _held_out(name, method(flops[:-1], table[:-1])(computes[-1]), table[-1])
        for name, method in _METHODS.items()
    ]
    target = 10 * computes[-1] if target is None else target
    robust, (floor, amounts, exponent) = _robust(flops, table), _least_squares(flops, table)
    ends = np.sort(
        [_curve(*robust, flops[0])(target), _curve(floor, amounts, exponent, flops[0])(target)],
        axis=0,
    )
    return Scaling(
        computes=tuple(computes),
        floor=floor,
        exponent=exponent,
        held_out=tuple(sorted(held_out, key=lambda one: one.error)),
        target=target,
        foretold={
            n: (float(low), float(high)) for n, (low, high) in zip(names, ends.T, strict=True)
        },
    )


def _held_out(method: str, foretold: Floats, seen: Floats) -> HeldOut:
    left, right = np.triu_indices(len(seen), 1)
    signs = np.sign(foretold[left] - foretold[right]) * np.sign(seen[left] - seen[right])
    return HeldOut(
        method=method,
        error=float(np.sqrt(np.mean((foretold - seen) ** 2))),
        decisions=float((signs + 1).mean() / 2),
    )


def _curve(floor: float, amounts: Floats, exponent: float, smallest: float) -> Predict:
    return lambda flops: floor + amounts * (flops / smallest) ** -exponent


def _least_squares(flops: Floats, table: Floats) -> tuple[float, Floats, float]:
    """Return floor, amounts and exponent with the least squares, none of them below 0."""
    num_scales, num_recipes = table.shape

    def solve(exponent: float) -> tuple[Floats, float]:
        power = (flops / flops[0]) ** -exponent
        design = np.hstack([np.ones((table.size, 1)), np.kron(power[:, None], np.eye(num_recipes))])
        found, distance = optimize.nnls(design, table.reshape(num_scales * num_recipes))
        return found, float(distance)

    grid = np.geomspace(1e-3, MAX_EXPONENT, 60)
    place = int(np.argmin([solve(exponent)[1] for exponent in grid]))
    low, high = grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)]
    exponent = optimize.minimize_scalar(
        lambda e: solve(e)[1], bounds=(low, high), method="bounded", options={"xatol": 1e-8}
    ).x
    found, _ = solve(float(exponent))
    return float(found[0]), np.asarray(found[1:]), float(exponent)


def _robust(flops: Floats, table: Floats) -> tuple[float, Floats, float]:
    """Return floor, amounts and exponent with the least Huber loss of log residuals."""
    ratio, logs = np.log(flops / flops[0]), np.log(table)

    def distance(words: Floats) -> float:
        log_floor, exponent, log_amounts = words[0], words[1], words[2:]
        foretold = np.logaddexp(log_floor, log_amounts[None, :] - exponent * ratio[:, None])
        return float(special.huber(HUBER_DELTA, foretold - logs).sum())

    best = None
    for share in (0.05, 0.3, 0.6, 0.9):  # of the last loss that is floor
        for exponent in (0.05, 0.2, 0.5, 1.0):
            floor = share * table[-1].min()
            start = np.concatenate([[np.log(floor), exponent], np.log(table[0] - floor)])
            bounds = [(None, None), (1e-4, MAX_EXPONENT)] + [(None, None)] * table.shape[1]
            found = optimize.minimize(distance, start, method="L-BFGS-B", bounds=bounds)
            if best is None or found.fun < best.fun:
                best = found
    assert best is not None
    return float(np.exp(best.x[0])), np.exp(best.x[2:]), float(best.x[1])


def _line(flops: Floats, table: Floats) -> Predict:
    x = np.log(flops[-2:])
    slope = (table[-1] - table[-2]) / (x[1] - x[0])
    return lambda target: table[-1] + slope * (np.log(target) - x[1])


_METHODS: Mapping[str, Callable[[Floats, Floats], Predict]] = {
    "robust": lambda flops, table: _curve(*_robust(flops, table), flops[0]),
    "least squares": lambda flops, table: _curve(*_least_squares(flops, table), flops[0]),
    "as before": lambda flops, table: lambda _: table[-1],
    "line": _line,
}


def words(found: Scaling) -> Sequence[str]:
    """Return what a law is worth, in sentences."""
    errors = ", ".join(
        f"{one.method} {one.error:.3g} ({100 * one.decisions:.0f} % of decisions right)"
        for one in found.held_out
    )
    worth = (
        "a law extrapolates better than none"
        if found.worth_it
        else "no law extrapolates better than going on without one, so do not trust it"
    )
    best = min(found.foretold, key=lambda name: sum(found.foretold[name]))
    low, high = found.foretold[best]
    return (
        f"Fitted without the largest of {len(found.computes)} scales, the error there is {errors}: "
        f"{worth}.",
        f"At {found.target:.2g} FLOPs {best} would be the best, with a loss of {low:.4g} to "
        f"{high:.4g} by two solvers (floor {found.floor:.3g}, exponent {found.exponent:.3g}).",
    )
