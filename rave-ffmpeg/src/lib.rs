//! Files to frames and frames to files, through FFmpeg's libraries.
//!
//! - [`probe`] says what a file holds. [`Demuxer`] gives the packets of its video, [`SoftwareDecoder`] turns them into
//!   frames in host memory, in one of a few planar formats and with nothing assumed about their colours.
//! - [`SoftwareEncoder`] turns frames into packets, [`Muxer`] writes them and takes over every other stream, chapter
//!   and tag of the source.
//! - The decoder and the encoder are [`rave_core::Stage`]s, the demuxer is an iterator and the muxer a
//!   [`rave_core::Sink`].
//!
//! The video of a file encoded anew, with everything else copied:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use rave_core::{BoxError, Sink, Stage, VideoInfo};
//! use rave_ffmpeg::{Container, DecoderOptions, Demuxer, DemuxerOptions, EncoderOptions, Input};
//! use rave_ffmpeg::{MuxSummary, Muxer, MuxerOptions, SoftwareDecoder, SoftwareEncoder};
//!
//! fn transcode(source: &Path, target: &Path) -> Result<MuxSummary, BoxError> {
//!     let demuxer = Demuxer::open(&Input::from(source), &DemuxerOptions::default())?;
//!     let video = demuxer.video().clone();
//!     let mut decoder = SoftwareDecoder::new(&video, &DecoderOptions::default())?;
//!
//!     let container = Container::from_path(target)?;
//!     let (color, _assumed) = video.info().color.resolve(video.info().width, video.info().height);
//!     let info = VideoInfo { color, ..*video.info() };
//!     let options = EncoderOptions::new(container.default_codec());
//!     let mut encoder = SoftwareEncoder::new(&info, &options, &container)?;
//!     let mut muxer =
//!         Muxer::create(target, &container, &encoder.stream(), Some(&video), &MuxerOptions::default())?;
//!
//!     let (mut frames, mut packets) = (Vec::new(), Vec::new());
//!     for packet in demuxer {
//!         decoder.process(packet?, &mut |frame| frames.push(frame))?;
//!         for frame in frames.drain(..) {
//!             encoder.process(frame, &mut |packet| packets.push(packet))?;
//!         }
//!         packets.drain(..).try_for_each(|packet| muxer.write(packet))?;
//!     }
//!     decoder.finish(&mut |frame| frames.push(frame))?;
//!     for frame in frames {
//!         encoder.process(frame, &mut |packet| packets.push(packet))?;
//!     }
//!     encoder.finish(&mut |packet| packets.push(packet))?;
//!     packets.into_iter().try_for_each(|packet| muxer.write(packet))?;
//!     muxer.finish()
//! }
//! ```
//!
//! An encoder takes some pixel formats only: [`SoftwareEncoder::pixel_format`] names the one to
//! [convert](rave_core::Convert) to.
//!
//! FFmpeg's own messages are turned off for the whole process when the crate is first used, because FFmpeg would print
//! them; call `av_log_set_level` afterwards to see them. Its words are kept in this crate's errors.

mod alpha;
mod alpha_encoder;
mod beginning;
mod capability;
mod clock;
mod coded;
mod container;
mod convert;
mod copy;
mod crop;
mod cut;
mod decoder;
mod decoding_times;
mod demuxer;
mod describe;
mod dry_run;
mod encoder;
mod encoder_choice;
mod encoder_clock;
mod encoder_format;
mod encoder_kind;
mod encoder_plan;
mod encoder_session;
mod encoder_settings;
mod encoder_workers;
mod error;
mod first_frame;
mod format;
mod hdr;
mod input;
mod media;
mod mux_settings;
mod mux_setup;
mod muxer;
mod options;
mod payload;
mod plan;
mod range;
mod seek;
mod selection;
mod stream;
mod stream_plan;
mod survey;
mod sys;
mod tags;
mod timestamps;

pub use alpha_encoder::AlphaEncoder;
pub use coded::{CodedPicture, TrialDecoding, trial_decode};
pub use container::Container;
pub use decoder::{DecodeReport, DecodeReportHandle, SoftwareDecoder};
pub use demuxer::{Demuxer, probe};
pub use encoder::{EncodedStream, SoftwareEncoder};
pub use error::Error;
pub use input::Input;
pub use media::{AudioDescription, Chapter, MediaInfo, StreamInfo, StreamKind, VideoDescription};
pub use muxer::{MuxSummary, Muxer};
pub use options::{
    CopyOptions, Cropping, DecoderOptions, DemuxerOptions, EncoderChoice, EncoderOptions, Incompatible,
    MuxerOptions, Quality, RawVideo, Selection, UnknownCodec, VideoCodec,
};
pub use range::{InvalidTime, TimeRange, parse_time};
pub use selection::{InvalidMap, StreamMap};
pub use stream::VideoStream;
pub use stream_plan::{StreamOutcome, StreamPlan};
pub use survey::{Checksum, PacketRecord, StreamSurvey, Survey};
pub use sys::{AvError, BitstreamFilter};
pub use timestamps::read_video_timestamps;

pub use rave_core::Corruption;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
