"""How right written-down notes are."""

from __future__ import annotations

import pytest

from synthmatch.notes import Note
from synthmatch.training.scoring import transcripts


@pytest.mark.skipif(not transcripts.is_installed(), reason=transcripts.without())
def test_agreement_is_what_it_says() -> None:
    played = [Note(0.0, 60, 100, 0.5), Note(0.5, 64, 100, 0.5)]
    assert transcripts.agreement(played, played) == transcripts.Agreement(1, 1, 1)
    late = [Note(note.start + 0.04, note.pitch, 50, 2.0) for note in played]
    assert transcripts.agreement(late, played) == transcripts.Agreement(1, 1, 1)
    octave = [Note(note.start, note.pitch + 12, 100, 0.5) for note in played]
    assert transcripts.agreement(octave, played) == transcripts.Agreement(0, 1, 1)
    wrong = [Note(note.start, note.pitch + 5, 100, 0.5) for note in played]
    assert transcripts.agreement(wrong, played) == transcripts.Agreement(0, 0, 1)
    assert transcripts.agreement(played[:1], played).key == pytest.approx(2 / 3)
    assert transcripts.agreement([], []) == transcripts.Agreement(1, 1, 1)
    assert transcripts.agreement([], played) == transcripts.agreement(played, []) == transcripts.Agreement(0, 0, 0)
