//! Files to frames and frames to files, through FFmpeg's libraries.
//!
//! - [`probe`] says what a file holds. [`Demuxer`] gives the packets of its video, [`SoftwareDecoder`] turns them into
//!   frames in host memory, in one of a few planar formats and with nothing assumed about their colours.
//! - [`SoftwareEncoder`] turns frames into packets, [`Muxer`] writes them and takes over every other stream, chapter
//!   and tag of the source.
//! - The decoder and the encoder are [`rave_core::Stage`]s, the demuxer is an iterator and the muxer a
//!   [`rave_core::Sink`].
//!
//! ```no_run
//! use rave_core::Stage;
//! use rave_ffmpeg::{DecoderOptions, Demuxer, DemuxerOptions, Input, SoftwareDecoder};
//!
//! # fn main() -> Result<(), rave_core::BoxError> {
//! let input = Input::File("clip.mp4".into());
//! let demuxer = Demuxer::open(&input, &DemuxerOptions::default())?;
//! let mut decoder = SoftwareDecoder::new(demuxer.video(), &DecoderOptions::default())?;
//! let mut frames = 0;
//! for packet in demuxer {
//!     decoder.process(packet?, &mut |_frame| frames += 1)?;
//! }
//! decoder.finish(&mut |_frame| frames += 1)?;
//! # Ok(())
//! # }
//! ```
//!
//! FFmpeg's own messages are turned off for the whole process when the crate is first used, because FFmpeg would print
//! them; call `av_log_set_level` afterwards to see them. Its words are kept in this crate's errors.

mod alpha;
mod alpha_encoder;
mod capability;
mod clock;
mod coded;
mod container;
mod convert;
mod copy;
mod crop;
mod cut;
mod decoder;
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
pub use muxer::{MuxSummary, Muxer, StreamOutcome, StreamPlan};
pub use options::{
    CopyOptions, Corruption, Cropping, DecoderOptions, DemuxerOptions, EncoderChoice, EncoderOptions,
    Incompatible, MuxerOptions, Quality, RawVideo, Selection, UnknownCodec, VideoCodec,
};
pub use range::{InvalidTime, TimeRange, parse_time};
pub use selection::{InvalidMap, StreamMap};
pub use stream::VideoStream;
pub use survey::{Checksum, PacketRecord, StreamSurvey, Survey};
pub use sys::{AvError, BitstreamFilter};
pub use timestamps::read_video_timestamps;
