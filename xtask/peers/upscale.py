#!/usr/bin/env python3
"""The usual way to upscale a video with an ONNX model: ffmpeg, Python and onnxruntime.

    upscale.py INPUT OUTPUT MODEL THREADS CRF

`cargo xtask bench cpu` measures RAVE against it.
"""
import json
import subprocess
import sys

import numpy as np
import onnxruntime


def probe(path):
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
               "stream=width,height,r_frame_rate", "-of", "json", path]
    stream = json.loads(subprocess.check_output(command))["streams"][0]
    return stream["width"], stream["height"], stream["r_frame_rate"]


def main(source, target, model, threads, crf):
    width, height, rate = probe(source)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    decoder = subprocess.Popen(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", source, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        stdout=subprocess.PIPE, bufsize=10**8)
    encoder = None

    while True:
        data = decoder.stdout.read(width * height * 3)
        if len(data) < width * height * 3:
            break
        frame = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        tensor = np.ascontiguousarray((frame.astype(np.float32) / 255.0).transpose(2, 0, 1)[np.newaxis])
        upscaled = session.run(None, {name: tensor})[0][0]
        picture = (np.clip(upscaled, 0.0, 1.0) * 255.0).round().astype(np.uint8).transpose(1, 2, 0)
        if encoder is None:
            size = f"{picture.shape[1]}x{picture.shape[0]}"
            encoder = subprocess.Popen(
                ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size,
                 "-r", rate, "-i", "-", "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf,
                 "-pix_fmt", "yuv420p", target],
                stdin=subprocess.PIPE)
        encoder.stdin.write(picture.tobytes())

    encoder.stdin.close()
    return decoder.wait() or encoder.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
