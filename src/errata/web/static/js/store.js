/** What the server says: one stream of events, from which every tab and every reload begins with the whole state. */

import { toast } from "./dom.js";
import { t } from "./words.js";

const RETRY = 1000; // milliseconds
const SILENCE = 40000; // the server speaks every 15 seconds at least
const TRIES = 5; // of a request that a busy server refuses
const BUSY = 429;

/** `full`: the server lives, and has as many streams of events open as it takes. */
export const state = { instance: null, model: null, revision: 0, applied: 0, jobs: new Map(), connected: false, full: false };

const hearers = new Set();
/** Call `hear(what)` after every change; what is "state", "ledger", "lost", or a job. */
export const listen = (hear) => hearers.add(hear);
const tell = (what) => hearers.forEach((hear) => hear(what));

// The jobs this tab has asked for, by kind; they outlive a reload of the tab, and their contents come from the server.
const own = JSON.parse(sessionStorage.getItem("errata-own") ?? "{}");
const keepOwn = () => sessionStorage.setItem("errata-own", JSON.stringify(own));

/** This tab's job of a kind, in a new tab the newest one there is; null where there is none, or not yet its result. */
export function job(kind) {
  const found = state.jobs.get(own[kind]);
  return found && (found.state !== "done" || found.result) ? found : null;
}

/** Whether what was heard is about one of this tab's jobs of these kinds. */
export const mine = (what, ...kinds) => kinds.some((kind) => job(kind) === what);

/** Forget this tab's job of a kind. */
export function forget(kind) {
  own[kind] = 0;
  keepOwn();
}

export const running = () => [...state.jobs.values()].filter((one) => one.state === "queued" || one.state === "running");

/** Ask the server for work, kept as this tab's job of a kind; null where it refuses. */
export async function work(kind, path, body = {}) {
  const made = await send(path, body);
  if (made === null) return null;
  if (!state.jobs.has(made.id)) state.jobs.set(made.id, made);
  own[kind] = made.id;
  keepOwn();
  tell(state.jobs.get(made.id));
  return made;
}

/** Wait for a job's end. */
export function ended(number) {
  return new Promise((resolve) => {
    const hear = () => {
      const found = state.jobs.get(number);
      if (found && (found.state === "queued" || found.state === "running")) return;
      hearers.delete(hear);
      resolve(found ?? null);
    };
    hearers.add(hear);
    hear();
  });
}

/** POST a JSON body; what the server refuses is said, and gives null. */
export async function send(path, body = {}) {
  return answered(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

export const get = (path) => answered(path);

/** Ask, and ask again where the server has too much to do: it has done nothing then. */
async function answered(path, request) {
  try {
    for (let tries = 1; ; tries += 1) {
      const answer = await fetch(`/api/${path}`, request);
      const found = await answer.json();
      if (answer.ok) return found;
      const busy = answer.status === BUSY;
      if (!busy || tries === TRIES) {
        toast(busy ? t("busy.over") : found.error ?? answer.statusText);
        return null;
      }
      toast(t("busy.waiting"));
      await pause(1000 * tries * (Number(answer.headers.get("retry-after")) || 1));
    }
  } catch {
    toast(t("lost.now"));
  }
  return null;
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

export const cancel = (number) => send(`jobs/${number}/cancel`);

let source = null;
let watch;

/** Follow the server's events, and begin again whenever the connection ends. */
export function connect() {
  source?.close();
  source = new EventSource("/api/events");
  source.onmessage = (event) => {
    clearTimeout(watch);
    watch = setTimeout(lost, SILENCE);
    hear(JSON.parse(event.data));
  };
  source.onerror = lost;
}

async function lost() {
  source.close();
  clearTimeout(watch);
  state.connected = false;
  tell("lost");
  state.full = await refused();
  tell("lost");
  setTimeout(connect, RETRY);
}

/** Whether the server lives and takes no more streams; a stream's own error does not say why it ended. */
async function refused() {
  try {
    const answer = await fetch("/api/events", { signal: AbortSignal.timeout(RETRY) });
    answer.body.cancel();
    return answer.status === BUSY;
  } catch {
    return false;
  }
}

function hear(message) {
  if (message.type === "state") begin(message);
  if (message.type === "ledger") {
    Object.assign(state, { revision: message.revision, applied: message.applied });
    tell("ledger");
  }
  if (message.type === "job") {
    state.jobs.set(message.job.id, message.job);
    tell(message.job);
  }
  if (message.type === "step") step(message);
}

function step(message) {
  const known = state.jobs.get(message.id);
  if (!known) return;
  if (message.progress) known.progress = message.progress;
  known.text += message.text;
  tell(known);
}

function begin(message) {
  const again = state.instance !== null && state.instance !== message.instance;
  const unfinished = again && running().length > 0;
  const { type, jobs, ...rest } = message;
  Object.assign(state, rest, { connected: true, full: false, jobs: new Map(jobs.map((one) => [one.id, one])) });
  if (sessionStorage.getItem("errata-instance") !== state.instance) {
    sessionStorage.setItem("errata-instance", state.instance);
    for (const kind of Object.keys(own)) delete own[kind];
    for (const one of jobs) own[kindOf(one)] = one.id;
    keepOwn();
  }
  for (const number of Object.values(own)) whole(number);
  if (again) toast(t(unfinished ? "lost.unfinished" : "lost.back"));
  tell("state");
}

/** Fetch an older job's result, which the snapshot leaves out. */
async function whole(number) {
  const known = state.jobs.get(number);
  if (known?.state !== "done" || known.result) return;
  const found = await get(`jobs/${number}`);
  if (!found) return;
  state.jobs.set(number, found);
  tell(found);
}

/** The place a job has on the page: an answer with neurons changed stands beside the plain one. */
const kindOf = (one) => (one.kind === "ask" && one.request.scalings.length ? "steer" : one.kind);
