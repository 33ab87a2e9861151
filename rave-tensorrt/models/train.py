"""Trains and measures the default models.

    python train.py --data PICTURES --eval MEDIA            # re-makes every file in this folder
    python train.py --data PICTURES --only rave-fast-x2     # one model
    python train.py --eval MEDIA --evaluate                 # measures what is here, re-writes README.md

`PICTURES` is a folder of photographs. `MEDIA` holds `images/` (Set5, `kodak/`), `clips/` and `weights/`; nothing of it
is trained on. Needs PyTorch with a CUDA GPU, NumPy, Pillow, ONNX, ONNX Runtime, scikit-image and the ffmpeg program.
"""

import argparse
import math
import time
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F

import compressed
import drawings
import pictures
from network import Network, Shape, Weights, blended, export, rounded

HERE = Path(__file__).parent
START = time.monotonic()
SEED = 1
AVERAGING = 0.999  # of the weights, from step to step
COMPRESSED = 0.75  # the share of H.264 frames in the batches of a model for video, drawn shapes aside
OVERSHOOT = 1.0  # how much more the squared error counts beyond the target's range
LUMA_WEIGHT = 2.0  # of the error of the luma beside that of RGB
REPORT = 1000  # steps
SOURCE = "photographs of CLIC 2025 (Unsplash licence) and GB82 (CC0), pictures drawn by train.py"


@dataclass(frozen=True)
class Recipe:
    shape: Shape
    dtype: type
    steps: tuple[int, int, int]  # of the three stages
    rate: float  # learning rate of the first stage after its warm-up
    batch: int
    patch: int  # low-resolution pixels
    share: float  # of the third stage's weights in the model, the rest being the second's
    start: str | None = None  # the model whose weights after the second stage it starts from
    compressed: bool = False  # trained on H.264 frames


@dataclass(frozen=True)
class Mixture:
    """What batches hold besides clean photographs."""

    scenes: int  # drawn pictures beside the photographs
    spoilt: float  # share of blurred, noisy, JPEG-coded crops
    shapes: float  # share of ideal edges


@dataclass(frozen=True)
class Stage:
    mixture: Mixture
    rate: float  # as a share of the recipe's
    errors: dict[Callable, float]  # each with the share of the stage at which it ends


RECIPES = {
    "rave-fast-x2": Recipe(Shape(1, 2, 2, 32, 4), np.float32, (180_000, 30_000, 72_000), 1e-3, 32, 96, 0.35),
    "rave-x2": Recipe(Shape(3, 2, 2, 64, 8), np.float16, (100_000, 28_000, 36_181), 7e-4, 32, 96, 0.4),
    "rave-x4": Recipe(Shape(3, 4, 1, 64, 9), np.float16, (70_000, 8_000, 6_200), 7e-4, 32, 64, 1.0),
    "rave-video-x2": Recipe(Shape(3, 2, 2, 64, 8), np.float16, (50_000, 22_000, 9_600), 5e-4, 32, 96, 1.0,
                            start="rave-x2", compressed=True),
}


def main() -> None:
    options = arguments()
    if not options.evaluate:
        torch.backends.cudnn.benchmark = True
        photographs = pictures.load(options.data)
        options.work.mkdir(parents=True, exist_ok=True)
        for name in options.only or RECIPES:
            train(name, RECIPES[name], photographs, options)
    if options.eval:
        from evaluate import evaluate  # needs packages that training does not

        evaluate(options.out, options.eval, {name: recipe.shape for name, recipe in RECIPES.items()})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of photographs to train on")
    parser.add_argument("--eval", type=Path, help="folder of media to measure on")
    parser.add_argument("--out", type=Path, default=HERE, help="where the models are written and read")
    parser.add_argument("--work", type=Path, default=Path("/tmp/rave-models"),
                        help="clips and weights after each stage, which are not made again if they are there")
    parser.add_argument("--only", action="append", choices=RECIPES, help="train this model (may be repeated)")
    parser.add_argument("--steps", type=int, help="train each stage for so many steps, to try the script")
    parser.add_argument("--seconds", type=float, nargs="+", default=[],
                        help="end the first stage in hand so long after the start, at any step, the next so long, ..")
    parser.add_argument("--evaluate", action="store_true", help="measure without training")
    options = parser.parse_args()
    if not (options.eval if options.evaluate else options.data):
        parser.error("--data is needed to train, --eval to evaluate")
    return options


def train(name: str, recipe: Recipe, photographs: list[np.ndarray], options: argparse.Namespace) -> None:
    """Goes through the stages, from the last one whose weights are in the work folder."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = {number: options.work / f"{name}.{number}.pt" for number in range(1, len(STAGES) + 1)}
    done = max((number for number, file in files.items() if file.exists()), default=0)
    network = Network(recipe.shape).to(device)
    if done or recipe.start:
        load(network, files[done] if done else options.work / f"{recipe.start}.2.pt")
    for (number, file), seconds in zip(list(files.items())[done:], chain(options.seconds, repeat(None))):
        torch.manual_seed(SEED)
        stage = STAGES[number - 1]
        source = pairs(recipe, photographs, stage.mixture, options.work / "clips", device)
        training = Training(network, source, recipe.rate * stage.rate)
        print(f"{name}, stage {number}, after {time.monotonic() - START:.0f} s", flush=True)
        pace = Pace(options.steps or recipe.steps[number - 1], seconds)
        training.run(stage.errors, pace, lambda network: write(name, recipe, network.collapse(), options.out))
        network = training.averaged()
        torch.save(network.state_dict(), file)
    second, third = (load(network, files[number]).collapse() for number in (2, 3))
    write(name, recipe, blended(second, third, recipe.share), options.out)


def load(network: Network, path: Path) -> Network:
    network.load_state_dict(torch.load(path, map_location=network.bicubic.device))
    return network


def pairs(recipe: Recipe, photographs: list[np.ndarray], mixture: Mixture, clips: Path, device: torch.device):
    """The source of batches: `take()` gives low and high resolution."""
    scale, patch = recipe.shape.scale, recipe.patch
    shaped = round(mixture.shapes * recipe.batch)
    coded = round(COMPRESSED * (recipe.batch - shaped)) if recipe.compressed else 0
    mixed = photographs + drawings.scenes(mixture.scenes)
    sources = [pictures.Reduction(mixed, scale, recipe.batch - shaped - coded, patch, mixture.spoilt, device)]
    if shaped:
        sources.append(drawings.Shapes(scale, shaped, patch, device))
    if coded:
        if not clips.exists():
            compressed.encode(photographs, clips)
        sources.append(compressed.Compressed(photographs, clips, coded, patch, device))
    return pictures.Joined(*sources)


def write(name: str, recipe: Recipe, weights: Weights, folder: Path) -> None:
    shape = recipe.shape
    properties = {
        "rave.name": name, "rave.scale": str(shape.scale), "rave.multiple": str(shape.unshuffle),
        "rave.colour": "luma" if shape.colours == 1 else "rgb", "rave.license": "MIT OR Apache-2.0",
        "rave.source": SOURCE,
    }
    if recipe.dtype is np.float16:
        weights = rounded(weights)
    export(shape, weights, folder / f"{name}.onnx", recipe.dtype, properties)


class Pace:
    """How far a stage is, 0..1: by its steps, or by time where `seconds` after the program's start limit it."""

    def __init__(self, steps: int, seconds: float | None):
        self.steps, self.seconds, self.begin = steps, seconds, time.monotonic()

    def progress(self, step: int) -> float:
        if self.seconds is None:
            return step / self.steps
        return (time.monotonic() - self.begin) / max(START + self.seconds - self.begin, 1e-3)


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

    def run(self, errors: dict[Callable, float], pace: Pace, keep: Callable[[Network], None]) -> None:
        """`keep` gets the averaged network now and then, so that a run cut short is not lost."""
        number = 0
        for error, end in errors.items():
            step = self.recorded(error)
            while (progress := pace.progress(number)) < end:
                self.rate.fill_(self.peak_rate * schedule(number, progress))
                step()
                number += 1
                if number % 50 == 0:
                    self.loss.item()  # waits, so that the schedule follows the time that the steps take
                if number % REPORT == 0:
                    print(f"step {number}, {progress:.0%}: {error.__name__} {self.loss.item():.3e}", flush=True)
                    keep(self.averaged())
        print(f"{number} steps", flush=True)

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
            result = self.network(low)
        loss = error(result, high)
        if result.shape[1] == 3:
            loss = loss + LUMA_WEIGHT * error(pictures.luma(result), pictures.luma(high))
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


def charbonnier(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((result - target).square() + 1e-6).sqrt().mean()


def squared_error(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return 100 * (result - target).square().mean()


def decibels(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The mean over the crops of the logarithm of the squared error, so that no crop outweighs another."""
    return ((result - target).square().mean((1, 2, 3)) + 2e-5).log().mean()


def bounded(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """As `decibels`; what leaves the range of the target's 5 x 5 surroundings counts more."""
    least, most = pictures.bounds(target)
    beyond = F.relu(result - most) + F.relu(least - result)
    error = (result - target).square() + OVERSHOOT * beyond.square()
    return (error.mean((1, 2, 3)) + 5e-6).log().mean()


def schedule(step: int, progress: float) -> float:
    """Warm-up, then half a cosine."""
    return min(1.0, step / 500) * (0.5 + 0.5 * math.cos(math.pi * progress))


STAGES = (
    Stage(Mixture(12, 0.15, 0.0), 1.0, {charbonnier: 0.7, squared_error: 1.0}),
    Stage(Mixture(4, 0.125, 0.0), 0.5, {decibels: 1.0}),
    Stage(Mixture(8, 0.125, 0.16), 0.5, {bounded: 1.0}),
)


if __name__ == "__main__":
    main()
