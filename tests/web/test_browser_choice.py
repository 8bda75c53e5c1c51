"""The page's choice among presets, in a real Chromium: what is looked among is what is shown, and it stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.presets.preset import Preset
from synthmatch.renderers.pool import RenderPool

DARK = {"Soft Triangle Solo", "Dark Matter", "Pluck and Pillow", "Bit of Bubblegum", "Basses Rising Slowly",
        "Bass Trombone Edge"}  # fmt: skip
NAMED = (
    ("group", "Synths: any of"),
    ("checkbox", "synthmatch's own synth 13"),
    ("group", "Sound: all of"),
    ("button", "slow attack 3"),
    ("combobox", "Bank"),
    ("combobox", "Tag"),
    ("searchbox", "In the name"),
)


@pytest.fixture(scope="module")
def address(made: Any, serving: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A library in which one sound is listed in a second bank as well, where its file gives it a tag."""
    path = tmp_path_factory.mktemp("choice") / "library"
    shutil.copytree(made.library, path)
    with Library.open(path) as library:
        first = library.preset(library.presets()[0])
        library.rows.put([replace(first, name="Wooden Thing", bank="other", slot=99, tags=("Analog",))])
    with serving(path, made.model) as address:
        yield address


def names(there: Any) -> set[str]:
    shown = "names => names.filter((each) => each.offsetParent).map((each) => each.lastChild.data)"
    return set(there.page.eval_on_selector_all(".card .name", shown))


def change(there: Any, act: Callable[[], object]) -> None:
    """Change the choice, and wait for what is found then."""
    with there.page.expect_response("**/api/match"):
        act()
    there.page.wait_for_selector("#progress", state="hidden")


def look(there: Any, song: Path) -> Any:
    """Drop a song, and open the choice."""
    there.drop(song)
    there.found()
    there.page.click("#choice summary")
    return there.page


def test_only_what_is_looked_among_is_shown_until_all_is_cleared(visit: Any, address: str, made: Any) -> None:
    there = visit(address)
    there.drop(made.song)
    there.found()
    page = there.page
    assert page.inner_text("#choice summary") == "Look among all presets"
    assert page.locator("#choice-form").is_hidden()  # closed until somebody asks
    everything = names(there)
    page.click("#choice summary")
    change(there, lambda: page.check("#choice-synths [value=faust]"))
    assert names(there) == everything  # all of them are its
    change(there, lambda: page.click("#choice-tags [value=dark]"))
    assert names(there) == DARK
    assert page.inner_text("#choice summary") == "Look among synthmatch's own synth, dark"
    change(there, lambda: page.fill("#choice-words", "o b"))
    assert names(there) == {"Bit of Bubblegum", "Bass Trombone Edge", "Basses Rising Slowly"}
    assert page.inner_text("#choice-said") == "synthmatch's own synth, dark, “o”, “b”"
    change(there, lambda: page.click("#choice-clear"))
    assert names(there) == everything
    assert page.inner_text("#choice-said") == "all presets"
    assert page.input_value("#choice-words") == ""
    assert page.locator("#choice :checked:not(option), #choice [aria-pressed=true]").count() == 0


def test_a_bank_and_a_files_own_tag_are_chosen_by_name(visit: Any, address: str, made: Any) -> None:
    there = visit(address)
    page = look(there, made.song)
    assert page.locator("#choice-bank optgroup").get_attribute("label") == "synthmatch's own synth"
    assert page.locator("#choice-bank option").all_inner_texts() == ["any", "other (1)", "some (12)"]
    change(there, lambda: page.select_option("#choice-bank", label="other (1)"))
    assert names(there) == {"Wooden Thing"}
    assert page.inner_text("#choice-said") == "synthmatch's own synth, other"
    change(there, lambda: page.select_option("#choice-bank", label="some (12)"))
    assert "Wooden Thing" not in names(there)
    change(there, lambda: page.click("#choice-clear"))
    change(there, lambda: page.select_option("#choice-tag", label="Analog (1)"))
    assert names(there) == {"Wooden Thing"}


def test_it_stays_for_the_next_passage_and_the_next_song(visit: Any, address: str, made: Any) -> None:
    there = visit(address)
    page = look(there, made.song)
    change(there, lambda: page.click("#choice-tags [value=dark]"))
    page.fill("#to", "2")
    change(there, lambda: page.click("#passage [type=submit]"))
    assert names(there) == DARK
    change(there, lambda: there.drop(made.song))
    there.found()
    assert names(there) == DARK
    page.evaluate("window.dispatchEvent(new Event('focus'))")  # the library is read again
    page.click("nav [data-view=library]")
    page.click("nav [data-view=find]")
    assert page.inner_text("#choice-said") == "dark"
    assert page.locator("#choice-tags [value=dark]").get_attribute("aria-pressed") == "true"


def test_where_nothing_fits_the_page_says_so_and_the_choice_can_be_mended(visit: Any, address: str, made: Any) -> None:
    there = visit(address)
    page = look(there, made.song)
    page.click("#choice-tags [value=dark]")
    change(there, lambda: page.click("#choice-tags [value=bright]"))
    page.wait_for_selector("#trouble:visible")
    assert "holds no preset that fits (tag bright and dark)" in page.inner_text("#trouble")
    assert names(there) == set()
    change(there, lambda: page.click("#choice-tags [value=bright]"))
    there.found()
    assert page.locator("#trouble").is_hidden()
    assert names(there) == DARK


def test_a_part_that_a_choice_leaves_empty_says_so(visit: Any, address: str, made: Any) -> None:
    there = visit(address)
    page = look(there, made.song)
    page.click("#chips [data-family=organ]")
    change(there, lambda: page.click("#choice-tags [value=dark]"))
    page.click("#chips [data-family=organ]")
    assert page.inner_text("#part-organ").endswith("Nothing that you look among is of this family.")


def test_the_keyboard_is_enough_and_what_is_typed_is_no_shortcut(visit: Any, address: str, made: Any) -> None:
    there = visit(address)
    page = there.page
    there.drop(made.song)
    there.found()
    page.focus("#choice summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "faust"
    change(there, lambda: page.keyboard.press("Space"))
    assert page.locator("#choice-synths [value=faust]").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    change(there, lambda: page.keyboard.press("Space"))
    assert page.inner_text("#choice-said") == "synthmatch's own synth, dark"
    assert page.evaluate("document.activeElement.value") == "dark"  # where one was, one goes on
    page.focus("#choice-words")
    change(there, lambda: page.keyboard.type("1b "))
    page.wait_for_selector("#trouble:visible")
    assert page.input_value("#choice-words") == "1b "
    assert page.locator("#bar").is_hidden()  # nothing was played
    page.keyboard.press("Control+a")
    change(there, lambda: page.keyboard.type("pillow"))
    page.keyboard.press("Enter")  # sends no form away
    there.found()
    assert names(there) == {"Pluck and Pillow"}
    page.keyboard.press("Tab")
    change(there, lambda: page.keyboard.press("Enter"))
    assert page.inner_text("#choice-said") == "all presets"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_field_has_a_name_and_fits_a_phone(visit: Any, address: str, made: Any, scheme: str) -> None:
    there = visit(address, 390, 844, has_touch=True, color_scheme=scheme)
    page = look(there, made.song)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    for role, name in NAMED:
        assert page.get_by_role(role, name=name).count() == 1, name
    small = page.eval_on_selector_all(
        "#choice :is(summary, label, button, select, input[type=search])",
        "all => all.filter((each) => each.offsetParent && each.offsetHeight < 32).map((each) => each.textContent)",
    )
    assert small == []  # what a finger can hit
    change(there, lambda: page.locator("#choice-tags [value=dark]").tap())
    assert names(there) == DARK


@pytest.mark.plugin
def test_of_two_synths_one_is_looked_among(
    visit: Any, serving: Any, made: Any, amsynth: tuple[Preset, ...], encoder: Encoder, tmp_path: Path
) -> None:
    presets = amsynth[:3]
    shutil.copytree(made.library, tmp_path / "library")
    with Library.open(tmp_path / "library") as library, RenderPool(1) as pool:
        library.add(PresetBank(presets), encoder=encoder, pool=pool)
        own = library.preset(library.presets()[0])  # the other synth has a bank of that name, too
        library.rows.put([replace(own, name="Wooden Thing", bank=presets[0].bank, slot=99)])
    with serving(tmp_path / "library", made.model) as address:
        there = visit(address)
        page = look(there, made.song)
        change(there, lambda: page.select_option("#choice-bank", label=f"{presets[0].bank} (3)"))
        assert names(there) == {each.name for each in presets}
        change(there, lambda: page.check("#choice-synths [value=faust]"))  # that bank is no longer among those
        assert page.inner_text("#choice-said") == "synthmatch's own synth"
        assert page.locator("#choice-bank optgroup").count() == 1
        assert not names(there) & {each.name for each in presets}
        page.uncheck("#choice-synths [value=faust]")
        change(there, lambda: page.check("#choice-synths [value=amsynth]"))
        assert names(there) == {each.name for each in presets}
