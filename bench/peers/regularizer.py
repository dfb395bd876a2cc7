"""The gated D.U.B. regularizer in PyTorch, with autograd."""

import torch

from timing import median_ms
from weights import RESNET18, VGG11, random_weights, tiles_of


def gated_variance(weights, tile):
    """The loss over all weights: only columns denser than their tile's mean have a gradient."""
    total = 0.0
    for weight in weights:
        tiles = tiles_of(weight, tile, padding=0.0)
        hoyer = tiles.abs().sum(dim=3) ** 2 / (tiles.square().sum(dim=3) + 1e-6)
        deviation = hoyer - hoyer.mean(dim=1, keepdim=True).detach()
        # All columns count in the value.
        deviation = torch.where(deviation > 0, deviation, deviation.detach())
        total = total + 1e-3 * deviation.square().sum() / (tile - 1)
    return total


def loss(shapes, tile):
    """The loss and its gradient."""
    weights = [weight.requires_grad_() for weight in random_weights(shapes)]

    def evaluate():
        total = gated_variance(weights, tile)
        torch.autograd.grad(total, weights)
        return total.item()

    return median_ms(evaluate)


def loss_vgg11():
    return loss(VGG11, tile=32)


def loss_resnet18():
    return loss(RESNET18, tile=64)
