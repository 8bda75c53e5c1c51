// The song: dropped or chosen, sent once, and the passage of it that is to be matched.

import { fits, mostBytes, post } from "./api.js";
import { byId, clock } from "./dom.js";
import { forgetNotes } from "./phrases.js";
import { forget, setPassage, stop } from "./player.js";

const audio = byId("song-audio");
const [from, to] = [byId("from"), byId("to")];
const FIRST = 10; // seconds that are heard of a longer song before anybody has marked anything

const state = { id: null, seconds: 0, file: null, mark: () => {} };
let url = "";
let chosen = null; // the file that was chosen last: what the server says of an earlier one comes too late

/** The passage that is marked. */
export const passage = () => ({ song: state.id, seconds: state.seconds, start: Number(from.value), end: Number(to.value) });

/**
 * Let songs be dropped and passages be marked.
 * @param wanted called when the passage at hand is to be matched.
 * @param failed called with an error.
 */
export function openSongs(wanted, failed) {
  const take = (file) => file && load(file, wanted).catch(failed);
  byId("file").addEventListener("change", (event) => {
    take(event.target.files[0]);
    event.target.value = ""; // the same file again is a change, too
  });
  document.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (!byId("view-find").hidden) take(event.dataTransfer.files[0]);
  });
  byId("passage").addEventListener("submit", (event) => {
    event.preventDefault();
    changed({ start: Number(from.value), end: Number(to.value) });
    wanted();
  });
  byId("whole").addEventListener("click", () => {
    changed({ start: 0, end: state.seconds });
    wanted();
  });
  for (const field of [from, to]) {
    field.addEventListener("change", () => changed({ start: Number(from.value), end: Number(to.value) }));
  }
}

async function load(file, wanted) {
  if (!fits([file])) throw new Error(`${file.name} is too large; at most ${Math.round(mostBytes() / 1e6)} MB are taken.`);
  chosen = file;
  stop();
  byId("drop").classList.add("busy");
  try {
    const form = new FormData();
    form.append("file", file);
    const song = await post("/api/songs", form);
    if (file !== chosen) return;
    forget(); // not before: if this one is refused, the song that is there stays as it is
    forgetNotes();
    Object.assign(state, song, { file, mark: () => {} });
    show(song, file);
    const start = song.seconds > 2 * FIRST ? song.seconds / 2 - FIRST / 2 : 0;
    changed({ start, end: Math.min(song.seconds, song.seconds > 2 * FIRST ? start + FIRST : song.seconds) });
    wanted();
    await draw(file, wanted);
  } catch (error) {
    if (file === chosen) throw error;
  } finally {
    if (file === chosen) byId("drop").classList.remove("busy");
  }
}

function show(song, file) {
  byId("drop").hidden = true;
  byId("song").hidden = false;
  byId("song-name").textContent = song.name;
  URL.revokeObjectURL(url);
  url = URL.createObjectURL(file);
  audio.src = url;
  for (const field of [from, to]) field.max = song.seconds.toFixed(1);
}

// The waveform is for the eye: when it can't be had, everything else goes on.
async function draw(file, wanted) {
  const container = byId("waveform");
  audio.controls = true;
  byId("hint").hidden = true;
  try {
    const { drawWaveform } = await import("./waveform.js");
    await known(audio);
    if (file !== state.file) return;
    container.hidden = false;
    const mark = await drawWaveform(container, audio, file, limits(), (marked) => {
      changed(marked, true);
      wanted();
    });
    if (file !== state.file) return;
    state.mark = mark;
    audio.controls = false;
    byId("hint").hidden = false;
  } catch (error) {
    if (file !== state.file) return;
    console.info("no waveform:", error.message);
    container.hidden = true;
  }
}

const known = (sound) => sound.readyState > 0 || new Promise((ready, failed) => {
  sound.addEventListener("loadedmetadata", ready, { once: true });
  sound.addEventListener("error", () => failed(new Error("the browser can't play it")), { once: true });
});

const limits = () => ({ start: Number(from.value), end: Number(to.value) });

function changed(marked, drawn = false) {
  const start = Math.max(0, Math.min(marked.start || 0, state.seconds));
  const end = Math.max(start, Math.min(marked.end || state.seconds, state.seconds));
  from.value = start.toFixed(1);
  to.value = end.toFixed(1);
  setPassage({ start, end });
  byId("song-about").textContent = `${clock(start)} to ${clock(end)} of ${clock(state.seconds)}`;
  if (!drawn) state.mark({ start, end });
}
