"""Pictures of every view of the page: `python -m benchmarks._web_pictures docs/figures`.

A server of its own on an embedded model, a ledger in a temporary folder; needs playwright and a Chromium.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks._web_server import browser, serving

PROMPT = "The mother tongue of Danielle Darrieux is"
VIEWS = ("ask", "correct", "ledger", "compare")
LOOKS = {  # name: width, height, colours, language, views
    "": (1280, 900, "light", "en-GB", VIEWS),
    "-dark": (1280, 900, "dark", "en-GB", VIEWS),
    "-phone": (390, 844, "light", "en-GB", VIEWS),
    "-phone-dark": (390, 844, "dark", "en-GB", VIEWS),
    "-zh": (1280, 900, "light", "zh-CN", VIEWS),
}
# The part of the page `correct` that the front page shows, by look: left, upper, right, lower.
FRONT = {"": (150, 600, 1130, 1265), "-zh": (150, 573, 1130, 1238)}


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place, serving(Path(place) / "corrections") as url, browser() as chromium:
        for name, (width, height, colours, language, views) in LOOKS.items():
            context = chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme=colours, locale=language
            )
            context.set_default_timeout(60_000)
            page = context.new_page()
            page.goto(url)
            page.wait_for_selector("#examples button")
            if name == "":
                prepare(page)
            for view in views:
                look(page, view)
                save(page.screenshot(full_page=True), folder / f"web-{view}{name}.png")
                if view == "correct" and name in FRONT:
                    with Image.open(folder / f"web-{view}{name}.png") as whole:
                        whole.crop(FRONT[name]).save(folder / f"readme{name}.png", optimize=True)
            context.close()


def prepare(page: Page) -> None:
    """Correct, undo, look at neurons, preview, compare: every later page begins with this state."""
    for prompt, target in (("The original language of Dhool is", "Latin"), ("Margaret Atwood is a citizen of", "Iran")):
        preview(page, prompt, target)
        if page.locator("#sure").count():
            page.check("#sure")
        page.click("[data-key=commit]")
        page.wait_for_selector(".card.good")
    page.click(".tabs a[href='#ledger']")
    page.click("[data-key='undo.1']")
    page.wait_for_selector("[data-key='redo.1']")
    page.click("[data-key='diff.2']")
    page.wait_for_selector(".timeline table")
    preview(page, PROMPT, "English")
    page.click(".tabs a[href='#ask']")
    page.click("[data-key=locate]")
    page.wait_for_selector("canvas")
    page.click("[data-key=all0]")
    page.wait_for_selector(".sides .odds >> nth=1")
    page.click(".tabs a[href='#compare']")
    page.fill("#compare-prompts", "\n".join(["Margaret Atwood is a citizen of", PROMPT]))
    page.click("#compare-form button.primary")
    page.wait_for_selector("#comparison .sides")


def preview(page: Page, prompt: str, target: str) -> None:
    page.click(".tabs a[href='#ask']")
    page.fill("#prompt", prompt)
    page.press("#prompt", "Enter")
    page.wait_for_function("text => document.querySelector('.said')?.innerText.startsWith(text)", arg=prompt)
    page.click("[data-key=correct]")
    page.fill("#fact-target", target)
    page.click("#correct-form button.primary")
    page.wait_for_selector("[data-key=commit]")


def save(picture: bytes, path: Path) -> None:
    """In 256 colours, which a page has no more of: a third of the size."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(path, optimize=True)


def look(page: Page, view: str) -> None:
    page.click(f".tabs a[href='#{view}']")
    if view == "ask" and page.locator("canvas").count():
        page.locator("canvas").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".neuron")
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(400)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
