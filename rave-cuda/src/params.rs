//! The twins of the structs that the kernels take, field by field in the same order.

use crate::kernels::Topic;

/// Frames that one launch converts.
pub(crate) const MAX_FRAMES: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Plane {
    pub(crate) offset: u64,
    pub(crate) stride: u64,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ToRgb {
    pub(crate) sources: [u64; MAX_FRAMES],
    pub(crate) targets: [u64; MAX_FRAMES],
    pub(crate) from: [Plane; 3],
    pub(crate) to: [Plane; 3],
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) chroma_width: i32,
    pub(crate) chroma_height: i32,
    pub(crate) halves_width: u32,
    pub(crate) halves_height: u32,
    pub(crate) nearest: u32,
    pub(crate) siting_y: f32,
    pub(crate) shift: u32,
    pub(crate) is_source_aligned: u32,
    pub(crate) is_target_aligned: u32,
    pub(crate) even: [f32; 2],
    pub(crate) odd: [f32; 2],
    pub(crate) luma_subtract: f32,
    pub(crate) luma_multiply: f32,
    pub(crate) chroma_subtract: f32,
    pub(crate) red_cr: f32,
    pub(crate) green_cb: f32,
    pub(crate) green_cr: f32,
    pub(crate) blue_cb: f32,
    pub(crate) rows: i32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct FromRgb {
    pub(crate) sources: [u64; MAX_FRAMES],
    pub(crate) targets: [u64; MAX_FRAMES],
    pub(crate) from: [Plane; 3],
    pub(crate) to: [Plane; 3],
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) chroma_width: i32,
    pub(crate) chroma_height: i32,
    pub(crate) has_chroma: u32,
    pub(crate) halves_width: u32,
    pub(crate) halves_height: u32,
    pub(crate) shift: u32,
    pub(crate) is_source_aligned: u32,
    pub(crate) is_target_aligned: u32,
    pub(crate) across: [f32; 4],
    pub(crate) down: [f32; 4],
    /// Rows Y', Cb, Cr; columns R', G', B'.
    pub(crate) matrix: [[f32; 3]; 3],
    pub(crate) luma_add: f32,
    pub(crate) chroma_add: f32,
    pub(crate) max_code: u32,
    pub(crate) rows: i32,
    pub(crate) unused: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Rescale {
    pub(crate) source: u64,
    pub(crate) target: u64,
    pub(crate) from: [Plane; 3],
    pub(crate) to: [Plane; 3],
    pub(crate) count: i32,
    pub(crate) rows: i32,
    pub(crate) from_step: u32,
    pub(crate) to_step: u32,
    pub(crate) from_shift: u32,
    pub(crate) to_shift: u32,
    pub(crate) is_source_aligned: u32,
    pub(crate) is_target_aligned: u32,
    pub(crate) is_identity: u32,
    pub(crate) subtract: f32,
    pub(crate) multiply: f32,
    pub(crate) add: f32,
    pub(crate) max_code: u32,
    pub(crate) unused: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Resample {
    pub(crate) source: u64,
    pub(crate) target: u64,
    pub(crate) starts: u64,
    pub(crate) weights: u64,
    pub(crate) from: Plane,
    pub(crate) to: Plane,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) taps: i32,
    pub(crate) from_step: u32,
    pub(crate) to_step: u32,
    pub(crate) from_shift: u32,
    pub(crate) to_shift: u32,
    pub(crate) max_code: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Tiles {
    pub(crate) frame: u64,
    pub(crate) tensor: u64,
    pub(crate) planes: [Plane; 3],
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) frame_width: i32,
    pub(crate) frame_height: i32,
    pub(crate) channel_stride: u64,
    pub(crate) row_stride: u64,
    pub(crate) column_stride: u64,
    /// Left, right, top, bottom.
    pub(crate) ramps: [u32; 4],
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Reduce {
    pub(crate) source: u64,
    pub(crate) partials: u64,
    pub(crate) gathered: u64,
    pub(crate) from: [Plane; 3],
    pub(crate) count: i32,
    pub(crate) rows: i32,
    pub(crate) shift: u32,
    pub(crate) is_aligned: u32,
    pub(crate) threads: u32,
    pub(crate) gathered_count: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Digest {
    pub(crate) source: u64,
    pub(crate) sums: u64,
    pub(crate) from: [Plane; 3],
    pub(crate) row_bytes: [u32; 3],
    pub(crate) rows: [u32; 3],
    pub(crate) is_aligned: u32,
    pub(crate) row_threads: u32,
    pub(crate) sum_count: u32,
    pub(crate) padding: u32,
}

/// What a thread of the reduction has found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub(crate) struct Partial {
    pub(crate) sum: f64,
    pub(crate) least: f32,
    pub(crate) greatest: f32,
    pub(crate) not_finite: u64,
}

/// The parameters of one launch, of whichever kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Params {
    ToRgb(ToRgb),
    FromRgb(FromRgb),
    Rescale(Rescale),
    Resample(Resample),
    Tiles(Tiles),
    Reduce(Reduce),
    Digest(Digest),
}

impl Params {
    /// The address of the struct itself.
    pub(crate) const fn as_ptr(&self) -> *const u8 {
        match self {
            Self::ToRgb(params) => std::ptr::from_ref(params).cast(),
            Self::FromRgb(params) => std::ptr::from_ref(params).cast(),
            Self::Rescale(params) => std::ptr::from_ref(params).cast(),
            Self::Resample(params) => std::ptr::from_ref(params).cast(),
            Self::Tiles(params) => std::ptr::from_ref(params).cast(),
            Self::Reduce(params) => std::ptr::from_ref(params).cast(),
            Self::Digest(params) => std::ptr::from_ref(params).cast(),
        }
    }

    /// The size of the struct that a topic's kernels take, in bytes.
    pub(crate) const fn size_of(topic: Topic) -> usize {
        match topic {
            Topic::ToRgb => size_of::<ToRgb>(),
            Topic::FromRgb => size_of::<FromRgb>(),
            Topic::Rescale => size_of::<Rescale>(),
            Topic::Resample => size_of::<Resample>(),
            Topic::Tiles => size_of::<Tiles>(),
            Topic::Reduce => size_of::<Reduce>(),
            Topic::Digest => size_of::<Digest>(),
        }
    }
}

// The same numbers stand in the static_asserts of rave-cuda/kernels/*.cu.
const _: () = {
    assert!(Params::size_of(Topic::ToRgb) == 448);
    assert!(Params::size_of(Topic::FromRgb) == 480);
    assert!(Params::size_of(Topic::Rescale) == 168);
    assert!(Params::size_of(Topic::Resample) == 96);
    assert!(Params::size_of(Topic::Tiles) == 136);
    assert!(Params::size_of(Topic::Reduce) == 96);
    assert!(Params::size_of(Topic::Digest) == 104);
    assert!(size_of::<Partial>() == 24);
};
