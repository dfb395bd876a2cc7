"""Makes tests/onnx/operators.json: small models of one operator each, and what onnxruntime computes.

Usage: python tests/onnx/operators.py tests/onnx/operators.json

Needs numpy, onnx and onnxruntime.
"""

import json
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(16)
CASES = []


def floats(*shape, low=-2.0, high=2.0):
    return RANDOM.uniform(low, high, shape).astype(np.float32)


def integers(*shape, low=0, high=256, kind=np.uint8):
    return RANDOM.integers(low, high, shape).astype(kind)


def case(op, *inputs, constants=(), outputs=1, opset=17, domain="", name=None, **attributes):
    """One node; `constants` are the places of inputs that are initializers. An input of None is left out."""
    names = ["" if value is None else f"in{at}" for at, value in enumerate(inputs)]
    given = {f"in{at}": value for at, value in enumerate(inputs) if value is not None}
    node = helper.make_node(op, names, [f"out{at}" for at in range(outputs)], name=f"the_{op}", domain=domain, **attributes)
    fixed = [numpy_helper.from_array(value, key) for key, value in given.items() if int(key[2:]) in constants]
    kind = lambda value: helper.np_dtype_to_tensor_dtype(value.dtype)
    open_inputs = {key: value for key, value in given.items() if int(key[2:]) not in constants}
    infos = [helper.make_tensor_value_info(key, kind(value), value.shape) for key, value in open_inputs.items()]
    results = [helper.make_empty_tensor_value_info(f"out{at}") for at in range(outputs)]
    graph = helper.make_graph([node], "one", infos, results, fixed)
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = session.run(None, open_inputs)
    CASES.append({
        "name": name or f"{op} {len(CASES)}",
        "model": model.SerializeToString().hex(),
        "inputs": [tensor(value) for value in open_inputs.values()],
        "outputs": [tensor(value) for value in found],
    })


def tensor(value):
    rounded = [float(np.float32(v)) for v in value.ravel()] if value.dtype.kind == "f" else [int(v) for v in value.ravel()]
    return {"type": str(value.dtype), "shape": list(value.shape), "values": rounded}


def ints(*values):
    return np.array(values, np.int64)


def movements():
    x = floats(2, 3, 4)
    case("Reshape", x, ints(0, -1), constants=[1])
    case("Reshape", x, ints(4, 2, -1), constants=[1])
    case("Flatten", floats(2, 3, 2, 2), axis=2)
    case("Flatten", x, axis=0)
    case("Transpose", x, perm=[2, 0, 1])
    case("Transpose", x)
    case("Squeeze", floats(1, 3, 1, 2), ints(0, -2), constants=[1])
    case("Squeeze", floats(1, 3, 1, 2), opset=11, axes=[2])
    case("Unsqueeze", x, ints(0, -1), constants=[1])
    case("Unsqueeze", x, opset=11, axes=[1])
    case("Expand", floats(3, 1), ints(2, 1, 4), constants=[1])
    case("Tile", floats(2, 3), ints(2, 2), constants=[1])
    case("Slice", x, ints(0, 1), ints(2, 3), ints(0, 2), constants=[1, 2, 3])
    case("Slice", x, ints(-1), ints(-1000), ints(2), ints(-2), constants=[1, 2, 3, 4])
    case("Slice", x, ints(3), ints(2), ints(2), constants=[1, 2, 3])
    case("Split", x, ints(1, 3), constants=[1], outputs=2, axis=2)
    case("Split", floats(4, 2), opset=11, outputs=2, axis=0)
    case("Split", floats(5, 2), opset=18, outputs=2, axis=0, num_outputs=2)
    case("Concat", floats(2, 1, 3), floats(2, 2, 3), axis=1)
    case("Gather", x, ints(2, -1), constants=[1], axis=1)
    case("Gather", x, np.array(1, np.int64), constants=[1], axis=0)
    case("GatherElements", floats(2, 3), np.array([[0, 2], [-1, 1]], np.int64), constants=[1], axis=1)
    case("GatherND", x, np.array([[0, 1], [1, 2]], np.int64), constants=[1])
    case("Pad", floats(2, 3), ints(1, 0, 0, 2), np.float32(7.0), constants=[1, 2])
    case("Pad", floats(3, 4), ints(1, 2, 1, 1), constants=[1], mode="reflect")
    case("Pad", floats(3, 4), ints(1, -1, 2, 1), constants=[1], mode="edge")
    case("DepthToSpace", floats(1, 8, 2, 3), blocksize=2, mode="DCR")
    case("DepthToSpace", floats(1, 8, 2, 3), blocksize=2, mode="CRD")
    case("SpaceToDepth", floats(1, 2, 4, 6), blocksize=2)
    case("Trilu", floats(3, 4), np.array(1, np.int64), constants=[1], upper=1)
    case("Trilu", floats(2, 3, 3), upper=0)
    case("Shape", x)
    case("Shape", x, start=1, end=-1)
    case("Size", x)
    case("ConstantOfShape", ints(2, 3), constants=[0], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1.5]))
    case("Range", np.float32(0.5), np.float32(3.2), np.float32(1.0), constants=[0, 1, 2])
    case("Where", RANDOM.random((2, 3)) > 0.5, floats(2, 3), floats(3))
    case("Cast", floats(6), to=TensorProto.INT32)
    case("Cast", integers(6, low=-4, high=4, kind=np.int64), to=TensorProto.UINT8)
    case("Cast", integers(6, low=-1, high=2, kind=np.int64), to=TensorProto.BOOL)
    case("Identity", x)


def elementwise():
    wide = floats(3, 5, low=-4, high=4)
    positive = floats(3, 5, low=0.1, high=4)
    for op in ["Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Softplus", "Softsign",
               "HardSigmoid", "HardSwish", "Elu", "Selu", "Celu", "LeakyRelu", "ThresholdedRelu", "Sin", "Cos", "Atan"]:
        case(op, wide)
    for op in ["Sqrt", "Log", "Reciprocal"]:
        case(op, positive)
    case("Mish", wide, opset=18)
    case("Gelu", wide, opset=20)
    case("Gelu", wide, opset=20, approximate="tanh")
    case("HardSigmoid", wide, alpha=0.16, beta=0.4)
    case("LeakyRelu", wide, alpha=0.2)
    case("Clip", wide, np.float32(-1.0), np.float32(2.0), constants=[1, 2])
    case("Clip", wide, None, np.float32(2.0), constants=[2])
    case("Clip", wide, opset=6 + 1, min=-0.5, max=0.5)
    for op in ["Add", "Sub", "Mul", "Div"]:
        case(op, floats(2, 3, 4), floats(3, 1))
        case(op, integers(4, low=-20, high=20, kind=np.int64), integers(4, low=1, high=9, kind=np.int64))
    case("Pow", positive, np.float32(2.5), constants=[1])
    case("Pow", positive, np.array(2, np.int64), constants=[1])
    case("Mod", integers(8, low=-9, high=9, kind=np.int64), integers(8, low=1, high=5, kind=np.int64))
    case("Mod", wide, floats(5, low=0.5), fmod=1)
    case("Max", floats(2, 3), floats(3), floats(1))
    case("Min", floats(2, 3), floats(3))
    case("Sum", floats(2, 3), floats(3), floats(2, 1))
    case("Mean", floats(2, 3), floats(3))
    case("PRelu", floats(1, 3, 2, 2), floats(3, 1, 1), constants=[1])
    for op in ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]:
        case(op, integers(2, 4, high=3, kind=np.int64), integers(4, high=3, kind=np.int64))
    case("And", RANDOM.random(6) > 0.5, RANDOM.random(6) > 0.5)
    case("Or", RANDOM.random(6) > 0.5, RANDOM.random(6) > 0.5)
    case("Not", RANDOM.random(6) > 0.5)


def reductions():
    x = floats(2, 3, 4, low=0.1)
    for op in ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
               "ReduceLogSum", "ReduceLogSumExp"]:
        case(op, x, axes=[1, -1], keepdims=0)
        case(op, x)
    case("ReduceMean", x, ints(1), constants=[1], opset=18)
    case("ReduceSum", x, ints(0, 2), constants=[1], keepdims=0)
    case("ReduceSum", x, ints(), constants=[1], noop_with_empty_axes=1)
    case("Softmax", floats(2, 3, 4), axis=1)
    case("Softmax", floats(2, 3, 4), opset=11, axis=1)
    case("LogSoftmax", floats(2, 5))
    case("ArgMax", floats(3, 5), axis=1)
    case("ArgMin", floats(3, 5), axis=0, keepdims=0)
    case("CumSum", floats(3, 4), np.array(1, np.int64), constants=[1])
    case("CumSum", floats(3, 4), np.array(0, np.int64), constants=[1], exclusive=1, reverse=1)
    case("TopK", floats(2, 6), ints(3), constants=[1], outputs=2)


def normalizations():
    image = floats(2, 4, 3, 3)
    case("BatchNormalization", image, floats(4), floats(4), floats(4), floats(4, low=0.2), constants=[1, 2, 3, 4], epsilon=1e-3)
    case("InstanceNormalization", image, floats(4), floats(4), constants=[1, 2])
    case("GroupNormalization", image, floats(4), floats(4), constants=[1, 2], opset=21, num_groups=2)
    case("LayerNormalization", floats(2, 3, 8), floats(8), floats(8), constants=[1, 2])
    case("LayerNormalization", floats(2, 3, 8), floats(3, 8), constants=[1], axis=1, epsilon=1e-2)
    case("LRN", floats(1, 6, 2, 2), size=3, alpha=0.1, beta=0.7, bias=1.2)
    case("LpNormalization", floats(3, 4), axis=1)
    case("MeanVarianceNormalization", image)


def windows():
    image = floats(2, 3, 7, 6)
    weight = floats(4, 3, 3, 2)
    case("Conv", image, weight, floats(4), constants=[1, 2])
    case("Conv", image, weight, constants=[1], strides=[2, 1], pads=[1, 0, 2, 1])
    case("Conv", image, weight, constants=[1], dilations=[2, 2])
    case("Conv", image, weight, constants=[1], auto_pad="SAME_UPPER", strides=[2, 2])
    case("Conv", image, weight, constants=[1], auto_pad="SAME_LOWER")
    case("Conv", floats(1, 4, 5, 5), floats(6, 2, 3, 3), constants=[1], group=2, pads=[1, 1, 1, 1])
    case("Conv", floats(1, 4, 5, 5), floats(4, 1, 3, 3), floats(4), constants=[1, 2], group=4)
    case("Conv", floats(1, 3, 9), floats(5, 3, 4), constants=[1], strides=[2])
    case("Conv", floats(1, 2, 4, 5, 3), floats(3, 2, 2, 3, 1), constants=[1], pads=[1, 0, 0, 0, 1, 0])
    case("Conv", image, weight)
    case("ConvTranspose", floats(1, 4, 3, 4), floats(4, 2, 3, 3), floats(2), constants=[1, 2])
    case("ConvTranspose", floats(1, 4, 3, 4), floats(4, 2, 3, 3), constants=[1], strides=[2, 3], pads=[1, 0, 1, 1],
         output_padding=[1, 0])
    case("ConvTranspose", floats(2, 4, 3, 3), floats(4, 3, 2, 2), constants=[1], group=2, strides=[2, 2], dilations=[2, 1])
    case("ConvTranspose", floats(1, 2, 4), floats(2, 3, 3), constants=[1], strides=[2], output_shape=[9])
    case("ConvTranspose", floats(1, 2, 4, 4), floats(2, 3, 3, 3), constants=[1], strides=[2, 2], auto_pad="SAME_UPPER")
    case("MaxPool", image, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1])
    case("MaxPool", image, kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)
    case("MaxPool", image, kernel_shape=[2, 2], dilations=[2, 1])
    case("MaxPool", integers(1, 2, 4, 4), kernel_shape=[2, 2])
    case("AveragePool", image, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    case("AveragePool", image, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    case("AveragePool", image, opset=19, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1)
    case("GlobalAveragePool", image)
    case("GlobalMaxPool", image)
    for mode, transform in [("nearest", "asymmetric"), ("nearest", "half_pixel"), ("linear", "half_pixel"),
                            ("linear", "align_corners"), ("linear", "pytorch_half_pixel")]:
        extra = {"nearest_mode": "floor"} if mode == "nearest" else {}
        case("Resize", floats(1, 2, 3, 4), None, np.array([1, 1, 2, 1.5], np.float32), constants=[2], mode=mode,
             coordinate_transformation_mode=transform, **extra)
    case("Resize", floats(1, 2, 3, 4), None, None, ints(1, 2, 5, 7), constants=[3], mode="linear")


def products():
    case("Gemm", floats(2, 3), floats(3, 4), floats(4), constants=[1, 2])
    case("Gemm", floats(3, 2), floats(4, 3), floats(2, 1), constants=[1, 2], transA=1, transB=1, alpha=0.5, beta=2.0)
    case("MatMul", floats(2, 3, 4), floats(4, 5), constants=[1])
    case("MatMul", floats(3, 4), floats(2, 4, 5), constants=[0])
    case("MatMul", floats(4), floats(4, 5), constants=[1])
    case("MatMul", floats(2, 3, 4), floats(4), constants=[1])
    case("MatMul", floats(2, 1, 3, 4), floats(5, 4, 2))
    case("Einsum", floats(2, 3, 4), floats(2, 5, 4), equation="bij,bkj->bik")
    case("Einsum", floats(3, 3), equation="ii")


def quantized():
    scale, zero = np.float32(0.05), np.uint8(128)
    case("QuantizeLinear", floats(3, 4), scale, zero, constants=[1, 2])
    case("QuantizeLinear", floats(3, 4), floats(4, low=0.01, high=0.1), np.zeros(4, np.int8), constants=[1, 2], axis=1)
    case("DequantizeLinear", integers(3, 4), scale, zero, constants=[1, 2])
    case("DequantizeLinear", integers(3, 4, low=-128, high=128, kind=np.int8), floats(3, low=0.01, high=0.1),
         constants=[1], axis=0)
    case("DequantizeLinear", integers(2, 6, low=-128, high=128, kind=np.int8), floats(2, 3, low=0.01), constants=[1],
         opset=21, axis=1, block_size=2)
    case("DynamicQuantizeLinear", floats(3, 4), outputs=3)
    image, weight = integers(1, 3, 5, 5), integers(4, 3, 3, 3, low=-60, high=60, kind=np.int8)
    case("ConvInteger", image, integers(4, 3, 3, 3, high=120), np.uint8(120), np.uint8(60), constants=[1, 2, 3], pads=[1, 1, 1, 1])
    case("QLinearConv", image, scale, np.uint8(120), weight, floats(4, low=0.01, high=0.02), np.zeros(4, np.int8),
         np.float32(0.2), np.uint8(100), integers(4, low=-500, high=500, kind=np.int32), constants=range(1, 9), strides=[2, 2])
    case("MatMulInteger", integers(2, 6), integers(6, 3, low=-60, high=60, kind=np.int8), np.uint8(100), constants=[1, 2])
    case("QLinearMatMul", integers(2, 6), scale, np.uint8(120), integers(6, 3, low=-60, high=60, kind=np.int8),
         np.float32(0.02), np.int8(0), np.float32(0.1), np.uint8(110), constants=range(1, 8))
    micro = "com.microsoft"
    case("QLinearAdd", integers(2, 8), scale, np.uint8(120), integers(2, 8), np.float32(0.08), np.uint8(90), np.float32(0.1),
         np.uint8(110), constants=[1, 2, 4, 5, 6, 7], domain=micro)
    case("QLinearMul", integers(2, 8), scale, np.uint8(120), integers(2, 8), np.float32(0.08), np.uint8(90), np.float32(0.3),
         np.uint8(110), constants=[1, 2, 4, 5, 6, 7], domain=micro)
    case("QLinearGlobalAveragePool", integers(2, 3, 4, 4), scale, np.uint8(120), np.float32(0.02), np.uint8(110),
         constants=[1, 2, 3, 4], domain=micro)
    case("QGemm", integers(2, 6), scale, np.uint8(120), integers(3, 6, low=-60, high=60, kind=np.int8),
         floats(3, low=0.01, high=0.02), np.zeros(3, np.int8), integers(3, low=-500, high=500, kind=np.int32), np.float32(0.1),
         np.uint8(110), constants=range(1, 9), domain=micro, transB=1)


if __name__ == "__main__":
    for part in [movements, elementwise, reductions, normalizations, windows, products, quantized]:
        part()
    with open(sys.argv[1], "w") as file:
        lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in CASES)
        file.write(f"[\n{lines}\n]\n")
    print(f"{len(CASES)} cases")
