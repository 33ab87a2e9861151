// The digest of a picture's samples as rave-core/src/digest.rs defines it: a sum modulo 2^64, so that the order of the work
// does not count. Every thread writes its part; a smaller grid gathers them.
#include "samples.cuh"

struct Digest {
    u64 source;
    u64 partials;  // of u64: `threads` for each plane
    u64 gathered;  // of u64: `gathered_count`
    Plane from[3];
    u32 row_bytes[3];
    u32 rows[3];
    u32 is_aligned;  // every row to 8 bytes
    u32 threads;
    u32 partial_count;
    u32 gathered_count;
};
static_assert(sizeof(Digest) == 112, "params.rs");

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
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x, plane = blockIdx.z;
    if (thread >= p.threads) {
        return;
    }
    u32 row_bytes = p.row_bytes[plane], words = (row_bytes + 7) / 8;
    u64 sum = 0;
    for (u64 index = thread; index < u64(words) * p.rows[plane]; index += p.threads) {
        u32 y = u32(index / words), x = u32(index % words);
        u64 word = word_at(row_of<u8>(p.source, p.from[plane], int(y)), 8 * x, row_bytes, p.is_aligned);
        u64 position = (u64(plane) << 48 | u64(y) << 24) + x + 1;
        sum += scramble(word + position * 0x9e3779b97f4a7c15);
    }
    reinterpret_cast<u64*>(p.partials)[u64(plane) * p.threads + thread] = sum;
}

__forceinline__ void gather_sums(const Digest& p) {
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= p.gathered_count) {
        return;
    }
    u64 sum = 0;
    for (u32 i = thread; i < p.partial_count; i += p.gathered_count) {
        sum += reinterpret_cast<const u64*>(p.partials)[i];
    }
    reinterpret_cast<u64*>(p.gathered)[thread] = sum;
}

KERNEL(digest_sum, 128, Digest, (digest))
KERNEL(digest_gather, 128, Digest, (gather_sums))
