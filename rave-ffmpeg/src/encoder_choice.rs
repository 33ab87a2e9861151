//! Which encoder is used, and whether it takes what it will get.

use rave_core::{PixelFormat, VideoInfo};

use crate::encoder_kind::Kind;
use crate::sys::{Encoder, codec_name};
use crate::{Container, EncoderChoice, EncoderOptions, Error, VideoCodec, encoder_format};

/// The encoder that the options name, or else the first for the codec that takes the size and, if it is decided, the
/// pixel format.
pub(crate) fn find(
    options: &EncoderOptions,
    info: &VideoInfo,
    format: Option<PixelFormat>,
) -> Result<Encoder, Error> {
    match &options.encoder {
        EncoderChoice::Named(name) => named(name, options.codec),
        EncoderChoice::Auto | EncoderChoice::Software => preferred(options.codec, info, format),
        EncoderChoice::Nvenc => Err(Error::EncoderMissing {
            encoder: options.encoder.to_string(),
            hint: "NVENC takes frames in GPU memory, and these are not: use auto or software".to_owned(),
        }),
    }
}

fn preferred(codec: VideoCodec, info: &VideoInfo, format: Option<PixelFormat>) -> Result<Encoder, Error> {
    let there: Vec<Encoder> = codec.encoders().iter().filter_map(|name| Encoder::find(name)).collect();
    let takes = |encoder: &&Encoder| {
        let takes_format = format.is_none_or(|format| encoder_format::supported(**encoder).contains(&format));
        takes_format && Kind::of(&encoder.name()).takes_size(info.width, info.height)
    };
    let found = there.iter().find(takes).or_else(|| there.first());
    found.copied().ok_or_else(|| Error::EncoderMissing {
        encoder: codec.encoders().join(" or "),
        hint: format!("install an FFmpeg with it, or choose another codec than {codec}"),
    })
}

fn named(name: &str, codec: VideoCodec) -> Result<Encoder, Error> {
    let encoder = Encoder::find(name).ok_or_else(|| Error::EncoderMissing {
        encoder: name.to_owned(),
        hint: format!("use {}", usable()),
    })?;
    let (encoder_name, encodes) = (name.to_owned(), codec_name(encoder.codec_id()));
    match codec_of(encoder) {
        Some(found) if found == codec => Ok(encoder),
        Some(_) => Err(Error::EncoderOption {
            encoder: encoder_name,
            option: format!("codec {codec}"),
            reason: format!("it encodes {encodes}"),
        }),
        None => Err(Error::EncoderForeign {
            encoder: encoder_name,
            codec: encodes,
            hint: format!("use {}", usable()),
        }),
    }
}

/// The codec that an encoder is for, if it is one that can be written.
pub(crate) fn codec_of(encoder: Encoder) -> Option<VideoCodec> {
    let encodes = codec_name(encoder.codec_id());
    VideoCodec::ALL.into_iter().find(|codec| codec.name() == encodes)
}

/// The encoders that are there, in words.
fn usable() -> String {
    let names = VideoCodec::ALL
        .iter()
        .flat_map(|codec| codec.encoders())
        .filter(|name| Encoder::find(name).is_some());
    let names: Vec<&str> = names.copied().collect();
    format!("auto, software, nvenc or one of {}", names.join(", "))
}

pub(crate) fn check_container(codec: VideoCodec, container: &Container) -> Result<(), Error> {
    if container.can_hold(codec) {
        return Ok(());
    }
    let names: Vec<&str> = container.codecs().iter().map(|codec| codec.name()).collect();
    Err(Error::StreamIncompatible {
        container: container.name(),
        stream: format!("{codec} video"),
        reason: format!("use one of {}, or another extension", names.join(", ")),
    })
}

pub(crate) fn check_format(
    encoder: &str,
    format: PixelFormat,
    supported: &[PixelFormat],
) -> Result<(), Error> {
    if supported.is_empty() || supported.contains(&format) {
        return Ok(());
    }
    let names: Vec<String> = supported.iter().map(PixelFormat::to_string).collect();
    Err(Error::EncoderOption {
        encoder: encoder.to_owned(),
        option: format!("pixel format {format}"),
        reason: format!("it takes {}", names.join(", ")),
    })
}

pub(crate) fn check_size(encoder: &str, info: &VideoInfo) -> Result<(), Error> {
    let (width, height) = (info.width, info.height);
    if !Kind::of(encoder).needs_even_size() || encoder_format::is_even(info.format, width, height) {
        return Ok(());
    }
    Err(Error::EncoderOption {
        encoder: encoder.to_owned(),
        option: format!("{width}x{height} in {}", info.format),
        reason: "width and height have to be multiples of the chroma subsampling: use a 4:4:4 format"
            .to_owned(),
    })
}
