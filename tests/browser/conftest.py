"""A real browser and real tracks: chromosome XIII of the example, and five explained Reb1 sites."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import Page
from runs import DemoRuns, demo_runs

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """Chromium, driven by Playwright; nothing is downloaded."""
    driver = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install playwright"
    )
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("needs a Chromium browser: apt-get install chromium")
    with driver.sync_playwright() as playwright:
        # Its sandbox does not work for the superuser, as in containers.
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(chromium: object, tmp_path_factory: pytest.TempPathFactory, example: Path) -> DemoRuns:
    """Made only where there is a browser to show it in."""
    return demo_runs(tmp_path_factory.mktemp("demo"), example)


@pytest.fixture
def page(chromium) -> Iterator[Page]:
    """An empty page that remembers what goes wrong."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1500})
    yield Page(context.new_page())
    context.close()
