// The frame: which page is shown, and the links above it.

import { h, logout, notify, onSession, session, show } from "./api.js";
import { bookingsPage, loginPage } from "./account.js";
import { checkoutPage } from "./checkout.js";
import { eventPage, searchPage } from "./events.js";

/** A page is `(main, signal, argument, query)`; it ends when the signal aborts. */
const PAGES = {
  "": searchPage,
  event: eventPage,
  checkout: checkoutPage,
  bookings: bookingsPage,
  login: loginPage,
};

let current = new AbortController();

async function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, argument = ""] = path.split("/");
  current.abort(new DOMException("another page", "AbortError"));
  current = new AbortController();
  const { signal } = current;
  const main = document.getElementById("main");
  main.replaceChildren(h("p", { class: "dim" }, "Loading…"));
  main.focus({ preventScroll: true });
  notify();
  try {
    const page = PAGES[name] ?? notFound;
    await page(main, signal, decodeURIComponent(argument), new URLSearchParams(query));
  } catch (error) {
    if (signal.aborted) return;
    show(error);
    if (error.code === "LOGIN_REQUIRED") location.hash = loginHash();
    else main.replaceChildren(h("p", {}, h("a", { href: "#/" }, "Back to all events")));
  }
}

async function notFound(main) {
  main.replaceChildren(h("h1", {}, "There is no such page"), h("a", { href: "#/" }, "All events"));
}

function loginHash() {
  return `#/login?next=${encodeURIComponent(location.hash)}`;
}

/** Who logs in from a page comes back to it. */
function comeBack(event) {
  if (!location.hash.startsWith("#/login")) event.currentTarget.href = loginHash();
}

function showLinks() {
  const account = session()?.account;
  const leave = () => logout().catch(show).then(() => (location.hash = "#/"));
  const links = account
    ? [
        h("a", { href: "#/bookings" }, "My tickets"),
        h("span", { class: "dim who" }, account.name || account.email),
        h("button", { class: "plain", onclick: leave }, "Log out"),
      ]
    : [h("a", { href: "#/login", onclick: comeBack }, "Log in")];
  document.getElementById("nav").replaceChildren(h("a", { href: "#/" }, "Events"), ...links);
}

onSession(showLinks);
// Another tab has logged in or out.
addEventListener("storage", showLinks);
addEventListener("hashchange", route);
showLinks();
route();
