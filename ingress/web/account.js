// Accounts: registering, logging in, and what was bought.

import {
  busy, count, date, field, fill, get, h, login, money, newKey, notify, post, session,
  show,
} from "./api.js";

export async function loginPage(main, signal, _argument, query) {
  const next = query.get("next")?.startsWith("#/") ? query.get("next") : "#/";
  const done = () => {
    if (!signal.aborted) location.hash = next;
  };
  fill(main,
    h("h1", {}, "Log in"),
    loginForm(done),
    demoLogins(done),
    h("h2", {}, "No account yet?"),
    registerForm(done),
  );
}

function loginForm(done) {
  const email = h("input", { type: "email", autocomplete: "username", required: true });
  const password = h("input", { type: "password", autocomplete: "current-password", required: true });
  const button = h("button", { class: "main" }, "Log in");
  const submit = (event) => {
    event.preventDefault();
    busy(button, async () => {
      await login(email.value, password.value);
      done();
    });
  };
  const fields = [field("E-mail", email), field("Password", password)];
  return h("form", { class: "stack", onsubmit: submit }, fields, button);
}

/** The demo's accounts; where there is no demo, they are refused like any other. */
function demoLogins(done) {
  const enter = (email) => (event) => {
    busy(event.target, async () => {
      await login(email, "usher-demo");
      done();
    });
  };
  const fan = h("button", { type: "button", onclick: enter("fan@usher.test") }, "Enter as demo fan");
  const hint = "On a demo system: fan@usher.test, password usher-demo.";
  return h("div", { class: "panel" }, h("p", {}, hint), fan);
}

function registerForm(done) {
  const name = h("input", { autocomplete: "name", required: true, maxlength: 100 });
  const email = h("input", { type: "email", autocomplete: "username", required: true });
  const options = { type: "password", autocomplete: "new-password", required: true, minlength: 8 };
  const password = h("input", options);
  const button = h("button", {}, "Create account");
  const submit = (event) => {
    event.preventDefault();
    busy(button, async () => {
      const body = { name: name.value, email: email.value, password: password.value };
      await post("/api/auth/register", body);
      await login(email.value, password.value);
      done();
    });
  };
  const fields = [
    field("Name", name),
    field("E-mail", email),
    field("Password (8 letters or more)", password),
  ];
  return h("form", { class: "stack", onsubmit: submit }, fields, button);
}

const STATUS = {
  PENDING: ["dim", "Payment under way"],
  CONFIRMED: ["good", "Paid"],
  CANCELLED: ["bad", "Cancelled"],
  REFUNDED: ["bad", "Cancelled and refunded"],
};

export async function bookingsPage(main, signal) {
  if (!session()) {
    location.replace(`#/login?next=${encodeURIComponent("#/bookings")}`);
    return;
  }
  const { bookings } = await get("/api/bookings", { signal });
  const events = new Map();
  const known = [...new Set(bookings.map((booking) => booking.eventId).filter(Boolean))];
  await Promise.allSettled(
    known.map(async (id) => events.set(id, await get(`/api/events/${id}`, { signal }))),
  );
  if (signal.aborted) return;
  const reload = () => bookingsPage(main, signal).catch(show);
  const cards = bookings.map((booking) => bookingCard(booking, events.get(booking.eventId), reload));
  const none = h("p", {}, "You have no tickets yet. ", h("a", { href: "#/" }, "Find an event"), ".");
  fill(main, h("h1", {}, "My tickets"), cards.length ? cards : none);
}

/** A booking with its tickets; without `reload` it cannot be cancelled here. */
export function bookingCard(booking, event, reload) {
  const [mood, words] = STATUS[booking.status] ?? ["dim", booking.status];
  const tickets = booking.tickets ?? [];
  const title = event?.name ?? `Booking ${booking.bookingId}`;
  const where = event && `${date(event.startsAt)} · ${event.venue}, ${event.city}`;
  const total = booking.total ? ` · ${money(booking.total)}` : "";
  const giveBack = () => cancelBooking(cancel, booking, reload);
  const cancel = h("button", { onclick: giveBack }, "Cancel and refund");
  return h(
    "section",
    { class: "card" },
    h("div", { class: "bar" }, h("strong", {}, title), h("span", { class: mood }, words)),
    where && h("p", { class: "dim" }, where),
    h("p", { class: "dim" }, `${count(tickets.length, "ticket")}${total}`),
    h(
      "ul",
      { class: "seats tickets" },
      tickets.map((ticket) => ticketLine(ticket, booking, reload)),
    ),
    booking.status === "CONFIRMED" && reload ? cancel : null,
  );
}

function ticketLine(ticket, booking, reload) {
  const place = ticket.seatId ? `Seat ${ticket.seatId}` : `Standing place ${ticket.areaId ?? ""}`;
  const gone = { VOID: "Not valid any more", REFUNDING: "Its money is on its way back" };
  const code = gone[ticket.status]
    ? h("span", { class: "bad" }, gone[ticket.status])
    : h("span", { class: "code" }, ticket.code);
  const isOneOfSome = 1 < booking.tickets.filter((one) => one.status === "VALID").length;
  const isOurs = booking.status === "CONFIRMED" && ticket.status === "VALID";
  const giveBack = () => cancelTicket(cancel, booking, ticket, reload);
  const cancel = h("button", { onclick: giveBack }, "Refund this one");
  return h("li", {}, h("span", {}, place), code, reload && isOurs && isOneOfSome ? cancel : null);
}

function cancelTicket(button, booking, ticket, reload) {
  if (!confirm("Give this ticket back? Its money is refunded, and the others stay yours.")) return;
  busy(button, async () => {
    const path = `/api/bookings/${booking.bookingId}/tickets/${ticket.ticketId}/cancel`;
    await post(path, {}, { key: newKey() });
    await reload();
    notify("The ticket is cancelled and its money is on its way back.");
  });
}

function cancelBooking(button, booking, reload) {
  if (!confirm("Give all tickets of this booking back? The money is refunded.")) return;
  busy(button, async () => {
    await post(`/api/bookings/${booking.bookingId}/cancel`, {}, { key: newKey() });
    await reload();
    notify("The booking is cancelled and the money is on its way back.");
  });
}
