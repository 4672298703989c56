"""One tab at a time has a photo open."""

from maskfold.review.leases import LASTS, Leases


def test_a_photo_is_one_tabs_until_it_is_silent_closes_or_another_takes_over():
    now = [0.0]
    leases = Leases(clock=lambda: now[0])

    assert leases.take("car", "one")
    assert not leases.take("car", "two")
    now[0] = LASTS
    assert leases.take("car", "one")  # a sign of life
    now[0] = 2 * LASTS
    assert not leases.take("car", "two")
    now[0] += LASTS + 0.1
    assert leases.take("car", "two")
    assert leases.take("car", "one", over=True)
    leases.drop("car", "two")  # no longer its own
    assert leases.holder("car") == "one"
    leases.drop("car", "one")
    assert leases.holder("car") is None
