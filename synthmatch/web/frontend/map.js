// The map of the library: a dot for each sound, the query amid them.

import { get } from "./api.js";
import { byId, colour, make, notice, settled } from "./dom.js";
import { playPreset } from "./player.js";
import { found, locate } from "./results.js";

const canvas = byId("map");
const NEAR = 14; // pixels at which a pointer means a dot
const state = { points: [], drawn: [], at: null, scale: 1, x: 0, y: 0, hidden: new Set(), key: "" };

/** Fetch the map if it isn't here, and draw it. */
export async function showMap() {
  if (!state.key) notice(byId("map-trouble"), "Fetching the map …");
  const before = state.key;
  try {
    const map = await get("/api/map");
    notice(byId("map-trouble"), map.points.length ? "" : "The library is empty, so there's nothing on the map yet.");
    if (map.key !== state.key) Object.assign(state, { points: map.points, key: map.key, at: null, scale: 1, x: 0, y: 0 });
  } catch (error) {
    notice(byId("map-trouble"), error.message);
    if (error.status === 503) setTimeout(() => byId("view-map").hidden || showMap(), 2000);
  }
  if (state.points.length) await locate(before && before !== state.key);
  draw();
  canvas.dataset.key = state.key; // "" until there is something to see
}

/** Draw the map again: another size, theme or query. */
export function draw() {
  if (byId("view-map").hidden) return;
  const { width, height } = canvas.getBoundingClientRect();
  const dense = window.devicePixelRatio || 1;
  Object.assign(canvas, { width: width * dense, height: height * dense });
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  const query = found();
  const fold = byId("fold").checked;
  const seen = new Set();
  state.drawn = [];
  for (const point of state.points) {
    if (state.hidden.has(point.family)) continue;
    const folded = fold && point.group >= 0;
    if (folded && seen.has(point.group)) continue;
    if (folded) seen.add(point.group);
    state.drawn.push({ point, folded, ...place(point, width, height) });
  }
  const colours = Object.fromEntries([...new Set(state.points.map(({ family }) => family))].map((family) => [family, colour(`f-${family}`)]));
  for (const { point, folded, x, y } of state.drawn) {
    circle(pen, x, y, (folded ? 4.5 : 3) * Math.min(2, Math.sqrt(state.scale)));
    pen.fillStyle = colours[point.family] || colour("muted");
    pen.fill();
  }
  pen.strokeStyle = colour("text");
  for (const { point, x, y } of state.drawn) {
    if (!query.ids.has(point.id)) continue;
    circle(pen, x, y, 7);
    pen.lineWidth = 1.5;
    pen.stroke();
  }
  if (query.place) cross(pen, place(query.place, width, height));
  const here = state.drawn.find(({ point }) => point === state.at);
  if (here) {
    circle(pen, here.x, here.y, 10);
    pen.lineWidth = 3;
    pen.strokeStyle = colour("focus");
    pen.stroke();
  }
  label(here, width, height);
}

const place = ({ x, y }, width, height) => {
  const room = Math.min(width, height) < 500 ? 16 : 28;
  return {
    x: width / 2 + (x + state.x) * state.scale * (width / 2 - room),
    y: height / 2 - (y + state.y) * state.scale * (height / 2 - room),
  };
};

function circle(pen, x, y, size) {
  pen.beginPath();
  pen.arc(x, y, size, 0, 2 * Math.PI);
}

function cross(pen, { x, y }) {
  circle(pen, x, y, 13);
  for (const [left, up] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    pen.moveTo(x + 8 * left, y + 8 * up);
    pen.lineTo(x + 22 * left, y + 22 * up);
  }
  for (const [width, name] of [[9, "card"], [4, "accent"]]) { // on a ground of its own, amid the dots
    pen.lineWidth = width;
    pen.strokeStyle = colour(name);
    pen.stroke();
  }
  named(pen, "your song", Math.min(x + 20, canvas.clientWidth - 90), Math.max(y - 20, 22));
}

// Words amid the dots, on a ground of their own.
function named(pen, text, x, y) {
  pen.font = "600 14px system-ui, sans-serif";
  pen.fillStyle = colour("card");
  pen.fillRect(x - 5, y - 16, pen.measureText(text).width + 10, 22);
  pen.fillStyle = colour("text");
  pen.fillText(text, x, y);
}

function label(here, width, height) {
  const box = byId("map-label");
  box.hidden = !here;
  if (!here) return;
  const { point, folded, x, y } = here;
  const alike = folded ? state.points.filter(({ group }) => group === point.group).length : 1;
  box.replaceChildren(make("b", { text: point.name }), make("span", { class: "small", text:
    ` ${point.synth} · ${point.bank}, ${point.family}${alike > 1 ? `, and ${alike - 1} nearly the same` : ""}` }));
  box.style.left = `${Math.max(0, Math.min(x + 14, width - box.offsetWidth - 4))}px`;
  box.style.top = `${Math.max(0, Math.min(y + 14, height - box.offsetHeight - 4))}px`;
}

function under(event) {
  const { left, top } = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - left, event.clientY - top];
  let [best, least] = [null, NEAR];
  for (const each of state.drawn) {
    const away = Math.hypot(each.x - x, each.y - y);
    if (away < least) [best, least] = [each.point, away];
  }
  return best;
}

const playSoon = settled(140, (point) => state.at === point && play(point));

function play(point) {
  const preset = { id: point.id, name: point.name, about: `${point.synth} · ${point.bank}`, files: `/api/presets/${point.id}/files` };
  playPreset(preset);
}

let drag = null;
canvas.addEventListener("pointermove", (event) => {
  if (drag) {
    const { width, height } = canvas.getBoundingClientRect();
    state.x = drag.x + (2 * (event.clientX - drag.left)) / width / state.scale;
    state.y = drag.y - (2 * (event.clientY - drag.top)) / height / state.scale;
    return draw();
  }
  const point = under(event);
  if (point === state.at) return;
  state.at = point;
  draw();
  if (point && event.pointerType === "mouse") playSoon(point);
});
canvas.addEventListener("pointerdown", (event) => {
  const point = under(event);
  if (point) {
    state.at = point;
    draw();
    play(point);
  } else if (state.scale > 1) {
    drag = { x: state.x, y: state.y, left: event.clientX, top: event.clientY };
    canvas.setPointerCapture(event.pointerId);
  }
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { drag = null; });
canvas.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && document.activeElement !== canvas) return; // else the page could not be scrolled past it
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.25 : 0.8);
}, { passive: false });

function zoom(by) {
  state.scale = Math.max(1, Math.min(30, state.scale * by));
  if (state.scale === 1) Object.assign(state, { x: 0, y: 0 });
  else if (by > 1 && state.at) Object.assign(state, { x: -state.at.x, y: -state.at.y });
  draw();
}

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// The nearest dot that lies more that way than aside.
function next([across, down]) {
  const here = state.drawn.find(({ point }) => point === state.at) ?? state.drawn[0];
  let [best, least] = [null, Infinity];
  for (const each of state.drawn) {
    const [x, y] = [each.x - here.x, each.y - here.y];
    const along = x * across + y * down;
    const aside = Math.abs(x * down) + Math.abs(y * across);
    if (along > 0.5 && aside <= along && along + 2 * aside < least) [best, least] = [each.point, along + 2 * aside];
  }
  return best ?? here?.point;
}

canvas.addEventListener("keydown", (event) => {
  const act = {
    Enter: () => state.at && play(state.at),
    "+": () => zoom(1.25),
    "-": () => zoom(0.8),
  }[event.key] ?? (WAYS[event.key] && (() => {
    state.at = next(WAYS[event.key]);
    draw();
    if (state.at) play(state.at);
  }));
  if (!act) return;
  event.preventDefault();
  act();
});
byId("map-in").addEventListener("click", () => zoom(1.6));
byId("map-out").addEventListener("click", () => zoom(1 / 1.6));
byId("fold").addEventListener("change", draw);
byId("legend").addEventListener("click", (event) => {
  const button = event.target.closest(".chip");
  if (!button) return;
  const show = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(show));
  state.hidden[show ? "delete" : "add"](button.dataset.family);
  draw();
});
new ResizeObserver(settled(50, draw)).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
document.addEventListener("found", draw);
