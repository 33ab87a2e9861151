use std::num::NonZero;

use rave_core::{
    BoxError, Chroma, Code, ColorSpec, FieldOrder, HostFrame, Packet, PixelFormat, Stage, TimeBase,
    Timestamp, VideoInfo,
};
use rave_cuda::{CudaFrame, Device, Download, Pool, PoolOptions};
use rave_nvcodec::{
    Codec, CodedVideo, Corruption, DecodeReport, DecodeSessions, DecoderOptions, NvDecoder, NvdecLibrary,
    SessionOptions,
};

/// The emulated driver and NVDEC; `None` with anything else.
struct Emulated {
    pool: Pool,
    library: NvdecLibrary,
    live: libloading::Library,
}

fn emulated() -> Option<Emulated> {
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
    fn decoder(&self, video: &CodedVideo) -> NvDecoder {
        NvDecoder::new(&self.library, &self.pool, video, &DecoderOptions::default()).unwrap()
    }

    /// Parsers and decoders that were not destroyed.
    fn live(&self) -> i32 {
        // SAFETY: as declared in nvcuvid.cpp.
        unsafe { self.live.get::<unsafe extern "C" fn() -> i32>("fake_live").unwrap()() }
    }

    /// That nothing is left, on the device and in the driver.
    fn assert_clean(&self) {
        assert_eq!((self.pool.health().used_bytes, self.live()), (0, 0));
    }

    fn host(&self, info: &VideoInfo, frames: Vec<CudaFrame>) -> Vec<HostFrame> {
        let mut download = Download::new(&self.pool, info).unwrap();
        let mut host = Vec::new();
        for frame in frames {
            download.process(frame, &mut |frame| host.push(frame)).unwrap();
        }
        download.finish(&mut |frame| host.push(frame)).unwrap();
        host
    }
}

const TICKS: (i64, i64) = (1, 1000);

fn at(ticks: i64) -> Timestamp {
    Timestamp::new(ticks, TimeBase::new(TICKS.0, TICKS.1).unwrap())
}

fn video(format: PixelFormat, (width, height): (u32, u32)) -> CodedVideo {
    let info = VideoInfo {
        format,
        width,
        height,
        color: ColorSpec::BT709,
        sample_aspect_ratio: None,
        frame_rate: None,
        time_base: TimeBase::new(TICKS.0, TICKS.1).unwrap(),
        display_matrix: None,
        mastering_display: None,
        content_light: None,
    };
    let codec = if format == PixelFormat::YUV420P { Codec::H264 } else { Codec::Hevc };
    CodedVideo { codec, extradata: Vec::new(), info }
}

fn packet(commands: &[Vec<u8>]) -> Packet {
    Packet { data: [&[0xfe][..], &commands.concat()].concat(), ..Packet::default() }
}

fn timed(commands: &[Vec<u8>], ticks: i64) -> Packet {
    Packet { pts: Some(at(ticks)), duration_ticks: Some(40), ..packet(commands) }
}

const SURFACES: u16 = 2;
const INTERLACED: u8 = 1;
const CHROMA_444_10: u8 = 2 | 4;

/// A sequence of a coded size, of which the display area begins at `origin`.
fn sequence(coded: (u16, u16), origin: (u16, u16), display: (u16, u16), flags: u8) -> Vec<u8> {
    let (right, bottom) = (origin.0 + display.0, origin.1 + display.1);
    let numbers = [coded.0, coded.1, SURFACES, origin.0, origin.1, right, bottom];
    [vec![b'S'], numbers.iter().flat_map(|number| number.to_le_bytes()).collect(), vec![flags]].concat()
}

fn plain(width: u16, height: u16) -> Vec<u8> {
    sequence((width, height), (0, 0), (width, height), 0)
}

const SUCCESS: u8 = 2;
const CONCEALED: u8 = 9;

fn decode(surface: u8, value: u8) -> Vec<u8> {
    vec![b'D', surface, value, SUCCESS, 0]
}

fn show(surface: u8) -> Vec<u8> {
    vec![b'V', surface, 0]
}

fn run(decoder: &mut NvDecoder, packets: Vec<Packet>) -> Result<Vec<CudaFrame>, BoxError> {
    let mut frames = Vec::new();
    for packet in packets {
        decoder.process(packet, &mut |frame| frames.push(frame))?;
    }
    decoder.finish(&mut |frame| frames.push(frame))?;
    Ok(frames)
}

/// The code that NVDEC makes of a picture's value.
fn code(value: u8, plane: usize, (x, y): (usize, usize)) -> u16 {
    (usize::from(value) + x + 3 * y + 7 * plane) as u8 as u16
}

fn assert_nv12(frame: &HostFrame, value: u8, (left, top): (usize, usize)) {
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

fn times(frames: &[HostFrame]) -> Vec<i64> {
    frames.iter().map(|frame| frame.info().pts.ticks()).collect()
}

#[test]
fn the_display_area_comes_out_in_the_order_of_display_with_its_times() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (45, 31));
    let mut decoder = emulated.decoder(&video);
    let begin = sequence((64, 48), (6, 4), (45, 31), 0);
    let packets = vec![
        timed(&[begin, decode(0, 10), show(0)], -40),
        timed(&[decode(1, 20)], 80),
        timed(&[decode(2, 30), show(2)], 0),
        timed(&[decode(3, 40), show(3)], 40),
        timed(&[show(1)], 999),
        packet(&[decode(2, 50), vec![b'H', 2, 0]]),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!(decoder.info().format, PixelFormat::NV12);
    assert_eq!(times(&frames), [-40, 0, 40, 80, 120]);
    for (frame, value) in frames.iter().zip([10, 30, 40, 20, 50]) {
        assert_nv12(frame, value, (6, 4));
    }
    let report = decoder.report().get();
    assert_eq!((report.frames, report.reconstructed_timestamps, report.engines), (5, 1, 3));
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn a_hidden_picture_has_the_time_of_the_packet_that_shows_it() {
    let Some(emulated) = emulated() else { return };
    let video = CodedVideo { codec: Codec::Vp9, ..video(PixelFormat::YUV420P, (64, 48)) };
    let mut decoder = emulated.decoder(&video);
    // The frame headers of VP9: hidden, shown, and one that shows a picture from before.
    let (hidden, shown, existing) = ([0x84, 0], [0x86, 0], [0x88, 0]);
    let with =
        |header: [u8; 2], packet: Packet| Packet { data: [&header[..], &packet.data].concat(), ..packet };
    let packets = vec![
        with(shown, timed(&[plain(64, 48), decode(0, 1), show(0)], 0)),
        with(hidden, timed(&[decode(1, 2)], 7)),
        with(shown, timed(&[decode(2, 3), show(2)], 40)),
        with(existing, timed(&[show(1)], 80)),
        with(existing, timed(&[show(1)], 120)),
        with(shown, timed(&[decode(0, 4), show(0)], 160)),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!(times(&frames), [0, 40, 80, 120, 160]);
    for (frame, value) in frames.iter().zip([1, 3, 2, 2, 4]) {
        assert_nv12(frame, value, (0, 0));
    }
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn the_second_field_of_a_frame_keeps_the_time_of_the_first() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let second = |surface, value| vec![b'D', surface, value, SUCCESS, 2];
    let packets = vec![
        timed(&[plain(64, 48), decode(0, 1)], 0),
        timed(&[second(0, 1), show(0)], 20),
        timed(&[decode(1, 2)], 40),
        timed(&[second(1, 2), show(1)], 60),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    assert_eq!(frames.iter().map(|frame| frame.info().pts.ticks()).collect::<Vec<_>>(), [0, 40]);
    drop((frames, decoder));
    emulated.assert_clean();
}

#[test]
fn a_surface_that_is_used_again_at_once_does_not_spoil_the_frame_before() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let mut packets = vec![timed(&[plain(64, 48), decode(0, 0), show(0)], 0)];
    packets.extend(
        (1..40).map(|index| timed(&[decode(index % 2, index), show(index % 2)], 40 * i64::from(index))),
    );
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!(frames.len(), 40);
    for (value, frame) in (0..).zip(&frames) {
        assert_nv12(frame, value, (0, 0));
    }
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn a_size_that_changes_is_followed_and_scaled_to_the_first() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let packets = vec![
        timed(&[plain(64, 48), decode(0, 1), show(0)], 0),
        timed(&[plain(32, 32), decode(0, 2), show(0)], 40),
        timed(&[plain(64, 48), decode(1, 3), show(1)], 80),
        timed(&[plain(128, 96), decode(0, 4), show(0)], 120),
        timed(&[decode(1, 5), show(1)], 160),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert!(frames.iter().all(|frame| (frame.layout().width(), frame.layout().height()) == (64, 48)));
    assert_nv12(&frames[0], 1, (0, 0));
    assert_nv12(&frames[2], 3, (0, 0));
    assert_eq!((frames.len(), decoder.report().get().resized_frames), (5, 3));
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn ten_bits_of_4_4_4_come_out_of_the_high_bits() {
    let Some(emulated) = emulated() else { return };
    let format = PixelFormat::yuv_planar(Chroma::C444, 10);
    let video = video(format, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let begin = sequence((64, 48), (0, 0), (64, 48), CHROMA_444_10);
    let frames = run(&mut decoder, vec![timed(&[begin, decode(0, 200), show(0)], 0)]).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!((decoder.info().format, frames.len()), (format, 1));
    for plane in 0..3 {
        for (y, row) in frames[0].rows::<u16>(plane).enumerate() {
            for (x, &found) in row.iter().enumerate() {
                assert_eq!(found, code(200, plane, (x, y)), "plane {plane} at {x}, {y}");
            }
        }
    }
    drop((frames, decoder));
    emulated.assert_clean();
}

#[test]
fn fields_and_damage_are_told_and_trimmed_frames_left_out() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let begin = sequence((64, 48), (0, 0), (64, 48), INTERLACED);
    let (interlaced, top_first) = (1, 2);
    let trimmed = Packet { is_discarded: true, ..timed(&[decode(2, 3), show(2)], 80) };
    let damaged = Packet { is_corrupt: true, ..timed(&[decode(3, 4), show(3)], 120) };
    let packets = vec![
        timed(&[begin, vec![b'D', 0, 1, SUCCESS, 1], vec![b'V', 0, interlaced | top_first]], 0),
        timed(&[vec![b'D', 1, 2, CONCEALED, 0], vec![b'V', 1, interlaced]], 40),
        trimmed,
        damaged,
        Packet::default(),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let orders: Vec<_> = frames.iter().map(|frame| frame.info().field_order).collect();
    assert_eq!(orders, [FieldOrder::TopFirst, FieldOrder::BottomFirst, FieldOrder::Progressive]);
    let expected = DecodeReport {
        frames: 3,
        concealed_frames: 1,
        key_frames: 1,
        corrupt_packets: 2,
        discarded_by_edit_list: 1,
        sessions: 1,
        engines: 3,
        ..DecodeReport::default()
    };
    assert_eq!(decoder.report().get(), expected);
    drop((frames, decoder));
    emulated.assert_clean();
}

#[test]
fn strict_decoding_stops_at_damage() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let options = DecoderOptions { corruption: Corruption::Strict, ..DecoderOptions::default() };
    let damage = timed(&[plain(64, 48), vec![b'D', 0, 2, CONCEALED, 0], show(0)], 0);
    for (packet, words) in [
        (damage, "decoding h264 failed at packet 0: the decoder conceals damage"),
        (Packet::default(), "decoding h264 failed at packet 0: it is empty"),
    ] {
        let mut decoder = NvDecoder::new(&emulated.library, &emulated.pool, &video, &options).unwrap();
        let error = decoder.process(packet, &mut |_| ()).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.code()), (words, Code::DecodeFailed));
        drop(decoder);
        emulated.assert_clean();
    }
}

#[test]
fn a_decoder_that_fails_leaves_nothing_behind() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut decoder = emulated.decoder(&video);
    let good = timed(&[plain(64, 48), decode(0, 1), show(0), decode(1, 2), show(1)], 0);
    let mut frames = Vec::new();
    decoder.process(good, &mut |frame| frames.push(frame)).unwrap();
    let error = decoder.process(timed(&[b"E".to_vec(), decode(2, 3)], 40), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "cuvidDecodePicture failed on h264 with CUDA error 801");
    assert_eq!((error.code(), frames.len()), (Code::DecodeFailed, 2));
    drop((decoder, frames));
    emulated.assert_clean();
}

#[test]
fn a_picture_that_is_refused_is_left_out_and_many_are_an_error() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let refused = |ticks| timed(&[b"R".to_vec(), decode(1, 2), show(1)], ticks);
    let mut decoder = emulated.decoder(&video);
    let packets = vec![
        timed(&[plain(64, 48), decode(0, 1), show(0)], 0),
        refused(40),
        timed(&[decode(2, 3), show(2)], 80),
    ];
    let frames = run(&mut decoder, packets).unwrap();
    let frames = emulated.host(decoder.info(), frames);
    assert_eq!((times(&frames), decoder.report().get().corrupt_packets), (vec![0, 80], 1));
    assert_nv12(&frames[1], 3, (0, 0));
    drop(decoder);
    let mut decoder = emulated.decoder(&video);
    decoder.process(timed(&[plain(64, 48)], 0), &mut |_| ()).unwrap();
    let error = (1..100).find_map(|index| decoder.process(refused(40 * index), &mut |_| ()).err());
    assert_eq!(error.unwrap().to_string(), "cuvidDecodePicture failed on h264 with CUDA error 1");
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn what_the_gpu_does_not_decode_is_refused_before_and_in_mid_stream() {
    let Some(emulated) = emulated() else { return };
    let refused = |video: &CodedVideo| {
        let made = NvDecoder::new(&emulated.library, &emulated.pool, video, &DecoderOptions::default());
        made.err().unwrap()
    };
    let large = video(PixelFormat::YUV420P, (5000, 48));
    assert_eq!(
        refused(&large).to_string(),
        "NVDEC cannot decode the stream: h264 4:2:0 of 8 bits is decoded up to 4096x4096, the stream is 5000x48"
    );
    let high_10 = CodedVideo { codec: Codec::H264, ..video(PixelFormat::YUV420P10, (64, 48)) };
    let error = refused(&high_10);
    assert_eq!(
        error.to_string(),
        "NVDEC cannot decode the stream: the GPU has no decoder for h264 4:2:0 of 10 bits"
    );
    assert!(error.is_for_software());
    for (change, words) in [
        (plain(5000, 48), "decoded up to 4096x4096"),
        (sequence((64, 48), (0, 0), (64, 48), CHROMA_444_10), "no decoder for h264 4:4:4 of 10 bits"),
        (sequence((64, 48), (9, 0), (0, 48), 0), "its sequence header makes no sense"),
    ] {
        let mut decoder = emulated.decoder(&video(PixelFormat::YUV420P, (64, 48)));
        decoder.process(timed(&[plain(64, 48), decode(0, 1), show(0)], 0), &mut |_| ()).unwrap();
        let error = decoder.process(timed(&[change], 40), &mut |_| ()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        drop(decoder);
    }
    let mut decoder = emulated.decoder(&video(PixelFormat::YUV420P, (64, 48)));
    let error = decoder.process(timed(&[decode(0, 1)], 0), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the parser of h264 failed: a picture came before its sequence");
    drop(decoder);
    emulated.assert_clean();
}

/// Groups of pictures, each begun by an IDR slice, in whose packets the commands stand after it.
fn groups(count: u8, packets_per_group: u8) -> Vec<Packet> {
    let in_nal_unit =
        |kind: u8, packet: Packet| Packet { data: [&[0, 0, 1, kind], &packet.data[..]].concat(), ..packet };
    let mut packets = Vec::new();
    for group in 0..count {
        for index in 0..packets_per_group {
            let (surface, value) = (index % 4, group.wrapping_mul(31).wrapping_add(index));
            let begin = if index == 0 { plain(64, 48) } else { Vec::new() };
            // The last ones come out when the session is drained.
            let shown = if index + 3 > packets_per_group { vec![b'H', surface, 0] } else { show(surface) };
            let ticks = 40 * packets.len() as i64;
            let kind = if index == 0 { 0x65 } else { 0x41 };
            packets.push(in_nal_unit(kind, timed(&[begin, decode(surface, value), shown], ticks)));
        }
    }
    packets
}

#[test]
fn several_sessions_give_what_one_gives() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let packets = groups(7, 40);
    for sessions in [1, 2, 3, 8] {
        // The least memory that is kept ahead, and plenty.
        for ahead_mib in [0, 64] {
            let options =
                SessionOptions { sessions: NonZero::new(sessions), ahead_mib, ..Default::default() };
            let mut decoder =
                DecodeSessions::new(&emulated.library, &emulated.pool, &video, &options).unwrap();
            let mut frames = Vec::new();
            for packet in packets.clone() {
                decoder.process(packet, &mut |frame| frames.push(frame)).unwrap();
            }
            decoder.finish(&mut |frame| frames.push(frame)).unwrap();
            let frames = emulated.host(decoder.info(), frames);
            assert_eq!(times(&frames), (0..280).map(|index| 40 * index).collect::<Vec<_>>(), "{sessions}");
            for (index, frame) in frames.iter().enumerate().step_by(13) {
                assert_nv12(
                    frame,
                    ((index / 40) as u8).wrapping_mul(31).wrapping_add((index % 40) as u8),
                    (0, 0),
                );
            }
            let report = decoder.report().get();
            assert_eq!((report.frames, report.sessions, report.engines), (280, sessions as u64, 3));
            drop(decoder);
            emulated.assert_clean();
        }
    }
}

#[test]
fn as_many_sessions_as_the_gpu_has_decoders_are_made_unless_said() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let make = |video: &CodedVideo, options: &SessionOptions| {
        DecodeSessions::new(&emulated.library, &emulated.pool, video, options)
    };
    let decoder = make(&video, &SessionOptions::default()).unwrap();
    assert_eq!(decoder.report().get().sessions, 3);
    drop(decoder);
    let mpeg = CodedVideo { codec: Codec::Mpeg2, ..video };
    let error =
        make(&mpeg, &SessionOptions { sessions: NonZero::new(2), ..Default::default() }).err().unwrap();
    assert_eq!(
        error.to_string(),
        "a stream of mpeg2video cannot be split among several decoder sessions: use one"
    );
    emulated.assert_clean();
}

#[test]
fn an_error_of_one_session_ends_all_of_them() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let mut packets = groups(6, 40);
    packets[100].data.truncate(5);
    packets[100].data.extend(b"E".iter().chain(&decode(0, 1)));
    let options = SessionOptions { sessions: NonZero::new(3), ..Default::default() };
    let mut decoder = DecodeSessions::new(&emulated.library, &emulated.pool, &video, &options).unwrap();
    let mut result = packets.into_iter().try_for_each(|packet| decoder.process(packet, &mut |_| ()));
    if result.is_ok() {
        result = decoder.finish(&mut |_| ());
    }
    assert_eq!(result.unwrap_err().code(), Code::DecodeFailed);
    drop(decoder);
    emulated.assert_clean();
}

#[test]
fn sessions_that_are_dropped_in_mid_stream_end() {
    let Some(emulated) = emulated() else { return };
    let video = video(PixelFormat::YUV420P, (64, 48));
    let options = SessionOptions { sessions: NonZero::new(3), ..Default::default() };
    let mut decoder = DecodeSessions::new(&emulated.library, &emulated.pool, &video, &options).unwrap();
    for packet in groups(3, 40) {
        decoder.process(packet, &mut |_| ()).unwrap();
    }
    drop(decoder);
    emulated.assert_clean();
}
