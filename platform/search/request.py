"""From the words of a command line to a search."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from davinci.data_levels.document import DOMAINS
from davinci.platform.config.compose import parse
from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.plan.points import Request, first_point, request_points
from davinci.platform.search.run import Search
from davinci.platform.search.settings import SearchSettings, read_settings
from davinci.platform.search.simplex import Simplex, bounds_of, project
from davinci.platform.search.space import space_of


def request_search(words: Sequence[str], loader: ConfigLoader, config_name: str) -> Search:
    """Return the search that a command line asks for.

    Raises:
        ConfigError: With what is wrong with it.
    """
    asked = parse(words, loader)
    sweep, config = first_point(asked, loader, config_name)
    search: dict[str, Any] = OmegaConf.to_container(config.search, resolve=True)  # type: ignore[assignment]
    settings = read_settings(search)
    space = space_of(asked, _simplex(settings, config))
    swept = list(asked.axes) + list(asked.intervals) + ["mixture.weights"] * settings.simplex.on
    sweep["name"] = sweep["name"] or f"search: {' × '.join(swept)}"
    sweep["baseline"] = ""

    def points(proposed: Sequence[Mapping[str, str]]) -> Request:
        every = [dict(point) for point in proposed]
        return request_points(asked.fixed, every, loader, config_name, sweep)

    return Search(
        name=str(sweep["name"]),
        settings=settings,
        space=space,
        identity=[word for word in sorted(asked.fixed) if not word.startswith("search.")],
        points=points,
    )


def _simplex(settings: SearchSettings, config: DictConfig) -> Simplex | None:
    """Return the mixtures to choose from: around the recipe's own, over the domains it weighs.

    Raises:
        ConfigError: If bounds are of unknown domains, or leave no mixture.
    """
    asked = settings.simplex
    if not asked.on:
        return None
    problems = []
    for name in ("lower", "upper", "available"):
        for domain, bound in getattr(asked, name).items():
            field = f"search.simplex.{name}.{domain}"
            if domain not in DOMAINS:
                rule = "there is no such domain."
                problems.append(Problem(field=field, value="", rule=rule, allowed=DOMAINS))
            elif bound < 0 or (name != "available" and bound > 1):
                problems.append(Problem(field=field, value=f"{bound:g}", rule="is no share."))
    if problems:
        raise ConfigError(problems)
    weights = {d: float(config.mixture.weights[d]) for d in DOMAINS}
    domains = tuple(d for d in DOMAINS if weights[d] > 0)
    epochs = float(config.trainer.max_epochs) or 1.0
    available = {domain: tokens * epochs for domain, tokens in asked.available.items()}
    tokens = float(config.scale.tokens)
    lower, upper = bounds_of(domains, asked.lower, asked.upper, available, tokens)
    simplex = Simplex(
        domains=domains,
        prior=tuple(weights[d] for d in domains),
        concentration=asked.concentration,
        lower=lower,
        upper=upper,
    )
    try:
        project(np.asarray(simplex.prior), np.asarray(lower), np.asarray(upper))
    except ValueError as error:
        raise ConfigError([Problem(field="search.simplex", value="", rule=str(error))]) from None
    return simplex
