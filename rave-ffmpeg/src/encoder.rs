use rave_core::{BoxError, HostFrame, Packet, PixelFormat, Stage, VideoInfo};

use crate::{Container, EncoderOptions, Error};

/// An encoded video stream, as a container needs to know it.
#[derive(Clone, Debug)]
pub struct EncodedStream {}

/// Frames in host memory to packets, through libavcodec.
pub struct SoftwareEncoder {}

impl SoftwareEncoder {
    /// The pixel format to give the encoder for a source, and a notice for each way in which it differs.
    ///
    /// # Errors
    /// None yet.
    pub fn pixel_format(
        source: &VideoInfo,
        _options: &EncoderOptions,
    ) -> Result<(PixelFormat, Vec<String>), Error> {
        Ok((source.format, Vec::new()))
    }

    /// Opens the encoder.
    ///
    /// # Errors
    /// None yet.
    pub fn new(_info: &VideoInfo, _options: &EncoderOptions, _container: &Container) -> Result<Self, Error> {
        Err(Error::OutOfMemory)
    }

    /// The stream that comes out.
    pub fn stream(&self) -> EncodedStream {
        EncodedStream {}
    }

    /// The encoder and its settings, in one line.
    pub fn description(&self) -> String {
        String::new()
    }
}

impl Stage for SoftwareEncoder {
    type Input = HostFrame;
    type Output = Packet;

    fn process(&mut self, _frame: HostFrame, _emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        Ok(())
    }
}
