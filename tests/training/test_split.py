from collections import Counter

from synthmatch.presets.families import FAMILIES
from synthmatch.training.split import frozen, hash_side, read_labels, side_of, write_labels


def test_near_duplicates_stand_on_one_side():
    sides = {}
    for label in frozen().values():
        assert sides.setdefault(label.cluster, label.side) == label.side


def test_clusters_are_named_after_their_smallest_member():
    smallest = {}
    for label in frozen().values():
        smallest[label.cluster] = min(label.id, smallest.get(label.cluster, label.id))
    assert all(cluster == least for cluster, least in smallest.items())


def test_every_label_is_known():
    for label in frozen().values():
        assert not label.family or label.family in FAMILIES
        assert label.source in (("field", "name", "folder", "sound") if label.family else ("",))
        assert label.side in ("train", "valid", "test")


def test_a_quarter_of_the_labelled_presets_is_test():
    stated = [label for label in frozen().values() if label.stated]
    share = Counter(label.side for label in stated)
    assert 0.2 < share["test"] / len(stated) < 0.3
    assert 0.09 < share["valid"] / len(stated) < 0.16


def test_the_side_of_an_unknown_state_comes_from_its_hash_alone():
    assert side_of("0" * 20) == hash_side("0" * 20) == "test"
    assert side_of("4fffffff" + "0" * 12) == "valid"
    assert side_of("f" * 20) == "train"


def test_labels_come_back_from_the_file_as_they_were(tmp_path):
    labels = list(frozen().values())[:50]
    write_labels(tmp_path / "labels.tsv", labels)
    assert list(read_labels(tmp_path / "labels.tsv").values()) == labels
