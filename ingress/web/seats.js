// The seat map: live statuses, a picture that can be moved, zoomed, and walked through with keys.

import { get, h, pause, priceOf, show } from "./api.js";

const LEVEL_COLOURS = [
  "#2a78d6", "#e08a00", "#1f9d6b", "#b04fc4", "#d64545", "#6b8e23", "#7a5cff", "#0e8fa0",
];
const HELD_COLOUR = "#c9a227";
const SOLD_COLOUR = "#7b8694";
const SCALE_MAX_PX_PER_SEAT = 40;
const AGAIN_MS = 5000;
/** Below this distance between seats nobody can tell which one is meant. */
const CLOSE_PX = 8;
const HINT = "Choose a seat with a click, or with the arrow keys on the map.";
const HINT_FAR = "Come closer with a click, or with the arrow keys on the map, to choose a seat.";

export function levelColour(level) {
  return LEVEL_COLOURS[level % LEVEL_COLOURS.length];
}

/** All places of an event, kept current by the server's stream. */
export class LiveSeats {
  constructor(eventId, signal, onChange) {
    this.seats = [];
    this.areas = [];
    this.channels = [];
    this.byId = new Map();
    this.path = `/api/events/${encodeURIComponent(eventId)}/seats`;
    this.connect(signal, onChange);
  }

  connect(signal, onChange) {
    if (signal.aborted) return;
    const source = new EventSource(`${this.path}/stream`);
    const close = () => source.close();
    signal.addEventListener("abort", close, { once: true });
    source.addEventListener("snapshot", (message) => onChange(this.reset(JSON.parse(message.data))));
    source.addEventListener("delta", (message) => onChange(this.apply(JSON.parse(message.data))));
    source.addEventListener("error", async () => {
      // A broken connection is made again by EventSource itself; a refused one is not: the map is
      // read as a whole until there is a place.
      if (source.readyState !== EventSource.CLOSED) return;
      signal.removeEventListener("abort", close);
      try {
        onChange(this.reset(await get(this.path, { signal })));
      } catch (error) {
        show(error);
      }
      pause(AGAIN_MS, signal).then(() => this.connect(signal, onChange), () => {});
    });
  }

  /** Takes a whole map in; returns true because everything may be new. */
  reset(map) {
    this.seats = flatten(map);
    this.byId = new Map(this.seats.map((seat) => [seat.id, seat]));
    this.areas = map.areas ?? [];
    this.channels = map.channels ?? [];
    return true;
  }

  /** Takes changes in; returns false because only statuses and counts changed. */
  apply({ changes = [], areas = [] }) {
    for (const [id, status] of changes) {
      const seat = this.byId.get(id);
      if (seat) seat.status = status;
    }
    for (const [areaId, free] of areas) {
      const area = this.areas.find((one) => one.areaId === areaId);
      if (area) area.free = free;
    }
    return false;
  }
}

/** Lists the seats of a map in its order, each with its place in section and row. */
export function flatten(map) {
  const seats = [];
  for (const [sectionAt, { section, rows }] of map.sections.entries()) {
    for (const [rowAt, { row, seats: rowSeats }] of rows.entries()) {
      for (const [at, seat] of rowSeats.entries()) {
        const number = seat.seatId.slice(section.length + row.length + 2);
        seats.push({
          id: seat.seatId, section, row, number, sectionAt, rowAt, at,
          status: seat.status, level: seat.priceLevel, x: seat.x, y: seat.y,
          accessible: seat.accessible,
        });
      }
    }
  }
  return seats;
}

/** Finds the seat one step away: `dx` in the row, `dy` to another row (then section). */
export function step(seats, from, dx, dy) {
  const at = seats.indexOf(from);
  if (dx !== 0) return seats[Math.min(seats.length - 1, Math.max(0, at + dx))];
  const isRow = (one, other) => one.sectionAt === other.sectionAt && one.rowAt === other.rowAt;
  let next = at;
  while (seats[next] && isRow(seats[next], from)) next += dy;
  if (!seats[next]) return from;
  const row = seats.filter((seat) => isRow(seat, seats[next]));
  const distance = (seat) => Math.abs(seat.at - from.at);
  return row.reduce((best, seat) => (distance(seat) < distance(best) ? seat : best));
}

/** The usual distance between neighbours, which sets how large a seat is drawn. */
export function spacing(seats) {
  const gaps = [];
  for (let i = 1; i < seats.length && gaps.length < 500; i += 1) {
    const [one, other] = [seats[i - 1], seats[i]];
    if (one.rowAt !== other.rowAt || one.sectionAt !== other.sectionAt) continue;
    gaps.push(Math.hypot(one.x - other.x, one.y - other.y));
  }
  gaps.sort((one, other) => one - other);
  return gaps[gaps.length >> 1] || 50;
}

/** Draws seats on a canvas; calls `onPick` with a seat that was chosen. */
export class SeatMap {
  constructor(live, selected, describe, onPick) {
    Object.assign(this, { live, selected, describe, onPick });
    this.canvas = h("canvas", {
      tabindex: 0, role: "application",
      "aria-label": "Seat map. Arrow keys move from seat to seat, Enter chooses, + and - zoom.",
    });
    this.said = h("p", { "aria-live": "polite", class: "dim" });
    const zoom = (factor) => () => this.zoom(factor, this.width / 2, this.height / 2);
    const button = (text, label, onclick) =>
      h("button", { type: "button", "aria-label": label, onclick }, text);
    this.element = h("div", {},
      h("div", { class: "map" }, this.canvas,
        h("div", { class: "zoom" },
          button("−", "Zoom out", zoom(1 / 1.5)),
          button("+", "Zoom in", zoom(1.5)),
          button("Show all", "Show all seats", () => this.fit()))),
      this.said);
    this.pointers = new Map();
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.release(event));
    }
    canvas.addEventListener("wheel", (event) => {
      // Who cannot go further out scrolls the page.
      if (0 < event.deltaY && this.scale <= this.scaleMin) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Takes in a new set of seats; the same ones again leave the view where it is. */
  reset() {
    const { seats, byId } = this.live;
    const isSame = this.seatCount === seats.length;
    this.seatCount = seats.length;
    this.gap = spacing(seats);
    this.cursor = byId.get(this.cursor?.id) ?? null;
    this.labels = sectionLabels(seats);
    if (isSame) this.draw();
    else this.fit();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = clientWidth * ratio;
    this.canvas.height = clientHeight * ratio;
    const isFirst = this.width === undefined;
    [this.width, this.height, this.ratio] = [clientWidth, clientHeight, ratio];
    if (isFirst) this.fit();
    else this.draw();
  }

  /** Shows all seats. */
  fit() {
    const { seats } = this.live;
    if (seats.length === 0 || !this.width) return;
    const bounds = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { x, y } of seats) {
      bounds[0] = Math.min(bounds[0], x);
      bounds[1] = Math.min(bounds[1], y);
      bounds[2] = Math.max(bounds[2], x);
      bounds[3] = Math.max(bounds[3], y);
    }
    const [left, top, right, bottom] = bounds;
    const margin = 2 * this.gap;
    const across = this.width / (right - left + 2 * margin);
    const down = this.height / (bottom - top + 2 * margin);
    this.scale = Math.min(across, down, SCALE_MAX_PX_PER_SEAT / this.gap);
    this.left = (left + right) / 2 - this.width / 2 / this.scale;
    this.top = (top + bottom) / 2 - this.height / 2 / this.scale;
    this.scaleMin = this.scale;
    if (!this.cursor) this.said.replaceChildren(this.isFar() ? HINT_FAR : HINT);
    this.draw();
  }

  isFar() {
    return this.gap * this.scale < CLOSE_PX;
  }

  /** Comes so close to a seat that it can be told from its neighbours. */
  approach(seat) {
    this.zoom((2 * CLOSE_PX) / (this.gap * this.scale), 0, 0);
    this.centre(seat);
    this.said.replaceChildren(HINT);
  }

  centre(seat) {
    this.left = seat.x - this.width / 2 / this.scale;
    this.top = seat.y - this.height / 2 / this.scale;
    this.draw();
  }

  /** Changes the scale around a point of the canvas. */
  zoom(factor, x, y) {
    const most = SCALE_MAX_PX_PER_SEAT / this.gap;
    const scale = Math.min(most, Math.max(this.scaleMin, this.scale * factor));
    this.left += x / this.scale - x / scale;
    this.top += y / this.scale - y / scale;
    this.scale = scale;
    this.draw();
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.moved = this.pointers.size === 1 ? 0 : Infinity;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.offsetX, y: event.offsetY };
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      this.zoom(distance(now) / distance(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else {
      this.moved += Math.hypot(now.x - before.x, now.y - before.y);
      this.left -= (now.x - before.x) / this.scale;
      this.top -= (now.y - before.y) / this.scale;
      this.draw();
    }
    this.pointers.set(event.pointerId, now);
  }

  release(event) {
    const wasPressed = this.pointers.delete(event.pointerId);
    // A finger trembles: a few pixels are still a tap.
    if (!wasPressed || event.type === "pointercancel" || 8 < this.moved) return;
    // A fingertip reaches a little further than the seat; from afar, any seat shows where to go.
    const reach = this.isFar() ? Infinity : Math.max(this.gap * 0.75, 10 / this.scale);
    const seat = this.nearest(event.offsetX, event.offsetY, reach);
    if (!seat) return;
    if (this.isFar()) this.approach(seat);
    else this.choose(seat);
  }

  /** The seat nearest to a point of the canvas, if one is within `reach`. */
  nearest(px, py, reach) {
    const [x, y] = [this.left + px / this.scale, this.top + py / this.scale];
    let [best, bestDistance] = [null, reach];
    for (const seat of this.live.seats) {
      const distance = Math.hypot(seat.x - x, seat.y - y);
      if (distance < bestDistance) [best, bestDistance] = [seat, distance];
    }
    return best;
  }

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { seats } = this.live;
    const isStep = event.key in steps;
    if (!isStep && !["Enter", " ", "+", "-"].includes(event.key)) return;
    event.preventDefault();
    if (seats.length === 0) return;
    if (event.key === "+") this.zoom(1.5, this.width / 2, this.height / 2);
    else if (event.key === "-") this.zoom(1 / 1.5, this.width / 2, this.height / 2);
    else if (isStep) this.goTo(this.cursor ? step(seats, this.cursor, ...steps[event.key]) : seats[0]);
    else if (this.cursor) this.choose(this.cursor);
  }

  choose(seat) {
    this.onPick(seat);
    this.goTo(seat);
  }

  /** Puts the cursor on a seat, into view, and says which it is. */
  goTo(seat) {
    this.cursor = seat;
    if (this.isFar()) this.approach(seat);
    const [x, y] = [(seat.x - this.left) * this.scale, (seat.y - this.top) * this.scale];
    if (x < 0 || y < 0 || this.width < x || this.height < y) this.centre(seat);
    this.said.replaceChildren(this.describe(seat));
    this.draw();
  }

  /** Draws at the next frame; many changes make one drawing. */
  draw() {
    if (this.isDrawing || !this.width) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.paint();
    });
  }

  paint() {
    if (!this.scale) return;
    // A finger on a map that is shown as a whole has nothing to move: it scrolls the page.
    this.canvas.style.touchAction = this.scaleMin < this.scale ? "none" : "pan-y";
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const size = Math.max(1.5, this.gap * this.scale * 0.78);
    const text = getComputedStyle(this.canvas).color;
    for (const seat of this.live.seats) {
      const [x, y] = [(seat.x - this.left) * this.scale, (seat.y - this.top) * this.scale];
      if (x < -size || y < -size || this.width + size < x || this.height + size < y) continue;
      paintSeat(pen, seat, x, y, size, this.selected.has(seat.id), text);
      if (seat === this.cursor) {
        pen.strokeStyle = text;
        pen.lineWidth = 2;
        pen.strokeRect(x - size / 2 - 3, y - size / 2 - 3, size + 6, size + 6);
      }
    }
    if (size < 14) this.paintLabels(pen, text);
  }

  paintLabels(pen, text) {
    const size = this.width < 500 ? Math.min(12, (9 * this.scale) / this.scaleMin) : 12;
    pen.font = `600 ${size}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineWidth = 3;
    pen.strokeStyle = getComputedStyle(document.body).backgroundColor;
    pen.fillStyle = text;
    for (const { name, x, y } of this.labels) {
      const [px, py] = [(x - this.left) * this.scale, (y - this.top) * this.scale];
      pen.strokeText(name, px, py);
      pen.fillText(name, px, py);
    }
  }
}

/** Free seats are full squares in the colour of their price; what is gone is smaller and grey. */
function paintSeat(pen, seat, x, y, size, isSelected, text) {
  const box = (part) => [x - (size * part) / 2, y - (size * part) / 2, size * part, size * part];
  if (isSelected) {
    pen.fillStyle = text;
    pen.fillRect(...box(1.15));
    pen.fillStyle = levelColour(seat.level);
    pen.fillRect(...box(0.55));
  } else if (seat.status === "free") {
    pen.fillStyle = levelColour(seat.level);
    pen.fillRect(...box(1));
    if (seat.accessible && 8 < size) {
      pen.fillStyle = "#ffffff";
      pen.fillRect(...box(0.35));
    }
  } else {
    pen.fillStyle = seat.status === "held" ? HELD_COLOUR : SOLD_COLOUR;
    pen.fillRect(...box(seat.status === "blocked" ? 0.25 : 0.5));
  }
}

function sectionLabels(seats) {
  const sums = new Map();
  for (const { section, x, y } of seats) {
    const sum = sums.get(section) ?? { x: 0, y: 0, count: 0 };
    sums.set(section, { x: sum.x + x, y: sum.y + y, count: sum.count + 1 });
  }
  return [...sums].map(([name, { x, y, count }]) => ({ name, x: x / count, y: y / count }));
}

/** The meaning of the colours, with the prices. */
export function legend(levels) {
  const entry = (colour, side, words) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 10 10");
    svg.setAttribute("aria-hidden", "true");
    const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const from = (10 - side) / 2;
    const shape = { x: from, y: from, width: side, height: side, fill: colour };
    for (const [name, value] of Object.entries(shape)) box.setAttribute(name, value);
    svg.append(box);
    return h("li", {}, svg, words);
  };
  return h("ul", { class: "legend" },
    levels.map((level, at) =>
      entry(levelColour(level.priceLevel ?? at), 10, `${level.name} ${priceOf(level)}`)),
    entry(HELD_COLOUR, 5, "held"),
    entry(SOLD_COLOUR, 5, "sold"));
}
