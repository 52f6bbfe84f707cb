// The waiting room: joining the line, waiting in it, and coming in when called.

import {
  Refusal, busy, call, clock, count, get, h, load, newKey, newSecret, notify, pause, post, sentence,
  session, sha256, show, store,
} from "./api.js";

const POLL_MS_MIN = 500;
const POLL_MS_DEFAULT = 5000;
/** How often the room's status is asked for where a cache answers for the server. */
const STATUS_MS = 1000;
/** So many answers in a row that no cache gave, and the page asks no more. */
const UNCACHED_MAX = 3;

// The place outlives the tab, the pass does not need to: claiming a place again gives the same pass.
const placeName = (eventId) => `usher.place.${eventId}`;
const passName = (eventId) => `usher.pass.${eventId}`;

/** Returns `{pass, until, seatsMax}` if this tab has one that is still good. */
export function heldPass(eventId) {
  const held = load(sessionStorage, passName(eventId));
  return held && Date.now() < held.until ? held : null;
}

/** Forgets a pass that was spent or refused, and the place it came from. */
export function forgetPass(eventId) {
  store(sessionStorage, passName(eventId), null);
  store(localStorage, placeName(eventId), null);
}

/** Shows the waiting room in `box`; resolves with a pass once the fan is let in. */
export async function waitForPass(box, event, signal) {
  for (;;) {
    let place = load(localStorage, placeName(event.eventId));
    if (!place?.token) {
      await askToJoin(box, event, signal);
      place = load(localStorage, placeName(event.eventId));
    }
    const pass = place?.token ? await waitInLine(box, event, place.token, signal) : null;
    if (pass) return pass;
  }
}

/** Resolves when the fan has a place. */
function askToJoin(box, event, signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    const button = h("button", { class: "main" }, "Join the line");
    button.addEventListener("click", () => busy(button, () => join(event.eventId).then(resolve)));
    const status = h("p", { class: "dim" });
    box.replaceChildren(
      h("section", { class: "panel" },
        h("h2", {}, "Waiting room"),
        h("p", {}, event.wantsCookie
          ? "Many people want to come in. Join the line; you keep your place in it, also if you reload."
          : "Many people want these seats. Join the line; "
            + "you keep your place in it, also if you reload."),
        status,
        button),
    );
    get(`/api/queue/${event.eventId}/status`, { signal })
      .then((room) => status.append(describeRoom(room)))
      .catch(() => status.append(""));
  });
}

async function join(eventId) {
  // Both are kept before they are used: if the answer is lost, the next try gets the same place.
  const kept = load(localStorage, placeName(eventId));
  const key = kept?.key ?? newKey();
  // The same key says the same. The place of one who is logged in may be the account's, from
  // whatever browser.
  const fresh = () => session() ? null : newSecret();
  const secret = kept?.key ? kept.secret ?? null : fresh();
  store(localStorage, placeName(eventId), { key, secret });
  try {
    // Who sees the token, and not the secret, cannot claim the place.
    const popHash = secret && await sha256(secret);
    const body = popHash ? { popHash } : {};
    const { token } = await post(`/api/queue/${eventId}/join`, body, { key });
    store(localStorage, placeName(eventId), { key, secret: popHash && secret, token });
  } catch (error) {
    // A final no is remembered under its key; a later try is another one.
    if (error instanceof Refusal && !error.retryable) store(localStorage, placeName(eventId), null);
    throw error;
  }
}

/** Returns a pass, or null when the place is gone. */
async function waitInLine(box, event, token, signal) {
  const { eventId } = event;
  const headers = { "Waiting-Room-Token": token };
  const view = lineView(eventId, headers);
  box.replaceChildren(view.element);
  const title = document.title;
  try {
    for (;;) {
      const me = await look(eventId, headers, view, signal);
      if (me === null) return null;
      view.update(me);
      document.title = me.position ? `(${me.position}) ${event.name}` : title;
      if (me.state === "ready" || me.state === "admitted") {
        const pass = await claim(event, headers, signal);
        if (pass) return pass;
        if (!load(localStorage, placeName(eventId))) return null;
      }
      if (me.state === "expired" || me.state === "completed") {
        forgetPass(eventId);
        notify(ENDINGS[me.end] ?? "Your place in this line has ended. You may join again.");
        return null;
      }
      await untilNextPoll(eventId, me, view, signal);
    }
  } finally {
    document.title = title;
  }
}

/** Asks for the place; null if it is none any more. Trouble on the way only delays. */
async function look(eventId, headers, view, signal) {
  for (;;) {
    try {
      return await get(`/api/queue/${eventId}/me`, { headers, signal });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (!load(localStorage, placeName(eventId))) return null;
      // An ended login is no reason to lose a place: the next look goes without it.
      const isGone = error.code !== "LOGIN_REQUIRED"
        && [400, 401, 403, 410, 422].includes(error.status);
      if (isGone) {
        forgetPass(eventId);
        notify("Your place in this line is not valid any more. Please join again.");
        return null;
      }
      view.trouble(`${sentence(error.problem)} Your place is safe; trying again.`);
      await pause(POLL_MS_DEFAULT, signal);
    }
  }
}

/** `event.wantsCookie`: the pass is for a gate before a site on this host. */
async function claim({ eventId, wantsCookie }, headers, signal) {
  try {
    const popSecret = load(localStorage, placeName(eventId))?.secret ?? undefined;
    const body = { popSecret, cookie: wantsCookie ? true : undefined };
    const claimed = await post(`/api/queue/${eventId}/claim`, body, { headers, signal, key: newKey() });
    const until = Date.now() + claimed.expiresInMs;
    const held = { pass: claimed.pass, until, seatsMax: claimed.seatsMax };
    store(sessionStorage, passName(eventId), held);
    return held;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (["CLAIM_EXPIRED", "SOLD_OUT"].includes(error.code)) forgetPass(eventId);
    if (error.code !== "NOT_CALLED") notify(error.message);
    return null;
  }
}

/** Waits as long as the server says, or until the fan comes back to this tab. */
function untilNextPoll(eventId, me, view, signal) {
  const inner = new AbortController();
  const wake = () => document.visibilityState === "visible" && inner.abort();
  document.addEventListener("visibilitychange", wake, { once: true });
  const both = AbortSignal.any([signal, inner.signal]);
  watchRoom(eventId, me, view, both).catch(() => undefined);
  const wait = pause(Math.max(POLL_MS_MIN, me.pollAfterMs ?? POLL_MS_DEFAULT), both);
  return wait
    .catch(() => signal.throwIfAborted())
    .finally(() => {
      inner.abort();
      document.removeEventListener("visibilitychange", wake);
    });
}

let uncached = 0;

/**
 * Shows at once what the room's status says anew, between two looks at the place.
 *
 * Only behind a shared cache, which says how old its answer is: there the server answers once a
 * second however many ask. Without one a crowd that asks so often would be a flood.
 */
async function watchRoom(eventId, me, view, signal) {
  while (uncached < UNCACHED_MAX) {
    await pause(STATUS_MS, signal);
    // This browser's own cache would show an older one.
    const response = await fetch(`/api/queue/${eventId}/status`, { signal, cache: "no-cache" });
    uncached = response.headers.has("Age") ? 0 : uncached + 1;
    if (!response.ok) continue;
    const { soldOut, ended } = await response.json();
    view.update({ ...me, soldOut, ended: ended ?? me.ended });
  }
}

const STATES = {
  prequeued: "You are in. When the sale opens, all who are here now get their places by lot.",
  queued: "You are in line. Keep this page open and in sight; you come in by yourself when it is your "
    + "turn. A tab in the background or a sleeping phone may miss its turn, and comes in soon after "
    + "you are back.",
  ready: "It is your turn!",
  admitted: "It is your turn!",
};

const LATE =
  "Your turn came while this page was silent. You are called beside the line; keep this page open.";

const ENDINGS = {
  bought: "You have bought with your place in this line.",
  "given-back": "Your visit is over. You may join again.",
  abandoned: "You gave your place up. You may join again.",
  "not-claimed": "You were called but did not come in time. You may join again.",
  "pass-ended": "The time to buy with your place is over. You may join again.",
  "event-cancelled": "The event is cancelled; nobody is called any more.",
};

function lineView(eventId, headers) {
  const position = h("p", { class: "big" });
  const words = h("p", { "aria-live": "polite" });
  const wait = h("p", { class: "dim" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "How far you have come" });
  const leave = h("button", {}, "Leave the line");
  leave.addEventListener("click", () => {
    if (!confirm("Give up your place in line?")) return;
    busy(leave, async () => {
      store(localStorage, placeName(eventId), null);
      await call("DELETE", `/api/queue/${eventId}/me`, { headers, key: newKey() }).catch(show);
      location.reload();
    });
  });
  const element = h("section", { class: "panel" },
    h("h2", {}, "Waiting room"), position, words, bar, wait, leave);
  let first;
  return {
    element,
    trouble: (text) => wait.replaceChildren(text),
    update: (me) => {
      first = Math.max(first ?? 0, me.position ?? 0);
      position.replaceChildren(me.position ? `Place ${me.position.toLocaleString()}` : "");
      words.replaceChildren((me.lane ? LATE : STATES[me.state]) ?? "");
      bar.value = first && me.position ? 1 - (me.position - 1) / first : 0;
      bar.hidden = me.state !== "queued";
      wait.replaceChildren(describeWait(me));
    },
  };
}

/** Says how long it may take, as far as the server knows. */
export function describeWait(me) {
  const parts = [];
  const estimate = me.estimatedWaitSeconds;
  if (estimate) {
    const [likely, latest] = [estimate.p50 * 1000, estimate.p90 * 1000];
    parts.push(`About ${clock(likely)} minutes, probably not more than ${clock(latest)}.`);
  }
  const likelihood = me.sellOutLikelihood;
  if (me.ended === "cancelled") parts.push("The event is cancelled. Nobody is called any more.");
  else if (me.ended) parts.push("The room is closed. Nobody is called any more.");
  else if (me.soldOut) parts.push("No place is free now. If you stay, you are called when some come back.");
  else if (likelihood === "high") parts.push("It may well be sold out before your turn.");
  else if (likelihood === "medium") parts.push("It might be sold out before your turn.");
  if (me.number) parts.push(`Your number is ${me.number.toLocaleString()}.`);
  return parts.join(" ");
}

function describeRoom(room) {
  if (room.message) return room.message;
  if (room.mode === "hold") return "Nobody is let in at the moment; you can join all the same.";
  if (room.mode === "closed") return "The room is closed.";
  const rate = room.admissionRatePerMinute;
  return rate ? `About ${count(rate, "person", "people")} a minute are let in.` : "";
}
