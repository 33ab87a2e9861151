//! The emulated NVDEC, and the commands that tests give it.

use rave_core::{BoxError, ColorSpec, HostFrame, Packet, PixelFormat, Stage, TimeBase, Timestamp, VideoInfo};
use rave_cuda::{CudaFrame, Device, Download, Pool, PoolOptions};
use rave_nvcodec::{Codec, CodedVideo, DecoderOptions, NvDecoder, NvdecLibrary};

/// The emulated driver and NVDEC; `None` with anything else.
pub struct Emulated {
    pub pool: Pool,
    pub library: NvdecLibrary,
    pub live: libloading::Library,
}

pub fn emulated() -> Option<Emulated> {
    // SAFETY: the same library that is opened below.
    let live = unsafe { libloading::Library::new("libnvcuvid.so.1") };
    // SAFETY: as declared in nvcuvid.cpp; it is not called here.
    let live =
        live.ok().filter(|live| unsafe { live.get::<unsafe extern "C" fn() -> i32>("fake_live") }.is_ok());
    let Some(live) = live else {
        println!("skipped: NVDEC is not the emulated one");
        return None;
    };
    let pool = Pool::new(&Device::open(0).unwrap(), PoolOptions::default());
    Some(Emulated { pool, library: NvdecLibrary::open().unwrap(), live })
}

impl Emulated {
    pub fn decoder(&self, video: &CodedVideo) -> NvDecoder {
        NvDecoder::new(&self.library, &self.pool, video, &DecoderOptions::default()).unwrap()
    }

    /// Parsers and decoders that were not destroyed.
    pub fn live(&self) -> i32 {
        // SAFETY: as declared in nvcuvid.cpp.
        unsafe { self.live.get::<unsafe extern "C" fn() -> i32>("fake_live").unwrap()() }
    }

    /// That nothing is left, on the device and in the driver.
    pub fn assert_clean(&self) {
        assert_eq!((self.pool.health().used_bytes, self.live()), (0, 0));
    }

    pub fn host(&self, info: &VideoInfo, frames: Vec<CudaFrame>) -> Vec<HostFrame> {
        let mut download = Download::new(&self.pool, info).unwrap();
        let mut host = Vec::new();
        for frame in frames {
            download.process(frame, &mut |frame| host.push(frame)).unwrap();
        }
        download.finish(&mut |frame| host.push(frame)).unwrap();
        host
    }
}

pub const TICKS: (i64, i64) = (1, 1000);

pub fn at(ticks: i64) -> Timestamp {
    Timestamp::new(ticks, TimeBase::new(TICKS.0, TICKS.1).unwrap())
}

pub fn video(format: PixelFormat, (width, height): (u32, u32)) -> CodedVideo {
    let info =
        VideoInfo::new(format, (width, height), ColorSpec::BT709, TimeBase::new(TICKS.0, TICKS.1).unwrap());
    let codec = if format == PixelFormat::YUV420P { Codec::H264 } else { Codec::Hevc };
    CodedVideo { codec, extradata: Vec::new(), info }
}

pub fn packet(commands: &[Vec<u8>]) -> Packet {
    Packet { data: [&[0xfe][..], &commands.concat()].concat(), ..Packet::default() }
}

pub fn timed(commands: &[Vec<u8>], ticks: i64) -> Packet {
    Packet { pts: Some(at(ticks)), duration_ticks: Some(40), ..packet(commands) }
}

pub const SURFACES: u16 = 2;
pub const INTERLACED: u8 = 1;
pub const CHROMA_444_10: u8 = 2 | 4;

/// A sequence of a coded size, of which the display area begins at `origin`.
pub fn sequence(coded: (u16, u16), origin: (u16, u16), display: (u16, u16), flags: u8) -> Vec<u8> {
    let (right, bottom) = (origin.0 + display.0, origin.1 + display.1);
    let numbers = [coded.0, coded.1, SURFACES, origin.0, origin.1, right, bottom];
    [vec![b'S'], numbers.iter().flat_map(|number| number.to_le_bytes()).collect(), vec![flags]].concat()
}

pub fn plain(width: u16, height: u16) -> Vec<u8> {
    sequence((width, height), (0, 0), (width, height), 0)
}

pub const SUCCESS: u8 = 2;
pub const CONCEALED: u8 = 9;

pub fn decode(surface: u8, value: u8) -> Vec<u8> {
    vec![b'D', surface, value, SUCCESS, 0]
}

pub fn show(surface: u8) -> Vec<u8> {
    vec![b'V', surface, 0]
}

pub fn run(decoder: &mut NvDecoder, packets: Vec<Packet>) -> Result<Vec<CudaFrame>, BoxError> {
    let mut frames = Vec::new();
    for packet in packets {
        decoder.process(packet, &mut |frame| frames.push(frame))?;
    }
    decoder.finish(&mut |frame| frames.push(frame))?;
    Ok(frames)
}

/// The code that NVDEC makes of a picture's value.
pub fn code(value: u8, plane: usize, (x, y): (usize, usize)) -> u16 {
    (usize::from(value) + x + 3 * y + 7 * plane) as u8 as u16
}

pub fn assert_nv12(frame: &HostFrame, value: u8, (left, top): (usize, usize)) {
    for (y, row) in frame.rows::<u8>(0).enumerate() {
        for (x, &found) in row.iter().enumerate() {
            assert_eq!(u16::from(found), code(value, 0, (x + left, y + top)), "luma of {value} at {x}, {y}");
        }
    }
    for (y, row) in frame.rows::<u8>(1).enumerate() {
        for (x, &found) in row.iter().enumerate() {
            let place = (x / 2 + left / 2, y + top / 2);
            assert_eq!(u16::from(found), code(value, 1 + x % 2, place), "chroma of {value} at {x}, {y}");
        }
    }
}

pub fn times(frames: &[HostFrame]) -> Vec<i64> {
    frames.iter().map(|frame| frame.info().pts.ticks()).collect()
}
