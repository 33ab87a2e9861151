// Planes to planes: sample type, range and packing change, the samples' meaning does not.
#include "samples.cuh"

struct Rescale {
    u64 source;  // 0: every value is `add`
    u64 target;
    Plane from[3];
    Plane to[3];
    int count, rows;          // samples in a row, and rows, of each plane
    u32 from_step, to_step;   // distance of neighbours, in samples: 2 in a plane of pairs
    u32 from_shift, to_shift;
    u32 is_source_aligned, is_target_aligned;
    u32 is_identity;
    float subtract, multiply, add;
    u32 max_code;
    u32 unused;
};
static_assert(sizeof(Rescale) == 168, "params.rs");

template <typename In, typename Out>
__forceinline__ void rescale(const Rescale& p) {
    int x = int(blockIdx.x * blockDim.x + threadIdx.x) * PIXELS;
    int y = int(blockIdx.y * blockDim.y + threadIdx.y);
    if (x >= p.count || y >= p.rows) {
        return;
    }
    float values[PIXELS];
    const In* from = row_of<In>(p.source, p.from[blockIdx.z], y);
    if (p.source != 0 && p.from_step == 1) {
        load_row(from, x, p.count, p.from_shift, p.is_source_aligned, values);
    } else if (p.source != 0) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            values[i] = to_float(read(from + u32(min(x + i, p.count - 1)) * p.from_step), p.from_shift);
        }
    }
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        if (p.source == 0) {
            values[i] = p.add;
        } else if (!p.is_identity) {
            values[i] = (values[i] - p.subtract) * p.multiply + p.add;
        }
    }
    Out* to = row_of_mut<Out>(p.target, p.to[blockIdx.z], y);
    if (p.to_step == 1) {
        store_row(to, x, p.count, p.to_shift, p.max_code, p.is_target_aligned, values);
        return;
    }
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        if (x + i < p.count) {
            from_float(to + u32(x + i) * p.to_step, values[i], p.to_shift, p.max_code);
        }
    }
}

#define RESCALE(name, In, Out) KERNEL(name, 256, Rescale, (rescale<In, Out>))
RESCALE(rescale_u8_u8, u8, u8)
RESCALE(rescale_u8_u16, u8, u16)
RESCALE(rescale_u8_f16, u8, Half)
RESCALE(rescale_u8_f32, u8, float)
RESCALE(rescale_u16_u8, u16, u8)
RESCALE(rescale_u16_u16, u16, u16)
RESCALE(rescale_u16_f16, u16, Half)
RESCALE(rescale_u16_f32, u16, float)
RESCALE(rescale_f16_u8, Half, u8)
RESCALE(rescale_f16_u16, Half, u16)
RESCALE(rescale_f16_f16, Half, Half)
RESCALE(rescale_f16_f32, Half, float)
RESCALE(rescale_f32_u8, float, u8)
RESCALE(rescale_f32_u16, float, u16)
RESCALE(rescale_f32_f16, float, Half)
RESCALE(rescale_f32_f32, float, float)
