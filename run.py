"""The entry: `python run.py` (one run), `python run.py -m` (a sweep). See README.md."""

import os
import signal
import sys
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from davinci.platform.config.compose import config_loader, explain
from davinci.platform.config.errors import ConfigError
from davinci.platform.config.schema import register_schema

CONF = Path(__file__).resolve().parent / "conf"
register_schema()


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def app(_: DictConfig) -> None:
    """Run one recipe with one seed; a sweep goes to `DavinciSweeper` instead."""
    from davinci.platform.plan.points import request_run
    from davinci.reports.publish import run_and_publish

    words = get_args_parser().parse_args()
    try:
        request = request_run(words.overrides, config_loader(CONF, words.config_dir), "config")
        sys.exit(run_and_publish(request))
    except ConfigError as error:  # Hydra would print a line of its own before we can
        sys.exit(_refuse(error))


def main() -> int:
    """Run the command line; what is wrong with it is said in words, with exit code 2."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us, and we say what they mean
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stop in order, as on Ctrl-C
    try:
        app()
    except ConfigError as error:
        return _refuse(error)
    except (HydraException, OmegaConfBaseException) as error:
        return _refuse(_all_problems() or ConfigError([explain(error)]))
    except (AttributeError, AssertionError):  # OmegaConf's, on what is below a null
        problem = _all_problems()
        if problem is None:
            raise
        return _refuse(problem)
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def _all_problems() -> ConfigError | None:
    """Return every problem of every point, where Hydra has stopped at the first; None if none."""
    from davinci.platform.plan.points import request_run, request_sweep

    words = get_args_parser().parse_args()
    request = request_sweep if words.multirun else request_run
    try:
        request(words.overrides, config_loader(CONF, words.config_dir), "config")
    except ConfigError as error:
        return error
    return None


def _refuse(error: ConfigError) -> int:
    num = len(error.problems)
    print(f"{num} problem{'s' if num > 1 else ''}; nothing was run.", file=sys.stderr)
    for problem in error.problems:
        print(f"  {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
