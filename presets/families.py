"""The families: the roles that a preset plays in a song, as one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One role.

    Args:
        key: the id used in files, JSON and on the command line.
        title: its English name.
        programs: the General MIDI programs, 1 to 128, that belong to it.
        low, high: the MIDI pitches between which its notes typically lie.
        beats: (length of a note in beats, probability) pairs.
        rest: the probability that a note is left out.
        chords: whether it plays several notes at once.
    """

    key: str
    title: str
    programs: tuple[int, ...]
    low: int
    high: int
    beats: tuple[tuple[float, float], ...]
    rest: float = 0.25
    chords: bool = False


_EVEN = ((1.0, 0.25), (0.5, 0.5), (0.25, 0.25))
_STEADY = ((1.0, 0.5), (0.5, 0.5))
_LONG = ((4.0, 0.5), (2.0, 0.5))

_TABLE = (
    # Note lengths of the first three are those of the mixtures in the paper's published code.
    Family("percussion", "Percussion", (*range(9, 17), 48, *range(113, 120)), 48, 84, _STEADY, 0.0),
    Family("bass", "Bass", tuple(range(33, 41)), 28, 52, ((2.0, 0.45), (1.0, 0.4), (0.5, 0.1), (0.25, 0.05))),
    Family("lead", "Lead", tuple(range(81, 89)), 55, 84, ((2.0, 0.1), (1.0, 0.3), (0.5, 0.3), (0.25, 0.3))),
    Family("pad", "Pad", tuple(range(89, 97)), 48, 76, _LONG, 0.1, True),
    Family("keys", "Keys", tuple(range(1, 9)), 43, 81, _EVEN, chords=True),
    Family("pluck", "Pluck and guitar", (*range(25, 33), 47, *range(105, 110)), 43, 81, _EVEN),
    Family("organ", "Organ", tuple(range(17, 25)), 43, 79, ((2.0, 0.5), (1.0, 0.5)), chords=True),
    Family("strings", "Strings", (*range(41, 47), *range(49, 53), 111), 43, 79, _LONG, 0.1, True),
    Family("brass", "Brass", tuple(range(57, 65)), 43, 74, _EVEN),
    Family("wind", "Wind", (*range(65, 81), 110, 112), 53, 84, ((2.0, 0.25), (1.0, 0.5), (0.5, 0.25))),
    Family("vocal", "Voice and choir", (53, 54, 55), 48, 76, _LONG, 0.1, True),
    Family("effects", "Effects", (56, *range(97, 105), *range(120, 129)), 36, 84, ((4.0, 1.0),), 0.5),
)

FAMILIES: dict[str, Family] = {family.key: family for family in _TABLE}
"""All families by key, in the order in which they are shown and in which encoders number them."""

FAMILY_KEYS: tuple[str, ...] = tuple(FAMILIES)

BY_PROGRAM: dict[int, str] = {program: family.key for family in _TABLE for program in family.programs}
"""The family's key for each General MIDI program, 1 to 128."""
