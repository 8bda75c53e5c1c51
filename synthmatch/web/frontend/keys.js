// The keyboard is enough: which key does what in the view that lists matches.

import { byId } from "./dom.js";
import { switchNotes } from "./phrases.js";
import { playing, stop, switchSides, toggle } from "./player.js";
import { cards, choose, current, start } from "./results.js";

const parts = () => [...document.querySelectorAll(".part:not([hidden])")].filter((part) => part.querySelector(".card"));

function beside(steps) {
  const all = cards();
  const at = all.indexOf(current());
  return at < 0 ? all[0] : all[Math.max(0, Math.min(all.length - 1, at + steps))];
}

function otherPart(steps) {
  const all = parts();
  const at = all.indexOf(current()?.closest(".part"));
  const part = at < 0 ? all[0] : all[Math.max(0, Math.min(all.length - 1, at + steps))];
  return part?.querySelector(".card");
}

const play = (element) => element && start(element);

const KEYS = {
  " ": toggle,
  ArrowLeft: () => play(beside(-1)),
  ArrowRight: () => play(beside(1)),
  ArrowUp: () => play(otherPart(-1)),
  ArrowDown: () => play(otherPart(1)),
  b: switchSides,
  p: switchNotes,
  c: () => current() && choose(current()),
  Escape: stop,
};

function numbered(key) {
  const part = current()?.closest(".part") ?? parts()[0];
  const element = part?.querySelectorAll(".card")[Number(key) - 1];
  if (element) start(element);
}

// Whether there is something that Space could play or pause: else it scrolls, as on any page.
function playable() {
  const { preset, sounds } = playing();
  return Boolean(preset) || sounds || (!byId("view-find").hidden && !byId("song").hidden);
}

// What a field makes of a key is its own affair, and so is what the map has made use of. A button keeps Space and Enter,
// and a region that scrolls Space, but for the button of the card at hand: whatever key began the card has left the
// keyboard there, and Space goes on with the side that was heard.
const TAKES_TEXT = "input:not([type=checkbox], [type=file]), textarea, select, audio";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.target.closest(TAKES_TEXT)) return;
  const finding = !byId("view-find").hidden && !byId("found").hidden;
  const act = finding && /^[1-9]$/.test(event.key) ? () => numbered(event.key) : KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || (!finding && event.key !== "Escape" && event.key !== " ")) return;
  const ownSpace = event.target.closest("button, a, summary, input, .scroll") && !event.target.closest(".card.current .play");
  if ((event.key === " " && (ownSpace || !playable())) || (event.shiftKey && event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  act();
});
