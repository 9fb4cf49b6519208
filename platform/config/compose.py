"""Hydra's parser and composition, with our expansion and our error messages.

`expand` turns the words of the command line into points; `compose` turns one point into a config;
`explain` turns whatever Hydra or OmegaConf objects to into a `Problem`.
"""

import dataclasses
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from davinci.platform.config.errors import ConfigError, Problem
from davinci.platform.config.schema import Config

MAX_VALUES = 10_000
"""Axes with more values are refused with their size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the words of a command line ask for.

    Attributes:
        axes: Override key -> values as typed, of those that are swept.
        fixed: Overrides that hold for every point.
        intervals: Override key -> Hydra's interval, of those that a search chooses from.
    """

    axes: dict[str, tuple[str, ...]]
    fixed: tuple[str, ...]
    intervals: dict[str, IntervalSweep]


def config_loader(config_dir: Path, own_dir: str | None = None) -> ConfigLoader:
    """Return a loader over a `conf/` folder, and one of the user's own that goes before it."""
    search_path = create_config_search_path(str(config_dir))
    if own_dir:
        search_path.prepend("command-line", f"file://{Path(own_dir).absolute()}")
    return ConfigLoaderImpl(search_path)


def parse(words: Sequence[str], loader: ConfigLoader) -> Words:
    """Parse overrides, and sort them by what they are.

    A key that is given twice counts once, as it was given last, as in Hydra.

    Raises:
        ConfigError: If an override cannot be parsed, or an axis has too many values.
    """
    try:
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(words))
    except HydraException as error:
        raise ConfigError([explain(error)]) from error
    axes: dict[str, tuple[str, ...]] = {}
    fixed: list[str] = []
    intervals: dict[str, IntervalSweep] = {}
    for override in parsed:
        key, value = override.get_key_element(), override.value()
        axes.pop(key, None)
        intervals.pop(key, None)
        if isinstance(value, IntervalSweep):
            intervals[key] = value
        elif override.is_sweep_override():
            axes[key] = _values(override)
        else:
            fixed.append(override.input_line or "")
    return Words(axes=axes, fixed=tuple(fixed), intervals=intervals)


def is_group(loader: ConfigLoader, key: str) -> bool:
    """Return whether an override's key names a config group, and not a field."""
    return bool(loader.get_group_options(key.lstrip("+~")))


def compose(loader: ConfigLoader, overrides: Sequence[str], config_name: str) -> DictConfig:
    """Compose one point.

    Raises:
        ConfigError: If a group, a field or a value does not exist, or has the wrong type.
    """
    try:
        return loader.load_configuration(
            config_name=config_name, overrides=list(overrides), run_mode=RunMode.RUN
        )
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError([explain(error)]) from error
    except (AttributeError, AssertionError) as error:
        if problem := _below_null(loader, overrides, config_name):
            raise ConfigError([problem]) from error
        raise


def _below_null(loader: ConfigLoader, overrides: Sequence[str], config_name: str) -> Problem | None:
    """Return the override of a field below one that is null, which OmegaConf stumbles over."""
    pairs = [word.lstrip("+~").partition("=") for word in overrides]
    groups = [f"{key}={value}" for key, _, value in pairs if is_group(loader, key)]
    config = compose(loader, groups, config_name)
    for key, _, value in pairs:
        parts = key.split(".")
        for depth in range(1, len(parts) + 1):
            above = ".".join(parts[:depth])
            whole = depth == len(parts)
            if OmegaConf.select(config, above) is None and (not whole or value.startswith("{")):
                rule = f"{above} is null here, so that nothing below it can be set; "
                rule += "choose an option that has it, or give the whole list above it."
                return Problem(field=key, value=value, rule=rule)
    return None


def explain(error: Exception) -> Problem:
    """Return what a Hydra or OmegaConf error says, as a problem of one field."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(error, OverrideParseException):
        return Problem(field=error.override, value="", rule="cannot be read as field=value.")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        options = _options(str(error)) or tuple(error.options or ())
        return Problem(field=group, value=option, rule="there is no such option.", allowed=options)
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        return _unknown_field(cause)
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        value = str(error).rpartition("=")[2] if "=" in str(error) else ""
        return Problem(field=cause.full_key, value=value, rule=str(cause).splitlines()[0] + ".")
    ambiguous = re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", str(error))
    if ambiguous:
        rule = "several values make a sweep: add -m, or quote the value."
        return Problem(field=ambiguous[1], value=ambiguous[2], rule=rule)
    return Problem(field="command line", value="", rule=str(error).splitlines()[0])


def known_fields(dotted: str) -> tuple[str, ...]:
    """Return the field names that the schema has at a dotted place ("" for the top level)."""
    cls: Any = Config
    for part in filter(None, dotted.split(".")):
        if part.isdigit():
            continue
        hint = get_type_hints(cls).get(part)
        nested = [a for a in (hint, *get_args(hint)) if dataclasses.is_dataclass(a)]
        if not nested:
            return ()
        cls = nested[0]
    return tuple(f.name for f in dataclasses.fields(cls))


def _values(override: Override) -> tuple[str, ...]:
    key, value = override.get_key_element(), override.value()
    number = len(value.range()) if isinstance(value, RangeSweep) else 0  # type: ignore[arg-type]
    if number <= MAX_VALUES:
        found = tuple(itertools.islice(override.sweep_string_iterator(), MAX_VALUES + 1))
        number = len(found)
    if number > MAX_VALUES:
        rule = f"the grid has {number:,} points; at most {MAX_VALUES:,} are planned at once."
        raise ConfigError([Problem(field=key, value="", rule=rule)])
    return found


def _options(message: str) -> tuple[str, ...]:
    listed = message.partition("Available options in")[2].partition("Config search path")[0]
    return tuple(line.strip() for line in listed.splitlines()[1:] if line.strip())


def _unknown_field(cause: OmegaConfBaseException) -> Problem:
    full_key = str(cause.full_key or cause.key)
    parent, _, name = full_key.rpartition(".")
    allowed = known_fields(parent)
    where = f"in {parent}" if parent else "at the top level"
    field = full_key if allowed else name
    return Problem(field=field, value="", rule=f"there is no such field {where}.", allowed=allowed)
