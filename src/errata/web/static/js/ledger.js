/** The ledger as a timeline: undo, redo, and what each edit changes. */

import { $, fill, h, short, toast } from "./dom.js";
import { ended, get, job, mine, state, work } from "./store.js";
import { t, time } from "./words.js";

let ledger = null;
let open = null; // the edit whose difference is shown; 0 for all together
let other = ""; // the edit it is compared with

export function startLedger() {
  return async (what) => {
    if (what === "ledger" || (what === "state" && state.connected)) ledger = await get("ledger");
    if (what === "ledger" || what === "state" || mine(what, "diff", "export")) draw();
  };
}

export const entries = () => ledger?.entries ?? [];

async function change(path, body) {
  const made = await work("change", path, body);
  const one = made && (await ended(made.id));
  if (one?.error) toast(one.conflicts.length ? t("ledger.conflict", { edits: one.conflicts.join(", ") }) : one.error);
}

function compare(number) {
  open = number;
  const body = number === 0 ? {} : other ? { a: number, b: Number(other) } : { a: number };
  work("diff", "diff", body);
}

function draw() {
  if (!ledger) return;
  const place = $("timeline");
  if (!ledger.total) {
    fill(place, h("div.card.empty", {}, h("p", {}, t("ledger.empty")), h("p", {}, h("a.button", { href: "#ask" }, t("ledger.begin")))));
    return;
  }
  const newest = ledger.entries[0].id;
  fill(place,
    h("div.card.sum", {}, h("p", {}, t("ledger.sum", { applied: ledger.applied, total: ledger.total, directory: state.model.directory })),
      h("p.actions", {},
        h("button", { type: "button", "data-key": "diff.0", onclick: () => { other = ""; compare(0); }, "aria-expanded": String(open === 0) }, t("ledger.diff_all")),
        h("button", { type: "button", "data-key": "undo-all", disabled: !ledger.applied, onclick: () => change("ledger/undo-to", { last: 0 }) }, t("ledger.undo_all"))),
      open === 0 && difference()),
    h("ol.timeline", {}, ledger.entries.map((one) => item(one, newest))),
    ledger.applied > 0 && shipping(),
    h("details.card", {}, h("summary", {}, t("ledger.events", { count: ledger.events.length })),
      h("table.rows", {}, h("tbody", {}, ledger.events.slice(0, 100).map((one) => h("tr", {},
        h("td.dim", {}, time(one.at)), h("td", {}, t(`event.${one.kind}`, { edit: one.edit, by: one.by }))))))));
}

/** The corrections as files: an adapter, the weights, a report. */
function shipping() {
  const made = job("export");
  const waits = made && (made.state === "queued" || made.state === "running");
  return h("div.card", {}, h("h2", {}, t("export.title")), h("p.note", {}, t("export.lead")),
    h("p.actions", {}, ["peft", "merged", "report"].map((kind) =>
      h("button", { type: "button", "data-key": `export.${kind}`, disabled: waits, onclick: () => work("export", "export", { kind }) }, t(`export.${kind}`)))),
    waits && h("p.dim", { role: "status" }, t("export.busy")),
    made?.error && h("p.bad", {}, made.error),
    made?.state === "done" && h("p", { role: "status" }, h("a.button", { href: `/api/exports/${made.id}`, download: made.result.name, "data-key": "download" },
      t("export.download", { name: made.result.name, size: short(made.result.bytes / 1e6) }))));
}

function item(one, newest) {
  const fact = one.facts[0];
  const text = fact ? fact.prompt.replace("{}", fact.subject) : t("ledger.closing");
  const verb = one.applied ? "undo" : "redo";
  const button = (key, act, words, more = {}) => h("button", { type: "button", "data-key": `${key}.${one.id}`, onclick: act, ...more }, words);
  return h("li", { class: one.applied ? "applied" : "undone", id: `edit-${one.id}` },
    h("div.card", {},
      h("p.fact", {}, h("span.number", {}, `${one.id}`), h("span", {}, text, " ", fact && h("strong", {}, fact.target)),
        h("span.state", {}, t(one.applied ? "ledger.applied" : "ledger.undone"))),
      one.facts.length > 1 && h("p.note", {}, t("ledger.more", { count: one.facts.length - 1 })),
      h("p.note", {}, `${one.method} · ${t("ledger.layers", { layers: [...new Set(one.layers)].join(", ") })} · ‖ΔW‖ ${short(one.norm)} · ${time(one.at)}`),
      h("p.actions", {},
        button(verb, () => change(`ledger/${one.id}/${verb}`), t(`ledger.${verb}`)),
        one.id !== newest && button("to", () => change("ledger/undo-to", { last: one.id }), t("ledger.undo_later")),
        button("diff", () => { if (open === one.id) { open = null; draw(); } else { other = ""; compare(one.id); } }, t("ledger.diff"), { "aria-expanded": String(open === one.id) })),
      open === one.id && [with_(one), difference()]));
}

function with_(one) {
  const rest = ledger.entries.filter((entry) => entry.id !== one.id);
  if (!rest.length) return null;
  const choose = h("select", { id: "other", "data-key": "other", onchange: (event) => { other = event.target.value; compare(one.id); } },
    h("option", { value: "" }, t("ledger.alone")), rest.map((entry) => h("option", { value: entry.id, selected: String(entry.id) === other }, t("ledger.with", { edit: entry.id }))));
  return h("p", {}, h("label", { for: "other" }, t("ledger.compare"), " "), choose);
}

const COLUMNS = {
  alone: ["layer", "changed", "norm", "relative", "top"],
  pair: ["layer", "norm_a", "norm_b", "cosine"],
};

function difference() {
  const found = job("diff");
  if (!found || found.state === "queued" || found.state === "running") return h("p.dim", { role: "status" }, t("status.queued"));
  if (found.state !== "done") return h("p.bad", {}, found.error ?? t("cancelled"));
  const rows = found.result.layers;
  if (!rows.length) return h("p.dim", {}, t(found.request.b ? "diff.apart" : "diff.none"));
  const columns = "cosine" in rows[0] ? COLUMNS.pair : COLUMNS.alone;
  const cell = (row, name) => (name === "layer" ? String(row.layer) : name === "changed" ? `${row.changed} / ${row.size}` : short(row[name]));
  return h("div.scroll", {}, h("table.rows", {},
    h("thead", {}, h("tr", {}, columns.map((name) => h("th.num", { scope: "col" }, t(`diff.${name}`))))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((name) => h("td.num", {}, cell(row, name))))))));
}
