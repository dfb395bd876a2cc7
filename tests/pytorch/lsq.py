"""Trains a small network with learned step sizes (LSQ, arXiv 1902.08153) in PyTorch, for tests/rust/quantized_training.rs.

Usage: lsq.py OUT.safetensors. Writes the start, the images, the loss of every step and the weights after the first and the last one.
"""

import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

PRECISION, INPUT_BITS, STEPS = [4, 3], 8, 12


class Round(torch.autograd.Function):
    @staticmethod
    def forward(_, x):
        return torch.floor(x + 0.5)

    @staticmethod
    def backward(_, gradient):
        return gradient


class ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(context, x, scale):
        context.scale = scale
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * context.scale, None


def quantize(x, step, low, high, sharing):
    step = ScaleGradient.apply(step, (sharing * high) ** -0.5)
    return Round.apply((x / step).clamp(low, high)) * step


class Conv(nn.Module):
    def __init__(self, inputs, outputs, precision, zero, per_channel):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.largest, self.zero, self.per_channel = 2 ** (precision - 1) - 1, zero, per_channel
        weight = self.conv.weight.detach()
        largest = weight.flatten(1).abs().amax(1) if per_channel else weight.abs().max().reshape(1)
        # Some weights lie beyond the largest integer.
        self.weight_step = nn.Parameter(0.6 * largest / self.largest)
        self.input_step = nn.Parameter(torch.tensor([2 ** -6.5]))

    def forward(self, x):
        top, features = 2 ** INPUT_BITS - 1, x[0].numel()
        # Symmetric in the paper; with an integer of 0 the range is shifted, and its scale stays that of the top.
        step = ScaleGradient.apply(self.input_step, (features * top) ** -0.5)
        x = Round.apply((x / step).clamp(-self.zero, top - self.zero)) * step
        steps = self.weight_step.reshape(-1, 1, 1, 1)
        sharing = self.conv.weight[0].numel() if self.per_channel else self.conv.weight.numel()
        weight = quantize(self.conv.weight, steps, -self.largest, self.largest, sharing)
        return F.relu(F.conv2d(x, weight, self.conv.bias, padding=1))


def run(per_channel):
    torch.manual_seed(5)
    layers = [Conv(3, 4, PRECISION[0], 128, per_channel), Conv(4, 6, PRECISION[1], 0, per_channel)]
    linear = nn.Linear(6 * 4 * 4, 10)
    # An average: sums of integers are often equal, and which of them is the maximum would be a matter of taste.
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), linear)
    images = torch.randint(0, 256, (8, 3, 32, 32))
    labels = torch.arange(8) % 10
    tensors = {"images": images.float(), "labels": labels.float()}

    def keep(prefix):
        for index, (layer, precision) in enumerate(zip(layers, PRECISION)):
            values = {
                "weight": layer.conv.weight, "bias": layer.conv.bias, "weight_step": layer.weight_step,
                "input_step": layer.input_step, "weight_bits": torch.tensor([float(precision)]),
                "input_zero": torch.tensor([float(layer.zero)]), "input_bits": torch.tensor([float(INPUT_BITS)]),
            }
            tensors.update({f"{prefix}/features.{2 * index}.{name}": value.detach().clone() for name, value in values.items()})
        tensors[f"{prefix}/classifier.0.weight"] = linear.weight.detach().clone()
        tensors[f"{prefix}/classifier.0.bias"] = linear.bias.detach().clone()

    keep("start")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    losses = []
    for _ in range(STEPS):
        loss = F.cross_entropy(network((images / 255 - 0.5) / 0.5), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if len(losses) == 1:
            keep("first")
    keep("end")
    tensors["losses"] = torch.tensor(losses)
    return tensors


if __name__ == "__main__":
    both = {f"{name}/{key}": value for name, per_channel in [("layer", False), ("channel", True)]
            for key, value in run(per_channel).items()}
    save_file({name: value.contiguous() for name, value in both.items()}, sys.argv[1])
