// What is heard: the song's passage or a preset, never both, and both at one level.

import { reference } from "./api.js";
import { byId, clock, trouble } from "./dom.js";

const song = byId("song-audio");
const match = byId("match-audio");
const bar = byId("bar");

// A take is what a preset plays: `{url, level}`; of the song's phrase also `begins`, the second of the song where it does.
const now = { preset: null, take: null, songLevel: null, passage: null, side: "match" };
const watchers = new Set();
let until; // the second at which the song stops: none if the browser's own player began it
let mended = () => {}; // takes back what was said of a sound that didn't come

const said = (act) => (...what) => act(...what).catch((error) => { mended = trouble(error); });

/** Be told whenever something else plays, or nothing. */
export const onChange = (watcher) => watchers.add(watcher);

export const playing = () => ({ ...now, sounds: !song.paused || !match.paused });

/** Where the song is played from and to, in seconds, and how loud it is there, in dB. */
export function setPassage(passage) {
  now.passage = passage;
  if (until !== undefined) until = passage.end;
}

export function setSongLevel(level) {
  now.songLevel = level;
  balance();
}

// The louder of the two is turned down to the other: nothing is ever turned up into clipping.
function balance() {
  const level = now.take?.level;
  const levels = [now.songLevel, level].filter(Number.isFinite);
  const target = Math.min(...levels);
  const volume = (each) => (Number.isFinite(each) ? Math.min(1, 10 ** ((target - each) / 20)) : 1);
  song.volume = volume(now.songLevel);
  match.volume = volume(level);
}

const takeOf = (preset) => preset.take?.() ?? reference(preset.id);

function load(take) {
  if (take.url !== now.take?.url) match.src = take.url;
  now.take = take;
  mended();
  balance();
}

// Until another sound comes, if it does, the one before isn't to be heard under another name.
function unload() {
  match.pause();
  match.removeAttribute("src");
  match.load(); // or the browser goes on with what it has
  now.take = null;
}

/** Play a preset: `{id, name, about, files}`, and `take`, a function, if it may play other than its reference notes. */
export const playPreset = said(async (preset) => {
  song.pause();
  if (now.preset !== preset) unload();
  Object.assign(now, { preset, side: "match" });
  show();
  const take = await takeOf(preset);
  if (now.preset !== preset) return; // another one was asked for meanwhile
  load(take);
  match.currentTime = 0;
  if (now.side === "match") await play(match); // else the song, meanwhile
});

/** Take what the preset at hand would play now: if it sounds, only if it may be interrupted. */
export async function retake(interrupting) {
  const { preset } = now;
  if (!preset || (!interrupting && !match.paused)) return;
  const take = await takeOf(preset);
  const sounds = !match.paused;
  if (now.preset !== preset || (sounds && !interrupting)) return;
  load(take);
  if (sounds) await play(match);
  show();
}

/** Play the song's passage, or another stretch of the song. */
export const playSong = said(async (from = now.passage?.start, to = now.passage?.end) => {
  match.pause();
  now.side = "song";
  until = to;
  if (now.passage) song.currentTime = from;
  await play(song);
});

const inPassage = (second) => now.passage && second >= now.passage.start && second < now.passage.end - 0.05;

// A phrase is in step with the song, so the other side goes on at the same moment of it: of the song, where that is in
// the passage, since another one may have been marked meanwhile.
function moment() {
  const begins = now.take?.begins;
  if (begins === undefined) return { song: now.passage?.start, match: 0 };
  const [second, at] = [begins + (match.ended ? 0 : match.currentTime), song.currentTime - begins];
  return { song: inPassage(second) ? second : now.passage?.start, match: at > 0 && at < match.duration ? at : 0 };
}

// Paused before it began; or a browser that plays nothing before the first click or key on a page, where pointing at the
// map alone stays silent until then.
const NO_TROUBLE = ["AbortError", "NotAllowedError"];

async function play(audio) {
  try {
    await audio.play();
  } catch (error) {
    if (!NO_TROUBLE.includes(error.name)) throw error;
  }
  show();
}

// What the preset plays may not have come: then it is asked for again.
const playMatch = () => (now.take ? play(match) : playPreset(now.preset));

/** Pause what plays, or go on. */
export const toggle = said(async () => {
  const audio = now.side === "song" || !now.preset ? song : match;
  if (!audio.paused) audio.pause();
  else if (audio === song) await toggleSong();
  else await playMatch();
});

const toggleSong = said(async () => {
  if (!song.paused) return song.pause();
  if (!inPassage(song.currentTime)) return playSong();
  match.pause();
  now.side = "song";
  until = now.passage.end;
  return play(song);
});

/** Switch between the song and the match. */
export const switchSides = said(async () => {
  if (!now.preset) return now.passage && toggleSong();
  if (now.side === "song") {
    song.pause();
    now.side = "match";
    match.currentTime = moment().match;
    return playMatch();
  }
  return now.passage && playSong(moment().song);
});

export function stop() {
  song.pause();
  match.pause();
  match.currentTime = 0;
}

/** Forget the preset, with the song that it was found for. */
export function forget() {
  stop();
  unload();
  Object.assign(now, { preset: null, songLevel: null, side: "match" });
  show();
}

/** Show what is at hand, and in the bar: the preset, or only how many were chosen before anything was played. */
export function show() {
  const { preset, side } = now;
  bar.hidden = !preset && byId("bar-chosen").hidden;
  for (const id of ["bar-play", "bar-text", "ab", "bar-files"]) byId(id).hidden = !preset;
  document.body.classList.toggle("with-bar", !bar.hidden);
  for (const [id, audio] of [["bar-play", side === "song" ? song : match], ["song-play", song]]) {
    byId(id).setAttribute("aria-pressed", String(!audio.paused)); // which says it all: “Pause, pressed” would be paused
  }
  if (preset) {
    byId("bar-name").textContent = preset.name;
    byId("bar-about").textContent = [preset.about, now.take?.words].filter(Boolean).join(" · ");
    byId("bar-files").href = preset.files;
    byId("ab").hidden = !now.passage;
    byId("hear-song").setAttribute("aria-pressed", String(side === "song"));
    byId("hear-match").setAttribute("aria-pressed", String(side === "match"));
  }
  for (const watcher of watchers) watcher(playing());
}

function draw() {
  const { side, passage } = now;
  const [begin, end] = side === "song" && passage ? [passage.start, passage.end] : [0, match.duration || 1];
  const at = (side === "song" ? song : match).currentTime;
  stopAtEnd();
  byId("bar-head").style.width = `${Math.max(0, Math.min(100, (100 * (at - begin)) / (end - begin)))}%`;
  byId("bar-track").title = clock(Math.max(0, at - begin));
  if (!song.paused || !match.paused) requestAnimationFrame(draw);
}

function stopAtEnd() {
  if (song.currentTime >= until) song.pause();
}

for (const audio of [song, match]) {
  for (const change of ["play", "pause", "ended"]) audio.addEventListener(change, show);
  audio.addEventListener("play", () => requestAnimationFrame(draw));
}
song.addEventListener("timeupdate", stopAtEnd); // in a tab that isn't seen nothing is drawn
song.addEventListener("pause", () => {
  if (song.paused) until = undefined; // told late, it may have been asked for again
});
song.addEventListener("play", () => {
  if (song.paused) return; // told late: the match has been asked for since
  match.pause();
  now.side = "song";
  show();
});
byId("bar-play").addEventListener("click", toggle);
byId("song-play").addEventListener("click", toggleSong);
byId("hear-song").addEventListener("click", () => now.side === "match" && switchSides());
byId("hear-match").addEventListener("click", () => now.side === "song" && switchSides());
