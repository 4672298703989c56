"""Worked out once: the same numbers, and never those of other tensors."""

import torch

from maskfold.engine.once import once, working_once


def test_the_same_tensors_are_asked_once_and_others_are_not_mixed_up():
    asked = []

    def total(tensor, factor):
        asked.append(tensor)
        return float(tensor.sum()) * factor

    one = torch.ones(2, 1, 3)
    once(total, one, 1)
    once(total, one, 1)
    assert len(asked) == 2  # nothing is kept outside
    with working_once():
        assert once(total, one, 1) == once(total, one.flatten(0, 1).unsqueeze(1), 1) == 6
        assert len(asked) == 3
        assert once(total, one, 2) == 12
        assert once(total, one[:1], 1) == 3
        assert once(total, one[..., :2], 1) == 4
        # A tensor that is let go leaves its memory to the next one.
        assert [once(total, torch.full((1000,), number), 1) for number in range(20)] == [
            1000 * number for number in range(20)
        ]
    once(total, one, 1)
    assert asked[-1] is one
