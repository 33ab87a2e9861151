"""An ONNX network of convolutions as a torch module with the same weights.

Reads the few operators that super-resolution networks are made of, with no package but torch; anything else is an
error.
"""
import torch
from torch import nn
from torch.nn import functional

# onnx.proto3: TensorProto.DataType.
TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 10: torch.float16, 11: torch.float64}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """Number and value of each field of a protobuf message: integers, or the bytes of anything longer."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def message(data):
    found = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    return found


def integers(values):
    """A repeated int64, packed or not."""
    for value in values:
        if isinstance(value, int):
            yield value - (value >> 63 << 64)
            continue
        at = 0
        while at < len(value):
            number, at = varint(value, at)
            yield number - (number >> 63 << 64)


def text(values):
    return bytes(values[0]).decode() if values else ""


def tensor(data):
    """Name and values of a TensorProto."""
    found = message(data)
    kind = TYPES[found[2][0]]
    shape = list(integers(found.get(1, [])))
    if 9 in found or 4 in found:
        data = b"".join(bytes(part) for part in found.get(9, found.get(4)))
        values = torch.frombuffer(bytearray(data), dtype=kind) if data else torch.empty(0, dtype=kind)
    elif kind == torch.float16:
        values = torch.tensor(list(integers(found[5])), dtype=torch.int32).to(torch.int16).view(kind)
    else:
        values = torch.tensor(list(integers(found.get(7, []))), dtype=kind)
    return text(found.get(8)), values.reshape(shape)


class Node:
    def __init__(self, data):
        found = message(data)
        self.inputs = [bytes(name).decode() for name in found.get(1, [])]
        self.output = text(found[2])
        self.kind = text(found[4])
        self.attributes = dict(self.attribute(message(data)) for data in found.get(5, []))

    @staticmethod
    def attribute(found):
        name = text(found[1])
        if 5 in found:
            return name, tensor(found[5][0])[1]
        if 8 in found:
            return name, list(integers(found[8]))
        return name, text(found[4]) if 4 in found else (found[3][0] if 3 in found else None)


def shuffle(size):
    return lambda x: functional.pixel_shuffle(x, size)


def unshuffle(size):
    """SpaceToDepth: unlike torch's pixel_unshuffle, the block's position is the outer part of the channel."""
    def apply(x):
        n, c, h, w = x.shape
        cells = x.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4)
        return cells.reshape(n, c * size * size, h // size, w // size)
    return apply


def resize(mode, transformation, scale):
    if (mode, transformation) == ("nearest", "asymmetric") and scale == int(scale):
        return lambda x: functional.interpolate(x, scale_factor=scale, mode="nearest")
    if (mode, transformation) == ("cubic", "half_pixel"):
        # torch's a is -0.75 too.
        return lambda x: functional.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False)
    raise ValueError(f"no Resize with {mode} {transformation} by {scale}")


def convolution(node, constants):
    weight = constants[node.inputs[1]]
    bias = constants[node.inputs[2]] if len(node.inputs) > 2 else None
    outputs, inputs, height, width = weight.shape
    padding = node.attributes.get("pads", [0, 0, 0, 0])
    if padding[:2] != padding[2:] or node.attributes.get("group", 1) != 1:
        raise ValueError(f"no Conv with {node.attributes}")
    layer = nn.Conv2d(inputs, outputs, (height, width), padding=tuple(padding[:2]), bias=bias is not None,
                      stride=node.attributes.get("strides", 1), dtype=weight.dtype)
    layer.weight.data = weight
    if bias is not None:
        layer.bias.data = bias
    return layer


ELEMENTWISE = {"Add": torch.add, "Max": torch.maximum, "Min": torch.minimum, "Neg": torch.neg,
               "Relu": functional.relu, "Sub": torch.sub}


class Selection(nn.Module):
    def __init__(self, axis, indices):
        super().__init__()
        self.axis = axis
        self.register_buffer("indices", indices)

    def forward(self, values):
        return values.index_select(self.axis, self.indices)


def operation(node, constants):
    """A function or layer for a node, and the names of the values that it takes."""
    kind, attributes, first = node.kind, node.attributes, node.inputs[:1]
    if kind == "Conv":
        return convolution(node, constants), first
    if kind == "PRelu":
        slope = constants[node.inputs[1]].flatten()
        layer = nn.PReLU(slope.numel(), dtype=slope.dtype)
        layer.weight.data = slope
        return layer, first
    if kind in ELEMENTWISE:
        return ELEMENTWISE[kind], node.inputs
    if kind == "Gather":
        return Selection(attributes.get("axis", 0), constants[node.inputs[1]]), first
    if kind == "MaxPool" and attributes["pads"][:2] == attributes["pads"][2:]:
        return nn.MaxPool2d(attributes["kernel_shape"], attributes.get("strides", 1), attributes["pads"][:2]), first
    if kind == "DepthToSpace" and attributes.get("mode") == "CRD":
        return shuffle(attributes["blocksize"]), first
    if kind == "SpaceToDepth":
        return unshuffle(attributes["blocksize"]), first
    if kind == "Pad" and attributes.get("mode") == "edge":
        top, left, bottom, right = (constants[node.inputs[1]].tolist()[side] for side in (2, 3, 6, 7))
        return lambda x: functional.pad(x, (left, right, top, bottom), mode="replicate"), first
    if kind == "Resize":
        scale = float(constants[node.inputs[2]][-1])
        return resize(attributes["mode"], attributes["coordinate_transformation_mode"], scale), first
    raise ValueError(f"no operator {kind} with {attributes}")


class Network(nn.Module):
    """The network of an ONNX file: NCHW in, NCHW out, in the file's own precision."""

    def __init__(self, path):
        super().__init__()
        with open(path, "rb") as file:
            graph = message(message(memoryview(file.read()))[7][0])
        constants = dict(tensor(data) for data in graph.get(5, []))
        nodes = [Node(data) for data in graph[1]]
        constants.update((node.output, node.attributes["value"]) for node in nodes if node.kind == "Constant")
        names = (text(message(data)[1]) for data in graph[11])
        self.source = next(name for name in names if name not in constants)
        self.result = text(message(graph[12][0])[1])
        steps = [(operation(node, constants), node.output) for node in nodes if node.kind != "Constant"]
        self.steps = [(step, names, output) for (step, names), output in steps]
        self.layers = nn.ModuleList(step for step, _, _ in self.steps if isinstance(step, nn.Module))

    def forward(self, picture):
        values = {self.source: picture}
        for step, names, output in self.steps:
            values[output] = step(*(values[name] for name in names))
        return values[self.result]
