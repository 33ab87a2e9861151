"""Pictures that are drawn: on the host for whole scenes, on the device for ideal edges."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from pictures import Grid, to_bytes

FINE = 3  # scenes are drawn so many times larger and averaged, so that edges are antialiased
LAYERS = 12  # shapes over the background of a crop


def scenes(count: int) -> list[np.ndarray]:
    return [scene(np.random.default_rng(seed)) for seed in range(count)]


def scene(random: np.random.Generator, size: int = 640) -> np.ndarray:
    """Leaves over a gradient, then lines, text and a flat corner: edges that photographs have too few of."""
    big = FINE * size
    corners = Image.fromarray(random.integers(0, 256, (2, 2, 3), np.uint8))
    canvas = corners.resize((big, big), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(canvas)
    for radius in sorted(FINE * (4 * random.pareto(1.2, 150) + 3), reverse=True):
        leaf(pen, random, min(radius, big / 4), point(random, big))
    for _ in range(40):
        width = int(random.integers(2, 4 * FINE))
        pen.line([*point(random, big), *point(random, big)], colour(random), width)
    letters = [chr(code) for code in range(33, 127)]
    for _ in range(60):
        text = "".join(random.choice(letters, random.integers(3, 16)))
        font = ImageFont.load_default(float(FINE * random.uniform(8, 36)))
        pen.text(point(random, big), text, colour(random), font)
    pen.rectangle([0, 0, big // 5, big // 5], colour(random))
    return np.asarray(canvas.reduce(FINE))


def leaf(pen: ImageDraw.ImageDraw, random: np.random.Generator, radius: float, centre: tuple[int, int]) -> None:
    if random.random() < 0.5:
        pen.ellipse([*(place - radius for place in centre), *(place + radius for place in centre)], colour(random))
        return
    angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 8)))
    corners = radius * random.uniform(0.5, 1.5, (len(angles), 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
    pen.polygon([tuple(corner) for corner in corners + centre], colour(random))


def colour(random: np.random.Generator) -> tuple[int, int, int]:
    grey = [int(random.choice([0, 255]))] * 3
    return tuple(grey if random.random() < 0.5 else random.integers(0, 256, 3).tolist())


def point(random: np.random.Generator, size: int) -> tuple[int, int]:
    return tuple(random.integers(0, size, 2).tolist())


def jagged() -> torch.Tensor:
    """Text, lines and boxes of one pixel and more without antialiasing, [3, height, width], values 0..255."""
    canvas = Image.new("L", (120, 96), 255)
    pen = ImageDraw.Draw(canvas)
    pen.fontmode = "1"
    pen.rectangle([60, 0, 119, 47], 0)
    pen.rectangle([60, 48, 119, 95], 200)
    for x, ink in ((4, 0), (64, 255)):
        pen.text((x, 4), "Sphinx 1", ink, ImageFont.load_default(11.0))
        pen.text((x, 22), "of quartz", ink, ImageFont.load_default(11.0))
    for x, ink in ((2, 0), (62, 0)):
        pen.line([x, 52, x + 40, 92], ink)
        pen.line([x + 8, 52, x + 52, 68], ink)
        pen.rectangle([x + 40, 74, x + 54, 88], outline=ink)
        pen.rectangle([x + 45, 79, x + 49, 83], ink)
    return torch.from_numpy(np.array(canvas)).float().expand(3, -1, -1)


class Shapes:
    """Pairs for training: half-planes, bars and boxes with ideal edges.

    One third of a batch is reduced by averages of squares, one by the bicubic filter, and one is drawn without
    antialiasing. Averages of edges that lie between two low-resolution pixels are steps from one pixel to the next, as
    drawn sources have; without antialiasing all edges are.
    """

    def __init__(self, scale: int, batch: int, patch: int, device: torch.device):
        self.scale, self.batch, self.grid = scale, batch, Grid(scale, patch, device)
        self.place = torch.arange(self.grid.size, device=device).float() + 0.5

    def take(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Low and high resolution, [batch, 3, ..], values 0..1, both rounded to bytes."""
        colours, shares = self.colours(), self.shapes()
        high = to_bytes(layered(colours, shares))
        box, bicubic = self.grid.box, self.grid.bicubic
        averaged, filtered, jagged = (slice(*ends) for ends in self.thirds())
        low = torch.cat([
            box @ high[averaged] @ box.T,
            bicubic @ high[filtered] @ bicubic.T,
            layered(colours[jagged], (box @ shares[jagged] @ box.T).round()),
        ])
        return to_bytes(low) / 255, self.grid.inside(high) / 255

    def thirds(self) -> list[tuple[int, int]]:
        """Where each third of the batch starts and ends."""
        ends = [round(self.batch * third / 3) for third in range(4)]
        return list(zip(ends, ends[1:]))

    def colours(self) -> torch.Tensor:
        """[batch, LAYERS + 1, 3, 1, 1]: black, white, a grey, or any."""
        def random(colours: int) -> torch.Tensor:
            return torch.rand(self.batch, LAYERS + 1, colours, 1, 1, device=self.place.device)

        kind = random(1)
        some = torch.where(kind < 0.5, random(1), random(3))
        return (255 * torch.where(kind < 0.3, (random(1) < 0.5).float(), some)).round()

    def shapes(self) -> torch.Tensor:
        """The share of each pixel that a shape covers, [batch, LAYERS, size, size].

        A shape is a strip, or what two strips share.
        """
        size = self.grid.size
        angle = torch.where(self.coin(0.6), self.coin(0.5) * (torch.pi / 2), self.uniform(torch.pi / 2))
        left, top = (torch.where(self.coin(0.5), self.place, size - self.place) for _ in range(2))
        top = top.mT
        along, across = angle.cos() * left + angle.sin() * top, angle.cos() * top - angle.sin() * left
        start, low = self.whole(self.uniform(1.2 * size)), self.whole(self.uniform(2 * size)) - size
        end = low + torch.where(self.coin(0.5), self.width(), 4 * size)
        return covered(along, start, start + self.width()) * covered(across, low, end)

    def uniform(self, limit: float) -> torch.Tensor:
        return limit * torch.rand(self.batch, LAYERS, 1, 1, device=self.place.device)

    def coin(self, chance: float) -> torch.Tensor:
        return self.uniform(1) < chance

    def width(self) -> torch.Tensor:
        return self.whole(self.uniform(5).exp())

    def whole(self, length: torch.Tensor) -> torch.Tensor:
        """`length`, half of the time in whole low-resolution pixels."""
        return torch.where(self.coin(0.5), (length / self.scale).ceil() * self.scale, length)


def layered(colours: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Each shape's colour over those before it, by the share of each pixel that it covers."""
    picture = colours[:, 0]
    for colour, share in zip(colours[:, 1:].unbind(1), shares.unbind(1)):
        picture = picture.lerp(colour, share[:, None])
    return picture


def covered(distance: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """How much of a pixel at `distance` lies between `start` and `end`."""
    return (torch.minimum(distance + 0.5, end) - torch.maximum(distance - 0.5, start)).clamp(0, 1)
