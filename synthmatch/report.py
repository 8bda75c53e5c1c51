"""One self-contained HTML page of sounds: what was heard, and what came closest.

The page needs no network: style, script, pictures and sounds stand inside it, and its content policy allows
nothing else. Sounds are MP3, the one compressed format that every browser plays (Safari has learnt Ogg only
lately); at a constant rate, so that the page's size is known before it is made.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from importlib import resources
from itertools import pairwise
from pathlib import Path
from string import Template

import numpy as np

from synthmatch import audio, spectrogram
from synthmatch.audio import Clip
from synthmatch.cards import (
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
from synthmatch.files import write_text

SIZE_LIMIT = 15_000_000
"""Bytes that a page should not exceed; the sounds' quality is chosen by it."""

LEVEL_DB = -20.0
"""Level, in dB of full scale over the parts that sound, that sounds are brought to, so that the louder of
two does not seem the better."""

_PEAK = 0.9  # of full scale: MP3 adds a little to the peaks
_PICTURE_BYTES = 24_000  # what a picture takes at most, in base64; measured with white noise


def write(path: Path, page: Page, limit: int = SIZE_LIMIT) -> None:
    """Write a page to a file, wholly or not at all."""
    write_text(path, render(page, limit))


def render(page: Page, limit: int = SIZE_LIMIT) -> str:
    """Make the HTML of a page.

    Args:
        limit: bytes to stay below, as far as the lowest quality of sound allows (about 23 minutes in all).
    """
    texts = {suffix: _asset(f"report.{suffix}") for suffix in ("html", "css", "js")}
    kilobits = _affordable_kilobits(page, limit - sum(map(len, texts.values())))
    tally = Tally.of(*page.passages)
    return Template(texts["html"]).substitute(
        policy=_policy(texts["css"], texts["js"]),
        title=escape(page.title),
        intro=escape(page.intro),
        summary=f'<p class="summary">{tally}.</p>' if tally.parts else "",
        contents=_contents(page),
        body="\n".join(_passage(each, number, kilobits) for number, each in enumerate(page.passages, 1)),
        footer=_footer(page),
        style=texts["css"],
        script=texts["js"],
    )


def levelled(clip: Clip) -> Clip:
    """The same sound at ``LEVEL_DB``, measured where it sounds, or as loud as its peaks allow.

    Silence and stretches 30 dB below the loudest 50 ms are not measured, so that a short sound with a long
    tail is not taken for a soft one.
    """
    mono = clip.mono()
    window = max(1, clip.sample_rate // 20)
    blocks = np.pad(mono, (0, -len(mono) % window)).reshape(-1, window)
    power = (blocks.astype(np.float64) ** 2).mean(axis=1)
    if not power.size or power.max() == 0:
        return clip
    sounding = power[power > power.max() / 1000].mean()
    return clip.scaled(min(10 ** (LEVEL_DB / 20) / float(np.sqrt(sounding)), _PEAK / clip.peak))


def _asset(name: str) -> str:
    return resources.files("synthmatch").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing but this very style, this very script, and what is embedded."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def _sounds(page: Page) -> Iterator[Sound]:
    for passage in page.passages:
        yield passage.sound
        for section in passage.sections:
            cards = [section.truth] if section.truth else []
            cards += [match.preset for match in section.matches]
            yield from (card.sound for card in cards if card.sound is not None)


def _affordable_kilobits(page: Page, limit: int) -> int:
    """The best constant rate, up to 192 kbit/s, at which all sounds and pictures fit."""
    sounds = list(_sounds(page))
    room = limit - len(sounds) * (_PICTURE_BYTES + 1500)  # each sound's own markup, and a little over
    seconds = sum(sound.clip.seconds + 0.1 for sound in sounds)  # and its encoder's padding
    fitting = [
        rate for rate in audio.MP3_KILOBITS if rate <= 192 and seconds * rate * 1000 / 8 * 4 / 3 <= room
    ]
    return max(fitting, default=audio.MP3_KILOBITS[0])


def _data(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _player(sound: Sound, kilobits: int, wide: bool = False) -> str:
    clip = levelled(sound.clip)
    if kilobits < 128 or clip.samples.shape[0] > 2:
        clip = Clip(clip.mono()[None], clip.sample_rate)
    picture = _data("image/png", spectrogram.picture(clip, *((960, 136) if wide else (360, 96))))
    caption = escape(sound.caption)
    return (
        f'<div class="sound"><div class="view"><img src="{picture}" alt="" draggable="false">'
        '<span class="head"></span>'
        f'<span class="clock" aria-hidden="true">{clip.seconds:.1f} s</span>'
        '<button type="button" class="play" aria-pressed="false" hidden '
        f'aria-label="Play: {caption}"></button>'
        f'</div><audio controls preload="none" data-seconds="{clip.seconds:.4f}" aria-label="{caption}" '
        f'src="{_data("audio/mpeg", audio.mp3(clip, kilobits))}"></audio></div>'
    )


def _contents(page: Page) -> str:
    if len(page.passages) < 2:
        return ""
    links = "".join(
        f'<li><a href="#passage-{number}">{escape(each.title)}</a></li>'
        for number, each in enumerate(page.passages, 1)
    )
    return f'<nav class="contents" aria-label="Passages"><ul>{links}</ul></nav>'


def _passage(passage: Passage, number: int, kilobits: int) -> str:
    tally = Tally.of(passage)
    detail = f'<span class="detail">{tally}</span>' if tally.parts else ""
    sections = "\n".join(_section(section, kilobits) for section in passage.sections)
    return (
        f'<section class="passage" id="passage-{number}" aria-label="{escape(passage.title)}">'
        f"<header><h2>{escape(passage.title)}</h2>{detail}</header>\n"
        f"{_player(passage.sound, kilobits, wide=True)}\n{sections}\n</section>"
    )


def _section(section: FamilySection, kilobits: int) -> str:
    verdict = ""
    if section.truth is not None:
        kind, mark = ("found", "✓") if section.found is not None else ("missed", "✗")
        verdict = f'<span class="{kind}"><span aria-hidden="true">{mark} </span>{outcome(section)}</span>'
    if section.presence is not None:
        words = describe(section.presence, WORDS_FOR_PRESENCE)
        verdict += f'<span class="detail">{words} ({section.presence:.0%})</span>'
    cards = [_truth(section.truth, kilobits)] if section.truth is not None else []
    cards += [_match(match, kilobits) for match in section.matches]
    return (
        f'<section class="family"><header><h3>{escape(section.title)}</h3>{verdict}</header>'
        + (f'<ul class="cards">{"".join(cards)}</ul>' if cards else '<p class="nothing">No match.</p>')
        + "</section>"
    )


def _truth(card: PresetCard, kilobits: int) -> str:
    place = "<strong>The truth</strong> <span>what plays in the mixture</span>"
    return f'<li class="card truth"><p class="place">{place}</p>{_preset(card, kilobits)}</li>'


def _match(match: MatchCard, kilobits: int) -> str:
    right = '<span class="found">✓ this is the true preset</span>' if match.correct else ""
    score = f'{describe(match.score)} <data value="{match.score:.4f}">{match.score:.2f}</data>'
    place = f'<strong>{match.rank}</strong><span class="score">{score}</span>{right}'
    kind = "card right" if match.correct else "card"
    return f'<li class="{kind}"><p class="place">{place}</p>{_preset(match.preset, kilobits)}</li>'


def _preset(card: PresetCard, kilobits: int) -> str:
    origin = " · ".join(escape(text) for text in (card.synth, card.bank) if text)
    lines = [_player(card.sound, kilobits) if card.sound else '<p class="nothing">No sound.</p>']
    lines += [f'<p class="name" dir="auto">{escape(card.name)}</p><p class="origin">{origin}</p>']
    lines += [f'<p class="file">{escape(card.file)}</p>'] if card.file else []
    lines += [f'<p class="origin">{escape(card.note)}</p>'] if card.note else []
    return "".join(lines)


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
