import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.recognition.replay import replayed


def rows(counts):
    """Return a table with so many photos of class 0, 1 and so on."""
    classes = [index for index, count in enumerate(counts) for _ in range(count)]
    names = [f"{number:03d}" for number in range(len(classes))]
    return pd.DataFrame({"image_id": names, "class_index": classes, "image_hash": [f"h{name}" for name in names]})


def test_new_products_come_whole_and_old_ones_with_a_few_photos():
    table = rows([50, 3, 40, 7])
    chosen = replayed(table, known=3, photos=5, seed=0)

    assert chosen["class_index"].value_counts().sort_index().tolist() == [5, 3, 5, 7]
    assert chosen.index.is_monotonic_increasing
    assert replayed(table, known=3, photos=0, seed=0)["class_index"].unique().tolist() == [3]


def test_what_is_drawn_follows_from_content_and_seed_alone():
    table = rows([50, 40])
    drawn = {*replayed(table, known=2, photos=10, seed=0)["image_hash"]}
    other_way_round = table[::-1].assign(image_id=[f"other{number}" for number in range(90)])

    assert {*replayed(other_way_round, known=2, photos=10, seed=0)["image_hash"]} == drawn
    assert {*replayed(table, known=2, photos=10, seed=1)["image_hash"]} != drawn
    later = pd.concat([table, rows([9, 9]).assign(image_hash="x", image_id="y")], ignore_index=True)
    assert len(drawn & {*replayed(later, known=2, photos=10, seed=0)["image_hash"]}) >= 15  # most of them stay


def test_less_than_no_photos_are_refused():
    with pytest.raises(MaskfoldError, match="replay=-1"):
        replayed(rows([3]), known=1, photos=-1, seed=0)
