"""Training steps in PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F

from regularizer import gated_variance
from timing import median_ms


def training():
    """A step of vgg-small, batch 64."""
    layers, channels = [], 3
    for width in (32, 64, 128):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images, labels = torch.randn(64, 3, 32, 32), torch.randint(10, (64,))

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return median_ms(step)


def resnet18(batch=8):
    """A step of torchvision's ResNet18 with the gated regularizer."""
    from torchvision.models import resnet18 as build

    model = build()
    weights = [weight for weight in model.parameters() if weight.dim() == 4]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images, labels = torch.randn(batch, 3, 224, 224), torch.arange(batch)

    def step():
        optimizer.zero_grad()
        total = F.cross_entropy(model(images), labels) + gated_variance(weights, tile=64)
        total.backward()
        optimizer.step()
        return total.item()

    return median_ms(step, max_runs=5, min_runs=3)
