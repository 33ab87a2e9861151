use std::fmt;
use std::path::{Path, PathBuf};

use rave_core::{BoxError, Packet, Sink, TimeBase, Timestamp};

use crate::container::Family;
use crate::copy::{CopyReader, Queued};
use crate::dry_run::{self, CodecDelay};
use crate::input::file_url;
use crate::mux_setup::{self, Setup};
use crate::sys::{AvError, AvPacket, OutputContext, SubtitleConverter, ffi};
use crate::{
    Container, EncodedStream, Error, Input, MuxerOptions, StreamPlan, VideoStream, probe, stream_plan,
};

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct MuxSummary {
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Video packets written.
    pub video_packets: u64,
    /// What became of each stream of the source: as [planned](Muxer::plan), but that MP4 and QuickTime have no track for
    /// a stream without packets, and that covers are behind all tracks of MP4, those for chapters and timecode included.
    pub streams: Vec<StreamPlan>,
    /// For each copied or converted stream, its index in the source and the packets written.
    pub copied_packets: Vec<(usize, u64)>,
    /// Copied packets whose decoding time was moved, because it was not after the one before.
    pub moved_packets: u64,
    /// Packets of copied streams that are so damaged that the container does not take them.
    pub damaged_packets: u64,
    /// What was added to every timestamp of every stream, because the container has no times before zero or the
    /// source's clock is arbitrary. In the video's time base.
    pub timestamp_shift: Option<Timestamp>,
}

/// Writes packets into a container, with everything else that the source holds.
///
/// Other streams come from a second reader of the source and are written up to the video's decoding time, so that
/// memory is bounded. All timestamps are those of the source, so that sound and picture stay together; where the
/// container demands a shift, it is one for all streams and [reported](MuxSummary::timestamp_shift).
pub struct Muxer {
    path: PathBuf,
    container: Container,
    output: OutputContext,
    plan: Vec<StreamPlan>,
    notes: Vec<String>,
    video_index: usize,
    video_time_base: TimeBase,
    copies: Option<CopyReader>,
    /// By index in the output.
    tracks: Vec<Track>,
    /// Ticks of the video's time base; `None` until the first packets are there.
    shift_ticks: Option<i64>,
    clock_shift_ticks: i64,
    scratch: AvPacket,
    damaged_packets: u64,
    /// One past the last moment of the video so far.
    video_end: Option<Timestamp>,
    source: Option<Input>,
    /// Whether the file holds a part of the source.
    is_part: bool,
}

impl fmt::Debug for Muxer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Muxer").field("path", &self.path).field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// An output stream while it is written.
#[derive(Default)]
pub(crate) struct Track {
    pub(crate) source_index: Option<usize>,
    pub(crate) packets: u64,
    /// Packets whose decoding time was moved, because it was not after the one before.
    pub(crate) moved: u64,
    pub(crate) last_dts: Option<i64>,
    /// What is added to its times besides the shift, in seconds: Matroska's codec delay.
    pub(crate) delay: CodecDelay,
    pub(crate) converter: Option<SubtitleConverter>,
    pub(crate) is_cover: bool,
}

impl Muxer {
    /// Creates the file at `path`, whose extension does not matter, and writes its header.
    ///
    /// With `source`, the stream that the video was made from, everything else that its file holds is taken over, as far as
    /// `options` and the container allow.
    ///
    /// # Errors
    /// [`Error::StreamIncompatible`] if the container cannot hold the video or, with
    /// [`Incompatible::Refuse`](crate::Incompatible::Refuse), another stream: then nothing is created.
    /// [`Error::OutputUnwritable`], [`Error::DiskFull`] and [`Error::Mux`] if writing fails; those of
    /// [`probe`](crate::probe) if the source cannot be read again.
    pub fn create(
        path: &Path,
        container: &Container,
        video: &EncodedStream,
        source: Option<&VideoStream>,
        options: &MuxerOptions,
    ) -> Result<Self, Error> {
        crate::encoder_choice::check_container(video.codec(), container)?;
        let setup = Setup::new(container, source, options)?;
        tracing::debug!(path = %path.display(), %container, plan = ?setup.plan, "muxer");
        let unwritable = |source: AvError| match source {
            error if error.is_disk_full() => Error::DiskFull { path: path.to_owned() },
            source => Error::OutputUnwritable { path: path.to_owned(), source },
        };
        let rotation = dry_run::check_rotation(video, container, options, path)?;
        let ratio = mux_setup::check_aspect_ratio(video, container, options)?;
        let delays = dry_run::codec_delays(setup.reader.as_ref(), container, path);
        let mut output = OutputContext::create(container.format(), &file_url(path)).map_err(unwritable)?;
        let written = mux_setup::write_header(&mut output, setup, &delays, container, video, options)
            .map_err(|error| write_error(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            container: *container,
            output,
            plan: written.plan,
            notes: written.notes.into_iter().chain(rotation).chain(ratio).collect(),
            video_index: written.video_index,
            video_time_base: video.time_base(),
            copies: written.copies,
            tracks: written.tracks,
            shift_ticks: None,
            clock_shift_ticks: written.clock_shift_ticks,
            scratch: AvPacket::new().map_err(|_| Error::OutOfMemory)?,
            damaged_packets: 0,
            video_end: None,
            source: source.map(|stream| stream.shared.input.clone()),
            is_part: source.is_some_and(|stream| !stream.is_whole()),
        })
    }

    /// What becomes of each stream of the source, in the source's order. Empty without a source.
    pub fn plan(&self) -> &[StreamPlan] {
        &self.plan
    }

    /// What of the whole file the container has no place for, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Completes the file like [`finish`](Sink::finish), but ends the copied streams where the video ends: for a job
    /// that is cut short.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and [`Error::Mux`] if writing fails, [`Error::Demux`] if reading the source does; those of
    /// [`probe`] if an MP4 with a cover cannot be read back.
    pub fn finish_at_video_end(mut self) -> Result<MuxSummary, Error> {
        self.is_part = true;
        self.shift_ticks.get_or_insert(self.clock_shift_ticks);
        if let Some(end) = self.video_end {
            let last = end.plus_ticks(-1);
            self.read_past(last)?;
            while let Some(queued) = self.copies.as_mut().and_then(|copies| copies.next_due(last)) {
                if queued.time <= last {
                    self.write_copy(queued)?;
                }
            }
        }
        self.complete()
    }

    fn complete(self) -> Result<MuxSummary, Error> {
        let streams = self.streams();
        let bytes = self.output.finish().map_err(|error| write_error(&self.path, error))?;
        let covers = covers(&self.tracks);
        let streams = match self.container.family() {
            Family::Mov if !covers.is_empty() => {
                stream_plan::with_covers(streams, &covers, &places_of_covers(&self.path)?)
            }
            _ => streams,
        };
        let is_copied = |track: &&Track| track.source_index.is_some();
        let copied = |track: &Track| Some((track.source_index?, track.packets));
        let shift_ticks = self.shift_ticks.filter(|&ticks| ticks != 0);
        Ok(MuxSummary {
            bytes,
            video_packets: self.tracks[self.video_index].packets,
            streams,
            copied_packets: self.tracks.iter().filter_map(copied).collect(),
            moved_packets: self.tracks.iter().filter(is_copied).map(|track| track.moved).sum(),
            damaged_packets: self.damaged_packets,
            timestamp_shift: shift_ticks.map(|ticks| Timestamp::new(ticks, self.video_time_base)),
        })
    }

    /// What became of each stream, once every packet is written.
    fn streams(&self) -> Vec<StreamPlan> {
        let reason = match self.is_part {
            true => "it has no packet in this part of the source",
            false => "it has no packet",
        };
        let track = |stream: &StreamPlan| {
            self.tracks.iter().find(|track| track.source_index == Some(stream.source_index))
        };
        let is_empty = |stream: &StreamPlan| track(stream).is_some_and(|track| track.packets == 0);
        // Tracks of text have a packet at their end that the muxer itself writes.
        let is_left_out = |stream: &StreamPlan| {
            self.container.family() == Family::Mov
                && is_empty(stream)
                && stream.output_codec() != Some("mov_text")
        };
        let streams = stream_plan::without(&self.plan, is_left_out, reason);
        stream_plan::with_moved(streams, |stream| track(stream).map_or(0, |track| track.moved))
    }

    fn read_error(&self, source: AvError) -> Error {
        match &self.source {
            Some(input) => Error::Demux { input: input.clone(), source },
            None => write_error(&self.path, source),
        }
    }

    fn read_past(&mut self, limit: Timestamp) -> Result<(), Error> {
        match self.copies.as_mut().map(|copies| copies.read_past(limit)) {
            Some(Err(error)) => Err(self.read_error(error)),
            _ => Ok(()),
        }
    }

    /// Writes what is due before the video's packet, then that.
    fn write_video(&mut self, packet: &Packet) -> Result<(), Error> {
        if let Some(limit) = packet.dts.or(packet.pts) {
            self.read_past(limit)?;
            self.settle_shift(packet);
            while let Some(queued) = self.copies.as_mut().and_then(|copies| copies.next_due(limit)) {
                self.write_copy(queued)?;
            }
        }
        let end = packet.pts.map(|pts| pts.plus_ticks(packet.duration_ticks.unwrap_or(1)));
        self.video_end = self.video_end.max(end);
        let time_base = packet.pts.or(packet.dts).map_or(self.video_time_base, Timestamp::time_base);
        self.load(packet).map_err(|_| Error::OutOfMemory)?;
        let packet = std::mem::replace(&mut self.scratch, AvPacket::new().map_err(|_| Error::OutOfMemory)?);
        self.scratch = self.write_packet(packet, self.video_index, time_base)?;
        Ok(())
    }

    fn load(&mut self, packet: &Packet) -> Result<(), AvError> {
        self.scratch.set_data(&packet.data)?;
        for data in &packet.side_data {
            self.scratch.add_side_data(data.kind, &data.data)?;
        }
        self.scratch.set_times(
            packet.pts.map(Timestamp::ticks),
            packet.dts.map(Timestamp::ticks),
            packet.duration_ticks,
        );
        self.scratch.set_flags(if packet.is_key { ffi::AV_PKT_FLAG_KEY } else { 0 });
        Ok(())
    }

    fn write_copy(&mut self, queued: Queued) -> Result<(), Error> {
        let source_index = queued.packet.stream_index();
        let track = self.tracks.iter().position(|track| track.source_index == Some(source_index));
        let Some(track) = track else {
            return Ok(());
        };
        let mut packet = queued.packet;
        if packet.dts().is_none() {
            let ticks = Some(queued.time.ticks());
            packet.set_times(packet.pts().or(ticks), ticks, packet.duration());
        }
        match self.tracks[track].converter.as_mut().map(|converter| converter.convert(&mut packet)) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return Ok(()),
            Some(Err(AvError::NO_MEMORY)) => return Err(Error::OutOfMemory),
            Some(Err(_)) => {
                self.damaged_packets += 1;
                return Ok(());
            }
        }
        match self.write_packet(packet, track, queued.time_base) {
            // A damaged packet that the container's bitstream filter does not understand: the others are fine.
            Err(Error::Mux { source: AvError::INVALID_DATA, .. }) => self.damaged_packets += 1,
            result => drop(result?),
        }
        Ok(())
    }

    /// Rescales the times to the output's time base and writes it.
    fn write_packet(
        &mut self,
        mut packet: AvPacket,
        track: usize,
        time_base: TimeBase,
    ) -> Result<AvPacket, Error> {
        let to = self.output.time_base(track);
        let shift = Timestamp::new(self.shift_ticks.unwrap_or(0), self.video_time_base);
        let shift_ticks = shift.rescale(time_base).ticks() + self.tracks[track].delay.ticks(time_base);
        let rescale =
            |ticks: i64| Timestamp::new(ticks, time_base).plus_ticks(shift_ticks).rescale(to).ticks();
        let duration = packet.duration().map(|ticks| Timestamp::new(ticks, time_base).rescale(to).ticks());
        let (mut pts, mut dts) = (packet.pts().map(rescale), packet.dts().map(rescale));
        let least = self.tracks[track].last_dts.map(|last| {
            if self.container.format().allows_equal_dts() { last } else { last.saturating_add(1) }
        });
        if let (Some(given), Some(least)) = (dts, least)
            && given < least
        {
            self.tracks[track].moved += 1;
            dts = Some(least);
            pts = pts.map(|pts| pts.max(least));
        }
        packet.set_times(pts, dts, duration);
        packet.set_stream_index(track);
        packet.forget_position();
        self.output.write(&mut packet).map_err(|error| write_error(&self.path, error))?;
        self.tracks[track].last_dts = dts.or(self.tracks[track].last_dts);
        self.tracks[track].packets += 1;
        Ok(packet)
    }

    /// Decides once how far all timestamps are moved so that the first ones are not before zero.
    fn settle_shift(&mut self, video: &Packet) {
        if self.shift_ticks.is_some() {
            return;
        }
        let clock_shift = Timestamp::new(self.clock_shift_ticks, self.video_time_base);
        let uses_pts = match self.container.family() {
            // The edit list of MP4 holds any start; what is before zero it hides, which is right for sound alone.
            Family::Mov => {
                let early = video.pts.map_or(0, |pts| -(pts.ticks() + self.clock_shift_ticks).min(0));
                self.shift_ticks = Some(self.clock_shift_ticks + early);
                return;
            }
            Family::Raw => {
                self.shift_ticks = Some(self.clock_shift_ticks);
                return;
            }
            Family::Matroska | Family::Ivf => true,
            Family::TransportStream | Family::Nut => false,
        };
        let seconds = |time: Timestamp| time.seconds() + clock_shift.seconds();
        let first = if uses_pts { video.pts.or(video.dts) } else { video.dts.or(video.pts) };
        let copies = self.copies.iter().flat_map(CopyReader::queued).map(|queued| {
            let pts = queued.packet.pts().filter(|_| uses_pts);
            let time = pts.map_or(queued.time, |ticks| Timestamp::new(ticks, queued.time_base));
            seconds(time) + self.delay_seconds(queued.packet.stream_index())
        });
        let earliest = copies.chain(first.map(seconds)).fold(0.0, f64::min);
        let tick = self.video_time_base.seconds_per_tick().to_f64();
        self.shift_ticks = Some(self.clock_shift_ticks + (-earliest / tick).ceil() as i64);
    }

    fn delay_seconds(&self, source_index: usize) -> f64 {
        let track = self.tracks.iter().find(|track| track.source_index == Some(source_index));
        track.map_or(0.0, |track| track.delay.seconds())
    }

    fn write_rest(&mut self) -> Result<(), Error> {
        self.shift_ticks.get_or_insert(self.clock_shift_ticks);
        while let Some(copies) = &mut self.copies {
            match copies.next() {
                Ok(Some(queued)) => self.write_copy(queued)?,
                Ok(None) => break,
                Err(error) => return Err(self.read_error(error)),
            }
        }
        Ok(())
    }
}

/// The covers among the copied streams, by index in the source.
fn covers(tracks: &[Track]) -> Vec<usize> {
    tracks.iter().filter(|track| track.is_cover).filter_map(|track| track.source_index).collect()
}

/// At which indexes a file has covers. How many tracks the muxer adds before them only the file tells.
fn places_of_covers(path: &Path) -> Result<Vec<usize>, Error> {
    let written = probe(&Input::from(path))?;
    let covers = written.streams.iter().filter(|stream| stream.is_attached_picture);
    Ok(covers.map(|stream| stream.index).collect())
}

fn write_error(path: &Path, source: AvError) -> Error {
    match source {
        error if error.is_disk_full() => Error::DiskFull { path: path.to_owned() },
        AvError::NO_MEMORY => Error::OutOfMemory,
        source => Error::Mux { path: path.to_owned(), source },
    }
}

impl Sink for Muxer {
    type Input = Packet;
    type Summary = MuxSummary;

    fn write(&mut self, packet: Packet) -> Result<(), BoxError> {
        Ok(self.write_video(&packet)?)
    }

    fn finish(mut self) -> Result<MuxSummary, BoxError> {
        self.write_rest()?;
        Ok(self.complete()?)
    }
}
