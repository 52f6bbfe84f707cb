// Finding an event and choosing seats in it.

import {
  Refusal, busy, clock, count, date, everySecond, field, fill, get, h, load, money, newKey, notify,
  pause, post, priceOf, sentence, session, show, store,
} from "./api.js";
import { forgetPass, heldPass, waitForPass } from "./queue.js";
import { LiveSeats, SeatMap, legend } from "./seats.js";

const PAGE_SIZE = 20;
const TYPING_PAUSE_MS = 150;
const SEATS_MAX_DEFAULT = 10;
const PASS_IS_OVER = ["PASS_REQUIRED", "PASS_INVALID", "PASS_EXPIRED", "PASS_FOREIGN", "PASS_SPENT"];

/** Where a tab remembers what it holds of an event. */
export const holdName = (eventId) => `usher.hold.${eventId}`;

/** Where a tab remembers the seats chosen before the fan had to log in. */
const wishName = (eventId) => `usher.wish.${eventId}`;

// ---- search ----

export async function searchPage(main, signal, _argument, query) {
  const results = h("div", {});
  const text = h("input", {
    type: "search", value: query.get("q") ?? "", role: "combobox", autocomplete: "off",
    "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": "options",
    placeholder: "Team, artist, venue or city",
  });
  const filters = searchFilters(query);
  const run = () => findInto(results, { q: text.value, ...filters.values() }, signal);
  const form = h("form", { role: "search" },
    h("div", { class: "search" },
      field("What do you want to see?", text),
      completions(text, () => search(), signal)),
    filters.element);
  const search = (event) => {
    event?.preventDefault();
    keepInAddress({ q: text.value, ...filters.values() });
    run().catch(show);
  };
  form.addEventListener("submit", search);
  filters.element.addEventListener("change", () => search());
  let typing;
  text.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, 2 * TYPING_PAUSE_MS);
  });
  results.addEventListener("narrow", ({ detail }) => {
    filters.set(detail);
    search();
  });
  main.replaceChildren(h("h1", {}, "Find your seats"), form, results);
  await run();
}

/** Puts the search into the address without making another page of it. */
function keepInAddress(values) {
  const known = Object.entries(values).filter(([, value]) => value !== "" && value !== false);
  const query = new URLSearchParams(known).toString();
  history.replaceState(null, "", query ? `#/?${query}` : "#/");
}

function searchFilters(query) {
  const city = h("input", { value: query.get("city") ?? "", placeholder: "any" });
  const category = h("input", { value: query.get("category") ?? "", placeholder: "any" });
  const from = h("input", { type: "date", value: query.get("day") ?? "" });
  const price = h("input", {
    type: "number", min: 0, step: 1, inputmode: "numeric", value: query.get("price") ?? "",
  });
  const available = h("input", { type: "checkbox", checked: query.get("available") === "true" });
  const sorts = [["relevance", "Best match"], ["date", "Date"], ["price", "Price"]];
  const sort = h("select", {}, sorts.map(([value, words]) => h("option", { value }, words)));
  sort.value = query.get("sort") ?? "relevance";
  const element = h("div", { class: "row" },
    field("City", city), field("Category", category), field("From day", from),
    field("Price up to", price), field("Order", sort),
    h("label", { class: "check small" }, available, "available"));
  const values = () => ({
    city: city.value.trim(), category: category.value.trim(), day: from.value,
    price: price.value, sort: sort.value, available: available.checked,
  });
  const set = (change) => {
    if (change.city !== undefined) city.value = change.city;
    if (change.category !== undefined) category.value = change.category;
  };
  return { element, values, set };
}

async function findInto(box, values, signal, page = 0) {
  const asked = { q: values.q, sort: values.sort, page, size: PAGE_SIZE };
  if (values.city) asked.city = values.city;
  if (values.category) asked.category = values.category;
  if (values.day) asked.from = new Date(`${values.day}T00:00:00`).toISOString();
  if (values.price) asked.priceMax = Math.round(Number(values.price) * 100);
  if (values.available) asked.available = true;
  const turn = (box.turn = (box.turn ?? 0) + 1);
  const found = await get(`/api/search?${new URLSearchParams(asked)}`, { signal });
  // A later question may have been answered earlier.
  if (turn !== box.turn) return;
  const go = (to) => () =>
    findInto(box, values, signal, to).then(() => box.scrollIntoView(), show);
  const last = Math.max(0, Math.ceil(found.total / PAGE_SIZE) - 1);
  fill(box,
    h("p", { class: "dim", role: "status" },
      found.total ? `${count(found.total, "event")} found` : "Nothing found. Try fewer words."),
    facets(box, found.facets),
    h("ul", { class: "hits" }, found.hits.map(hitLine)),
    last === 0 ? null : h("div", { class: "bar" },
      h("button", { type: "button", disabled: page === 0, onclick: go(page - 1) }, "Back"),
      h("span", { class: "dim" }, `Page ${page + 1} of ${last + 1}`),
      h("button", { type: "button", disabled: page === last, onclick: go(page + 1) }, "Next")));
}

function facets(box, { city = [], category = [] }) {
  const narrow = (detail) => () => box.dispatchEvent(new CustomEvent("narrow", { detail }));
  const link = (name) => (facet) =>
    h("button", { type: "button", class: "plain", onclick: narrow({ [name]: facet.value }) },
      `${facet.value} (${facet.count.toLocaleString()})`);
  const all = [...city.slice(0, 6).map(link("city")), ...category.slice(0, 6).map(link("category"))];
  return all.length < 3 ? null : h("div", { class: "facets" }, all);
}

function hitLine(hit) {
  const free = hit.seatsFree ? count(hit.seatsFree, "place") + " free" : "sold out";
  return h("li", { class: "card" },
    h("a", { href: `#/event/${hit.eventId}` }, hit.name),
    h("div", { class: "dim" },
      `${date(hit.startsAt)} · ${hit.venue}, ${hit.city} · ${hit.category}`),
    h("div", { class: "bar" },
      h("span", {}, `from ${money(hit.priceMin)}`),
      h("span", { class: hit.seatsFree ? "good" : "bad" }, free)));
}

/** The list of names under the search field. */
function completions(text, search, signal) {
  const list = h("ul", { class: "options", id: "options", role: "listbox", hidden: true });
  let [names, chosen, asked] = [[], -1, 0];
  const close = () => {
    asked += 1;
    list.hidden = true;
    text.setAttribute("aria-expanded", "false");
    text.removeAttribute("aria-activedescendant");
  };
  const take = (name) => {
    text.value = name;
    close();
    search();
  };
  const draw = () => {
    list.replaceChildren(...names.map((name, at) => {
      const isChosen = String(at === chosen);
      const option = { role: "option", id: `option-${at}`, "aria-selected": isChosen };
      return h("li", { ...option, onmousedown: () => take(name) }, name);
    }));
    list.hidden = names.length === 0;
    text.setAttribute("aria-expanded", String(!list.hidden));
    if (0 <= chosen) text.setAttribute("aria-activedescendant", `option-${chosen}`);
    else text.removeAttribute("aria-activedescendant");
  };
  text.addEventListener("input", async () => {
    const turn = (asked += 1);
    try {
      await pause(TYPING_PAUSE_MS, signal);
      if (turn !== asked) return;
      const q = text.value.trim();
      const query = new URLSearchParams({ q });
      const found = q ? await get(`/api/search/suggest?${query}`, { signal }) : {};
      if (turn !== asked) return;
      [names, chosen] = [found.names ?? [], -1];
      draw();
    } catch {
      // Completions are a help, not a need.
      close();
    }
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return close();
    if (event.key === "Enter") {
      if (!list.hidden && 0 <= chosen) {
        event.preventDefault();
        return take(names[chosen]);
      }
      return close();
    }
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!move || list.hidden) return undefined;
    event.preventDefault();
    chosen = Math.min(names.length - 1, Math.max(-1, chosen + move));
    return draw();
  });
  text.addEventListener("blur", close);
  return list;
}

// ---- one event ----

export async function eventPage(main, signal, eventId) {
  const path = `/api/events/${encodeURIComponent(eventId)}`;
  const event = await get(path, { signal });
  const box = h("div", {});
  const free = `${event.seatsFree.toLocaleString()} of ${count(event.seatsTotal, "place")}`;
  fill(main,
    h("h1", {}, event.name),
    h("p", {}, `${date(event.startsAt)} · ${event.venue}, ${event.city}`),
    h("p", { class: "dim" }, `${event.category} · ${free} free`),
    heldNote(event),
    box);
  if (event.status === "CANCELLED") {
    box.replaceChildren(h("p", { class: "bad" }, "This event is cancelled."));
    return;
  }
  if (event.status === "ANNOUNCED") {
    box.append(h("p", { class: "panel" }, `Seats are sold from ${date(event.saleStartsAt)} on.`));
  }
  for (;;) {
    const pass = event.waitingRoom
      ? heldPass(event.eventId) ?? (await waitForPass(box, event, signal))
      : null;
    signal.throwIfAborted();
    const reason = await choose(box, event, pass, signal);
    forgetPass(event.eventId);
    event.waitingRoom = true;
    notify(reason);
  }
}

function heldNote(event) {
  const held = load(sessionStorage, holdName(event.eventId));
  if (!held) return null;
  const go = h("a", { href: `#/checkout/${held}` }, "Go on to pay");
  return h("p", { class: "say" }, "You hold seats for this event.", go);
}

/** Lets the fan choose and reserve; resolves with a sentence when the pass is over. */
function choose(box, event, pass, signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    const over = new AbortController();
    const inner = AbortSignal.any([signal, over.signal]);
    const leave = (reason) => {
      over.abort();
      resolve(reason);
    };
    const desk = {
      event, signal: inner, leave,
      seatsMax: pass?.seatsMax ?? Math.min(event.accountPlacesMax ?? Infinity, SEATS_MAX_DEFAULT),
      reserve: (button, wish) => busy(button, async () => {
        try {
          const code = desk.channelCode && { channelCode: desk.channelCode };
          await reserve(event, pass, { ...wish, ...code });
        } catch (error) {
          if (!(error instanceof Refusal) || !PASS_IS_OVER.includes(error.code)) throw error;
          leave(error.message);
        }
      }),
    };
    drawDesk(box, desk, pass);
  });
}

async function reserve(event, pass, wish) {
  if (!session()) {
    store(sessionStorage, wishName(event.eventId), (wish.seats ?? []).map((seat) => seat.seatId));
    location.hash = `#/login?next=${encodeURIComponent(`#/event/${event.eventId}`)}`;
    return;
  }
  const headers = pass ? { "Admission-Pass": pass.pass } : {};
  const body = { eventId: event.eventId, ...wish };
  const held = await post("/api/bookings/reserve", body, { headers, key: newKey() });
  store(sessionStorage, holdName(event.eventId), held.reservationId);
  location.hash = `#/checkout/${held.reservationId}`;
}

function drawDesk(box, desk, pass) {
  const map = h("div", {});
  const areas = h("div", {});
  const picked = pickedSeats(desk);
  const code = codePanel(desk);
  const panels = [picked.element, code.element, quickPick(desk), areas];
  const side = h("div", { class: "side" }, panels);
  const layout = h("div", { class: "buy" }, map, side);
  const inside = pass && timeInside(desk, pass);
  const words = "You can look around; to reserve, log in first.";
  const login = session() ? null : h("p", { class: "dim" }, words);
  box.replaceChildren(h("div", {}, inside, login, layout));

  let seatMap;
  const live = new LiveSeats(desk.event.eventId, desk.signal, (isNew) => {
    if (isNew && live.seats.length && !seatMap) {
      const say = (seat) => describe(desk.event, seat);
      seatMap = new SeatMap(live, picked.selected, say, picked.toggle);
      picked.onChange(() => seatMap.draw());
      layout.classList.add("with-map");
      map.replaceChildren(seatMap.element, legend(desk.event.priceLevels));
      picked.recall(live);
    }
    if (isNew) seatMap?.reset();
    else seatMap?.draw();
    picked.dropTaken(live);
    code.draw(live.channels);
    drawAreas(areas, desk, live.areas);
  });
}

/** The field for a code, where some seats are for those who have one. */
function codePanel(desk) {
  const input = h("input", { maxlength: 64, autocomplete: "off", spellcheck: "false" });
  input.addEventListener("input", () => {
    desk.channelCode = input.value.trim();
  });
  const words = h("p", { class: "dim" });
  const title = h("h2", {}, "Do you have a code?");
  const element = h("section", { class: "panel", hidden: true }, title, words, field("Code", input));
  const draw = (channels) => {
    const live = channels.filter(({ endsAt }) => !endsAt || Date.now() < Date.parse(endsAt));
    element.hidden = live.length === 0;
    words.replaceChildren(`Some seats are kept for: ${live.map(({ name }) => name).join(", ")}.`);
  };
  return { element, draw };
}

function timeInside(desk, pass) {
  const left = h("strong", { role: "timer" });
  everySecond(desk.signal, () => {
    const ms = pass.until - Date.now();
    left.replaceChildren(clock(ms));
    if (ms <= 0) desk.leave(sentence({ code: "PASS_EXPIRED" }));
  });
  return h("p", { class: "say" }, h("span", {}, "You are inside. Time left to choose: ", left));
}

function describe(event, seat) {
  return `${nameSeat(event, seat)}: ${seat.status}`;
}

function nameSeat(event, seat) {
  const level = event.priceLevels[seat.level];
  const price = level ? `, ${priceOf(level)}` : "";
  const kind = seat.accessible ? ", accessible place" : "";
  return `Section ${seat.section}, row ${seat.row}, seat ${seat.number}${price}${kind}`;
}

/** The seats chosen on the map, and the button that reserves them. */
function pickedSeats(desk) {
  const { event } = desk;
  const selected = new Map();
  const listeners = [];
  const list = h("ul", { class: "seats" });
  const button = h("button", { class: "main" }, "Reserve these seats");
  const wish = () => ({ seats: [...selected.keys()].map((seatId) => ({ seatId })) });
  button.addEventListener("click", () => desk.reserve(button, wish()));
  const title = h("h2", {}, "Your choice");
  const element = h("section", { class: "panel", hidden: true }, title, list, button);
  const draw = () => {
    element.hidden = selected.size === 0;
    const seats = [...selected.values()];
    const prices = seats.map((seat) => event.priceLevels[seat.level]?.price).filter(Boolean);
    const amount = prices.reduce((sum, price) => sum + price.amount, 0);
    const total = prices.length > 0 && money({ ...prices[0], amount });
    list.replaceChildren(...seats.map((seat) => {
      const remove = h("button", { class: "plain", onclick: () => toggle(seat) }, "Remove");
      return h("li", {}, nameSeat(event, seat), remove);
    }));
    button.replaceChildren(total ? `Reserve for ${total}` : "Reserve");
    for (const listener of listeners) listener();
  };
  const toggle = (seat) => {
    if (selected.has(seat.id)) selected.delete(seat.id);
    else if (seat.status !== "free") return notify("This seat is not free.");
    else if (desk.seatsMax <= selected.size) {
      return notify(`You can choose up to ${count(desk.seatsMax, "seat")}.`);
    } else selected.set(seat.id, seat);
    notify();
    return draw();
  };
  const dropTaken = (live) => {
    const gone = [...selected.keys()].filter((id) => live.byId.get(id)?.status !== "free");
    // While a reservation is on its way, its own seats turn from free to held.
    if (gone.length === 0 || button.disabled) return;
    for (const id of gone) selected.delete(id);
    draw();
    notify(`Somebody else has taken ${gone.join(", ")}.`);
  };
  const recall = (live) => {
    const name = wishName(event.eventId);
    const wished = (load(sessionStorage, name) ?? []).map((id) => live.byId.get(id));
    store(sessionStorage, name, null);
    for (const seat of wished.filter((one) => one?.status === "free")) selected.set(seat.id, seat);
    draw();
  };
  const onChange = (listener) => listeners.push(listener);
  return { element, selected, toggle, dropTaken, recall, onChange };
}

function quantityField(max) {
  return h("input", { type: "number", min: 1, max, value: Math.min(2, max), inputmode: "numeric" });
}

function quickPick(desk) {
  const quantity = quantityField(desk.seatsMax);
  const levels = desk.event.priceLevels;
  const option = (level, at) =>
    h("option", { value: String(level.priceLevel ?? at) }, `${level.name} ${priceOf(level)}`);
  const level = h("select", {}, h("option", { value: "" }, "any price"), levels.map(option));
  const section = h("input", { placeholder: "any", maxlength: 16 });
  const accessible = h("input", { type: "checkbox" });
  const button = h("button", { class: "main" }, "Reserve the best seats");
  const submit = (event) => {
    event.preventDefault();
    const wish = { quantity: Number(quantity.value) };
    if (level.value !== "") wish.priceLevel = Number(level.value);
    if (section.value.trim()) wish.section = section.value.trim();
    if (accessible.checked) wish.accessible = true;
    desk.reserve(button, { bestAvailable: wish });
  };
  return h("form", { class: "panel", "data-quick": true, onsubmit: submit },
    h("h2", {}, "Best available"),
    h("div", { class: "row" },
      field("Seats", quantity), field("Price", level), field("Section", section)),
    h("label", { class: "check" }, accessible, "accessible places"),
    button);
}

/** Standing areas: made once, then only their counts change, so that typing is not disturbed. */
function drawAreas(box, desk, areas) {
  if (box.childElementCount !== areas.length) {
    box.replaceChildren(...areas.map((area) => areaForm(desk, area)));
  }
  for (const [at, area] of areas.entries()) {
    const free = area.free ? `${count(area.free, "place")} free` : "sold out";
    box.children[at].querySelector("[data-free]").replaceChildren(free);
  }
  const quick = box.parentElement.querySelector("[data-quick]");
  // A hall without seats has no best one.
  if (quick && areas.length) quick.hidden = !document.querySelector(".with-map");
}

function areaForm(desk, area) {
  const level = desk.event.priceLevels[area.priceLevel];
  const quantity = quantityField(desk.seatsMax);
  const button = h("button", { class: "main" }, "Reserve");
  const submit = (event) => {
    event.preventDefault();
    desk.reserve(button, { areas: [{ areaId: area.areaId, quantity: Number(quantity.value) }] });
  };
  return h("form", { class: "panel", onsubmit: submit },
    h("h2", {}, area.name),
    h("p", { class: "dim" }, level ? `${priceOf(level)} · ` : "", h("span", { "data-free": true })),
    h("div", { class: "row" }, field("Places", quantity), button));
}
