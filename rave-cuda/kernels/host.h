// Lets a C++ compiler for the host build the kernels, thread after thread, so that their arithmetic and their indices are
// tested on machines without a GPU (rave-cuda/src/emulator.rs).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

using std::max;
using std::min;
#define __forceinline__ inline
#define __restrict__

struct uint2 {
    unsigned x, y;
};
struct uint4 {
    unsigned x, y, z, w;
};
struct float4 {
    float x, y, z, w;
};
struct dim3 {
    unsigned x, y, z;
};
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

template <typename T>
T __ldg(const T* from) {
    // A misaligned access is a fault on the GPU and must not pass here.
    if (reinterpret_cast<unsigned long long>(from) % sizeof(T) != 0) {
        __builtin_trap();
    }
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
}

// Threads come one after the other here.
template <typename T>
T atomicAdd(T* to, T value) {
    T before = *to;
    *to += value;
    return before;
}

inline float host_half_to_float(unsigned short bits) {
    _Float16 half;
    std::memcpy(&half, &bits, sizeof(half));
    return float(half);
}
inline unsigned short host_half_from_float(float value) {
    _Float16 half = _Float16(value);
    unsigned short bits;
    std::memcpy(&bits, &half, sizeof(bits));
    return bits;
}

inline unsigned __float2uint_rz(float value) {
    if (!(value > 0.0f)) {
        return 0;
    }
    return value >= 4294967296.0f ? 0xffffffff : unsigned(value);
}
inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}
inline float __int_as_float(int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

static dim3 threadIdx, blockIdx, blockDim, gridDim;

// Every thread of the grid, one after the other. Kernels whose threads wait for each other cannot be run this way.
#define KERNEL(name, threads, Params, body)                                                                            \
    extern "C" void name(const dim3* grid, const dim3* block, const Params* params) {                                  \
        gridDim = *grid, blockDim = *block;                                                                            \
        for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)                                                     \
            for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)                                                 \
                for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)                                             \
                    for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)                                     \
                        for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)                                 \
                            for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) body(*params);              \
    }
