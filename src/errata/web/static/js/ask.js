/** Ask: the answer as it comes, its neurons, and the answer with some of them changed. */

import { takeOver } from "./correct.js";
import { $, fill, h, percent, short } from "./dom.js";
import { HeatMap } from "./heat.js";
import { ended, forget, get, job, mine, send, work } from "./store.js";
import { t } from "./words.js";

const FACTORS = [0, 2, 5];
let examples = [];
let factors = new Map(); // "layer.index" → factor
let cursor = null; // the neuron that is looked at
const tokens = new Map(); // of neurons that were asked for
let map = null;
let mapped = null; // the job whose scores the map shows

const key = (layer, index) => `${layer}.${index}`;
const busy = (one) => one && (one.state === "queued" || one.state === "running");

/** The longest run of capitalised words: the likely subject, which the reader may change. */
export function likelySubject(prompt) {
  const known = examples.find((one) => prompt.includes(one.subject));
  if (known) return known.subject;
  const runs = prompt.match(/\p{Lu}[\p{L}\p{N}'’.-]*(?: (?:of|the|de|von|van|la|le)? ?\p{Lu}[\p{L}\p{N}'’.-]*)*/gu) ?? [];
  const later = runs.filter((run) => !(prompt.startsWith(run) && /^(The|A|An|In|At|As|On|It|What|Who)$/.test(run)));
  const best = later.sort((a, b) => b.length - a.length)[0] ?? prompt;
  return best.replace(/['’]s$/, "").replace(/^(The|A|An|In|At|As|On) /, "");
}

export function startAsk() {
  $("ask-form").onsubmit = (event) => {
    event.preventDefault();
    ask($("prompt").value.trim());
  };
  const prompt = $("prompt");
  prompt.oninput = () => { prompt.style.height = "auto"; prompt.style.height = `${prompt.scrollHeight}px`; };
  get("examples").then((found) => { examples = found ?? []; drawExamples(); });
  return (what) => {
    if (what === "state" && job("ask") && !prompt.value && document.activeElement !== prompt) {
      prompt.value = job("ask").request.prompt;
      prompt.oninput();
      factors = new Map((job("steer")?.request.scalings ?? []).map((one) => [key(one.layer, one.index), one.factor]));
    }
    if (what === "state" || mine(what, "ask", "steer", "locate")) draw(what === "state");
  };
}

async function ask(prompt) {
  if (!prompt) return;
  factors.clear();
  cursor = null;
  for (const kind of ["locate", "steer"]) forget(kind);
  await work("ask", "ask", { prompt });
  draw(true);
}

function drawExamples() {
  $("prompt").placeholder = examples[0] ? t("ask.example", { prompt: examples[0].prompt }) : "";
  fill($("examples"), examples.slice(0, 4).map((one) =>
    h("button.chip", { type: "button", onclick: () => { $("prompt").value = one.prompt; $("prompt").oninput(); ask(one.prompt); } },
      one.prompt)));
}

function draw(all) {
  if (all) drawExamples();
  drawAnswer();
  drawNeurons(all);
}

function drawAnswer() {
  const plain = job("ask");
  if (!plain) return fill($("answer"));
  const steered = job("steer");
  const newest = steered ?? plain;
  if (newest.state === "done") $("spoken").textContent = newest.request.prompt + newest.text; // read out once, whole
  return fill($("answer"), h("div", { class: steered ? "card sides" : "card" },
    written(plain, steered && t("ask.as_is")),
    steered && written(steered, t("ask.changed", { count: steered.request.scalings.length })),
    plain.state === "done" && correctLink(plain)));
}

/** One answer: prompt and what has been written so far, then the most probable next tokens. */
function written(one, title) {
  const best = one.result?.next_tokens ?? [];
  return h("div.written", {},
    title && h("h2.side", {}, title),
    h("p.said", {}, h("span.dim", {}, one.request.prompt), h("strong", {}, one.text),
      busy(one) && h("span.caret", { "aria-hidden": "true" })),
    one.error && h("p.bad", {}, one.error),
    one.state === "cancelled" && h("p.dim", {}, t("cancelled")),
    best.length > 0 && h("table.odds", {}, h("caption", {}, t("ask.next")),
      h("tbody", {}, best.map((row) => h("tr", {},
        h("th", { scope: "row" }, row.token.trim() || "␣"),
        h("td.num", {}, percent(row.probability)),
        h("td.wide", {}, h("span.meter", { style: { "--share": row.probability } })))))));
}

function correctLink(one) {
  const go = () => { takeOver(one.request.prompt, likelySubject(one.request.prompt), one.result.answer); location.hash = "correct"; };
  return h("p", {}, h("button", { type: "button", "data-key": "correct", onclick: go }, t("ask.correct")));
}

function drawNeurons(all) {
  const plain = job("ask");
  const found = job("locate");
  const place = $("neurons");
  if (!plain || plain.state !== "done") return fill(place);
  if (found?.state === "done") {
    if (mapped !== found.id || all || !place.querySelector("canvas")) frame(place, plain, found);
    return drawDetail(found.result);
  }
  mapped = null;
  return fill(place, h("div.card", {},
    h("h2", {}, t("neurons.title")),
    h("p.note", {}, t("neurons.lead")),
    found?.error && h("p.bad", {}, found.error),
    busy(found) ? h("p.dim", { role: "status" }, t("neurons.busy")) : subjectForm(plain)));
}

function subjectForm(plain) {
  const subject = h("input", { id: "ask-subject", value: likelySubject(plain.request.prompt), maxlength: 300, required: true });
  const find = (event) => {
    event.preventDefault();
    work("locate", "locate", { subject: subject.value, prompt: plain.request.prompt });
  };
  return h("form.inline", { onsubmit: find }, h("label", { for: "ask-subject" }, t("neurons.subject")), subject,
    h("button.primary", { "data-key": "locate" }, t("neurons.go")));
}

/** The map and what stands around it; built once for a result, so that the focus stays in it. */
function frame(place, plain, found) {
  const { result } = found;
  mapped = found.id;
  map?.close();
  map = new HeatMap(result, (layer, index, score) => look(layer, index, score), tokensOf);
  fill(place, h("div.card", {},
    h("h2", {}, t("neurons.of", { answer: result.answer })),
    h("p.note", {}, t("neurons.read")),
    map.node,
    h("p.note", {}, t("neurons.chosen", { count: result.chosen, method: result.method, gap: short(result.gap) })),
    h("div", { id: "neuron" }),
    h("div", { id: "strongest" })));
}

function tokensOf(layer, index) {
  const listed = job("locate")?.result?.neurons.find((one) => one.layer === layer && one.index === index);
  return listed?.tokens ?? tokens.get(key(layer, index));
}

async function look(layer, index, score) {
  cursor = { layer, index, score };
  drawDetail(job("locate").result);
  if (tokensOf(layer, index)) return;
  const made = await send("neuron", { layer, index });
  const one = made && (await ended(made.id));
  if (one?.result) tokens.set(key(layer, index), one.result.tokens);
  if (job("locate")?.result) drawDetail(job("locate").result);
}

function drawDetail(result) {
  map.mark(factors);
  const place = $("neuron");
  if (!cursor) fill(place, h("p.dim", {}, t("neurons.pick")));
  else {
    const { layer, index, score } = cursor;
    fill(place, h("div.neuron", {},
      h("strong", {}, `L${layer}·N${index}`), h("span.num", {}, short(score)),
      h("span.tokens", {}, tokensOf(layer, index)?.join(" · ") ?? "…"),
      buttons(layer, index, "cursor")));
  }
  fill($("strongest"),
    h("div.actions", {},
      h("button", { type: "button", "data-key": "all0", onclick: () => every(result, 0) }, t("neurons.suppress_all", { count: result.neurons.length })),
      h("button", { type: "button", "data-key": "all2", onclick: () => every(result, 2) }, t("neurons.amplify_all", { count: result.neurons.length })),
      factors.size > 0 && h("button.quiet", { type: "button", "data-key": "reset", onclick: reset }, t("neurons.reset"))),
    h("div.scroll", {}, h("table.rows.listed", {},
      h("thead", {}, h("tr", {}, ["neuron", "score", "tokens", "change"].map((name) => h("th", { scope: "col", class: name === "score" ? "num" : null }, t(`neurons.${name}`))))),
      h("tbody", {}, result.neurons.slice(0, 8).map((one) => h("tr", {},
        h("th", { scope: "row" }, `L${one.layer}·N${one.index}`),
        h("td.num", {}, short(one.score)),
        h("td.tokens", {}, one.tokens.slice(0, 5).join(" · ")),
        h("td", {}, buttons(one.layer, one.index, "row"))))))));
}

function buttons(layer, index, where) {
  const now = factors.get(key(layer, index));
  return h("span.factors", { role: "group", "aria-label": `L${layer}·N${index}` }, FACTORS.map((factor) =>
    h("button", {
      type: "button", "aria-pressed": String(now === factor), "data-key": `${where}.${layer}.${index}.${factor}`,
      title: t(factor === 0 ? "neurons.suppress" : "neurons.amplify"),
      onclick: () => change([[layer, index]], now === factor ? null : factor),
    }, `×${factor}`)));
}

const every = (result, factor) => change(result.neurons.map((one) => [one.layer, one.index]), factor);

function reset() {
  factors.clear();
  forget("steer");
  draw(false);
}

async function change(neurons, factor) {
  for (const [layer, index] of neurons) {
    if (factor === null) factors.delete(key(layer, index));
    else factors.set(key(layer, index), factor);
  }
  if (!factors.size) return reset();
  const scalings = [...factors].map(([name, own]) => {
    const [layer, index] = name.split(".").map(Number);
    return { layer, index, factor: own };
  });
  return work("steer", "ask", { prompt: job("ask").request.prompt, scalings });
}
