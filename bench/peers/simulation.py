"""One convolution of VGG11 on aihwkit's crossbars of 64 x 64: 8-bit weights and inputs, two images."""

import torch
from torch.nn import functional as F

from timing import median_ms

CROSSBAR, MAGNITUDE_BITS, INPUT_BITS = 64, 7, 8


def crossbar_layer(weight, input_levels):
    """An aihwkit layer (its tile for inference in PyTorch) without noise; a conversion has 7 bits and a sign."""
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
    # One ADC step is one unit of a sum of cells and bits.
    forward.out_bound, forward.out_res = float(CROSSBAR), 1 / (2 * CROSSBAR)
    layer = AnalogConv2d(*weight.shape[1::-1], 3, padding=1, bias=False, rpu_config=config).eval()
    layer.set_weights(weight)
    return layer


def layer_and_images():
    return torch.randint(-127, 128, (128, 64, 3, 3)).float(), torch.randint(0, 256, (2, 64, 16, 16)).float()


def bit_serial_layer():
    """One pass for each weight slice, polarity and input bit, as crossbars of 1-bit cells need."""
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
    assert torch.equal(simulate().double(), exact), "aihwkit's result differs from the exact convolution"
    return median_ms(simulate, max_runs=5, min_runs=3, warm_up=0)


def single_pass_layer():
    """aihwkit's usual way, with far less detail: one pass with multi-level cells and 8-bit inputs."""
    weights, images = layer_and_images()
    layer = crossbar_layer(weights / 127, 255)
    with torch.inference_mode():
        return median_ms(lambda: layer(images / 255))
