"""Runs the snippet of docs/pytorch.md on weights that `crossdub prune` wrote, and compares class scores.

Usage: load_pruned.py CROSSDUB REPOSITORY. Needs torch and safetensors; leaves with 77 where they are missing.
"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

try:
    import torch
    from safetensors.torch import save_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def png(path, pixels):
    """A 32 x 32 picture, rows of red, green, blue bytes."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(row.flatten().tolist()) for row in pixels)
    head = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main(crossdub, repository):
    text = (Path(repository) / "docs/pytorch.md").read_text()
    snippet = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    definitions = snippet.split("\nmodel = ")[0]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        known = {}
        exec(definitions, known)
        dense = known["vgg"]("32 M 64 M 128 M", [128])
        save_file(dense.state_dict(), "dense.safetensors")
        command = [crossdub, "prune", "dense.safetensors", "--out", "weights.safetensors", "--ratios", "20,80,95", "--json"]
        pruned = json.loads(subprocess.check_output(command))

        loaded = {}
        exec(snippet, loaded)
        model, masks = loaded["model"], loaded["masks"]
        zeros = sum(int((~mask).sum()) for mask in masks.values())
        assert zeros == pruned["zeros"] > 0, (zeros, pruned["zeros"])
        for name, weight in model.state_dict().items():
            kept = masks.get(name, torch.ones_like(weight, dtype=torch.bool))
            assert torch.equal(weight[kept], dense.state_dict()[name][kept]), name

        pixels = torch.randint(0, 256, (32, 32, 3))
        png(Path("picture.png"), pixels)
        image = pixels.permute(2, 0, 1).float()
        image = (image - image.mean()) / max(float(image.std()), 3072 ** -0.5)
        with torch.no_grad():
            expected = model(image[None])[0]
        command = [crossdub, "predict", "weights.safetensors", "--model", "vgg-small", "picture.png", "--json"]
        got = torch.tensor(json.loads(subprocess.check_output(command))["predictions"][0]["logits"])
        difference = float((got - expected).abs().max() / expected.abs().max())
        assert difference < 1e-3, difference
        print(f"{zeros} zeros, class scores agree within {difference:.1e} of the largest")
        os.chdir("/")


main(*sys.argv[1:])
