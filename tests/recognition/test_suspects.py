import numpy as np
import pandas as pd
import pytest

from maskfold.recognition.suspects import neighbour_votes, suspect_labels

SCORES = pd.DataFrame(
    [
        ("a", "leek", "leek", 0.8, 0.8),
        ("b", "leek", "pear", 0.9, 0.0),
        ("c", "leek", "pear", 0.5, 0.4),
        ("d", "pear", "pear", 0.7, 0.7),
    ],
    columns=["image_id", "label", "predicted", "probability", "true_probability"],
)


def test_suspicion_is_the_mean_of_the_voices_that_speak():
    votes = pd.Series({"b": 0.5})
    others = {"one": SCORES.assign(predicted="pear"), "two": SCORES.assign(predicted="leek")}

    alone, all_voices = suspect_labels(SCORES), suspect_labels(SCORES, votes=votes, members=others)

    assert alone["image_id"].tolist() == ["b", "c"]
    assert alone["suggested"].tolist() == ["pear", "pear"]
    assert alone["suspicion"].tolist() == pytest.approx([0.9, 0.1])
    assert alone["certain"].tolist() == [True, False]  # photos of pears have 0.7 in the mean
    assert all_voices["suspicion"].tolist() == pytest.approx([(0.9 + 0.5 + 0) / 3, (0.1 + 0) / 2])


def test_the_nearest_photos_of_other_groups_vote():
    angles = np.deg2rad([0, 5, 10, 15, 180, 185])
    photos = pd.DataFrame(
        {
            "image_id": [*"abcdef"],
            "label": ["leek", "pear", "pear", "leek", "plum", "plum"],
            "predicted": ["pear", "pear", "pear", "leek", "plum", "plum"],
            "group": ["1", "1", "2", "3", "4", "5"],
        }
    )
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    votes = neighbour_votes(embeddings, photos, asked=np.arange(6) == 0, count=2)

    # b is of its group; c says pear, d says leek.
    assert votes.to_dict() == {"a": 0}
    # Of four, both plums say neither.
    assert neighbour_votes(embeddings, photos.assign(label="pear"), asked=np.arange(6) == 0, count=9).to_dict() == {
        "a": 0
    }


def test_planted_wrong_labels_stand_in_front():
    rng = np.random.default_rng(3)
    classes, photos, folds = 20, 2000, 5
    true = rng.integers(0, classes, photos)
    embeddings = (rng.normal(size=(classes, 16))[true] + 0.6 * rng.normal(size=(photos, 16))).astype(np.float32)
    planted = rng.permutation(photos)[: photos // 20]
    given = true.copy()
    given[planted] = (given[planted] + rng.integers(1, classes, len(planted))) % classes
    fold = np.arange(photos) % folds
    tables, votes = [], []
    for number in range(folds):
        learned, asked = fold != number, np.flatnonzero(fold == number)
        means = np.stack([embeddings[learned & (given == label)].mean(0) for label in range(classes)])
        logits = -((embeddings[asked, None] - means) ** 2).sum(2)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        rows = pd.DataFrame({"image_id": asked.astype(str), "label": given[asked], "predicted": shares.argmax(1)})
        rows = rows.assign(probability=shares.max(1), group=rows["image_id"])
        tables.append(rows.assign(true_probability=shares[np.arange(len(asked)), given[asked]]))
        votes.append(neighbour_votes(embeddings[asked], rows, asked=(rows["label"] != rows["predicted"]).to_numpy()))

    ranked = suspect_labels(pd.concat(tables), votes=pd.concat(votes))

    first = {*ranked["image_id"].head(photos // 20)}
    assert len(first & {*planted.astype(str)}) > 0.8 * len(planted)
