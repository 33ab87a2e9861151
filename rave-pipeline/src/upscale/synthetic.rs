//! Pictures and clips that the program makes itself, for measurements and checks.

use std::path::Path;

use rave_core::{
    BoxError, ChromaFilter, ColorSpec, FrameInfo, HostFrame, HostPool, Layout, PixelFormat, Range, Rational,
    Siting, TimeBase, Timestamp, VideoInfo,
};
use rave_cuda::{CudaConvert, CudaFrame, Pool, Upload};
use rave_ffmpeg::{Container, EncoderOptions, Muxer, MuxerOptions, SoftwareEncoder, VideoCodec};

use super::device::Network;
use super::line::{Line, LineIn};
use crate::{Chain, Control, Error};

/// Frames a second.
const RATE: i64 = 30;

/// Pictures of a size and format: a drifting pattern with fine detail, the same each time.
#[derive(Clone, Debug)]
pub(super) struct Synthetic {
    info: VideoInfo,
    layout: Layout,
}

impl Synthetic {
    /// # Errors
    /// [`rave_core::Error::Size`].
    pub(super) fn new(format: PixelFormat, (width, height): (u32, u32)) -> Result<Self, rave_core::Error> {
        let color = ColorSpec { siting: Siting::Left, range: Range::Limited, ..ColorSpec::BT709 };
        let rate = Rational::new(RATE, 1)?;
        let info = VideoInfo {
            frame_rate: Some(rate),
            ..VideoInfo::new(format, (width, height), color, TimeBase::new(1, RATE)?)
        };
        Ok(Self { info, layout: Layout::packed(format, width, height)? })
    }

    pub(super) const fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// Frame number `number`, of an integer format.
    pub(super) fn frame(&self, pool: &HostPool, number: u64) -> HostFrame {
        let pts = Timestamp::new(number.cast_signed(), self.info.time_base);
        let info = FrameInfo { duration_ticks: Some(1), ..FrameInfo::new(pts) };
        let mut frame = HostFrame::from_pool(pool, self.layout, self.info.color, info);
        let format = self.layout.format();
        let (bits, shift) = (u32::from(format.bits().unwrap_or(8)), format.sample_shift());
        for plane in 0..format.plane_count() {
            // 16 to 235 of 8 bits, whatever the depth.
            let code = |x, y| (16 + u32::from(pattern(x, y, plane as u64, number)) * 219 / 255) << (bits - 8);
            if bits == 8 {
                for (y, row) in frame.rows_mut::<u8>(plane).enumerate() {
                    row.iter_mut().enumerate().for_each(|(x, sample)| *sample = code(x, y) as u8);
                }
            } else {
                for (y, row) in frame.rows_mut::<u16>(plane).enumerate() {
                    row.iter_mut().enumerate().for_each(|(x, sample)| *sample = (code(x, y) << shift) as u16);
                }
            }
        }
        frame
    }
}

/// Soft waves that drift, edges at every 37th sample, and noise of a few codes.
fn pattern(x: usize, y: usize, plane: u64, number: u64) -> u8 {
    let (x, y, t) = (x as u64 + 2 * number, y as u64, number);
    let wave = |at: u64, length: u64| {
        let phase = at % (2 * length);
        (phase.min(2 * length - phase) * 80 / length) as u32
    };
    let edge = if (x / 37 + y / 37 + plane).is_multiple_of(2) { 60 } else { 0 };
    let noise =
        (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b) ^ t.wrapping_mul(0xc2b2_ae35)) >> 13 & 7;
    (wave(x + y, 97 + 20 * plane) + wave(2 * y + t, 61) + edge + noise as u32).min(255) as u8
}

/// Writes a clip of `count` frames.
///
/// # Errors
/// Those of the encoder and the muxer.
pub(super) fn write_clip(
    path: &Path,
    codec: VideoCodec,
    format: PixelFormat,
    size: (u32, u32),
    count: u64,
) -> Result<(), Error> {
    let pictures = Synthetic::new(format, size).map_err(Error::leaf)?;
    let container = Container::from_path(path).map_err(Error::leaf)?;
    let options =
        EncoderOptions { preset: Some("veryfast".into()), gop: Some(60), ..EncoderOptions::new(codec) };
    let encoder = SoftwareEncoder::new(pictures.info(), &options, &container).map_err(Error::leaf)?;
    let muxer = Muxer::create(path, &container, &encoder.stream(), None, &MuxerOptions::default());
    let pool = HostPool::new();
    let frames = (0..count).map(move |number| Ok::<_, BoxError>(pictures.frame(&pool, number)));
    let chain =
        Chain::source("synthetic", frames).then("encode", encoder).sink("mux", muxer.map_err(Error::leaf)?);
    chain.run(&Control::new(), |_| {}).map(drop)
}

/// Frames where the network wants them: each is a copy of one that is there.
pub(super) fn synthetic_line(pictures: &Synthetic, network: &Network, count: u64) -> Result<Line, Error> {
    let (info, frame) = (*pictures.info(), pictures.frame(&HostPool::new(), 0));
    Ok(match network {
        Network::Host(_) => {
            let (pool, frame_bytes) = (HostPool::new(), frame.layout().size_bytes());
            let chain = Chain::source("synthetic", copies(frame, pool.clone(), count));
            Line::Host(LineIn::new(chain, info).with_memory(Some((pool, frame_bytes))))
        }
        Network::Device(_, gpu) => {
            let chain = Chain::source("synthetic", device_copies(&gpu.pool, &info, &frame, count)?);
            Line::Device(LineIn::new(chain, info), gpu.pool.clone())
        }
    })
}

fn device_copies(
    pool: &Pool,
    info: &VideoInfo,
    frame: &HostFrame,
    count: u64,
) -> Result<impl Iterator<Item = Result<CudaFrame, BoxError>> + use<>, Error> {
    let frame = Upload::new(pool, info).and_then(|mut upload| upload.upload(frame)).map_err(Error::leaf)?;
    let copy = CudaConvert::new(pool, info, info.format, info.color, ChromaFilter::Bilinear);
    let mut copy = copy.map_err(Error::leaf)?;
    Ok((0..count).map(move |_| Ok(copy.convert(&frame)?)))
}

/// Copies of a frame, as many as are asked for.
pub(super) fn copies(
    frame: HostFrame,
    pool: HostPool,
    count: u64,
) -> impl Iterator<Item = Result<HostFrame, BoxError>> + use<> {
    (0..count).map(move |_| {
        let mut copy = HostFrame::from_pool(&pool, *frame.layout(), frame.color(), frame.info());
        copy.buffer_mut().as_bytes_mut().copy_from_slice(frame.buffer().as_bytes());
        Ok(copy)
    })
}
