// R'G'B' of floating point to Y'CbCr or grey of integers.
#include "samples.cuh"

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
    float luma_add, chroma_add;
    u32 max_code;
    int rows;  // that a thread handles below each other, so that chroma rows share what they are made from; even
    u32 unused;
};
static_assert(sizeof(FromRgb) == 480, "params.rs");

// Eight pixels of a row as they lie in memory, and their neighbours left and right.
template <typename In>
struct Pixels {
    Eight<In> inner[3];
    In left[3];
    In right[3];
};

// Chroma of eight pixels as it will be stored, in width: four samples where it is halved.
struct Reduced {
    float cb[PIXELS];
    float cr[PIXELS];
};

template <typename In>
__forceinline__ Pixels<In> fetch_pixels(const FromRgb& p, u64 source, int x, int y) {
    Pixels<In> out;
    bool is_fast = p.is_source_aligned && x + PIXELS <= p.width;
    const In* rows[3];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
        rows[i] = row_of<In>(source, p.from[i], y);
        out.left[i] = read(rows[i] + max(x - 1, 0));
        out.right[i] = read(rows[i] + min(x + PIXELS, p.width - 1));
    }
    // One branch for all three, so that their loads are under way together.
    if (is_fast) {
#pragma unroll
        for (int i = 0; i < 3; ++i) {
            load(rows[i] + x, out.inner[i]);
        }
        return out;
    }
#pragma unroll
    for (int i = 0; i < 3; ++i) {
        out.inner[i] = fetch(rows[i], x, p.width, false);
    }
    return out;
}

__forceinline__ void chroma_of(const FromRgb& p, float r, float g, float b, float& cb, float& cr) {
    cb = r * p.cb_red + g * p.cb_green + b * p.cb_blue + p.chroma_add;
    cr = r * p.cr_red + g * p.cr_green + b * p.cr_blue + p.chroma_add;
}

template <typename In>
__forceinline__ void chroma_of(const FromRgb& p, const In* rgb, float& cb, float& cr) {
    chroma_of(p, to_float(rgb[0], 0), to_float(rgb[1], 0), to_float(rgb[2], 0), cb, cr);
}

__forceinline__ void narrow(const FromRgb& p, const float* row, float* out) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float* taps = row + 2 * i;
        out[i] = taps[0] * p.across[0] + taps[1] * p.across[1] + taps[2] * p.across[2] + taps[3] * p.across[3];
    }
}

// Stores the luma of the pixels if asked to, and leaves their chroma.
template <typename In, typename Out>
__forceinline__ void reduce_row(
    const FromRgb& p, const Pixels<In>& pixels, u64 target, int x, int y, bool stores_luma, Reduced& out
) {
    float rgb[3][PIXELS], luma[PIXELS];
    float cb[PIXELS + 2], cr[PIXELS + 2];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
        unpack(pixels.inner[i], 0, rgb[i]);
    }
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        float r = rgb[0][i], g = rgb[1][i], b = rgb[2][i];
        luma[i] = r * p.luma_red + g * p.luma_green + b * p.luma_blue + p.luma_add;
        chroma_of(p, r, g, b, cb[i + 1], cr[i + 1]);
    }
    if (stores_luma) {
        Out* row = row_of_mut<Out>(target, p.to[0], y);
        store_row(row, x, p.width, p.shift, p.max_code, p.is_target_aligned, luma);
    }
    if (!p.halves_width) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            out.cb[i] = cb[i + 1], out.cr[i] = cr[i + 1];
        }
        return;
    }
    // The siting leaves one of them without weight, mostly.
    cb[0] = cr[0] = cb[PIXELS + 1] = cr[PIXELS + 1] = 0.0f;
    if (p.across[0] != 0.0f) {
        chroma_of(p, pixels.left, cb[0], cr[0]);
    }
    if (p.across[3] != 0.0f) {
        chroma_of(p, pixels.right, cb[PIXELS + 1], cr[PIXELS + 1]);
    }
    narrow(p, cb, out.cb);
    narrow(p, cr, out.cr);
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
    int end = min(first + p.rows, p.height), last = p.height - 1;
    Reduced a, b, c, d, blended;
#pragma unroll 1
    for (int y = first - 2; y < end; y += 2) {
        Pixels<In> upper = fetch_pixels<In>(p, source, x, clamp(y + 1, 0, last));
        Pixels<In> lower = fetch_pixels<In>(p, source, x, min(y + 2, last));
        reduce_row<In, Out>(p, upper, target, x, y + 1, y >= first && y + 1 < end, c);
        reduce_row<In, Out>(p, lower, target, x, y + 2, y + 2 < end, d);
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
    int first = int(blockIdx.y * blockDim.y + threadIdx.y) * p.rows;
    if (x >= p.width || first >= p.height) {
        return;
    }
    u64 source = p.sources[blockIdx.z], target = p.targets[blockIdx.z];
    if (p.halves_height) {
        from_rgb_halving_height<In, Out, PAIRS>(p, source, target, x, first);
        return;
    }
#pragma unroll 1
    for (int y = first; y < min(first + p.rows, p.height); ++y) {
        Reduced chroma;
        reduce_row<In, Out>(p, fetch_pixels<In>(p, source, x, y), target, x, y, true, chroma);
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
