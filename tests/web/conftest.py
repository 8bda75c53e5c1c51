"""A real library of the built-in synth with one preset that makes no sound, the server on it, a browser before it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.presets import faustsynth
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.catalogue import SYNTHS
from synthmatch.presets.faustsynth import factory_bank_path
from synthmatch.presets.formats import native_format
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.synths import bank_folders, is_installed
from synthmatch.web.app import create_app
from synthmatch.web.limits import Limits
from synthmatch.web.studio import Studio

_SMALL = EncoderConfig(channels=(8, 8, 8), blocks=(1, 1, 1), width=16, layers=1, heads=2, dimension=24)
_PRESETS = 12
CHROMIUM = shutil.which("chromium")
PATIENCE = 120_000  # milliseconds: how slow a machine may be
LIMITS = replace(Limits(), upload_bytes=20_000_000, song_seconds=60.0, waiting=30, matches=9)


@dataclass(frozen=True)
class Made:
    """Made once: to be read, not changed.

    Args:
        library: of 12 sounds, and "Mute", which makes none.
        model: the encoder's file.
        bank: of three more presets.
        song: 6 seconds of two presets of the library.
    """

    library: Path
    model: Path
    bank: Path
    song: Path


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        encoder = Encoder(_SMALL).eval()
        for family, chance in (("bass", 2), ("pad", 1)):
            place = _SMALL.families.index(family)
            encoder.family_bias[place] = 5  # presets are found under both,
            encoder.presence_bias[place] = chance  # and both are heard
    return encoder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Made:
    folder = tmp_path_factory.mktemp("web")
    made = Made(folder / "library", folder / "encoder.safetensors", folder / "more.faustpatch", folder / "song.flac")
    encoder.save(made.model)
    presets = list(PresetBank.read(factory_bank_path()))
    native_format("faust").write(made.bank, presets[5:8])
    mute = Preset("Mute", faustsynth.make_state({"osc1_level": 0, "level": -48}))
    native_format("faust").write(folder / "some.faustpatch", [*presets[:: len(presets) // _PRESETS][:_PRESETS], mute])
    with Library.create(made.library) as library, RenderPool(1) as pool:
        library.add(PresetBank.read(folder / "some.faustpatch"), encoder=encoder, pool=pool)
        first, second = (library.preview(each.id).samples for each in library.presets()[:2])
    audio.write(made.song, Clip((first + second) * np.float32(0.4), 44_100).between(0, 6))
    return made


@pytest.fixture
def studio(made: Made, encoder: Encoder, tmp_path: Path) -> Iterator[Studio]:
    """The rooms, on a library of this test's own."""
    shutil.copytree(made.library, tmp_path / "library")
    with Studio(tmp_path / "library", encoder, LIMITS) as studio:
        yield studio


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    """A client on this machine."""
    with TestClient(create_app(studio), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="session")
def drawn() -> Callable[[TestClient], Any]:
    """Waits for a library's map, as the page does, and returns it."""

    def wait(client: TestClient) -> Any:
        deadline = time.monotonic() + PATIENCE / 1000
        while (answer := client.get("/api/map")).status_code == 503:
            assert time.monotonic() < deadline, "the map is never drawn"
            time.sleep(0.02)
        return answer.json()

    return wait


@dataclass(frozen=True)
class Visit:
    """Somebody who looks at the page.

    Args:
        page: Playwright's.
    """

    page: Any

    def drop(self, file: Path) -> None:
        """Drag a file in, as a file manager does."""
        data = b64encode(file.read_bytes()).decode()
        transfer = self.page.evaluate_handle(
            """([name, data]) => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([Uint8Array.from(atob(data), (each) => each.charCodeAt(0))], name));
              return transfer;
            }""",
            [file.name, data],
        )
        self.page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
        self.page.dispatch_event("body", "drop", {"dataTransfer": transfer})

    def found(self) -> None:
        """Wait for what is found."""
        self.page.wait_for_selector(".card:visible")
        self.page.wait_for_selector("#progress", state="hidden")

    def until(self, expression: str) -> None:
        """Wait for something to be true. Playwright's own way evaluates a string in the page: its policy forbids it."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}"
            self.page.wait_for_timeout(50)

    def catches(self, held: Sequence[object]) -> None:
        """Wait until a request is held back."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not held:
            assert time.monotonic() < deadline, "the page never asks"
            self.page.wait_for_timeout(50)

    def hears(self, audio: str) -> None:
        """Wait until it moves."""
        element = f"document.querySelector('{audio}')"
        self.until(f"{element}.currentTime > 0.2 && !{element}.paused")

    def plays(self, pick: str) -> None:
        """Wait until a match is at hand, and heard."""
        self.until(f"document.querySelector('.card.current')?.dataset.pick === '{pick}'")
        self.hears("#match-audio")

    def picks(self) -> list[str]:
        """The matches that are shown, in order: family and rank."""
        cards = "cards => cards.filter((each) => each.offsetParent).map((each) => each.dataset.pick)"
        picks: list[str] = self.page.eval_on_selector_all(".card", cards)
        return picks

    def downloads(self, act: Callable[[], object], folder: Path) -> Path:
        """A zip that comes of doing something, unpacked."""
        with self.page.expect_download() as download:
            act()
        with zipfile.ZipFile(Path(download.value.path())) as files:
            files.extractall(folder)
        return folder


@contextmanager
def serve(library: Path, model: Path, host: str = "127.0.0.1", end: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """The address that a server in a process of its own prints; ``end`` is what ends it."""
    command = [sys.executable, "-m", "synthmatch", "serve", "--no-browser", "--port", "0", "--host", host]
    command += ["--library", str(library), "--model", str(model)]
    before = signal.signal(end, signal.SIG_DFL)  # what started the tests may ignore it, as nohup does, and so would it
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(end, before)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("The page: http://"), line
    try:
        yield line.split()[-1]
    finally:
        process.send_signal(end)
        _, errors = process.communicate(timeout=180)  # it ends the step that it is at, which a busy machine may delay
    assert "Traceback" not in errors, errors


@dataclass(frozen=True)
class Served:
    """A library of this module's own, and where its page is."""

    library: Path
    address: str


@pytest.fixture(scope="session")
def amsynth() -> tuple[Preset, ...]:
    """Presets of a real bank of amsynth's; without the plugin a test is skipped."""
    row = SYNTHS["amsynth"]
    if not is_installed(row) or not bank_folders(row):
        pytest.skip(f"amsynth and its banks aren't all on this machine; {row.remedy}")
    return tuple(PresetBank.read(bank_folders(row)[0] / "BriansBank05.amSynth.bank"))


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[str]]:
    """Serves a library: ``with serving(library, model) as address``; to other machines, too, with ``host``, and until
    the signal ``end``."""
    return serve


@pytest.fixture(scope="module")
def served(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    library = tmp_path_factory.mktemp("served") / "library"
    shutil.copytree(made.library, library)
    with serve(library, made.model) as address:
        yield Served(library, address)


@pytest.fixture(scope="module")  # no longer: as long as it is there, its event loop runs in this thread
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test in a browser")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: install Debian's package of that name to test the page in a browser")
    flags = ["--autoplay-policy=no-user-gesture-required", "--mute-audio", "--no-sandbox"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Opens an address in a window of its own, of which nothing is reported that a developer would want to know."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_page(address: str, width: int = 1280, height: int = 860, **settings: Any) -> Visit:
        context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.goto(address)
        return Visit(page)

    yield open_page
    for context in contexts:
        context.close()
    assert [each for each in complaints if "Failed to load resource" not in each] == []  # what a test refuses it
