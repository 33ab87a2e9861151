mod core;
mod error;
mod fit;
mod options;
mod pace;
mod pictures;
mod report;
mod session;
mod sessions;
pub(crate) mod surface;
mod worker;

use std::fmt;

use rave_core::{BoxError, DeviceTimes, Frame, FrameInfo, Packet, Stage, VideoInfo};
use rave_cuda::{CudaFrame, Pool};

use crate::decoder::core::{Core, Picture};
use crate::decoder::pace::{Pace, Stamp};
use crate::decoder::report::count;
use crate::{Codec, NvdecLibrary};

pub use error::{DecodeError, Refusal};
pub use options::{CodedVideo, DecoderOptions, Deinterlace};
pub use report::{DecodeReport, DecodeReportHandle};
pub use sessions::{DecodeSessions, SessionOptions};

/// Packets to frames in GPU memory, through one NVDEC session.
///
/// Frames come in the order of presentation and have the size, the pixel format and the colour of [`info`](Self::info):
///
/// - 4:2:0 is semi-planar (NV12, P010, P012), 4:4:4 is planar, 4:0:0 is grey. The pixels are those of the display area.
/// - The colour is the sequence header's where that is known when the decoder is made and says something, otherwise that
///   of [`CodedVideo::info`] (of `rave-ffmpeg` this is the first decoded frame's, then the container's). A header that
///   comes later and says otherwise is counted.
/// - A stream that changes its size is scaled to the first; to other chroma or depth it is [`Refusal::Changed`].
/// - Timestamps are those of the packets, as they were; missing ones follow the frame rate, those that do not rise are
///   moved after the one before.
///
/// It works on the device's primary context and on a stream of its own, and keeps the library loaded.
///
/// ```no_run
/// use rave_core::{BoxError, Packet, Stage, VideoInfo};
/// use rave_cuda::{Device, Pool, PoolOptions};
/// use rave_nvcodec::{Codec, CodedVideo, DecoderOptions, NvDecoder, NvdecLibrary};
///
/// /// Decodes packets of H.264 with start codes.
/// fn decode(info: VideoInfo, packets: Vec<Packet>) -> Result<u64, BoxError> {
///     let pool = Pool::new(&Device::open(0)?, PoolOptions::default());
///     let video = CodedVideo { codec: Codec::H264, extradata: Vec::new(), info };
///     let mut decoder = NvDecoder::new(&NvdecLibrary::open()?, &pool, &video, &DecoderOptions::default())?;
///     let mut consume = |frame: rave_cuda::CudaFrame| println!("{}", frame.info().pts);
///     for packet in packets {
///         decoder.process(packet, &mut consume)?;
///     }
///     decoder.finish(&mut consume)?;
///     Ok(decoder.report().get().concealed_frames)
/// }
/// ```
pub struct NvDecoder {
    core: Core,
    stamper: Stamper,
    report: DecodeReportHandle,
}

impl fmt::Debug for NvDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NvDecoder")
            .field("info", self.core.info())
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl NvDecoder {
    /// Asks the device for its capabilities and makes a parser; the decoder itself is made with the first sequence header.
    ///
    /// # Errors
    /// [`DecodeError::Refused`] if the device does not decode such a stream; [`DecodeError::Call`] and
    /// [`DecodeError::Cuda`] if the driver or the device fails.
    pub fn new(
        library: &NvdecLibrary,
        pool: &Pool,
        video: &CodedVideo,
        options: &DecoderOptions,
    ) -> Result<Self, DecodeError> {
        let report = DecodeReportHandle::new(1);
        let core = Core::new(library, pool, video, options, &report)?;
        let stamper = Stamper::new(core.info(), &report);
        Ok(Self { core, stamper, report })
    }

    /// What is true of every frame.
    pub fn info(&self) -> &VideoInfo {
        self.core.info()
    }

    /// Counts that can be read while the decoder works.
    pub fn report(&self) -> DecodeReportHandle {
        self.report.clone()
    }
}

impl Stage for NvDecoder {
    type Input = Packet;
    type Output = CudaFrame;

    fn process(&mut self, packet: Packet, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        let Self { core, stamper, .. } = self;
        Ok(core.decode(&packet, &mut |picture| emit(stamper.stamp(picture)))?)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(CudaFrame)) -> Result<(), BoxError> {
        let Self { core, stamper, .. } = self;
        core.drain(&mut |picture| emit(stamper.stamp(picture)))?;
        Ok(stamper.check(core.codec(), core.packets())?)
    }

    fn device_times(&self) -> Option<DeviceTimes> {
        Some(self.report.device_times())
    }
}

/// Gives pictures their times, in the order of presentation, and counts them.
struct Stamper {
    pace: Pace,
    report: DecodeReportHandle,
}

impl Stamper {
    fn new(info: &VideoInfo, report: &DecodeReportHandle) -> Self {
        Self { pace: Pace::new(info), report: report.clone() }
    }

    fn stamp(&mut self, picture: Picture) -> CudaFrame {
        let (pts, duration) =
            picture.timing.map_or((None, None), |timing| (timing.pts, timing.duration_ticks));
        let stamp = self.pace.next(pts, duration, picture.shown_fields);
        if stamp.is_reconstructed {
            count(&self.report.0.reconstructed_timestamps);
        }
        count(&self.report.0.frames);
        let Stamp { pts, duration_ticks, .. } = stamp;
        let info = FrameInfo { pts, duration_ticks, field_order: picture.field_order };
        let (layout, color) = (*picture.frame.layout(), picture.frame.color());
        Frame::new(picture.frame.into_buffer(), layout, color, info)
            .expect("the buffer held this layout before")
    }

    /// Whether anything came out of so many packets.
    fn check(&self, codec: Codec, packets: u64) -> Result<(), DecodeError> {
        match self.report.get().frames {
            0 => Err(DecodeError::NoFrames { codec, packets }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rave_core::{ColorSpec, PixelFormat, TimeBase};

    use super::*;

    pub(crate) fn video() -> VideoInfo {
        VideoInfo::new(PixelFormat::YUV420P, (1920, 1080), ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
    }
}
