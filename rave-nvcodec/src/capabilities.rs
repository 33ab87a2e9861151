use std::fmt;

use rave_core::{Chroma, Packing, PixelFormat, Sample};
use rave_cuda::Device;

use crate::decoder::surface::SurfaceFormat;
use crate::sys::cuvid;
use crate::{Codec, DecodeError, NvdecLibrary, Refusal};

/// The chroma that a coded stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodedChroma {
    /// Luma alone.
    Monochrome,
    /// 4:2:0.
    C420,
    /// 4:2:2.
    C422,
    /// 4:4:4.
    C444,
}

impl CodedChroma {
    /// Every kind of chroma.
    pub const ALL: [Self; 4] = [Self::Monochrome, Self::C420, Self::C422, Self::C444];

    pub(crate) const fn cuvid(self) -> cuvid::ChromaFormat {
        match self {
            Self::Monochrome => cuvid::ChromaFormat::MONOCHROME,
            Self::C420 => cuvid::ChromaFormat::YUV420,
            Self::C422 => cuvid::ChromaFormat::YUV422,
            Self::C444 => cuvid::ChromaFormat::YUV444,
        }
    }

    pub(crate) fn from_cuvid(format: cuvid::ChromaFormat) -> Option<Self> {
        Self::ALL.into_iter().find(|chroma| chroma.cuvid() == format)
    }
}

impl fmt::Display for CodedChroma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monochrome => "4:0:0",
            Self::C420 => "4:2:0",
            Self::C422 => "4:2:2",
            Self::C444 => "4:4:4",
        })
    }
}

/// What a coded stream's samples are: all that decides, beside the size, whether a GPU can decode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodedFormat {
    /// The codec.
    pub codec: Codec,
    /// The chroma.
    pub chroma: CodedChroma,
    /// Bits of a sample.
    pub bits: u8,
}

impl CodedFormat {
    /// That of a stream whose decoded frames have the pixel format `decoded`.
    ///
    /// # Errors
    /// [`Refusal::Pixels`] for R'G'B' and floating point, which no GPU decodes.
    pub fn new(codec: Codec, decoded: PixelFormat) -> Result<Self, Refusal> {
        let chroma = match decoded {
            PixelFormat::Gray { .. } => Some(CodedChroma::Monochrome),
            PixelFormat::Yuv { chroma: Chroma::C420, .. } => Some(CodedChroma::C420),
            PixelFormat::Yuv { chroma: Chroma::C422, .. } => Some(CodedChroma::C422),
            PixelFormat::Yuv { chroma: Chroma::C444, .. } => Some(CodedChroma::C444),
            PixelFormat::Rgb { .. } => None,
        };
        match (chroma, decoded.bits()) {
            (Some(chroma), Some(bits)) => Ok(Self { codec, chroma, bits }),
            _ => Err(Refusal::Pixels { codec, format: decoded }),
        }
    }

    /// The pixel format of frames that a GPU decodes: semi-planar for 4:2:0, otherwise planes. `None` where the hardware
    /// has no surface for it.
    pub const fn frame_format(self) -> Option<PixelFormat> {
        let sample = Sample::Uint { bits: self.bits };
        match (self.chroma, self.bits) {
            (_, ..8 | 17..) => None,
            (CodedChroma::C420, _) => {
                Some(PixelFormat::Yuv { chroma: Chroma::C420, sample, packing: Packing::SemiPlanar })
            }
            (CodedChroma::C444, bits) => Some(PixelFormat::yuv_planar(Chroma::C444, bits)),
            (CodedChroma::Monochrome, 8) => Some(PixelFormat::Gray { sample }),
            (CodedChroma::C422 | CodedChroma::Monochrome, _) => None,
        }
    }
}

impl fmt::Display for CodedFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {} bits", self.codec, self.chroma, self.bits)
    }
}

/// What a GPU's decoders can do with streams of one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What was asked about.
    pub format: CodedFormat,
    /// Whether it is decoded at all, into frames of [`CodedFormat::frame_format`]; if not, all else is 0.
    pub is_supported: bool,
    /// How many decoders for it the GPU has, that work at the same time.
    pub engines: u32,
    /// The least coded width and height, in pixels.
    pub min_size: (u32, u32),
    /// The greatest coded width and height, in pixels.
    pub max_size: (u32, u32),
    /// The most macroblocks of 16 x 16 pixels in a picture.
    pub max_macroblocks: u32,
}

impl Capabilities {
    /// Asks the driver what the GPU can do with one format.
    ///
    /// # Errors
    /// [`DecodeError::Call`] if the driver does not answer, [`DecodeError::Cuda`] if the device cannot be used.
    pub fn query(library: &NvdecLibrary, device: &Device, format: CodedFormat) -> Result<Self, DecodeError> {
        device.bind()?;
        Self::ask(library.functions(), format)
    }

    /// What the GPU can do with every format that it supports, for a table.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    pub fn table(library: &NvdecLibrary, device: &Device) -> Result<Vec<Self>, DecodeError> {
        const DEPTHS: [u8; 3] = [8, 10, 12];
        device.bind()?;
        let mut supported = Vec::new();
        for codec in Codec::ALL {
            for chroma in CodedChroma::ALL {
                for bits in DEPTHS {
                    supported.push(Self::ask(library.functions(), CodedFormat { codec, chroma, bits })?);
                }
            }
        }
        supported.retain(|capabilities| capabilities.is_supported);
        Ok(supported)
    }

    /// Expects the device's context to be the thread's.
    pub(crate) fn ask(functions: &cuvid::Functions, format: CodedFormat) -> Result<Self, DecodeError> {
        let mut caps = cuvid::DecodeCaps {
            codec_type: format.codec.cuvid(),
            chroma_format: format.chroma.cuvid(),
            bit_depth_minus8: u32::from(format.bits.saturating_sub(8)),
            ..cuvid::DecodeCaps::default()
        };
        // SAFETY: the struct is valid for the call, its reserved fields are zero.
        let status = unsafe { (functions.get_decoder_caps)(&mut caps) };
        DecodeError::check("cuvidGetDecoderCaps", format.codec, status)?;
        Ok(Self::from_answer(format, &caps))
    }

    fn from_answer(format: CodedFormat, caps: &cuvid::DecodeCaps) -> Self {
        let has_surface = format.frame_format().is_some()
            && SurfaceFormat::of(format)
                .is_some_and(|surface| caps.output_format_mask >> surface.cuvid().0 & 1 == 1);
        if caps.is_supported == 0 || !has_surface {
            let none = (0, 0);
            return Self {
                format,
                is_supported: false,
                engines: 0,
                min_size: none,
                max_size: none,
                max_macroblocks: 0,
            };
        }
        Self {
            format,
            is_supported: true,
            // Drivers before 455 do not say; there is at least one.
            engines: u32::from(caps.num_nvdecs).max(1),
            min_size: (caps.min_width.into(), caps.min_height.into()),
            max_size: (caps.max_width, caps.max_height),
            max_macroblocks: caps.max_mb_count,
        }
    }

    /// Whether pictures of this coded size can be decoded.
    ///
    /// # Errors
    /// The [`Refusal`] that says why not, with the limit.
    pub fn check(&self, width: u32, height: u32) -> Result<(), Refusal> {
        let (format, size) = (self.format, (width, height));
        let macroblocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
        if !self.is_supported {
            return Err(Refusal::Format { format });
        }
        if width > self.max_size.0 || height > self.max_size.1 {
            return Err(Refusal::TooLarge { format, size, max: self.max_size });
        }
        if width < self.min_size.0 || height < self.min_size.1 {
            return Err(Refusal::TooSmall { format, size, min: self.min_size });
        }
        if macroblocks > u64::from(self.max_macroblocks) {
            return Err(Refusal::TooManyMacroblocks { format, size, macroblocks, max: self.max_macroblocks });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: CodedFormat = CodedFormat { codec: Codec::H264, chroma: CodedChroma::C420, bits: 8 };

    fn answer() -> cuvid::DecodeCaps {
        cuvid::DecodeCaps {
            is_supported: 1,
            num_nvdecs: 7,
            output_format_mask: 0b11,
            max_width: 4096,
            max_height: 4096,
            max_mb_count: 65_536,
            min_width: 48,
            min_height: 16,
            ..Default::default()
        }
    }

    #[test]
    fn sizes_are_checked_against_every_limit() {
        let capabilities = Capabilities::from_answer(HD, &answer());
        assert_eq!((capabilities.engines, capabilities.check(1920, 1088)), (7, Ok(())));
        for (width, height, words) in [
            (4112, 16, "h264 4:2:0 of 8 bits is decoded up to 4096x4096, the stream is 4112x16"),
            (32, 32, "h264 4:2:0 of 8 bits is decoded from 48x16 on, the stream is 32x32"),
        ] {
            assert_eq!(capabilities.check(width, height).unwrap_err().to_string(), words);
        }
        let few = Capabilities { max_macroblocks: 100, ..capabilities };
        assert!(matches!(
            few.check(176, 160),
            Err(Refusal::TooManyMacroblocks { macroblocks: 110, max: 100, .. })
        ));
    }

    #[test]
    fn a_format_without_a_surface_for_it_is_not_supported() {
        let none = cuvid::DecodeCaps { is_supported: 0, ..answer() };
        let ten = CodedFormat { bits: 10, ..HD };
        let refusal = Capabilities::from_answer(ten, &none).check(1920, 1080).unwrap_err();
        assert_eq!(refusal.to_string(), "the GPU has no decoder for h264 4:2:0 of 10 bits");
        let only_nv12 = cuvid::DecodeCaps { output_format_mask: 1, ..answer() };
        assert!(!Capabilities::from_answer(ten, &only_nv12).is_supported);
        let c422 = CodedFormat { chroma: CodedChroma::C422, ..HD };
        assert!(!Capabilities::from_answer(c422, &answer()).is_supported);
    }

    #[test]
    fn frames_have_the_format_that_the_surface_gives() {
        for (chroma, bits, expected) in [
            (CodedChroma::C420, 8, Some("nv12")),
            (CodedChroma::C420, 10, Some("p010le")),
            (CodedChroma::C420, 12, Some("p012le")),
            (CodedChroma::C444, 8, Some("yuv444p")),
            (CodedChroma::C444, 10, Some("yuv444p10le")),
            (CodedChroma::Monochrome, 8, Some("gray")),
            (CodedChroma::C422, 8, None),
        ] {
            let format = CodedFormat { codec: Codec::Hevc, chroma, bits }.frame_format();
            assert_eq!(format.map(|format| format.to_string()).as_deref(), expected);
        }
        assert!(CodedFormat::new(Codec::H264, PixelFormat::RGB_F32).is_err());
    }
}
