// The page: three views of one library, and what leads from one to the other.

import { openChoice } from "./choice.js";
import { byId, notice } from "./dom.js";
import "./keys.js";
import { openLibrary, showLibrary } from "./library.js";
import { showMap } from "./map.js";
import { find } from "./results.js";
import { openSongs, passage } from "./song.js";

const failed = (error) => notice(byId("trouble"), error.message);

function match() {
  notice(byId("trouble"), "");
  find(passage()).catch((error) => {
    byId("found").hidden = true;
    failed(error);
  });
}

const OPEN = { find: () => {}, map: showMap, library: openLibrary };

function view() {
  const wanted = location.hash.slice(1) || "find";
  if (!Object.hasOwn(OPEN, wanted)) return; // a place within the view, as the first link names it
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.dataset.view === wanted;
    byId(`view-${link.dataset.view}`).hidden = !here;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  OPEN[wanted]();
}

window.addEventListener("hashchange", view);
window.addEventListener("focus", () => showLibrary().catch(() => {})); // another command may have changed it
openSongs(match, failed);
openChoice(() => passage().song && match());
view();
openLibrary();
