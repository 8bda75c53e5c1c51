// The server's API: JSON, sounds, and events as they come.

/** What the server refused, in its own sentence. */
class Refused extends Error {}

async function checked(answer) {
  if (answer.ok) return answer;
  let sentence = `The server answered ${answer.status}.`;
  try {
    sentence = (await answer.json()).error || sentence;
  } catch { /* not ours: the status has to do */ }
  throw Object.assign(new Refused(sentence), { status: answer.status });
}

async function reach(path, settings) {
  try {
    return await fetch(path, settings);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server doesn't answer; is `synthmatch serve` still running?");
  }
}

const WRAPPING = 1000; // bytes, at most, that a form adds to a file: its name, its kind, what parts it from the next

/** How many bytes a request may have, and whether files have no more. What has is refused unread, which looks as if no
 * server were there. */
export const mostBytes = () => Number(document.body.dataset.limitBytes);
export const fits = (files) => files.reduce((sum, { size }) => sum + size + WRAPPING, 0) <= mostBytes();

export const get = async (path) => (await checked(await reach(path))).json();

export const post = async (path, form, signal) => (await checked(await reach(path, { method: "POST", body: form, signal }))).json();

/**
 * Follow a job.
 * @param hear called with an event's name and data, in order.
 * @returns what the last event told.
 */
export async function follow(path, settings, hear) {
  const headers = { Accept: "text/event-stream" };
  const answer = await checked(await reach(path, { ...settings, headers }));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Refused("The server has stopped; start `synthmatch serve` again.");
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      // A name may hold what JavaScript takes for the end of a line, and JSON doesn't: hence the flag.
      const fields = Object.fromEntries(block.split("\n").map((line) => line.match(/^(\w*): ?(.*)$/s)?.slice(1) ?? ["", ""]));
      if (!fields.event) continue;
      const data = JSON.parse(fields.data);
      if (fields.event === "error") throw new Refused(data.error);
      hear(fields.event, data);
      if (fields.event === "done") return data;
    }
  }
}

const sounds = new Map();
const KEPT = 80;

/** A sound of the server's: an address that plays at once, and its level in dB. */
export function sound(path) {
  const known = sounds.get(path);
  if (known) return known;
  const wanted = load(path).catch((error) => {
    sounds.delete(path);
    throw error;
  });
  sounds.set(path, wanted);
  if (sounds.size > KEPT) {
    const [oldest, old] = sounds.entries().next().value;
    sounds.delete(oldest);
    old.then(({ url }) => URL.revokeObjectURL(url), () => {});
  }
  return wanted;
}

const PRESETS = "/api/presets/";

/** A preset's reference notes. */
export const reference = (id) => sound(`${PRESETS}${id}/sound`);

/** Ask for reference notes again: the library has changed, and with it they may have. */
export function forgetReferences() {
  for (const [path, old] of sounds) {
    if (!path.startsWith(PRESETS)) continue;
    sounds.delete(path);
    old.then(({ url }) => URL.revokeObjectURL(url), () => {});
  }
}

async function load(path) {
  const answer = await checked(await reach(path));
  const level = Number(answer.headers.get("Synthmatch-Level"));
  return { url: URL.createObjectURL(await answer.blob()), level };
}
