"""Times in PyTorch, torchvision and aihwkit for the work that `crossdub bench` measures.

    python bench/peers THREADS WORK

WORK is a name below, images=DIR for the image files in a folder, or scaling=POINT for a point of a curve. Prints
{WORK: milliseconds}; null if the package for it is not installed.
"""

import json
import sys

import torch

from analysis import analysis
from images import images
from regularizer import loss_resnet18, loss_vgg11
from simulation import bit_serial_layer, single_pass_layer
from training import (
    evaluation_resnet18,
    evaluation_vgg11,
    evaluation_vgg_small,
    resnet18,
    scaling,
    training,
    training_vgg11,
)

WORK = [
    analysis,
    bit_serial_layer,
    evaluation_resnet18,
    evaluation_vgg11,
    evaluation_vgg_small,
    loss_resnet18,
    loss_vgg11,
    resnet18,
    single_pass_layer,
    training,
    training_vgg11,
]
OPTIONAL_PACKAGES = ("aihwkit", "torchvision")


def measure(name, threads):
    if name.startswith("images="):
        return images(name.removeprefix("images="), threads)
    if name.startswith("scaling="):
        return scaling(name.removeprefix("scaling="))
    return {work.__name__: work for work in WORK}[name]()


if __name__ == "__main__":
    threads, name = int(sys.argv[1]), sys.argv[2]
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    try:
        milliseconds = measure(name, threads)
    except ModuleNotFoundError as missing:
        if missing.name not in OPTIONAL_PACKAGES:
            raise
        milliseconds = None
    print(json.dumps({name: milliseconds}))
