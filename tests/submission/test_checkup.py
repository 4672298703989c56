import pytest

from maskfold.errors import MaskfoldError
from maskfold.submission.checkup import check_up
from maskfold.submission.writer import write_submission


@pytest.fixture
def submission(tmp_path):
    path = tmp_path / "submission.csv.gz"
    write_submission(path, [("a.jpg", "", "1 3"), ("b.jpg", "", "")])
    return path


def test_with_a_size_no_data_is_looked_at(submission):
    report = check_up(submission, height=2, width=3)
    assert (report.images, report.empty_masks, report.ok) == (2, 1, True)


def test_half_a_size_is_refused(submission):
    with pytest.raises(MaskfoldError, match="Give both height= and width="):
        check_up(submission, height=2)


def test_whose_photos_they_are_is_asked_where_nothing_says_it(submission):
    with pytest.raises(MaskfoldError, match=r"manifest\.json: missing, so say what"):
        check_up(submission)
    (submission.parent / "manifest.json").write_text("{}")
    with pytest.raises(MaskfoldError, match="does not name its data"):
        check_up(submission)
