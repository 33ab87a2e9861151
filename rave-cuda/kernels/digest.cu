// The digest of a picture's samples as rave-core/src/digest.rs defines it: a sum modulo 2^64, so that the order of the work
// does not count. Every thread goes down a column of words and adds what it has to one of a few sums.
#include "samples.cuh"

struct Digest {
    u64 source;
    u64 sums;  // of u64: `sum_count`
    Plane from[3];
    u32 row_bytes[3];
    u32 rows[3];
    u32 is_aligned;  // every row to 8 bytes
    u32 row_threads;
    u32 sum_count;
    u32 padding;
};
static_assert(sizeof(Digest) == 104, "params.rs");

__forceinline__ u64 scramble(u64 word) {
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

// Eight bytes of a row, with zeros beyond its end.
__forceinline__ u64 word_at(const u8* row, u32 at, u32 row_bytes, u32 is_aligned) {
    if (is_aligned && at + 8 <= row_bytes) {
        uint2 halves = __ldg(reinterpret_cast<const uint2*>(row + at));
        return u64(halves.x) | u64(halves.y) << 32;
    }
    u64 word = 0;
#pragma unroll
    for (u32 i = 0; i < 8; ++i) {
        word |= at + i < row_bytes ? u64(read(row + at + i)) << 8 * i : 0;
    }
    return word;
}

__forceinline__ void digest(const Digest& p) {
    u32 x = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * blockDim.y + threadIdx.y, plane = blockIdx.z;
    u32 row_bytes = p.row_bytes[plane], rows = p.rows[plane];
    if (8 * x >= row_bytes || first >= rows) {
        return;
    }
    u64 sum = 0;
#pragma unroll 4
    for (u32 y = first; y < rows; y += p.row_threads) {
        u64 word = word_at(row_of<u8>(p.source, p.from[plane], int(y)), 8 * x, row_bytes, p.is_aligned);
        u64 position = (u64(plane) << 48 | u64(y) << 24) + x + 1;
        sum += scramble(word + position * 0x9e3779b97f4a7c15);
    }
    atomicAdd(reinterpret_cast<u64*>(p.sums) + (x + first * blockDim.x) % p.sum_count, sum);
}

__forceinline__ void clear(const Digest& p) {
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread < p.sum_count) {
        reinterpret_cast<u64*>(p.sums)[thread] = 0;
    }
}

KERNEL(digest_clear, 128, Digest, (clear))
KERNEL(digest_sum, 128, Digest, (digest))
