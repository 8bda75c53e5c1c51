from synthmatch.presets.families import BY_PROGRAM, FAMILIES


def test_every_general_midi_program_belongs_to_one_family():
    programs = [program for family in FAMILIES.values() for program in family.programs]
    assert sorted(programs) == list(range(1, 129))
    assert all(program in FAMILIES[key].programs for program, key in BY_PROGRAM.items())


def test_note_lengths_are_distributions_over_playable_lengths():
    for family in FAMILIES.values():
        assert abs(sum(chance for _, chance in family.beats) - 1) < 1e-9
        assert all(length > 0 for length, _ in family.beats)
        assert 0 <= family.rest < 1
        assert 0 <= family.low < family.high <= 127


def test_basses_lie_below_leads():
    assert FAMILIES["bass"].high < FAMILIES["lead"].low
