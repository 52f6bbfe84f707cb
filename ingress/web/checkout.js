// Paying for held seats while the clock runs, and the tickets.

import {
  Refusal, busy, call, clock, date, everySecond, field, fill, get, h, money, newKey, notify, pause,
  post, sentence, store,
} from "./api.js";
import { bookingCard } from "./account.js";
import { holdName } from "./events.js";
import { forgetPass } from "./queue.js";

/** How long an answer about a payment may wait for its end, and how often to ask at most. */
const WAIT_MS = 10000;
const POLL_MS_MIN = 500;

const CARDS = [
  ["tok_ok", "Card that works"],
  ["tok_declined", "Card that is declined"],
  ["tok_slow", "Slow bank (2 seconds)"],
  ["tok_unknown", "Bank that answers late, then pays"],
  ["tok_lost", "Bank that never answers (nothing is charged)"],
  ["tok_duplicate", "Card that is charged twice (the second charge goes back)"],
  ["tok_chargeback", "Card whose bank takes the money back"],
  ["tok_chargeback_won", "Card whose bank takes the money back, and returns it"],
];

export async function checkoutPage(main, signal, reservationId) {
  const path = `/api/bookings/reservations/${encodeURIComponent(reservationId)}`;
  const held = await get(path, { signal });
  const event = await get(`/api/events/${held.eventId}`, { signal });
  if (signal.aborted) return;
  const page = { main, signal, held, event, path, view: new AbortController() };
  if (held.status === "HELD") showPayment(page);
  else if (held.status === "PAYING") await waitForPayment(page);
  else if (held.status === "CONFIRMED") {
    await showBooking(page, held.bookingId ?? bookingOf(reservationId));
  } else showEnd(page, sentence({ code: "RESERVATION_EXPIRED" }));
}

/** An order has its reservation's digits. */
export function bookingOf(reservationId) {
  return reservationId.replace(/^r-/, "b-");
}

/** Replaces what is shown; the clock of what was shown before stops. */
function draw(page, ...children) {
  page.view.abort();
  page.view = new AbortController();
  fill(page.main, ...children);
  return AbortSignal.any([page.signal, page.view.signal]);
}

function showPayment(page) {
  const { held, event, path } = page;
  const until = performance.now() + (held.expiresInMs ?? 0);
  const left = h("p", { class: "big", role: "timer" });
  const card = h("select", {}, CARDS.map(([value, words]) => h("option", { value }, words)));
  const pay = h("button", { class: "main" }, `Pay ${money(held.total)}`);
  const giveBack = h("button", { type: "button" }, "Give the seats back");

  const submit = (submitted) => {
    submitted.preventDefault();
    giveBack.disabled = true;
    busy(pay, () => confirmPayment(page, card.value)).finally(() => (giveBack.disabled = false));
  };
  giveBack.addEventListener("click", () => busy(giveBack, async () => {
    await call("DELETE", path, { key: newKey() });
    forgetHold(page);
    location.hash = `#/event/${event.eventId}`;
  }));
  const shown = draw(page,
    h("h1", {}, "Pay for your seats"),
    summary(event, held),
    h("form", { class: "panel", onsubmit: submit },
      h("p", {}, "Still held for you:"), left,
      field("Card (this is a sandbox: choose what shall happen)", card),
      h("div", { class: "row" }, pay, giveBack)));
  everySecond(shown, () => {
    const ms = until - performance.now();
    left.replaceChildren(clock(ms));
    // A payment under way stops the clock: its outcome decides.
    if (ms <= 0 && !pay.disabled) showEnd(page, "Time is up: the seats are free again.");
  });
}

function summary(event, held) {
  const seats = (held.seats ?? []).map((seat) =>
    h("li", {}, `Section ${seat.section}, row ${seat.row}, seat ${seat.seat}`,
      h("span", {}, price(seat.price))));
  const areas = (held.areas ?? []).map((area) =>
    h("li", {}, `${area.quantity} × standing ${area.areaId}`,
      h("span", {}, price(area.price, area.quantity))));
  return h("section", { class: "card" },
    h("strong", {}, event.name),
    h("p", { class: "dim" }, `${date(event.startsAt)} · ${event.venue}, ${event.city}`),
    h("ul", { class: "seats" }, seats, areas),
    h("div", { class: "bar" }, h("strong", {}, "Total"), h("strong", {}, money(held.total))));
}

function price(value, quantity = 1) {
  return value ? money({ ...value, amount: value.amount * quantity }) : "";
}

/** Confirms once; what is unknown after that is asked, never charged again. */
async function confirmPayment(page, paymentToken) {
  const { held } = page;
  const body = { reservationId: held.reservationId, paymentMethod: "CREDIT_CARD", paymentToken };
  try {
    const booking = await post("/api/bookings/confirm", body, { key: newKey() });
    if (booking.status === "PENDING") return await waitForPayment(page, booking);
    return finish(page, booking);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.code === "RESERVATION_EXPIRED") return showEnd(page, error.message);
    if (error.code === "ALREADY_CONFIRMED" || error.code === "PAYMENT_IN_PROGRESS") {
      return waitForPayment(page);
    }
    // A declined card may have moved the deadline: the page is made again from the server's word.
    if (error.code === "PAYMENT_DECLINED") {
      await showAgain(page);
      if (!error.retryable) return notify("The card was declined.");
    }
    throw error;
  }
}

async function showAgain(page) {
  page.held = await get(page.path, { signal: page.signal });
  if (page.held.status === "HELD") showPayment(page);
  else if (page.held.status === "CONFIRMED") await waitForPayment(page);
  else showEnd(page, sentence({ code: "RESERVATION_EXPIRED" }));
}

/** Waits for the bank's answer, however long it takes. */
async function waitForPayment(page, booking) {
  const { signal, held, path } = page;
  const bookingId = booking?.bookingId ?? bookingOf(held.reservationId);
  draw(page,
    h("h1", {}, "Waiting for the bank"),
    h("p", { role: "status" }, "The payment has begun and its outcome is not known yet. "
      + "You will not be charged twice; you can also look later under My tickets."));
  for (;;) {
    await Promise.all([waitForBooking(bookingId, signal), pause(POLL_MS_MIN, signal)]);
    const now = await get(path, { signal });
    if (now.status === "CONFIRMED") {
      return showBooking(page, bookingId);
    }
    if (now.status === "HELD") {
      page.held = now;
      showPayment(page);
      return notify("The payment did not go through; nothing was charged. "
        + "Your seats are still held.");
    }
    if (now.status !== "PAYING") {
      return showEnd(page, "The payment did not go through and the seats are free again.");
    }
  }
}

/** A booking once its payment has ended, or as it is after a while. */
function waitForBooking(bookingId, signal) {
  return get(`/api/bookings/${bookingId}?waitMs=${WAIT_MS}`, { signal });
}

async function showBooking(page, bookingId) {
  for (;;) {
    const booking = await waitForBooking(bookingId, page.signal);
    if (booking.status !== "PENDING") return finish(page, booking);
    await pause(POLL_MS_MIN, page.signal);
  }
}

function finish(page, booking) {
  forgetHold(page);
  // The booking has spent the pass, and the place in line with it.
  forgetPass(page.event.eventId);
  const isPaid = booking.status === "CONFIRMED";
  draw(page,
    h("h1", {}, isPaid ? "Your tickets" : "This booking is not valid any more"),
    isPaid ? h("p", { class: "good" }, "Paid. Enjoy it!") : null,
    bookingCard(booking, page.event),
    h("p", {}, h("a", { href: "#/bookings" }, "All my tickets")));
  page.main.focus();
}

function showEnd(page, words) {
  forgetHold(page);
  draw(page,
    h("h1", {}, words),
    h("p", {}, h("a", { class: "button main", href: `#/event/${page.event.eventId}` }, "Choose again")));
}

function forgetHold({ event, held }) {
  const name = holdName(event.eventId);
  if (sessionStorage.getItem(name)?.includes(held.reservationId)) store(sessionStorage, name, null);
}
