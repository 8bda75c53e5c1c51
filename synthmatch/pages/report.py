"""One self-contained HTML page of sounds: what was heard, and what came closest.

The page needs no network: style, script, pictures and sounds stand inside it, and its content policy allows
nothing else. Sounds are MP3, the one compressed format that every browser plays (Safari has learnt Ogg only
lately); at a constant rate, so that the page's size is known before it is made.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib import resources
from itertools import pairwise
from pathlib import Path
from string import Template

from synthmatch import audio
from synthmatch.audio import Clip
from synthmatch.files import write_text
from synthmatch.pages.cards import (
    WORDS_FOR_PRESENCE,
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
from synthmatch.sound import spectrogram
from synthmatch.sound.levels import levelled

SIZE_LIMIT = 15_000_000
"""Bytes that a page should not exceed; the sounds' quality is chosen by it."""

_SMALL, _WIDE = (360, 96), (960, 136)  # pixels of a card's and of a passage's picture
_MARKUP = 1500  # bytes around each sound, at most
_PADDING = 0.1  # seconds that MP3 adds


def write(path: Path, page: Page, limit: int = SIZE_LIMIT) -> None:
    """Write a page to a file, wholly or not at all."""
    write_text(path, render(page, limit))


def render(page: Page, limit: int = SIZE_LIMIT) -> str:
    """Make the HTML of a page.

    Args:
        limit: bytes to stay below, as far as the lowest quality of sound allows (about 23 minutes in all).
    """
    texts = {suffix: _asset(f"report.{suffix}") for suffix in ("html", "css", "js")}
    media = _Media.of(page, limit - sum(map(len, texts.values())))
    tally = Tally.of(*page.passages)
    return Template(texts["html"]).substitute(
        policy=_policy(texts["css"], texts["js"]),
        title=escape(page.title),
        intro=escape(page.intro),
        summary=f'<p class="summary">{tally}.</p>' if tally.parts else "",
        contents=_contents(page),
        body="\n".join(_passage(each, number, media) for number, each in enumerate(page.passages, 1)),
        footer=_footer(page),
        style=texts["css"],
        script=texts["js"],
    )


def _asset(name: str) -> str:
    return resources.files("synthmatch.pages").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing but this very style, this very script, and what is embedded."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


@dataclass(frozen=True)
class _Media:
    """What is embedded: the pictures as data URIs, and the sounds' rate in kbit/s."""

    pictures: dict[Sound, str]
    kilobits: int

    @classmethod
    def of(cls, page: Page, limit: int) -> _Media:
        """Draw the pictures, then choose the best rate, up to 192 kbit/s, at which the sounds still fit."""
        carded = [sound for each in page.passages for sound in _card_sounds(each)]
        pictures = {each.sound: _picture(each.sound, _WIDE) for each in page.passages}
        pictures |= {sound: _picture(sound, _SMALL) for sound in dict.fromkeys(carded)}
        # What stands in several places, as a preset found for two families does, is embedded in each.
        embedded = [*(each.sound for each in page.passages), *carded]
        room = limit - sum(len(pictures[sound]) + _MARKUP for sound in embedded)
        seconds = sum(sound.clip.seconds + _PADDING for sound in embedded)
        fitting = (rate for rate in audio.MP3_KILOBITS if rate <= 192 and seconds * rate * 1000 / 6 <= room)
        return cls(pictures, max(fitting, default=audio.MP3_KILOBITS[0]))


def _card_sounds(passage: Passage) -> Iterator[Sound]:
    for section in passage.sections:
        cards = [section.truth] if section.truth else []
        cards += [match.preset for match in section.matches]
        yield from (card.sound for card in cards if card.sound is not None)


def _picture(sound: Sound, size: tuple[int, int]) -> str:
    return _data("image/png", spectrogram.picture(sound.clip, *size))


def _data(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _player(sound: Sound, media: _Media, text: str) -> str:
    """The picture, and under it the button beside ``text`` (HTML)."""
    clip = sound.clip if sound.matched else levelled(sound.clip)
    if media.kilobits < 128 or clip.samples.shape[0] > 2:  # below that, two channels cost more than they give
        clip = Clip(clip.mono()[None], clip.sample_rate)
    caption = escape(sound.caption)
    return (
        f'<div class="sound"><div class="view"><img src="{media.pictures[sound]}" alt="" draggable="false">'
        '<span class="head"></span><span class="clock" aria-hidden="true"></span></div>'
        '<div class="under"><button type="button" class="play" aria-pressed="false" hidden '
        f'aria-label="Play: {caption}"></button><div>{text}</div></div>'
        f'<audio controls preload="none" data-seconds="{clip.seconds:.4f}" aria-label="{caption}" '
        f'src="{_data("audio/mpeg", audio.mp3(clip, media.kilobits))}"></audio></div>'
    )


def _contents(page: Page) -> str:
    if len(page.passages) < 2:
        return ""
    links = "".join(
        f'<li><a href="#passage-{number}">{escape(each.title)}</a></li>' for number, each in enumerate(page.passages, 1)
    )
    return f'<nav class="contents" aria-label="Passages"><ul>{links}</ul></nav>'


def _passage(passage: Passage, number: int, media: _Media) -> str:
    tally = Tally.of(passage)
    detail = f'<span class="detail">{tally}</span>' if tally.parts else ""
    sections = "\n".join(_section(section, media) for section in passage.sections)
    text = f'<p class="name">What was heard</p><p class="origin">{passage.sound.clip.seconds:.1f} s</p>'
    return (
        f'<section class="passage" id="passage-{number}" aria-label="{escape(passage.title)}">'
        f"<header><h2>{escape(passage.title)}</h2>{detail}</header>\n"
        f"{_player(passage.sound, media, text)}\n{sections}\n</section>"
    )


def _section(section: FamilySection, media: _Media) -> str:
    verdict = ""
    if section.truth is not None:
        kind, mark = ("found", "✓") if section.found is not None else ("missed", "✗")
        verdict = f'<span class="{kind}"><span aria-hidden="true">{mark} </span>{outcome(section)}</span>'
    if section.presence is not None:
        words = describe(section.presence, WORDS_FOR_PRESENCE)
        said = ", ".join(filter(None, (f"{words} ({section.presence:.0%})", section.where)))
        verdict += f'<span class="detail">{escape(said)}</span>'
    cards = [_truth(section.truth, media)] if section.truth is not None else []
    cards += [_match(match, media) for match in section.matches]
    return (
        f'<section class="family"><header><h3>{escape(section.title)}</h3>{verdict}</header>'
        + (f'<p class="plays">{escape(section.note)}</p>' if section.note else "")
        + (f'<ul class="cards">{"".join(cards)}</ul>' if cards else '<p class="nothing">No match.</p>')
        + "</section>"
    )


def _truth(card: PresetCard, media: _Media) -> str:
    place = "<strong>The truth</strong>"
    return f'<li class="card truth"><p class="place">{place}</p>{_preset(card, media)}</li>'


def _match(match: MatchCard, media: _Media) -> str:
    right = '<span class="found">✓ the truth</span>' if match.correct else ""
    score = f'{describe(match.score)} <data value="{match.score:.4f}">{match.score:.2f}</data>'
    place = f"<strong>{match.rank}</strong><span>{score}</span>{right}"
    kind = "card right" if match.correct else "card"
    return f'<li class="{kind}"><p class="place">{place}</p>{_preset(match.preset, media)}</li>'


def _preset(card: PresetCard, media: _Media) -> str:
    origin = " · ".join(f"<bdi>{escape(text)}</bdi>" for text in (card.synth, card.bank) if text)
    text = f'<p class="name"><bdi>{escape(card.name)}</bdi></p><p class="origin">{origin}</p>'
    text += f'<p class="file">{escape(card.file)}</p>' if card.file else ""
    text += f'<p class="origin">{escape(card.note)}</p>' if card.note else ""
    if card.sound is not None:
        return _player(card.sound, media, text)
    return f'<div class="mute"><div class="view">no sound</div>{text}</div>'


def _footer(page: Page) -> str:
    rows = "".join(f"<dt>{escape(what)}</dt><dd>{escape(value)}</dd>" for what, value in page.footer)
    words = pairwise(WORDS_FOR_SCORE)
    scale = ", ".join(f"“{word}” from {least:g}" for (least, word), _ in words)
    return (
        f"<p>Scores are cosines between what was heard and the preset, 1 at most: {scale}, below that "
        f"“{WORDS_FOR_SCORE[-1][1]}”. All sounds are brought to one level. Pictures show {_range()} "
        "from bottom to top.</p>" + (f"<dl>{rows}</dl>" if rows else "")
    )


def _range() -> str:
    return f"{spectrogram.LOWEST:g} Hz to {spectrogram.HIGHEST / 1000:g} kHz"
