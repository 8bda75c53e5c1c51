"""Colours that can be read, in both themes: WCAG 2.2, level AA."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from synthmatch.presets.families import FAMILY_KEYS
from synthmatch.web.limits import Limits
from synthmatch.web.page import is_bundled, page

TEXT, SHAPE = 4.5, 3.0
PAIRS = [
    *[(front, back, TEXT) for front in ("text", "muted", "accent") for back in ("page", "card", "raised")],
    ("on-accent", "accent", TEXT),
    ("bad", "bad-card", TEXT),
    ("edge", "card", SHAPE),
    ("edge", "page", SHAPE),
    ("focus", "page", SHAPE),
    ("focus", "card", SHAPE),
    ("wave", "card", SHAPE),
    *[(f"f-{family}", back, SHAPE) for family in FAMILY_KEYS for back in ("card", "page", "raised")],
]


def themes() -> dict[str, dict[str, str]]:
    style = resources.files("synthmatch.web").joinpath("frontend", "page.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in style.split("@media")[:2])
    return {"light": light, "dark": dark}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_what_the_guidelines_say() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_pair_of_colours_can_be_told_apart(theme: str) -> None:
    colours = themes()[theme]
    poor = {
        (front, back): round(contrast(colours[front], colours[back]), 2)
        for front, back, least in PAIRS
        if contrast(colours[front], colours[back]) < least
    }
    assert poor == {}


def test_everything_that_can_be_used_has_a_name() -> None:
    html = page(Limits(), FAMILY_KEYS, "nonce")
    for tag, attributes, inside in re.findall(r"<(button|a|canvas|progress)\b([^>]*)>(.*?)</\1>", html, re.DOTALL):
        named = "aria-label" in attributes or re.sub(r"<[^>]*>|\s", "", inside)
        given_later = 'id="bar-chosen"' in attributes
        assert named or given_later, (tag, attributes)
    for field in re.findall(r"<input\b[^>]*>", html):
        key = re.search(r'id="([\w-]+)"', field)
        assert key is not None
        assert f'for="{key.group(1)}"' in html or re.search(rf"<label[^>]*>[^<]*{re.escape(field)}", html), field


def test_the_page_asks_for_the_bundle_only_if_it_is_there() -> None:
    assert f'src="/static/{"bundle" if is_bundled() else "frontend"}/main.js"' in page(Limits(), FAMILY_KEYS, "nonce")
