"""Trains a small network with learned step sizes (LSQ, arXiv 1902.08153) in PyTorch, for tests/rust/quantized_training.rs.

Usage: lsq.py OUT.safetensors. Writes the start, the images, the loss of every step and the weights after the first and the last one.
"""

import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

# Of two convolutions and, where it is quantized, of the classifier.
PRECISION, INPUT_BITS, STEPS = [4, 3, 5], 8, 12


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


class Quantized(nn.Module):
    def __init__(self, layer, precision, zero, per_channel):
        super().__init__()
        self.layer = layer
        self.largest, self.zero, self.per_channel = 2 ** (precision - 1) - 1, zero, per_channel
        weight = layer.weight.detach()
        largest = weight.flatten(1).abs().amax(1) if per_channel else weight.abs().max().reshape(1)
        # Some weights lie beyond the largest integer.
        self.weight_step = nn.Parameter(0.6 * largest / self.largest)
        self.input_step = nn.Parameter(torch.tensor([2 ** -6.5]))

    def forward(self, x):
        top, features = 2 ** INPUT_BITS - 1, x[0].numel()
        # Symmetric in the paper; with an integer of 0 the range is shifted, and its scale stays that of the top.
        step = ScaleGradient.apply(self.input_step, (features * top) ** -0.5)
        x = Round.apply((x / step).clamp(-self.zero, top - self.zero)) * step
        layer = self.layer
        steps = self.weight_step.reshape([-1] + [1] * (layer.weight.ndim - 1))
        sharing = layer.weight[0].numel() if self.per_channel else layer.weight.numel()
        weight = quantize(layer.weight, steps, -self.largest, self.largest, sharing)
        if layer.weight.ndim == 2:
            return F.linear(x, weight, layer.bias)
        return F.relu(F.conv2d(x, weight, layer.bias, padding=1))


def run(per_channel, quantize_linear, seed):
    torch.manual_seed(seed)
    sizes = [(3, 4, 128), (4, 6, 0)]
    layers = [Quantized(nn.Conv2d(inputs, outputs, 3, padding=1), precision, zero, per_channel)
              for (inputs, outputs, zero), precision in zip(sizes, PRECISION)]
    linear = nn.Linear(6 * 4 * 4, 10)
    head = Quantized(linear, PRECISION[2], 0, per_channel) if quantize_linear else linear
    quantized = dict(zip(["features.0", "features.2", "classifier.0"], layers + [head] * quantize_linear))
    # An average: sums of integers are often equal, and which of them is the maximum would be a matter of taste.
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), head)
    images = torch.randint(0, 256, (8, 3, 32, 32))
    labels = torch.arange(8) % 10
    tensors = {"images": images.float(), "labels": labels.float()}

    def keep(prefix):
        for (base, layer), precision in zip(quantized.items(), PRECISION):
            values = {
                "weight": layer.layer.weight, "bias": layer.layer.bias, "weight_step": layer.weight_step,
                "input_step": layer.input_step, "weight_bits": torch.tensor([float(precision)]),
                "input_zero": torch.tensor([float(layer.zero)]), "input_bits": torch.tensor([float(INPUT_BITS)]),
            }
            tensors.update({f"{prefix}/{base}.{name}": value.detach().clone() for name, value in values.items()})
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
    # Seeds with which no value comes so close to half an integer that the order of a sum decides.
    cases = {"layer": (False, False, 5), "channel": (True, False, 5), "linear": (True, True, 8)}
    tensors = {f"{name}/{key}": value for name, case in cases.items() for key, value in run(*case).items()}
    save_file({name: value.contiguous() for name, value in tensors.items()}, sys.argv[1])
