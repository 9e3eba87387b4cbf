/** The page begins: its language, its views, and the server's events. */

import { startAsk } from "./ask.js";
import { startCompare } from "./compare.js";
import { startCorrect } from "./correct.js";
import { $, h, fill, short } from "./dom.js";
import { startLedger } from "./ledger.js";
import { cancel, connect, listen, running, state } from "./store.js";
import { applyTheme, nextTheme, theme } from "./theme.js";
import { otherLanguage, speak, stepWord, switchLanguage, t } from "./words.js";

const VIEWS = ["ask", "correct", "ledger", "compare"];
const redraws = [];

function show() {
  const wanted = VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "ask";
  for (const name of VIEWS) $(`view-${name}`).hidden = name !== wanted;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash === `#${wanted}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(`nav.${wanted}`)} · Errata`;
}

function drawTop() {
  $("language").textContent = otherLanguage();
  $("theme").textContent = t(`theme.${theme()}`);
  $("theme").setAttribute("aria-label", t("theme.label", { now: t(`theme.${theme()}`) }));
  if (state.model) {
    $("model").textContent = `${state.model.name} · ${short(state.model.parameters / 1e6)} M · ${state.model.dtype}`;
    $("applied").textContent = t("top.applied", { count: state.applied });
  }
  const lost = $("lost");
  lost.textContent = state.full ? t("lost.full") : state.model && !state.connected ? t("lost.trying") : "";
  lost.hidden = !lost.textContent;
}

/** What the worker is at, with a way to end it, whichever tab has asked for it. */
function drawStatus() {
  const jobs = running();
  const place = $("status");
  place.hidden = jobs.length === 0;
  if (!jobs.length) return fill(place);
  const now = jobs.find((one) => one.state === "running") ?? jobs[0];
  const { progress } = now;
  const counted = progress?.total > 0;
  const far = counted ? t("status.step", { done: progress.done + 1, total: progress.total }) : "";
  return fill(place,
    h("span.spin", { "aria-hidden": "true" }),
    h("span", {}, `${t(`job.${now.kind}`)}${progress ? ` · ${stepWord(progress.what)}` : ""} ${far}`),
    counted && h("progress", { max: progress.total, value: progress.done, "aria-label": t(`job.${now.kind}`) }),
    jobs.length > 1 && h("span.dim", {}, t("status.waiting", { count: jobs.length - 1 })),
    now.ends && h("button", { type: "button", "data-key": "cancel", onclick: () => cancel(now.id) }, t("cancel")));
}

function redraw() {
  drawTop();
  drawStatus();
  show();
  for (const draw of redraws) draw("state");
}

async function start() {
  applyTheme();
  await speak();
  redraws.push(startAsk(), startCorrect(), startLedger(), startCompare());
  listen((what) => {
    drawTop();
    drawStatus();
    for (const draw of redraws) draw(what);
  });
  $("language").onclick = async () => { await switchLanguage(); redraw(); };
  $("theme").onclick = () => { nextTheme(); redraw(); };
  addEventListener("hashchange", () => { show(); $("main").focus({ preventScroll: true }); scrollTo(0, 0); });
  // Enter asks, Shift+Enter begins a line; in the other forms Ctrl+Enter goes on from anywhere.
  addEventListener("keydown", (event) => {
    const { form, tagName, id } = event.target;
    if (event.key !== "Enter" || tagName !== "TEXTAREA" || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || (id === "prompt" && !event.shiftKey)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  redraw();
  connect();
}

start();
