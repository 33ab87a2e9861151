use rave_core::{FrameInfo, HostFrame, HostPool, Layout, VideoInfo};

use crate::sys::{AvFrame, PixelDescriptor, Scaler, Shape};
use crate::{Error, format};

/// Copies or converts decoded frames into pooled host memory.
pub(crate) struct Converter {
    info: VideoInfo,
    layout: Layout,
    shape: Shape,
    target: Shape,
    pool: HostPool,
    /// The last format that was compared, and whether its planes are those of the target.
    compared: Option<(i32, bool)>,
    scaler: Option<Scaler>,
}

/// So that rows start where vector instructions like it.
const ROW_ALIGNMENT_BYTES: usize = 64;

impl Converter {
    pub(crate) fn new(info: &VideoInfo, source_format: i32) -> Result<Self, Error> {
        let layout = Layout::aligned(info.format, info.width, info.height, ROW_ALIGNMENT_BYTES)?;
        let target = format::descriptor(info.format).map_or(source_format, |target| target.number());
        let (width, height) = (info.width, info.height);
        Ok(Self {
            info: *info,
            layout,
            shape: Shape { width, height, format: source_format },
            target: Shape { width, height, format: target },
            pool: HostPool::new(),
            compared: None,
            scaler: None,
        })
    }

    pub(crate) fn memory(&self) -> (HostPool, usize) {
        (self.pool.clone(), self.layout.size_bytes())
    }

    /// The frame, and whether it was not of the first frame's size and format.
    pub(crate) fn convert(&mut self, frame: &AvFrame, info: FrameInfo) -> Result<(HostFrame, bool), Error> {
        let shape = Shape { width: frame.width(), height: frame.height(), format: frame.format() };
        let mut host = HostFrame::from_pool(&self.pool, self.layout, self.info.color, info);
        let order = format::plane_order(self.info.format);
        let buffer = host.buffer_mut().as_bytes_mut();
        if self.is_native(shape) {
            frame.copy_to(&self.layout, order, buffer);
        } else {
            let layout = self.layout;
            self.scaler(shape)?.scale(frame, &layout, order, buffer).map_err(|_| Error::OutOfMemory)?;
        }
        Ok((host, shape != self.shape))
    }

    /// Whether the frame has the target's size and memory arrangement.
    fn is_native(&mut self, shape: Shape) -> bool {
        (shape.width, shape.height) == (self.target.width, self.target.height)
            && self.is_arranged(shape.format)
    }

    /// Formats are compared by their names, which is not done for every frame.
    fn is_arranged(&mut self, number: i32) -> bool {
        match self.compared {
            Some((known, is_arranged)) if known == number => is_arranged,
            _ => {
                let source = PixelDescriptor::from_number(number);
                let is_arranged =
                    source.is_some_and(|source| format::is_arranged_as(source, self.info.format));
                self.compared = Some((number, is_arranged));
                is_arranged
            }
        }
    }

    fn scaler(&mut self, shape: Shape) -> Result<&mut Scaler, Error> {
        if self.scaler.as_ref().is_none_or(|scaler| scaler.from() != shape) {
            let scaler = Scaler::new(shape, self.target, self.info.color.range).map_err(|_| {
                rave_core::Error::Format {
                    format: PixelDescriptor::from_number(shape.format)
                        .map_or_else(|| shape.format.to_string(), |source| source.name()),
                    action: "converted by swscale",
                }
            })?;
            self.scaler = Some(scaler);
        }
        Ok(self.scaler.as_mut().expect("made above"))
    }
}
