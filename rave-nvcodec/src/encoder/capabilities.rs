use rave_core::{PixelFormat, VideoInfo};
use rave_cuda::Device;

use super::session::Session;
use super::{EncodeError, NvencBReferences, NvencCodec, NvencOptions, NvencRateControl, NvencSwitch, level};
use crate::library::NvencLibrary;
use crate::sys::nvenc::{BufferFormat, Caps, Guid};

/// What the encoder of a GPU can do, as its driver says.
///
/// ```no_run
/// use rave_cuda::Device;
/// use rave_nvcodec::{EncoderCapabilities, NvencCodec, NvencLibrary};
///
/// let capabilities = EncoderCapabilities::query(&NvencLibrary::open()?, &Device::open(0)?)?;
/// for codec in &capabilities.codecs {
///     println!("{} up to {}x{}", codec.codec, codec.max_width, codec.max_height);
/// }
/// println!("AV1: {}", capabilities.codec(NvencCodec::Av1).is_some());
/// # Ok::<(), rave_core::BoxError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderCapabilities {
    /// The GPU's name.
    pub gpu: String,
    /// What it can do, a codec each.
    pub codecs: Vec<CodecCapabilities>,
}

/// A profile of a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NvencProfile {
    /// H.264 High.
    H264High,
    /// HEVC Main.
    HevcMain,
    /// HEVC Main 10.
    HevcMain10,
    /// AV1 Main.
    Av1Main,
}

impl NvencProfile {
    const ALL: [Self; 4] = [Self::H264High, Self::HevcMain, Self::HevcMain10, Self::Av1Main];

    pub(super) const fn guid(self) -> Guid {
        match self {
            Self::H264High => Guid::H264_PROFILE_HIGH,
            Self::HevcMain => Guid::HEVC_PROFILE_MAIN,
            Self::HevcMain10 => Guid::HEVC_PROFILE_MAIN10,
            Self::Av1Main => Guid::AV1_PROFILE_MAIN,
        }
    }

    /// That for frames of a depth; there is none for H.264 with 10 bits.
    pub(super) const fn of(codec: NvencCodec, bits: u8) -> Option<Self> {
        match (codec, bits) {
            (NvencCodec::H264, 8) => Some(Self::H264High),
            (NvencCodec::Hevc, 8) => Some(Self::HevcMain),
            (NvencCodec::Hevc, 10) => Some(Self::HevcMain10),
            (NvencCodec::Av1, 8 | 10) => Some(Self::Av1Main),
            _ => None,
        }
    }
}

/// What the encoder of a GPU can do with a codec. Limits of 0 were not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecCapabilities {
    /// The codec.
    pub codec: NvencCodec,
    /// Its profiles that this crate knows.
    pub profiles: Vec<NvencProfile>,
    /// The formats of frames that this crate gives it: NV12, P010.
    pub formats: Vec<PixelFormat>,
    /// Smallest width in pixels.
    pub min_width: u32,
    /// Smallest height in pixels.
    pub min_height: u32,
    /// Largest width in pixels.
    pub max_width: u32,
    /// Largest height in pixels.
    pub max_height: u32,
    /// The most macroblocks of 16x16 pixels in a picture.
    pub max_macroblocks: u32,
    /// The most macroblocks in a second, over all sessions of an engine.
    pub max_macroblocks_per_second: u32,
    /// The highest level, in the codec's own numbers (H.264: tenths, HEVC: thirtieths, AV1: `seq_level_idx`).
    pub max_level: u32,
    /// The most B-frames in a row.
    pub max_bframes: u32,
    /// How B-frames can be references, besides not.
    pub b_references: Vec<NvencBReferences>,
    /// Whether 10 bits can be encoded.
    pub has_10_bit: bool,
    /// Whether rate control can look ahead.
    pub has_lookahead: bool,
    /// Whether there is temporal adaptive quantization.
    pub has_temporal_aq: bool,
    /// Whether there is a lossless mode.
    pub has_lossless: bool,
    /// Whether the bit rate of a running encoder can be changed.
    pub has_dynamic_bit_rate: bool,
    /// Encoders in the GPU that share the work.
    pub engines: u32,
}

impl EncoderCapabilities {
    /// Asks the driver, by a session that is opened and closed for it.
    ///
    /// # Errors
    /// [`EncodeError::NoEncoder`] if the GPU has no NVENC, [`EncodeError::SessionLimit`] if no session can be opened
    /// at the moment; the others if the driver does not answer.
    pub fn query(library: &NvencLibrary, device: &Device) -> Result<Self, EncodeError> {
        let session = Session::open(library, device)?;
        let guids = session.codecs()?;
        let known = NvencCodec::ALL.into_iter().filter(|codec| guids.contains(&codec.guid()));
        let codecs =
            known.map(|codec| CodecCapabilities::query(&session, codec)).collect::<Result<_, _>>()?;
        Ok(Self { gpu: session.gpu().to_owned(), codecs })
    }

    /// What it can do with a codec; `None` if it does not encode it.
    pub fn codec(&self, codec: NvencCodec) -> Option<&CodecCapabilities> {
        self.codecs.iter().find(|capabilities| capabilities.codec == codec)
    }
}

impl CodecCapabilities {
    /// What the GPU can do with the codec, if that is enough.
    pub(super) fn checked(
        session: &Session,
        info: &VideoInfo,
        options: &NvencOptions,
    ) -> Result<Self, EncodeError> {
        let gpu = session.gpu();
        if !session.codecs()?.contains(&options.codec.guid()) {
            return Err(EncodeError::Codec { gpu: gpu.to_owned(), codec: options.codec });
        }
        let capabilities = Self::query(session, options.codec)?;
        capabilities.check_frames(gpu, info.format, (info.width, info.height))?;
        capabilities.check_options(options)?;
        Ok(capabilities)
    }

    fn query(session: &Session, codec: NvencCodec) -> Result<Self, EncodeError> {
        let number = |caps| Ok::<u32, EncodeError>(session.capability(codec, caps)?.max(0).unsigned_abs());
        let has = |caps| Ok::<bool, EncodeError>(session.capability(codec, caps)? > 0);
        let profiles = session.profiles(codec)?;
        let formats = session.input_formats(codec)?;
        let format = |&(number, format)| formats.contains(&number).then_some(format);
        Ok(Self {
            codec,
            profiles: NvencProfile::ALL
                .into_iter()
                .filter(|profile| profiles.contains(&profile.guid()))
                .collect(),
            formats: FORMATS.iter().filter_map(format).collect(),
            min_width: number(Caps::WIDTH_MIN)?,
            min_height: number(Caps::HEIGHT_MIN)?,
            max_width: number(Caps::WIDTH_MAX)?,
            max_height: number(Caps::HEIGHT_MAX)?,
            max_macroblocks: number(Caps::MB_NUM_MAX)?,
            max_macroblocks_per_second: number(Caps::MB_PER_SEC_MAX)?,
            max_level: number(Caps::LEVEL_MAX)?,
            max_bframes: number(Caps::NUM_MAX_BFRAMES)?,
            b_references: b_references(number(Caps::SUPPORT_BFRAME_REF_MODE)?),
            has_10_bit: has(Caps::SUPPORT_10BIT_ENCODE)?,
            has_lookahead: has(Caps::SUPPORT_LOOKAHEAD)?,
            has_temporal_aq: has(Caps::SUPPORT_TEMPORAL_AQ)?,
            has_lossless: has(Caps::SUPPORT_LOSSLESS_ENCODE)?,
            has_dynamic_bit_rate: has(Caps::SUPPORT_DYN_BITRATE_CHANGE)?,
            engines: number(Caps::NUM_ENCODER_ENGINES)?,
        })
    }

    /// Refuses frames that the encoder does not take.
    fn check_frames(
        &self,
        gpu: &str,
        format: PixelFormat,
        (width, height): (u32, u32),
    ) -> Result<(), EncodeError> {
        let refuse = |what: String, reason: String| {
            Err(EncodeError::Unsupported { gpu: gpu.to_owned(), codec: self.codec, what, reason })
        };
        match format.bits().and_then(|bits| NvencProfile::of(self.codec, bits)) {
            Some(profile) if self.profiles.contains(&profile) && self.formats.contains(&format) => {}
            _ => return refuse(format.to_string(), self.format_reason(format)),
        }
        match self.size_reason(width, height) {
            Some(reason) => refuse(format!("{width}x{height}"), reason),
            None => Ok(()),
        }
    }

    fn format_reason(&self, format: PixelFormat) -> String {
        match format {
            PixelFormat::P010 if !self.has_10_bit || self.codec == NvencCodec::H264 => {
                "it has no 10 bits".into()
            }
            PixelFormat::NV12 | PixelFormat::P010 => "the driver does not offer the profile or format".into(),
            _ => "frames have to be nv12 or p010".into(),
        }
    }

    fn size_reason(&self, width: u32, height: u32) -> Option<String> {
        let macroblocks = width.div_ceil(16) * height.div_ceil(16);
        let limits = [
            (self.max_width > 0 && width > self.max_width, format!("the widest is {}", self.max_width)),
            (self.max_height > 0 && height > self.max_height, format!("the highest is {}", self.max_height)),
            (width < self.min_width, format!("the narrowest is {}", self.min_width)),
            (height < self.min_height, format!("the lowest is {}", self.min_height)),
            (width % 2 + height % 2 > 0, "4:2:0 needs even sides here".to_owned()),
            (
                self.max_macroblocks > 0 && macroblocks > self.max_macroblocks,
                format!("it has {macroblocks} macroblocks, {} are the most", self.max_macroblocks),
            ),
        ];
        let broken = limits.into_iter().find(|(is_broken, _)| *is_broken).map(|(_, reason)| reason);
        broken.or_else(|| self.level_reason(width, height))
    }

    fn level_reason(&self, width: u32, height: u32) -> Option<String> {
        let highest = level::name(self.codec, self.max_level);
        match level::needed(self.codec, width, height) {
            None => Some("the codec has no level for that size".to_owned()),
            Some(needed) if self.max_level > 0 && needed > self.max_level => {
                Some(format!("it needs level {}, {highest} is the highest", level::name(self.codec, needed)))
            }
            Some(_) => None,
        }
    }

    /// Refuses options that the encoder does not have.
    fn check_options(&self, options: &NvencOptions) -> Result<(), EncodeError> {
        const MISSING: &str = "this GPU does not have it";
        let bframes = options.bframes.unwrap_or(0);
        if bframes > self.max_bframes {
            let reason = match self.max_bframes {
                0 => "this GPU has none".to_owned(),
                most => format!("this GPU has at most {most}"),
            };
            return Err(options.refuse(format!("{bframes} B-frames"), reason));
        }
        match options.b_references {
            Some(mode) if mode != NvencBReferences::None && !self.b_references.contains(&mode) => {
                return Err(options.refuse(format!("B-frames as references ({mode:?})"), MISSING));
            }
            _ => {}
        }
        let wanted = [
            (options.lookahead.is_some_and(|depth| depth > 0), self.has_lookahead, "look-ahead"),
            (options.temporal_aq == NvencSwitch::On, self.has_temporal_aq, "temporal AQ"),
            (options.rate_control == NvencRateControl::Lossless, self.has_lossless, "lossless"),
        ];
        match wanted.into_iter().find(|&(is_wanted, is_there, _)| is_wanted && !is_there) {
            Some((.., name)) => Err(options.refuse(name, MISSING)),
            None => Ok(()),
        }
    }
}

/// NVENC's numbers for the formats of frames.
const FORMATS: [(BufferFormat, PixelFormat); 2] =
    [(BufferFormat::NV12, PixelFormat::NV12), (BufferFormat::YUV420_10BIT, PixelFormat::P010)];

/// NVENC's number for a format; `None` if it is not one of those that are given to it.
pub(super) fn buffer_format(format: PixelFormat) -> Option<BufferFormat> {
    FORMATS.iter().find(|(_, known)| *known == format).map(|(number, _)| *number)
}

/// From the bit mask of `NV_ENC_CAPS_SUPPORT_BFRAME_REF_MODE`: the modes' own numbers.
fn b_references(mask: u32) -> Vec<NvencBReferences> {
    let modes = [NvencBReferences::Each, NvencBReferences::Middle];
    modes.into_iter().filter(|mode| mask & mode.mode().0 != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(codec: NvencCodec) -> CodecCapabilities {
        CodecCapabilities {
            codec,
            profiles: NvencProfile::ALL.to_vec(),
            formats: vec![PixelFormat::NV12, PixelFormat::P010],
            min_width: 145,
            min_height: 49,
            max_width: 4096,
            max_height: 4096,
            max_macroblocks: 65_536,
            max_macroblocks_per_second: 983_040,
            max_level: 62,
            max_bframes: 4,
            b_references: vec![NvencBReferences::Middle],
            has_10_bit: true,
            has_lookahead: true,
            has_temporal_aq: true,
            has_lossless: true,
            has_dynamic_bit_rate: true,
            engines: 1,
        }
    }

    #[test]
    fn a_frame_beyond_a_limit_is_refused_with_the_limit() {
        let capabilities = CodecCapabilities { max_level: 51, ..capabilities(NvencCodec::H264) };
        let refusal =
            |format, size| capabilities.check_frames("L4", format, size).err().map(|e| e.to_string());
        assert_eq!(refusal(PixelFormat::NV12, (3840, 2160)), None);
        for (format, size, what, reason) in [
            (PixelFormat::NV12, (4098, 16), "4098x16", "the widest is 4096"),
            (PixelFormat::NV12, (1024, 4098), "1024x4098", "the highest is 4096"),
            (PixelFormat::NV12, (144, 96), "144x96", "the narrowest is 145"),
            (PixelFormat::NV12, (146, 48), "146x48", "the lowest is 49"),
            (PixelFormat::NV12, (1919, 1080), "1919x1080", "4:2:0 needs even sides here"),
            (PixelFormat::NV12, (4096, 4096), "4096x4096", "it needs level 6.0, 5.1 is the highest"),
            (PixelFormat::P010, (1920, 1080), "p010le", "it has no 10 bits"),
            (PixelFormat::YUV420P, (1920, 1080), "yuv420p", "frames have to be nv12 or p010"),
        ] {
            let expected = format!("the NVENC of L4 does not encode {what} as h264: {reason}");
            assert_eq!(refusal(format, size), Some(expected));
        }
    }

    #[test]
    fn an_option_that_the_gpu_lacks_is_refused() {
        let full = capabilities(NvencCodec::Hevc);
        let bare = CodecCapabilities {
            max_bframes: 0,
            b_references: Vec::new(),
            has_lookahead: false,
            has_temporal_aq: false,
            has_lossless: false,
            ..full.clone()
        };
        let base = NvencOptions::new(NvencCodec::Hevc);
        for (options, reason) in [
            (NvencOptions { bframes: Some(3), ..base }, "3 B-frames for hevc: this GPU has none"),
            (NvencOptions { lookahead: Some(8), ..base }, "look-ahead for hevc: this GPU does not have it"),
            (
                NvencOptions { temporal_aq: NvencSwitch::On, ..base },
                "temporal AQ for hevc: this GPU does not have it",
            ),
            (
                NvencOptions { rate_control: NvencRateControl::Lossless, ..base },
                "lossless for hevc: this GPU does not have it",
            ),
            (
                NvencOptions { b_references: Some(NvencBReferences::Middle), ..base },
                "B-frames as references (Middle) for hevc: this GPU does not have it",
            ),
        ] {
            assert!(full.check_options(&options).is_ok(), "{reason}");
            let error = bare.check_options(&options).unwrap_err().to_string();
            assert_eq!(error, format!("NVENC does not take {reason}"));
        }
        let many = NvencOptions { bframes: Some(5), ..base };
        let error = full.check_options(&many).unwrap_err().to_string();
        assert_eq!(error, "NVENC does not take 5 B-frames for hevc: this GPU has at most 4");
    }
}
