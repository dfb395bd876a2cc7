"""What `crossdub bench` measures PyTorch and aihwkit on: the same work, written as one would there.

Called as `python -c SCRIPT THREADS NAME...`; prints {name: milliseconds}, the medians. The name
`images=DIR` reads the image files of a folder with torchvision, where it is installed.
"""

import json
import os
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

TILE = 32
RESNET18 = [(64, 3, 7)] + [(64, 64, 3)] * 4 + [
    (out, into, side)
    for into, out in ((64, 128), (128, 256), (256, 512))
    for out, into, side in ((out, into, 3), (out, out, 3), (out, into, 1), (out, out, 3), (out, out, 3))
]
VGG11 = [(64, 3), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512), (512, 512), (512, 512)]


def median_ms(work, most=25, least=5, seconds=20.0, warm=2):
    for _ in range(warm):
        work()
    times, started = [], time.perf_counter()
    while len(times) < least or (len(times) < most and time.perf_counter() - started < seconds):
        before = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - before))
    return statistics.median(times)


def weights_of(shapes):
    return [torch.randn(out, into, side, side) * (2 / (out * side**2)) ** 0.5 for out, into, side in shapes]


def vgg11_weights():
    return weights_of([(out, into, 3) for out, into in VGG11])


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


def tiles_of(weight, padding, tile=TILE):
    """[output blocks, columns, input blocks, rows]; these networks' widths are whole output blocks."""
    matrix = weight.flatten(1)
    matrix = F.pad(matrix, (0, -matrix.shape[1] % tile), value=padding)
    return matrix.reshape(matrix.shape[0] // tile, tile, matrix.shape[1] // tile, tile)


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


def gated_variance(weights, tile):
    total = 0.0
    for weight in weights:
        tiles = tiles_of(weight, padding=0.0, tile=tile)
        hoyer = tiles.abs().sum(dim=3) ** 2 / (tiles.square().sum(dim=3) + 1e-6)
        above = hoyer - hoyer.mean(dim=1, keepdim=True).detach()
        # All columns count in the value, only those denser than the mean in the gradient.
        above = torch.where(above > 0, above, above.detach())
        total = total + 1e-3 * above.square().sum() / (tile - 1)
    return total


def loss(weights=None, tile=TILE):
    weights = [weight.requires_grad_() for weight in weights or vgg11_weights()]

    def gated():
        total = gated_variance(weights, tile)
        torch.autograd.grad(total, weights)
        return total.item()

    return median_ms(gated)


def images(folder, workers, batch=64, warm_up=4, seconds=8.0):
    """Milliseconds of an image through torchvision's loader; none without torchvision."""
    try:
        from torchvision import datasets, transforms
    except ImportError:
        return None
    transform = transforms.Compose([
        transforms.RandomResizedCrop(224),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])
    train = os.path.join(folder, "train")
    data = datasets.ImageFolder(train if os.path.isdir(train) else folder, transform)
    # Again and again, so that neither the end of an epoch nor a partial batch is measured.
    indices = [at for _ in range(1 + 100_000 // len(data)) for at in torch.randperm(len(data)).tolist()]
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(data, indices), batch_size=batch, num_workers=workers, prefetch_factor=2
    )
    batches = iter(loader)
    for _ in range(warm_up):
        next(batches)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        count += len(next(batches)[0])
    return 1000 * (time.perf_counter() - began) / count


def resnet18(batch=8):
    """A training step of torchvision's ResNet18 with the gated regularizer; none without torchvision."""
    try:
        from torchvision.models import resnet18 as build
    except ImportError:
        return None
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

    return median_ms(step, most=5, least=3)


# One convolution of VGG11 on crossbars of 64 x 64: 8-bit weights and inputs, two images.
CROSSBAR, MAGNITUDE_BITS, INPUT_BITS = 64, 7, 8


def crossbar_layer(weight, input_levels):
    """An aihwkit layer (its tile for inference in PyTorch) without noise; 7 bits and a sign a conversion."""
    from aihwkit.nn import AnalogConv2d
    from aihwkit.simulator.configs import MappingParameter, TorchInferenceRPUConfig
    from aihwkit.simulator.configs.utils import BoundManagementType, NoiseManagementType

    config = TorchInferenceRPUConfig()
    config.mapping = MappingParameter(
        max_input_size=CROSSBAR, max_output_size=CROSSBAR, weight_scaling_omega=0.0, digital_bias=False
    )
    forward = config.forward
    forward.out_noise = forward.w_noise = 0.0
    forward.bound_management, forward.noise_management = BoundManagementType.NONE, NoiseManagementType.NONE
    forward.inp_res = 1 / input_levels if input_levels > 1 else -1.0
    # A step is one unit of a sum of cells and bits.
    forward.out_bound, forward.out_res = float(CROSSBAR), 1 / (2 * CROSSBAR)
    layer = AnalogConv2d(*weight.shape[1::-1], 3, padding=1, bias=False, rpu_config=config).eval()
    layer.set_weights(weight)
    return layer


def layer_and_images():
    return torch.randint(-127, 128, (128, 64, 3, 3)).float(), torch.randint(0, 256, (2, 64, 16, 16)).float()


def simulation():
    """Every slice, polarity and input bit a pass of its own, as crossbars of 1-bit cells need."""
    weights, images = layer_and_images()
    crossbars = []
    for sign in (1, -1):
        magnitude = (sign * weights).clamp(min=0)
        for bit in range(MAGNITUDE_BITS):
            crossbars.append((sign << bit, crossbar_layer(torch.floor(magnitude / 2**bit) % 2, 1)))

    @torch.inference_mode()
    def simulate():
        sums = 0
        for bit in range(INPUT_BITS):
            applied = torch.floor(images / 2**bit) % 2
            for scale, crossbar in crossbars:
                sums = sums + (scale << bit) * crossbar(applied)
        return sums

    exact = F.conv2d(images.double(), weights.double(), padding=1)
    assert torch.equal(simulate().double(), exact), "aihwkit computes something else"
    return median_ms(simulate, most=5, least=3, warm=0)


def simulation_in_one_pass():
    """aihwkit's usual way: one pass with multi-level cells and 8-bit inputs, far less detail."""
    weights, images = layer_and_images()
    layer = crossbar_layer(weights / 127, 255)
    with torch.inference_mode():
        return median_ms(lambda: layer(images / 255))


def measure(name, threads):
    if name.startswith("images="):
        return images(name.removeprefix("images="), threads)
    peers = {
        "training": training,
        "analysis": analysis,
        "loss": loss,
        "resnet18": resnet18,
        "simulation": simulation,
        "simulation_in_one_pass": simulation_in_one_pass,
        "loss_resnet18": lambda: loss(weights_of(RESNET18), tile=64),
    }
    try:
        return peers[name]()
    except ModuleNotFoundError as missing:
        # Where PyTorch is, aihwkit may be missing.
        if missing.name != "aihwkit":
            raise
        return None


if __name__ == "__main__":
    torch.manual_seed(0)
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    print(json.dumps({name: measure(name, threads) for name in sys.argv[2:]}))
