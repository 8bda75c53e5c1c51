from __future__ import annotations

import base64
import hashlib
import io
import re
from collections import Counter
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthmatch.audio import Clip
from synthmatch.pages import report
from synthmatch.pages.cards import (
    WORDS_FOR_SCORE,
    FamilySection,
    MatchCard,
    Page,
    Passage,
    PresetCard,
    Sound,
    Tally,
    describe,
    outcome,
)
from synthmatch.sound.levels import levelled

RATE = 44_100
HOSTILE = "</script><script>alert(1)</script>\"'><img src=http://evil.test/x onerror=alert(2)> & \u202e$title ${x}"
VOID = {"meta", "img", "link", "br", "input"}


class Reader(HTMLParser):
    """Collects tags and text, and fails on tags that don't nest."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: dict[str, str] = {}
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            self.inside[self._open[-1]] = self.inside.get(self._open[-1], "") + data
        else:
            self.texts.append(data)

    def close(self) -> None:
        super().close()
        assert not self._open

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def noise(seed: int, seconds: float = 0.5, channels: int = 1) -> Clip:
    samples = np.random.default_rng(seed).normal(0, 0.1, (channels, round(seconds * RATE)))
    return Clip(samples.astype(np.float32), RATE)


def card(name: str, seed: int, seconds: float = 0.5, **more: str) -> PresetCard:
    return PresetCard(name, "Synth", "Bank", Sound(noise(seed, seconds), f"sound of {name}"), **more)


def section(
    found: int | None, title: str = "Bass", seconds: float = 0.5, true_rank: int | None = None
) -> FamilySection:
    matches = tuple(
        MatchCard(rank, 1 - 0.2 * rank, card(f"match {rank}", rank, seconds), rank == found) for rank in (1, 2, 3)
    )
    return FamilySection(title, matches, 0.7, card("true one", 9, seconds), true_rank or found, 615)


def hostile_page() -> Page:
    silent = PresetCard(HOSTILE, HOSTILE, HOSTILE, None, file=HOSTILE, note=HOSTILE)
    loud = card(HOSTILE, 1, file=HOSTILE, note=HOSTILE)
    matches = (MatchCard(1, 0.5, loud, False), MatchCard(2, 0.4, silent, False))
    found = FamilySection(HOSTILE, matches, 0.5, card(HOSTILE, 2), 20)
    passage = Passage(HOSTILE, Sound(noise(3), HOSTILE), (found,))
    return Page(HOSTILE, HOSTILE, (passage, passage), ((HOSTILE, HOSTILE),))


@pytest.fixture(scope="module")
def page() -> Page:
    sections = (section(1), section(3, "Lead"), section(None, "Percussion", true_rank=14), FamilySection("Pad", ()))
    passages = tuple(Passage(f"Mixture {n}", Sound(noise(n, 1.25), f"Mixture {n}"), sections) for n in (1, 2))
    return Page("A page", "An intro.", passages, (("Encoder", "abc"),))


@pytest.fixture(scope="module")
def html(page: Page) -> str:
    return report.render(page)


def test_the_page_parses_and_each_sound_has_player_picture_and_name(html: str) -> None:
    reader = read(html)
    counts = Counter(tag for tag, _ in reader.tags)
    assert counts["audio"] == counts["img"] == counts["button"] == 2 * (1 + 3 * 4)
    assert all(audio["aria-label"] for audio in reader.all("audio"))
    assert all(button["aria-label"] for button in reader.all("button"))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"] for link in reader.all("a")} <= {f"#{each}" for each in ids}


def test_nothing_is_fetched_from_anywhere(html: str) -> None:
    reader = read(html)
    shown = re.sub(r"data:[a-z/]+;base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|<iframe|srcset", shown)
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        if "src" in attributes:
            kind = {"img": "data:image/png;base64,", "audio": "data:audio/mpeg;base64,"}[tag]
            assert (attributes["src"] or "").startswith(kind)


def test_the_policy_allows_this_style_and_this_script_and_nothing_else(html: str) -> None:
    reader = read(html)
    (policy,) = (meta["content"] or "" for meta in reader.all("meta") if meta.get("http-equiv"))
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(reader.inside[tag].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == rules["media-src"] == "data:"


def test_every_sound_decodes_to_its_length(html: str) -> None:
    lengths = []
    for audio in read(html).all("audio"):
        data = base64.b64decode((audio["src"] or "").partition(",")[2], validate=True)
        samples, rate = soundfile.read(io.BytesIO(data))
        assert len(samples) / rate == pytest.approx(float(audio["data-seconds"] or 0), abs=1 / rate)
        lengths.append(round(len(samples) / rate, 3))
    assert Counter(lengths) == {1.25: 2, 0.5: 24}


def test_what_is_heard_is_what_was_given() -> None:
    clip = Clip(np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE)[None].astype(np.float32), RATE)
    html = report.render(Page("t", "", (Passage("p", Sound(clip, "s"), ()),)))
    data = base64.b64decode((read(html).all("audio")[0]["src"] or "").partition(",")[2])
    heard = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    middle = slice(RATE // 4, 3 * RATE // 4)
    assert np.abs(heard - levelled(clip).mono())[middle].max() < 0.01


def test_hostile_names_stay_text() -> None:
    html = report.render(hostile_page())
    reader = read(html)
    assert Counter(tag for tag, _ in reader.tags)["script"] == 1
    assert len(reader.all("img")) == len(reader.all("audio"))
    assert "".join(reader.texts).count(HOSTILE) >= 10  # shown as it is, in every place
    assert all(HOSTILE in (audio["aria-label"] or "") for audio in reader.all("audio"))


def test_found_and_missed_are_said_in_words(html: str) -> None:
    text = " ".join(read(html).texts)
    assert "2 of 6 parts found first, 4 among the first three" in text
    for sentence in ("Found first", "Found third", "Missed: the true preset came in place 14 of 615", "✓ the truth"):
        assert text.count(sentence) >= 2
    assert text.count("No match.") == 2


def test_a_preset_without_sound_says_why() -> None:
    broken = PresetCard("Broken", "Synth", "Bank", None, note="It took longer than 20 s to load.")
    passage = Passage("p", Sound(noise(1), "p"), (FamilySection("Bass", (MatchCard(1, 0.5, broken),)),))
    text = " ".join(read(report.render(Page("t", "", (passage,)))).texts)
    assert "no sound" in text
    assert "It took longer than 20 s to load." in text
    assert "found first" not in text.lower()  # no truth is known, so nothing is counted


def test_one_of_seven_mixtures_takes_a_seventh_of_the_room() -> None:
    sections = tuple(section(None, title, 10.0) for title in ("Percussion", "Bass", "Lead"))
    passage = Passage("Mixture", Sound(noise(0, 10.0), "Mixture"), sections)  # noise: nothing compresses worse
    limit = report.SIZE_LIMIT // 7
    size = len(report.render(Page("t", "", (passage,)), limit).encode())
    assert 0.7 * limit < size <= limit


def test_a_preset_that_several_parts_show_takes_room_in_each() -> None:
    matches = tuple(MatchCard(rank, 0.9, card(f"match {rank}", rank, 10.0)) for rank in (1, 2, 3))
    sections = tuple(FamilySection(title, matches) for title in ("Percussion", "Bass", "Lead", "Pad"))
    passage = Passage("Mixture", Sound(noise(0, 10.0), "Mixture"), sections)
    limit = report.SIZE_LIMIT // 7
    assert 0.7 * limit < len(report.render(Page("t", "", (passage,)), limit).encode()) <= limit


def test_a_short_page_has_better_sound_in_two_channels() -> None:
    wide = Page("t", "", (Passage("p", Sound(noise(0, 2.0, channels=2), "s"), ()),))
    data = base64.b64decode((read(report.render(wide)).all("audio")[0]["src"] or "").partition(",")[2])
    assert soundfile.info(io.BytesIO(data)).channels == 2
    assert len(data) * 8 / 2.0 > 150_000


def test_a_page_is_written_whole(page: Page, html: str, tmp_path: Path) -> None:
    report.write(tmp_path / "new" / "page.html", page)
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == html


@pytest.mark.parametrize(("score", "word"), [(1.0, "very close"), (0.9, "very close"), (-1.0, "loosely related")])
def test_scores_have_words(score: float, word: str) -> None:
    assert describe(score) == word


def test_words_go_from_best_to_worst() -> None:
    bounds = [least for least, _ in WORDS_FOR_SCORE]
    assert bounds == sorted(bounds, reverse=True)


def test_outcomes_and_tallies() -> None:
    assert outcome(section(2)) == "Found second"
    assert outcome(FamilySection("Bass", (), truth=card("x", 1))).startswith("Missed")
    assert outcome(FamilySection("Bass", ())) == ""
    passage = Passage("p", Sound(noise(1), "p"), (section(1), section(2), section(None), FamilySection("Pad", ())))
    assert Tally.of(passage) == Tally(parts=3, first=1, shown=2, depth=3)


def themes() -> dict[str, dict[str, str]]:
    """The colours of the style sheet: light ones first, then those that dark mode replaces."""
    style = resources.files("synthmatch.pages").joinpath("report.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.S)
    colours = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
    return {"light": dict(colours.findall(light)), "dark": dict(colours.findall(dark))}


def contrast(first: str, second: str) -> float:
    """WCAG 2's contrast ratio, 1 to 21."""

    def luminance(colour: str) -> float:
        channels = np.array(list(bytes.fromhex(colour[1:]))) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_can_be_read(theme: str) -> None:
    colours = themes()[theme]
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for ground in ("page", "card"):
        for ink in ("text", "muted", "accent", "found", "missed"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        assert contrast(colours["focus"], colours[ground]) >= 3
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5


def test_both_themes_name_the_same_colours() -> None:
    assert themes()["light"].keys() == themes()["dark"].keys()
