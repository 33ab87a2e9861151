"""Pairs of H.264-compressed low-resolution frames and the pictures that they come from.

`encode` makes the clips with the ffmpeg program: a window moves over a picture by whole pixels, each position is
halved, converted to YUV 4:2:0 and compressed. `Compressed` decodes them and knows, from the same seed, which window
each frame shows.
"""

import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pictures import Store, luma, pyramid, random_turns, resize

QUALITIES = range(18, 33, 2)  # constant rate factors, one clip each
SCENES, FRAMES = 40, 8  # in each clip; a scene is one window moving over one picture
WIDTH, HEIGHT = 320, 240
SPEED = 6  # most pixels that a window moves in a frame, in the full-size picture
SOFT = (0.75, 0.45, 0.35)  # detail left in the soft copy of a picture, as a share of its size


class Scene(NamedTuple):
    picture: int
    top: int
    left: int
    down: int  # pixels a frame
    right: int


def scenes(pictures: list[torch.Tensor], clip: int) -> list[Scene]:
    random = np.random.default_rng([20, clip])
    return [scene(random, pictures) for _ in range(SCENES)]


def scene(random: np.random.Generator, pictures: list[torch.Tensor]) -> Scene:
    picture = int(random.integers(len(pictures)))
    motion = random.integers(-SPEED, SPEED + 1, 2) * random.integers(0, 2)
    path = motion * (FRAMES - 1)
    space = np.array(pictures[picture].shape[:2]) - (2 * HEIGHT, 2 * WIDTH) - np.abs(path)
    start = random.integers(0, space + 1) - np.minimum(path, 0)
    return Scene(picture, *start.tolist(), *motion.tolist())


def shown(pictures: list[np.ndarray], device: torch.device) -> list[torch.Tensor]:
    """The pictures that windows move over: each large level, sharp and soft, since much video is soft."""
    levels = [level for picture in pictures for level in pyramid(picture, device)]
    reach = SPEED * (FRAMES - 1)
    levels = [level for level in levels
              if level.shape[0] >= 2 * HEIGHT + reach and level.shape[1] >= 2 * WIDTH + reach]
    return levels + [soften(level, SOFT[number % len(SOFT)]) for number, level in enumerate(levels)]


def soften(level: torch.Tensor, detail: float) -> torch.Tensor:
    height, width = level.shape[:2]
    small = resize(level.permute(2, 0, 1).float(), round(detail * height), round(detail * width))
    return resize(small, height, width).byte().permute(1, 2, 0)


def encode(pictures: list[np.ndarray], folder: Path) -> None:
    """Writes one clip for each of `QUALITIES`; the folder is there once it is complete."""
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    levels = shown(pictures, torch.device("cpu"))
    for clip, quality in enumerate(QUALITIES):
        frames = b"".join(yuv_bytes(window(levels, scene, frame))
                          for scene in scenes(levels, clip) for frame in range(FRAMES))
        x264(frames, WIDTH, HEIGHT, quality, clip_path(part, quality), ["-g", str(FRAMES), "-sc_threshold", "0"])
    part.rename(folder)


def clip_path(folder: Path, quality: int) -> Path:
    return folder / f"crf{quality}.mp4"


def window(pictures: list[torch.Tensor], scene: Scene, frame: int) -> torch.Tensor:
    """One low-resolution frame, [3, HEIGHT, WIDTH], values 0..255."""
    top, left = scene.top + frame * scene.down, scene.left + frame * scene.right
    full = pictures[scene.picture][top:top + 2 * HEIGHT, left:left + 2 * WIDTH]
    return resize(full.permute(2, 0, 1).float(), HEIGHT, WIDTH)


def x264(frames: bytes, width: int, height: int, quality: int, path: Path, options: list[str]) -> None:
    source = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "25", "-i", "-"]
    target = ["-c:v", "libx264", "-crf", str(quality), *options, "-threads", "1", str(path)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *target], input=frames, check=True)


def yuv_bytes(rgb: torch.Tensor) -> bytes:
    planes = rgb_to_yuv(rgb)
    return b"".join(plane.round().clamp(0, 255).byte().numpy().tobytes() for plane in planes)


def rgb_to_yuv(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Limited-range BT.601 of [.., 3, height, width], 0..255: luma, and Cb and Cr at half size, sited left."""
    grey = luma(rgb)
    chroma = torch.cat([(rgb[..., 2:, :, :] - grey) / 1.772, (rgb[..., :1, :, :] - grey) / 1.402], -3)
    chroma = (chroma[..., 0::2, :] + chroma[..., 1::2, :]) / 2
    before = torch.cat([chroma[..., :1], chroma[..., 1:-1:2]], -1)
    chroma = (before + 2 * chroma[..., 0::2] + chroma[..., 1::2]) / 4
    return 16 + grey * 219 / 255, 128 + chroma * 224 / 255


def yuv_to_rgb(grey: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    """The inverse of `rgb_to_yuv`, with linear interpolation of the chroma; not bounded to 0..255."""
    grey, chroma = (grey - 16) * 255 / 219, (chroma - 128) * 255 / 224
    after = torch.cat([chroma[..., 1:], chroma[..., -1:]], -1)
    chroma = torch.stack([chroma, (chroma + after) / 2], -1).flatten(-2)
    above = torch.cat([chroma[..., :1, :], chroma[..., :-1, :]], -2)
    below = torch.cat([chroma[..., 1:, :], chroma[..., -1:, :]], -2)
    chroma = torch.stack([(above + 3 * chroma) / 4, (3 * chroma + below) / 4], -2).flatten(-3, -2)
    blue, red = grey + 1.772 * chroma[..., :1, :, :], grey + 1.402 * chroma[..., 1:, :, :]
    green = (grey - 0.114 * blue - 0.299 * red) / 0.587
    return torch.cat([red, green, blue], -3)


def decode(path: Path, options: tuple[str, ...] = ()) -> tuple[torch.Tensor, torch.Tensor]:
    """Luma [frames, 1, height, width] and chroma [frames, 2, height / 2, width / 2] of a file, as 8-bit 4:2:0."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height"]
    size = subprocess.check_output([*probe, "-of", "csv=p=0", path], text=True)
    width, height = (int(length) for length in size.split(",")[:2])
    target = [*options, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    raw = subprocess.check_output(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", *target])
    planes = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    grey, chroma = planes.reshape(-1, width * height * 3 // 2).float().tensor_split([width * height], 1)
    return grey.reshape(-1, 1, height, width), chroma.reshape(-1, 2, height // 2, width // 2)


class Compressed:
    """Pairs for training: crops of compressed frames and of the pictures they show."""

    def __init__(self, pictures: list[np.ndarray], folder: Path, batch: int, patch: int, device: torch.device):
        self.batch, self.patch = batch, patch
        levels = shown(pictures, device)
        self.high = Store(levels, device)
        decoded, table = [], []
        for clip, quality in enumerate(QUALITIES):
            rgb = yuv_to_rgb(*decode(clip_path(folder, quality))).round().clamp(0, 255).byte()
            decoded += list(rgb.permute(0, 2, 3, 1))
            table += [(scene.picture, scene.top + frame * scene.down, scene.left + frame * scene.right)
                      for scene in scenes(levels, clip) for frame in range(FRAMES)]
        self.low = Store(decoded, device)
        self.table = torch.tensor(table).T.to(device)

    def take(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Low and high resolution, [batch, 3, ..], values 0..1."""
        device = self.table.device
        frame = torch.randint(self.table.shape[1], (self.batch,), device=device)
        top = 2 * torch.randint((HEIGHT - self.patch) // 2 + 1, (self.batch,), device=device)
        left = 2 * torch.randint((WIDTH - self.patch) // 2 + 1, (self.batch,), device=device)
        turn = random_turns(self.batch, device)
        picture, window_top, window_left = self.table[:, frame]
        low = self.low.gather(frame, top, left, self.patch, turn)
        high = self.high.gather(picture, window_top + 2 * top, window_left + 2 * left, 2 * self.patch, turn)
        return low.float() / 255, high.float() / 255
