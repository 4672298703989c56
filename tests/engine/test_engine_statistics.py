"""Statistics of batch normalisation: those of a direct pass over the data, and nothing else is changed."""

import torch
from torch import nn

from maskfold.engine.statistics import recompute_statistics


def test_they_are_the_means_of_what_the_batches_have_in_each_layer():
    torch.manual_seed(0)
    first, second = nn.BatchNorm2d(1, momentum=0.3), nn.BatchNorm2d(2)
    unused, frozen = nn.BatchNorm2d(1), nn.BatchNorm2d(1).requires_grad_(False)
    network = nn.Sequential(first, nn.Conv2d(1, 2, 1), nn.Dropout(0.9), second)
    network.add_module("frozen", nn.Sequential())
    network[1].frozen, network[1].unused = frozen, unused
    for layer in (first, second, unused, frozen):
        layer.running_mean.fill_(9.0)
        layer.num_batches_tracked.fill_(5)
    batches = [torch.rand(4, 1, 6, 6) * 3 + 1, torch.rand(4, 1, 6, 6) - 2]

    recompute_statistics(network, batches)

    pixels = [batch.flatten() for batch in batches]
    torch.testing.assert_close(first.running_mean, torch.stack([one.mean() for one in pixels]).mean()[None])
    torch.testing.assert_close(first.running_var, torch.stack([one.var() for one in pixels]).mean()[None])
    # Behind it a batch is of mean 0, and without dropout the second layer sees the convolution's bias.
    torch.testing.assert_close(second.running_mean, network[1].bias, atol=1e-5, rtol=0)
    assert unused.running_mean.item() == frozen.running_mean.item() == 9
    assert {int(layer.num_batches_tracked) for layer in (first, second, unused, frozen)} == {5}
    assert (first.momentum, second.momentum, network.training, first.training) == (0.3, 0.1, False, False)


def test_a_network_without_such_layers_reads_no_photo():
    recompute_statistics(nn.Linear(1, 1), (1 / 0 for _ in range(1)))
