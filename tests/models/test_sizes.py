import pytest

from maskfold.errors import MaskfoldError
from maskfold.models.sizes import check_size


@pytest.mark.parametrize(
    ("height", "width", "nearest"),
    [
        (1280, 1918, "1280 x 1888 or 1280 x 1920"),
        (33, 64, "32 x 64 or 64 x 64"),
        (10, 10, "32 x 32"),
        (10, 65, "32 x 64 or 32 x 96"),
    ],
)
def test_refusal_names_the_nearest_sizes(height, width, nearest):
    with pytest.raises(MaskfoldError, match=f"of {height} x {width} .* multiples of 32. Choose .* gives {nearest}\\."):
        check_size(height, width, 32)


def test_multiples_pass():
    check_size(1280, 1920, 32)
    check_size(64, 128, 64)
