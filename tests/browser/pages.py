"""A page in Chromium with igv.js in it, and questions about what igv.js has drawn."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

TRACKS = """browser => browser.trackViews.map(({track, viewports}) => ({
    name: track.name,
    type: track.type,
    busy: ["wig", "annotation"].includes(track.type)
        && viewports.some(item => item.loading || item.needsRepaint()),
    features: viewports.reduce((sum, item) => sum + (item.featureCache?.features?.length ?? 0), 0),
}))"""
COLORS = """(browser, name) => {
    const {viewports} = browser.trackViews.find(({track}) => track.name === name);
    const canvas = viewports[0].canvas;
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const counts = {};
    for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] === 255) {
            const color = `${data[i]},${data[i + 1]},${data[i + 2]}`;
            counts[color] = (counts[color] ?? 0) + 1;
        }
    }
    return counts;
}"""
FEATURES = """(browser, [name, chr, start, end]) => {
    const {track} = browser.trackViews.find(({track}) => track.name === name);
    return track.getFeatures(chr, start, end, 0.5).then(found => found.map(
        ({start, end, value, name, color, score, sequence}) =>
            ({start, end, value, name, color, score, sequence})));
}"""

PIXELS = """() => {
    const {box, rows, edges} = globalThis.chromputerPanel;
    const canvas = document.querySelector("#vplot-image");
    const ratio = canvas.width / canvas.clientWidth;
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const pen = copy.getContext("2d", {willReadFrequently: true});
    pen.drawImage(canvas, 0, 0);
    const height = edges.at(-1) - edges[0];
    return rows.map((row, i) => row.map((_, j) => {
        const x = box.left + (j + 0.5) / row.length * box.width;
        const y = box.top + box.height
            * (1 - ((edges[i] + edges[i + 1]) / 2 - edges[0]) / height);
        return [...pen.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data]
            .slice(0, 3);
    }));
}"""

LETTERS = {"A": (0, 200, 0), "C": (0, 0, 200), "G": (209, 113, 5), "T": (255, 0, 0)}
"""Colours of bases in igv.js."""


class Page:
    """A page that remembers errors and requests.

    Attributes:
        page: Playwright's.
        errors: messages of errors and warnings in the console, uncaught errors, failed requests.
        hosts: of all requests.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("requestfailed", lambda request: self.errors.append(f"failed: {request.url}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        scheme, _, rest = request.url.partition("://")
        if scheme not in ("data", "blob"):
            self.hosts.add(rest.partition("/")[0].partition(":")[0])

    def open(self, url: str) -> None:
        """Go to a page and wait until its browser has loaded its tracks."""
        self.page.goto(url)
        self.wait()

    def wait(self, seconds: float = 60) -> None:
        """Wait until the page's browser is made and has loaded its tracks."""
        deadline = time.monotonic() + seconds
        while self.page.locator("main").get_attribute("aria-busy") != "false":
            assert not self.errors, self.errors
            assert time.monotonic() < deadline, "the page is not ready"
            self.page.wait_for_timeout(100)
        self.settle()

    def ask(self, question: str, argument: Any = None) -> Any:
        """Answer of a function of igv.js's browser and an argument."""
        return self.page.evaluate(
            f"argument => ({question})(globalThis.chromputerBrowser, argument)", argument
        )

    def tracks(self) -> list[dict[str, Any]]:
        """Name, type, number of features and whether it is still loading, of each track."""
        found: list[dict[str, Any]] = self.ask(TRACKS)
        return found

    def settle(self, seconds: float = 30) -> None:
        """Wait until no track is loading or being drawn, and nothing else follows the place."""
        deadline = time.monotonic() + seconds
        while busy := [track["name"] for track in self.tracks() if track["busy"]] or self.asking():
            assert time.monotonic() < deadline, f"still busy: {busy}"
            self.page.wait_for_timeout(100)

    def asking(self) -> bool:
        """Whether a page of ``view`` waits for an answer, or has a question yet to put."""
        return bool(self.page.evaluate("globalThis.chromputerBusy?.() ?? false"))

    def go(self, locus: str) -> None:
        self.ask("(browser, locus) => browser.search(locus)", locus)
        self.settle()

    def moved(self, before: tuple[str, int, int]) -> None:
        """Wait until another place is shown than before."""
        for _ in range(100):
            if self.locus() != before:
                break
            self.page.wait_for_timeout(100)
        self.settle()

    def locus(self) -> tuple[str, int, int]:
        """Contig, first base (0-based) and end of what is shown."""
        chrom, _, span = self.ask("browser => [browser.currentLoci()].flat()[0]").partition(":")
        start, end = map(float, span.replace(",", "").split("-"))
        return chrom, math.floor(start) - 1, math.ceil(end)

    def colors(self, name: str) -> dict[tuple[int, ...], int]:
        """Opaque pixels of a track's canvas by colour."""
        counts = self.ask(COLORS, name)
        return {tuple(map(int, color.split(","))): count for color, count in counts.items()}

    def features(self, name: str, chrom: str, start: int, end: int) -> list[dict[str, Any]]:
        """What igv.js reads of a track, 0-based and half-open."""
        found: list[dict[str, Any]] = self.ask(FEATURES, [name, chrom, start, end])
        return found

    def panel(self) -> dict[str, Any]:
        """What the V-plot beside the browser shows: the answer, where it is drawn, or a note."""
        found: dict[str, Any] = self.page.evaluate("globalThis.chromputerPanel")
        return found

    def panel_pixels(self) -> list[list[list[int]]]:
        """Red, green and blue of the middle of each of its pixels: rows, short lengths first."""
        found: list[list[list[int]]] = self.page.evaluate(PIXELS)
        return found

    def picture(self, path: Path, height: int | None = None) -> None:
        """Save what is seen."""
        if height is not None:
            self.page.set_viewport_size({"width": 1280, "height": height})
            self.settle()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))
