// The waiting room in front of another site: waits, brings the pass as a cookie, goes where the fan came from.

import { Refusal, fill, get, h, load, show, store } from "./api.js";
import { waitForPass } from "./queue.js";

/** Two returns within this time say that the pass did not reach the gate. */
const LOOP_MS = 15_000;

const eventId = new URLSearchParams(location.search).get("event") ?? "";
const main = document.getElementById("main");

/** The address behind the #, if it is of this host: anybody can write a link to this page. */
function target() {
  try {
    const url = new URL(location.hash.slice(1), location.origin);
    const isOwn = url.origin === location.origin && !url.pathname.startsWith("/web/");
    return isOwn ? url.pathname + url.search : "/";
  } catch {
    return "/";
  }
}

/** Goes back, unless that has just led here again. */
function goBack() {
  const name = `usher.back.${eventId}`;
  const last = load(sessionStorage, name);
  const now = Date.now();
  store(sessionStorage, name, now);
  const link = h("a", { href: target() }, "Go on");
  if (last && now - last < LOOP_MS) {
    return fill(main, h("h1", {}, "It is your turn"),
      h("p", {}, "Your browser did not bring your admission along. Please allow cookies of this site."),
      h("p", {}, link));
  }
  fill(main, h("h1", {}, "It is your turn"), h("p", {}, link));
  return location.replace(target());
}

async function isOff() {
  try {
    return (await get(`/api/queue/${eventId}/status`)).mode === "off";
  } catch (error) {
    if (error instanceof Refusal && error.code === "ROOM_OFF") return true;
    throw error;
  }
}

async function run() {
  if (!/^[\w-]{1,24}$/.test(eventId)) {
    return fill(main, h("h1", {}, "There is no such waiting room"));
  }
  if (!await isOff()) {
    const event = { eventId, name: document.title, wantsCookie: true };
    await waitForPass(main, event, new AbortController().signal);
  }
  return goBack();
}

run().catch(show);
