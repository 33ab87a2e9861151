"""The network of every default model, and its ONNX form.

    input -+-> Pad(edge) -> [SpaceToDepth 2] -+-> Conv -> Relu -> .. -> Conv -+-> Add -> Max, Min -> DepthToSpace
           |                                  +-> Conv (skip) ----------------+           |
           +-> limits -> [SpaceToDepth 2] -> Gather --------------------------------------+

The skip is one linear filter that starts as bicubic interpolation; the other path adds the detail. Two
constraints, built into the weights, make a flat picture come out unchanged whatever its colour: the first
convolution of the detail path does not see the mean (its taps sum to zero for each input channel), and the
last bias cancels what the hidden biases give for "no detail". So black stays black, white stays white, and
the result does not depend on how the input range is placed.

The limits (`limits`) keep the result from ringing beside flat areas, which no training of a small network does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

PAD = 2  # input pixels repeated at each border: what the first convolutions need around a picture


@dataclass(frozen=True)
class Shape:
    """What fixes the graph of a model."""

    colours: int  # 1: luma, 3: RGB
    scale: int
    unshuffle: int  # the convolutions run at this fraction of the input's resolution
    channels: int
    hidden: int  # 3x3 convolutions between the first and the last

    @property
    def cells(self) -> int:
        """Channels after SpaceToDepth."""
        return self.colours * self.unshuffle**2

    @property
    def upscale(self) -> int:
        """Block size of DepthToSpace."""
        return self.scale * self.unshuffle

    @property
    def outputs(self) -> int:
        return self.colours * self.upscale**2

    @property
    def reach(self) -> int:
        """Kernel size of the convolutions that read the input: they cover `PAD` pixels beyond a cell."""
        return 1 + 2 * PAD // self.unshuffle

    @property
    def cell_of_output(self) -> list[int]:
        """For each output channel before DepthToSpace, the channel of SpaceToDepth that holds its input pixel."""
        within = [place // self.scale for place in range(self.upscale)]
        return [(row * self.unshuffle + column) * self.colours + colour
                for colour in range(self.colours) for row in within for column in within]

    @property
    def parameters(self) -> int:
        ends = self.cells * self.reach**2 * (self.channels + self.outputs)
        weights = ends + 9 * self.channels * (self.hidden * self.channels + self.outputs)
        return weights + self.channels * (self.hidden + 1) + self.outputs

    @property
    def multiply_adds_per_pixel(self) -> float:
        biases = self.channels * (self.hidden + 1) + self.outputs
        return (self.parameters - biases) / self.unshuffle**2


class Weights(NamedTuple):
    """The plain convolutions that are run and exported."""

    head: torch.Tensor
    hidden: list[torch.Tensor]  # 3x3, each after a ReLU
    tail: torch.Tensor
    biases: list[torch.Tensor]  # of the head and of each hidden convolution
    tail_bias: torch.Tensor
    skip: torch.Tensor


class Branches(nn.Module):
    """A 3x3 convolution trained as a sum of branches, which are added up in weight space before each use.

    The sum is one plain kernel, so training costs what the plain network costs; only the path that the
    optimiser takes differs. Branches: plain 3x3; 1x1 widening then 3x3; 1x1 times four fixed filters (centre,
    two Sobel, Laplacian); identity.
    """

    FILTERS = ([[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
               [[1, 2, 1], [0, 0, 0], [-1, -2, -1]], [[0, 1, 0], [1, -4, 1], [0, 1, 0]])

    def __init__(self, inputs: int, outputs: int, widening: int = 2):
        super().__init__()
        wide = widening * inputs
        self.plain = nn.Parameter(uniform(outputs, inputs, 3, 3))
        self.widen = nn.Parameter(uniform(wide, inputs))
        self.narrow = nn.Parameter(uniform(outputs, wide, 3, 3))
        self.filtered = nn.Parameter(uniform(4, outputs, inputs) / 2)
        self.register_buffer("filters", torch.tensor(self.FILTERS, dtype=torch.float32), persistent=False)
        identity = torch.zeros(outputs, inputs, 3, 3)
        if inputs == outputs:
            identity[:, :, 1, 1] = torch.eye(inputs)
        self.register_buffer("identity", identity, persistent=False)

    def forward(self) -> torch.Tensor:
        widened = torch.einsum("omhw,mi->oihw", self.narrow, self.widen)
        filtered = torch.einsum("foi,fhw->oihw", self.filtered, self.filters)
        return self.plain + widened + filtered + self.identity


class Network(nn.Module):
    """A model in training; `collapse` gives its plain weights."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.head = nn.Parameter(uniform(shape.channels, shape.cells, shape.reach, shape.reach))
        self.hidden = nn.ModuleList(Branches(shape.channels, shape.channels) for _ in range(shape.hidden))
        self.tail = nn.Parameter(uniform(shape.outputs, shape.channels, 3, 3) / 10)
        self.biases = nn.ParameterList(torch.zeros(shape.channels) for _ in range(shape.hidden + 1))
        self.sharpen = nn.Parameter(torch.zeros(shape.outputs, shape.cells, shape.reach, shape.reach))
        self.register_buffer("bicubic", bicubic_skip(shape), persistent=False)

    def collapse(self) -> Weights:
        head = self.without_mean(self.head)
        hidden = [branches() for branches in self.hidden]
        skip = self.bicubic + self.without_mean(self.sharpen)
        biases = list(self.biases)
        return Weights(head, hidden, self.tail, biases, cancelling_bias(hidden, self.tail, biases), skip)

    def without_mean(self, kernel: torch.Tensor) -> torch.Tensor:
        """`kernel` with taps that sum to zero for each pair of output and input colour."""
        taps = kernel.unflatten(1, (-1, self.shape.colours))
        return (taps - taps.mean((1, 3, 4), keepdim=True)).flatten(1, 2)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return run(self.shape, self.collapse(), picture)


def run(shape: Shape, weights: Weights, picture: torch.Tensor) -> torch.Tensor:
    """Upscales `picture` [batch, colours, height, width], values 0..1."""
    cells = space_to_depth(F.pad(picture, [PAD] * 4, mode="replicate"), shape.unshuffle)
    cells = cells.contiguous(memory_format=torch.channels_last)
    with torch.autocast(picture.device.type, enabled=False):  # bfloat16 cannot hold the steps of a byte
        features = F.conv2d(cells, weights.head, weights.biases[0])
        smooth = F.conv2d(cells, weights.skip)
    for kernel, bias in zip(weights.hidden, weights.biases[1:]):
        features = F.conv2d(F.relu(features), kernel, bias, padding=1)
    detail = F.conv2d(F.relu(features), weights.tail, weights.tail_bias, padding=1)
    least, most = (F.interpolate(limit, scale_factor=shape.scale) for limit in limits(picture))
    return F.pixel_shuffle(smooth + detail.float(), shape.upscale).maximum(least).minimum(most)


def limits(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the greatest value that may come of each pixel.

    They are those of the 3 x 3 pixels around it, widened by the smallest range that any of these nine has among its own
    neighbours. Beside a flat area that is nothing; where there is texture on all sides it doubles the range or more.
    """
    least, most = -F.max_pool2d(-picture, 3, 1, 1), F.max_pool2d(picture, 3, 1, 1)
    slack = -F.max_pool2d(least - most, 3, 1, 1)
    return least - slack, most + slack


def cancelling_bias(hidden: list, tail: torch.Tensor, biases: list) -> torch.Tensor:
    """The last bias with which a flat picture gets no detail."""
    level = biases[0]
    for kernel, bias in zip(hidden, biases[1:]):
        level = kernel.sum((2, 3)) @ F.relu(level) + bias
    return -(tail.sum((2, 3)) @ F.relu(level))


def uniform(*size: int) -> torch.Tensor:
    bound = np.prod(size[1:]) ** -0.5
    return torch.empty(size).uniform_(-bound, bound)


def space_to_depth(picture: torch.Tensor, block: int) -> torch.Tensor:
    """ONNX's SpaceToDepth: channels in the order (row in the block, column in the block, colour)."""
    batch, colours, height, width = picture.shape
    cells = picture.reshape(batch, colours, height // block, block, width // block, block)
    return cells.permute(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // block, width // block)


def bicubic_skip(shape: Shape) -> torch.Tensor:
    """Bicubic interpolation (a = -0.5) as one convolution over the cells."""
    taps = torch.arange(-PAD, shape.unshuffle + PAD)  # input pixels that a cell's kernel covers
    position = (torch.arange(shape.upscale) + 0.5) / shape.scale - 0.5
    line = cubic(position[:, None] - taps)
    line = line.unflatten(1, (shape.reach, shape.unshuffle))
    plane = torch.einsum("ayi,bxj->abijyx", line, line)  # output row, column; row, column in the cell; cell
    colours = torch.eye(shape.colours)
    kernel = torch.einsum("abijyx,oc->oabijcyx", plane, colours)
    return kernel.reshape(shape.outputs, shape.cells, shape.reach, shape.reach)


def cubic(distance: torch.Tensor) -> torch.Tensor:
    """Keys' cubic convolution kernel, a = -0.5."""
    x = distance.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def blended(first: Weights, second: Weights, share: float) -> Weights:
    """Between two trainings of a network, `share` of the second, with the last bias that fits."""
    head, tail, skip = (torch.lerp(getattr(first, name), getattr(second, name), share)
                        for name in ("head", "tail", "skip"))
    hidden, biases = ([torch.lerp(*pair, share) for pair in zip(getattr(first, name), getattr(second, name))]
                      for name in ("hidden", "biases"))
    return Weights(head, hidden, tail, biases, cancelling_bias(hidden, tail, biases), skip)


def rounded(weights: Weights) -> Weights:
    """`weights` as half precision holds them, with the last bias that fits the rounded kernels."""
    def half(tensors):
        return [tensor.half().float() for tensor in tensors]

    head, tail, skip = half([weights.head, weights.tail, weights.skip])
    hidden, biases = half(weights.hidden), half(weights.biases)
    return Weights(head, hidden, tail, biases, half([cancelling_bias(hidden, tail, biases)])[0], skip)


def export(shape: Shape, weights: Weights, path: Path, dtype: np.dtype, properties: dict[str, str]) -> None:
    """Writes the model as ONNX: opset 17, dynamic batch, height and width."""
    initializers = [numpy_helper.from_array(np.array([0, 0, PAD, PAD] * 2, np.int64), "pads"),
                    numpy_helper.from_array(np.array(shape.cell_of_output, np.int64), "cell_of_output")]
    nodes = []

    def add(operation: str, inputs: list[str], output: str, **attributes) -> str:
        nodes.append(helper.make_node(operation, inputs, [output], output, **attributes))
        return output

    def convolution(source: str, name: str, kernel: torch.Tensor, bias: torch.Tensor | None, pad: int) -> str:
        inputs = [source, f"{name}.weight"]
        initializers.append(numpy_helper.from_array(kernel.detach().cpu().numpy().astype(dtype), inputs[1]))
        if bias is not None:
            inputs.append(f"{name}.bias")
            initializers.append(numpy_helper.from_array(bias.detach().cpu().numpy().astype(dtype), inputs[2]))
        return add("Conv", inputs, name, kernel_shape=list(kernel.shape[2:]), pads=[pad] * 4)

    cells = add("Pad", ["input", "pads"], "padded", mode="edge")
    if shape.unshuffle > 1:
        cells = add("SpaceToDepth", [cells], "cells", blocksize=shape.unshuffle)
    features = convolution(cells, "head", weights.head, weights.biases[0], 0)
    for index, (kernel, bias) in enumerate(zip(weights.hidden, weights.biases[1:])):
        features = convolution(add("Relu", [features], f"{features}.relu"), f"hidden{index}", kernel, bias, 1)
    detail = convolution(add("Relu", [features], f"{features}.relu"), "tail", weights.tail, weights.tail_bias, 1)
    smooth = convolution(cells, "skip", weights.skip, None, 0)
    summed = add("Add", [detail, smooth], "sum")

    def of_outputs(limit: str) -> str:
        if shape.unshuffle > 1:
            limit = add("SpaceToDepth", [limit], f"{limit}.cells", blocksize=shape.unshuffle)
        return add("Gather", [limit, "cell_of_output"], f"{limit}.outputs", axis=1)

    least, most = add_limits(add)
    raised = add("Max", [summed, of_outputs(least)], "raised")
    bounded = add("Min", [raised, of_outputs(most)], "bounded")
    add("DepthToSpace", [bounded], "output", blocksize=shape.upscale, mode="CRD")

    element = TensorProto.FLOAT16 if dtype == np.float16 else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, properties["rave.name"],
        [helper.make_tensor_value_info("input", element, ["batch", shape.colours, "height", "width"])],
        [helper.make_tensor_value_info("output", element,
                                       ["batch", shape.colours, f"{shape.scale}*height", f"{shape.scale}*width"])],
        initializers)
    model = helper.make_model(graph, producer_name="rave", ir_version=8,
                              opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def add_limits(add: Callable[..., str]) -> tuple[str, str]:
    """`limits` as nodes, with the values that are least kept negative until the end."""
    around = {"kernel_shape": [3, 3], "pads": [1] * 4}
    most = add("MaxPool", ["input"], "most", **around)
    minus_least = add("MaxPool", [add("Neg", ["input"], "minus")], "minus_least", **around)
    minus_range = add("Neg", [add("Add", [most, minus_least], "range")], "minus_range")
    minus_slack = add("MaxPool", [minus_range], "minus_slack", **around)
    lower, upper = add("Sub", [minus_slack, minus_least], "lower"), add("Sub", [most, minus_slack], "upper")
    return lower, upper
