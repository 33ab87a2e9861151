//! The kernels as they are built in, and the one place from which they are launched.

use std::ffi::c_void;

use cudarc::driver::result;

use crate::device::Device;
use crate::error::{During, Error};
use crate::params::Params;
use crate::stream::Stream;

/// Declares the files of kernels with their entry points, so that each exists once.
macro_rules! topics {
    ($($topic:ident = $file:literal: [$($entry:literal),+ $(,)?];)+) => {
        /// A file of kernels.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Topic {
            $($topic),+
        }

        impl Topic {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$topic),+];

            /// The name of its files.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$topic => $file),+ }
            }

            /// What `cargo xtask kernels` made of it.
            pub(crate) const fn ptx(self) -> &'static str {
                match self { $(Self::$topic => include_str!(concat!("../ptx/", $file, ".ptx"))),+ }
            }

            /// The names of its kernels.
            pub(crate) const fn entries(self) -> &'static [&'static str] {
                match self { $(Self::$topic => &[$($entry),+]),+ }
            }
        }
    };
}

topics! {
    ToRgb = "to_rgb": [
        "to_rgb_u8_planar_f16", "to_rgb_u8_planar_f32", "to_rgb_u8_pairs_f16", "to_rgb_u8_pairs_f32",
        "to_rgb_u16_planar_f16", "to_rgb_u16_planar_f32", "to_rgb_u16_pairs_f16", "to_rgb_u16_pairs_f32",
    ];
    FromRgb = "from_rgb": [
        "from_rgb_f16_u8_planar", "from_rgb_f32_u8_planar", "from_rgb_f16_u8_pairs", "from_rgb_f32_u8_pairs",
        "from_rgb_f16_u16_planar", "from_rgb_f32_u16_planar", "from_rgb_f16_u16_pairs", "from_rgb_f32_u16_pairs",
    ];
    Rescale = "rescale": [
        "rescale_u8_u8", "rescale_u8_u16", "rescale_u8_f16", "rescale_u8_f32",
        "rescale_u16_u8", "rescale_u16_u16", "rescale_u16_f16", "rescale_u16_f32",
        "rescale_f16_u8", "rescale_f16_u16", "rescale_f16_f16", "rescale_f16_f32",
        "rescale_f32_u8", "rescale_f32_u16", "rescale_f32_f16", "rescale_f32_f32",
    ];
    Resample = "resample": [
        "resample_rows_u8", "resample_rows_u16", "resample_rows_f16", "resample_rows_f32",
        "resample_columns_u8", "resample_columns_u16", "resample_columns_f16", "resample_columns_f32",
    ];
    Tiles = "tiles": [
        "gather_u8", "gather_u16", "gather_f16", "gather_f32",
        "scatter_u8", "scatter_u16", "scatter_f16", "scatter_f32",
        "feather_f16", "feather_f32",
    ];
    Reduce = "reduce": ["reduce_u8", "reduce_u16", "reduce_f16", "reduce_f32", "reduce_gather"];
    Digest = "digest": ["digest_clear", "digest_sum"];
}

/// One kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) topic: Topic,
    pub(crate) name: &'static str,
}

impl Entry {
    /// The kernel of this name.
    ///
    /// # Panics
    /// If there is none: names are put together from tables in this crate, and a test goes through all of them.
    pub(crate) fn find(topic: Topic, name: &str) -> Self {
        Self::find_for(topic, name, "")
    }

    /// The kernel whose name begins like this and ends with a kind of samples.
    ///
    /// # Panics
    /// As for [`find`](Self::find).
    pub(crate) fn find_for(topic: Topic, beginning: &str, kind: &str) -> Self {
        let name = topic.entries().iter().find(|entry| entry.strip_prefix(beginning) == Some(kind));
        Self { topic, name: name.expect("the name is built from the same parts as the table") }
    }
}

/// A grid of threads, in the three directions of CUDA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) grid: (u32, u32, u32),
    pub(crate) block: (u32, u32, u32),
}

impl Geometry {
    /// Enough blocks of `block` threads for `columns` x `rows` threads, `depth` times.
    pub(crate) const fn covering((columns, rows): (u32, u32), depth: u32, block: (u32, u32)) -> Self {
        Self {
            grid: (columns.div_ceil(block.0), rows.div_ceil(block.1), depth),
            block: (block.0, block.1, 1),
        }
    }
}

/// All that a launch is, but for the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    pub(crate) entry: Entry,
    pub(crate) geometry: Geometry,
    pub(crate) params: Params,
}

impl Device {
    /// Enqueues a kernel.
    ///
    /// # Safety
    /// - Every address in the parameters must be valid for the planes that they describe, on this device.
    /// - What lies there must not be used by anything that `stream` is not ordered after, until the work is done: the
    ///   caller keeps the [`Access`](crate::Access) of each buffer past this call.
    pub(crate) unsafe fn launch(&self, stream: &Stream, launch: &Launch) -> Result<(), Error> {
        let function = self.function(launch.entry)?;
        stream.bind()?;
        let mut arguments = [launch.params.as_ptr().cast_mut().cast::<c_void>()];
        let Geometry { grid, block } = launch.geometry;
        // SAFETY: the kernel takes one struct by value, whose twin `params` is (the sizes are asserted on both sides, and
        // a test runs every kernel); the driver copies it before this returns. The rest is the caller's promise.
        unsafe {
            result::launch_kernel(function.cu_function(), grid, block, 0, stream.as_raw(), &mut arguments)
        }
        .during("launch a kernel")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ptx_holds_every_kernel_and_no_other() {
        for &topic in Topic::ALL {
            let entries: Vec<&str> = topic
                .ptx()
                .lines()
                .filter_map(|line| line.strip_prefix(".visible .entry "))
                .map(|rest| rest.trim_end_matches('('))
                .collect();
            let mut expected = topic.entries().to_vec();
            let mut found = entries;
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "{}", topic.name());
        }
    }

    #[test]
    fn the_ptx_is_for_old_drivers_and_gpus() {
        for &topic in Topic::ALL {
            assert!(topic.ptx().contains("\n.version 8.4\n.target sm_75\n"), "{}", topic.name());
            assert!(!topic.ptx().contains('\0'), "{}", topic.name());
        }
    }

    #[test]
    fn parameters_are_as_large_as_the_kernels_say() {
        for &topic in Topic::ALL {
            let size = format!("_param_0[{}]", Params::size_of(topic));
            let declared = topic.ptx().matches("_param_0[").count();
            assert_eq!(topic.ptx().matches(&size).count(), declared, "{}", topic.name());
            assert_eq!(declared, topic.entries().len());
        }
    }

    #[test]
    fn grids_cover_what_is_asked_for() {
        let geometry = Geometry::covering((33, 8), 3, (32, 4));
        assert_eq!(geometry, Geometry { grid: (2, 2, 3), block: (32, 4, 1) });
    }
}
