// The library: what is in it, what can be added, what can't be used and why.

import { fits, follow, forgetReferences, get, mostBytes } from "./api.js";
import { offer } from "./choice.js";
import { byId, make, notice, trouble, words } from "./dom.js";

const followed = new Set(); // additions that go on: `{text, value}`, how far each is; the one heard of last comes last
let shown = "";
let edition = "";
let missed = () => {}; // takes back that the library could not be asked for
let asked = 0; // how often it was: an answer that comes late takes nothing back

/** Show what is in the library, or say in the view that is open why that can't be had. */
export const openLibrary = () => showLibrary().catch((error) => { missed = trouble(error); });

/** Show what is in the library now. */
export async function showLibrary() {
  const turn = (asked += 1);
  const told = await get("/api/library");
  if (turn === asked) missed();
  // Though nothing else may have changed since one was lost sight of.
  if (told.adding.length && !followed.size) watch(`/api/library/add/${told.adding[0]}`, {});
  const now = JSON.stringify(told);
  if (now === shown) return; // what is open stays open
  shown = now;
  if (told.edition !== edition) forgetReferences();
  edition = told.edition;
  byId("empty").hidden = told.matchable > 0;
  offer(told);
  byId("library-count").replaceChildren(
    ...[[told.matchable, "sound", "sounds", " to match"], [told.presets, "preset", "presets", ""], [told.banks.length, "bank", "banks", ""],
      [told.failures.length, "preset", "presets", " without a usable sound"]].map(([number, one, many, more]) =>
      make("p", {}, make("b", { text: number.toLocaleString("en") }), ` ${number === 1 ? one : many}${more}`)));
  byId("addable").replaceChildren(...told.addable.map(({ synth, title }) =>
    make("button", { type: "button", text: `Add ${title}`, click: () => add([["synth", synth]]) })));
  byId("banks").accept = told.suffixes.join(",");
  byId("suffixes").textContent = told.suffixes.join(" ");
  byId("banks-table").replaceChildren(told.banks.length ? table(told.banks) : make("p", { class: "small", text: "None yet." }));
  byId("failures").replaceChildren(...failures(told.failures));
}

byId("banks").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  const refused = tooMuch(files);
  if (refused) notice(byId("library-trouble"), refused);
  else add(files.map((file) => ["file", file]));
});

// Why files can't be sent at once, or nothing, if they can.
function tooMuch(files) {
  const [number, megabytes] = [Number(document.body.dataset.limitFiles), Math.round(mostBytes() / 1e6)];
  const large = files.find((file) => !fits([file]));
  if (large) return `${large.name} is too large; at most ${megabytes} MB are taken here, and any size by the command synthmatch library add.`;
  if (files.length > number) return `${files.length} files are too many; at most ${number} are taken at once, so choose the rest after them.`;
  return fits(files) ? "" : `These files are too large together; at most ${megabytes} MB are taken at once, so choose the rest after them.`;
}

function add(fields) {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  notice(byId("library-trouble"), ""); // only here: nobody may have seen it when another addition goes on or ends
  return watch("/api/library/add", { method: "POST", body: form });
}

async function watch(path, settings) {
  const addition = { text: "Reading the presets …" };
  followed.add(addition);
  if (followed.size === 1) say(addition);
  const hear = (news) => {
    followed.delete(addition);
    followed.add(Object.assign(addition, news));
    say(addition);
  };
  try {
    const report = await follow(path, settings, (name, data) => {
      if (name === "estimate") hear({ text: data.sentence });
      if (name !== "progress") return;
      hear({ value: data.done / data.total, text: `${data.done} of ${data.total} presets${data.remark ? `, ${data.remark}` : ""}` });
    });
    followed.delete(addition);
    const text = `${report.rendered} sounds added, ${report.known} were known already, in ${Math.round(report.seconds)} s.`;
    say({ value: 1, text });
  } catch (error) {
    followed.delete(addition);
    say([...followed].at(-1));
    notice(byId("library-trouble"), error.message);
  } finally {
    await showLibrary().catch(() => {});
  }
}

// How far an addition is, or nothing, if there is none.
function say(addition) {
  byId("adding").hidden = !addition;
  if (!addition) return;
  byId("adding-text").textContent = addition.text;
  if (addition.value === undefined) byId("adding-bar").removeAttribute("value");
  else byId("adding-bar").value = addition.value;
}

function table(banks) {
  const heads = ["Synth", "Bank", "Presets", "Ready", "Failed"];
  const rows = banks.map((each) => make("tr", {},
    make("td", { text: each.synth }), make("th", { scope: "row", text: each.bank }),
    ...[each.presets, each.ready, each.failed].map((number) => make("td", { class: "number", text: number }))));
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((head, place) =>
    make("th", { scope: "col", text: head, class: place > 1 ? "number" : "" })))), make("tbody", {}, ...rows));
}

function failures(list) {
  if (!list.length) return [make("p", { class: "small", text: "Nothing: every preset plays." })];
  return [...grouped(list)].map(([kind, presets], place) => make("details", { open: place === 0 },
    make("summary", { text: `${words.failure[kind] ?? kind} (${presets.length})` }),
    make("ul", { class: "failures" }, ...presets.map((each) =>
      make("li", {}, make("b", { text: each.name }), ` ${each.synth} · ${each.bank}`, make("p", { class: "small", text: each.reason }))))));
}

function grouped(list) {
  const kinds = new Map();
  for (const each of list) kinds.set(each.failure, [...(kinds.get(each.failure) ?? []), each]);
  return kinds;
}
