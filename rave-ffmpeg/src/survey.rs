//! A whole file, packet by packet, without decoding.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use rave_core::{Rational, TimeBase, Timestamp};

use crate::payload::Wrapping;
use crate::sys::{AvPacket, InputContext, Md5, StreamRef, ffi};
use crate::{DemuxerOptions, Error, Input, MediaInfo, StreamInfo, StreamKind, demuxer, describe, stream};

/// What the packets of a file are: how many, when, and a sum over what they hold.
///
/// Sums are made over the coded data alone, so that they are equal after a change of the container: lengths against
/// start codes of NAL units, parameter sets, prefix SEI of H.265, access unit delimiters, ADTS headers, temporal delimiters, and line ends of
/// subtitles do not count.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What the header says.
    pub media: MediaInfo,
    /// By index; `None` for streams that were not wanted.
    pub streams: Vec<Option<StreamSurvey>>,
}

/// The packets of one stream.
#[derive(Clone, Debug)]
pub struct StreamSurvey {
    /// MD5 over the coded data of all packets, one after the other; for an attachment over the file.
    pub checksum: Checksum,
    /// Length of the coded data.
    pub bytes: u64,
    /// The packets that hold something, in the file's order.
    pub packets: Vec<PacketRecord>,
    /// Packets that the container marks as damaged.
    pub corrupt_packets: u64,
    /// Whether the container chooses where a packet ends, as for uncompressed sound: then only the sum counts.
    pub is_continuous: bool,
    time_base: TimeBase,
    rate: Option<Rational>,
}

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRecord {
    /// Presentation time, or decoding time where there is none.
    pub time: Option<Timestamp>,
    /// How long it lasts, in ticks of the stream's time base.
    pub duration_ticks: Option<i64>,
    /// A short sum over its coded data, to find the first that differs.
    pub digest: u64,
    /// Whether an edit list trims it.
    pub is_discarded: bool,
}

/// An MD5 sum.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum([u8; 16]);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Survey {
    /// Reads every packet of the streams that `is_wanted` names. Memory grows by some bytes a packet.
    ///
    /// # Errors
    /// As for [`probe`](crate::probe); [`Error::Demux`] if reading fails.
    pub fn read(input: &Input, is_wanted: impl Fn(&StreamInfo) -> bool) -> Result<Self, Error> {
        let mut context = demuxer::open(input, &DemuxerOptions::default())?;
        let media = describe::media(&context);
        let wanted: Vec<bool> = media.streams.iter().map(is_wanted).collect();
        context.discard_unless(|index| wanted[index]);
        let mut readers = Vec::new();
        for (stream, &is_wanted) in context.streams().zip(&wanted) {
            readers.push(if is_wanted { Some(StreamReader::new(stream)?) } else { None });
        }
        read_packets(input, &mut context, &mut readers)?;
        let streams = readers.into_iter().map(|reader| reader.map(StreamReader::finish)).collect();
        Ok(Self { media, streams })
    }
}

impl StreamSurvey {
    /// When the last packet ends, as far as it tells how long it lasts.
    pub fn end(&self) -> Option<Timestamp> {
        let end = |packet: &PacketRecord| {
            let (start, duration) = (packet.time?, packet.duration_ticks.unwrap_or(0));
            Some(Timestamp::new(start.ticks().saturating_add(duration), start.time_base()))
        };
        self.packets.iter().filter_map(end).max()
    }

    /// Presentation times of what a player shows, in order: packets that an edit list trims are left out.
    ///
    /// A raw stream has no times: then its packets are given those of its frame rate.
    pub fn shown_times(&self) -> Vec<Timestamp> {
        let shown = || self.packets.iter().filter(|packet| !packet.is_discarded);
        let mut times: Vec<Timestamp> = shown().filter_map(|packet| packet.time).collect();
        times.sort_unstable();
        let untimed = shown().filter(|packet| packet.time.is_none()).count() as i64;
        times.extend(reconstructed(untimed, self.time_base, self.rate));
        times
    }
}

fn reconstructed(count: i64, time_base: TimeBase, rate: Option<Rational>) -> impl Iterator<Item = Timestamp> {
    let period = rate.map_or_else(|| time_base, |rate| rate.inverse().into());
    (0..count).map(move |index| Timestamp::new(index, period).rescale(time_base))
}

fn read_packets(
    input: &Input,
    context: &mut InputContext,
    readers: &mut [Option<StreamReader>],
) -> Result<(), Error> {
    let mut packet = AvPacket::new().map_err(|_| Error::OutOfMemory)?;
    while context.read(&mut packet).map_err(|source| Error::Demux { input: input.clone(), source })? {
        if let Some(Some(reader)) = readers.get_mut(packet.stream_index()) {
            reader.take(&packet);
        }
    }
    Ok(())
}

struct StreamReader {
    wrapping: Wrapping,
    sum: Md5,
    survey: StreamSurvey,
}

impl StreamReader {
    fn new(stream: StreamRef<'_>) -> Result<Self, Error> {
        let parameters = stream.parameters();
        let codec = parameters.codec().unwrap_or_default();
        let survey = StreamSurvey {
            checksum: Checksum([0; 16]),
            bytes: 0,
            packets: Vec::new(),
            corrupt_packets: 0,
            is_continuous: codec.starts_with("pcm_"),
            time_base: stream.time_base(),
            rate: stream::frame_rate(stream),
        };
        let sum = Md5::new().map_err(|_| Error::OutOfMemory)?;
        let mut reader = Self { wrapping: Wrapping::of(&codec, parameters.extradata()), sum, survey };
        if StreamKind::from(parameters.media_type()) == StreamKind::Attachment {
            reader.sum.update(parameters.extradata());
            reader.survey.bytes = parameters.extradata().len() as u64;
        }
        Ok(reader)
    }

    fn take(&mut self, packet: &AvPacket) {
        let mut digest = DefaultHasher::new();
        let mut bytes = 0;
        self.wrapping.pieces(packet.data(), |piece| {
            self.sum.update(piece);
            digest.write(piece);
            bytes += piece.len() as u64;
        });
        let survey = &mut self.survey;
        survey.bytes += bytes;
        survey.corrupt_packets += u64::from(packet.flags() & ffi::AV_PKT_FLAG_CORRUPT != 0);
        if bytes == 0 {
            return;
        }
        let ticks = packet.pts().or_else(|| packet.dts());
        survey.packets.push(PacketRecord {
            time: ticks.map(|ticks| Timestamp::new(ticks, survey.time_base)),
            duration_ticks: packet.duration(),
            digest: digest.finish(),
            is_discarded: packet.flags() & ffi::AV_PKT_FLAG_DISCARD != 0,
        });
    }

    fn finish(self) -> StreamSurvey {
        StreamSurvey { checksum: Checksum(self.sum.finish()), ..self.survey }
    }
}
