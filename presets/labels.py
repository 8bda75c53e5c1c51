"""What a bank itself says about a preset's family: its own field, the preset's name, the folder.

The field is trusted first, then the name, then the folder. Some fields are kept loosely by those who fill
them: ZynAddSubFX calls a file "piano" when nobody chose, and its pads include choirs and strings. Those give
way to a name that says plainly what the sound is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from synthmatch.presets.families import BY_PROGRAM, FAMILIES, FAMILY_KEYS
from synthmatch.presets.preset import Preset


@dataclass(frozen=True)
class Category:
    """What a bank's field says.

    Args:
        family: the family it stands for.
        yields: the families to which a preset's name may correct it.
    """

    family: str
    yields: frozenset[str] = frozenset()


_ANY = frozenset(FAMILY_KEYS)

ZYN_CATEGORIES: dict[str, Category] = {
    "1": Category("keys", _ANY),  # piano: what a program writes where nobody chose
    "2": Category("percussion"),  # chromatic percussion
    "3": Category("organ"),
    "4": Category("pluck"),  # guitar
    "5": Category("bass"),
    "6": Category("strings", frozenset({"pluck"})),  # solo strings; General MIDI counts the harp among them
    "7": Category("strings", frozenset({"vocal", "brass"})),  # ensemble
    "8": Category("brass", frozenset({"wind"})),
    "9": Category("wind", frozenset({"organ", "vocal"})),  # reed, and so reed organs
    "10": Category("wind"),  # pipe
    "11": Category("lead", _ANY - {"effects"}),  # anything bright and synthetic
    "12": Category("pad", frozenset({"strings", "vocal", "pluck"})),  # anything slow
    "13": Category("effects", frozenset({"vocal", "percussion"})),  # synthetic textures
    "14": Category("pluck", _ANY),  # ethnic: sitar and koto, but bagpipe, fiddle and pan pipe as well
    "15": Category("percussion", frozenset({"keys"})),  # percussive
    "16": Category("effects"),  # sound effects
}
"""ZynAddSubFX's instrument types; 0 is "none"."""

SOUNDFONT_CATEGORIES: dict[str, Category] = {
    "kit": Category("percussion"),
    **{f"program {program}": Category(family) for program, family in BY_PROGRAM.items()},
}
"""What a SoundFont that keeps to General MIDI says by where a preset stands; it is kept carefully, or not at all."""

_WITHOUT_STYLE = frozenset({"pluck", "organ", "strings", "brass", "wind", "vocal"})

VITAL_CATEGORIES: dict[str, Category] = {
    "Bass": Category("bass"),
    "Lead": Category("lead", _WITHOUT_STYLE),
    "Keys": Category("keys", _WITHOUT_STYLE | {"percussion"}),  # and so bells
    "Pad": Category("pad", _WITHOUT_STYLE),
    "Percussion": Category("percussion"),
    "SFX": Category("effects"),
}
"""Vital's styles. Half of the families have none, so a name may correct it; Sequence, Experiment and Template tell
nothing."""

CATEGORIES: dict[str, dict[str, Category]] = {
    "zynaddsubfx": ZYN_CATEGORIES,
    "soundfont": SOUNDFONT_CATEGORIES,
    "vital": VITAL_CATEGORIES,
    "faust": {key: Category(key) for key in FAMILIES},  # its patches name families themselves
}
"""By synth, what the values of ``Preset.category`` mean."""

WORDS: dict[str, str] = {
    word: family
    for family, words in {
        "percussion": """
            percussion percussions percusion perc percs drum drums drumkit drumkits bassdrum steeldrum steeldrums
            steelpan kick kicks kik snare snares hat hats hihat hihats hithat cymbal cymbals crash tom toms clap
            claps handclap sandclap rim rimshot cowbell conga congas bongo bongos tabla taiko timbale timbales
            timpani timp shaker tambourine claves maraca maracas woodblock mallet mallets marimba xylophone xylo
            xyl vibraphone vibes vibe glockenspiel glock celesta celeste bell bells chime chimes gong dulcimer
            musicbox gamelan campane stomp bd sd hh cym""",
        "bass": "bass basses basss bas bs fretless taurus",
        "lead": "lead leads leed ld basslead leadbass theremin theramin",
        "pad": "pad pads",
        "keys": """
            piano pianos pianoforte pianola pianet pno ep epiano rhodes rhod wurli wurly wurlitzer wurlizer clav
            clavs clavi clavinet clavinett clavinoid clavicembalo cembalo harpsichord harpsich harpsi harpsy
            hapsi keys keyboard keyboards keyb""",
        "pluck": """
            pluck plucks plucked pluckd guitar guitars gritar gtr guit eg banjo mandolin mando sitar koto
            shamisen kalimba harp harps lute ukulele strum plucky nylon zither pizzicato pizz""",
        "organ": """
            organ organs organx org organo organetto hammond leslie accordion accordian accordions accordeon
            concertina bandoneon melodica harmonium clonewheel drawbar drawbars farfisa""",
        "strings": "string strings str strg violin viola cello fiddle quartet",
        "brass": """
            brass brasses brazz brs trumpet thrumpet trumpets trombone trombones tuba horn horns hornish cornet
            flugelhorn bugle fanfare fanfara fanfar""",
        "wind": """
            flute flutes flutey piccolo clarinet clarinets clarinetish clari oboe bassoon contrabassoon fagotto
            sax saxophone saxed reed reeds reedy recorder ocarina whistle panflute shakuhachi bagpipe bagpipes
            harmonica armonica bottle zufolo pinkollo didgeridoo woodwind woodwinds""",
        "vocal": """
            choir choirs choirlike keychoirs voice voices vox vocal vocals soprano sopranos ahh ahhs aah aahs ooh
            oohs ohh ehh chant vocoder""",
    }.items()
    for word in words.split()
}
"""Words that name a family. The last one in a name is what the sound is; those before it only describe it:
a "Bass Pad" is a pad, an "Organ Bass" a bass."""

WEAK_WORDS: dict[str, str] = {
    word: family
    for family, words in {
        "percussion": "kit",
        "bass": "slap",
        "lead": "solo soloist",
        "brass": "brassy",
        "wind": "whistler",
        "effects": """
            fx sfx effect effects noise noises noize wind rain thunder storm tornado helicopter laser lasergun
            siren alarm alert explosion gunshot bomb ambulance ufo spaceship glitch motorbike birdz crickets
            telephone foghorn""",
    }.items()
    for word in words.split()
}
"""Words that tell a family only where no other word does: "Noise Pad" is a pad, "Wind" alone an effect."""

PHRASES: dict[tuple[str, ...], str] = {
    tuple(phrase.split()): family
    for phrase, family in {
        "bass guitar": "bass",
        "lead guitar": "pluck",
        "12 string": "pluck",
        "plucked string": "pluck",
        "plucked strings": "pluck",
        "pizzicato string": "pluck",
        "pizzicato strings": "pluck",
        "acoustic steel": "pluck",
        "electric steel": "pluck",
        "blues harp": "wind",
        "english horn": "wind",
        "pan pipe": "wind",
        "pan pipes": "wind",
        "bag pipe": "wind",
        "music box": "percussion",
        "fog horn": "effects",
        "e p": "keys",
        "sea bass": "",  # a fish
        "string bean": "",
        "black hat": "",
        "felt hat": "",
        "in hat": "",
        "uncle tom": "",
        "two voices": "",  # of the synth
    }.items()
}
"""Several words that mean something else together; "" means that they say nothing."""

_ENDINGS = {  # of words run together: "meanbass", "keypiano"
    "bass": "bass",
    "guitar": "pluck",
    "piano": "keys",
    "flute": "wind",
    "choir": "vocal",
}
_LAYERS = re.compile(r"[&+/]|(?i:\b(?:and|or)\b)|(?<=[a-z])(?:And|Or)(?=[A-Z])")
_TOKEN = re.compile(
    r"(?:FM|EP|DX|RM|LFO|PWM)(?=[a-z])"  # "FMbells" is FM bells, not F Mbells
    r"|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"
)
_LAYERED_FOLDERS = frozenset({"dual", "splitted"})


def label(preset: Preset) -> Preset:
    """The preset with ``family`` and ``label_source`` set, or unchanged where nothing tells.

    A preset that has a family already, such as one of the factory bank, keeps it.
    """
    if preset.family:
        return preset
    family, source = _judge(preset)
    return replace(preset, family=family, label_source=source) if family else preset


def family_of_name(name: str) -> str:
    """The family that a preset's or folder's name tells, or "" where it tells none or more than one.

    >>> family_of_name("Organ Bass"), family_of_name("BassDrum 2"), family_of_name("Strings and Flute")
    ('bass', 'percussion', '')
    """
    for table in (WORDS, WEAK_WORDS):
        parts = [list(_families(_words(part), table)) for part in _LAYERS.split(_plain(name))]
        heads = {families[-1] for families in parts if families}
        if heads:
            return heads.pop() if len(heads) == 1 else ""
    return ""


def _judge(preset: Preset) -> tuple[str, str]:
    """(family, source), both "" where nothing tells."""
    named = family_of_name(preset.name)
    if preset.bank.casefold() in _LAYERED_FOLDERS and _tells_several(preset.name):
        named = ""
    field = CATEGORIES.get(preset.synth, {}).get(preset.category)
    if field is not None and named not in field.yields:
        return field.family, "field"
    if field is not None:
        return named, "field" if named == field.family else "name"
    if named:
        return named, "name"
    folder = family_of_name(preset.bank)
    return folder, "folder" if folder else ""


def _tells_several(name: str) -> bool:
    return len(set(_families(_words(_plain(name)), WORDS)) - {""}) > 1


def _plain(name: str) -> str:
    """The name without accents, so that "Flûte" reads as "Flute"."""
    return "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))


def _words(name: str) -> list[str]:
    """Lower-case words; camelCase, digits and every other character part them."""
    return [token.lower() for token in _TOKEN.findall(name)]


def _families(words: list[str], table: dict[str, str]) -> Iterator[str]:
    """The family of each phrase and word that tells one, in order."""
    at = 0
    while at < len(words):
        pair = tuple(words[at : at + 2])
        if pair in PHRASES:
            if PHRASES[pair]:
                yield PHRASES[pair]
            at += 2
            continue
        word = words[at]
        if word in table:
            yield table[word]
        elif table is WORDS:
            yield from (family for ending, family in _ENDINGS.items() if word.endswith(ending))
        at += 1
