use std::fmt;

/// How one sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sample {
    /// An unsigned integer of `bits` significant bits: one byte for 8 bits, two bytes (native endian) for 9 to 16.
    Uint {
        /// Significant bits, 8 to 16.
        bits: u8,
    },
    /// IEEE 754 half precision.
    F16,
    /// IEEE 754 single precision.
    F32,
}

impl Sample {
    /// Eight-bit unsigned.
    pub const U8: Sample = Sample::Uint { bits: 8 };

    /// Bytes of one sample.
    pub const fn bytes(self) -> usize {
        match self {
            Sample::Uint { bits: 8 } => 1,
            Sample::Uint { .. } | Sample::F16 => 2,
            Sample::F32 => 4,
        }
    }
}

/// The chroma planes' size against luma's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chroma {
    /// 4:2:0: half the width and half the height, rounded up.
    C420,
    /// 4:2:2: half the width, rounded up.
    C422,
    /// 4:4:4: the full size.
    C444,
}

impl Chroma {
    /// The binary logarithms of the horizontal and the vertical reduction.
    pub const fn shifts(self) -> (u32, u32) {
        match self {
            Chroma::C420 => (1, 1),
            Chroma::C422 => (1, 0),
            Chroma::C444 => (0, 0),
        }
    }

    /// The chroma planes' size under a luma plane of `width` x `height`.
    pub const fn size(self, width: u32, height: u32) -> (u32, u32) {
        let (x, y) = self.shifts();
        (width.div_ceil(1 << x), height.div_ceil(1 << y))
    }
}

/// Whether chroma lies in two planes or in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Y, Cb and Cr planes; samples of more than 8 bits are in the low bits of their words.
    Planar,
    /// A Y plane and a plane of Cb, Cr pairs; samples of more than 8 bits are in the high bits of their words, as in
    /// NV12, P010 and P016.
    SemiPlanar,
}

/// What the bytes of a frame mean: planes, subsampling, sample type. The colours they stand for are a
/// [`ColorSpec`](crate::ColorSpec).
///
/// Integer samples are code values of their range. Floating-point samples are normalised: R', G', B' and Y' are 0 at
/// black and 1 at white, Cb and Cr lie in -0.5..0.5; excursions beyond are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Luma and two chroma components.
    Yuv {
        /// Chroma subsampling.
        chroma: Chroma,
        /// Sample type.
        sample: Sample,
        /// Plane arrangement.
        packing: Packing,
    },
    /// One plane of luma.
    Gray {
        /// Sample type; integers of more than 8 bits are in the low bits.
        sample: Sample,
    },
    /// Three planes in the order R, G, B.
    Rgb {
        /// Sample type; integers of more than 8 bits are in the low bits.
        sample: Sample,
    },
}

impl PixelFormat {
    /// Planar 4:2:0, 8 bits.
    pub const YUV420P: Self = Self::yuv_planar(Chroma::C420, 8);
    /// Planar 4:2:0, 10 bits.
    pub const YUV420P10: Self = Self::yuv_planar(Chroma::C420, 10);
    /// Planar 4:2:2, 8 bits.
    pub const YUV422P: Self = Self::yuv_planar(Chroma::C422, 8);
    /// Planar 4:4:4, 8 bits.
    pub const YUV444P: Self = Self::yuv_planar(Chroma::C444, 8);
    /// Semi-planar 4:2:0, 8 bits.
    pub const NV12: Self = Self::semi_planar(8);
    /// Semi-planar 4:2:0, 10 bits in the high bits of 16.
    pub const P010: Self = Self::semi_planar(10);
    /// Semi-planar 4:2:0, 16 bits.
    pub const P016: Self = Self::semi_planar(16);
    /// R, G, B planes of single precision.
    pub const RGB_F32: Self = Self::Rgb { sample: Sample::F32 };
    /// R, G, B planes of half precision.
    pub const RGB_F16: Self = Self::Rgb { sample: Sample::F16 };

    /// Planar Y'CbCr with `bits` significant bits.
    pub const fn yuv_planar(chroma: Chroma, bits: u8) -> Self {
        Self::Yuv { chroma, sample: Sample::Uint { bits }, packing: Packing::Planar }
    }

    const fn semi_planar(bits: u8) -> Self {
        Self::Yuv { chroma: Chroma::C420, sample: Sample::Uint { bits }, packing: Packing::SemiPlanar }
    }

    /// The type of every sample.
    pub const fn sample(self) -> Sample {
        match self {
            Self::Yuv { sample, .. } | Self::Gray { sample } | Self::Rgb { sample } => sample,
        }
    }

    /// The same arrangement with another sample type.
    #[must_use]
    pub const fn with_sample(self, sample: Sample) -> Self {
        match self {
            Self::Yuv { chroma, packing, .. } => Self::Yuv { chroma, sample, packing },
            Self::Gray { .. } => Self::Gray { sample },
            Self::Rgb { .. } => Self::Rgb { sample },
        }
    }

    /// Significant bits of an integer format.
    pub const fn bits(self) -> Option<u8> {
        match self.sample() {
            Sample::Uint { bits } => Some(bits),
            Sample::F16 | Sample::F32 => None,
        }
    }

    /// The chroma subsampling, where there is chroma.
    pub const fn chroma(self) -> Option<Chroma> {
        match self {
            Self::Yuv { chroma, .. } => Some(chroma),
            Self::Gray { .. } | Self::Rgb { .. } => None,
        }
    }

    /// Number of planes, 1 to 3.
    pub const fn plane_count(self) -> usize {
        match self {
            Self::Yuv { packing: Packing::Planar, .. } | Self::Rgb { .. } => 3,
            Self::Yuv { packing: Packing::SemiPlanar, .. } => 2,
            Self::Gray { .. } => 1,
        }
    }

    /// Samples in a row, and rows, of plane `index` for a picture of `width` x `height`. A pair of Cb and Cr counts as
    /// two samples.
    ///
    /// # Panics
    /// If `index` is not below [`plane_count`](Self::plane_count).
    pub const fn plane_size(self, index: usize, width: u32, height: u32) -> (u32, u32) {
        assert!(index < self.plane_count(), "plane index out of range");
        match self {
            Self::Yuv { chroma, packing, .. } if index > 0 => {
                let (width, height) = chroma.size(width, height);
                match packing {
                    Packing::Planar => (width, height),
                    Packing::SemiPlanar => (2 * width, height),
                }
            }
            _ => (width, height),
        }
    }

    /// Bits by which an integer sample is shifted up in its word.
    pub const fn sample_shift(self) -> u32 {
        match self {
            Self::Yuv { sample: Sample::Uint { bits }, packing: Packing::SemiPlanar, .. } if bits > 8 => {
                16 - bits as u32
            }
            _ => 0,
        }
    }
}

/// FFmpeg's name where it has one; otherwise a name built the same way.
impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Yuv { chroma, sample, packing: Packing::SemiPlanar } => {
                let (nv, p) = match chroma {
                    Chroma::C420 => ("nv12", "p0"),
                    Chroma::C422 => ("nv16", "p2"),
                    Chroma::C444 => ("nv24", "p4"),
                };
                match sample {
                    Sample::U8 => f.write_str(nv),
                    Sample::Uint { bits } => write!(f, "{p}{bits}le"),
                    Sample::F16 => write!(f, "{nv}f16le"),
                    Sample::F32 => write!(f, "{nv}f32le"),
                }
            }
            Self::Yuv { chroma, sample, packing: Packing::Planar } => {
                let name = match chroma {
                    Chroma::C420 => "yuv420p",
                    Chroma::C422 => "yuv422p",
                    Chroma::C444 => "yuv444p",
                };
                write!(f, "{name}{}", SampleSuffix(sample))
            }
            Self::Gray { sample } => write!(f, "gray{}", SampleSuffix(sample)),
            Self::Rgb { sample } => write!(f, "rgbp{}", SampleSuffix(sample)),
        }
    }
}

struct SampleSuffix(Sample);

impl fmt::Display for SampleSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Sample::U8 => Ok(()),
            Sample::Uint { bits } => write!(f, "{bits}le"),
            Sample::F16 => f.write_str("f16le"),
            Sample::F32 => f.write_str("f32le"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ffmpegs() {
        for (format, name) in [
            (PixelFormat::YUV420P, "yuv420p"),
            (PixelFormat::YUV420P10, "yuv420p10le"),
            (PixelFormat::NV12, "nv12"),
            (PixelFormat::P010, "p010le"),
            (PixelFormat::P016, "p016le"),
            (PixelFormat::Gray { sample: Sample::Uint { bits: 12 } }, "gray12le"),
        ] {
            assert_eq!(format.to_string(), name);
        }
    }

    #[test]
    fn chroma_is_rounded_up() {
        for (format, plane, size) in [
            (PixelFormat::YUV420P, 1, (161, 121)),
            (PixelFormat::YUV422P, 2, (161, 241)),
            (PixelFormat::YUV444P, 2, (321, 241)),
            (PixelFormat::NV12, 1, (322, 121)),
            (PixelFormat::RGB_F32, 2, (321, 241)),
        ] {
            assert_eq!(format.plane_size(plane, 321, 241), size, "{format}");
        }
        assert_eq!(PixelFormat::YUV420P.plane_size(1, 1, 1), (1, 1));
    }

    #[test]
    fn semi_planar_samples_are_in_the_high_bits() {
        assert_eq!(PixelFormat::P010.sample_shift(), 6);
        assert_eq!(PixelFormat::P016.sample_shift(), 0);
        assert_eq!(PixelFormat::NV12.sample_shift(), 0);
        assert_eq!(PixelFormat::YUV420P10.sample_shift(), 0);
    }
}
