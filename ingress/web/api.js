// What every page needs: calls to the server, words for its refusals, small tools for the page.

const SESSION = "usher.session";
const TRIES_MAX = 4;
const RETRY_PAUSE_MAX_MS = 5000;

// ---- the server ----

/** An answer that is not a success. `code` is stable; `message` is a sentence for people. */
export class Refusal extends Error {
  constructor(problem) {
    super(sentence(problem));
    this.code = problem.code;
    this.status = problem.status;
    this.retryable = problem.retryable === true;
    this.problem = problem;
  }
}

/**
 * Calls the API and returns the JSON body (null if empty).
 *
 * A repeat is made only where it is harmless: for reads, and for writes with an idempotency `key`.
 */
export async function call(method, path, { body, headers = {}, key, signal } = {}) {
  const mayRepeat = method === "GET" || key !== undefined;
  let renewed = false;
  for (let tries = 1; ; tries += 1) {
    const sent = token();
    const response = await send(method, path, { body, headers, key, signal, sent });
    if (response.ok) return response.body;
    if (response.body.code === "LOGIN_REQUIRED" && sent && !renewed) {
      renewed = true;
      if (await renew(sent)) continue;
    }
    if (!isPassing(response.body) || !mayRepeat || TRIES_MAX <= tries) {
      throw new Refusal(response.body);
    }
    const wait = response.retryAfterMs ?? 300 * 2 ** tries;
    await pause(Math.min(wait, RETRY_PAUSE_MAX_MS) * (1 + Math.random() / 4), signal);
  }
}

/** Whether the same request may well succeed in a moment; all else is the fan's to decide. */
function isPassing({ code, status, retryable }) {
  if (code === "IDEMPOTENCY_IN_FLIGHT") return true;
  return retryable === true && (status === 0 || status === 429 || 500 <= status);
}

async function send(method, path, { body, headers, key, signal, sent }) {
  const all = { Accept: "application/json", ...headers };
  if (body !== undefined) all["Content-Type"] = "application/json";
  if (key !== undefined) all["Idempotency-Key"] = key;
  if (sent) all.Authorization = `Bearer ${sent}`;
  let response;
  let text;
  try {
    const content = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(path, { method, headers: all, body: content, signal, cache: "no-store" });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    return { ok: false, body: { code: "OFFLINE", status: 0, retryable: true } };
  }
  let parsed = null;
  try {
    parsed = text === "" ? null : JSON.parse(text);
  } catch {
    parsed = null;
  }
  if (response.ok) return { ok: true, body: parsed };
  const seconds = Number(response.headers.get("Retry-After"));
  const unknown = { code: `HTTP_${response.status}`, retryable: response.status === 503 };
  return {
    ok: false,
    body: { ...unknown, ...parsed, status: response.status },
    retryAfterMs: 0 < seconds ? seconds * 1000 : undefined,
  };
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options) => call("POST", path, { body, ...options });

/** A key under which a repeated request is the same request. */
export const newKey = () => hex(crypto.getRandomValues(new Uint8Array(16)));

/** What only this browser knows. */
export const newSecret = () => hex(crypto.getRandomValues(new Uint8Array(32)));

/** The hash of a text, in hexadecimal digits; null over plain HTTP, where no browser hashes. */
export async function sha256(text) {
  if (!crypto.subtle) return null;
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// ---- the session ----

const listeners = new Set();

/** Returns `{token, refreshToken, account}` or null; all tabs share it until the fan logs out. */
export function session() {
  return load(localStorage, SESSION);
}

export function onSession(listener) {
  listeners.add(listener);
}

export async function login(email, password) {
  const tokens = await post("/api/auth/login", { email, password });
  keep({ token: tokens.token, refreshToken: tokens.refreshToken });
  const account = await get("/api/auth/me");
  keep({ ...session(), account });
}

export async function logout() {
  const refreshToken = session()?.refreshToken;
  try {
    await post("/api/auth/logout", { refreshToken });
  } finally {
    keep(null);
    // What was claimed belongs to the one who has left.
    sessionStorage.clear();
  }
}

function token() {
  return session()?.token;
}

function keep(value) {
  store(localStorage, SESSION, value);
  for (const listener of listeners) listener();
}

/**
 * Gets a new token in place of `old`; false if the fan must log in again.
 *
 * A refresh token is good once, and its second use ends the session: tabs take turns.
 */
async function renew(old) {
  const work = async () => {
    if (token() !== old) return token() !== undefined;
    const refreshToken = session()?.refreshToken;
    if (!refreshToken) return false;
    const body = { refreshToken };
    const answer = await send("POST", "/api/auth/refresh", { body, headers: {} });
    if (answer.ok) {
      keep({ ...session(), token: answer.body.token, refreshToken: answer.body.refreshToken });
    } else if (!answer.body.retryable) {
      keep(null);
    }
    return answer.ok;
  };
  return navigator.locks ? navigator.locks.request(SESSION, work) : work();
}

// ---- words ----

const SENTENCES = {
  OFFLINE: "The server cannot be reached. Check your connection; nothing was lost.",
  LOGIN_REQUIRED: "Please log in first.",
  BAD_CREDENTIALS: "E-mail or password is wrong.",
  EMAIL_TAKEN: "There is an account with this e-mail already. Log in instead.",
  SEAT_TAKEN: "Somebody was faster: some of these seats are taken. Please choose others.",
  NOT_ENOUGH_SEATS: "There are not that many such seats left. Try fewer, or another price.",
  SOLD_OUT: "This event is sold out. Seats may come back when reservations expire.",
  NOT_ON_SALE: "This event is not on sale.",
  PASS_REQUIRED: "This event has a waiting room. Join the line to be let in.",
  PASS_INVALID: "Your admission is not valid any more. Join the line again.",
  PASS_EXPIRED: "Your time inside is over. Join the line again.",
  PASS_FOREIGN: "This admission belongs to another account.",
  PASS_IN_USE: "You hold seats already. Pay for them or give them back first.",
  PASS_SPENT: "You have bought with this admission already.",
  CHANNEL_REQUIRED: "Some of these seats are for holders of a code. Enter it, or choose others.",
  CHANNEL_CODE_INVALID: "This code opens no seats of this event. Please check it.",
  LIMIT_EXCEEDED: "That is more seats than one person may buy for this event.",
  EVENT_UNKNOWN: "There is no such event.",
  SEAT_UNKNOWN: "There is no such seat.",
  RESERVATION_EXPIRED: "The reservation has ended and the seats are free again.",
  RESERVATION_UNKNOWN: "There is no such reservation.",
  PAYMENT_DECLINED: "The card was declined. Your seats are still held: try another card.",
  PAYMENT_IN_PROGRESS: "A payment is under way. Please wait for its outcome.",
  ALREADY_CONFIRMED: "These seats are paid already. You find them under My tickets.",
  NOT_CALLED: "It is not your turn yet.",
  CLAIM_EXPIRED: "You were called but did not come in time. You may join again.",
};

/** Says a refusal as a sentence. */
export function sentence(problem) {
  if (SENTENCES[problem.code]) return SENTENCES[problem.code];
  if (problem.status === 429) return "That was too often. Please wait a moment.";
  if (problem.status === 503) return "The server is busy. Please try again in a moment.";
  if (problem.status === 423) return "The line is not open yet.";
  return problem.detail || problem.title || "This did not work. Please try again.";
}

export function money({ amount, currency }) {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** What a place of a price level costs, and what of that is a fee. */
export function priceOf(level) {
  return money(level.price) + (level.fee ? ` (with ${money(level.fee)} fee)` : "");
}

export function date(text) {
  return new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** `3:07` for 187,000 ms; never negative. */
export function clock(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

// ---- the page ----

/** Makes an element. Children are text or elements, never markup. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...shown(children));
  return element;
}

/** Shows these children in place of the element's own; null and false show nothing. */
export function fill(element, ...children) {
  element.replaceChildren(...shown(children));
}

function shown(children) {
  const isNothing = (child) => child === null || child === undefined || child === false;
  return children.flat(Infinity).filter((child) => !isNothing(child));
}

/** A labelled field. */
export function field(text, input) {
  return h("label", {}, text, input);
}

/** Runs `work` with the button switched off, and shows a refusal. */
export async function busy(button, work) {
  button.disabled = true;
  try {
    notify();
    await work();
  } catch (error) {
    show(error);
  } finally {
    button.disabled = false;
  }
}

/** Shows a sentence above the page; nothing takes it away. */
export function notify(text) {
  const place = document.getElementById("notice");
  if (!text) return place.replaceChildren();
  const close = h("button", { class: "plain", onclick: () => notify() }, "Close");
  return place.replaceChildren(h("div", { class: "say" }, h("span", {}, text), close));
}

/** Shows what went wrong; an abort is no failure. */
export function show(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Refusal)) console.error(error);
  notify(error instanceof Refusal ? error.message : "This page has made a mistake. Reload it.");
}

/** Waits; rejects as soon as `signal` aborts. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Calls `tick` now and each second until `signal` aborts. */
export function everySecond(signal, tick) {
  tick();
  const timer = setInterval(tick, 1000);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
}

export function load(storage, name) {
  try {
    return JSON.parse(storage.getItem(name));
  } catch {
    return null;
  }
}

export function store(storage, name, value) {
  if (value === null) storage.removeItem(name);
  else storage.setItem(name, JSON.stringify(value));
}
