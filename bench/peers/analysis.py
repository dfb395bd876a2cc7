"""The crossbar analysis in PyTorch."""

import torch

from timing import median_ms
from weights import VGG11, random_weights, tiles_of

TILE = 32
NEAR_ZERO = 1e-3


def count(inactive, rows):
    """Zeros, sparsity of each tile's least sparse column, and tiles by level."""
    zeros = inactive.sum(dim=3)
    active = (rows - zeros).amax(dim=1)
    level = torch.log2(rows / active).floor().clamp(max=6).long()
    histogram = torch.bincount(level.flatten(), minlength=7)
    return zeros.sum().item(), (1 - active / rows).flatten().tolist(), histogram.tolist()


@torch.inference_mode()
def analysis():
    weights = random_weights(VGG11)

    def analyze():
        report = []
        for weight in weights:
            # Padding beyond the matrix must not count as zero.
            tiles = tiles_of(weight, TILE, padding=1.0)
            inputs = weight[0].numel()
            rows = (inputs - TILE * torch.arange(tiles.shape[2])).clamp(max=TILE)
            # A column of zeros only has rows - zeros = 0 active ones.
            report.append((count(tiles == 0, rows), count(tiles.abs() <= NEAR_ZERO, rows)))
        return report

    return median_ms(analyze)
