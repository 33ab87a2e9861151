use std::path::PathBuf;

use rave_core::{Code, CodedError, Timestamp};

use crate::{AvError, Input};

/// What can go wrong between a file and frames.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input does not exist.
    #[error("{input} does not exist: check the path")]
    InputMissing {
        /// The input.
        input: Input,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The input exists but is not a readable file.
    #[error("{input} cannot be read: {reason}")]
    InputUnreadable {
        /// The input.
        input: Input,
        /// Why not.
        reason: String,
    },
    /// No demuxer recognises the input.
    #[error("{input} is not a media file that can be opened: {reason}")]
    InputNotMedia {
        /// The input.
        input: Input,
        /// What it is, or what FFmpeg said.
        reason: String,
    },
    /// There is no video stream, or not the wanted one.
    #[error("{input} has no video to decode: {reason}")]
    InputNoVideo {
        /// The input.
        input: Input,
        /// What there is instead.
        reason: String,
    },
    /// The video stream gives no frame.
    #[error("not one frame of video stream {stream} of {input} can be decoded: {reason}")]
    InputNoFrames {
        /// The input.
        input: Input,
        /// Index of the stream.
        stream: usize,
        /// What the decoder said.
        reason: String,
    },
    /// The video stream is encrypted.
    #[error("video stream {stream} of {input} is encrypted ({reason}): decrypt it first")]
    InputEncrypted {
        /// The input.
        input: Input,
        /// Index of the stream.
        stream: usize,
        /// How it is known.
        reason: &'static str,
    },
    /// An option does not fit the input.
    #[error("option {option} does not fit {input}: {reason}")]
    InputOption {
        /// The option's name.
        option: &'static str,
        /// The input.
        input: Input,
        /// Why not.
        reason: String,
    },
    /// Reading packets failed.
    #[error("reading {input} failed")]
    Demux {
        /// The input.
        input: Input,
        /// What FFmpeg said.
        #[source]
        source: AvError,
    },
    /// libavcodec has no decoder for the codec.
    #[error("this build of FFmpeg has no decoder for {codec}: install an FFmpeg that has one")]
    DecoderMissing {
        /// The codec.
        codec: String,
    },
    /// The decoder failed, and damage was not to be concealed.
    #[error("decoding {codec} of {input} failed at packet {packet}: {what}")]
    Decode {
        /// The codec.
        codec: String,
        /// The input.
        input: Input,
        /// Number of the packet, from 0.
        packet: u64,
        /// What happened.
        what: &'static str,
        /// What FFmpeg said.
        #[source]
        source: Option<AvError>,
    },
    /// The encoder is not part of this build of FFmpeg.
    #[error("encoder {encoder} is not part of this build of FFmpeg: {hint}")]
    EncoderMissing {
        /// The encoder's name.
        encoder: String,
        /// What to do.
        hint: String,
    },
    /// The encoder is for a codec that is not written here.
    #[error("encoder {encoder} encodes {codec}, which cannot be written: {hint}")]
    EncoderForeign {
        /// The encoder's name.
        encoder: String,
        /// What it encodes.
        codec: String,
        /// What to do.
        hint: String,
    },
    /// The encoder does not take an option.
    #[error("encoder {encoder} does not take {option}: {reason}")]
    EncoderOption {
        /// The encoder's name.
        encoder: String,
        /// The option and its value.
        option: String,
        /// Why not.
        reason: String,
    },
    /// Encoding failed.
    #[error("encoder {encoder} failed{at}", at = .frame.map_or_else(String::new, |frame| format!(" on frame {frame}")))]
    Encode {
        /// The encoder's name.
        encoder: String,
        /// Number of the frame, from 0.
        frame: Option<u64>,
        /// What FFmpeg said.
        #[source]
        source: AvError,
    },
    /// A frame does not come after the one before.
    #[error("frame {frame} at {now} is not later than the one before, at {last}")]
    FrameOrder {
        /// Number of the frame, from 0.
        frame: u64,
        /// Its time.
        now: Timestamp,
        /// The time of the one before.
        last: Timestamp,
    },
    /// The output's extension names no container that is known.
    #[error("{path} names no container: use one of {known}", path = .path.display())]
    ContainerUnknown {
        /// The output's path.
        path: PathBuf,
        /// The extensions that are known.
        known: String,
    },
    /// The container cannot hold a stream of the source.
    #[error("container {container} cannot hold {stream}: {reason}")]
    StreamIncompatible {
        /// The container's name.
        container: &'static str,
        /// The stream, by its number, kind and codec.
        stream: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The output cannot be created.
    #[error("{path} cannot be written", path = .path.display())]
    OutputUnwritable {
        /// The output's path.
        path: PathBuf,
        /// What FFmpeg said.
        #[source]
        source: AvError,
    },
    /// Writing the container failed.
    #[error("writing {path} failed", path = .path.display())]
    Mux {
        /// The output's path.
        path: PathBuf,
        /// What FFmpeg said.
        #[source]
        source: AvError,
    },
    /// The device is full.
    #[error("no space is left on the device of {path}", path = .path.display())]
    DiskFull {
        /// The output's path.
        path: PathBuf,
    },
    /// A written file cannot be read back.
    #[error("{path} cannot be read back: {reason}", path = .path.display())]
    OutputUnreadable {
        /// The output's path.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A size or a format that cannot be handled.
    #[error(transparent)]
    Frame(#[from] rave_core::Error),
    /// An allocation failed.
    #[error("out of memory in FFmpeg")]
    OutOfMemory,
}

impl CodedError for Error {
    fn code(&self) -> Code {
        match self {
            Self::InputMissing { .. } => Code::InputMissing,
            Self::InputUnreadable { .. } => Code::InputUnreadable,
            Self::InputNotMedia { .. } => Code::InputNotMedia,
            Self::InputNoVideo { .. } => Code::InputNoVideo,
            Self::InputNoFrames { .. } => Code::InputNoFrames,
            Self::InputEncrypted { .. } => Code::InputEncrypted,
            Self::InputOption { .. } => Code::OptionInvalid,
            Self::Demux { .. } => Code::DemuxFailed,
            Self::DecoderMissing { .. } => Code::DecoderMissing,
            Self::Decode { .. } => Code::DecodeFailed,
            Self::EncoderMissing { .. } | Self::EncoderForeign { .. } => Code::EncoderMissing,
            Self::EncoderOption { .. } => Code::EncoderOptions,
            Self::Encode { .. } | Self::FrameOrder { .. } => Code::EncodeFailed,
            Self::ContainerUnknown { .. } => Code::ContainerUnknown,
            Self::StreamIncompatible { .. } => Code::StreamIncompatible,
            Self::OutputUnwritable { .. } => Code::OutputUnwritable,
            Self::Mux { .. } => Code::MuxFailed,
            Self::DiskFull { .. } => Code::DiskFull,
            Self::OutputUnreadable { .. } => Code::OutputUnreadable,
            Self::Frame(error) => error.code(),
            Self::OutOfMemory => Code::OutOfMemory,
        }
    }

    fn is_recoverable(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::OutOfMemory)
    }
}
