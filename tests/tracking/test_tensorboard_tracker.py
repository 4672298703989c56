import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from maskfold.tracking.tensorboard_tracker import TensorBoardTracker


def read(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def scalars(events, name):
    return [(event.step, round(event.value, 5)) for event in events.Scalars(name)]


def text(events, name):
    return events.Tensors(f"{name}/text_summary")[-1].tensor_proto.string_val[0].decode()


@pytest.fixture
def tracker(tmp_path):
    return TensorBoardTracker(folder=str(tmp_path / "events"))


def test_everything_is_read_back_from_the_event_files(tmp_path, begun, tracker, row, picture, checkpoint):
    tracker.begin(begun())
    tracker.log_epoch(row)
    tracker.log_epoch(row | {"epoch": 1, "val/dice": 0.75})
    tracker.log_samples({"car_01": picture}, epoch=1)
    tracker.log_checkpoint(checkpoint)
    tracker.end(finished=True)
    events = read(tmp_path / "events/m/fold2")
    assert set(events.Tags()["scalars"]) == {"rate", "train/loss", "val/dice", "val/iou"}
    assert scalars(events, "val/dice") == [(0, 0.5), (1, 0.75)]
    assert scalars(events, "rate") == [(0, 0.1), (1, 0.1)]
    (shown,) = events.Images("samples/car_01")
    decoded = cv2.imdecode(np.frombuffer(shown.encoded_image_string, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(decoded, picture)
    assert "    optimizer:\n      lr: 0.1\n" in text(events, "config")
    assert '"data": "d4"' in text(events, "run")
    assert '"commit": ' in text(events, "run")
    assert text(events, "checkpoint") == str(checkpoint)


def test_a_run_that_goes_on_keeps_its_epochs_and_one_begun_anew_does_not(tmp_path, begun, tracker, row):
    for epoch in (0, 1):
        tracker.begin(begun())
        tracker.log_epoch(row | {"epoch": epoch})
        tracker.end(finished=False)
    assert scalars(read(tmp_path / "events/m/fold2"), "val/dice") == [(0, 0.5), (1, 0.5)]
    tracker.begin(begun(overwrite=True))
    tracker.log_epoch(row | {"val/dice": 0.25})
    tracker.end(finished=True)
    assert scalars(read(tmp_path / "events/m/fold2"), "val/dice") == [(0, 0.25)]


def test_a_folder_that_cannot_be_made_raises_what_the_guard_expects(tmp_path, begun):
    (tmp_path / "events").write_text("a file")
    with pytest.raises(TensorBoardTracker.errors):
        TensorBoardTracker(folder=str(tmp_path / "events")).begin(begun())
