//! Clips, decoders and comparisons for the tests of decoding.
#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses its part; all of it is test code")]

use std::path::{Path, PathBuf};

use rave_core::{
    BoxError, Chroma, HostFrame, Packet, Packing, PixelFormat, Sample, Stage, Timestamp, VideoInfo,
};
use rave_cuda::{CudaFrame, Device, Download, Pool, PoolOptions};
use rave_ffmpeg::{BitstreamFilter, Demuxer, DemuxerOptions, Input, SoftwareDecoder, VideoStream};
use rave_nvcodec::{
    Codec, CodedVideo, DecodeSessions, DecoderOptions, NvDecoder, NvdecLibrary, SessionOptions,
};

/// A GPU with NVDEC.
pub struct Gpu {
    pub pool: Pool,
    pub library: NvdecLibrary,
}

/// The first GPU; `None`, with the reason printed, where there is none. `RAVE_REQUIRE_GPU=1` makes that a failure.
pub fn gpu() -> Option<Gpu> {
    match open_gpu() {
        Ok(gpu) => Some(gpu),
        Err(reason) if std::env::var_os("RAVE_REQUIRE_GPU").is_some_and(|value| value == "1") => {
            panic!("RAVE_REQUIRE_GPU=1, but {reason}")
        }
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

fn open_gpu() -> Result<Gpu, BoxError> {
    let pool = Pool::new(&Device::open(0)?, PoolOptions::default());
    Ok(Gpu { pool, library: NvdecLibrary::open()? })
}

/// The folder of real media, or a printed reason why the test does nothing.
pub fn media() -> Option<PathBuf> {
    let folder = std::env::var_os("RAVE_MEDIA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: RAVE_MEDIA does not name the folder of test media");
    }
    folder
}

/// A file whose video was opened.
pub struct Clip {
    pub stream: VideoStream,
    pub packets: Vec<Packet>,
}

impl Clip {
    pub fn open(path: &Path) -> Result<Self, BoxError> {
        let demuxer = Demuxer::open(&Input::from(path), &DemuxerOptions::default())?;
        let stream = demuxer.video().clone();
        Ok(Self { stream, packets: demuxer.collect::<Result<_, _>>()? })
    }

    /// `None` for a codec that no GPU decodes.
    pub fn coded(&self) -> Option<CodedVideo> {
        let filter = BitstreamFilter::new(&self.stream).unwrap();
        Some(CodedVideo {
            codec: Codec::from_name(self.stream.codec_name())?,
            extradata: filter.extradata().to_vec(),
            info: *self.stream.info(),
        })
    }

    /// The packets as a GPU's decoder takes them.
    pub fn filtered(&self) -> Vec<Packet> {
        filter(&self.stream, &self.packets)
    }

    /// What libavcodec makes of it.
    pub fn software(&self) -> Result<Vec<HostFrame>, BoxError> {
        let mut decoder = SoftwareDecoder::new(&self.stream, &rave_ffmpeg::DecoderOptions::default())?;
        run(&mut decoder, self.packets.iter().cloned())
    }
}

pub fn filter(stream: &VideoStream, packets: &[Packet]) -> Vec<Packet> {
    run(&mut BitstreamFilter::new(stream).unwrap(), packets.iter().cloned()).unwrap()
}

/// Everything that a stage makes of its input.
pub fn run<S: Stage>(
    stage: &mut S,
    input: impl IntoIterator<Item = S::Input>,
) -> Result<Vec<S::Output>, BoxError> {
    let mut output = Vec::new();
    for item in input {
        stage.process(item, &mut |item| output.push(item))?;
    }
    stage.finish(&mut |item| output.push(item))?;
    Ok(output)
}

/// A decoder of either kind.
pub type HardwareDecoder = Box<dyn Stage<Input = Packet, Output = CudaFrame>>;

/// A decoder of so many sessions, 1 for the plain one, and what its frames are.
pub fn hardware(
    gpu: &Gpu,
    video: &CodedVideo,
    sessions: usize,
) -> Result<(HardwareDecoder, VideoInfo), BoxError> {
    if sessions == 1 {
        let decoder = NvDecoder::new(&gpu.library, &gpu.pool, video, &DecoderOptions::default())?;
        let info = *decoder.info();
        return Ok((Box::new(decoder), info));
    }
    let options = SessionOptions { sessions: std::num::NonZero::new(sessions), ..Default::default() };
    let decoder = DecodeSessions::new(&gpu.library, &gpu.pool, video, &options)?;
    let info = *decoder.info();
    Ok((Box::new(decoder), info))
}

/// Decodes on the GPU and hands each frame over in host memory.
pub fn decode(
    gpu: &Gpu,
    (mut decoder, info): (HardwareDecoder, VideoInfo),
    packets: impl IntoIterator<Item = Packet>,
    each: &mut dyn FnMut(HostFrame),
) -> Result<(), BoxError> {
    let mut download = Download::new(&gpu.pool, &info)?;
    let mut ready = Vec::new();
    for packet in packets {
        decoder.process(packet, &mut |frame| ready.push(frame))?;
        for frame in ready.drain(..) {
            download.process(frame, each)?;
        }
    }
    decoder.finish(&mut |frame| ready.push(frame))?;
    for frame in ready.drain(..) {
        download.process(frame, each)?;
    }
    download.finish(each)
}

/// The code values of a frame, component after component, whatever their arrangement.
pub fn codes(frame: &HostFrame) -> Vec<u16> {
    let format = frame.layout().format();
    let is_bytes = format.sample() == Sample::U8;
    let mut codes = Vec::new();
    for plane in 0..format.plane_count() {
        let samples: Vec<u16> = match is_bytes {
            true => frame.rows::<u8>(plane).flatten().map(|&code| code.into()).collect(),
            false => frame.rows::<u16>(plane).flatten().map(|&code| code >> format.sample_shift()).collect(),
        };
        match (format, plane) {
            (PixelFormat::Yuv { packing: Packing::SemiPlanar, .. }, 1) => {
                codes.extend(samples.iter().step_by(2));
                codes.extend(samples.iter().skip(1).step_by(2));
            }
            _ => codes.extend(samples),
        }
    }
    codes
}

/// The pictures of 8-bit 4:2:0 as planes one after the other, as conformance suites hash them.
pub fn i420(frame: &HostFrame) -> Vec<u8> {
    assert_eq!(frame.layout().format().chroma(), Some(Chroma::C420));
    codes(frame).iter().map(|&code| code as u8).collect()
}

pub fn ticks(frames: &[HostFrame]) -> Vec<i64> {
    frames.iter().map(|frame| frame.info().pts.ticks()).collect()
}

/// A number that pictures of other samples, or other times, hardly share.
pub fn digest(codes: &[u16], pts: Timestamp) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ pts.ticks().cast_unsigned();
    codes.iter().fold(start, |hash, &code| (hash ^ u64::from(code)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The least random numbers that damage needs, the same for the same seed.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// A damaged copy of a stream: bits flipped, packets cut off, emptied, left out, doubled, or the stream cut at its end.
pub fn damaged(packets: &[Packet], seed: u64) -> Vec<Packet> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut packets = packets.to_vec();
    for _ in 0..1 + numbers.below(8) {
        let index = numbers.below(packets.len());
        let Some(packet) = packets.get_mut(index) else { continue };
        let len = packet.data.len();
        match numbers.below(8) {
            0 => packet.data.truncate(numbers.below(len)),
            1 => packet.data.clear(),
            2 => drop(packets.remove(index)),
            3 => packets.insert(index, packets[index].clone()),
            4 => packets.truncate(index + 1),
            // The head holds what matters most.
            5 => flip(&mut packet.data, &mut numbers, 64),
            _ => flip(&mut packet.data, &mut numbers, usize::MAX),
        }
    }
    packets
}

fn flip(data: &mut [u8], numbers: &mut Numbers, head: usize) {
    for _ in 0..1 + numbers.below(16) {
        let at = numbers.below(data.len().min(head));
        if let Some(byte) = data.get_mut(at) {
            *byte ^= 1 << numbers.below(8);
        }
    }
}
