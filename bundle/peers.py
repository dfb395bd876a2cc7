"""Training steps in PyTorch for `crossdub prove`, one at a time, so that both tools take turns on the same card.

    python3 peers.py --about
    python3 peers.py MODEL BATCH SIDE PRECISION DEVICE

MODEL is `vgg:64 M 128 M;512,512` (a plan and the widths of its hidden layers) or `resnet18`; PRECISION is f32 or bf16, DEVICE cuda
(NVIDIA's cards, and AMD's in PyTorch for ROCm) or cpu.
The first line of output says which PyTorch and which device. Then each line of input is a question: `step`, `tf32` (a
step with TensorFloat-32 allowed) or `memory`. Each answer is one JSON object on a line: `{"value": milliseconds}`,
`{"value": bytes}`, or `{"error": "why"}`.
"""

import json
import sys
import time


def answer(**fields):
    print(json.dumps(fields), flush=True)


def one_line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except Exception as missing:  # noqa: BLE001 - whatever keeps PyTorch from loading is the answer
    answer(error=one_line(missing))
    sys.exit(0)

CUDA = torch.cuda.is_available() and sys.argv[-1] != "cpu"
DEVICE = torch.device("cuda" if CUDA else "cpu")


def about():
    where = torch.cuda.get_device_name() if CUDA else f"CPU, {torch.get_num_threads()} threads"
    return f"PyTorch {torch.__version__}, {where}"


def vgg(plan, classifier, side, classes=10):
    layers, channels = [], 3
    for word in plan.split():
        if word == "M":
            layers.append(nn.MaxPool2d(2))
            side //= 2
        else:
            layers += [nn.Conv2d(channels, int(word), 3, padding=1), nn.ReLU()]
            channels = int(word)
    layers.append(nn.Flatten())
    features = channels * side * side
    for width in filter(None, classifier.split(",")):
        layers += [nn.Linear(features, int(width)), nn.ReLU()]
        features = int(width)
    return nn.Sequential(*layers, nn.Linear(features, classes))


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = stride == 1 and inputs == outputs
        around = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.around = nn.Identity() if same else around

    def forward(self, x):
        return F.relu(self.path(x) + self.around(x))


def resnet18(classes=1000):
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    blocks, channels = [], 64
    for width in (64, 128, 256, 512):
        blocks += [Block(channels, width, 1 if width == 64 else 2), Block(width, width, 1)]
        channels = width
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


def trainer(name, batch, side, precision):
    classes = 1000 if name == "resnet18" else 10
    if name == "resnet18":
        model = resnet18(classes)
    else:
        plan, classifier = name.removeprefix("vgg:").split(";")
        model = vgg(plan, classifier, side, classes)
    model = model.to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images, labels = torch.randn(batch, 3, side, side), torch.randint(classes, (batch,))
    if CUDA:
        images = images.pin_memory()

    def step(tf32):
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        before = time.perf_counter()
        optimizer.zero_grad()
        inputs, targets = images.to(DEVICE, non_blocking=True), labels.to(DEVICE)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        loss.item()
        if CUDA:
            torch.cuda.synchronize()
        return 1000 * (time.perf_counter() - before)

    return step


def main():
    if sys.argv[1:] == ["--about"]:
        answer(name=about(), cuda=CUDA)
        return
    name, batch, side, precision, device = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
    if device == "cuda" and not CUDA:
        # A CPU's times beside a card's would mislead.
        answer(error=f"no CUDA device: {about()}")
        return
    torch.manual_seed(0)
    step = trainer(name, batch, side, precision)
    answer(name=about(), cuda=CUDA)
    for question in map(str.strip, sys.stdin):
        if question in ("step", "tf32"):
            answer(value=step(question == "tf32"))
        elif question == "memory" and CUDA:
            answer(value=torch.cuda.max_memory_allocated())
        else:
            answer(error=f"no answer to {question!r} on {DEVICE.type}")


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - the one who asks wants a line, not a traceback
        answer(error=one_line(error))
