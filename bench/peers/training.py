"""Training steps in PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F

from regularizer import gated_variance
from timing import median_ms


def vgg_small(batch=64, width=1):
    """A step of vgg-small, or of one `width` times as wide."""
    layers, channels = [], 3
    for outputs in (32 * width, 64 * width, 128 * width):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = outputs
    model = nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images, labels = torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return median_ms(step)


def training():
    """A step of vgg-small, batch 64."""
    return vgg_small()


def resnet18(batch=8, side=224, regularized=True):
    """A step of torchvision's ResNet18, with the gated regularizer if `regularized`."""
    from torchvision.models import resnet18 as build

    model = build()
    weights = [weight for weight in model.parameters() if weight.dim() == 4]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images, labels = torch.randn(batch, 3, side, side), torch.arange(batch)

    def step():
        optimizer.zero_grad()
        total = F.cross_entropy(model(images), labels)
        if regularized:
            total = total + gated_variance(weights, tile=64)
        total.backward()
        optimizer.step()
        return total.item()

    return median_ms(step, max_runs=5, min_runs=3)


def scaling(point):
    """A step at a point of a curve, such as batch:16, width:2 or side:64."""
    curve, at = point.split(":")
    if curve == "side":
        return resnet18(side=int(at), regularized=False)
    return vgg_small(**{curve: int(at)})
