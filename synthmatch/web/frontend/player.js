// What is heard: the song's passage or a preset, never both, and both at one level.

import { sound } from "./api.js";
import { byId, clock } from "./dom.js";

const song = byId("song-audio");
const match = byId("match-audio");
const bar = byId("bar");

const now = { preset: null, level: null, songLevel: null, passage: null, side: "match" };
const watchers = new Set();

/** Be told whenever something else plays, or nothing. */
export const onChange = (watcher) => watchers.add(watcher);

export const playing = () => ({ ...now, sounds: !song.paused || !match.paused });

/** Where the song is played from and to, in seconds, and how loud it is there, in dB. */
export function setPassage(passage) {
  now.passage = passage;
}

export function setSongLevel(level) {
  now.songLevel = level;
  balance();
}

// The louder of the two is turned down to the other: nothing is ever turned up into clipping.
function balance() {
  const levels = [now.songLevel, now.level].filter(Number.isFinite);
  const target = Math.min(...levels);
  const volume = (level) => (Number.isFinite(level) ? Math.min(1, 10 ** ((target - level) / 20)) : 1);
  song.volume = volume(now.songLevel);
  match.volume = volume(now.level);
}

/** Play a preset: `{id, name, about, files}`. */
export async function playPreset(preset) {
  song.pause();
  const fresh = now.preset?.id !== preset.id;
  Object.assign(now, { preset, side: "match" });
  show();
  if (fresh) {
    match.pause();
    const { url, level } = await sound(preset.id);
    if (now.preset !== preset) return; // another one was asked for meanwhile
    now.level = level;
    match.src = url;
    balance();
  }
  match.currentTime = 0;
  await play(match);
}

/** Play the song's passage from its beginning. */
export async function playSong() {
  match.pause();
  now.side = "song";
  if (now.passage) song.currentTime = now.passage.start;
  await play(song);
}

async function play(audio) {
  try {
    await audio.play();
  } catch (error) {
    if (error.name !== "AbortError") throw error; // paused before it began
  }
  show();
}

/** Pause what plays, or go on. */
export async function toggle() {
  const audio = now.side === "song" || !now.preset ? song : match;
  if (!audio.paused) audio.pause();
  else if (audio === song) await toggleSong();
  else await play(match);
}

export async function toggleSong() {
  if (!song.paused) return song.pause();
  const inside = now.passage && song.currentTime >= now.passage.start && song.currentTime < now.passage.end - 0.05;
  if (!inside) return playSong();
  match.pause();
  now.side = "song";
  return play(song);
}

/** Switch between the song and the match. */
export async function switchSides() {
  if (!now.preset) return now.passage && toggleSong();
  if (now.side === "song") {
    song.pause();
    now.side = "match";
    match.currentTime = 0;
    return play(match);
  }
  return now.passage && playSong();
}

export function stop() {
  song.pause();
  match.pause();
  match.currentTime = 0;
}

/** Forget the preset, with the song that it was found for. */
export function forget() {
  stop();
  Object.assign(now, { preset: null, level: null, songLevel: null, side: "match" });
  match.removeAttribute("src");
  show();
}

function show() {
  const { preset, side } = now;
  bar.hidden = !preset;
  document.body.classList.toggle("with-bar", Boolean(preset));
  for (const [id, audio, what] of [["bar-play", side === "song" ? song : match, "Play"], ["song-play", song, "Play the passage"]]) {
    byId(id).setAttribute("aria-pressed", String(!audio.paused));
    byId(id).setAttribute("aria-label", audio.paused ? what : "Pause");
  }
  if (preset) {
    byId("bar-name").textContent = preset.name;
    byId("bar-about").textContent = preset.about;
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
  if (side === "song" && passage && at >= passage.end) song.pause();
  byId("bar-head").style.width = `${Math.max(0, Math.min(100, (100 * (at - begin)) / (end - begin)))}%`;
  byId("bar-track").title = clock(Math.max(0, at - begin));
  if (!song.paused || !match.paused) requestAnimationFrame(draw);
}

for (const audio of [song, match]) {
  for (const change of ["play", "pause", "ended"]) audio.addEventListener(change, show);
  audio.addEventListener("play", () => requestAnimationFrame(draw));
}
song.addEventListener("play", () => {
  match.pause();
  now.side = "song";
  show();
});
byId("bar-play").addEventListener("click", toggle);
byId("song-play").addEventListener("click", toggleSong);
byId("hear-song").addEventListener("click", () => now.side === "match" && switchSides());
byId("hear-match").addEventListener("click", () => now.side === "song" && switchSides());
