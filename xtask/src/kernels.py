"""Compiles CUDA C++ to PTX with NVRTC, which needs no GPU.

Arguments: the NVRTC library, the folder of the CUDA headers, the folder to write to, then the sources.
"""

import ctypes
import os
import sys

OPTIONS = [
    "--gpu-architecture=compute_75",
    "--std=c++17",
    "-default-device",
    # The host does not contract, and both must give the same bits.
    "--fmad=false",
]


def check(nvrtc, status, log):
    if status != 0:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        sys.exit(f"{nvrtc.nvrtcGetErrorString(status).decode()}\n{log}")


def text(size_function, get_function, program):
    size = ctypes.c_size_t()
    size_function(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    get_function(program, buffer)
    return buffer.value.decode()


def compile_source(nvrtc, source, include):
    with open(source, "rb") as file:
        code = file.read()
    program = ctypes.c_void_p()
    name = os.path.basename(source).encode()
    check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), code, name, 0, None, None), name)
    options = [*OPTIONS, f"-I{include}", f"-I{os.path.dirname(source)}"]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    status = nvrtc.nvrtcCompileProgram(program, len(options), array)
    log = text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
    check(nvrtc, status, log)
    if log.strip():
        print(log, file=sys.stderr)
    return text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program)


def main():
    library, include, target, *sources = sys.argv[1:]
    # The builtins are opened by name when a program is compiled: having them open already is enough.
    folder = os.path.dirname(library)
    for name in sorted(os.listdir(folder)):
        if name.startswith("libnvrtc-builtins"):
            ctypes.CDLL(os.path.join(folder, name), mode=ctypes.RTLD_GLOBAL)
    nvrtc = ctypes.CDLL(library)
    for source in sources:
        ptx = compile_source(nvrtc, source, include)
        name = os.path.splitext(os.path.basename(source))[0] + ".ptx"
        with open(os.path.join(target, name), "w", newline="\n") as file:
            file.write(ptx)


main()
