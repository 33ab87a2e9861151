use std::fmt;
use std::str::FromStr;

use super::EncodeError;
use crate::sys::nvenc::{self, Guid};

/// A codec that NVENC writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NvencCodec {
    /// Rec. ITU-T H.264, High profile.
    H264,
    /// Rec. ITU-T H.265, Main or Main 10 profile.
    Hevc,
    /// AV1, Main profile of 8 or 10 bits.
    Av1,
}

impl NvencCodec {
    /// Every codec.
    pub const ALL: [Self; 3] = [Self::H264, Self::Hevc, Self::Av1];

    /// FFmpeg's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
        }
    }

    /// The scale of constant quality and of quantization parameters ends here.
    const fn greatest_quality(self) -> f32 {
        match self {
            Self::H264 | Self::Hevc => 51.0,
            Self::Av1 => 63.0,
        }
    }

    const fn greatest_qp(self) -> u32 {
        match self {
            Self::H264 | Self::Hevc => 51,
            Self::Av1 => 255,
        }
    }

    pub(super) const fn guid(self) -> Guid {
        match self {
            Self::H264 => Guid::CODEC_H264,
            Self::Hevc => Guid::CODEC_HEVC,
            Self::Av1 => Guid::CODEC_AV1,
        }
    }
}

impl fmt::Display for NvencCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// From fast (P1) to good (P7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are NVIDIA's and say all there is")]
pub enum NvencPreset {
    P1,
    P2,
    P3,
    P4,
    /// Where more time begins to give little.
    #[default]
    P5,
    P6,
    P7,
}

impl NvencPreset {
    /// Every preset, the fastest first.
    pub const ALL: [Self; 7] = [Self::P1, Self::P2, Self::P3, Self::P4, Self::P5, Self::P6, Self::P7];

    /// NVIDIA's name, in lower case.
    pub const fn name(self) -> &'static str {
        ["p1", "p2", "p3", "p4", "p5", "p6", "p7"][self as usize]
    }

    pub(super) const fn guid(self) -> Guid {
        match self {
            Self::P1 => Guid::PRESET_P1,
            Self::P2 => Guid::PRESET_P2,
            Self::P3 => Guid::PRESET_P3,
            Self::P4 => Guid::PRESET_P4,
            Self::P5 => Guid::PRESET_P5,
            Self::P6 => Guid::PRESET_P6,
            Self::P7 => Guid::PRESET_P7,
        }
    }
}

impl fmt::Display for NvencPreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no preset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no preset of NVENC: use one of p1 (fast) to p7 (good)")]
pub struct UnknownPreset(String);

impl FromStr for NvencPreset {
    type Err = UnknownPreset;

    /// `p1` to `p7`, in either case.
    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        let lower = name.to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|preset| preset.name() == lower);
        found.ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}

/// What the encoder is tuned for. [`NvencRateControl::Lossless`] brings its own tuning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NvencTuning {
    /// Files.
    #[default]
    HighQuality,
    /// Live transmission: each packet is handed on as soon as it is there.
    LowLatency,
}

/// What decides between size and quality.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NvencRateControl {
    /// Constant quality (`targetQuality`): lower is better, 1 to 51, for AV1 to 63, in steps of 1/256.
    ConstantQuality(f32),
    /// An average bit rate with freedom around it.
    Vbr {
        /// The average, in 1000 bits per second.
        average_kilobits_per_second: u32,
        /// The most in the short term, in 1000 bits per second; the driver's choice if `None`.
        maximum_kilobits_per_second: Option<u32>,
    },
    /// A constant bit rate.
    Cbr {
        /// In 1000 bits per second.
        kilobits_per_second: u32,
    },
    /// Constant quantization parameters, 0 to 51, for AV1 0 to 255.
    ConstantQp {
        /// Of I-frames.
        intra: u32,
        /// Of P-frames.
        inter_p: u32,
        /// Of B-frames.
        inter_b: u32,
    },
    /// Every sample as it is.
    Lossless,
}

/// Which B-frames others may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NvencBReferences {
    /// None.
    None,
    /// Each.
    Each,
    /// The middle one of a run.
    Middle,
}

impl NvencBReferences {
    pub(super) const fn mode(self) -> nvenc::BFrameRefMode {
        match self {
            Self::None => nvenc::BFrameRefMode::DISABLED,
            Self::Each => nvenc::BFrameRefMode::EACH,
            Self::Middle => nvenc::BFrameRefMode::MIDDLE,
        }
    }
}

/// Spatial adaptive quantization: bits go to flat parts of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NvencSpatialAq {
    /// As the preset has it.
    #[default]
    Preset,
    /// Off.
    Off,
    /// On, as strong as the encoder thinks right.
    Auto,
    /// On with a strength of 1 to 15.
    Strength(u8),
}

/// Something that a preset decides on unless told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NvencSwitch {
    /// As the preset has it.
    #[default]
    Preset,
    /// Off.
    Off,
    /// On.
    On,
}

/// How often rate control looks at a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NvencMultiPass {
    /// As the preset has it.
    #[default]
    Preset,
    /// Once.
    One,
    /// Twice, the first time at a quarter of the resolution.
    QuarterResolution,
    /// Twice at full resolution.
    FullResolution,
}

/// Where H.264 and HEVC have their parameter sets. AV1 has them in every key frame, as MP4 demands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NvencParameterSets {
    /// Beside the packets, for containers with a global header, such as MP4 and Matroska.
    #[default]
    Separate,
    /// Before each key frame, for streams that can be joined anywhere, such as MPEG-TS and raw streams.
    InBand,
}

/// How NVENC encodes. The fields that are `None` are as the preset has them.
///
/// ```
/// use rave_nvcodec::{NvencCodec, NvencOptions, NvencPreset, NvencRateControl};
/// let options = NvencOptions {
///     preset: NvencPreset::P7,
///     rate_control: NvencRateControl::ConstantQuality(24.0),
///     bframes: Some(3),
///     ..NvencOptions::new(NvencCodec::Hevc)
/// };
/// assert_eq!(options.gop, 250);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NvencOptions {
    /// The codec.
    pub codec: NvencCodec,
    /// Speed against quality.
    pub preset: NvencPreset,
    /// What for.
    pub tuning: NvencTuning,
    /// Size against quality.
    pub rate_control: NvencRateControl,
    /// The most frames from one key frame to the next; all groups of pictures are closed.
    pub gop: u32,
    /// The most B-frames in a row.
    pub bframes: Option<u32>,
    /// Which B-frames are references.
    pub b_references: Option<NvencBReferences>,
    /// Frames that rate control looks ahead, 0 to 31 less the B-frames.
    pub lookahead: Option<u32>,
    /// Spatial adaptive quantization.
    pub spatial_aq: NvencSpatialAq,
    /// Temporal adaptive quantization: bits go to what does not move.
    pub temporal_aq: NvencSwitch,
    /// Passes of rate control.
    pub multi_pass: NvencMultiPass,
    /// Where the parameter sets go.
    pub parameter_sets: NvencParameterSets,
}

impl NvencOptions {
    /// Preset P5 for high quality, a key frame at least every 250 frames, and constant quality 18 for H.264, 20 for HEVC
    /// and 30 for AV1: the numbers that software encoders have, whose scales are similar, not equal.
    pub const fn new(codec: NvencCodec) -> Self {
        let quality = match codec {
            NvencCodec::H264 => 18.0,
            NvencCodec::Hevc => 20.0,
            NvencCodec::Av1 => 30.0,
        };
        Self {
            codec,
            preset: NvencPreset::P5,
            tuning: NvencTuning::HighQuality,
            rate_control: NvencRateControl::ConstantQuality(quality),
            gop: 250,
            bframes: None,
            b_references: None,
            lookahead: None,
            spatial_aq: NvencSpatialAq::Preset,
            temporal_aq: NvencSwitch::Preset,
            multi_pass: NvencMultiPass::Preset,
            parameter_sets: NvencParameterSets::Separate,
        }
    }

    pub(super) fn refuse(&self, option: impl Into<String>, reason: impl Into<String>) -> EncodeError {
        EncodeError::Option { codec: self.codec, option: option.into(), reason: reason.into() }
    }

    /// What is wrong whatever the GPU.
    pub(super) fn check(&self) -> Result<(), EncodeError> {
        self.check_rate_control()?;
        self.check_structure()?;
        if let NvencSpatialAq::Strength(strength @ (0 | 16..)) = self.spatial_aq {
            return Err(self.refuse(format!("spatial AQ of strength {strength}"), "it is from 1 to 15"));
        }
        if self.rate_control == NvencRateControl::Lossless && self.tuning == NvencTuning::LowLatency {
            return Err(self.refuse("lossless with low latency", "lossless is a tuning of its own"));
        }
        Ok(())
    }

    fn check_rate_control(&self) -> Result<(), EncodeError> {
        match self.rate_control {
            NvencRateControl::ConstantQuality(quality) => {
                let greatest = self.codec.greatest_quality();
                match (1.0..=greatest).contains(&quality) {
                    true => Ok(()),
                    false => Err(self.refuse(
                        format!("constant quality {quality}"),
                        format!("it is from 1 to {greatest}"),
                    )),
                }
            }
            NvencRateControl::Vbr { average_kilobits_per_second, maximum_kilobits_per_second } => {
                self.check_kilobits(average_kilobits_per_second)?;
                let maximum = maximum_kilobits_per_second.unwrap_or(average_kilobits_per_second);
                self.check_kilobits(maximum)?;
                match maximum >= average_kilobits_per_second {
                    true => Ok(()),
                    false => Err(self.refuse(
                        format!("a maximum of {maximum} kbit/s"),
                        format!("it is less than the average of {average_kilobits_per_second}"),
                    )),
                }
            }
            NvencRateControl::Cbr { kilobits_per_second } => self.check_kilobits(kilobits_per_second),
            NvencRateControl::ConstantQp { intra, inter_p, inter_b } => {
                let greatest = self.codec.greatest_qp();
                match [intra, inter_p, inter_b].into_iter().find(|&qp| qp > greatest) {
                    None => Ok(()),
                    Some(qp) => Err(self.refuse(
                        format!("a quantization parameter of {qp}"),
                        format!("it is from 0 to {greatest}"),
                    )),
                }
            }
            NvencRateControl::Lossless => Ok(()),
        }
    }

    fn check_kilobits(&self, kilobits_per_second: u32) -> Result<(), EncodeError> {
        const MOST: u32 = u32::MAX / 1000;
        match kilobits_per_second {
            1..=MOST => Ok(()),
            other => {
                Err(self.refuse(format!("a bit rate of {other} kbit/s"), format!("it is from 1 to {MOST}")))
            }
        }
    }

    fn check_structure(&self) -> Result<(), EncodeError> {
        let bframes = self.bframes.unwrap_or(0);
        if self.gop == 0 || self.gop > i32::MAX.unsigned_abs() {
            return Err(self.refuse(format!("gop {}", self.gop), "it is from 1 to 2147483647"));
        }
        if bframes >= self.gop {
            let reason = format!("a group of {} pictures has no room for them", self.gop);
            return Err(self.refuse(format!("{bframes} B-frames"), reason));
        }
        if self.bframes == Some(0) && self.b_references.is_some_and(|mode| mode != NvencBReferences::None) {
            return Err(self.refuse("B-frames as references", "there are no B-frames"));
        }
        Ok(())
    }
}
