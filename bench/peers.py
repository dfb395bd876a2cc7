"""What `crossdub bench` measures PyTorch on: the same work, written as one would in PyTorch.

Called as `python -c SCRIPT THREADS NAME...`; prints {name: milliseconds}, the medians.
"""

import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

TILE = 32
VGG11 = [(64, 3), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512), (512, 512), (512, 512)]


def median_ms(work, most=25, least=5, seconds=20.0):
    work()
    work()
    times, started = [], time.perf_counter()
    while len(times) < least or (len(times) < most and time.perf_counter() - started < seconds):
        before = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - before))
    return statistics.median(times)


def vgg11_weights():
    return [torch.randn(out, into, 3, 3) * (2 / (out * 9)) ** 0.5 for out, into in VGG11]


def training():
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


def tiles_of(weight, padding):
    """[output blocks, columns, input blocks, rows]; VGG11's widths are whole output blocks."""
    matrix = weight.flatten(1)
    matrix = F.pad(matrix, (0, -matrix.shape[1] % TILE), value=padding)
    return matrix.reshape(matrix.shape[0] // TILE, TILE, matrix.shape[1] // TILE, TILE)


def count(inactive, rows):
    """Zeros, sparsity of each tile's least sparse column, and tiles by level."""
    zeros = inactive.sum(dim=3)
    active = (rows - zeros).amax(dim=1)
    level = torch.log2(rows / active).floor().clamp(max=6).long()
    histogram = torch.bincount(level.flatten(), minlength=7)
    return zeros.sum().item(), (1 - active / rows).flatten().tolist(), histogram.tolist()


@torch.inference_mode()
def analysis():
    weights = vgg11_weights()

    def analyze():
        report = []
        for weight in weights:
            # What lies beyond the matrix must not count as zero.
            tiles = tiles_of(weight, padding=1.0)
            inputs = weight[0].numel()
            rows = (inputs - TILE * torch.arange(tiles.shape[2])).clamp(max=TILE)
            # A column that is zero over its true rows has rows - zeros = 0 active ones.
            report.append((count(tiles == 0, rows), count(tiles.abs() <= 1e-3, rows)))
        return report

    return median_ms(analyze)


def loss():
    weights = [weight.requires_grad_() for weight in vgg11_weights()]

    def gated():
        total = 0.0
        for weight in weights:
            tiles = tiles_of(weight, padding=0.0)
            hoyer = tiles.abs().sum(dim=3) ** 2 / (tiles.square().sum(dim=3) + 1e-6)
            above = hoyer - hoyer.mean(dim=1, keepdim=True).detach()
            # All columns count in the value, only those denser than the mean in the gradient.
            above = torch.where(above > 0, above, above.detach())
            total = total + 1e-3 * above.square().sum() / (TILE - 1)
        torch.autograd.grad(total, weights)
        return total.item()

    return median_ms(gated)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(int(sys.argv[1]))
    peers = {"training": training, "analysis": analysis, "loss": loss}
    print(json.dumps({name: peers[name]() for name in sys.argv[2:] if name in peers}))
