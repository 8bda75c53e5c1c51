// What was found: a chip for each family, a card for each match, and which of them are wanted.

import { follow, get, reference } from "./api.js";
import { choice } from "./choice.js";
import { byId, clock, make, notice, percent, words } from "./dom.js";
import { ask, matched, take, unmatched } from "./phrases.js";
import { onChange, playPreset, playSong, playing, setSongLevel, show, toggle } from "./player.js";

const PER_FAMILY = 6;

const state = { match: null, seconds: 0, families: new Map(), shown: new Set(), chosen: new Set(), some: false, place: null, asking: null };

/** Where the query stands on the map, and what was found of the parts that are shown: `{place, ids}`. */
export const found = () => ({
  place: state.place,
  ids: new Set([...state.shown].flatMap((family) => state.families.get(family)?.matches ?? []).map(({ id }) => id)),
});

/** Ask where the query stands, if it was heard before there was a map, or on another one. */
export async function locate(anew) {
  const { match } = state;
  if (anew) state.place = null;
  if (!match || state.place || !byId("progress").hidden) return;
  const place = await get(`/api/matches/${match}/place`).catch(() => null);
  if (match === state.match) state.place = place;
}

/** Match a passage; results show as they come. */
export async function find({ song, start, end }) {
  state.asking?.abort();
  const asking = (state.asking = new AbortController());
  const form = new FormData();
  for (const [name, value] of Object.entries({ song, start, end, k: PER_FAMILY })) form.append(name, value);
  for (const family of families) form.append("family", family);
  const among = choice();
  for (const [name, value] of among) form.append(name, value);
  state.some = among.length > 0;
  state.seconds = end - start;
  begin();
  try {
    await follow("/api/match", { method: "POST", body: form, signal: asking.signal }, (name, data) => {
      if (asking === state.asking) hear[name]?.(data);
    });
  } catch (error) {
    if (error.name !== "AbortError" && asking === state.asking) throw error;
  } finally {
    if (asking === state.asking) byId("progress").hidden = true;
  }
}

const families = document.body.dataset.families.split(" ");

const word = (table, value) => table.find(([least]) => value >= least)?.[1] ?? table.at(-1)[1];

function begin() {
  Object.assign(state, { families: new Map(), chosen: new Set(), place: null, match: null });
  state.shown.clear();
  unmatched();
  byId("found").hidden = false;
  byId("progress").hidden = false;
  byId("progress-bar").removeAttribute("value");
  byId("progress-text").textContent = "Listening …";
  byId("found").classList.add("stale");
  notice(byId("far"), "");
  count();
}

const hear = {
  job: ({ id }) => { state.match = id; },
  progress: ({ done, total }) => {
    byId("progress-bar").value = done / total;
    byId("progress-text").textContent = total > 1 ? `Heard ${done} of ${total} windows` : "Comparing …";
  },
  level: ({ decibels }) => setSongLevel(decibels),
  presence: ({ families: heard }) => {
    byId("found").classList.remove("stale");
    state.chosen.clear(); // what was ticked meanwhile was of the passage before
    count();
    byId("results").replaceChildren();
    const surest = [...heard].sort((one, other) => other.presence - one.presence);
    for (const { family, presence } of surest) if (presence >= words.present) state.shown.add(family);
    state.shown.add(surest[0].family);
    byId("chips").replaceChildren(...surest.map(chip));
  },
  family: (told) => {
    state.families.set(told.family, told);
    byId("results").append(section(told));
    for (const { id } of state.shown.has(told.family) ? told.matches.slice(0, 3) : []) reference(id).catch(() => {});
    mark(playing());
  },
  place: (place) => { state.place = place; },
  done: () => {
    const near = (family) => state.families.get(family)?.matches.length && !far(state.families.get(family));
    const close = [...state.shown].filter(near);
    byId("status").textContent = close.length ? `Found presets for: ${close.map(title).join(", ")}.` : "Nothing close was found.";
    sayFar();
    matched(state.match);
    document.dispatchEvent(new Event("found"));
  },
};

const far = (part) => part.nothing_close;

// Said once for the whole passage when it is so of every part that is shown, and in each part.
function sayFar() {
  const parts = [...state.families.values()].filter(({ family, matches }) => state.shown.has(family) && matches.length);
  const everywhere = parts.length > 0 && parts.every(far);
  notice(byId("far"), everywhere && (state.some
    ? "Nothing that you look among comes close to this passage. The nearest presets are shown; others of your library may be closer."
    : "Nothing in your library comes close to this passage. The nearest presets are shown; another passage, or more banks, may bring closer ones."));
}

const title = (family) => document.querySelector(`#legend [data-family="${family}"].chip`).textContent;

function chip({ family, presence }) {
  const shown = state.shown.has(family);
  const label = `${title(family)}: ${word(words.presence, presence)}, ${percent(presence)}`;
  const button = make("button", {
    type: "button", class: "chip", "data-family": family, "aria-pressed": String(shown), "aria-label": label, title: label,
    click: () => {
      const now = !state.shown.has(family);
      state.shown[now ? "add" : "delete"](family);
      button.setAttribute("aria-pressed", String(now));
      const part = byId(`part-${family}`);
      if (part) part.hidden = !now;
      ask();
      if (byId("progress").hidden) sayFar();
    },
  }, make("i", { class: "dot", "data-family": family }), title(family), make("b", { text: percent(presence) }));
  return button;
}

function section(found) {
  const { family, presence, matches } = found;
  const cards = matches.map((match) => card(family, match));
  const head = make("header", {}, make("h3", {}, make("i", { class: "dot", "data-family": family }), title(family)),
    make("p", { class: "small", text: `${word(words.presence, presence)}, ${percent(presence)}` }),
    make("p", { class: "small origin" }), ...best(found));
  const list = cards.length
    ? make("ol", { class: "cards" }, ...cards)
    : make("p", { class: "small", text: `${state.some ? "Nothing that you look among is" : "The library holds no preset"} of this family.` });
  if (far(found)) head.append(make("p", { class: "far", text: words.nothing_close }));
  const part = make("section", { id: `part-${family}`, class: "part", "data-family": family, "aria-label": title(family) }, head, list);
  part.hidden = !state.shown.has(family);
  return part;
}

// Where a part is heard best; of a passage that was heard at once, that is all of it.
function best({ family, surest: { start: from, end: to } }) {
  if (to - from > state.seconds - 0.1) return [];
  const text = `Heard best from ${clock(from)} to ${clock(to)}`;
  const label = `${title(family)}: ${text}; play that`;
  return [make("button", { type: "button", class: "small", text, "aria-label": label, click: () => playSong(from, to) })];
}

/** A preset's family with what says so, and what it sounds like, in a line. */
function described({ family, label_source: source, descriptors }) {
  return [family && `${family} (${source})`, descriptors.join(", ")].filter(Boolean).join(" · ");
}

function card(family, match) {
  const { match: matching } = state; // the bar may show the preset when another passage's are found
  const preset = {
    id: match.id, name: match.name, about: `${match.synth} · ${match.bank}`,
    files: `/api/matches/${matching}/files?pick=${family}:${match.rank}`,
    take: () => take(matching, `${family}:${match.rank}`, match.id),
  };
  const said = word(words.score, match.score);
  const play = make("button", {
    type: "button", class: "round play", "aria-pressed": "false", "aria-keyshortcuts": String(match.rank),
    "aria-label": `Play ${match.rank}: ${match.name}, ${said}`,
    click: () => (play.getAttribute("aria-pressed") === "true" ? toggle() : start(play.closest(".card"))),
  });
  const key = `${family}:${match.rank}`;
  const choose = make("input", {
    type: "checkbox", "aria-label": `Choose ${match.name} for the download`,
    change: (event) => keep(key, event.target.checked),
  });
  const element = make("li", { class: "card", "data-id": match.id, "data-pick": key },
    play,
    make("div", { class: "what" },
      make("p", { class: "name" }, make("span", { class: "rank", text: match.rank }), match.name),
      make("p", { class: "small", text: preset.about }),
      make("p", { class: "small sounds", text: described(match) }),
      make("p", { class: "score small" }, make("meter", { min: 0, max: 1, value: Math.max(0, match.score), "aria-hidden": "true" }),
        make("span", { text: `${said} ${match.score.toFixed(2)}` })),
      make("p", { class: "small phrase" })),
    make("div", { class: "keep" },
      make("label", { class: "check", title: "Choose for the download (C)" }, choose),
      make("a", { class: "small", href: preset.files, download: "", text: "Files", "aria-label": `Download the files of ${match.name}` })));
  element.preset = preset;
  return element;
}

function keep(key, wanted) {
  state.chosen[wanted ? "add" : "delete"](key);
  count();
}

function count() {
  const link = byId("bar-chosen");
  const number = state.chosen.size;
  link.hidden = number === 0;
  link.textContent = `Download ${number} chosen`;
  link.href = `/api/matches/${state.match}/files?${[...state.chosen].map((key) => `pick=${encodeURIComponent(key)}`).join("&")}`;
  show();
}

/** Play a card's preset from its beginning. */
export function start(element) {
  element.querySelector(".play").focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
  return playPreset(element.preset);
}

/** Tick or untick the card that is at hand. */
export function choose(element) {
  const box = element.querySelector("input");
  box.checked = !box.checked;
  keep(element.dataset.pick, box.checked);
}

/** The cards that are shown, in order; and the one at hand. */
export const cards = () => [...document.querySelectorAll(".part:not([hidden]) .card")];
export const current = () => document.querySelector(".part:not([hidden]) .card.current") ?? document.activeElement.closest?.(".card");

// The same preset may stand under several families: the card that was asked for is the one at hand.
function mark({ preset, side, sounds }) {
  for (const element of document.querySelectorAll(".card")) {
    const here = preset === element.preset;
    element.classList.toggle("current", here);
    element.querySelector(".play").setAttribute("aria-pressed", String(here && sounds && side === "match"));
  }
}
onChange(mark);
