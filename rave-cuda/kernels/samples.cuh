// Samples of every storage in and out of single precision, eight at a time. The arithmetic is that of rave-core's host
// conversion, operation by operation; it is compiled without contraction, so that both give the same bits.
#pragma once

#ifdef RAVE_HOST
#include "host.h"
#else
#include <cuda_fp16.h>
// One struct by value is all that a kernel gets; rave-cuda/src/params.rs holds its twin.
#define KERNEL(name, threads, Params, body)                                                                            \
    extern "C" __global__ void __launch_bounds__(threads) name(const __grid_constant__ Params params) {               \
        body(params);                                                                                                  \
    }
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct Half {
    u16 bits;
};

// Rows of a plane, in bytes from the frame's start.
struct Plane {
    u64 offset;
    u64 stride;
};

static constexpr int PIXELS = 8;  // that a thread handles side by side
static constexpr int MAX_FRAMES = 16;

#ifdef RAVE_HOST
inline float half_to_float(u16 bits) { return host_half_to_float(bits); }
inline u32 halves_from_floats(float low, float high) {
    return u32(host_half_from_float(low)) | u32(host_half_from_float(high)) << 16;
}
#else
__forceinline__ float half_to_float(u16 bits) { return __half2float(__ushort_as_half(bits)); }
__forceinline__ u32 halves_from_floats(float low, float high) {
    __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<u32*>(&pair);
}
#endif

__forceinline__ float to_float(u8 code, u32) { return float(u32(code)); }
__forceinline__ float to_float(u16 code, u32 shift) { return float(u32(code) >> shift); }
__forceinline__ float to_float(Half half, u32) { return half_to_float(half.bits); }
__forceinline__ float to_float(float value, u32) { return value; }

// One sample. What a kernel reads it does not write, which lets the compiler load it before earlier stores.
__forceinline__ u8 read(const u8* from) { return __ldg(from); }
__forceinline__ u16 read(const u16* from) { return __ldg(from); }
__forceinline__ Half read(const Half* from) { return Half{__ldg(&from->bits)}; }
__forceinline__ float read(const float* from) { return __ldg(from); }

// Rounds half up and clamps to 0..max_code. The conversion itself sends NaN and what is negative to 0, and what is too
// large to the largest number.
__forceinline__ u32 to_code(float value, u32 max_code) { return min(__float2uint_rz(value + 0.5f), max_code); }

__forceinline__ void from_float(u8* out, float value, u32, u32 max_code) { *out = u8(to_code(value, max_code)); }
__forceinline__ void from_float(u16* out, float value, u32 shift, u32 max_code) {
    *out = u16(to_code(value, max_code) << shift);
}
__forceinline__ void from_float(Half* out, float value, u32, u32) {
    out->bits = u16(halves_from_floats(value, 0.0f));
}
__forceinline__ void from_float(float* out, float value, u32, u32) { *out = value; }

// Eight neighbours as they lie in memory. Kernels load all that they need next before they look at the first of it, so that
// the memory works on everything at once.
template <typename T>
struct Eight {
    u32 words[2 * sizeof(T)];
};

// By accesses of 16 bytes (8 for bytes); `from` must be aligned to that.
__forceinline__ void load(const u8* from, Eight<u8>& out) {
    uint2 words = __ldg(reinterpret_cast<const uint2*>(from));
    out.words[0] = words.x, out.words[1] = words.y;
}
__forceinline__ void load_words(const void* from, u32* out) {
    uint4 words = __ldg(reinterpret_cast<const uint4*>(from));
    out[0] = words.x, out[1] = words.y, out[2] = words.z, out[3] = words.w;
}
__forceinline__ void load(const u16* from, Eight<u16>& out) { load_words(from, out.words); }
__forceinline__ void load(const Half* from, Eight<Half>& out) { load_words(from, out.words); }
__forceinline__ void load(const float* from, Eight<float>& out) {
    load_words(from, out.words);
    load_words(from + 4, out.words + 4);
}

__forceinline__ u32 bits_of(u8 sample) { return sample; }
__forceinline__ u32 bits_of(u16 sample) { return sample; }
__forceinline__ u32 bits_of(Half sample) { return sample.bits; }
__forceinline__ u32 bits_of(float sample) { return __float_as_uint(sample); }

// Eight samples from `x` on of a row of `count`; beyond its end the last one again.
template <typename T>
__forceinline__ Eight<T> fetch(const T* row, int x, int count, bool is_fast) {
    constexpr int in_word = 4 / sizeof(T);
    Eight<T> out;
    if (is_fast) {
        load(row + x, out);
        return out;
    }
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        u32 bits = bits_of(read(row + min(x + i, count - 1))) << (i % in_word * 8 * sizeof(T));
        out.words[i / in_word] = i % in_word == 0 ? bits : out.words[i / in_word] | bits;
    }
    return out;
}

__forceinline__ void unpack(const Eight<u8>& from, u32, float* values) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        values[i] = float(from.words[i / 4] >> i % 4 * 8 & 0xff);
    }
}
__forceinline__ void unpack(const Eight<u16>& from, u32 shift, float* values) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        values[i] = float((from.words[i / 2] >> i % 2 * 16 & 0xffff) >> shift);
    }
}
__forceinline__ void unpack(const Eight<Half>& from, u32, float* values) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        values[i] = half_to_float(u16(from.words[i / 2] >> i % 2 * 16 & 0xffff));
    }
}
__forceinline__ void unpack(const Eight<float>& from, u32, float* values) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        values[i] = __uint_as_float(from.words[i]);
    }
}

__forceinline__ void store8(u8* to, const float* values, u32, u32 max_code) {
    uint2 words = make_uint2(0, 0);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        words.x |= to_code(values[i], max_code) << 8 * i;
        words.y |= to_code(values[i + 4], max_code) << 8 * i;
    }
    *reinterpret_cast<uint2*>(to) = words;
}
__forceinline__ void store8(u16* to, const float* values, u32 shift, u32 max_code) {
    u32 words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        words[i] = to_code(values[2 * i], max_code) << shift | to_code(values[2 * i + 1], max_code) << shift << 16;
    }
    *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
}
__forceinline__ void store8(Half* to, const float* values, u32, u32) {
    u32 words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        words[i] = halves_from_floats(values[2 * i], values[2 * i + 1]);
    }
    *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
}
__forceinline__ void store8(float* to, const float* values, u32, u32) {
    reinterpret_cast<float4*>(to)[0] = make_float4(values[0], values[1], values[2], values[3]);
    reinterpret_cast<float4*>(to)[1] = make_float4(values[4], values[5], values[6], values[7]);
}

// Four neighbours, for the chroma of eight pixels.
__forceinline__ void load4(const u8* from, u32, float* values) {
    u32 word = __ldg(reinterpret_cast<const u32*>(from));
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        values[i] = float(word >> 8 * i & 0xff);
    }
}
__forceinline__ void load4(const u16* from, u32 shift, float* values) {
    uint2 words = __ldg(reinterpret_cast<const uint2*>(from));
    values[0] = float((words.x & 0xffff) >> shift), values[1] = float(words.x >> 16 >> shift);
    values[2] = float((words.y & 0xffff) >> shift), values[3] = float(words.y >> 16 >> shift);
}
__forceinline__ void store4(u8* to, const float* values, u32, u32 max_code) {
    u32 word = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        word |= to_code(values[i], max_code) << 8 * i;
    }
    *reinterpret_cast<u32*>(to) = word;
}
__forceinline__ void store4(u16* to, const float* values, u32 shift, u32 max_code) {
    u32 low = to_code(values[0], max_code) << shift | to_code(values[1], max_code) << shift << 16;
    u32 high = to_code(values[2], max_code) << shift | to_code(values[3], max_code) << shift << 16;
    *reinterpret_cast<uint2*>(to) = make_uint2(low, high);
}

__forceinline__ int clamp(int value, int low, int high) { return min(max(value, low), high); }

template <typename T>
__forceinline__ void load_row(const T* row, int x, int count, u32 shift, bool is_aligned, float* values) {
    unpack(fetch(row, x, count, is_aligned && x + PIXELS <= count), shift, values);
}

template <typename T>
__forceinline__ void store_row(
    T* row, int x, int count, u32 shift, u32 max_code, bool is_aligned, const float* values
) {
    if (is_aligned && x + PIXELS <= count) {
        store8(row + x, values, shift, max_code);
        return;
    }
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        if (x + i < count) {
            from_float(row + x + i, values[i], shift, max_code);
        }
    }
}

template <typename T>
__forceinline__ const T* row_of(u64 frame, Plane plane, int y) {
    return reinterpret_cast<const T*>(frame + plane.offset + plane.stride * u64(y));
}
template <typename T>
__forceinline__ T* row_of_mut(u64 frame, Plane plane, int y) {
    return reinterpret_cast<T*>(frame + plane.offset + plane.stride * u64(y));
}
