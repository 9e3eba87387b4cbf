/** Correct: the right answer, a preview that puts worse ones first, and the commit. */

import { $, fill, h, short, toast } from "./dom.js";
import { cancel, ended, forget, get, job, mine, send, state, work } from "./store.js";
import { stepWord, t } from "./words.js";

const KINDS = ["prompt", "paraphrase", "neighbour"];
const lines = (id) => $(id).value.split("\n").map((line) => line.trim()).filter(Boolean);
let committed = null; // the number of the edit that this tab wrote last
let asked = ""; // the fact whose checks have been looked up

/** Begin with what another view has found. */
export function takeOver(prompt, subject, answer) {
  for (const [id, value] of [["fact-prompt", prompt], ["fact-subject", subject], ["fact-target", ""]]) $(id).value = value;
  for (const id of ["paraphrases", "neighbours"]) $(id).value = "";
  $("fact-target").placeholder = answer ? t("correct.instead", { answer }) : "";
  asked = "";
  committed = null;
  forget("preview");
  draw();
}

export function startCorrect() {
  get("methods").then((found) => {
    $("method").append(...(found?.editors ?? []).map((name) => h("option", { value: name, selected: name === "rome" }, name)));
  });
  $("correct-form").onsubmit = (event) => { event.preventDefault(); preview(false); };
  $("fact-target").onchange = lookUp;
  $("fact-subject").onchange = lookUp;
  return (what) => {
    if (what === "state" && job("preview") && !$("fact-prompt").value) restore(job("preview").request);
    if (what === "state" || what === "ledger" || mine(what, "preview", "commit")) draw();
  };
}

function restore(request) {
  $("fact-prompt").value = request.prompt;
  $("fact-subject").value = request.subject;
  $("fact-target").value = request.target;
  if (request.method) $("method").value = request.method;
  checks(request);
}

function checks(found) {
  $("paraphrases").value = found.paraphrases.join("\n");
  $("neighbours").value = found.neighbours.map((one) => `${one.prompt} = ${one.answer}`).join("\n");
}

/** What the embedded facts know of this one, where nothing has been written by hand. */
async function lookUp() {
  const [subject, prompt, target] = ["fact-subject", "fact-prompt", "fact-target"].map((id) => $(id).value.trim());
  const now = JSON.stringify([subject, prompt, target]);
  if (!subject || !target || !prompt.replace("{}", subject).includes(subject) || asked === now) return;
  const first = asked === "" && !lines("paraphrases").length && !lines("neighbours").length;
  asked = now;
  if (!first) return;
  const found = await send("case", { subject, prompt, target });
  if (found) checks(found);
}

function read() {
  const neighbours = [];
  for (const line of lines("neighbours")) {
    const cut = line.lastIndexOf("=");
    if (cut < 1 || cut === line.length - 1) {
      $("checks").open = true;
      toast(t("correct.neighbour_form", { line }));
      return null;
    }
    neighbours.push({ prompt: line.slice(0, cut).trim(), answer: line.slice(cut + 1).trim() });
  }
  return {
    subject: $("fact-subject").value.trim(), prompt: $("fact-prompt").value.trim(), target: $("fact-target").value.trim(),
    paraphrases: lines("paraphrases"), neighbours, method: $("method").value || "rome",
  };
}

async function preview(supersede) {
  await lookUp();
  const request = read();
  if (!request) return;
  committed = null;
  await work("preview", "preview", { ...request, supersede });
  $("preview").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

async function commit(found) {
  const made = await work("commit", "commit", { preview: found.id, despite_doubts: found.result.doubts.length > 0 });
  const one = made && (await ended(made.id));
  if (!one) return;
  if (one.state !== "done") return toast(one.error ?? t("cancelled"));
  committed = one.result.edit;
  forget("preview");
  draw();
}

function draw() {
  const found = job("preview");
  const place = $("preview");
  if (committed !== null) return fill(place, h("div.card.good", {}, h("h2", {}, t("correct.committed", { edit: committed })),
    h("p", {}, t("correct.committed_note")), h("p.actions", {}, h("a.button", { href: "#ledger" }, t("correct.to_ledger")),
      h("a.button", { href: "#compare" }, t("correct.to_compare")))));
  if (!found) return fill(place);
  if (found.state === "queued" || found.state === "running") return fill(place, waiting(found));
  if (found.state === "cancelled") return fill(place, h("p.card.dim", {}, t("correct.cancelled")));
  if (found.state === "failed") return fill(place, failed(found));
  return fill(place, shown(found));
}

function waiting(found) {
  const { progress } = found;
  return h("div.card", {},
    h("h2", {}, t("correct.computing")),
    h("p.dim", {}, progress ? `${stepWord(progress.what)}${progress.total ? ` ${progress.done + 1} / ${progress.total}` : ""}` : t("status.queued")),
    h("progress", { max: progress?.total || null, value: progress?.total ? progress.done : null, "aria-label": t("job.preview") }),
    h("p.actions", {}, h("button", { type: "button", "data-key": "cancel-preview", onclick: () => cancel(found.id) }, t("cancel"))),
    h("p.note", {}, t("correct.untouched")));
}

function failed(found) {
  return h("div.card.warn", {}, h("h2", {}, t("correct.failed")),
    found.conflicts.length
      ? [h("p", {}, t("correct.conflict", { edits: found.conflicts.join(", ") })),
        h("p.actions", {}, h("button.primary", { type: "button", onclick: () => preview(true) }, t("correct.supersede")))]
      : h("p", {}, found.error));
}

function shown(found) {
  const { result } = found;
  const stale = result.revision !== state.revision;
  const worse = result.checks.filter((one) => one.verdict === "worse");
  const said = result.checks[0].after || t("nothing");
  const sure = h("input", { type: "checkbox", id: "sure", "data-key": "sure", onchange: () => { write.disabled = stale || !sure.checked; } });
  const doubtful = result.doubts.length > 0;
  const write = h("button.primary", { type: "button", "data-key": "commit", disabled: stale || doubtful, onclick: () => commit(found) }, t("correct.commit"));
  return h("div.card", {},
    h("h2", {}, result.took ? t("correct.took", { answer: said }) : t("correct.missed", { answer: said, target: result.fact.target })),
    h("p.note", {}, t("correct.summary", { method: result.method, norm: short(result.norm), better: result.better, worse: result.worse, count: result.checks.length })),
    result.supersedes.length > 0 && h("p.warn", {}, t("correct.supersedes", { edits: result.supersedes.join(", ") })),
    worse.length > 0 && h("section.worse", {}, h("h3", {}, t("correct.worse", { count: worse.length })), table(worse)),
    KINDS.map((kind, place) => group(result.checks.filter((one) => one.kind === kind), kind, place > 0)),
    stale && h("p.warn", {}, t("correct.stale")),
    doubtful && !stale && h("p", {}, h("label.check", { for: "sure" }, sure, t("correct.sure"))),
    h("p.actions", {}, write,
      h("button", { type: "button", "data-key": "discard", onclick: () => { forget("preview"); draw(); } }, t("correct.discard"))));
}

function group(rows, kind, quiet) {
  if (!rows.length) return null;
  const good = rows.filter((one) => (kind === "neighbour" ? one.unchanged : one.right_after)).length;
  return h("section", {}, h("h3", {}, t(`kind.${kind}`), " ", h("span.dim", {}, t(`kind.${kind}_count`, { good, count: rows.length }))), table(rows, quiet));
}

/** Quiet: the columns are named above it already. */
function table(rows, quiet) {
  return h(quiet ? "table.rows.stack.quiet" : "table.rows.stack", {},
    h("thead", {}, h("tr", {}, ["prompt", "before", "after", "verdict"].map((name) => h("th", { scope: "col" }, t(`checks.${name}`))))),
    h("tbody", {}, rows.map((one) => h("tr", { class: one.verdict },
      h("td", {}, one.prompt),
      h("td", { "data-title": t("checks.before") }, one.before || t("nothing")),
      h("td", { "data-title": t("checks.after") }, h(one.after === one.before ? "span" : "strong", {}, one.after || t("nothing"))),
      h("td", {}, h("span.verdict", { class: `verdict ${one.verdict}` }, t(`verdict.${one.verdict}`)))))));
}
