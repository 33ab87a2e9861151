// Windows of a frame into a tensor and back.
#include "samples.cuh"

// `plane` lies in a frame; `tensor` has a stride in elements for each axis, so that NCHW and NHWC are both possible.
struct Tiles {
    u64 frame;
    u64 tensor;
    Plane planes[3];
    long long x, y;      // of the window's first pixel, in the frame
    int width, height;   // of the window
    int frame_width, frame_height;
    u64 channel_stride, row_stride, column_stride;
    // Width of the ramps at the window's edges, in pixels; 0 for none.
    u32 ramp_left, ramp_right, ramp_top, ramp_bottom;
};
static_assert(sizeof(Tiles) == 136, "params.rs");

// Reflected at the first and the last pixel, without repeating them.
__forceinline__ int reflect(long long index, int length) {
    if (index >= 0 && index < length) {
        return int(index);
    }
    if (length == 1) {
        return 0;
    }
    long long period = 2 * (long long)(length - 1);
    long long folded = index % period;
    folded += folded < 0 ? period : 0;
    return int(folded < length ? folded : period - folded);
}

// A thread moves neighbours of a row that are `blockDim.x` apart, so that a warp's accesses stay side by side.
static constexpr int COLUMNS = 4;

template <typename T>
__forceinline__ void gather(const Tiles& p) {
    int first = int(blockIdx.x * blockDim.x) * COLUMNS + int(threadIdx.x);
    int row = int(blockIdx.y * blockDim.y + threadIdx.y);
    if (row >= p.height) {
        return;
    }
    const T* from = row_of<T>(p.frame, p.planes[blockIdx.z], reflect(p.y + row, p.frame_height));
    T* to = reinterpret_cast<T*>(p.tensor) + blockIdx.z * p.channel_stride + u64(row) * p.row_stride;
#pragma unroll
    for (int i = 0; i < COLUMNS; ++i) {
        int column = first + i * int(blockDim.x);
        if (column < p.width) {
            to[u64(column) * p.column_stride] = from[reflect(p.x + column, p.frame_width)];
        }
    }
}

// Beyond the frame nothing is written.
template <typename T>
__forceinline__ void scatter(const Tiles& p) {
    int first = int(blockIdx.x * blockDim.x) * COLUMNS + int(threadIdx.x);
    int row = int(blockIdx.y * blockDim.y + threadIdx.y);
    long long y = p.y + row;
    if (row >= p.height || y < 0 || y >= p.frame_height) {
        return;
    }
    const T* from = reinterpret_cast<const T*>(p.tensor) + blockIdx.z * p.channel_stride + u64(row) * p.row_stride;
    T* to = row_of_mut<T>(p.frame, p.planes[blockIdx.z], int(y));
#pragma unroll
    for (int i = 0; i < COLUMNS; ++i) {
        int column = first + i * int(blockDim.x);
        long long x = p.x + column;
        if (column < p.width && x >= 0 && x < p.frame_width) {
            to[x] = from[u64(column) * p.column_stride];
        }
    }
}

// Rises from the first pixel over `before` pixels and falls over the last `after`: two ramps that overlap add to one.
__forceinline__ float ramp(int index, int length, u32 before, u32 after) {
    float rising = before == 0 ? 1.0f : min((float(index) + 0.5f) / float(before), 1.0f);
    float falling = after == 0 ? 1.0f : min((float(length - index) - 0.5f) / float(after), 1.0f);
    return min(rising, falling);
}

// Adds the weighted window to a frame of single precision.
template <typename T>
__forceinline__ void feather(const Tiles& p) {
    int first = int(blockIdx.x * blockDim.x) * COLUMNS + int(threadIdx.x);
    int row = int(blockIdx.y * blockDim.y + threadIdx.y);
    long long y = p.y + row;
    if (row >= p.height || y < 0 || y >= p.frame_height) {
        return;
    }
    const T* from = reinterpret_cast<const T*>(p.tensor) + blockIdx.z * p.channel_stride + u64(row) * p.row_stride;
    float* to = row_of_mut<float>(p.frame, p.planes[blockIdx.z], int(y));
    float down = ramp(row, p.height, p.ramp_top, p.ramp_bottom);
#pragma unroll
    for (int i = 0; i < COLUMNS; ++i) {
        int column = first + i * int(blockDim.x);
        long long x = p.x + column;
        if (column < p.width && x >= 0 && x < p.frame_width) {
            float weight = ramp(column, p.width, p.ramp_left, p.ramp_right) * down;
            to[x] += to_float(from[u64(column) * p.column_stride], 0) * weight;
        }
    }
}

KERNEL(gather_u8, 256, Tiles, (gather<u8>))
KERNEL(gather_u16, 256, Tiles, (gather<u16>))
KERNEL(gather_f16, 256, Tiles, (gather<Half>))
KERNEL(gather_f32, 256, Tiles, (gather<float>))
KERNEL(scatter_u8, 256, Tiles, (scatter<u8>))
KERNEL(scatter_u16, 256, Tiles, (scatter<u16>))
KERNEL(scatter_f16, 256, Tiles, (scatter<Half>))
KERNEL(scatter_f32, 256, Tiles, (scatter<float>))
KERNEL(feather_f16, 256, Tiles, (feather<Half>))
KERNEL(feather_f32, 256, Tiles, (feather<float>))
