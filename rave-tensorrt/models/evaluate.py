"""Measures the models on pictures and clips that they were not trained on, and writes the results into README.md."""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from imageio_ffmpeg import get_ffmpeg_exe  # with libvmaf
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from skimage.metrics import structural_similarity

import drawings
from compressed import decode, x264, yuv_bytes, yuv_to_rgb
from network import Shape
from pictures import bounds, luma, read, resize, to_bytes

CLIPS = ("sk__bikes.mp4", "intel__car-detection.mp4", "intel__bottle-detection.mp4", "sk__carphone_pristine.mp4",
         "iio__cockatoo_yuv420.mp4")
CLIP_QUALITIES = (23, 28)
CROPS = {1000: (120, 200), 1001: (240, 240), 1002: (200, 60)}  # seeds of drawings, top and left of what is shown
CROP = 160
SHAPES_SEED = 1000  # of ideal edges that were not trained on
APART = "not(mod(n\\,60))"  # the frames of a clip of which PSNR and SSIM are measured
RUN = "between(n\\,60\\,75)"  # the consecutive ones for VMAF, which looks at motion
PEER = {2: "realesr-animevideov3-x2.onnx", 4: "realesr-animevideov3-x4-fp16.onnx"}

Upscale = Callable[[torch.Tensor], torch.Tensor]


class Score(NamedTuple):
    psnr: float
    ssim: float

    def __str__(self) -> str:
        return f"{self.psnr:.2f} / {self.ssim:.4f}"


def evaluate(folder: Path, media: Path, shapes: dict[str, Shape]) -> None:
    """`folder` holds the models and README.md."""
    models = {name: onnx.load(folder / f"{name}.onnx") for name in shapes}
    tables = [
        pictures_table(models, shapes, media), clips_table(models, media), ringing_table(models, shapes, media),
        checks_table(models, shapes, media), sizes_table(folder, shapes),
        speed_line(models["rave-fast-x2"], shapes["rave-fast-x2"]),
    ]
    results = "\n\n".join(tables)
    print(results)
    draw_figures(models, media, folder)
    readme = folder / "README.md"
    before, _, rest = readme.read_text().partition("<!-- results -->\n")
    _, _, after = rest.partition("<!-- end of results -->")
    readme.write_text(f"{before}<!-- results -->\n{results}\n<!-- end of results -->{after}")


def pictures_table(models: dict, shapes: dict[str, Shape], media: Path) -> str:
    rows = [["scale", "method", "Set5", "Kodak"]]
    for scale in PEER:
        sets = [set5(media, scale), kodak(media, scale)]
        for name, method in methods(models, shapes, media, scale).items():
            rows.append([f"x{scale}", name] + [str(mean(score(method(low), high, scale) for low, high in pairs))
                                               for pairs in sets])
    return table(rows)


def methods(models: dict, shapes: dict[str, Shape], media: Path, scale: int) -> dict[str, Upscale]:
    """All that upscale by `scale`."""
    peer = onnx.load(media / "weights" / PEER[scale])
    ours = {name: upscaler(models[name]) for name, shape in shapes.items() if shape.scale == scale}
    return {"bicubic": bicubic(scale), PEER[scale].removesuffix(".onnx"): rgb(session(peer))} | ours


def set5(media: Path, scale: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    stems = [media / "images" / f"img_00{number}_SRF_{scale}" for number in range(1, 6)]
    return [(picture(Path(f"{stem}_LR.png")), picture(Path(f"{stem}_HR.png"))) for stem in stems]


def kodak(media: Path, scale: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    high = [picture(media / "images" / "kodak" / f"{number}.png") for number in range(1, 25)]
    return [(resize(full, full.shape[1] // scale, full.shape[2] // scale), full) for full in high]


def picture(path: Path) -> torch.Tensor:
    return torch.tensor(read(path)).permute(2, 0, 1).float()


def bicubic(scale: int) -> Upscale:
    return lambda low: resize(low, scale * low.shape[-2], scale * low.shape[-1])


def upscaler(model: onnx.ModelProto) -> Upscale:
    """The model as a function from RGB bytes to RGB bytes, or, for a luma model, to luma alone."""
    colour = next(entry.value for entry in model.metadata_props if entry.key == "rave.colour")
    return luma_only(session(model)) if colour == "luma" else rgb(session(model))


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(model: onnxruntime.InferenceSession, values: torch.Tensor) -> torch.Tensor:
    dtype = np.float16 if "float16" in model.get_inputs()[0].type else np.float32
    return torch.tensor(model.run(None, {"input": values.numpy()[None].astype(dtype)})[0][0].astype(np.float32))


def rgb(model: onnxruntime.InferenceSession) -> Upscale:
    return lambda low: to_bytes(255 * run(model, low / 255))


def luma_only(model: onnxruntime.InferenceSession) -> Upscale:
    """The luma is rounded as 8-bit video holds it."""
    return lambda low: ((16 + 219 * run(model, luma(low) / 255)).round().clamp(16, 235) - 16) * 255 / 219


def score(result: torch.Tensor, truth: torch.Tensor, border: int) -> Score:
    """PSNR and SSIM of BT.601 limited-range luma, `border` pixels cut."""
    pair = [(16 + 219 / 255 * (grey if grey.shape[0] == 1 else luma(grey)))[0, border:-border, border:-border].numpy()
            for grey in (result, truth)]
    return Score(decibels(np.square(pair[0] - pair[1]).mean() / 255**2),
                 structural_similarity(*pair, data_range=255, gaussian_weights=True, sigma=1.5,
                                       use_sample_covariance=False))


def decibels(squared_error: float) -> float:
    return float(-10 * np.log10(max(squared_error, 1e-10)))


def mean(scores) -> Score:
    return Score(*np.mean(list(scores), axis=0).tolist())


def clips_table(models: dict, media: Path) -> str:
    """Each clip halved with ffmpeg's bicubic filter, compressed with x264, decoded and upscaled."""
    methods = {"bicubic": bicubic(2)} | {name: upscaler(models[name]) for name in ("rave-x2", "rave-video-x2")}
    rows = [["clip", "CRF", *methods, "gain"]]
    for clip in CLIPS:
        path = media / "clips" / clip
        apart, run = (limited(path, frames) for frames in (APART, RUN))
        for quality in CLIP_QUALITIES:
            low_apart, low_run = compressed_half(path, quality)
            scores = {name: clip_score(method, low_apart, apart) for name, method in methods.items()}
            perceived = [vmaf([enlarged(method, frame) for frame in low_run], run) for method in methods.values()]
            gain = scores["rave-video-x2"].psnr - scores["bicubic"].psnr
            cells = [f"{score} / {vmaf:.1f}" for score, vmaf in zip(scores.values(), perceived)]
            rows.append([clip, str(quality), *cells, f"{gain:+.2f} dB, {perceived[2] - perceived[0]:+.1f}"])
    return table(rows)


Yuv = tuple[torch.Tensor, torch.Tensor]  # a frame as `decode` gives it


def clip_score(method: Upscale, low: list[Yuv], truth: list[torch.Tensor]) -> Score:
    return mean(score(grey(method, frame), full_range(full), 2) for frame, full in zip(low, truth))


def grey(method: Upscale, frame: Yuv) -> torch.Tensor:
    return luma(method(to_bytes(yuv_to_rgb(*frame))))


def full_range(limited: torch.Tensor) -> torch.Tensor:
    return (limited - 16) * 255 / 219


def enlarged(method: Upscale, frame: Yuv) -> torch.Tensor:
    """The luma as 8-bit video holds it."""
    return to_bytes(16 + 219 / 255 * grey(method, frame))


def limited(path: Path, frames: str) -> list[torch.Tensor]:
    return [luma for luma, _ in chosen(path, frames)]


def chosen(path: Path, frames: str) -> list[Yuv]:
    """The frames of a clip for which ffmpeg's expression holds."""
    return list(zip(*decode(path, ("-vf", f"select={frames}", "-vsync", "0"))))


def compressed_half(path: Path, quality: int) -> list[list[Yuv]]:
    """The frames `APART` and the `RUN` after compression."""
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder) / "half.mp4"
        subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", "-vf", "scale=iw/2:ih/2:flags=bicubic",
                        "-c:v", "libx264", "-crf", str(quality), half], check=True)
        return [chosen(half, frames) for frames in (APART, RUN)]


def vmaf(results: list[torch.Tensor], truth: list[torch.Tensor]) -> float:
    """The mean VMAF (model vmaf_v0.6.1) of consecutive frames, by the luma."""
    height, width = truth[0].shape[-2:]
    with tempfile.TemporaryDirectory() as folder:
        inputs = []
        for name, frames in (("result", results), ("truth", truth)):
            file = Path(folder) / name
            file.write_bytes(b"".join(frame.byte().numpy().tobytes() for frame in frames))
            inputs += ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-i", file]
        log = Path(folder) / "log"
        subprocess.run([get_ffmpeg_exe(), "-v", "error", *inputs, "-lavfi",
                        f"[0][1]libvmaf=log_fmt=json:log_path={log}", "-f", "null", "-"], check=True)
        return json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"]


def table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def ringing_table(models: dict, shapes: dict[str, Shape], media: Path) -> str:
    rows = [["scale", "method", "step 0 to 255", "step 64 to 192", "line", "shapes, averaged", "shapes, bicubic",
             "shapes, jagged"]]
    for scale in PEER:
        torch.manual_seed(SHAPES_SEED)
        drawn = drawings.Shapes(scale, 96, 48, torch.device("cpu"))
        pairs = list(zip(*(255 * batch for batch in drawn.take())))
        for name, method in methods(models, shapes, media, scale).items():
            beyond = [inside(overshoot(method(low), high), scale) for low, high in pairs]
            thirds = (torch.cat([part.flatten() for part in beyond[start:end]]) for start, end in drawn.thirds())
            rows.append([f"x{scale}", name] + [f"{measure(method, scale):.0f}" for measure in
                                               (ripple, step_overshoot, line_pattern)]
                        + [f"{third.square().mean().sqrt():.2f}, {third.max():.0f}" for third in thirds])
    return table(rows)


def step(low: float, high: float) -> torch.Tensor:
    """A source that goes from one value to the other between two pixels."""
    result = torch.full((3, 48, 48), low)
    result[:, :, 24:] = high
    return result


def ripple(method: Upscale, scale: int) -> float:
    """What is left of black and white beside a step, from one source pixel off."""
    left, _, right = method(step(0.0, 255.0)).tensor_split([23 * scale, 25 * scale], -1)
    return max(left.max().item(), 255 - right.min().item())


def step_overshoot(method: Upscale, scale: int) -> float:
    result = method(step(64.0, 192.0))
    return max(64 - result.min().item(), result.max().item() - 192, 0.0)


def line_pattern(method: Upscale, scale: int) -> float:
    """How far light grey is changed from two source pixels off a black diagonal one that is not antialiased."""
    off = (torch.arange(48)[:, None] - torch.arange(48)).abs()
    result = method(torch.where(off == 0, 0.0, 200.0).expand(3, 48, 48))
    far = (off > 2).repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    return (result - 200)[:, far].abs().max().item()


def inside(result: torch.Tensor, scale: int) -> torch.Tensor:
    """Without what comes of the four source pixels at each border."""
    return result[..., 4 * scale:-4 * scale, 4 * scale:-4 * scale]


def overshoot(result: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """How far each value leaves the range of the 5 x 5 surroundings of the truth."""
    least, most = bounds(truth if result.shape[0] == 3 else luma(truth))
    return (result - most).clamp(min=0) + (least - result).clamp(min=0)


def checks_table(models: dict, shapes: dict[str, Shape], media: Path) -> str:
    rows = [["model", "colour shift", "black, white", "fp16 and fp32 agree"]]
    for name, shape in shapes.items():
        method = upscaler(models[name])
        half, single = (upscaler(converted(models[name], kind)) for kind in (np.float16, np.float32))
        samples = kodak(media, shape.scale)
        shifts = [(method(low).mean((1, 2)) - seen(full, shape).mean((1, 2))).abs().max() for low, full in samples]
        low = samples[0][0]
        agreement = decibels(float((half(low) - single(low)).square().mean()) / 255**2)
        flat = [method(torch.full((3, 48, 48), level)) for level in (0.0, 255.0)]
        rows.append([name, f"{max(shifts):.2f}", f"{flat[0].abs().max():.0f}, {flat[1].min():.0f}",
                     f"{agreement:.1f} dB"])
    return table(rows)


def seen(rgb: torch.Tensor, shape: Shape) -> torch.Tensor:
    """What a model sees of a picture."""
    return luma(rgb) if shape.colours == 1 else rgb


def converted(model: onnx.ModelProto, dtype: type) -> onnx.ModelProto:
    """The model in another precision."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for tensor in result.graph.initializer:
        if tensor.data_type != TensorProto.INT64:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))
    for value in (*result.graph.input, *result.graph.output):
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return result


def sizes_table(folder: Path, shapes: dict[str, Shape]) -> str:
    rows = [["model", "parameters", "multiply-adds per input pixel", "file"]]
    for name, shape in shapes.items():
        rows.append([name, f"{shape.parameters:,}", f"{shape.multiply_adds_per_pixel:,.0f}",
                     f"{(folder / f'{name}.onnx').stat().st_size / 1000:.0f} kB"])
    return table(rows)


def speed_line(model: onnx.ModelProto, shape: Shape, size: int = 2048) -> str:
    """Frames a second of 540p to 1080p on two threads, beside a large matrix product in the same runs."""
    product = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])], "product",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, size]) for name in "ab"],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [size, size])])
    matrix = session(helper.make_model(product, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]))
    network = session(model)
    square = np.random.default_rng(1).random((size, size), np.float32)
    frame = np.random.default_rng(2).random((1, 1, 540, 960), np.float32)
    times = np.array([[seconds(matrix, {"a": square, "b": square}), seconds(network, {"input": frame})]
                      for _ in range(20)]).min(0)
    peak = 2 * size**3 / times[0]
    operations = 2 * shape.multiply_adds_per_pixel * 540 * 960
    return (f"`rave-fast-x2`, 540p to 1080p, ONNX Runtime on two threads: {1 / times[1]:.1f} frames a second, "
            f"{operations / times[1] / 1e9:.0f} GFLOP/s, {operations / times[1] / peak:.2f} of the "
            f"{peak / 1e9:.0f} GFLOP/s of a {size} x {size} fp32 matrix product (best of 20, taken in turn).")


def seconds(model: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> float:
    start = time.perf_counter()
    model.run(None, inputs)
    return time.perf_counter() - start


def draw_figures(models: dict, media: Path, folder: Path) -> None:
    """Crops side by side; each file's columns are named in README.md."""
    scenes = ((drawings.scene(np.random.default_rng(seed)), place) for seed, place in CROPS.items())  # not trained on
    shown = [(torch.tensor(scene).permute(2, 0, 1).float(), *place) for scene, place in scenes]
    small, large, video = ({name: coloured(upscaler(models[name])) for name in names}
                           for names in (("rave-fast-x2", "rave-x2"), ("rave-x4",), ("rave-x2", "rave-video-x2")))
    peer = rgb(session(onnx.load(media / "weights" / PEER[4])))
    rows = {
        "x2": [side_by_side(high, reduced(high, 2), [bicubic(2), *small.values()], place)
               for high, *place in shown],
        "x4": [side_by_side(high, reduced(high, 4), [bicubic(4), peer, *large.values()], place)
               for high, *place in shown],
        "video": [side_by_side(high, compressed_still(reduced(high, 2)), [bicubic(2), *video.values()], place)
                  for high, *place in shown],
    }
    low = drawings.jagged()
    drawn = [method(low) for method in (repeated, bicubic(2), *small.values())]
    rows["jagged"] = [torch.cat(drawn, 2).permute(1, 2, 0).byte().numpy()]
    for name, parts in rows.items():
        Image.fromarray(np.vstack(parts)).save(folder / f"{name}.png", optimize=True)


def repeated(low: torch.Tensor) -> torch.Tensor:
    return low.repeat_interleave(2, 1).repeat_interleave(2, 2)


def reduced(high: torch.Tensor, scale: int) -> torch.Tensor:
    return resize(high, high.shape[1] // scale, high.shape[2] // scale)


def coloured(method: Upscale) -> Upscale:
    """`method`, with the chroma of bicubic interpolation where it gives only luma."""
    def upscale(low: torch.Tensor) -> torch.Tensor:
        result = method(low)
        if result.shape[0] == 3:
            return result
        smooth = bicubic(2)(low)
        return to_bytes(smooth + result - luma(smooth))
    return upscale


def side_by_side(high: torch.Tensor, low: torch.Tensor, methods: list[Upscale], place: list[int]) -> np.ndarray:
    top, left = place
    crops = [result[:, top:top + CROP, left:left + CROP] for result in (*(method(low) for method in methods), high)]
    return torch.cat(crops, 2).permute(1, 2, 0).byte().numpy()


def compressed_still(low: torch.Tensor) -> torch.Tensor:
    """The last of a few equal frames, compressed as video."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "still.mp4"
        x264(4 * yuv_bytes(low), low.shape[2], low.shape[1], CLIP_QUALITIES[1], path, [])
        return to_bytes(yuv_to_rgb(*[planes[-1] for planes in decode(path)]))
