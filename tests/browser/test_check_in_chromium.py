"""The page of ``chromputer check`` in a browser: wide, narrow, dark, and on paper."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import chromputer_tracks as ct

PICTURES = os.environ.get("CHROMPUTER_SCREENSHOTS")


@pytest.fixture(scope="module")
def checked(chromium, tmp_path_factory, example) -> Path:
    out = tmp_path_factory.mktemp("check") / "out"
    options = ct.CheckOptions(
        fragments=example / "atac.fragments.tsv.gz",
        fasta=example / "sacCer3.fa.gz",
        model="yeast-atac",
        out=out,
    )
    ct.check_sample(options)
    return out / "check.html"


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_or_pale(chromium, checked, width, scheme):
    context = chromium.new_context(
        viewport={"width": width, "height": 1020}, color_scheme=scheme, device_scale_factor=1
    )
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url) if "http" in request.url else None)
    page.goto(checked.as_uri())
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    levels = page.locator(".findings .level").all_inner_texts()
    assert set(levels) == {"ok"}
    figures = page.locator("svg.figure")
    assert figures.count() == 5
    for at in range(figures.count()):
        box = figures.nth(at).bounding_box()
        assert box["width"] > 200
        assert box["height"] > 100
    ink = "getComputedStyle(document.querySelector('.findings .told')).color"
    paper = "getComputedStyle(document.querySelector('section')).backgroundColor"
    shades = [sum(map(int, page.evaluate(what)[4:-1].split(",")[:3])) / 3 for what in (ink, paper)]
    assert abs(shades[0] - shades[1]) > 150
    if PICTURES and (width, scheme) == (1280, "light"):
        page.screenshot(path=str(Path(PICTURES) / "check.png"))
    context.close()


def test_on_paper(chromium, checked):
    context = chromium.new_context(viewport={"width": 760, "height": 1000})
    page = context.new_page()
    page.goto(checked.as_uri())
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator(".findings li").count() == 7
    assert page.evaluate("document.documentElement.scrollWidth") <= 760
    # A page with its figures, not an empty one.
    assert len(page.pdf(format="A4")) > 40_000
    context.close()
