// Y'CbCr of integers to R'G'B' of floating point.
#include "samples.cuh"

struct ToRgb {
    u64 sources[MAX_FRAMES];
    u64 targets[MAX_FRAMES];
    Plane from[3];
    Plane to[3];
    int width, height;
    int chroma_width, chroma_height;
    u32 halves_width, halves_height;
    u32 nearest;
    float siting_y;
    u32 shift;
    u32 is_source_aligned, is_target_aligned;
    float even_previous, even_this, odd_this, odd_next;
    float luma_subtract, luma_multiply;
    float chroma_subtract;
    float red_cr, green_cb, green_cr, blue_cb;
    int rows;  // that a thread handles below each other, so that neighbours share their chroma rows
};
static_assert(sizeof(ToRgb) == 448, "params.rs");

struct Chroma {
    float cb[PIXELS];
    float cr[PIXELS];
};

// Four chroma samples and their neighbours: those at x - 1 to x + 4, at the edges the last one again.
template <typename In, bool PAIRS>
__forceinline__ void load_half_width(const ToRgb& p, u64 frame, int x, int y, float* cb, float* cr) {
    int last = p.chroma_width - 1;
    bool is_fast = p.is_source_aligned && x + 4 <= p.chroma_width;
    if (PAIRS) {
        const In* row = row_of<In>(frame, p.from[1], y);
        if (is_fast) {
            float pairs[PIXELS];
            unpack(fetch(row, 2 * x, 2 * p.chroma_width, true), p.shift, pairs);
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                cb[i + 1] = pairs[2 * i], cr[i + 1] = pairs[2 * i + 1];
            }
        }
#pragma unroll
        for (int i = 0; i < 6; ++i) {
            if (!is_fast || i == 0 || i == 5) {
                int at = 2 * clamp(x + i - 1, 0, last);
                cb[i] = to_float(read(row + at), p.shift), cr[i] = to_float(read(row + at + 1), p.shift);
            }
        }
    } else {
        const In* cb_row = row_of<In>(frame, p.from[1], y);
        const In* cr_row = row_of<In>(frame, p.from[2], y);
        if (is_fast) {
            load4(cb_row + x, p.shift, cb + 1);
            load4(cr_row + x, p.shift, cr + 1);
        }
#pragma unroll
        for (int i = 0; i < 6; ++i) {
            if (!is_fast || i == 0 || i == 5) {
                int at = clamp(x + i - 1, 0, last);
                cb[i] = to_float(read(cb_row + at), p.shift), cr[i] = to_float(read(cr_row + at), p.shift);
            }
        }
    }
}

template <typename In, bool PAIRS>
__forceinline__ void load_full_width(const ToRgb& p, u64 frame, int x, int y, Chroma& out) {
    if (!PAIRS) {
        load_row(row_of<In>(frame, p.from[1], y), x, p.width, p.shift, p.is_source_aligned, out.cb);
        load_row(row_of<In>(frame, p.from[2], y), x, p.width, p.shift, p.is_source_aligned, out.cr);
        return;
    }
    const In* row = row_of<In>(frame, p.from[1], y);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        int at = 2 * min(x + i, p.width - 1);
        out.cb[i] = to_float(read(row + at), p.shift), out.cr[i] = to_float(read(row + at + 1), p.shift);
    }
}

__forceinline__ void widen(const ToRgb& p, const float* row, float* out) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        out[2 * i] = row[i] * p.even_previous + row[i + 1] * p.even_this;
        out[2 * i + 1] = row[i + 1] * p.odd_this + row[i + 2] * p.odd_next;
    }
}

template <typename In, bool PAIRS>
__forceinline__ void load_chroma(const ToRgb& p, u64 frame, int x, int y, Chroma& out) {
    if (!p.halves_width) {
        load_full_width<In, PAIRS>(p, frame, x, y, out);
        return;
    }
    float cb[6], cr[6];
    load_half_width<In, PAIRS>(p, frame, x / 2, y, cb, cr);
    widen(p, cb, out.cb);
    widen(p, cr, out.cr);
}

// The chroma rows that luma row y lies between, and how far below the first.
__forceinline__ float rows_around(const ToRgb& p, int y, int& above, int& below) {
    int row = y;
    float fraction = 0.0f;
    if (p.halves_height && p.nearest) {
        row = y / 2;
    } else if (p.halves_height) {
        float position = (float(y) - p.siting_y) / 2.0f;
        row = int(floorf(position));
        fraction = position - floorf(position);
    }
    above = clamp(row, 0, p.chroma_height - 1);
    below = clamp(row + 1, 0, p.chroma_height - 1);
    return fraction;
}

template <typename In, typename Out>
__forceinline__ void write_rgb(
    const ToRgb& p, u64 frame, int x, int y, const Eight<In>& samples, const float* cb, const float* cr
) {
    float luma[PIXELS], red[PIXELS], green[PIXELS], blue[PIXELS];
    unpack(samples, p.shift, luma);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        float grey = (luma[i] - p.luma_subtract) * p.luma_multiply;
        float b = cb[i] - p.chroma_subtract, r = cr[i] - p.chroma_subtract;
        red[i] = grey + r * p.red_cr;
        green[i] = grey + b * p.green_cb + r * p.green_cr;
        blue[i] = grey + b * p.blue_cb;
    }
    bool is_aligned = p.is_target_aligned;
    store_row(row_of_mut<Out>(frame, p.to[0], y), x, p.width, 0, 0, is_aligned, red);
    store_row(row_of_mut<Out>(frame, p.to[1], y), x, p.width, 0, 0, is_aligned, green);
    store_row(row_of_mut<Out>(frame, p.to[2], y), x, p.width, 0, 0, is_aligned, blue);
}

template <typename In, bool PAIRS, typename Out>
__forceinline__ void to_rgb(const ToRgb& p) {
    int x = int(blockIdx.x * blockDim.x + threadIdx.x) * PIXELS;
    int first = int(blockIdx.y * blockDim.y + threadIdx.y) * p.rows;
    if (x >= p.width) {
        return;
    }
    u64 source = p.sources[blockIdx.z], target = p.targets[blockIdx.z];
    Chroma above, below;
    int above_row = -1, below_row = -1;
#pragma unroll 1
    for (int y = first; y < min(first + p.rows, p.height); ++y) {
        bool is_fast = p.is_source_aligned && x + PIXELS <= p.width;
        Eight<In> luma_samples = fetch(row_of<In>(source, p.from[0], y), x, p.width, is_fast);
        int above_wanted, below_wanted;
        float fraction = rows_around(p, y, above_wanted, below_wanted);
        if (above_wanted != above_row) {
            if (above_wanted == below_row) {
                above = below;
            } else {
                load_chroma<In, PAIRS>(p, source, x, above_wanted, above);
            }
            above_row = above_wanted;
        }
        if (fraction == 0.0f || above_wanted == below_wanted) {
            write_rgb<In, Out>(p, target, x, y, luma_samples, above.cb, above.cr);
            continue;
        }
        if (below_wanted != below_row) {
            load_chroma<In, PAIRS>(p, source, x, below_wanted, below);
            below_row = below_wanted;
        }
        float cb[PIXELS], cr[PIXELS], rest = 1.0f - fraction;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            cb[i] = above.cb[i] * rest + below.cb[i] * fraction;
            cr[i] = above.cr[i] * rest + below.cr[i] * fraction;
        }
        write_rgb<In, Out>(p, target, x, y, luma_samples, cb, cr);
    }
}

#define TO_RGB(name, In, pairs, Out) KERNEL(name, 128, ToRgb, (to_rgb<In, pairs, Out>))
TO_RGB(to_rgb_u8_planar_f16, u8, false, Half)
TO_RGB(to_rgb_u8_planar_f32, u8, false, float)
TO_RGB(to_rgb_u8_pairs_f16, u8, true, Half)
TO_RGB(to_rgb_u8_pairs_f32, u8, true, float)
TO_RGB(to_rgb_u16_planar_f16, u16, false, Half)
TO_RGB(to_rgb_u16_planar_f32, u16, false, float)
TO_RGB(to_rgb_u16_pairs_f16, u16, true, Half)
TO_RGB(to_rgb_u16_pairs_f32, u16, true, float)
