import pandas as pd

from maskfold.recognition.pairs import confused_pairs, partners


def test_a_pair_is_counted_both_ways_and_shared_by_the_photos_of_both():
    rows = [
        ("gala", "gala", "pink"),
        ("gala", "pink", "pink"),
        ("gala", "gala", "gala"),
        ("pink", "pink", "gala"),
        ("leek", "leek", "leek"),
        ("leek", "gala", "leek"),
    ]
    table = confused_pairs(pd.DataFrame(rows, columns=["label", "champion", "challenger"]))

    first, second = table.to_dict("records")
    assert first == {
        "label": "gala",
        "other": "pink",
        "photos": 4,
        "challenger": 3,
        "champion": 1,
        "rate": 3 / 4,
        "champion_rate": 1 / 4,
    }
    assert (second["label"], second["other"], second["challenger"], second["champion"]) == ("gala", "leek", 0, 1)
    assert partners(table, "pink") == ". Confused with gala (3 of 4 photos of the two, 75.0 %)"
    assert partners(table, "leek") == ""


def test_models_that_are_always_right_confuse_nothing():
    photos = pd.DataFrame({"label": ["a", "b"], "champion": ["a", "b"], "challenger": ["a", "b"]})

    assert confused_pairs(photos).empty
