use super::{ChromaFilter, Converter, Dither};
use crate::{BoxError, ColorSpec, Error, Frame, HostFrame, HostPool, Layout, PixelFormat, Stage, VideoInfo};

/// Converts the frames of a stream to another format and colour: a [`Converter`] as a [`Stage`].
#[derive(Debug)]
pub struct Convert {
    converter: Converter,
    output: VideoInfo,
    layout: Layout,
    pool: HostPool,
}

impl Convert {
    /// A stage for the frames that `input` describes.
    ///
    /// # Errors
    /// As for [`Converter::new`].
    pub fn new(
        input: &VideoInfo,
        format: PixelFormat,
        color: ColorSpec,
        filter: ChromaFilter,
    ) -> Result<Self, Error> {
        Self::with_dither(input, format, color, filter, Dither::None)
    }

    /// As [`new`](Self::new), with integer samples dithered.
    ///
    /// # Errors
    /// As for [`Converter::new`].
    pub fn with_dither(
        input: &VideoInfo,
        format: PixelFormat,
        color: ColorSpec,
        filter: ChromaFilter,
        dither: Dither,
    ) -> Result<Self, Error> {
        let size = (input.width, input.height);
        let sides = ((input.format, input.color), (format, color));
        let converter = Converter::with_dither(sides.0, sides.1, size, filter, dither)?;
        let layout = Layout::packed(format, size.0, size.1)?;
        Ok(Self { converter, output: VideoInfo { format, color, ..*input }, layout, pool: HostPool::new() })
    }

    /// What the emitted frames are.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output
    }

    /// The pool that its frames come from, and what each of them takes, in bytes.
    pub fn memory(&self) -> (HostPool, usize) {
        (self.pool.clone(), self.layout.size_bytes())
    }

    /// Converts one frame; its time and field order stay. Its colour is taken to be that of the [`VideoInfo`].
    ///
    /// # Errors
    /// [`Error::Layout`] if format or size are not those of the [`VideoInfo`] that the stage was built from.
    pub fn convert(&mut self, frame: &HostFrame) -> Result<HostFrame, Error> {
        let mut output = Frame::from_pool(&self.pool, self.layout, self.output.color, frame.info());
        self.converter.convert(frame, &mut output)?;
        Ok(output)
    }
}

impl Stage for Convert {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, input: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        emit(self.convert(&input)?);
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        Ok(())
    }
}
