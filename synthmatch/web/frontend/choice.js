// The presets among which matches are looked for: of which synths, of which bank, how they sound, what they are called.

import { byId, make, settled } from "./dom.js";

const PAUSE = 400; // milliseconds after which a change counts: several ticks, or a word that is typed, are one

const bankField = byId("choice-bank");
const tagField = byId("choice-tag");
const wordField = byId("choice-words");

const state = { synths: [], banks: [], offered: "", asked: "[]", wanted: () => {} };

const ticked = () => [...document.querySelectorAll("#choice-synths input:checked")].map((each) => each.value);
const pressed = () => [...document.querySelectorAll("#choice-tags [aria-pressed=true]")].map((each) => each.value);
const tags = () => [...pressed(), tagField.value].filter(Boolean);
const wanted = () => wordField.value.split(/\s+/).filter(Boolean);
const bank = () => state.banks[bankField.value];

// As fields of a match: `[name, value]`; none where all presets are meant.
function chosen() {
  // Another synth may have a bank of that name.
  const [synths, banks] = bank() ? [[bank().synth], [bank().bank]] : [ticked(), []];
  const groups = { synth: synths, bank: banks, tag: tags(), word: wanted() };
  return Object.entries(groups).flatMap(([name, values]) => values.map((value) => [name, value]));
}

/** What is chosen, as the fields of a match that is being asked for: `[name, value]`; none for all presets. */
export function choice() {
  const fields = chosen();
  state.asked = JSON.stringify(fields);
  return fields;
}

/**
 * Let presets be chosen.
 * @param changed called when others are meant than the last match was asked for.
 */
export function openChoice(changed) {
  state.wanted = changed;
}

/** Offer what a library has. What was chosen of it stays so, as far as it is still there. */
export function offer({ synths, banks, tags: words }) {
  const now = JSON.stringify([synths, banks, words]);
  if (now === state.offered) return;
  const [before, kept, heard, own] = [bank(), ticked(), pressed(), tagField.value];
  Object.assign(state, { synths, banks: banks.filter(({ ready }) => ready), offered: now });
  byId("choice").hidden = !synths.length;
  byId("choice-synths").replaceChildren(...synths.map(({ synth, title, presets }) => make("label", { class: "check" },
    make("input", { type: "checkbox", value: synth, checked: kept.includes(synth) }), title, " ", count(presets))));
  byId("choice-tags").replaceChildren(...words.filter(({ descriptor }) => descriptor).map(({ tag, presets }) =>
    toggle(tag, presets, heard.includes(tag))));
  const others = words.filter(({ descriptor }) => !descriptor);
  byId("choice-others").hidden = !others.length;
  tagField.replaceChildren(make("option", { value: "", text: "any" }), ...others.map(({ tag, presets }) =>
    make("option", { value: tag, text: `${tag} (${presets})`, selected: tag === own })));
  offerBanks(before);
  say();
}

// Those of the synths that are ticked, or of all; the one that was chosen stays if it's among them.
function offerBanks(before) {
  const synths = state.synths.filter(({ synth }) => !ticked().length || ticked().includes(synth));
  bankField.replaceChildren(make("option", { value: "", text: "any" }), ...synths.map(({ synth, title }) =>
    make("optgroup", { label: title }, ...[...state.banks.entries()].filter(([, each]) => each.synth === synth).map(([place, each]) =>
      make("option", {
        value: place, text: `${each.bank} (${each.ready})`, selected: before?.synth === synth && before.bank === each.bank,
      })))));
}

const count = (presets) => make("span", { class: "small", text: presets.toLocaleString("en") });

function toggle(tag, presets, on) {
  const button = make("button", {
    type: "button", class: "chip", value: tag, "aria-pressed": String(on),
    click: () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      changed();
    },
  }, tag, " ", count(presets));
  return button;
}

/** Say in words what is chosen. */
function say() {
  const titles = new Map(state.synths.map(({ synth, title }) => [synth, title]));
  const synths = (bank() ? [bank().synth] : ticked()).map((synth) => titles.get(synth)).join(" or ");
  const parts = [synths, bank()?.bank, ...tags(), ...wanted().map((word) => `“${word}”`)].filter(Boolean);
  byId("choice-said").textContent = parts.join(", ") || "all presets";
}

const tell = settled(PAUSE, () => {
  if (JSON.stringify(chosen()) !== state.asked) state.wanted();
});

function changed() {
  say();
  tell();
}

byId("choice-synths").addEventListener("change", () => {
  offerBanks(bank());
  changed();
});
for (const field of [bankField, tagField]) field.addEventListener("change", changed);
wordField.addEventListener("input", changed);
byId("choice-form").addEventListener("submit", (event) => event.preventDefault());
byId("choice-clear").addEventListener("click", () => {
  for (const box of document.querySelectorAll("#choice-synths input")) box.checked = false;
  for (const button of document.querySelectorAll("#choice-tags button")) button.setAttribute("aria-pressed", "false");
  for (const field of [tagField, wordField]) field.value = "";
  offerBanks();
  changed();
});
