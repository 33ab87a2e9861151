//! What is known of each encoder.

/// The encoders whose options are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    X264,
    X265,
    SvtAv1,
    Aom,
    Vpx,
    Ffv1,
    /// Any other, by the options it has.
    Other,
}

impl Kind {
    pub(crate) fn of(encoder: &str) -> Self {
        match encoder {
            "libx264" | "libx264rgb" => Self::X264,
            "libx265" => Self::X265,
            "libsvtav1" => Self::SvtAv1,
            "libaom-av1" => Self::Aom,
            "libvpx-vp9" => Self::Vpx,
            "ffv1" => Self::Ffv1,
            _ => Self::Other,
        }
    }

    /// Whether a size has to be a multiple of the chroma subsampling.
    pub(crate) const fn needs_even_size(self) -> bool {
        matches!(self, Self::X264 | Self::X265 | Self::SvtAv1 | Self::Other)
    }

    /// Whether frames of this size can be encoded in some pixel format.
    pub(crate) const fn takes_size(self, width: u32, height: u32) -> bool {
        const LEAST: u32 = 64;
        match self {
            Self::SvtAv1 => {
                width >= LEAST && height >= LEAST && width.is_multiple_of(2) && height.is_multiple_of(2)
            }
            _ => true,
        }
    }

    /// Cores that one encoder keeps busy with frames of this height, roughly; more of it are started where there are as many
    /// cores again. libx264 and libsvtav1 spread over many by themselves, and libx264 loses a little quality at the end of
    /// each segment.
    pub(crate) const fn busy_cores(self, height: u32) -> usize {
        let is_large = height > 1200;
        match self {
            Self::X265 if is_large => 4,
            Self::X265 | Self::Vpx | Self::Aom | Self::Ffv1 => 3,
            Self::X264 | Self::SvtAv1 => 16,
            Self::Other => usize::MAX,
        }
    }

    /// How many frames fit into the memory that one encoder of so many threads takes while it has all that it looks ahead at,
    /// as measured at 1080p and 4K with the default preset: beside pictures it holds what it found out about them.
    pub(crate) const fn frames_held(self, threads: usize) -> usize {
        match self {
            Self::X264 => 110 + 6 * threads,
            Self::X265 => 120 + 2 * threads,
            Self::SvtAv1 => 160,
            Self::Aom | Self::Vpx | Self::Ffv1 | Self::Other => 100,
        }
    }

    /// Default and greatest value of crf.
    pub(crate) const fn crf_scale(self) -> Option<(f32, f32)> {
        match self {
            Self::X264 => Some((18.0, 51.0)),
            Self::X265 => Some((20.0, 51.0)),
            Self::SvtAv1 | Self::Aom | Self::Vpx => Some((30.0, 63.0)),
            Self::Other => Some((20.0, 63.0)),
            Self::Ffv1 => None,
        }
    }

    /// The option that a preset sets, the values of the common presets, and those it takes (numbers if empty).
    pub(crate) const fn preset(self) -> Option<(&'static str, [&'static str; 7], &'static [&'static str])> {
        match self {
            Self::X264 | Self::X265 => Some((
                "preset",
                ["superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"],
                X26_PRESETS,
            )),
            Self::SvtAv1 => Some(("preset", ["12", "11", "10", "9", "8", "6", "4"], &[])),
            Self::Aom => Some(("cpu-used", ["8", "8", "7", "7", "6", "4", "3"], &[])),
            Self::Vpx => Some(("cpu-used", ["6", "5", "4", "3", "2", "1", "0"], &[])),
            Self::Ffv1 | Self::Other => None,
        }
    }

    /// What it can be tuned for; for libsvtav1 in the order of its numbers.
    pub(crate) const fn tunes(self) -> &'static [&'static str] {
        match self {
            Self::X264 => {
                &["film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency"]
            }
            Self::X265 => &["psnr", "ssim", "grain", "zerolatency", "fastdecode", "animation"],
            Self::SvtAv1 => &["vq", "psnr"],
            Self::Aom => &["psnr", "ssim"],
            Self::Vpx | Self::Ffv1 | Self::Other => &[],
        }
    }
}

/// From fast to good, for every encoder; the names are NVENC's.
pub(crate) const COMMON_PRESETS: [&str; 7] = ["p1", "p2", "p3", "p4", "p5", "p6", "p7"];
/// The index of `p5`.
pub(crate) const DEFAULT_PRESET: usize = 4;

const X26_PRESETS: &[&str] = &[
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];
