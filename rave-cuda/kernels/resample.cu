// Planes to another size by a separable filter, first each row into single precision, then each column.
#include "samples.cuh"

static constexpr int ROWS = 4;  // that a thread of the horizontal pass handles, so that it reads its weights once

struct Resample {
    u64 source;
    u64 target;
    u64 starts;   // of int: the first input sample of each output sample
    u64 weights;  // of float: `taps` for each output sample
    u64 from_offset, from_stride;
    u64 to_offset, to_stride;
    int width, height;  // of what is written
    int taps;
    u32 from_step, to_step;
    u32 from_shift, to_shift;
    u32 max_code;
};
static_assert(sizeof(Resample) == 96, "params.rs");

template <typename In>
__forceinline__ void resample_rows(const Resample& p) {
    int x = int(blockIdx.x * blockDim.x + threadIdx.x);
    int first = int(blockIdx.y * blockDim.y + threadIdx.y) * ROWS;
    if (x >= p.width) {
        return;
    }
    int start = reinterpret_cast<const int*>(p.starts)[x];
    const float* weights = reinterpret_cast<const float*>(p.weights) + u64(x) * u64(p.taps);
    float sums[ROWS] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int tap = 0; tap < p.taps; ++tap) {
        float weight = weights[tap];
        u64 at = u64(start + tap) * p.from_step;
#pragma unroll
        for (int i = 0; i < ROWS; ++i) {
            int y = min(first + i, p.height - 1);
            const In* row = row_of<In>(p.source, Plane{p.from_offset, p.from_stride}, y);
            sums[i] += to_float(read(row + at), p.from_shift) * weight;
        }
    }
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
        if (first + i < p.height) {
            row_of_mut<float>(p.target, Plane{p.to_offset, p.to_stride}, first + i)[x] = sums[i];
        }
    }
}

// The host adds taps in pairs; so does this.
template <typename Out>
__forceinline__ void resample_columns(const Resample& p) {
    int x = int(blockIdx.x * blockDim.x + threadIdx.x);
    int y = int(blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= p.width || y >= p.height) {
        return;
    }
    int start = reinterpret_cast<const int*>(p.starts)[y];
    const float* weights = reinterpret_cast<const float*>(p.weights) + u64(y) * u64(p.taps);
    Plane from = {p.from_offset, p.from_stride};
    float sum = 0.0f;
    for (int tap = 0; tap < p.taps; tap += 2) {
        bool is_pair = tap + 1 < p.taps;
        float a = read(row_of<float>(p.source, from, start + tap) + x);
        float b = is_pair ? read(row_of<float>(p.source, from, start + tap + 1) + x) : a;
        sum += a * weights[tap] + b * (is_pair ? weights[tap + 1] : 0.0f);
    }
    Out* row = row_of_mut<Out>(p.target, Plane{p.to_offset, p.to_stride}, y);
    from_float(row + u64(x) * p.to_step, sum, p.to_shift, p.max_code);
}

#define RESAMPLE_ROWS(name, In) KERNEL(name, 256, Resample, (resample_rows<In>))
#define RESAMPLE_COLUMNS(name, Out) KERNEL(name, 256, Resample, (resample_columns<Out>))
RESAMPLE_ROWS(resample_rows_u8, u8)
RESAMPLE_ROWS(resample_rows_u16, u16)
RESAMPLE_ROWS(resample_rows_f16, Half)
RESAMPLE_ROWS(resample_rows_f32, float)
RESAMPLE_COLUMNS(resample_columns_u8, u8)
RESAMPLE_COLUMNS(resample_columns_u16, u16)
RESAMPLE_COLUMNS(resample_columns_f16, Half)
RESAMPLE_COLUMNS(resample_columns_f32, float)
