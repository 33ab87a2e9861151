//! The alpha channel of a video stream, as grey frames.

use rave_core::{
    ColorSpec, FrameInfo, HostFrame, HostPool, Layout, Packet, PixelFormat, Range, Sample, VideoInfo,
};

use crate::sys::{AvFrame, Component, PixelDescriptor, Scaler, Shape, ffi};
use crate::{Error, VideoStream, format};

/// Where a stream's alpha is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a component of the decoded frames.
    Within,
    /// In a stream of its own beside each packet, of the same codec: its luma.
    Beside,
}

impl VideoStream {
    /// The frames of its alpha channel: grey, of full range, of the picture's size; `None` if it has none that can be read.
    ///
    /// It is within the decoded samples, or beside the picture in each packet (VP8 and VP9 in Matroska, RFC 9559,
    /// 5.1.4.1.28.4); [`SoftwareDecoder::of_alpha`](crate::SoftwareDecoder::of_alpha) decodes either.
    pub fn alpha(&self) -> Option<VideoInfo> {
        let (_, component) = self.alpha_place()?;
        let format = PixelFormat::Gray { sample: Sample::Uint { bits: component.bits } };
        let color = ColorSpec { range: Range::Full, ..ColorSpec::default() };
        Some(VideoInfo { format, color, mastering_display: None, content_light: None, ..*self.info() })
    }

    fn alpha_place(&self) -> Option<(Place, Component)> {
        let source = PixelDescriptor::from_number(self.shared.source_format)?;
        let is_beside = self.shared.streams.get(self.index()).is_some_and(|info| info.has_added_alpha());
        match source.alpha() {
            Some(component) => Some((Place::Within, component)),
            None if is_beside => Some((Place::Beside, source.luma()?)),
            None => None,
        }
    }
}

/// Takes the alpha out of decoded frames.
pub(crate) struct AlphaReader {
    place: Place,
    layout: Layout,
    color: ColorSpec,
    shape: Shape,
    pool: HostPool,
    /// For frames of another size or depth than the first.
    scaler: Option<Scaler>,
}

impl AlphaReader {
    /// `None` if the stream has no alpha.
    pub(crate) fn new(stream: &VideoStream) -> Result<Option<Self>, Error> {
        let (Some(info), Some((place, _))) = (stream.alpha(), stream.alpha_place()) else { return Ok(None) };
        let info = stream.shared.crop.undone(&info);
        let format = format::descriptor(info.format).ok_or_else(|| unknown(info.format))?.number();
        Ok(Some(Self {
            place,
            layout: Layout::packed(info.format, info.width, info.height)?,
            color: info.color,
            shape: Shape { width: info.width, height: info.height, format },
            pool: HostPool::new(),
            scaler: None,
        }))
    }

    /// What of a packet the decoder is to get; `None` if the packet brings no alpha.
    pub(crate) fn payload<'a>(&self, packet: &'a Packet) -> Option<&'a [u8]> {
        match self.place {
            Place::Within => Some(&packet.data),
            Place::Beside => beside(packet),
        }
    }

    /// The alpha of a frame, and whether it was not of the first frame's size and depth. Frames without alpha are opaque.
    pub(crate) fn read(&mut self, frame: &AvFrame, info: FrameInfo) -> Result<(HostFrame, bool), Error> {
        let source = PixelDescriptor::from_number(frame.format());
        let component = source.and_then(|source| match self.place {
            Place::Within => source.alpha(),
            Place::Beside => source.luma(),
        });
        let Some(component) = component else { return Ok((self.opaque(info), true)) };
        let format = PixelFormat::Gray { sample: Sample::Uint { bits: component.bits } };
        let layout = Layout::packed(format, frame.width(), frame.height())?;
        let mut alpha = HostFrame::from_pool(&self.pool, layout, self.color, info);
        let plane = layout.planes()[0];
        let target = &mut alpha.buffer_mut().as_bytes_mut()[plane.offset_bytes..plane.end_bytes()];
        frame.copy_component(component, &plane, target);
        if layout == self.layout { Ok((alpha, false)) } else { Ok((self.scaled(alpha)?, true)) }
    }

    fn opaque(&self, info: FrameInfo) -> HostFrame {
        let mut frame = HostFrame::from_pool(&self.pool, self.layout, self.color, info);
        match self.layout.format().bits() {
            Some(bits) if bits > 8 => {
                frame.rows_mut::<u16>(0).for_each(|row| row.fill(u16::MAX >> (16 - bits)));
            }
            _ => frame.rows_mut::<u8>(0).for_each(|row| row.fill(u8::MAX)),
        }
        frame
    }

    fn scaled(&mut self, alpha: HostFrame) -> Result<HostFrame, Error> {
        let (info, layout) = (alpha.info(), *alpha.layout());
        let format = format::descriptor(layout.format()).ok_or_else(|| unknown(layout.format()))?.number();
        let from = Shape { width: layout.width(), height: layout.height(), format };
        let scaler = match self.scaler.take().filter(|scaler| scaler.from() == from) {
            Some(scaler) => scaler,
            None => Scaler::new(from, self.shape, Range::Full).map_err(|_| unknown(layout.format()))?,
        };
        let scaler = self.scaler.insert(scaler);
        let order = format::plane_order(layout.format());
        let frame = AvFrame::from_host(alpha, format, order).map_err(|_| Error::OutOfMemory)?;
        let mut target = HostFrame::from_pool(&self.pool, self.layout, self.color, info);
        let buffer = target.buffer_mut().as_bytes_mut();
        scaler.scale(&frame, &self.layout, order, buffer).map_err(|_| Error::OutOfMemory)?;
        Ok(target)
    }
}

fn unknown(format: PixelFormat) -> Error {
    rave_core::Error::Format { format: format.to_string(), action: "read as alpha" }.into()
}

/// What Matroska's block additions of the identifier 1 hold behind it, in FFmpeg's form: eight bytes, big-endian, then the
/// data.
fn beside(packet: &Packet) -> Option<&[u8]> {
    const KIND: i32 = ffi::AVPacketSideDataType::AV_PKT_DATA_MATROSKA_BLOCKADDITIONAL as i32;
    const ALPHA: [u8; 8] = 1_u64.to_be_bytes();
    let additions = packet.side_data.iter().filter(|data| data.kind == KIND);
    additions.filter_map(|data| data.data.strip_prefix(&ALPHA)).find(|payload| !payload.is_empty())
}
