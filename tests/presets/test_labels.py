"""Labels: tricky names, the order of trust, tables that fit together."""

from pathlib import Path

import pytest

from synthmatch.presets.families import FAMILIES
from synthmatch.presets.labels import CATEGORIES, PHRASES, WEAK_WORDS, WORDS, family_of_name, label
from synthmatch.presets.preset import Preset, State

NAMES = {
    "percussion": """Bass Drum|BassDrum2|bass_kick|MrTom2|Hey Hat|HiHat|FMbells3|Xylo1|Smoke Marimba|
        Tubular Bells|Toms And Percs|Clap+Stomp!|pseudo_steeldrums|Music Box|SoftVibe2|BD 808""",
    "bass": """Bass 1|Fat Bs|basss|Meanbass|Goa Kickbass|Bass Guitar - Slap|Tuba Bass|Organ Bass|Perc Bass|
        DirtyBass3|pseudo_doublebass|Bass Analogy|Double Bass|SlapSync|Flute Bass""",
    "lead": "Lead3new|Fat Ld|square-lead|Trombone Lead|Helicopter Lead|chip-PWM-VibratoLead|Solo1|Theremin",
    "pad": "Bass Pad|bass_pad_fat|Brass Pad2|Choir Pad3|Bell Pad|Accordion Pad 1|Strings Pad1|EG Pad|WowPad",
    "keys": """Synth Piano|keypiano synth|EPclean|Bell EP|Horns EP|soft ethereal e_p_ 2|E.P. 3|Toy Piano|
        Maxi Hapsi|Clav1|80s_rhodes|PianoX-20|Wurli Emu""",
    "pluck": """Dist Guitar 1|Synth Gtr|Lead Guitar|Kinda12String|Plucked String2|Pizzicato Strings|
        Electric Steel|2x Banjo|Angel Harp|progressive-house-pluck""",
    "organ": "Percussion Organ|Pluck Organ|Reed Organ|Bell->Organ|OrganDistort|French Accordian|DirtyLeslie",
    "strings": "Bass Strings|Str Quartet|analog_strings|FirstViolin|DevilsFiddle2|chip-SlowSawStrings",
    "brass": "Brass|Synth Brazz 1|Trumpet|Bass Trombone|Noise Horns|ElectricHorn|PoorTrumpet",
    "wind": """Bassoon|Bass Clarinet|Bass Flute|English Horn|Pan Pipe 32|BrassyFlute|FM Saxophone 2|Reed 5|
        Sax-a-like|Clarinetish|Reed and Wind""",
    "vocal": "AHH Choir 1|SadChoir|Superchoir|Voice OOH|Metalic Vox|Space Voice2|Bass Voice",
    "effects": "Noise1|FX far bomb|Helicopter Hit|Wind|Synth Effect|the_rain|ufo2|Fog Horn",
    "": """|Leadwire|Organic|Morgan|Breadboard|Padlock|Belly|Stringent|Compass|Embassy|Harpoon|Keystone|Hatch|
        Kickstart|Tomorrow|Depends|Epic|12|SeaBass|Uncle Tom|Strings and Flute|Danger Pad/Bass|BassOrLead|
        NicePoly12|???""",
}


@pytest.mark.parametrize(
    ("name", "family"), [(name.strip(), family) for family, names in NAMES.items() for name in names.split("|")]
)
def test_names(name: str, family: str) -> None:
    assert family_of_name(name) == family


@pytest.mark.parametrize("name", ["STRINGS 1", "strings 1", "Strings_1", "strings-1", "  Strings1", "Strïngs 1"])
def test_case_accents_and_separators_do_not_matter(name: str) -> None:
    assert family_of_name(name) == "strings"


FOLDERS = {
    "Bass": "bass", "Brass": "brass", "Choir and Voice": "vocal", "Cormi_Noise": "effects", "Drums": "percussion",
    "Guitar": "pluck", "Noises": "effects", "Organ": "organ", "Pads": "pad", "Plucked": "pluck",
    "Reed and Wind": "wind", "Rhodes": "keys", "Strings": "strings", "SynthPiano": "keys",
    "Arpeggios": "", "Collection": "", "Cormi_Sound": "", "Cris Owl Alvarez": "", "Dual": "", "Fantasy": "",
    "Laba170bank": "", "Misc": "", "Splitted": "", "Synth": "", "net-wisdom": "", "the_mysterious_bank": "",
}  # fmt: skip


@pytest.mark.parametrize(("folder", "family"), FOLDERS.items())
def test_folders(folder: str, family: str) -> None:
    preset = label(Preset("NicePoly", State("zynaddsubfx", b"x"), folder, category="0"))
    assert (preset.family, preset.label_source) == (family, "folder" if family else "")


def zyn(name: str, category: str, bank: str = "Misc") -> Preset:
    return Preset(name, State("zynaddsubfx", b"x"), bank, Path("x.xiz"), category=category)


@pytest.mark.parametrize(
    ("preset", "family", "source"),
    [
        (zyn("Growling Magma", "5"), "bass", "field"),
        (zyn("modern basslead", "5"), "bass", "field"),
        (zyn("FX hell_s bell", "16"), "effects", "field"),
        (zyn("Twang Bass", "5", "Guitar"), "bass", "field"),
        (zyn("Short noise", "1", "Noises"), "effects", "name"),  # "piano" is what nobody chose
        (zyn("Home Piano", "1"), "keys", "field"),
        (zyn("Full Strings", "12"), "strings", "name"),
        (zyn("Strings Pad", "12"), "pad", "field"),
        (zyn("Silver Bell", "11"), "percussion", "name"),
        (zyn("electro tom lead", "11"), "lead", "field"),
        (zyn("Reed Organ", "9"), "organ", "name"),
        (zyn("Pan Pipe", "14"), "wind", "name"),
        (zyn("Koto", "14"), "pluck", "field"),
        (zyn("Sweep Pad 1", "0", "Strings"), "pad", "name"),
        (zyn("Fast Attack", "0", "Strings"), "strings", "folder"),
        (zyn("Rhodes Strings1", "0", "Dual"), "", ""),
        (zyn("Organ and Saw", "0", "Dual"), "organ", "name"),
        (zyn("Soft", "99"), "", ""),
    ],
)
def test_order_of_trust(preset: Preset, family: str, source: str) -> None:
    found = label(preset)
    assert (found.family, found.label_source) == (family, source)


def test_another_synths_category_says_nothing() -> None:
    preset = Preset("NicePoly", State("amsynth", b"{}"), "BriansBank01", category="5")
    assert label(preset) == preset


def test_a_label_that_is_there_stays() -> None:
    preset = Preset("Bass 1", State("faust", b"{}"), family="lead", label_source="field")
    assert label(preset) is preset


def test_every_family_in_the_tables_exists() -> None:
    said = {*WORDS.values(), *WEAK_WORDS.values(), *PHRASES.values()} - {""}
    fields = {row.family for table in CATEGORIES.values() for row in table.values()}
    assert said == set(FAMILIES)
    assert fields <= set(FAMILIES)


def test_no_word_is_both_strong_and_weak() -> None:
    assert not WORDS.keys() & WEAK_WORDS.keys()


def test_the_factory_bank_says_its_own_families():
    from synthmatch.presets.bank import PresetBank
    from synthmatch.presets.faustsynth import factory_bank_path

    for preset in PresetBank.read(factory_bank_path()):
        assert (preset.family, preset.label_source) == (preset.category, "field"), preset.name
