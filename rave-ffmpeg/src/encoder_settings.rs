//! From [`EncoderOptions`] to what each encoder calls them.

use std::num::{NonZeroU32, NonZeroUsize};

use rave_core::{Siting, VideoInfo};

use crate::encoder_kind::{COMMON_PRESETS, DEFAULT_PRESET, Kind};
use crate::encoder_session::Samples;
use crate::sys::{AvError, Dictionary, Encoder, EncoderContext};
use crate::{EncoderOptions, Error, Quality};

/// With fewer threads x265 works on one frame at a time: it leaves them idle at the frame's start and end, and codes pictures
/// otherwise than with more.
const X265_THREADS_FOR_TWO_FRAMES: usize = 4;

/// An encoder's private options, and what goes into the codec context.
pub(crate) struct Private {
    pub(crate) options: Dictionary,
    pub(crate) bits_per_second: Option<i64>,
    pub(crate) max_bits_per_second: Option<i64>,
    pub(crate) gop: Option<i32>,
    pub(crate) threads: i32,
    /// In words, for people.
    pub(crate) summary: String,
}

struct Builder<'a> {
    name: String,
    kind: Kind,
    encoder: Encoder,
    options: &'a EncoderOptions,
    private: Private,
    /// `name=value` pairs of the encoder's own parameter string.
    parameters: Vec<String>,
}

pub(crate) fn private(
    encoder: Encoder,
    options: &EncoderOptions,
    info: &VideoInfo,
    samples: Samples,
) -> Result<Private, Error> {
    let name = encoder.name();
    let threads = options.threads.map_or(0, |threads| i32::try_from(threads.get()).unwrap_or(i32::MAX));
    let private = Private {
        options: Dictionary::new(),
        bits_per_second: None,
        max_bits_per_second: None,
        gop: None,
        threads,
        summary: name.clone(),
    };
    let mut builder =
        Builder { kind: Kind::of(&name), name, encoder, options, private, parameters: Vec::new() };
    builder.quality()?;
    builder.max_bitrate()?;
    builder.preset()?;
    builder.tune()?;
    builder.gop()?;
    builder.parameters(info);
    builder.alpha(samples)?;
    builder.finish()
}

impl Builder<'_> {
    fn refuse(&self, option: String, reason: &str) -> Error {
        Error::EncoderOption { encoder: self.name.clone(), option, reason: reason.to_owned() }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        self.private.options.set(key, value).map_err(|error| match error {
            AvError::NO_MEMORY => Error::OutOfMemory,
            _ => self.refuse(format!("{key} {value:?}"), "it holds a zero byte"),
        })
    }

    fn has(&self, option: &std::ffi::CStr) -> bool {
        EncoderContext::has_option(self.encoder, option)
    }

    fn quality(&mut self) -> Result<(), Error> {
        match self.options.quality {
            Quality::Default => match self.kind.crf_scale() {
                Some((crf, _)) if self.has(c"crf") => self.crf(crf),
                _ => Ok(()),
            },
            Quality::Crf(crf) => self.crf(crf),
            Quality::Bitrate { kilobits_per_second } => self.bitrate(kilobits_per_second),
            Quality::Lossless => self.lossless(),
        }
    }

    fn crf(&mut self, crf: f32) -> Result<(), Error> {
        let option = format!("crf {crf}");
        let Some((_, greatest)) = self.kind.crf_scale().filter(|_| self.has(c"crf")) else {
            return Err(self.refuse(option, "it has no constant quality"));
        };
        if !(0.0..=greatest).contains(&crf) {
            return Err(self.refuse(option, &format!("crf is from 0 to {greatest}")));
        }
        let is_whole = matches!(self.kind, Kind::SvtAv1 | Kind::Aom | Kind::Vpx);
        if is_whole && crf.fract() != 0.0 {
            return Err(self.refuse(option, "its crf is a whole number"));
        }
        if matches!(self.kind, Kind::Aom | Kind::Vpx) {
            self.private.bits_per_second = Some(0);
        }
        self.private.summary += &format!(", {option}");
        self.set("crf", &crf.to_string())
    }

    fn bitrate(&mut self, kilobits_per_second: u32) -> Result<(), Error> {
        let option = format!("{kilobits_per_second} kbit/s");
        if self.kind == Kind::Ffv1 {
            return Err(self.refuse(option, "it is lossless"));
        }
        if kilobits_per_second == 0 {
            return Err(self.refuse(option, "the bit rate has to be at least 1"));
        }
        self.private.bits_per_second = Some(i64::from(kilobits_per_second) * 1000);
        self.private.summary += &format!(", {option}");
        Ok(())
    }

    fn max_bitrate(&mut self) -> Result<(), Error> {
        let Some(kilobits_per_second) = self.options.max_bitrate.map(NonZeroU32::get) else { return Ok(()) };
        let option = format!("at most {kilobits_per_second} kbit/s");
        let reason = match (self.kind, self.options.quality) {
            (Kind::Ffv1, _) | (_, Quality::Lossless) => "it is lossless",
            (_, Quality::Bitrate { kilobits_per_second: average }) if average > kilobits_per_second => {
                "that is less than the average"
            }
            (Kind::X264 | Kind::X265, _) | (Kind::SvtAv1, Quality::Default | Quality::Crf(_)) => {
                self.private.max_bits_per_second = Some(i64::from(kilobits_per_second) * 1000);
                self.private.summary += &format!(", {option}");
                return Ok(());
            }
            (Kind::SvtAv1, Quality::Bitrate { .. }) => "it has a maximum only with constant quality",
            (Kind::Aom | Kind::Vpx | Kind::Other, _) => "it has no maximum of the bit rate here",
        };
        Err(self.refuse(option, reason))
    }

    fn lossless(&mut self) -> Result<(), Error> {
        self.private.summary += ", lossless";
        match self.kind {
            Kind::X264 => self.set("qp", "0"),
            Kind::X265 => {
                self.parameters.push("lossless=1".to_owned());
                Ok(())
            }
            Kind::Vpx => self.set("lossless", "1"),
            Kind::Ffv1 => Ok(()),
            Kind::SvtAv1 | Kind::Aom | Kind::Other => {
                Err(self.refuse("lossless".to_owned(), "it has no lossless mode here"))
            }
        }
    }

    fn preset(&mut self) -> Result<(), Error> {
        let Some(wanted) = self.options.preset.as_deref() else {
            return match self.kind.preset() {
                Some((key, values, _)) => self.chosen_preset(key, values[DEFAULT_PRESET]),
                None => Ok(()),
            };
        };
        let option = format!("preset {wanted}");
        let common = COMMON_PRESETS.iter().position(|&name| name == wanted);
        match (self.kind.preset(), common) {
            (Some((key, values, _)), Some(index)) => self.chosen_preset(key, values[index]),
            (Some((_, _, names)), None) if !names.is_empty() && !names.contains(&wanted) => {
                Err(self.refuse(option, &format!("use one of {}, or p1 to p7", names.join(", "))))
            }
            (Some((_, _, [])), None) if wanted.parse::<i32>().is_err() => {
                Err(self.refuse(option, "its presets are p1 to p7, or numbers: higher is faster"))
            }
            (Some((key, _, _)), None) => self.chosen_preset(key, wanted),
            (None, _) if self.has(c"preset") => self.chosen_preset("preset", wanted),
            (None, _) => Err(self.refuse(option, "it has no presets")),
        }
    }

    fn chosen_preset(&mut self, key: &str, value: &str) -> Result<(), Error> {
        self.private.summary += &format!(", preset {value}");
        self.set(key, value)
    }

    fn tune(&mut self) -> Result<(), Error> {
        let Some(wanted) = self.options.tune.as_deref() else { return Ok(()) };
        let option = format!("tune {wanted}");
        let names = self.kind.tunes();
        if names.is_empty() {
            return Err(self.refuse(option, "it has no tunes"));
        }
        let Some(index) = names.iter().position(|&name| name == wanted) else {
            return Err(self.refuse(option, &format!("use one of {}", names.join(", "))));
        };
        self.private.summary += &format!(", {option}");
        match self.kind {
            Kind::SvtAv1 => {
                self.parameters.push(format!("tune={index}"));
                Ok(())
            }
            _ => self.set("tune", wanted),
        }
    }

    fn gop(&mut self) -> Result<(), Error> {
        const FFV1_GOP: i32 = 1;
        if self.options.bframes.is_some() && !matches!(self.kind, Kind::X264 | Kind::X265 | Kind::Other) {
            return Err(self.refuse("B-frames".to_owned(), "it decides on references by itself"));
        }
        self.private.gop = match self.options.gop {
            Some(gop) => {
                Some(i32::try_from(gop).map_err(|_| self.refuse(format!("gop {gop}"), "it is too large"))?)
            }
            None => (self.kind == Kind::Ffv1).then_some(FFV1_GOP),
        };
        Ok(())
    }

    /// What only the encoder's own parameter string can say.
    fn parameters(&mut self, info: &VideoInfo) {
        match self.kind {
            Kind::X264 => self.hdr10("mastering-display", "cll", info),
            Kind::X265 => {
                self.parameters.push("log-level=none".to_owned());
                if let Some(rate) = info.frame_rate {
                    // FFmpeg before 6.1 would give it the time base as the rate.
                    self.parameters.push(format!("fps={}/{}", rate.numerator(), rate.denominator()));
                }
                if let Some(threads) = self.options.threads {
                    self.parameters.push(format!("pools={threads}"));
                    self.private.threads = 0;
                    let is_shared = self.options.workers > NonZeroUsize::new(1);
                    if is_shared && threads.get() < X265_THREADS_FOR_TWO_FRAMES {
                        self.parameters.push("frame-threads=2".to_owned());
                    }
                }
                if let Some(location) = chroma_location(info.color.siting) {
                    self.parameters.push(format!("chromaloc={location}"));
                }
                self.hdr10("master-display", "max-cll", info);
            }
            Kind::SvtAv1 => {
                if let Some(threads) = self.options.threads {
                    self.parameters.push(format!("lp={threads}"));
                    self.private.threads = 0;
                }
                self.parameters.extend(crate::hdr::svt_parameters(info));
            }
            Kind::Aom | Kind::Vpx | Kind::Ffv1 | Kind::Other => {}
        }
    }

    /// libvpx refuses alpha together with its hidden frames.
    fn alpha(&mut self, samples: Samples) -> Result<(), Error> {
        match (samples, self.kind) {
            (Samples::WithAlpha, Kind::Vpx) => self.set("auto-alt-ref", "0"),
            _ => Ok(()),
        }
    }

    /// HDR10 metadata in the syntax that x264 and x265 share.
    fn hdr10(&mut self, display: &str, light: &str, info: &VideoInfo) {
        if let Some(metadata) = info.mastering_display {
            let [[rx, ry], [gx, gy], [bx, by]] = metadata.primaries;
            let [wx, wy] = metadata.white_point;
            let (max, min) = (metadata.max_luminance, metadata.min_luminance);
            self.parameters
                .push(format!("{display}=G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({max},{min})"));
        }
        if let Some(metadata) = info.content_light {
            let (content, average) = (metadata.max_content, metadata.max_frame_average);
            self.parameters.push(format!("{light}={content},{average}"));
        }
    }

    fn finish(mut self) -> Result<Private, Error> {
        let parameters = self.parameters.join(":");
        match self.kind {
            _ if parameters.is_empty() => {}
            Kind::X264 => self.set("x264-params", &parameters)?,
            Kind::X265 => self.set("x265-params", &parameters)?,
            Kind::SvtAv1 => self.set("svtav1-params", &parameters)?,
            Kind::Aom | Kind::Vpx | Kind::Ffv1 | Kind::Other => {}
        }
        match self.kind {
            Kind::Ffv1 => {
                self.set("level", "3")?;
                self.set("slicecrc", "1")?;
            }
            Kind::Aom | Kind::Vpx => self.set("row-mt", "1")?,
            _ => {}
        }
        Ok(self.private)
    }
}

/// Chroma420SampleLocType.
const fn chroma_location(siting: Siting) -> Option<u8> {
    match siting {
        Siting::Unspecified => None,
        Siting::Left => Some(0),
        Siting::Center => Some(1),
        Siting::TopLeft => Some(2),
        Siting::Top => Some(3),
        Siting::BottomLeft => Some(4),
        Siting::Bottom => Some(5),
    }
}
