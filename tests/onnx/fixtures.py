"""Makes the small networks of tests/onnx/fixtures with random weights, and what onnxruntime and PyTorch make of them.

Usage: python tests/onnx/fixtures.py tests/onnx/fixtures

Each NAME.onnx has a NAME.json: the input, onnxruntime's output, and the output positions of each layer, counted by PyTorch's
forward hooks. Needs torch, onnx, onnxruntime and onnxscript.
"""

import json
import sys
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn

from networks import positions


class SmallVgg(nn.Module):
    """Crossdub's plan `4 M 6 M`, with a hidden layer of 8, under its parameter names."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classifier = nn.Sequential(nn.Linear(6 * 8 * 8, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Blocks(nn.Module):
    """Grouped, depthwise and transposed convolutions, normalization, a shortcut, squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.SiLU())
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1), nn.Sigmoid())
        self.grouped = nn.Conv2d(8, 12, (3, 1), dilation=2, padding=(2, 0), groups=4)
        self.up = nn.ConvTranspose2d(12, 4, 2, stride=2)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = self.stem(x)
        y = torch.nn.functional.hardswish(self.norm(self.depthwise(x)))
        x = x + y * self.squeeze(y)
        return self.head(self.up(self.grouped(x)).mean((2, 3)))


class Tokens(nn.Module):
    """Patches, a class token, two layers of a transformer."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.place = nn.Parameter(torch.randn(1, 17, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu", norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        # Copies of one layer would share their weights in the file.
        for parameter in self.layers.parameters():
            nn.init.normal_(parameter, std=0.3)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        return self.head(self.layers(x)[:, 0])


class Images(CalibrationDataReader):
    def __init__(self, image):
        self.images = iter([{"images": image.numpy()}])

    def get_next(self):
        return next(self.images, None)


def trained(made):
    """Statistics and scales that are neither 0, 1 nor equal."""
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return made.eval()


def forget_origin(path):
    """Removes the stack traces that the dynamo exporter writes: they name folders of the machine."""
    model = onnx.load(path)
    graph = model.graph
    for part in [graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    onnx.save(model, path)


def export(made, image, path, exporter, **more):
    if exporter == "dynamo":
        torch.onnx.export(made, (image,), str(path), dynamo=True, input_names=["images"], **{"external_data": False, **more})
        forget_origin(path)
    else:
        torch.onnx.export(made, (image,), str(path), dynamo=False, input_names=["images"], **{"opset_version": 17, **more})


def describe(path, image, counted, quantized=False):
    options = onnxruntime.SessionOptions()
    # Quantized models mean integers, which onnxruntime's optimizations bring out.
    if not quantized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    output = session.run(None, {"images": image.numpy()})[0]
    facts = {
        "shape": list(image.shape),
        "input": [round(v, 7) for v in image.ravel().tolist()],
        "output": output.ravel().tolist(),
        "positions": counted,
    }
    path.with_suffix(".json").write_text(json.dumps(facts, separators=(",", ":")) + "\n")


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(16)
    for name, made, side in [("small_vgg", SmallVgg(), 32), ("blocks", trained(Blocks()), 16), ("tokens", Tokens().eval(), 16)]:
        made.eval()
        image = torch.round(torch.randn(1, 3, side, side), decimals=3)
        counted = positions(made, image)
        for exporter in ["torchscript", "dynamo"]:
            path = folder / f"{name}.{exporter}.onnx"
            export(made, image, path, exporter)
            describe(path, image, counted)
        if name == "tokens":
            continue
        for style in [QuantFormat.QDQ, QuantFormat.QOperator]:
            path = folder / f"{name}.{style.name.lower()}.onnx"
            quantize_static(str(folder / f"{name}.torchscript.onnx"), str(path), Images(image), quant_format=style, per_channel=True,
                            # Without VNNI, onnxruntime's sums of 8-bit weights saturate.
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, reduce_range=True)
            describe(path, image, counted, quantized=True)
        if name == "small_vgg":
            path = folder / "external" / "small_vgg.onnx"
            (path.parent / "weights").mkdir(parents=True, exist_ok=True)
            model = onnx.load(folder / "small_vgg.torchscript.onnx")
            onnx.save(model, path, save_as_external_data=True, location="weights/small_vgg.bin", size_threshold=64)
            describe(path, image, counted)
            path = folder / "small_vgg.fp16.onnx"
            half = made.half()
            export(half, image.half(), path, "torchscript")
            made.float()
            path = folder / "open_shape.onnx"
            export(made.features, image, path, "torchscript", dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}})


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
