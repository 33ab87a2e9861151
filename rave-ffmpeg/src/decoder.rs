use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rave_core::{BoxError, FrameInfo, HostFrame, HostPool, Packet, Stage, Timestamp, VideoInfo};

use crate::alpha::AlphaReader;
use crate::beginning::Beginning;
use crate::clock::{Clock, Stamp};
use crate::convert::Converter;
use crate::crop::Cropper;
use crate::sys::{AvError, AvFrame, AvPacket, DecoderContext, DecoderSettings, Received, SideData, ffi};
use crate::{Corruption, DecoderOptions, Error, VideoStream};

/// What happened while decoding, as counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeReport {
    /// Frames that came out.
    pub frames: u64,
    /// Frames among them that the decoder says it repaired.
    pub concealed_frames: u64,
    /// Packets that the decoder refused or the container marks as damaged.
    pub corrupt_packets: u64,
    /// Frames whose timestamp was missing, or not after the one before, and was reconstructed.
    pub reconstructed_timestamps: u64,
    /// Packets that an edit list trims: decoded, not shown.
    pub discarded_by_edit_list: u64,
    /// Packets at the start that gave no frame, since their pictures refer to pictures before it.
    pub undecodable_at_start: u64,
    /// Frames that were scaled to the first one's size or converted to its format.
    pub resized_frames: u64,
}

#[derive(Default)]
struct Counters {
    frames: AtomicU64,
    concealed_frames: AtomicU64,
    corrupt_packets: AtomicU64,
    reconstructed_timestamps: AtomicU64,
    discarded_by_edit_list: AtomicU64,
    undecodable_at_start: AtomicU64,
    resized_frames: AtomicU64,
}

/// Counts of a decoder that can be read while it works on another thread.
#[derive(Clone, Default)]
pub struct DecodeReportHandle(Arc<Counters>);

impl DecodeReportHandle {
    /// The counts now.
    pub fn get(&self) -> DecodeReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DecodeReport {
            frames: read(&self.0.frames),
            concealed_frames: read(&self.0.concealed_frames),
            corrupt_packets: read(&self.0.corrupt_packets),
            reconstructed_timestamps: read(&self.0.reconstructed_timestamps),
            discarded_by_edit_list: read(&self.0.discarded_by_edit_list),
            undecodable_at_start: read(&self.0.undecodable_at_start),
            resized_frames: read(&self.0.resized_frames),
        }
    }
}

impl std::fmt::Debug for DecodeReportHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Packets to frames in host memory, through libavcodec.
///
/// Frames have the size and the pixel format of [`VideoStream::info`]; a stream that changes either is scaled to the
/// first. Rows are copied as they are; formats that RAVE does not have are repacked by swscale, which never changes
/// range or matrix.
pub struct SoftwareDecoder {
    stream: VideoStream,
    context: DecoderContext,
    corruption: Corruption,
    packet: AvPacket,
    frame: AvFrame,
    info: VideoInfo,
    wanted: Wanted,
    cropper: Cropper,
    clock: Clock,
    beginning: Beginning,
    report: DecodeReportHandle,
    packets: u64,
    last_error: Option<AvError>,
    saw_encryption: bool,
    /// Whether what comes is only needed to decode what is wanted.
    is_preroll: bool,
}

impl fmt::Debug for SoftwareDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareDecoder")
            .field("stream", &self.stream)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// What is taken from decoded frames.
enum Wanted {
    Picture(Converter),
    Alpha(AlphaReader),
}

impl Wanted {
    fn payload<'a>(&self, packet: &'a Packet) -> Option<&'a [u8]> {
        match self {
            Self::Picture(_) => Some(&packet.data),
            Self::Alpha(reader) => reader.payload(packet),
        }
    }

    /// The frame, and whether it was not of the first one's size and format.
    fn take(&mut self, frame: &AvFrame, info: FrameInfo) -> Result<(HostFrame, bool), Error> {
        match self {
            Self::Picture(converter) => converter.convert(frame, info),
            Self::Alpha(reader) => reader.read(frame, info),
        }
    }
}

impl SoftwareDecoder {
    /// Opens the decoder, with frame and slice threads.
    ///
    /// # Errors
    /// [`Error::DecoderMissing`] if this build of FFmpeg has none; [`Error::InputNoFrames`] if it does not open.
    pub fn new(stream: &VideoStream, options: &DecoderOptions) -> Result<Self, Error> {
        let whole = stream.shared.crop.undone(stream.info());
        let converter = Converter::new(&whole, stream.shared.source_format)?;
        Self::of(stream, options, *stream.info(), Wanted::Picture(converter))
    }

    /// Opens the decoder for the stream's alpha channel alone, as [`VideoStream::alpha`] describes it; `None` if it has
    /// none. Packets that bring no alpha give no frame.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn of_alpha(stream: &VideoStream, options: &DecoderOptions) -> Result<Option<Self>, Error> {
        let (Some(info), Some(reader)) = (stream.alpha(), AlphaReader::new(stream)?) else { return Ok(None) };
        Self::of(stream, options, info, Wanted::Alpha(reader)).map(Some)
    }

    fn of(
        stream: &VideoStream,
        options: &DecoderOptions,
        info: VideoInfo,
        wanted: Wanted,
    ) -> Result<Self, Error> {
        let shared = &stream.shared;
        let settings = DecoderSettings {
            time_base: shared.info.time_base,
            frame_rate: shared.info.frame_rate,
            threads: options.threads.map_or(0, |threads| i32::try_from(threads.get()).unwrap_or(i32::MAX)),
            is_strict: options.corruption == Corruption::Strict,
        };
        let opened = DecoderContext::open(shared.parameters.as_ref(), &settings).map_err(|error| {
            if error.is_out_of_memory() {
                return Error::OutOfMemory;
            }
            let reason = format!("the {} decoder does not open: {error}", shared.codec_name);
            Error::InputNoFrames { input: shared.input.clone(), stream: shared.index, reason }
        })?;
        let context = opened.ok_or_else(|| Error::DecoderMissing { codec: shared.codec_name.clone() })?;
        let is_entered = shared.is_untimed || shared.range.start.is_some();
        let is_whole = !is_entered && matches!(wanted, Wanted::Picture(_));
        Ok(Self {
            context,
            beginning: if is_whole { Beginning::of_stream() } else { Beginning::unknown() },
            corruption: options.corruption,
            packet: AvPacket::new().map_err(|_| Error::OutOfMemory)?,
            frame: AvFrame::new().map_err(|_| Error::OutOfMemory)?,
            cropper: Cropper::new(shared.crop, &info)?,
            info,
            wanted,
            clock: Clock::new(stream),
            report: DecodeReportHandle::default(),
            packets: 0,
            last_error: None,
            saw_encryption: false,
            is_preroll: shared.range.start.is_some(),
            stream: stream.clone(),
        })
    }

    /// What is true of every frame.
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// The pool that its frames come from, and what each of them takes, in bytes; `None` if they are cut or read in another way.
    pub fn memory(&self) -> Option<(HostPool, usize)> {
        match &self.wanted {
            Wanted::Picture(converter) if !self.stream.is_cropped() => Some(converter.memory()),
            Wanted::Picture(_) | Wanted::Alpha(_) => None,
        }
    }

    /// Counts that can be read while the decoder works.
    pub fn report(&self) -> DecodeReportHandle {
        self.report.clone()
    }

    fn load(&mut self, packet: &Packet, payload: &[u8]) -> Result<(), AvError> {
        let ticks = |time: Option<Timestamp>| {
            time.map(|time| time.rescale(self.stream.shared.info.time_base).ticks())
        };
        let (pts, dts) = (ticks(packet.pts), ticks(packet.dts));
        self.packet.set_data(payload)?;
        for data in &packet.side_data {
            self.packet.add_side_data(data.kind, &data.data)?;
        }
        self.packet.set_times(pts, dts, packet.duration_ticks);
        self.beginning.packet(pts.filter(|_| !packet.is_discarded));
        let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
        self.packet.set_flags(
            flag(packet.is_key, ffi::AV_PKT_FLAG_KEY)
                | flag(packet.is_discarded, ffi::AV_PKT_FLAG_DISCARD)
                | flag(packet.is_corrupt, ffi::AV_PKT_FLAG_CORRUPT),
        );
        Ok(())
    }

    fn note(&mut self, packet: &Packet) -> Result<(), Error> {
        let is_encryption = |kind: i32| kind == SideData::Encryption.number();
        self.saw_encryption |= packet.side_data.iter().any(|data| is_encryption(data.kind));
        if packet.is_discarded && !self.is_preroll {
            count(&self.report.0.discarded_by_edit_list);
        }
        if packet.is_corrupt {
            self.damage("the container marks it as damaged", None)?;
        }
        Ok(())
    }

    /// Counts damage, or makes it an error.
    fn damage(&mut self, what: &'static str, source: Option<AvError>) -> Result<(), Error> {
        if source == Some(AvError::NO_MEMORY) {
            return Err(Error::OutOfMemory);
        }
        self.last_error = source.or(self.last_error);
        if self.is_preroll {
            return Ok(());
        }
        if self.corruption == Corruption::Strict {
            let (codec, input) = (self.stream.shared.codec_name.clone(), self.stream.shared.input.clone());
            let packet = self.packets.saturating_sub(1);
            return Err(Error::Decode { codec, input, packet, what, source });
        }
        count(&self.report.0.corrupt_packets);
        Ok(())
    }

    /// Gives the decoder the loaded packet, or the end, and takes what comes out.
    fn feed(&mut self, is_end: bool, emit: &mut dyn FnMut(HostFrame)) -> Result<(), Error> {
        loop {
            let sent = self.context.send((!is_end).then_some(&self.packet));
            let is_full = sent == Err(AvError::AGAIN);
            match sent {
                Ok(()) | Err(AvError::AGAIN) => {}
                // The end was told before: a decoder that failed says so again.
                Err(AvError::EOF) => return Ok(()),
                Err(error) => self.damage("the decoder refuses it", Some(error))?,
            }
            let took = self.drain(emit)?;
            if !is_full {
                return Ok(());
            }
            if !took {
                return self.damage("the decoder takes no input and gives no output", Some(AvError::AGAIN));
            }
        }
    }

    /// Takes frames until there are none; whether there was any.
    fn drain(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<bool, Error> {
        /// A decoder that reports nothing but errors is given up.
        const MAX_ERRORS_IN_A_ROW: u32 = 1000;
        let mut took = false;
        let mut errors = 0;
        while errors < MAX_ERRORS_IN_A_ROW {
            match self.context.receive(&mut self.frame) {
                Ok(Received::Item) => {
                    errors = 0;
                    took = true;
                    let stamp = self.clock.stamp(&self.frame);
                    let lost = self.beginning.frame(stamp.pts.ticks()) as u64;
                    self.report.0.undecodable_at_start.fetch_add(lost, Ordering::Relaxed);
                    self.is_preroll &= self.stream.shared.range.is_before(stamp.pts);
                    if self.stream.shows(stamp.pts) {
                        emit(self.convert(stamp)?);
                    }
                }
                Ok(Received::NeedsInput | Received::End) => return Ok(took),
                Err(error) => {
                    errors += 1;
                    self.damage("the decoder fails on it", Some(error))?;
                }
            }
        }
        Ok(took)
    }

    fn convert(&mut self, stamp: Stamp) -> Result<HostFrame, Error> {
        if self.frame.is_damaged() {
            if self.corruption == Corruption::Strict {
                self.damage("the decoder conceals damage", None)?;
            }
            count(&self.report.0.concealed_frames);
        }
        if stamp.is_reconstructed {
            count(&self.report.0.reconstructed_timestamps);
        }
        let info = FrameInfo {
            pts: stamp.pts,
            duration_ticks: stamp.duration_ticks,
            field_order: self.frame.field_order(),
        };
        let (frame, is_resized) = self.wanted.take(&self.frame, info)?;
        if is_resized {
            count(&self.report.0.resized_frames);
        }
        count(&self.report.0.frames);
        Ok(self.cropper.apply(frame))
    }

    fn no_frames(&self) -> Error {
        let (input, stream) = (self.stream.shared.input.clone(), self.stream.index());
        if self.saw_encryption {
            let reason = "the container says how its samples are encrypted";
            return Error::InputEncrypted { input, stream, reason };
        }
        if !self.stream.is_whole() && self.last_error.is_none() && self.packets > 0 {
            let reason = "no frame is shown in it".to_owned();
            return Error::InputOption { option: "time range", input, reason };
        }
        let reason = match (self.packets, self.last_error) {
            (0, _) => "the file holds no data for it".to_owned(),
            (packets, Some(error)) => format!("the decoder says of {packets} packets: {error}"),
            (packets, None) => format!("the decoder gives nothing for {packets} packets"),
        };
        Error::InputNoFrames { input, stream, reason }
    }
}

impl Stage for SoftwareDecoder {
    type Input = Packet;
    type Output = HostFrame;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        self.packets += 1;
        self.note(&packet)?;
        if packet.data.is_empty() && packet.side_data.is_empty() {
            // An empty packet would mean the end to the decoder.
            return Ok(self.damage("it is empty", None)?);
        }
        let Some(payload) = self.wanted.payload(&packet) else { return Ok(()) };
        self.load(&packet, payload).map_err(|_| Error::OutOfMemory)?;
        Ok(self.feed(false, emit)?)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        self.feed(true, emit)?;
        // No alpha at all is nothing to complain of: such frames are opaque.
        if self.report.get().frames == 0 && matches!(self.wanted, Wanted::Picture(_)) {
            return Err(self.no_frames().into());
        }
        Ok(())
    }
}
