"use strict";
(() => {
  const sounds = [...document.querySelectorAll(".sound")].map((box) => {
    const [audio, view, head, clock, button] = ["audio", ".view", ".head", ".clock", ".play"].map((each) =>
      box.querySelector(each));
    return { box, audio, view, head, clock, button, seconds: Number(audio.dataset.seconds) };
  });
  let current = null;

  const draw = (sound) => {
    const at = Math.min(sound.audio.currentTime, sound.seconds);
    sound.head.style.left = `calc(${(100 * at) / sound.seconds}% - 1px)`;
    sound.clock.textContent = `${at.toFixed(1)} / ${sound.seconds.toFixed(1)} s`;
  };

  const show = (sound) => {
    const playing = !sound.audio.paused && !sound.audio.ended;
    sound.box.classList.toggle("playing", playing);
    sound.button.setAttribute("aria-pressed", String(playing));
    if (playing) tick(sound);
    draw(sound);
  };

  const tick = (sound) => {
    if (sound.audio.paused) return;
    draw(sound);
    requestAnimationFrame(() => tick(sound));
  };

  const rewind = (sound) => {
    sound.audio.pause();
    sound.audio.currentTime = 0;
    sound.box.classList.remove("begun");
    draw(sound);
  };

  const play = (sound) => {
    if (current && current !== sound) rewind(current);
    current = sound;
    sound.box.classList.add("begun");
    sound.audio.play().catch(() => show(sound));
  };

  const seek = (sound, seconds) => {
    const at = Math.max(0, Math.min(seconds, sound.seconds - 0.01));
    const jump = () => { sound.audio.currentTime = at; draw(sound); };
    if (sound.audio.readyState > 0) jump();
    else sound.audio.addEventListener("loadedmetadata", jump, { once: true });
  };

  const middle = (sound) => {
    const at = sound.button.getBoundingClientRect();
    return [at.left + at.width / 2, at.top + at.height / 2];
  };

  // The nearest sound above (-1) or below (1): first by row, then by column.
  const vertical = (sound, way) => {
    const [x, y] = middle(sound);
    let best = null;
    for (const other of sounds) {
      const [left, top] = middle(other);
      const away = (top - y) * way;
      if (away < 8) continue;
      const cost = [Math.round(away / 8), Math.abs(left - x)];
      if (!best || cost[0] < best.cost[0] || (cost[0] === best.cost[0] && cost[1] < best.cost[1])) {
        best = { other, cost };
      }
    }
    return best && best.other;
  };

  const keys = {
    ArrowLeft: (sound) => go(sounds[sounds.indexOf(sound) - 1]),
    ArrowRight: (sound) => go(sounds[sounds.indexOf(sound) + 1]),
    ArrowUp: (sound) => go(vertical(sound, -1)),
    ArrowDown: (sound) => go(vertical(sound, 1)),
    ",": (sound) => seek(sound, sound.audio.currentTime - 1),
    ".": (sound) => seek(sound, sound.audio.currentTime + 1),
  };

  const go = (sound) => {
    if (!sound) return;
    sound.button.focus();
    sound.box.scrollIntoView({ block: "nearest" });
  };

  for (const sound of sounds) {
    sound.box.classList.add("live");
    sound.button.hidden = false;
    sound.audio.controls = false;
    for (const change of ["play", "pause", "ended"]) sound.audio.addEventListener(change, () => show(sound));
    sound.audio.addEventListener("error", () => { sound.clock.textContent = "this browser can't play it"; });
    sound.button.addEventListener("click", (event) => {
      event.stopPropagation();
      if (sound.audio.paused) play(sound);
      else sound.audio.pause();
    });
    sound.button.addEventListener("keydown", (event) => {
      const act = keys[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act(sound);
    });
    sound.view.addEventListener("click", (event) => {
      const box = sound.view.getBoundingClientRect();
      play(sound);
      seek(sound, (sound.seconds * (event.clientX - box.left)) / box.width);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && current) rewind(current);
  });
  document.querySelector(".keys").hidden = sounds.length === 0;
})();
