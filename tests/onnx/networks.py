"""Exports torchvision's networks with random weights, and what onnxruntime and PyTorch make of them.

Usage: python tests/onnx/networks.py FOLDER [NAME...]

Writes, for each network and each of PyTorch's two exporters, NAME.EXPORTER.onnx with
- NAME.EXPORTER.json: the output positions of its convolutions and fully connected layers, counted by forward hooks,
- NAME.EXPORTER.input.f32 and .output.f32: one image and onnxruntime's scores for it, little-endian float32.

Needs torch, torchvision, onnx, onnxruntime and onnxscript (CPU builds are enough). Nothing is downloaded: the weights are
random, from a fixed seed. The folder takes 2 GB, so keep it outside the checkout; set CROSSDUB_ONNX_NETWORKS to it and the
tests of tests/rust/onnx_networks.rs compare with it.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torchvision
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

NETWORKS = ["vgg11", "resnet50", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "vit_b_16", "resnet18_qdq"]
EXPORTERS = ["torchscript", "dynamo"]
SHAPE = (1, 3, 224, 224)


def network(name):
    torch.manual_seed(16)
    made = getattr(torchvision.models, name)(weights=None)
    # Running statistics and layer scales as a trained network has them: neither 0, 1 nor equal.
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    for parameter_name, parameter in made.named_parameters():
        if parameter_name.endswith("layer_scale"):
            torch.nn.init.uniform_(parameter, 0.2, 1.0)
        if parameter_name == "heads.head.weight":
            torch.nn.init.normal_(parameter, std=0.02)
    return made.eval()


def positions(made, image):
    """How many vectors each layer multiplies for one image, counted while it runs."""
    counted = {}

    def count(name):
        def hook(module, inputs, output):
            if isinstance(module, torch.nn.MultiheadAttention):
                # It multiplies with its weights itself: queries, keys and values together, then the output.
                counted[f"{name}.in_proj"] = counted[f"{name}.out_proj"] = inputs[0][..., 0].numel()
            elif isinstance(module, torch.nn.Linear):
                counted[name] = output[..., 0].numel()
            else:
                counted[name] = output[0, 0].numel()

        return hook

    attention = torch.nn.MultiheadAttention
    kinds = (torch.nn.modules.conv._ConvNd, torch.nn.Linear, attention)
    named = [(name, module) for name, module in made.named_modules() if isinstance(module, kinds)]
    inner = {id(module.out_proj) for _, module in named if isinstance(module, attention)}
    handles = [module.register_forward_hook(count(name)) for name, module in named if id(module) not in inner]
    # Fused kernels would pass the hooks by.
    with torch.no_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        torch.backends.mha.set_fastpath_enabled(False)
        made(image)
        torch.backends.mha.set_fastpath_enabled(True)
    for handle in handles:
        handle.remove()
    return counted


class Images(CalibrationDataReader):
    def __init__(self, name):
        generator = torch.Generator().manual_seed(7)
        self.images = iter([{name: torch.randn(SHAPE, generator=generator).numpy()} for _ in range(4)])

    def get_next(self):
        return next(self.images, None)


def export(made, image, exporter, path):
    # Reading the weights back from beside the file is tested with small files.
    if exporter == "dynamo":
        torch.onnx.export(made, (image,), str(path), dynamo=True, input_names=["images"], external_data=False)
    else:
        torch.onnx.export(
            made, (image,), str(path), dynamo=False, opset_version=17, input_names=["images"], output_names=["scores"],
            dynamic_axes={"images": {0: "batch"}, "scores": {0: "batch"}},
        )


def main(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    image = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    for name in names:
        made = network(name.removesuffix("_qdq"))
        counted = positions(made, image)
        for exporter in EXPORTERS:
            stem = f"{name}.{exporter}"
            path = folder / f"{stem}.onnx"
            if name.endswith("_qdq"):
                plain = folder / f"{stem}.plain"
                export(made, image, exporter, plain)
                ready = folder / f"{stem}.ready"
                quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
                quantize_static(
                    str(ready), str(path), Images("images"), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    # Without VNNI, onnxruntime's sums of 8-bit weights saturate.
                    reduce_range=True,
                )
                os.remove(plain)
                os.remove(ready)
            else:
                export(made, image, exporter, path)
            options = onnxruntime.SessionOptions()
            # Quantized models mean integers, which onnxruntime's optimizations bring out.
            if not name.endswith("_qdq"):
                options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            scores = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
            image.numpy().astype("<f4").tofile(folder / f"{stem}.input.f32")
            scores.astype("<f4").tofile(folder / f"{stem}.output.f32")
            facts = {"shape": SHAPE, "positions": counted}
            (folder / f"{stem}.json").write_text(json.dumps(facts, indent=1) + "\n")
            with torch.no_grad():
                largest = float(np.abs(made(image).numpy() - scores).max() / np.abs(scores).max())
            print(f"{stem}: {len(counted)} layers, PyTorch and onnxruntime differ by {largest:.1e} of the largest score", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:] or NETWORKS)
