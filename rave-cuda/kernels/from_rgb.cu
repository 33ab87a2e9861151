// R'G'B' of floating point to Y'CbCr or grey of integers.
#include "samples.cuh"

static constexpr int ROWS = 8;  // that a thread handles below each other, so that chroma rows share what they are made from

struct FromRgb {
    u64 sources[MAX_FRAMES];
    u64 targets[MAX_FRAMES];
    Plane from[3];
    Plane to[3];
    int width, height;
    int chroma_width, chroma_height;
    u32 has_chroma, halves_width, halves_height;
    u32 shift;
    u32 is_source_aligned, is_target_aligned;
    float across[4];
    float down[4];
    float luma_red, luma_green, luma_blue;
    float cb_red, cb_green, cb_blue;
    float cr_red, cr_green, cr_blue;
    float rgb_subtract, luma_add, chroma_add;
    float max_code;
    u32 unused;
};
static_assert(sizeof(FromRgb) == 480, "params.rs");

// Chroma of eight pixels and of their neighbours left and right.
struct FullWidth {
    float cb[PIXELS + 2];
    float cr[PIXELS + 2];
};

// Chroma of eight pixels as it will be stored, in width: four samples where it is halved.
struct Reduced {
    float cb[PIXELS];
    float cr[PIXELS];
};

__forceinline__ void chroma_of(const FromRgb& p, float r, float g, float b, float& cb, float& cr) {
    cb = r * p.cb_red + g * p.cb_green + b * p.cb_blue + p.chroma_add;
    cr = r * p.cr_red + g * p.cr_green + b * p.cr_blue + p.chroma_add;
}

template <typename In>
__forceinline__ void chroma_at(const FromRgb& p, const In* const rows[3], int x, float& cb, float& cr) {
    int at = clamp(x, 0, p.width - 1);
    float r = to_float(rows[0][at], 0) - p.rgb_subtract;
    float g = to_float(rows[1][at], 0) - p.rgb_subtract;
    float b = to_float(rows[2][at], 0) - p.rgb_subtract;
    chroma_of(p, r, g, b, cb, cr);
}

// Reads row y, stores its luma if asked to, and leaves its chroma.
template <typename In, typename Out>
__forceinline__ void read_row(
    const FromRgb& p, u64 source, u64 target, int x, int y, bool stores_luma, FullWidth& chroma
) {
    const In* rows[3];
    float rgb[3][PIXELS];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
        rows[i] = row_of<In>(source, p.from[i], y);
        load_row(rows[i], x, p.width, 0, p.is_source_aligned, rgb[i]);
    }
    float luma[PIXELS];
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        float r = rgb[0][i] - p.rgb_subtract, g = rgb[1][i] - p.rgb_subtract, b = rgb[2][i] - p.rgb_subtract;
        luma[i] = r * p.luma_red + g * p.luma_green + b * p.luma_blue + p.luma_add;
        chroma_of(p, r, g, b, chroma.cb[i + 1], chroma.cr[i + 1]);
    }
    if (stores_luma) {
        Out* row = row_of_mut<Out>(target, p.to[0], y);
        store_row(row, x, p.width, p.shift, p.max_code, p.is_target_aligned, luma);
    }
    chroma.cb[0] = chroma.cr[0] = chroma.cb[PIXELS + 1] = chroma.cr[PIXELS + 1] = 0.0f;
    if (p.halves_width && p.across[0] != 0.0f) {
        chroma_at(p, rows, x - 1, chroma.cb[0], chroma.cr[0]);
    }
    if (p.halves_width && p.across[3] != 0.0f) {
        chroma_at(p, rows, x + PIXELS, chroma.cb[PIXELS + 1], chroma.cr[PIXELS + 1]);
    }
}

__forceinline__ void narrow(const FromRgb& p, const float* row, float* out) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float* taps = row + 2 * i;
        out[i] = taps[0] * p.across[0] + taps[1] * p.across[1] + taps[2] * p.across[2] + taps[3] * p.across[3];
    }
}

template <typename In, typename Out>
__forceinline__ void reduce_row(
    const FromRgb& p, u64 source, u64 target, int x, int y, bool stores_luma, Reduced& out
) {
    FullWidth full;
    read_row<In, Out>(p, source, target, x, y, stores_luma, full);
    if (p.halves_width) {
        narrow(p, full.cb, out.cb);
        narrow(p, full.cr, out.cr);
        return;
    }
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        out.cb[i] = full.cb[i + 1], out.cr[i] = full.cr[i + 1];
    }
}

template <typename Out, bool PAIRS>
__forceinline__ void store_half_width(
    const FromRgb& p, u64 target, int x, int y, const float* cb, const float* cr
) {
    bool is_fast = p.is_target_aligned && x + 4 <= p.chroma_width;
    if (PAIRS) {
        float pairs[8];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            pairs[2 * i] = cb[i], pairs[2 * i + 1] = cr[i];
        }
        Out* row = row_of_mut<Out>(target, p.to[1], y);
        store_row(row, 2 * x, 2 * p.chroma_width, p.shift, p.max_code, is_fast, pairs);
        return;
    }
    Out* cb_row = row_of_mut<Out>(target, p.to[1], y);
    Out* cr_row = row_of_mut<Out>(target, p.to[2], y);
    if (is_fast) {
        store4(cb_row + x, cb, p.shift, p.max_code);
        store4(cr_row + x, cr, p.shift, p.max_code);
        return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if (x + i < p.chroma_width) {
            from_float(cb_row + x + i, cb[i], p.shift, p.max_code);
            from_float(cr_row + x + i, cr[i], p.shift, p.max_code);
        }
    }
}

template <typename Out, bool PAIRS>
__forceinline__ void store_chroma(const FromRgb& p, u64 target, int x, int y, const Reduced& chroma) {
    if (p.halves_width) {
        store_half_width<Out, PAIRS>(p, target, x / 2, y, chroma.cb, chroma.cr);
    } else if (PAIRS) {
        Out* row = row_of_mut<Out>(target, p.to[1], y);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            if (x + i < p.width) {
                from_float(row + 2 * (x + i), chroma.cb[i], p.shift, p.max_code);
                from_float(row + 2 * (x + i) + 1, chroma.cr[i], p.shift, p.max_code);
            }
        }
    } else {
        Out* cb_row = row_of_mut<Out>(target, p.to[1], y);
        Out* cr_row = row_of_mut<Out>(target, p.to[2], y);
        store_row(cb_row, x, p.width, p.shift, p.max_code, p.is_target_aligned, chroma.cb);
        store_row(cr_row, x, p.width, p.shift, p.max_code, p.is_target_aligned, chroma.cr);
    }
}

__forceinline__ void blend(const FromRgb& p, const float* a, const float* b, const float* c, const float* d, float* out) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        out[i] = a[i] * p.down[0] + b[i] * p.down[1] + c[i] * p.down[2] + d[i] * p.down[3];
    }
}

// Chroma row j is made from luma rows 2j - 1 to 2j + 2: the last two of one are the first two of the next.
template <typename In, typename Out, bool PAIRS>
__forceinline__ void from_rgb_halving_height(const FromRgb& p, u64 source, u64 target, int x, int first) {
    int end = min(first + ROWS, p.height), last = p.height - 1;
    Reduced a, b, c, d, blended;
#pragma unroll 1
    for (int y = first - 2; y < end; y += 2) {
        reduce_row<In, Out>(p, source, target, x, clamp(y + 1, 0, last), y >= first && y + 1 < end, c);
        reduce_row<In, Out>(p, source, target, x, min(y + 2, last), y + 2 < end, d);
        if (y >= first) {
            blend(p, a.cb, b.cb, c.cb, d.cb, blended.cb);
            blend(p, a.cr, b.cr, c.cr, d.cr, blended.cr);
            store_half_width<Out, PAIRS>(p, target, x / 2, y / 2, blended.cb, blended.cr);
        }
        a = c;
        b = d;
    }
}

template <typename In, typename Out, bool PAIRS>
__forceinline__ void from_rgb(const FromRgb& p) {
    int x = int(blockIdx.x * blockDim.x + threadIdx.x) * PIXELS;
    int first = int(blockIdx.y * blockDim.y + threadIdx.y) * ROWS;
    if (x >= p.width || first >= p.height) {
        return;
    }
    u64 source = p.sources[blockIdx.z], target = p.targets[blockIdx.z];
    if (p.halves_height) {
        from_rgb_halving_height<In, Out, PAIRS>(p, source, target, x, first);
        return;
    }
#pragma unroll 1
    for (int y = first; y < min(first + ROWS, p.height); ++y) {
        Reduced chroma;
        reduce_row<In, Out>(p, source, target, x, y, true, chroma);
        if (p.has_chroma) {
            store_chroma<Out, PAIRS>(p, target, x, y, chroma);
        }
    }
}

#define FROM_RGB(name, In, Out, pairs) KERNEL(name, 128, FromRgb, (from_rgb<In, Out, pairs>))
FROM_RGB(from_rgb_f16_u8_planar, Half, u8, false)
FROM_RGB(from_rgb_f32_u8_planar, float, u8, false)
FROM_RGB(from_rgb_f16_u8_pairs, Half, u8, true)
FROM_RGB(from_rgb_f32_u8_pairs, float, u8, true)
FROM_RGB(from_rgb_f16_u16_planar, Half, u16, false)
FROM_RGB(from_rgb_f32_u16_planar, float, u16, false)
FROM_RGB(from_rgb_f16_u16_pairs, Half, u16, true)
FROM_RGB(from_rgb_f32_u16_pairs, float, u16, true)
