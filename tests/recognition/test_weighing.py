import numpy as np
import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.recognition.weighing import Products

TABLE = """label,grams,sd,loose
yoghurt,100,5,false
butter,120,5,
apples,,,true
"""


def products(tmp_path, text=TABLE):
    path = tmp_path / "products.csv"
    path.write_text(text)
    return Products.read(path)


def test_a_weight_speaks_for_the_product_that_weighs_so_much(tmp_path):
    # 100 g: nothing from the mean for yoghurt, four deviations for butter: 16 / 2.
    assert products(tmp_path).evidence(["yoghurt", "butter"], 100).tolist() == [0, -8]


def test_several_pieces_may_lie_there_and_the_best_number_counts(tmp_path):
    # 3 yoghurts weigh 300, 2 butters 240 and 3 360: 310 is 2 deviations from the first and 10 from the last.
    assert products(tmp_path).evidence(["butter", "yoghurt"], 310) == pytest.approx([-50, -2])
    assert products(tmp_path).evidence(["yoghurt"], 10) == pytest.approx([-(90**2) / 50])  # no piece is none


def test_of_loose_produce_and_unlisted_products_a_weight_says_nothing(tmp_path):
    assert products(tmp_path).evidence(["apples", "lamp"], 1234).tolist() == [0, 0]


def test_a_weight_far_from_all_is_a_number_still(tmp_path):
    assert np.isfinite(products(tmp_path).evidence(["yoghurt"], 1e200)).all()


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,grams,sd\n", r"products\.csv: no column loose"),
        (TABLE + "butter,1,1,\n", "there twice"),
        (TABLE + "salt,0,1,\n", "products without a weight:\n  salt"),
        (TABLE + "salt,10,,\n", "products without a weight"),
        (TABLE + "salt,inf,1,\n", "products without a weight"),
        (TABLE + "salt,10,1,perhaps\n", "products without a weight"),
    ],
)
def test_a_table_that_says_no_weights_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(MaskfoldError, match=message):
        products(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MaskfoldError, match=r"products=.*none\.csv: cannot be read"):
        Products.read(tmp_path / "none.csv")
    with pytest.raises(MaskfoldError, match="no column label"):
        Products(pd.DataFrame({"name": ["a"]}))
