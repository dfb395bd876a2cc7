"""Training steps in PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F

from regularizer import gated_variance
from timing import median_ms


def vgg(plan, classifier):
    """A VGG network on images of 32 x 32 pixels; 0 in `plan` is a pooling layer."""
    layers, channels, side = [], 3, 32
    for outputs in plan:
        if outputs == 0:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        else:
            layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU()]
            channels = outputs
    layers.append(nn.Flatten())
    features = channels * side * side
    for outputs in classifier:
        layers += [nn.Linear(features, outputs), nn.ReLU()]
        features = outputs
    return nn.Sequential(*layers, nn.Linear(features, 10))


def vgg_small(width=1):
    return vgg([32 * width, 0, 64 * width, 0, 128 * width, 0], [128])


def vgg11():
    return vgg([64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0], [512, 512])


def step_of(model, batch):
    """The milliseconds of a step on images of 32 x 32 pixels."""
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
    return step_of(vgg_small(), 64)


def training_vgg11():
    """A step of VGG11, batch 128."""
    return step_of(vgg11(), 128)


def evaluation_of(model, batch, side):
    """The milliseconds of a forward pass without gradients."""
    model.eval()
    images = torch.randn(batch, 3, side, side)

    def forward():
        with torch.inference_mode():
            return model(images).sum().item()

    return median_ms(forward)


def evaluation_vgg_small():
    """250 images."""
    return evaluation_of(vgg_small(), 250, 32)


def evaluation_vgg11():
    """250 images."""
    return evaluation_of(vgg11(), 250, 32)


def evaluation_resnet18():
    """32 images of 224 x 224 pixels."""
    from torchvision.models import resnet18 as build

    return evaluation_of(build(), 32, 224)


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

    return median_ms(step)


def scaling(point):
    """A step at a point of a curve, such as batch:16, width:2 or side:64."""
    curve, at = point.split(":")
    if curve == "side":
        return resnet18(side=int(at), regularized=False)
    if curve == "width":
        return step_of(vgg_small(width=int(at)), 64)
    return step_of(vgg_small(), int(at))
