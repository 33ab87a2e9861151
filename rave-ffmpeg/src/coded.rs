//! What a stream says of itself when it is decoded.

use rave_core::{ColorSpec, ContentLight, MasteringDisplay, Rational};

use crate::sys::{
    AvFrame, AvPacket, DecoderContext, DecoderSettings, Received, SideData, StreamRef, codec_name,
};
use crate::{DemuxerOptions, Error, Input, StreamInfo, StreamKind, demuxer, describe, first_frame, stream};

/// The first decoded picture of a video stream, without the container's word.
#[derive(Clone, Debug, PartialEq)]
pub struct CodedPicture {
    /// FFmpeg's name of the pixel format that the decoder gives.
    pub pixel_format: String,
    /// Width in pixels, after cropping.
    pub width: u32,
    /// Height in pixels, after cropping.
    pub height: u32,
    /// Colour, as the bitstream says; FFmpeg fills in the container's word where it says nothing.
    pub color: ColorSpec,
    /// Width over height of one pixel.
    pub sample_aspect_ratio: Option<Rational>,
    /// HDR10 mastering display metadata of the bitstream (H.265, D.2.28; AV1, 5.8.4).
    pub mastering_display: Option<MasteringDisplay>,
    /// HDR10 content light level of the bitstream.
    pub content_light: Option<ContentLight>,
}

impl CodedPicture {
    /// Decodes until a picture of stream `index` comes out.
    ///
    /// # Errors
    /// As for [`Demuxer::open`](crate::Demuxer::open).
    pub fn read(input: &Input, index: usize) -> Result<Self, Error> {
        let mut context = demuxer::open(input, &DemuxerOptions::default())?;
        demuxer::choose(input, &describe::media(&context), Some(index))?;
        context.discard_unless(|other| other == index);
        let mut scratch = AvPacket::new().map_err(|_| Error::OutOfMemory)?;
        let frame = first_frame::find(input, &mut context, index, &mut scratch)?.frame;
        Ok(Self {
            pixel_format: stream::source_format(input, &frame)?.name(),
            width: frame.width(),
            height: frame.height(),
            color: frame.color(),
            sample_aspect_ratio: frame.sample_aspect_ratio(),
            mastering_display: frame
                .side_data(SideData::MasteringDisplay)
                .and_then(describe::mastering_display),
            content_light: frame.side_data(SideData::ContentLight).and_then(describe::content_light),
        })
    }
}

/// What decoding a stream to its end gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrialDecoding {
    /// Frames that came out: pictures, or pieces of sound.
    pub frames: u64,
    /// Packets that the decoder, asked to be strict, refused; and frames that it says it repaired.
    pub errors: u64,
}

/// Decodes the video and audio streams that `is_wanted` names to their end and throws the frames away.
///
/// By index; `None` for the other streams, and for those that have no decoder.
///
/// # Errors
/// As for [`probe`](crate::probe); [`Error::Demux`] if reading fails.
pub fn trial_decode(
    input: &Input,
    is_wanted: impl Fn(&StreamInfo) -> bool,
) -> Result<Vec<Option<TrialDecoding>>, Error> {
    let mut context = demuxer::open(input, &DemuxerOptions::default())?;
    let media = describe::media(&context);
    let is_decodable = |stream: &StreamInfo| matches!(stream.kind, StreamKind::Video | StreamKind::Audio);
    let wanted = |index: usize| is_decodable(&media.streams[index]) && is_wanted(&media.streams[index]);
    context.discard_unless(wanted);
    let mut trials = Vec::new();
    for stream in context.streams() {
        trials.push(if wanted(stream.index()) { Trial::open(stream)? } else { None });
    }
    let mut packet = AvPacket::new().map_err(|_| Error::OutOfMemory)?;
    while context.read(&mut packet).map_err(|source| Error::Demux { input: input.clone(), source })? {
        if let Some(Some(trial)) = trials.get_mut(packet.stream_index()).filter(|_| !packet.data().is_empty())
        {
            trial.feed(Some(&packet));
        }
    }
    Ok(trials.into_iter().map(|trial| trial.map(Trial::finish)).collect())
}

struct Trial {
    decoder: DecoderContext,
    frame: AvFrame,
    result: TrialDecoding,
}

impl Trial {
    fn open(stream: StreamRef<'_>) -> Result<Option<Self>, Error> {
        let settings = DecoderSettings {
            time_base: stream.time_base(),
            frame_rate: stream.average_frame_rate(),
            threads: 0,
            is_strict: true,
        };
        let frame = AvFrame::new().map_err(|_| Error::OutOfMemory)?;
        match DecoderContext::open(stream.parameters(), &settings) {
            Ok(Some(decoder)) => Ok(Some(Self { decoder, frame, result: TrialDecoding::default() })),
            Ok(None) => Ok(None),
            Err(error) => {
                let codec = codec_name(stream.parameters().codec_id());
                tracing::debug!(codec, %error, "the decoder does not open");
                Ok(None)
            }
        }
    }

    fn feed(&mut self, packet: Option<&AvPacket>) {
        while let Err(error) = self.decoder.send(packet) {
            let is_full = error == crate::AvError::AGAIN;
            if !is_full || !self.drain() {
                self.result.errors += u64::from(error != crate::AvError::EOF);
                break;
            }
        }
        self.drain();
    }

    /// Takes what is there; whether there was any.
    fn drain(&mut self) -> bool {
        const MAX_ERRORS_IN_A_ROW: u32 = 1000;
        let (mut took, mut errors) = (false, 0);
        while errors < MAX_ERRORS_IN_A_ROW {
            match self.decoder.receive(&mut self.frame) {
                Ok(Received::Item) => {
                    (took, errors) = (true, 0);
                    self.result.frames += 1;
                    self.result.errors += u64::from(self.frame.is_damaged());
                }
                Ok(Received::NeedsInput | Received::End) => return took,
                Err(_) => {
                    errors += 1;
                    self.result.errors += 1;
                }
            }
        }
        took
    }

    fn finish(mut self) -> TrialDecoding {
        self.feed(None);
        self.result
    }
}
