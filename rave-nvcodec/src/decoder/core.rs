//! From packets to pictures in GPU memory, without times: what one decoder session does.

use std::sync::atomic::Ordering;

use rave_core::{ColorSpec, Corruption, FieldOrder, FrameInfo, Packet, PixelFormat, Timestamp, VideoInfo};
use rave_cuda::{CudaFrame, Pool, Stream, device_layout};

use crate::coded_picture::CodedPicture;
use crate::decoder::fit::Fit;
use crate::decoder::pace::FIELDS_PER_FRAME;
use crate::decoder::pictures::{Pictures, Recalled};
use crate::decoder::report::{Counters, DecodeReportHandle, count};
use crate::decoder::session::Session;
use crate::decoder::surface::{Sequence, copied_format, merged_color};
use crate::decoder::{CodedVideo, DecoderOptions, Deinterlace};
use crate::entry::Entry;
use crate::parser::{Event, Parser};
use crate::sys::cuvid;
use crate::timings::PacketTiming;
use crate::{Capabilities, Codec, CodedFormat, DecodeError, NvdecLibrary, Refusal};

/// A decoded picture, whose frame has no time yet.
pub(crate) struct Picture {
    pub(crate) frame: CudaFrame,
    /// The number of its packet; `None` for a second picture of a packet.
    pub(crate) packet: Option<u64>,
    /// What its packet says of its time; `None` for a second picture of a packet.
    pub(crate) timing: Option<PacketTiming>,
    pub(crate) field_order: FieldOrder,
    /// For how many fields it is shown.
    pub(crate) shown_fields: i64,
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
    entry: Entry,
    parser: Parser,
    pictures: Pictures,
    /// Pictures that the hardware refused, one after the other.
    refused: u32,
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
        let copied = copied_format(info.format);
        if copied != info.format {
            // While a picture is unpacked it is there twice.
            pool.expect(device_layout(copied, info.width, info.height)?.size_bytes(), 1);
        }
        Ok(Self {
            library: library.clone(),
            pool: pool.clone(),
            stream: pool.device().new_stream()?,
            options: *options,
            capabilities,
            info,
            session: None,
            entry: Entry::new(video.codec),
            parser,
            pictures: Pictures::default(),
            refused: 0,
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

    /// The number that the next packet will have.
    pub(crate) const fn next_packet(&self) -> u64 {
        self.pictures.next_packet()
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
        if !codec.is_plausible(&packet.data) {
            return self.damage("its header makes no sense");
        }
        if !self.entry.admits(&packet.data) {
            count(&self.counters().undecodable_at_start);
            return Ok(());
        }
        self.pictures.begin(codec, packet);
        // Of interlaced video a packet may hold two fields, which the parser takes for two pictures and wants one at a time.
        match self.session.as_ref().is_some_and(|session| session.sequence().is_progressive) {
            true => self.parser.parse(&packet.data)?,
            false => codec.fields(&packet.data).into_iter().try_for_each(|field| self.parser.parse(field))?,
        }
        if !self.parser.has_picture() {
            self.pictures.repeat(codec);
        }
        self.work(emit)
    }

    /// Emits what is held back: the stream, or a part of it that stands by itself, has ended.
    pub(crate) fn drain(&mut self, emit: &mut dyn FnMut(Picture)) -> Result<(), DecodeError> {
        self.pool.device().bind()?;
        self.parser.drain()?;
        self.work(emit)?;
        self.pictures.clear();
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
                Event::Decode(mut picture) => {
                    self.decode_picture(&mut picture)?;
                    self.parser.give_back(picture);
                }
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
        let (device, times) = (self.pool.device(), &self.report.0.times);
        let deinterlace = self.options.deinterlace;
        let session = Session::new(&self.library, device, &self.stream, sequence, deinterlace, times)?;
        self.session = Some(session);
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

    fn decode_picture(&mut self, picture: &mut CodedPicture) -> Result<(), DecodeError> {
        /// The parameters are those of the picture.
        const INVALID_VALUE: i32 = 1;
        const MOST_REFUSED: u32 = 60;
        self.pictures.submit(picture);
        match self.session()?.decode(picture) {
            Err(DecodeError::Call { status: INVALID_VALUE, .. }) if self.refused < MOST_REFUSED => {
                self.refused += 1;
                self.pictures.refuse(picture);
                self.damage("the hardware refuses its picture")
            }
            result => {
                self.refused = 0;
                result
            }
        }
    }

    fn show(&mut self, shown: &cuvid::ParserDisplayInfo) -> Result<Option<Picture>, DecodeError> {
        let Recalled { packet, timing, is_key, is_refused } = self.pictures.recall(shown);
        if is_refused || timing.is_some_and(|timing| timing.is_discarded) {
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
            packet,
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
            Some(fit) if fit.size() == size => fit,
            _ => Fit::new(&self.pool, &self.info, size)?,
        };
        let unpacked = fit.unpacks().then(|| self.frame(self.info.format, size)).transpose()?;
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
