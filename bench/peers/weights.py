"""Convolution weights of VGG11 and ResNet18, and their crossbar tiles."""

import torch
from torch.nn import functional as F

# (output channels, input channels, kernel side) of each convolution.
VGG11 = [
    (out, into, 3)
    for out, into in ((64, 3), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512), (512, 512), (512, 512))
]
RESNET18 = [(64, 3, 7)] + [(64, 64, 3)] * 4 + [
    (out, into, side)
    for into, out in ((64, 128), (128, 256), (256, 512))
    for out, into, side in ((out, into, 3), (out, out, 3), (out, into, 1), (out, out, 3), (out, out, 3))
]


def random_weights(shapes):
    """Weights [out, in, side, side] as before training."""
    return [torch.randn(out, into, side, side) * (2 / (out * side**2)) ** 0.5 for out, into, side in shapes]


def tiles_of(weight, tile, padding):
    """Tiles [output blocks, columns, input blocks, rows]; the outputs must be a multiple of `tile`."""
    matrix = weight.flatten(1)
    matrix = F.pad(matrix, (0, -matrix.shape[1] % tile), value=padding)
    return matrix.reshape(matrix.shape[0] // tile, tile, matrix.shape[1] // tile, tile)
