//! What releases of FFmpeg's muxers do differently, found by writing a few bytes and reading them.

use std::fs;
use std::path::Path;

use rave_core::{TimeBase, Timestamp};

use crate::container::Family;
use crate::input::file_url;
use crate::mux_setup;
use crate::range::ClockRange;
use crate::sys::{
    AvError, AvPacket, Dictionary, InputContext, NewStream, OutputContext, SideData, StreamRef,
};
use crate::{Container, EncodedStream, Error, Incompatible, MuxerOptions};

/// Matroska tells how much a decoder drops at the start, and readers subtract it from the times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CodecDelay {
    pub(crate) samples: i64,
    pub(crate) sample_rate: u32,
    /// Whether it has to be added here: some releases of FFmpeg's muxer do it, some do not.
    pub(crate) is_added_here: bool,
}

impl CodecDelay {
    pub(crate) fn seconds(self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.samples as f64 / f64::from(self.sample_rate) }
    }

    /// The ticks to add to a time.
    pub(crate) fn ticks(self, time_base: TimeBase) -> i64 {
        match TimeBase::new(1, i64::from(self.sample_rate)) {
            Ok(rate) if self.is_added_here => Timestamp::new(self.samples, rate).rescale(time_base).ticks(),
            _ => 0,
        }
    }
}

/// The delays of the source's streams, by index, where Matroska has to tell them.
pub(crate) fn codec_delays(
    reader: Option<&InputContext>,
    container: &Container,
    path: &Path,
) -> Vec<CodecDelay> {
    let Some(reader) = reader.filter(|_| container.family() == Family::Matroska) else {
        return Vec::new();
    };
    let mut delays: Vec<CodecDelay> = reader.streams().map(codec_delay).collect();
    let first = delays.iter().position(|delay| delay.samples > 0).and_then(|index| reader.stream(index));
    if let Some(stream) = first {
        let is_added_here = !adds_codec_delay(container, stream, path).unwrap_or(true);
        delays.iter_mut().for_each(|delay| delay.is_added_here = is_added_here);
    }
    delays
}

fn codec_delay(stream: StreamRef<'_>) -> CodecDelay {
    let parameters = stream.parameters();
    let is_opus = parameters.codec().as_deref() == Some("opus");
    match parameters.sample_rate() {
        sample_rate @ 1.. if is_opus => {
            CodecDelay { samples: parameters.initial_padding(), sample_rate, is_added_here: false }
        }
        _ => CodecDelay::default(),
    }
}

/// Whether this release's muxer adds the codec delay to the times, found by writing one packet to `path` and reading
/// it: the reader always subtracts it.
fn adds_codec_delay(container: &Container, stream: StreamRef<'_>, path: &Path) -> Result<bool, AvError> {
    const TICKS: i64 = 1000;
    let millis = TimeBase::new(1, 1000).map_err(|_| AvError::INVALID_DATA)?;
    let url = file_url(path);
    // Of one stereo stream: FFmpeg's parser does not find the packet below among several streams.
    let mut parameters = stream.parameters().to_owned()?;
    parameters.set_extradata(&opus_head(stream.parameters().initial_padding()))?;
    let mut output = OutputContext::create(container.format(), &url)?;
    output.add_stream(NewStream {
        parameters: parameters.as_ref(),
        codec_tag: 0,
        time_base: millis,
        sample_aspect_ratio: None,
        frame_rate: None,
        disposition: 0,
        metadata: Dictionary::new(),
        side_data: Vec::new(),
    })?;
    output.write_header(&mut Dictionary::new())?;
    let mut packet = AvPacket::new()?;
    packet.set_data(&[0xfc, 0xff, 0xfe])?;
    packet.set_times(Some(TICKS), Some(TICKS), Some(20));
    output.write(&mut packet)?;
    output.finish()?;
    let mut input = InputContext::open(&url, None, &mut Dictionary::new())?;
    input.read(&mut packet)?;
    let read = packet.pts().ok_or(AvError::INVALID_DATA)?;
    Ok((read - TICKS).abs() <= 1)
}

/// Opus's identification header (RFC 7845, 5.1) of stereo with this pre-skip.
fn opus_head(pre_skip: i64) -> Vec<u8> {
    let pre_skip = u16::try_from(pre_skip).unwrap_or(0).to_le_bytes();
    let mut head = b"OpusHead\x01\x02".to_vec();
    head.extend(pre_skip.into_iter().chain(48_000_u32.to_le_bytes()).chain([0; 3]));
    head
}

/// Refuses a container in which the picture would lose its rotation, or gives a sentence about the loss.
///
/// # Errors
/// [`Error::StreamIncompatible`], unless such things are to be dropped.
pub(crate) fn check_rotation(
    video: &EncodedStream,
    container: &Container,
    options: &MuxerOptions,
    path: &Path,
) -> Result<Option<String>, Error> {
    if video.shared.display_matrix.is_none() || keeps_rotation(video, container, path) {
        return Ok(None);
    }
    if options.incompatible == Incompatible::Drop {
        return Ok(Some(format!("{container} cannot hold the rotation of the video: it is left out")));
    }
    Err(Error::StreamIncompatible {
        container: container.name(),
        stream: "the rotation of the video".to_owned(),
        reason: "use .mp4 or .mov, have the pictures turned, or the rotation left out".to_owned(),
    })
}

fn keeps_rotation(video: &EncodedStream, container: &Container, path: &Path) -> bool {
    match container.family() {
        Family::Mov => true,
        Family::Matroska => {
            let is_kept = reads_rotation_back(video, container, path).unwrap_or(false);
            // A failure to remove it shows when the file itself is created.
            let _ = fs::remove_file(path);
            is_kept
        }
        Family::TransportStream | Family::Nut | Family::Raw | Family::Ivf => false,
    }
}

fn reads_rotation_back(video: &EncodedStream, container: &Container, path: &Path) -> Result<bool, AvError> {
    let url = file_url(path);
    let mut output = OutputContext::create(container.format(), &url)?;
    output.add_stream(mux_setup::encoded_stream(
        container,
        video,
        None,
        ClockRange::default(),
        &MuxerOptions::default(),
    )?)?;
    output.write_header(&mut Dictionary::new())?;
    output.finish()?;
    let input = InputContext::open(&url, None, &mut Dictionary::new())?;
    Ok(input.stream(0).is_some_and(|stream| stream.side_data(SideData::DisplayMatrix).is_some()))
}
