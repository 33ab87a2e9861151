// Mean, extremes and the number of values that are not finite, of each plane. No thread waits for another: every thread
// writes what it found, and smaller grids gather that. The result does not depend on timing.
#include "samples.cuh"

struct Partial {
    double sum;
    float least;
    float greatest;
    u64 not_finite;
};
static_assert(sizeof(Partial) == 24, "params.rs");

struct Reduce {
    u64 source;
    u64 partials;  // of Partial: `threads` for each plane
    u64 gathered;  // of Partial: `gathered_count` for each plane
    Plane from[3];
    int count, rows;
    u32 shift;
    u32 is_aligned;
    u32 threads;
    u32 gathered_count;
};
static_assert(sizeof(Reduce) == 96, "params.rs");

__forceinline__ Partial nothing() {
    return Partial{0.0, __int_as_float(0x7f800000), __int_as_float(int(0xff800000)), 0};
}

__forceinline__ void add(Partial& to, float value) {
    bool is_finite = fabsf(value) < __int_as_float(0x7f800000);
    if (!is_finite) {
        to.not_finite += 1;
        return;
    }
    to.sum += double(value);
    to.least = min(to.least, value);
    to.greatest = max(to.greatest, value);
}

__forceinline__ void merge(Partial& to, const Partial& from) {
    to.sum += from.sum;
    to.least = min(to.least, from.least);
    to.greatest = max(to.greatest, from.greatest);
    to.not_finite += from.not_finite;
}

template <typename T>
__forceinline__ void reduce(const Reduce& p) {
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= p.threads) {
        return;
    }
    u64 groups = u64(p.count + PIXELS - 1) / PIXELS;
    Partial found = nothing();
    for (u64 group = thread; group < groups * u64(p.rows); group += p.threads) {
        int x = int(group % groups) * PIXELS, y = int(group / groups);
        float values[PIXELS];
        load_row(row_of<T>(p.source, p.from[blockIdx.z], y), x, p.count, p.shift, p.is_aligned, values);
        float sum = 0.0f;
        bool is_fast = x + PIXELS <= p.count;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            is_fast = is_fast && fabsf(values[i]) < __int_as_float(0x7f800000);
            sum += values[i];
        }
        // Eight values of single precision can overflow together: then one by one.
        if (is_fast && fabsf(sum) < __int_as_float(0x7f800000)) {
            found.sum += double(sum);
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) {
                found.least = min(found.least, values[i]);
                found.greatest = max(found.greatest, values[i]);
            }
            continue;
        }
#pragma unroll 1
        for (int i = 0; i < PIXELS && x + i < p.count; ++i) {
            add(found, to_float(read(row_of<T>(p.source, p.from[blockIdx.z], y) + x + i), p.shift));
        }
    }
    reinterpret_cast<Partial*>(p.partials)[u64(blockIdx.z) * p.threads + thread] = found;
}

__forceinline__ void gather_partials(const Reduce& p) {
    u32 thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= p.gathered_count) {
        return;
    }
    const Partial* partials = reinterpret_cast<const Partial*>(p.partials) + u64(blockIdx.z) * p.threads;
    Partial found = nothing();
    for (u32 i = thread; i < p.threads; i += p.gathered_count) {
        merge(found, partials[i]);
    }
    reinterpret_cast<Partial*>(p.gathered)[u64(blockIdx.z) * p.gathered_count + thread] = found;
}

KERNEL(reduce_u8, 128, Reduce, (reduce<u8>))
KERNEL(reduce_u16, 128, Reduce, (reduce<u16>))
KERNEL(reduce_f16, 128, Reduce, (reduce<Half>))
KERNEL(reduce_f32, 128, Reduce, (reduce<float>))
KERNEL(reduce_gather, 128, Reduce, (gather_partials))
