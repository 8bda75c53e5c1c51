// The song's own notes: the switch, the MIDI file, and what each match plays of them.

import { follow, reference, sound } from "./api.js";
import { byId, clock, make, notice } from "./dom.js";
import { playing, retake } from "./player.js";

const state = {
  on: false, match: null, file: null, start: 0, serial: 0, score: [],
  chosen: new Map(), // by family: the part of the file that it is to play
  asking: null, // what is being rendered: `{families, abort}`
  parts: new Map(), // by family: what it plays
  phrases: new Map(), // by pick: its address and the second of the song where it begins, or the reason why there is none
};

/** What a card of a match plays now: its phrase if it is wanted and there, else its reference notes. */
export async function take(match, pick, id) {
  const phrase = state.on && match === state.match && state.phrases.get(pick); // another match's are other presets'
  if (phrase?.path) return { ...(await sound(phrase.path)), begins: phrase.begins, words: "the song's phrase" };
  return { ...(await reference(id)), words: state.on ? "reference notes" : "" };
}

/** A match has come to its end: what it found can play. */
export function matched(match) {
  state.match = match;
  ask();
}

/** What was found is gone. */
export function unmatched() {
  state.match = null;
  reset();
}

/** A file of notes belongs to its song. */
export function forgetNotes() {
  choose(null);
  byId("midi-begins").value = "0";
}

export function switchNotes() {
  state.on = !state.on;
  byId("found").classList.toggle("phrases", state.on);
  byId("play-reference").setAttribute("aria-pressed", String(!state.on));
  byId("play-phrase").setAttribute("aria-pressed", String(state.on));
  byId("sheet").hidden = !state.on;
  if (state.on) ask();
  else leave();
  retake(true).catch(failed);
}

const failed = (error) => notice(byId("phrases-trouble"), error.message);

const cardsOf = (part) => [...part.querySelectorAll(".card")];

function unsettled(part) {
  const silent = state.parts.get(part.dataset.family)?.notes === 0;
  return !silent && cardsOf(part).some((card) => !state.phrases.has(card.dataset.pick));
}

/** Ask for the phrases of the parts that are shown, unless they are there or on their way. */
export async function ask() {
  if (!state.on || !state.match) return;
  const parts = [...document.querySelectorAll(".part:not([hidden])")].filter(unsettled);
  const families = parts.map((part) => part.dataset.family);
  if (families.every((family) => state.asking?.families.includes(family))) return;
  leave();
  const asking = (state.asking = { families, abort: new AbortController() });
  const form = new FormData();
  for (const family of families) form.append("family", family);
  if (state.file) {
    form.append("file", state.file);
    form.append("begins", byId("midi-begins").value || "0");
    for (const family of families) if (state.chosen.get(family)) form.append("part", `${family}=${state.chosen.get(family)}`);
  }
  for (const card of parts.flatMap(cardsOf)) if (!state.phrases.has(card.dataset.pick)) say(card, "Rendering …");
  show("Reading the notes …");
  try {
    await follow(`/api/matches/${state.match}/phrases`, { method: "POST", body: form, signal: asking.abort.signal },
      (name, data) => asking === state.asking && hear[name]?.(data));
  } catch (error) {
    if (asking !== state.asking) return;
    failed(error);
    for (const card of parts.flatMap(cardsOf)) if (!state.phrases.has(card.dataset.pick)) say(card, "");
  }
  if (asking === state.asking) leave();
}

function leave() {
  state.asking?.abort.abort();
  state.asking = null;
  byId("phrases-progress").hidden = true;
}

function show(text, value) {
  byId("phrases-progress").hidden = false;
  byId("phrases-text").textContent = text;
  if (value === undefined) byId("phrases-bar").removeAttribute("value");
  else byId("phrases-bar").value = value;
}

const say = (card, text) => { card.querySelector(".phrase").textContent = text; };

const hear = {
  stretch: ({ start, end }) => {
    state.start = start;
    const { passage } = playing();
    const shorter = passage && end - start < passage.end - passage.start - 0.1;
    byId("stretch").textContent = shorter ? `Of this passage, ${clock(start)} to ${clock(end)} is played.` : "";
  },
  score: ({ parts }) => { state.score = parts; },
  part: (told) => {
    state.parts.set(told.family, told);
    const part = byId(`part-${told.family}`);
    const origin = part.querySelector(".origin");
    const focused = origin.contains(document.activeElement);
    origin.replaceChildren(told.origin, ...chooser(told.family));
    if (focused) origin.querySelector("select")?.focus();
    if (!told.notes) for (const card of cardsOf(part)) say(card, "Plays its reference notes.");
  },
  phrase: ({ family, rank, reason }) => {
    const pick = `${family}:${rank}`;
    // A number of its own, since the same address has another sound once the notes are others.
    const path = `/api/matches/${state.match}/phrases/${family}/${rank}#${(state.serial += 1)}`;
    state.phrases.set(pick, reason ? { reason } : { path, begins: state.start });
    const card = document.querySelector(`[data-pick="${pick}"]`);
    say(card, reason || "♪ Plays the song's phrase");
    if (card.preset === playing().preset) retake(false).catch(failed);
  },
  progress: ({ done, total }) => show(`${done} of ${total} phrases`, done / total),
  done: () => {
    if ([...state.phrases.values()].some(({ path }) => path)) byId("status").textContent = "The song's phrases are there.";
    const parts = [...state.parts.values()];
    const same = parts.length > 1 && !state.file && parts.every(({ notes, origin }) => !notes && origin === parts[0].origin);
    notice(byId("phrases-trouble"), same && parts[0].origin); // said once, rather than of each part
    for (const { family } of same ? parts : []) byId(`part-${family}`).querySelector(".origin").replaceChildren();
  },
};

// Of a file with several parts, each family may play another one than it was given.
function chooser(family) {
  if (!state.file || state.score.length < 2) return [];
  const options = [["", "the part that fits"], ...state.score.map(({ number, title }) => [number, title])].map(([value, text]) =>
    make("option", { value, text, selected: String(value) === (state.chosen.get(family) ?? "") }));
  return [make("label", {}, "Notes of ", make("select", { change: (event) => {
    state.chosen.set(family, event.target.value);
    state.parts.delete(family);
    for (const card of cardsOf(byId(`part-${family}`))) state.phrases.delete(card.dataset.pick);
    leave(); // its part may be on its way, with the notes that it had
    ask();
  } }, ...options))];
}

function reset() {
  leave();
  state.parts.clear();
  state.phrases.clear();
  notice(byId("phrases-trouble"), "");
  byId("stretch").textContent = "";
  for (const text of document.querySelectorAll(".phrase, .origin")) text.textContent = "";
}

function choose(file) {
  state.file = file;
  state.score = [];
  state.chosen.clear();
  byId("midi-name").textContent = file ? file.name : "Without one, notes are estimated.";
  for (const id of ["midi-where", "midi-none"]) byId(id).hidden = !file;
  reset();
}

byId("play-reference").addEventListener("click", () => state.on && switchNotes());
byId("play-phrase").addEventListener("click", () => state.on || switchNotes());
byId("midi").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // the same file again is a change, too
  if (!file) return;
  choose(file);
  ask();
});
byId("midi-none").addEventListener("click", () => {
  choose(null);
  ask();
});
byId("midi-begins").addEventListener("change", () => {
  reset();
  ask();
});
