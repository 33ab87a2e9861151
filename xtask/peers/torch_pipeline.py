#!/usr/bin/env python3
"""The usual way to upscale a video on an NVIDIA GPU from Python: PyNvVideoCodec and PyTorch, nothing touches the host.

    torch_pipeline.py MODEL CLIP [eager|compiled]     measure once: the network alone, decoding alone, the whole
    torch_pipeline.py --check MODEL..                 compare with ONNX Runtime on the CPU, one picture for each
    torch_pipeline.py --serve                         one JSON request a line on stdin, one answer a line on stdout

A request has `way` (model, decode, end_to_end), `model`, `clip`, `mode` (eager, compiled) and may have `frames`.
Frames are decoded by the hardware ahead of time on a stream of their own; conversion and network are half precision,
channels last; the end throws the NV12 frames away. Rates count from the 32nd frame on.

`cargo xtask bench gpu` measures RAVE against it.
"""
import collections
import functools
import json
import os
import queue
import sys
import threading
import time

import torch
from torch.nn import functional

from onnx_torch import Network

# Frames that the decoder, the queue behind it and the GPU may be ahead.
DECODED, QUEUED, IN_FLIGHT = 8, 4, 4
# Frames that a fast start or a slow one would distort.
WARM_UP = 32
MANY = 1 << 30
# What `compiled` may mean; the faster one is taken, for each network and size.
COMPILERS = ("max-autotune-no-cudagraphs", "reduce-overhead")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def weights(height):
    """Kr and Kb: BT.709-6 item 3.2, BT.601-7 item 2.5.1 for SD."""
    return (0.2126, 0.0722) if height >= 720 else (0.299, 0.114)


def to_rgb(nv12, height):
    """NV12, limited range, to R'G'B' in 0..1 of half precision."""
    kr, kb = weights(height)
    kg = 1 - kr - kb
    width = nv12.shape[1]
    luma = (nv12[:height].to(torch.float16) - 16) * (1 / 219)
    chroma = nv12[height:].view(1, height // 2, width // 2, 2).permute(0, 3, 1, 2)
    chroma = (chroma.to(torch.float16) - 128) * (1 / 224)
    cb, cr = functional.interpolate(chroma, size=(height, width), mode="bilinear", align_corners=False)[0]
    red = luma + 2 * (1 - kr) * cr
    blue = luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) * (1 / kg)
    rgb = torch.stack((red, green, blue), dim=-1).clamp_(0, 1)
    return rgb.permute(2, 0, 1).unsqueeze(0)


def to_nv12(rgb, source_height):
    """R'G'B' to NV12, limited range, with the source's matrix."""
    kr, kb = weights(source_height)
    red, green, blue = rgb[0].clamp(0, 1)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    differences = torch.stack(((blue - luma) * (0.5 / (1 - kb)), (red - luma) * (0.5 / (1 - kr))))
    chroma = functional.avg_pool2d(differences.unsqueeze(0), 2)[0]
    height, width = luma.shape
    nv12 = torch.empty((height * 3 // 2, width), dtype=torch.uint8, device=rgb.device)
    nv12[:height] = (luma * 219 + 16.5).to(torch.uint8)
    nv12[height:] = (chroma * 224 + 128.5).permute(1, 2, 0).reshape(height // 2, width).to(torch.uint8)
    return nv12


@functools.lru_cache
def network(path):
    return Network(path).half().to(DEVICE, memory_format=torch.channels_last).eval()


class Built:
    """A function, warm, as it is or compiled in the way that is fastest; and how fast each way was."""

    def __init__(self, function, sample, mode):
        self.sample, self.milliseconds = sample, {}
        candidates = {}
        for name in [mode] if mode == "eager" else COMPILERS:
            # CUDA graphs save the time of launches: nothing where the GPU is busy for longer than those take.
            if self.milliseconds and min(self.milliseconds.values()) > 3:
                break
            candidate = function if mode == "eager" else torch.compile(function, mode=name, dynamic=False)
            for _ in range(8):
                candidate(sample)
            candidates[name] = candidate
            self.milliseconds[name] = 1000 * seconds_each(candidate, sample, 20)
        self.chosen = min(self.milliseconds, key=self.milliseconds.get)
        self.function = candidates[self.chosen]


@functools.lru_cache
def network_alone(path, width, height, mode):
    sample = torch.rand((1, 3, height, width), dtype=torch.float16, device=DEVICE)
    return Built(network(path), sample.contiguous(memory_format=torch.channels_last), mode)


@functools.lru_cache
def upscaler(path, width, height, mode):
    """NV12 in, NV12 out."""
    net = network(path)
    sample = torch.randint(16, 235, (height * 3 // 2, width), dtype=torch.uint8, device=DEVICE)
    return Built(lambda nv12: to_nv12(net(to_rgb(nv12, height)), height), sample, mode)


def seconds_each(function, sample, count):
    """What a call costs the GPU, back to back."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        function(sample)
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000 / count


@functools.lru_cache
def size_of(clip):
    import PyNvVideoCodec
    demuxer = PyNvVideoCodec.CreateDemuxer(clip)
    return demuxer.Width(), demuxer.Height()


class Decoder:
    """NV12 frames of a clip in GPU memory, decoded ahead of time by another thread."""

    def __init__(self, clip, limit):
        import PyNvVideoCodec
        self.decoder = PyNvVideoCodec.ThreadedDecoder(clip, DECODED, use_device_memory=True)
        self.width, self.height = size_of(clip)
        self.frames = queue.Queue(QUEUED)
        self.failure = None
        threading.Thread(target=self.run, args=(limit,), daemon=True).start()

    def run(self, limit):
        try:
            self.copy(limit)
        except Exception as failure:
            self.failure = failure
        self.frames.put(None)

    def copy(self, limit):
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream), torch.inference_mode():
            count = 0
            while count < limit and (batch := self.decoder.get_batch_frames(min(2, limit - count))):
                copies = [torch.from_dlpack(frame).reshape(self.height * 3 // 2, self.width).clone() for frame in batch]
                # The decoder takes its surfaces back at the next call, so they must have been read by then.
                stream.synchronize()
                for copy in copies:
                    self.frames.put(copy)
                count += len(batch)
        self.decoder.end()

    def __iter__(self):
        while (frame := self.frames.get()) is not None:
            # Allocated on the other stream; may be used again there only after it was read here.
            frame.record_stream(torch.cuda.current_stream())
            yield frame
        if self.failure:
            raise self.failure


class Clock:
    """The rate of frames that are done, and when the first one was."""

    def __init__(self):
        self.start, self.count, self.first, self.warm = time.perf_counter(), 0, None, None

    def tick(self):
        now = time.perf_counter()
        self.count += 1
        self.first = self.first or now
        if self.count == WARM_UP:
            self.warm = now
        self.last = now

    def read(self):
        if self.count >= 2 * WARM_UP:
            rate = (self.count - WARM_UP) / (self.last - self.warm)
        else:
            rate = (self.count - 1) / (self.last - self.first)
        return {"frames": self.count, "frames_per_second": rate, "first_frame_seconds": self.first - self.start}


def measure_model(request):
    built = network_alone(request["model"], *size_of(request["clip"]), request["mode"])
    seconds = seconds_each(built.function, built.sample, min(request.get("frames", 100), 100))
    return {"frames_per_second": 1 / seconds, "chosen": built.chosen, "milliseconds": built.milliseconds}


def measure_decode(request):
    clock = Clock()
    for _ in Decoder(request["clip"], request.get("frames", MANY)):
        clock.tick()
    return clock.read()


def measure_end_to_end(request):
    built = upscaler(request["model"], *size_of(request["clip"]), request["mode"])
    clock, enqueued = Clock(), collections.deque()
    with torch.cuda.stream(torch.cuda.Stream()):
        for frame in Decoder(request["clip"], request.get("frames", MANY)):
            last = built.function(frame)
            enqueued.append(torch.cuda.current_stream().record_event())
            if len(enqueued) > IN_FLIGHT:
                enqueued.popleft().synchronize()
                clock.tick()
        for event in enqueued:
            event.synchronize()
            clock.tick()
        luma = last[:last.shape[0] * 2 // 3].float().mean().item()
    return clock.read() | {"chosen": built.chosen, "milliseconds": built.milliseconds, "last_luma_mean": luma}


WAYS = {"model": measure_model, "decode": measure_decode, "end_to_end": measure_end_to_end}


def answer(request):
    with torch.inference_mode():
        return WAYS[request["way"]](request)


def serve():
    # Libraries may print; only answers belong to whoever asks.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(versions()), file=answers, flush=True)
    for line in sys.stdin:
        try:
            result = answer(json.loads(line))
        except Exception as failure:
            result = {"error": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(result), file=answers, flush=True)


def versions():
    import PyNvVideoCodec
    return {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
            "decoder": f"PyNvVideoCodec {PyNvVideoCodec.__version__}", "device": torch.cuda.get_device_name()}


def measure(model, clip, mode="eager"):
    request = {"model": model, "clip": clip, "mode": mode}
    print(json.dumps(versions() | {way: answer(request | {"way": way}) for way in WAYS}, indent=2))


def check(*models):
    """Fails below 45 dB, which half precision reaches easily and a wrong weight does not."""
    import numpy
    import onnxruntime
    torch.manual_seed(1)
    picture = functional.interpolate(torch.rand(1, 3, 32, 48), scale_factor=4, mode="bicubic").clamp(0, 1)
    for model in models:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        source = session.get_inputs()[0]
        kind = numpy.float16 if "float16" in source.type else numpy.float32
        expected = session.run(None, {source.name: picture.numpy().astype(kind)})[0].astype(numpy.float32)
        with torch.inference_mode():
            found = network(model)(picture.half().to(DEVICE, memory_format=torch.channels_last))
        decibels = -10 * numpy.log10(numpy.mean((found.float().cpu().numpy() - expected) ** 2))
        print(json.dumps({"model": model, "psnr": float(decibels)}))
        if not decibels >= 45:
            sys.exit(f"{model}: {decibels:.1f} dB from ONNX Runtime's picture")


if __name__ == "__main__":
    torch.backends.cudnn.benchmark = True
    match sys.argv[1:]:
        case ["--serve"]:
            serve()
        case ["--check", *models] if models:
            check(*models)
        case [model, clip, *mode] if mode in ([], ["eager"], ["compiled"]):
            measure(model, clip, *mode)
        case _:
            sys.exit(__doc__)
