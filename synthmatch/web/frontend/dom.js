// Small things that every part of the page uses.

/** What the server calls things: words for scores, for presences, for failures. */
export const words = JSON.parse(document.body.dataset.words);

export const byId = (id) => document.getElementById(id);

/** Make an element; `text` and functions (as listeners) are understood, everything else is an attribute. */
export function make(tag, settings = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name === "text") element.textContent = value;
    else if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Show a sentence in a notice, or hide it if there's none. */
export function notice(element, sentence) {
  element.textContent = sentence || "";
  element.hidden = !sentence;
}

/** Say what went wrong in the view that is open; what is returned takes it back. */
export function trouble({ message }) {
  const place = document.querySelector(".view:not([hidden]) .trouble");
  notice(place, message);
  return () => place.textContent === message && notice(place, "");
}

/** Seconds as people write them: 1:05.3 */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}

export const percent = (chance) => `${Math.round(100 * chance)} %`;

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Ask a function to run once nothing has asked for some milliseconds. */
export function settled(milliseconds, run) {
  let timer = 0;
  return (...what) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...what), milliseconds);
  };
}
