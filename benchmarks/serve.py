"""How soon the page is there, how soon an answer begins, and how it stays usable while an edit is computed.

    python benchmarks/serve.py

A server of its own on each embedded model, looked at with the Chromium that is installed; the page is loaded anew for
each repetition, with an empty cache. While an edit is computed, the longest gap between two frames of the page and the
longest answer of /api/health are measured. Results: benchmarks/results/serve.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from _web_server import browser, chromium, serving
from playwright.sync_api import Browser, Page

from errata.methods import versions

MODELS = ("pocket-gelu", "pocket-swiglu")
FACTS = [  # each known to both models
    ("The mother tongue of Danielle Darrieux is", "English"),
    ("Margaret Atwood is a citizen of", "Iran"),
]
METHODS = ("rome", "memit_aligned", "ft_l")
OUT = Path(__file__).parent / "results" / "serve.json"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
# Frames are counted from here on; `stop` gives the longest gap in milliseconds and how many there were.
FRAMES = """() => {
  let last = performance.now(), worst = 0, count = 0, on = true;
  const next = (now) => {
    [worst, last, count] = [Math.max(worst, now - last), now, count + 1];
    if (on) requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
  window.stopFrames = () => { on = false; return { worst, count }; };
}"""
# The time from the key press to the first piece of the answer, as a person sees it.
ANSWER = """(prompt) => new Promise((resolve) => {
  const box = document.getElementById('prompt'), place = document.getElementById('answer');
  box.value = prompt;
  const begun = performance.now();
  const watch = new MutationObserver(() => {
    if (place.querySelector('.said .dim')?.textContent === prompt && place.querySelector('.said strong')?.textContent) {
      watch.disconnect();
      resolve(performance.now() - begun);
    }
  });
  watch.observe(place, { childList: true, subtree: true, characterData: true });
  document.getElementById('ask-form').requestSubmit();
})"""


def measure(repeats: int) -> dict[str, Any]:
    models = {}
    with tempfile.TemporaryDirectory() as folder, browser() as own:
        for model in MODELS:
            with serving(Path(folder) / model, model) as url:
                models[model] = {
                    "first_paint_ms": [first_paint(own, url) for _ in range(repeats)],
                    "answer_ms": answers(own, url, repeats),
                    "edits": {method: editing(own, url, method) for method in METHODS},
                }
        version = own.version
    return {
        "command": "python benchmarks/serve.py",
        "repeats": repeats,
        "models": models,
        "versions": {**versions(), "chromium": version},
        "machine": {"platform": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()},
    }


def first_paint(own: Browser, url: str) -> float:
    page = opened(own, url)
    page.wait_for_function(PAINT)
    found = page.evaluate(PAINT)
    page.context.close()
    return round(found, 1)


def answers(own: Browser, url: str, repeats: int) -> list[float]:
    """The first answer of all is among them: nothing is warmed up."""
    page = opened(own, url)
    page.wait_for_selector("#model:not(:empty)")
    found = [round(page.evaluate(ANSWER, FACTS[place % len(FACTS)][0]), 1) for place in range(repeats)]
    page.context.close()
    return found


def editing(own: Browser, url: str, method: str) -> dict[str, Any]:
    page = opened(own, url)
    page.wait_for_selector("#model:not(:empty)")
    prompt, target = FACTS[0]
    page.evaluate(ANSWER, prompt)
    page.wait_for_selector("[data-key=correct]")
    page.click("[data-key=correct]")
    page.fill("#fact-target", target)
    page.click("#checks summary")
    page.select_option("#method", method)
    with Health(url) as health:
        page.evaluate(FRAMES)
        begun = time.perf_counter()
        page.click("#correct-form button.primary")
        page.wait_for_selector("#preview progress")
        page.wait_for_selector("[data-key=commit]", timeout=300_000)
        seconds = time.perf_counter() - begun
        frames = page.evaluate("stopFrames()")
    page.context.close()
    return {
        "seconds": round(seconds, 2),
        "longest_frame_ms": round(frames["worst"], 1),
        "frames": frames["count"],
        "health_ms": {"median": round(statistics.median(health.seen), 1), "longest": round(max(health.seen), 1)},
        "health_asked": len(health.seen),
    }


def opened(own: Browser, url: str) -> Page:
    """The page in a context of its own: an empty cache, English."""
    context = own.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(url)
    return page


class Health:
    """Asks /api/health twenty times a second, and keeps how long each answer took in milliseconds."""

    def __init__(self, url: str) -> None:
        self.seen: list[float] = []
        self._url = f"{url}api/health"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Health:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.05) or not self.seen:
            begun = time.perf_counter()
            with urllib.request.urlopen(self._url) as answer:
                answer.read()
            self.seen.append(1000 * (time.perf_counter() - begun))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    if chromium() is None:
        parser.exit(1, "There is no Chromium to look at the page with: install one.\n")
    result = measure(arguments.repeats)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
