"""The whole story in a real browser, on an embedded model: a person asks, corrects, takes back, and is interrupted."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from zipfile import ZipFile

import pytest

from benchmarks._web_server import chromium, start
from errata.ledger import Ledger
from errata.model.load import load

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
Browser, Page, expect = sync_api.Browser, sync_api.Page, sync_api.expect
Request, Route = sync_api.Request, sync_api.Route

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed to look at the page with")

PROMPT = "The mother tongue of Danielle Darrieux is"
PATIENCE = 180_000  # milliseconds, on a busy machine
# One that takes a second, and one that first measures four layers on text it samples.
QUICK, SLOW = "ft_m", "memit"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from benchmarks._web_server import browser

    expect.set_options(timeout=PATIENCE)
    with browser() as found:
        yield found


class Server:
    """A server in a process of its own, which can be killed and started again at the same address."""

    def __init__(self, ledger: Path) -> None:
        self.ledger = ledger
        self.process: Popen[str]
        self.process, self.url = start(ledger)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def again(self) -> None:
        self.process, _ = start(self.ledger, port=int(self.url.rstrip("/").rpartition(":")[2]))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("ERRATA_CACHE", str(tmp_path / "cache"))  # empty: what is slow shall stay slow
    found = Server(tmp_path / "corrections")
    yield found
    found.process.terminate()
    found.process.wait()


@contextmanager
def tab(browser: Browser, url: str, **settings: object) -> Iterator[Page]:
    """A tab of a person of their own; an error in the page's scripts fails the test."""
    context = browser.new_context(**{"locale": "en-GB", **settings})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#model:not(:empty)")
    yield page
    context.close()
    assert errors == []


def ask(page: Page, prompt: str = PROMPT) -> None:
    page.click(".tabs a[href='#ask']")
    page.fill("#prompt", prompt)
    page.press("#prompt", "Enter")
    expect(page.locator(".said").first).to_contain_text(prompt)
    expect(page.locator("#answer .odds").first).to_be_visible()


def preview(page: Page, target: str, method: str) -> None:
    page.click("[data-key=correct]")
    page.fill("#fact-target", target)
    page.press("#fact-target", "Tab")
    if not page.locator("#method").is_visible():
        page.click("#checks summary")
    page.select_option("#method", method)
    page.click("#correct-form button.primary")


def commit(page: Page) -> None:
    page.wait_for_selector("[data-key=commit]")
    if page.locator("#sure").count():
        page.check("#sure")
    page.click("[data-key=commit]")
    expect(page.locator(".card.good")).to_be_visible()


def answer(page: Page) -> str:
    return page.locator("#answer .said strong").first.inner_text().strip(" .")


def test_ask_locate_correct_undo_and_export(browser: Browser, server: Server, tmp_path: Path) -> None:
    with tab(browser, server.url) as page:
        ask(page)
        assert answer(page) == "French"
        page.click("[data-key=locate]")
        canvas = page.locator("canvas")
        expect(canvas).to_be_visible()
        canvas.focus()
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".tip")).to_contain_text(re.compile(r"L\d+·N\d+"))
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        expect(page.locator(".neuron .tokens")).not_to_have_text("…")
        page.locator(".neuron .factors button").first.click()
        expect(page.locator("#answer .sides .odds")).to_have_count(2)
        page.click("[data-key=reset]")
        expect(page.locator("#answer .odds")).to_have_count(1)

        preview(page, "English", QUICK)
        expect(page.locator("#preview h2")).to_contain_text("English")
        expect(page.locator("#preview tbody tr")).to_have_count(20)
        assert not server.ledger.exists()
        commit(page)
        page.click("#preview a[href='#ledger']")
        expect(page.locator(".timeline li.applied")).to_contain_text("English")
        page.click("[data-key='diff.1']")
        expect(page.locator(".timeline table")).to_be_visible()

        page.click(".tabs a[href='#compare']")
        page.click("#compare-facts")
        page.click("#compare-form button.primary")
        expect(page.locator("#comparison .said strong")).to_have_text([" French.", " English."])

        page.click(".tabs a[href='#ledger']")
        page.click("[data-key='export.peft']")
        with page.expect_download() as waited:
            page.click("[data-key=download]")
        waited.value.save_as(tmp_path / "adapter.zip")
        assert "adapter/adapter_config.json" in ZipFile(tmp_path / "adapter.zip").namelist()

        page.click("[data-key='undo.1']")
        expect(page.locator(".timeline li.undone")).to_be_visible()
        ask(page)
        assert answer(page) == "French"
    view = load("pocket-gelu")
    untouched = view.weights_sha256()
    with Ledger.open(server.ledger, view, create=False) as ledger:
        assert ledger.verify().ok and ledger.applied == () and view.weights_sha256() == untouched


def test_an_edit_is_cancelled_found_again_after_a_reload_and_seen_in_two_tabs(browser: Browser, server: Server) -> None:
    with tab(browser, server.url) as one, tab(browser, server.url) as two:
        ask(one)
        preview(one, "English", SLOW)
        expect(one.locator("#preview progress")).to_be_visible()
        one.reload()
        expect(one.locator("#preview progress")).to_be_visible()  # found again
        expect(one.locator("#fact-target")).to_have_value("English")
        expect(two.locator("#status progress, #status .spin").first).to_be_visible()
        two.click("#status button")  # any tab can end it
        expect(one.locator("#preview")).to_contain_text("as they were")
        assert not server.ledger.exists()

        one.click("#checks summary")
        one.select_option("#method", QUICK)
        one.click("#correct-form button.primary")
        commit(one)
        expect(two.locator("#applied")).to_have_text("Corrections: 1")
        two.click("#applied")
        expect(two.locator(".timeline li.applied")).to_have_count(1)
        two.click("[data-key='undo.1']")
        expect(one.locator("#applied")).to_have_text("Corrections: 0")


def test_a_killed_server_is_noticed_and_found_again(browser: Browser, server: Server) -> None:
    with tab(browser, server.url) as page:
        ask(page)
        preview(page, "English", QUICK)
        commit(page)
        ask(page, "The original language of Dhool is")
        preview(page, "Latin", SLOW)
        expect(page.locator("#preview progress")).to_be_visible()
        server.kill()
        expect(page.locator("#lost")).to_contain_text("does not answer")
        server.again()
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator("#toast")).to_contain_text("started again")
        expect(page.locator("#applied")).to_have_text("Corrections: 1")
        expect(page.locator("#preview progress")).to_have_count(0)
        ask(page)
        assert answer(page) == "English"


def test_a_busy_server_is_asked_again_and_a_full_one_is_named(browser: Browser, server: Server) -> None:
    with tab(browser, server.url) as page:
        asked: list[str] = []

        def busy(route: Route, request: Request) -> None:
            asked.append(request.url)
            if len(asked) < 3:
                route.fulfill(
                    status=429, headers={"retry-after": "0.2"}, json={"error": "64 jobs are waiting already."}
                )
            else:
                route.continue_()

        page.route("**/api/ask", busy)
        page.fill("#prompt", PROMPT)
        page.press("#prompt", "Enter")
        expect(page.locator("#toast")).to_contain_text("Asking again")
        expect(page.locator("#answer .odds").first).to_be_visible()
        assert len(asked) == 3
        page.unroute("**/api/ask")
        page.route("**/api/ask", lambda route: route.fulfill(status=429, headers={"retry-after": "0.01"}, json={}))
        page.press("#prompt", "Enter")
        expect(page.locator("#toast")).to_contain_text("nothing was done")

        page.route("**/api/events", lambda route: route.fulfill(status=429, json={"error": "64 streams are open."}))
        page.reload()
        expect(page.locator("#lost")).to_contain_text("Close another tab")
        page.click("#language")
        expect(page.locator("#lost")).to_contain_text("已达上限")
        page.unroute("**/api/events")
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator("#model")).to_contain_text("pocket-gelu")


def test_it_works_by_keyboard_on_a_phone_in_the_dark_and_in_chinese(browser: Browser, server: Server) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "locale": "zh-CN"}
    with tab(browser, server.url, **phone) as page:
        expect(page.locator("h1:visible")).to_have_text("向模型提问")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, re.findall(r"\d+", ground)[:3])) < 60
        reached = set[str]()
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.hash || ''"))
        assert {"language", "theme", "#ask", "#correct", "#ledger", "#compare", "prompt"} <= reached
        page.focus("#prompt")
        page.keyboard.type(PROMPT)
        page.keyboard.press("Enter")
        expect(page.locator("#answer .odds")).to_be_visible()
        for view in ("ask", "correct", "ledger", "compare"):
            page.focus(f".tabs a[href='#{view}']")
            page.keyboard.press("Enter")
            expect(page.locator(f"#view-{view}")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, view
        page.focus("#language")
        page.keyboard.press("Enter")
        expect(page.locator("h1:visible")).to_have_text("Before and after")
        page.focus("#theme")
        page.keyboard.press("Enter")
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
