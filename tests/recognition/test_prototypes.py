import numpy as np
import pytest
from safetensors.numpy import save_file

from maskfold.errors import MaskfoldError
from maskfold.recognition.prototypes import Prototypes, in_portions, nearest_of_others


def three():
    """Two photos of class 7 and one of class 2, seen from (1, 1)."""
    embeddings = np.array([[4, 1], [1, 3], [-1, 1]], dtype=np.float32)
    return Prototypes.of(embeddings, np.array([7, 7, 2]), centre=np.array([1, 1]))


def test_a_prototype_is_the_direction_of_the_mean_of_directions():
    prototypes = three()

    assert prototypes.classes.tolist() == [2, 7]
    # From (1, 1) the photos of class 7 lie at (3, 0) and (0, 2): directions (1, 0) and (0, 1), between them 45 degrees.
    assert prototypes.matrix == pytest.approx(np.array([[-1, 0], [0.5**0.5, 0.5**0.5]]))


def test_the_centre_is_the_mean_of_the_classes_means():
    embeddings = np.array([[2, 0], [4, 0], [0, 1]], dtype=np.float32)

    assert Prototypes.of(embeddings, np.array([0, 0, 1])).centre.tolist() == [1.5, 0.5]


def test_the_nearest_is_that_of_the_largest_cosine(monkeypatch):
    monkeypatch.setattr("maskfold.recognition.prototypes._AT_ONCE", 2)  # a photo at a time
    nearest, cosine = three().nearest(np.array([[5, 5], [-3, 1], [1, 1]], dtype=np.float32))

    assert nearest.tolist()[:2] == [7, 2]
    assert cosine == pytest.approx([1, 1, 0])  # the centre itself has no direction


def test_uncentred_embeddings_tell_products_apart_once_they_are_centred():
    random = np.random.default_rng(0)
    spots = random.normal(0, 1, (20, 32))
    classes = np.repeat(np.arange(20), 10)
    embeddings = (100 + spots[classes] + random.normal(0, 0.5, (200, 32))).astype(np.float32)  # all point one way
    bare = Prototypes.of(embeddings, classes, centre=np.zeros(32))

    assert (Prototypes.of(embeddings, classes).nearest(embeddings)[0] == classes).mean() > 0.99
    assert bare.alike(bare, cosine=0.999).shape == (400, 3)  # uncentred, everything is nearer than that


def test_new_ones_join_the_old_ones_and_name_whom_they_look_like():
    old = three()
    new = Prototypes.of(np.array([[4, 4.2], [1, -5]], dtype=np.float32), np.array([8, 9]), centre=old.centre)
    pairs = new.alike(old)

    assert old.joined(new).classes.tolist() == [2, 7, 8, 9]
    assert pairs[["class_index", "other_index"]].to_numpy().tolist() == [[8, 7]]
    # (3, 3.2) and (1, 1): 6.2 / (4.386 * 1.414)
    assert pairs["cosine"].tolist() == pytest.approx([0.99948], abs=1e-5)
    with pytest.raises(MaskfoldError, match="a class has two"):
        old.joined(old)
    with pytest.raises(MaskfoldError, match="two networks"):
        old.joined(Prototypes.of(np.eye(2, dtype=np.float32), np.array([8, 9])))


def test_they_are_read_as_they_were_written(tmp_path):
    three().write(tmp_path / "prototypes.safetensors")
    again = Prototypes.read(tmp_path / "prototypes.safetensors")

    assert all(np.array_equal(getattr(again, name), getattr(three(), name)) for name in ("matrix", "classes", "centre"))


@pytest.mark.hostile("damaged files")
def test_files_that_are_none_of_prototypes_are_refused(tmp_path):
    path = tmp_path / "prototypes.safetensors"
    three().write(path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(MaskfoldError, match="no readable prototypes"):
        Prototypes.read(path)
    save_file({"weight": np.eye(2)}, path)
    with pytest.raises(MaskfoldError, match=r"no readable prototypes \('matrix'\)"):
        Prototypes.read(path)
    save_file({"matrix": np.eye(2), "classes": np.arange(3), "centre": np.zeros(2)}, path)
    with pytest.raises(MaskfoldError, match="do not belong together"):
        Prototypes.read(path)


def nearest_cosine(embeddings, classes):
    return nearest_of_others(lambda: in_portions(embeddings), classes)


def test_a_photo_is_in_no_prototype_that_it_is_compared_with():
    # Seen from the middle, two photos of either class lie opposite each other: alone each is the other's exactly.
    embeddings = np.array([[2, 0], [2, 0], [-2, 0], [-2, 0], [0, 3]], np.float32)
    cosine = nearest_cosine(embeddings, np.array([0, 0, 1, 1, -1]))
    assert cosine.tolist() == pytest.approx([1, 1, 1, 1, 0])

    single = nearest_cosine(embeddings[[0, 2]], np.array([0, 1]))
    assert single.tolist() == pytest.approx([-1, -1])  # its own class has no other photo
    assert np.isnan(nearest_cosine(embeddings, np.full(5, -1))).all()


def test_portions_in_any_order_come_to_what_is_counted_out_photo_by_photo(monkeypatch):
    monkeypatch.setattr("maskfold.recognition.prototypes._AT_ONCE", 8)
    random = np.random.default_rng(0)
    embeddings = random.normal(5, 1, (12, 4)).astype(np.float32)
    classes = np.array([3, 3, 3, 0, 0, 0, 7, 7, -1, -1, 7, 9])
    centre = np.mean([embeddings[classes == one].mean(axis=0) for one in (0, 3, 7, 9)], axis=0)
    directions = (embeddings - centre) / np.linalg.norm(embeddings - centre, axis=1, keepdims=True)
    expected = []
    for row in range(12):
        others = np.arange(12) != row
        sums = [directions[others & (classes == one)].sum(axis=0) for one in (0, 3, 7, 9) if one in classes[others]]
        expected.append(max(directions[row] @ one / np.linalg.norm(one) for one in sums))
    order = random.permutation(12)
    portions = [(rows, embeddings[rows]) for rows in np.array_split(order, 3)]

    assert nearest_of_others(lambda: portions, classes) == pytest.approx(np.array(expected), abs=1e-5)
    assert nearest_of_others(lambda: in_portions(embeddings[:5], embeddings[5:]), classes) == pytest.approx(
        np.array(expected), abs=1e-5
    )
