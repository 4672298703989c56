import pytest
from torch.utils.data import DataLoader, Dataset

from maskfold.errors import MaskfoldError, listing

MESSAGE = "2 photos cannot be read:\n  a.jpg\n  b.jpg"


class Broken(Dataset):
    """Raises for its one sample, as a reader does: with a cause."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        raise MaskfoldError(MESSAGE) from ValueError("truncated")


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_error_in_a_loading_process_reads_like_any_other(num_workers):
    batches = iter(DataLoader(Broken(), num_workers=num_workers))
    with pytest.raises(MaskfoldError) as error:
        next(batches)
    if num_workers:
        batches._shutdown_workers()  # left to the garbage collector it takes five seconds of a later test

    assert str(error.value) == MESSAGE


def test_a_listing_says_how_many_it_leaves_out():
    assert listing(["a", "b"]) == "  a\n  b"
    assert listing(["a", "b", "c"], limit=1) == "  a\n  ... and 2 more"
