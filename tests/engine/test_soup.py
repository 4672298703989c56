"""The mean of weights: on a page of numbers, and as a network."""

import pytest
import torch
from torch import nn

from maskfold.engine.soup import greedy_soup, mean_weights, uniform_soup


def at(value, steps=0):
    return {"weight": torch.tensor([value]), "steps": torch.tensor(steps)}


def test_a_soup_of_one_is_itself_and_numbers_that_count_are_those_of_the_best():
    odd = {"weight": torch.tensor([0.1, -3e-30, 7.0]), "half": torch.tensor([0.3]).bfloat16()}
    assert all(torch.equal(tensor, odd[name]) for name, tensor in mean_weights([odd]).items())
    mean = mean_weights([at(1.0, steps=7), at(2.0, steps=9), at(6.0, steps=11)])
    assert mean["weight"].item() == 3.0
    assert mean["steps"].item() == 7


def test_a_soup_of_linear_networks_answers_with_the_mean_of_their_answers():
    torch.manual_seed(0)
    networks, image = [nn.Conv2d(3, 2, 3) for _ in range(2)], torch.rand(2, 3, 8, 8)
    soup = nn.Conv2d(3, 2, 3)
    soup.load_state_dict(mean_weights(network.state_dict() for network in networks))
    torch.testing.assert_close(soup(image), (networks[0](image) + networks[1](image)) / 2)


def test_weights_of_another_network_are_refused():
    with pytest.raises(ValueError, match="number 2"):
        mean_weights([at(1.0), {"weight": torch.zeros(2), "steps": torch.tensor(0)}])


@pytest.mark.parametrize("sign", [1, -1])
def test_greedily_a_checkpoint_is_added_while_the_score_does_not_fall(sign):
    # The best is at 4, the others at 8, 0 and 1; a mean is worth the less the farther it is from 3: alone -1. With 8 it
    # is 6, worth -3: left out. With 0 it is 2, worth -1: as good, taken. With 1 it is 5/3: worse, left out.
    tried = []

    def judge(weights):
        tried.append(weights["weight"].item())
        return weights, -sign * abs(tried[-1] - 3)

    read = [lambda value=value: at(value) for value in (4.0, 8.0, 0.0, 1.0)]
    soup = greedy_soup(read, judge, best=-sign * 1.0, sign=sign)
    assert soup.taken == (0, 2)
    assert soup.weights["weight"].item() == 2
    assert soup.score == -sign
    assert tried == pytest.approx([6, 2, 5 / 3])
    assert soup.tried == pytest.approx([-sign, -sign * 3, -sign, -sign * 4 / 3])


def test_uniformly_all_are_taken_whatever_that_is_worth():
    soup = uniform_soup([lambda: at(4.0), lambda: at(8.0)], lambda weights: (weights, 0.25))
    assert (soup.weights["weight"].item(), soup.score, soup.taken) == (6.0, 0.25, (0, 1))
