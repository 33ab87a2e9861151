use std::path::Path;

use rave_core::{Rational, TimeBase, Timestamp};

use crate::sys::{AvPacket, InputContext};
use crate::{DemuxerOptions, Error, Input, demuxer, describe};

/// The presentation times of a file's video frames, in order, without decoding: what a player shows.
///
/// Packets that an edit list trims are left out. A raw stream has no times: then its packets are counted and given
/// those of its frame rate. `stream` is the index of the stream, or the best video stream if `None`.
///
/// # Errors
/// As [`Demuxer::open`](crate::Demuxer::open) for what cannot be opened; [`Error::Demux`] if reading fails.
pub fn read_video_timestamps(path: &Path, stream: Option<usize>) -> Result<Vec<Timestamp>, Error> {
    let input = Input::from(path);
    let mut context = demuxer::open(&input, &DemuxerOptions::default())?;
    let index = demuxer::choose(&input, &describe::media(&context), stream)?;
    context.discard_unless(|other| other == index);
    let stream = context.stream(index).expect("the index was chosen from the streams");
    let (time_base, rate) = (stream.time_base(), demuxer::frame_rate(stream));
    let mut times = Vec::new();
    let mut untimed = 0;
    read_packets(&input, &mut context, |packet| {
        if packet.stream_index() != index || packet.flags() & crate::sys::ffi::AV_PKT_FLAG_DISCARD != 0 {
            return;
        }
        match packet.pts().or_else(|| packet.dts()) {
            Some(ticks) => times.push(Timestamp::new(ticks, time_base)),
            None => untimed += 1,
        }
    })?;
    times.sort_unstable();
    times.extend(reconstructed(untimed, time_base, rate));
    Ok(times)
}

fn read_packets(
    input: &Input,
    context: &mut InputContext,
    mut each: impl FnMut(&AvPacket),
) -> Result<(), Error> {
    let mut packet = AvPacket::new().map_err(|_| Error::OutOfMemory)?;
    while context.read(&mut packet).map_err(|source| Error::Demux { input: input.clone(), source })? {
        each(&packet);
    }
    Ok(())
}

fn reconstructed(count: i64, time_base: TimeBase, rate: Option<Rational>) -> impl Iterator<Item = Timestamp> {
    let period = rate.map_or_else(|| time_base, |rate| rate.inverse().into());
    (0..count).map(move |index| Timestamp::new(index, period).rescale(time_base))
}
