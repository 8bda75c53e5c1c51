// The song as a picture, on which a passage is marked: wavesurfer.js with its regions and spectrogram.
// The one module that needs the bundle; without it, the page has the browser's own player and two number fields.

import WaveSurfer from "wavesurfer.js";
import Regions from "wavesurfer.js/plugins/regions";
import Spectrogram from "wavesurfer.js/plugins/spectrogram";

import { colour } from "./dom.js";

const HEARD_RATE = 16000; // samples a second that the encoder hears: the spectrogram shows what it can know
const LONGEST_SPECTROGRAM = 360; // seconds: beyond, the picture is too coarse to be worth its time
const SHORTEST = 0.25;

let shown = null;
let latest = null; // the file that is to be drawn: decoding another one may take longer

/**
 * Draw a song.
 * @param file what was dropped; `audio` plays it already.
 * @param onPassage called with {start, end} when somebody has marked a passage.
 * @returns a promise of `mark(passage)`, which marks one from outside; refused if the browser can't decode the song, or
 * another one is to be drawn meanwhile.
 */
export async function drawWaveform(container, audio, file, passage, onPassage) {
  latest = file;
  shown?.destroy();
  container.replaceChildren();
  const regions = Regions.create();
  const plugins = [regions];
  if (audio.duration <= LONGEST_SPECTROGRAM) {
    const spectrogram = {
      height: 110, labels: false, fftSamples: 512, scale: "mel", gainDB: 5, rangeDB: 70, useWebWorker: false,
    };
    plugins.push(Spectrogram.create({ ...spectrogram, colorMap: colours() }));
  }
  const data = await decoded(file);
  if (file !== latest) throw new Error("another song is drawn");
  shown = WaveSurfer.create({
    container,
    media: audio,
    peaks: Array.from({ length: data.numberOfChannels }, (_, channel) => data.getChannelData(channel)),
    duration: data.duration,
    sampleRate: HEARD_RATE,
    height: 96,
    normalize: true,
    waveColor: colour("wave"),
    progressColor: colour("accent"),
    cursorColor: colour("text"),
    cspNonce: document.body.dataset.nonce,
    plugins,
  });
  await new Promise((ready, failed) => {
    shown.once("ready", ready);
    shown.once("error", failed);
  });
  let region = regions.addRegion({ ...passage, color: colour("region"), minLength: SHORTEST });
  const told = () => onPassage({ start: region.start, end: region.end });
  regions.enableDragSelection({ color: colour("region"), minLength: SHORTEST });
  regions.on("region-created", (fresh) => {
    if (fresh === region) return;
    region.remove();
    region = fresh;
    told();
  });
  regions.on("region-updated", told);
  return (other) => region.setOptions(other);
}

async function decoded(file) {
  const context = new OfflineAudioContext(1, 1, HEARD_RATE);
  return context.decodeAudioData(await file.arrayBuffer());
}

// 256 steps from the panel's own colour over the accent to white or black, so that silence is no black bar.
function colours() {
  const stops = ["card", "accent", "text"].map((name) => rgb(colour(name)));
  return Array.from({ length: 256 }, (_, step) => {
    const at = (step / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(at), stops.length - 2);
    return [0, 1, 2].map((part) => stops[first][part] + (stops[first + 1][part] - stops[first][part]) * (at - first)).concat(1);
  });
}

function rgb(hex) {
  return [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16) / 255);
}
