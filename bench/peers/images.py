"""Reading, decoding and transforming image files with torchvision's loader."""

import os
import time

import torch


def images(folder, workers, batch=64, warm_up=4, seconds=8.0):
    """Milliseconds of one image."""
    from torchvision import datasets, transforms

    transform = transforms.Compose([
        transforms.RandomResizedCrop(224),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])
    train = os.path.join(folder, "train")
    data = datasets.ImageFolder(train if os.path.isdir(train) else folder, transform)
    # Repeats the images, so that neither the end of an epoch nor a partial batch is measured.
    indices = [at for _ in range(1 + 100_000 // len(data)) for at in torch.randperm(len(data)).tolist()]
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(data, indices), batch_size=batch, num_workers=workers, prefetch_factor=2
    )
    batches = iter(loader)
    for _ in range(warm_up):
        next(batches)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        count += len(next(batches)[0])
    return 1000 * (time.perf_counter() - started) / count
