use std::path::Path;

use rave_core::{BoxError, Packet, Sink, Timestamp};

use crate::{Container, EncodedStream, Error, Input, MuxerOptions, StreamKind, VideoStream};

/// What becomes of a stream of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// Index in the source.
    pub source_index: usize,
    /// What it holds.
    pub kind: StreamKind,
    /// FFmpeg's name of the codec.
    pub codec: Option<String>,
    /// What becomes of it.
    pub outcome: StreamOutcome,
}

/// What becomes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamOutcome {
    /// It is the video that was worked on.
    Encoded {
        /// Index in the output.
        output_index: usize,
    },
    /// It is taken over as it is.
    Copied {
        /// Index in the output.
        output_index: usize,
    },
    /// It is left out.
    Dropped {
        /// Why.
        reason: String,
    },
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct MuxSummary {
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Video packets written.
    pub video_packets: u64,
    /// For each copied stream, its index in the source and the packets written.
    pub copied_packets: Vec<(usize, u64)>,
    /// What was added to every timestamp of every stream, where the container demands it.
    pub timestamp_shift: Option<Timestamp>,
}

/// Writes packets into a container, with everything else that the source holds.
pub struct Muxer {
    plan: Vec<StreamPlan>,
}

impl Muxer {
    /// Creates the file.
    ///
    /// # Errors
    /// None yet.
    pub fn create(
        _path: &Path,
        _container: &Container,
        _video: &EncodedStream,
        _source: Option<(&Input, &VideoStream)>,
        _options: &MuxerOptions,
    ) -> Result<Self, Error> {
        Err(Error::OutOfMemory)
    }

    /// What becomes of each stream of the source.
    pub fn plan(&self) -> &[StreamPlan] {
        &self.plan
    }
}

impl Sink for Muxer {
    type Input = Packet;
    type Summary = MuxSummary;

    fn write(&mut self, _packet: Packet) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(self) -> Result<MuxSummary, BoxError> {
        Ok(MuxSummary { bytes: 0, video_packets: 0, copied_packets: Vec::new(), timestamp_shift: None })
    }
}
