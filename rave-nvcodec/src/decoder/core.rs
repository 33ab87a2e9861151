//! From packets to pictures in GPU memory, without times: what one decoder session does.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use rave_core::{
    ChromaFilter, ColorSpec, FieldOrder, FrameInfo, Kernel, Packet, PixelFormat, Range, Timestamp, VideoInfo,
};
use rave_cuda::{CudaConverter, CudaFrame, CudaResize, Pool, Stream, device_layout};

use crate::decoder::pace::FIELDS_PER_FRAME;
use crate::decoder::report::{Counters, DecodeReportHandle, count};
use crate::decoder::session::Session;
use crate::decoder::surface::{Sequence, copied_format, merged_color};
use crate::decoder::{CodedVideo, Corruption, DecoderOptions, Deinterlace};
use crate::parser::{CodedPicture, Event, Parser};
use crate::sys::cuvid;
use crate::timings::{PacketTiming, Timings};
use crate::{Capabilities, Codec, CodedFormat, DecodeError, NvdecLibrary, Refusal};

/// A decoded picture, whose frame has no time yet.
pub(crate) struct Picture {
    pub(crate) frame: CudaFrame,
    /// What its packet says of its time; `None` for a second picture of a packet.
    pub(crate) timing: Option<PacketTiming>,
    pub(crate) field_order: FieldOrder,
    /// For how many fields it is shown.
    pub(crate) shown_fields: i64,
}

/// What is known of the picture in a surface.
#[derive(Clone, Copy, Default)]
struct Surface {
    /// The packet that it came with, until it was shown.
    packet: Option<u64>,
    /// Whether it needs no other picture.
    is_key: bool,
}

/// One session: parser, decoder, and the stream on which pictures are copied out of it.
pub(crate) struct Core {
    library: NvdecLibrary,
    pool: Pool,
    stream: Stream,
    options: DecoderOptions,
    capabilities: Capabilities,
    info: VideoInfo,
    session: Option<Session>,
    parser: Parser,
    timings: Timings,
    /// The packet that is parsed, unless it shows nothing.
    current: Option<u64>,
    /// Packets that show a picture which was decoded before.
    repeats: VecDeque<u64>,
    /// What is known of the pictures in the surfaces, by the surface's number.
    surfaces: Vec<Surface>,
    fit: Option<Fit>,
    packets: u64,
    report: DecodeReportHandle,
}

impl Core {
    /// Sessions of one stream share `report`.
    pub(crate) fn new(
        library: &NvdecLibrary,
        pool: &Pool,
        video: &CodedVideo,
        options: &DecoderOptions,
        report: &DecodeReportHandle,
    ) -> Result<Self, DecodeError> {
        let capabilities = supported(library, pool, video)?;
        report.0.engines.store(capabilities.engines.into(), Ordering::Relaxed);
        let format = capabilities.format;
        let frame_format = format.frame_format().ok_or(Refusal::Format { format })?;
        let mut parser = Parser::new(library, video.codec, &video.extradata)?;
        let header = parser.announced().and_then(|header| Sequence::new(video.codec, header));
        let said = header.map_or_else(ColorSpec::default, |header| header.color);
        let info =
            VideoInfo { format: frame_format, color: merged_color(said, video.info.color), ..video.info };
        device_layout(info.format, info.width, info.height)?;
        Ok(Self {
            library: library.clone(),
            pool: pool.clone(),
            stream: pool.device().new_stream()?,
            options: *options,
            capabilities,
            info,
            session: None,
            parser,
            timings: Timings::default(),
            current: None,
            repeats: VecDeque::new(),
            surfaces: Vec::new(),
            fit: None,
            packets: 0,
            report: report.clone(),
        })
    }

    pub(crate) const fn info(&self) -> &VideoInfo {
        &self.info
    }

    pub(crate) const fn codec(&self) -> Codec {
        self.capabilities.format.codec
    }

    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Reads a packet and emits the pictures that are due, in the order of presentation.
    pub(crate) fn decode(
        &mut self,
        packet: &Packet,
        emit: &mut dyn FnMut(Picture),
    ) -> Result<(), DecodeError> {
        self.packets += 1;
        self.note(packet)?;
        if packet.data.is_empty() {
            return Ok(());
        }
        self.pool.device().bind()?;
        let codec = self.codec();
        let number = self.timings.keep(packet);
        self.current = codec.shows(&packet.data).then_some(number);
        self.parser.parse(&packet.data)?;
        if codec.repeats() && !self.parser.has_picture() {
            self.repeats.extend(self.current);
        }
        self.work(emit)
    }

    /// Emits what is held back: the stream, or a part of it that stands by itself, has ended.
    pub(crate) fn drain(&mut self, emit: &mut dyn FnMut(Picture)) -> Result<(), DecodeError> {
        self.pool.device().bind()?;
        self.parser.drain()?;
        self.work(emit)?;
        self.timings.clear();
        self.repeats.clear();
        if let Some(session) = &mut self.session {
            session.finish_copies();
        }
        Ok(())
    }

    fn counters(&self) -> &Counters {
        &self.report.0
    }

    fn note(&mut self, packet: &Packet) -> Result<(), DecodeError> {
        if packet.is_discarded {
            count(&self.counters().discarded_by_edit_list);
        }
        match (packet.is_corrupt, packet.data.is_empty()) {
            (true, _) => self.damage("the container marks it as damaged"),
            (false, true) => self.damage("it is empty"),
            (false, false) => Ok(()),
        }
    }

    /// Counts damage, or makes it an error.
    fn damage(&self, what: &'static str) -> Result<(), DecodeError> {
        if self.options.corruption == Corruption::Strict {
            let (codec, packet) = (self.codec(), self.packets.saturating_sub(1));
            return Err(DecodeError::Damaged { codec, packet, what });
        }
        count(&self.counters().corrupt_packets);
        Ok(())
    }

    fn work(&mut self, emit: &mut dyn FnMut(Picture)) -> Result<(), DecodeError> {
        while let Some(event) = self.parser.next_event() {
            match event {
                Event::Sequence(header) => self.begin(&header)?,
                Event::Decode(picture) => self.decode_picture(*picture)?,
                Event::Display(shown) => {
                    if let Some(picture) = self.show(&shown)? {
                        emit(picture);
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins a sequence: with the decoder that there is, with it reconfigured, or with a new one.
    fn begin(&mut self, header: &cuvid::VideoFormat) -> Result<(), DecodeError> {
        let codec = self.codec();
        let reason = "its sequence header makes no sense";
        let sequence = Sequence::new(codec, header).ok_or(DecodeError::Parser { codec, reason })?;
        self.check(&sequence)?;
        if merged_color(sequence.color, self.info.color) != self.info.color {
            count(&self.counters().color_conflicts);
        }
        if let Some(session) = &mut self.session
            && session.follow(sequence)?
        {
            return Ok(());
        }
        // The old one gives its memory back before a new one takes its own.
        self.session = None;
        let device = self.pool.device();
        self.session =
            Some(Session::new(&self.library, device, &self.stream, sequence, self.options.deinterlace)?);
        Ok(())
    }

    fn check(&self, sequence: &Sequence) -> Result<(), DecodeError> {
        let (from, to) = (self.capabilities.format, sequence.format);
        if from == to {
            return Ok(self.capabilities.check(sequence.coded.0, sequence.coded.1)?);
        }
        // The first picture alone may not tell: of grey H.264 libavcodec makes 4:2:0.
        let refusal = match Capabilities::ask(self.library.functions(), to)?.is_supported {
            true => Refusal::Changed { from, to },
            false => Refusal::Format { format: to },
        };
        Err(refusal.into())
    }

    fn session(&mut self) -> Result<&mut Session, DecodeError> {
        let codec = self.codec();
        self.session
            .as_mut()
            .ok_or(DecodeError::Parser { codec, reason: "a picture came before its sequence" })
    }

    fn decode_picture(&mut self, mut picture: CodedPicture) -> Result<(), DecodeError> {
        // The parser gives no negative ones.
        let index = picture.index().unsigned_abs() as usize;
        if self.surfaces.len() <= index {
            self.surfaces.resize(index + 1, Surface::default());
        }
        if !picture.is_second_field() {
            self.surfaces[index] = Surface { packet: self.current, is_key: picture.is_intra() };
        }
        self.session()?.decode(&mut picture)
    }

    /// What is known of a picture that is shown: its own packet's timing, once, and then that of packets that repeat it.
    fn recall(&mut self, shown: &cuvid::ParserDisplayInfo) -> (Option<PacketTiming>, bool) {
        let surface = self.surfaces.get_mut(shown.picture_index.unsigned_abs() as usize);
        let Some(surface) = surface else { return (None, false) };
        let own = surface.packet.take().and_then(|packet| self.timings.take(packet));
        let timing = own.or_else(|| self.timings.take(self.repeats.pop_front()?));
        (timing, surface.is_key)
    }

    fn show(&mut self, shown: &cuvid::ParserDisplayInfo) -> Result<Option<Picture>, DecodeError> {
        let (timing, is_key) = self.recall(shown);
        if timing.is_some_and(|timing| timing.is_discarded) {
            return Ok(None);
        }
        let sequence = *self.session()?.sequence();
        let mut frame = self.frame(copied_format(self.info.format), sequence.display)?;
        let status = self.session()?.copy(shown, &mut frame)?;
        self.judge(status)?;
        if is_key {
            count(&self.counters().key_frames);
        }
        Ok(Some(Picture {
            frame: self.fit(frame)?,
            timing,
            field_order: self.field_order(&sequence, shown),
            shown_fields: FIELDS_PER_FRAME + i64::from(shown.repeat_first_field.max(0)),
        }))
    }

    fn judge(&self, status: cuvid::DecodeStatus) -> Result<(), DecodeError> {
        if ![cuvid::DecodeStatus::ERROR, cuvid::DecodeStatus::ERROR_CONCEALED].contains(&status) {
            return Ok(());
        }
        count(&self.counters().concealed_frames);
        if self.options.corruption == Corruption::Strict {
            return self.damage("the decoder conceals damage");
        }
        Ok(())
    }

    fn frame(&self, format: PixelFormat, (width, height): (u32, u32)) -> Result<CudaFrame, DecodeError> {
        let layout = device_layout(format, width, height)?;
        let unset = FrameInfo {
            pts: Timestamp::new(0, self.info.time_base),
            duration_ticks: None,
            field_order: FieldOrder::Progressive,
        };
        Ok(self.pool.frame(layout, self.info.color, unset)?)
    }

    fn field_order(&self, sequence: &Sequence, shown: &cuvid::ParserDisplayInfo) -> FieldOrder {
        let is_kept = self.options.deinterlace == Deinterlace::Keep;
        match (sequence.is_progressive || shown.progressive_frame != 0, shown.top_field_first != 0) {
            (false, true) if is_kept => FieldOrder::TopFirst,
            (false, false) if is_kept => FieldOrder::BottomFirst,
            _ => FieldOrder::Progressive,
        }
    }

    /// The frame as [`info`](Self::info) describes it.
    fn fit(&mut self, frame: CudaFrame) -> Result<CudaFrame, DecodeError> {
        let size = (frame.layout().width(), frame.layout().height());
        let is_resized = size != (self.info.width, self.info.height);
        if frame.layout().format() == self.info.format && !is_resized {
            return Ok(frame);
        }
        if is_resized {
            count(&self.counters().resized_frames);
        }
        let fit = match self.fit.take() {
            Some(fit) if fit.size == size => fit,
            _ => Fit::new(&self.pool, &self.info, size)?,
        };
        let unpacked = match &fit.unpack {
            Some(_) => Some(self.frame(self.info.format, size)?),
            None => None,
        };
        self.fit.insert(fit).apply(&self.stream, frame, unpacked)
    }
}

/// What the device can do for a stream, if it can decode it.
fn supported(library: &NvdecLibrary, pool: &Pool, video: &CodedVideo) -> Result<Capabilities, DecodeError> {
    let format = CodedFormat::new(video.codec, video.info.format)?;
    let capabilities = Capabilities::query(library, pool.device(), format)?;
    capabilities.check(video.info.width, video.info.height)?;
    Ok(capabilities)
}

/// Makes of a picture as it is copied one that [`Core::info`] describes.
struct Fit {
    size: (u32, u32),
    unpack: Option<CudaConverter>,
    resize: Option<CudaResize>,
}

impl Fit {
    fn new(pool: &Pool, info: &VideoInfo, size: (u32, u32)) -> Result<Self, DecodeError> {
        let copied = copied_format(info.format);
        // Of limited range, 16 bits and fewer differ by a shift, which is what is wanted whatever the range.
        let color = ColorSpec { range: Range::Limited, ..ColorSpec::BT709 };
        let unpack = || {
            let (from, to) = ((copied, color), (info.format, color));
            CudaConverter::new(pool.device(), from, to, size, ChromaFilter::Bilinear)
        };
        let input = VideoInfo { width: size.0, height: size.1, ..*info };
        let wanted = (info.width, info.height);
        Ok(Self {
            size,
            unpack: (copied != info.format).then(unpack).transpose()?,
            resize: (size != wanted)
                .then(|| CudaResize::new(pool, &input, wanted, Kernel::CatmullRom))
                .transpose()?,
        })
    }

    /// `unpacked` is there if there is something to unpack.
    fn apply(
        &mut self,
        stream: &Stream,
        copied: CudaFrame,
        unpacked: Option<CudaFrame>,
    ) -> Result<CudaFrame, DecodeError> {
        let frame = match (&self.unpack, unpacked) {
            (Some(unpack), Some(mut unpacked)) => {
                unpack.convert(stream, &copied, &mut unpacked)?;
                unpacked
            }
            _ => copied,
        };
        match &mut self.resize {
            Some(resize) => Ok(resize.resize(&frame)?),
            None => Ok(frame),
        }
    }
}
