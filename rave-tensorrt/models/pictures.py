"""Pictures to train on, and how a low-resolution picture is made from them, in batches on the device."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from network import cubic

LEVELS = (1.0, 0.75, 0.5)  # sizes at which every picture is trained on
TILE = 32  # crops start anywhere in a tile of this size; tiles with detail are taken more often
LUMA = (0.299, 0.587, 0.114)


def load(folder: Path) -> list[np.ndarray]:
    """The pictures of `folder`, as [height, width, 3] bytes."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".webp", ".png"))
    with ThreadPoolExecutor() as pool:
        return list(pool.map(read, files))


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@cache
def resize_matrix(size: int, new_size: int) -> torch.Tensor:
    """MATLAB's `imresize` along one axis (bicubic, antialiased, symmetric border) as [new_size, size] weights."""
    scale = new_size / size
    width = max(1.0, 1 / scale)
    centre = (torch.arange(new_size, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(centre - 2 * width)
    taps = first[:, None] + torch.arange(int(4 * width) + 2)
    weights = cubic((centre[:, None] - taps) / width)
    weights /= weights.sum(1, keepdim=True)
    mirrored = taps.long() % (2 * size)
    mirrored = torch.where(mirrored < size, mirrored, 2 * size - 1 - mirrored)
    return torch.zeros(new_size, size, dtype=torch.float64).scatter_add_(1, mirrored, weights)


def resize(picture: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """`picture` [.., height, width], values 0..255, as MATLAB's `imresize` gives it."""
    rows = resize_matrix(picture.shape[-2], height).to(picture)
    columns = resize_matrix(picture.shape[-1], width).to(picture)
    return to_bytes(to_bytes(rows @ picture) @ columns.T)


def to_bytes(picture: torch.Tensor) -> torch.Tensor:
    """Rounded and bounded as bytes are, in the type it came in."""
    return picture.round().clamp(0, 255)


class Store:
    """Pictures of different sizes in one buffer on the device, from which crops are gathered."""

    def __init__(self, pictures: list[torch.Tensor], device: torch.device):
        sizes = torch.tensor([picture.shape[:2] for picture in pictures])
        self.buffer = torch.cat([picture.reshape(-1, 3) for picture in pictures]).to(device)
        self.width = sizes[:, 1].to(device)
        self.offset = (sizes.prod(1).cumsum(0) - sizes.prod(1)).to(device)

    def gather(self, picture: torch.Tensor, top: torch.Tensor, left: torch.Tensor, size: int,
               turn: torch.Tensor) -> torch.Tensor:
        """Square crops as [count, 3, size, size]; `turn` [3, count] says which are mirrored and transposed."""
        ahead = torch.arange(size, device=turn.device)
        rows = torch.where(turn[0, :, None], size - 1 - ahead, ahead)
        columns = torch.where(turn[1, :, None], size - 1 - ahead, ahead)
        width = self.width[picture]
        row_step = torch.where(turn[2], 1, width)
        column_step = torch.where(turn[2], width, 1)
        start = self.offset[picture] + top * width + left
        index = (start[:, None, None] + (rows * row_step[:, None])[:, :, None]
                 + (columns * column_step[:, None])[:, None, :])
        return self.buffer[index].permute(0, 3, 1, 2)


def random_turns(count: int, device: torch.device) -> torch.Tensor:
    return torch.rand(3, count, device=device) < 0.5


class Crops:
    """Random crops of `size` pixels: every picture at every level, places with detail more often."""

    def __init__(self, pictures: list[np.ndarray], size: int, device: torch.device):
        self.size = size
        levels = [level for picture in pictures for level in pyramid(picture, device)]
        levels = [level for level in levels if min(level.shape[:2]) >= size + TILE]
        self.store = Store(levels, device)
        tiles, detail = zip(*(self.tiles(number, level) for number, level in enumerate(levels)))
        self.tile = torch.cat(tiles).T.to(device)
        self.chance = torch.cat(detail).to(device).double().cumsum(0)
        self.chance /= self.chance[-1].clone()

    def tiles(self, number: int, level: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Places of the crops of a picture, and the mean gradient in each, bounded both ways."""
        grey = level.float().mean(2)
        gradient = (grey[1:, 1:] - grey[:-1, 1:]).abs() + (grey[1:, 1:] - grey[1:, :-1]).abs()
        mean = F.avg_pool2d(gradient[None], self.size, TILE)[0]
        top, left = torch.meshgrid(*(torch.arange(count) * TILE for count in mean.shape), indexing="ij")
        inside = (top < level.shape[0] - self.size - TILE) & (left < level.shape[1] - self.size - TILE)
        place = torch.stack([torch.full_like(top, number), top, left], -1)
        return place[inside], mean.cpu()[inside].clamp(2, 16)

    def take(self, count: int) -> torch.Tensor:
        """[count, 3, size, size] bytes."""
        device = self.chance.device
        tile = torch.searchsorted(self.chance, torch.rand(count, device=device, dtype=torch.float64))
        picture, top, left = self.tile[:, tile.clamp(max=self.tile.shape[1] - 1)]
        top = top + torch.randint(TILE, (count,), device=device)
        left = left + torch.randint(TILE, (count,), device=device)
        return self.store.gather(picture, top, left, self.size, random_turns(count, device))


def pyramid(picture: np.ndarray, device: torch.device) -> list[torch.Tensor]:
    full = torch.tensor(picture).to(device)
    channels = full.permute(2, 0, 1).float()
    sizes = [[round(length * level) for length in full.shape[:2]] for level in LEVELS[1:]]
    return [full] + [resize(channels, *size).byte().permute(1, 2, 0) for size in sizes]


class Grid:
    """The two reductions of a high-resolution crop: MATLAB's bicubic one and averages of squares, as matrices."""

    def __init__(self, scale: int, patch: int, device: torch.device):
        self.margin = 2 * scale  # so that the filter reads real pixels around the crop
        self.size = scale * patch + 2 * self.margin
        self.bicubic = resize_matrix(self.size, self.size // scale)[2:-2].float().to(device)
        self.box = torch.eye(self.size // scale).repeat_interleave(scale, 1)[2:-2].to(device) / scale

    def inside(self, high: torch.Tensor) -> torch.Tensor:
        """What the reductions show of a crop."""
        return high[..., self.margin:-self.margin, self.margin:-self.margin]


class Reduction:
    """Pairs for training: crops and their bicubic reduction; the share `spoilt` is blurred, noisy and JPEG-coded."""

    def __init__(self, pictures: list[np.ndarray], scale: int, batch: int, patch: int, spoilt: float,
                 device: torch.device):
        self.scale, self.batch, self.spoilt = scale, batch, round(spoilt * batch)
        self.grid = Grid(scale, patch, device)
        self.crops = Crops(pictures, self.grid.size, device)
        place = torch.arange(self.grid.size, device=device)
        self.distance = (place[:, None] - place).square().float()
        self.coding = Jpeg(patch, device)

    def take(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Low and high resolution, [batch, 3, ..], values 0..1, the low one rounded to bytes."""
        high = self.crops.take(self.batch).float()
        high[-1:] = torch.randint(256, (1, 3, 1, 1), device=high.device)  # a flat picture stays flat at its border
        clean = to_bytes(self.grid.bicubic @ high[self.spoilt:]) @ self.grid.bicubic.T
        low = torch.cat([self.spoil(high[:self.spoilt]), clean])
        return to_bytes(low) / 255, self.grid.inside(high) / 255

    def spoil(self, high: torch.Tensor) -> torch.Tensor:
        """A reduction as a camera and a codec would have left it; half are averages of squares, not bicubic."""
        def uniform(limit: float) -> torch.Tensor:
            return limit * torch.rand(high.shape[0], 1, 1, 1, device=high.device)

        sigma = uniform(0.5 * self.scale) + 0.05
        blur = torch.exp(-self.distance / (2 * sigma.square()))
        blurred = self.grid.bicubic @ (blur / blur.sum(-1, keepdim=True))
        matrix = torch.where(uniform(1) < 0.5, self.grid.box, blurred)
        low = matrix @ high @ matrix.mT
        low = low + uniform(1.7).square() * torch.randn_like(low)
        return torch.where(uniform(1) < 0.6, self.coding(low, uniform(1)), low)


class Joined:
    """Batches that hold a batch of each source."""

    def __init__(self, *sources):
        self.sources = sources

    def take(self) -> tuple[torch.Tensor, torch.Tensor]:
        low, high = zip(*(source.take() for source in self.sources))
        return torch.cat(low), torch.cat(high)


class Jpeg:
    """What JPEG's quantisation leaves of a picture (chroma at full resolution)."""

    LUMA_TABLE = [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
                  14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
                  49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99]  # ITU-T T.81, table K.1

    def __init__(self, patch: int, device: torch.device):
        red, green, blue = LUMA
        self.ycbcr = torch.tensor([LUMA, (-red / 1.772, -green / 1.772, 0.5), (0.5, -green / 1.402, -blue / 1.402)],
                                  device=device)
        self.rgb = torch.linalg.inv(self.ycbcr)
        row = torch.arange(8.0)
        dct = torch.cos((row + 0.5) * row[:, None] * torch.pi / 8) / 2
        dct[0] /= 2**0.5
        self.dct = torch.block_diag(*[dct] * (patch // 8)).to(device)
        table = torch.tensor(self.LUMA_TABLE, device=device).reshape(8, 8).repeat(patch // 8, patch // 8)
        self.table = torch.stack([table, table.clamp(17, 99), table.clamp(17, 99)]).float()

    def __call__(self, picture: torch.Tensor, hardness: torch.Tensor) -> torch.Tensor:
        """`hardness` 0..1 is quality 95 to 60."""
        step = (self.table * (0.1 + 0.7 * hardness)).clamp(min=1)
        planes = torch.einsum("yc,bchw->byhw", self.ycbcr, picture)
        planes = self.dct.T @ ((self.dct @ planes @ self.dct.T / step).round() * step) @ self.dct
        return torch.einsum("cy,byhw->bchw", self.rgb, planes)


def luma(rgb: torch.Tensor) -> torch.Tensor:
    """[.., 3, height, width] to [.., 1, height, width], same range."""
    return sum(weight * plane for weight, plane in zip(LUMA, rgb.split(1, -3)))


def bounds(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the greatest of the 5 x 5 values around each."""
    return -F.max_pool2d(-picture, 5, 1, 2), F.max_pool2d(picture, 5, 1, 2)
