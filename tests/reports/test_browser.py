"""The report in a real browser: nothing logged, nothing wider than the screen, nothing runs."""

import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from davinci.ablations.known import names, read
from davinci.platform.store.records import Arm, Outcomes, Run, Sweep
from davinci.reports.entries import index_entry
from davinci.reports.html import render_index, render_paper, render_sweep

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WIDTHS = (375, 800, 1400)
PAGES = ("ordinary", "hostile", "index", "paper", "run", "hostile run")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None or DRIVER is None, reason="needs chromium and chromedriver on the path"
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def pages(
    sweep: Sweep,
    build_sweep: Callable[..., Sweep],
    build_arm: Callable[..., Arm],
    build_run: Callable[..., Run],
    build_outcomes: Callable[..., Outcomes],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("reports")
    attack = "<script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>"
    values = np.linspace(0, 1, 12)
    arms = tuple(
        build_arm(
            level,
            tuple(
                build_run(
                    0.0,
                    seed,
                    level,
                    outcomes=(
                        build_outcomes(
                            attack,
                            "ppl",
                            "accuracy",
                            values,
                            samples=({"id": attack, "prompt": attack * 9, "got": attack},),
                        ),
                    ),
                )
                for seed in range(3)
            ),
            label=attack + "w" * 500 + level,
        )
        for level in ("L2", "L5")
    )
    return {
        "ordinary": render_sweep(sweep, out / "ordinary"),
        "hostile": render_sweep(
            build_sweep(arms=arms, baseline=arms[0].label, name=attack), out / "hostile"
        ),
        "index": render_index(
            [index_entry(sweep, "ordinary/index.html")], out, [read(name) for name in names()]
        ),
        "paper": render_paper(None, out),
        "run": min((out / "ordinary" / "runs").iterdir()),
        "hostile run": min((out / "hostile" / "runs").iterdir()),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_the_page_fits_and_logs_nothing(
    browser: Chrome, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.get(pages[name].as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return window.attacked") is None
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


AXE = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_serious_fault(browser: Chrome, pages: dict[str, Path], name: str) -> None:
    browser.get(pages[name].as_uri())
    browser.execute_script(AXE)
    browser.set_script_timeout(60)
    found = browser.execute_async_script(
        "axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])"
    )
    serious = [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert len(found["passes"]) > 5
    assert serious == []


def test_the_index_is_filtered_and_sorted(browser: Chrome, pages: dict[str, Path]) -> None:
    browser.get(pages["index"].as_uri())
    shown = (
        "return [...document.querySelectorAll('#all tbody tr')].filter(r => !r.hidden)"
        ".map(r => r.cells[0].textContent.trim())"
    )
    whole = "return document.querySelectorAll('#all tbody tr').length"
    set_to = (
        "var f = document.querySelector('form.filters').elements[arguments[0]];"
        "if (f.type === 'checkbox') { f.checked = arguments[1]; } else { f.value = arguments[1]; }"
        "f.dispatchEvent(new Event('input', {bubbles: true}));"
    )
    assert browser.execute_script(whole) == len(names()) + 1
    assert len(browser.execute_script(shown)) == 1, "what was never run is asked for"
    browser.execute_script(set_to, "unrun", True)
    assert len(browser.execute_script(shown)) == len(names()) + 1
    browser.execute_script(set_to, "text", "QUESTIONS loss")
    assert [row.split()[-1] for row in browser.execute_script(shown)] == ["qa_masking"]
    said = browser.execute_script("return document.querySelector('output').textContent")
    assert said == f"1 of {len(names()) + 1} shown"
    browser.execute_script(set_to, "text", "")
    browser.execute_script(set_to, "theme", "evaluation validity")
    own = [name for name in names() if read(name).theme == "evaluation_validity"]
    assert len(browser.execute_script(shown)) == len(own)
    browser.execute_script(set_to, "theme", "")
    click = "document.querySelectorAll('#all thead button')[arguments[0]].click()"
    browser.execute_script(click, 0)
    first = browser.execute_script(shown)
    browser.execute_script(click, 0)
    assert first == list(reversed(browser.execute_script(shown)))
    assert first[0] < first[-1]
    browser.execute_script(click, 5)
    assert "not run" not in first[0]
    sort = "return document.querySelector('th[aria-sort]').textContent.trim()"
    assert browser.execute_script(sort).startswith("Runs")
    runs = browser.execute_script(
        "return [...document.querySelectorAll('#all tbody tr')].map(r => r.cells[5].textContent)"
    )
    assert runs[0] != "", "what has no number comes last"
    assert set(runs[1:]) == {""}


def test_text_and_marks_have_enough_contrast(browser: Chrome, pages: dict[str, Path]) -> None:
    """WCAG AA: 4.5:1 for text, 3:1 for marks, in both schemes."""
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        browser.get(pages["ordinary"].as_uri())
        read = "return getComputedStyle(document.documentElement).getPropertyValue('--{}').trim()"
        colour = {
            name: luminance(browser.execute_script(read.format(name)))
            for name in ("paper", "panel", "note", "ink", "muted", "link", "base")
            + tuple(f"arm-{index}" for index in range(8))
        }
        for background in ("paper", "panel", "note"):
            for text in ("ink", "muted", "link"):
                assert contrast(colour[text], colour[background]) >= 4.5
        for mark in ("base", *(f"arm-{index}" for index in range(8))):
            assert contrast(colour[mark], colour["paper"]) >= 4.5


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    light, dark = max(one, other), min(one, other)
    return (light + 0.05) / (dark + 0.05)


def test_every_table_and_picture_can_be_reached_and_named(
    browser: Chrome, pages: dict[str, Path]
) -> None:
    browser.get(pages["ordinary"].as_uri())
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('svg')].filter(s => s.getAttribute('role') !== 'img'"
        " || !document.getElementById(s.getAttribute('aria-labelledby')).textContent).length"
    )
    assert unnamed == 0
    loose = browser.execute_script(
        "return [...document.querySelectorAll('table')].filter("
        "t => !t.parentElement.matches('.scroll[tabindex][aria-label]')).length"
    )
    assert loose == 0
    broken = browser.execute_script(
        "return [...document.querySelectorAll('a[href^=\"#\"]')].filter("
        "a => !document.getElementById(a.hash.slice(1))).length"
    )
    assert broken == 0
