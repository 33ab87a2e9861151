"""Trains and measures the default models.

    python train.py --data PICTURES --eval MEDIA            # re-makes every file in this folder
    python train.py --data PICTURES --only rave-fast-x2     # one model
    python train.py --eval MEDIA --evaluate                 # measures what is here, re-writes README.md

`PICTURES` is a folder of photographs. `MEDIA` holds `images/` (Set5, `kodak/`), `clips/` and `weights/`; nothing of it
is trained on. Needs PyTorch with a CUDA GPU, NumPy, Pillow, OpenCV, ONNX, ONNX Runtime, scikit-image and the ffmpeg
program.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import torch

import compressed
import pictures
from evaluate import evaluate
from network import Network, Shape, export, rounded

HERE = Path(__file__).parent
SEED = 1
AVERAGING = 0.999  # of the weights, from step to step
SQUARED_FROM = 0.7  # the share of the steps after which the squared error is trained on
COMPRESSED = 0.75  # the share of H.264 frames in the batches of a model for video
SOURCE = "photographs of CLIC 2025 (Unsplash licence) and GB82 (CC0), pictures drawn by train.py"


@dataclass(frozen=True)
class Recipe:
    shape: Shape
    dtype: type
    steps: int  # on the wide mixture
    tuning: int  # further steps, on the plain one
    rate: float  # learning rate after the warm-up
    batch: int
    patch: int  # low-resolution pixels
    start: str | None = None  # the model whose weights, kept in the work folder, it starts from
    compressed: bool = False  # trained on H.264 frames


@dataclass(frozen=True)
class Mixture:
    """What batches hold besides clean photographs."""

    drawings: int
    spoilt: float  # share of blurred, noisy, JPEG-coded crops


RECIPES = {
    "rave-fast-x2": Recipe(Shape(1, 2, 2, 32, 4), np.float32, 180_000, 30_000, 1e-3, 32, 96),
    "rave-x2": Recipe(Shape(3, 2, 2, 64, 8), np.float16, 100_000, 28_000, 7e-4, 32, 96),
    "rave-x4": Recipe(Shape(3, 4, 1, 64, 9), np.float16, 70_000, 8_000, 7e-4, 32, 64),
    "rave-video-x2": Recipe(Shape(3, 2, 2, 64, 8), np.float16, 50_000, 22_000, 5e-4, 32, 96, "rave-x2", True),
}

WIDE = Mixture(drawings=12, spoilt=0.15)
PLAIN = Mixture(drawings=4, spoilt=0.125)


def main() -> None:
    options = arguments()
    if not options.evaluate:
        torch.backends.cudnn.benchmark = True
        photographs = pictures.load(options.data)
        options.work.mkdir(parents=True, exist_ok=True)
        for name in options.only or RECIPES:
            train(name, RECIPES[name], photographs, options)
    if options.eval:
        evaluate(options.out, options.eval, {name: recipe.shape for name, recipe in RECIPES.items()})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of photographs to train on")
    parser.add_argument("--eval", type=Path, help="folder of media to measure on")
    parser.add_argument("--out", type=Path, default=HERE, help="where the models are written and read")
    parser.add_argument("--work", type=Path, default=Path("/tmp/rave-models"), help="clips and training weights")
    parser.add_argument("--only", action="append", choices=RECIPES, help="train this model (may be repeated)")
    parser.add_argument("--steps", type=int, help="train each model for so many steps, to try the script")
    parser.add_argument("--evaluate", action="store_true", help="measure without training")
    options = parser.parse_args()
    if not (options.eval if options.evaluate else options.data):
        parser.error("--data is needed to train, --eval to evaluate")
    return options


def train(name: str, recipe: Recipe, photographs: list[np.ndarray], options: argparse.Namespace) -> None:
    torch.manual_seed(SEED)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Network(recipe.shape).to(device)
    if recipe.start:
        network.load_state_dict(torch.load(options.work / f"{recipe.start}.pt", map_location=device))
    clips = options.work / "clips"
    steps, tuning = options.steps or recipe.steps, options.steps or recipe.tuning
    squared = int(SQUARED_FROM * steps)
    wide = Training(network, pairs(recipe, photographs, WIDE, clips, device), recipe.rate)
    wide.run(range(squared), steps, charbonnier)
    wide.run(range(squared, steps), steps, squared_error)
    plain = Training(wide.averaged(), pairs(recipe, photographs, PLAIN, clips, device), recipe.rate / 2)
    plain.run(range(tuning), tuning, decibels)
    torch.save(plain.averaged().state_dict(), options.work / f"{name}.pt")
    write(name, recipe, plain.averaged(), options.out)


def pairs(recipe: Recipe, photographs: list[np.ndarray], mixture: Mixture, clips: Path, device: torch.device):
    """The source of batches: `take()` gives low and high resolution."""
    mixed = photographs + pictures.drawings(mixture.drawings)
    coded = int(COMPRESSED * recipe.batch) if recipe.compressed else 0
    reduced = pictures.Reduction(mixed, recipe.shape.scale, recipe.batch - coded, recipe.patch, mixture.spoilt, device)
    if not recipe.compressed:
        return reduced
    if not clips.exists():
        compressed.encode(photographs, clips)
    return pictures.Joined(compressed.Compressed(photographs, clips, coded, recipe.patch, device), reduced)


def write(name: str, recipe: Recipe, network: Network, folder: Path) -> None:
    shape = recipe.shape
    weights = network.collapse()
    properties = {
        "rave.name": name, "rave.scale": str(shape.scale), "rave.multiple": str(shape.unshuffle),
        "rave.colour": "luma" if shape.colours == 1 else "rgb", "rave.license": "MIT OR Apache-2.0",
        "rave.source": SOURCE,
    }
    if recipe.dtype is np.float16:
        weights = rounded(weights)
    export(shape, weights, folder / f"{name}.onnx", recipe.dtype, properties)


class Training:
    """One network being trained: Adam, weights averaged, on a GPU each step replayed as one CUDA graph."""

    def __init__(self, network: Network, source, rate: float):
        self.network, self.source, self.peak_rate = network, source, rate
        self.device = network.bicubic.device
        self.on_gpu = self.device.type == "cuda"
        self.rate = torch.tensor(0.0, device=self.device)
        self.parameters = list(network.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=self.rate, fused=self.on_gpu,
                                          capturable=self.on_gpu)
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self.loss = torch.tensor(0.0, device=self.device)

    def run(self, steps: range, total: int, error: Callable) -> None:
        step = self.recorded(error)
        for number in steps:
            self.rate.fill_(self.peak_rate * schedule(number, total))
            step()
            if number % 2000 == 0:
                print(f"step {number} of {total}: {error.__name__} {self.loss.item():.3e}", flush=True)

    def recorded(self, error: Callable) -> Callable:
        """`step` as a function without arguments."""
        def step():
            self.step(error)

        if not self.on_gpu:
            return step
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.rate.zero_()  # the steps that warm up change no weight
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph.replay

    def step(self, error: Callable) -> None:
        low, high = self.source.take()
        if self.network.shape.colours == 1:
            low, high = pictures.luma(low), pictures.luma(high)
        with torch.autocast(self.device.type, torch.bfloat16, self.on_gpu, cache_enabled=False):
            difference = self.network(low) - high
        loss = error(difference)
        if difference.shape[1] == 3:
            loss = loss + error(pictures.luma(difference))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.step()
        torch._foreach_lerp_(self.average, self.parameters, 1 - AVERAGING)
        self.loss.lerp_(loss.detach(), 0.01)

    def averaged(self) -> Network:
        result = Network(self.network.shape).to(self.device)
        with torch.no_grad():
            for parameter, average in zip(result.parameters(), self.average):
                parameter.copy_(average)
        return result


def charbonnier(difference: torch.Tensor) -> torch.Tensor:
    return (difference.square() + 1e-6).sqrt().mean()


def squared_error(difference: torch.Tensor) -> torch.Tensor:
    return 100 * difference.square().mean()


def decibels(difference: torch.Tensor) -> torch.Tensor:
    """The mean over the crops of the logarithm of the squared error, so that no crop outweighs another."""
    return (difference.square().mean((1, 2, 3)) + 2e-5).log().mean()


def schedule(step: int, total: int) -> float:
    """Warm-up, then half a cosine."""
    return min(1.0, step / 500) * (0.5 + 0.5 * math.cos(math.pi * step / total))


if __name__ == "__main__":
    main()
