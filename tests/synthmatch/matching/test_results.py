"""What a failed export leaves: everything as it was."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from synthmatch.errors import InputError
from synthmatch.library.library import Library
from synthmatch.matching.results import ANY, CLOSE, CLOSE_ELSEWHERE, FamilyMatches, Match, MatchResult, export

FAMILIES = ("lead", "bass")


def found(library: Library, first: int) -> MatchResult:
    """Two presets of the library, from the ``first`` one on, as matches of each family."""
    matches = tuple(Match(rank, 0.9, each) for rank, each in enumerate(library.presets()[first : first + 2], 1))
    families = tuple(FamilyMatches(family, 0.9, matches) for family in FAMILIES)
    return MatchResult("song", 0.0, 10.0, "model", "library", families)


def tree(folder: Path) -> dict[str, bytes | None]:
    """All that lies below a folder: what is in its files, None for whatever else."""
    return {str(each.relative_to(folder)): each.read_bytes() if each.is_file() else None for each in folder.rglob("*")}


@pytest.fixture
def out(library: Library, tmp_path: Path) -> Path:
    """A folder with an earlier export, of other presets."""
    export(library, found(library, 2), tmp_path / "found")
    return tmp_path / "found"


def test_what_is_cut_away_was_close_all_the_same(library: Library) -> None:
    """As when a new order puts the close one behind those that are shown."""
    turned = tuple(Match(rank, score, library.presets()[rank]) for rank, score in ((1, 0.1), (2, 0.9)))
    result = MatchResult("song", 0.0, 10.0, "model", "library", (FamilyMatches("bass", 0.9, turned),))
    (shown,) = result.first(1)
    assert [match.score for match in shown] == [0.1]
    assert not shown.nothing_close
    assert FamilyMatches("bass", 0.9, turned[:1]).nothing_close
    assert not FamilyMatches("bass", 0.9, ()).nothing_close


@pytest.mark.parametrize(("family", "limit"), [*CLOSE.items(), ("pad", CLOSE_ELSEWHERE), (ANY, CLOSE_ELSEWHERE)])
def test_nothing_is_close_below_the_familys_own_limit(library: Library, family: str, limit: float) -> None:
    def best(score: float) -> FamilyMatches:
        return FamilyMatches(family, 0.9, (Match(1, score, library.presets()[0]),))

    assert best(math.nextafter(limit, 0)).nothing_close
    assert not best(limit).nothing_close


def test_an_export_takes_the_places_of_the_one_before(library: Library, out: Path) -> None:
    result = export(library, found(library, 0), out)
    assert all(file.is_file() for family in result for match in family for file in match.files)
    names = {f"{match.rank}-{match.preset.name}" for match in result.family("bass")}
    assert {each.relative_to(out).as_posix() for each in out.glob("*/*")} == {
        f"{family}/{name}" for family in FAMILIES for name in names
    }
    assert {each.name for each in out.iterdir()} == set(FAMILIES)


def test_a_file_with_a_familys_name_is_named_and_nothing_has_changed(library: Library, out: Path) -> None:
    shutil.rmtree(out / "bass")
    (out / "bass").write_text("mine")
    before = tree(out)
    with pytest.raises(InputError, match=r"found/bass is a file; name a folder"):
        export(library, found(library, 0), out)
    assert tree(out) == before


def test_a_folder_that_is_no_preset_of_ours_is_named_and_nothing_has_changed(library: Library, out: Path) -> None:
    result = found(library, 0)
    mine = out / "bass" / f"2-{result.family('bass')[1].preset.name}"
    mine.mkdir()
    before = tree(out)
    with pytest.raises(InputError, match=rf"{mine} is there already and isn't an exported preset; name another"):
        export(library, result, out)
    assert tree(out) == before


def test_an_export_that_fails_while_it_is_moved_puts_the_one_before_back(library: Library, out: Path) -> None:
    """What fails is the last family's folder: a link that leads nowhere, as when a stick was taken out."""
    shutil.rmtree(out / "bass")
    (out / "bass").symlink_to(out / "gone")
    before = tree(out)
    with pytest.raises(OSError, match="bass"):
        export(library, found(library, 0), out)
    assert tree(out) == before
    (out / "bass").unlink()
    assert len(export(library, found(library, 0), out).family("bass")[0].files) > 1
