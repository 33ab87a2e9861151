//! NVDEC against libavcodec, on a machine with a GPU. Tests that want real clips read `RAVE_MEDIA`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "decode/compare.rs"]
mod compare;
#[path = "media/mod.rs"]
mod media;
mod sha1;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use compare::{Outcome, compare};
use media::{Clip, Gpu, codes, decode, digest, gpu, hardware, ticks};
use rave_core::{Code, FieldOrder, HostFrame, Packet, Stage, TimeBase, Timestamp};
use rave_cuda::{Pool, PoolOptions};
use rave_nvcodec::{
    Capabilities, Codec, CodedChroma, CodedFormat, CodedVideo, DecodeError, DecoderOptions, Deinterlace,
    NvDecoder, Refusal,
};

/// Clips of which NVDEC makes something else than libavcodec, and why.
const EXCEPTIONS: &[(&str, &str)] =
    &[("vpf__test_res_change.h264", "the pictures of the second size are scaled by another filter")];

fn clips(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_clip_is_decoded_like_by_libavcodec_or_refused_with_a_reason() {
    let (Some(gpu), Some(folder)) = (gpu(), media::media()) else { return };
    let mut unexpected = Vec::new();
    for path in clips(&folder.join("clips")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let outcome = compare(&gpu, &path);
        let outcome =
            outcome.unwrap_or_else(|error| Outcome::Different(format!("{}: {error}", error.code())));
        let exception = EXCEPTIONS.iter().find(|(exception, _)| *exception == name);
        println!("{name}: {outcome:?} {}", exception.map_or("", |(_, reason)| reason));
        if matches!(outcome, Outcome::Different(_)) && exception.is_none() {
            unexpected.push(format!("{name}: {outcome:?}"));
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[test]
fn conformance_streams_have_their_hash() {
    let (Some(gpu), Some(folder)) = (gpu(), media::media()) else { return };
    for (name, hash) in [
        ("oh__BA_MW_D.264", "afd7a9765961ca241bb4bdf344b31397bec7465a"),
        ("oh__SarVui.264", "98ff2d67860462d8d8bcc9352097c06cc401d97e"),
    ] {
        let clip = Clip::open(&folder.join("clips").join(name)).unwrap();
        let mut sha1 = sha1::Sha1::new();
        let decoder = hardware(&gpu, &clip.coded().unwrap(), 1).unwrap();
        decode(&gpu, decoder, clip.filtered(), &mut |frame| sha1.update(&media::i420(&frame))).unwrap();
        assert_eq!(sha1.finish(), hash, "{name}");
    }
}

#[test]
fn what_the_gpu_can_do_is_told() {
    let Some(gpu) = gpu() else { return };
    let table = Capabilities::table(&gpu.library, gpu.pool.device()).unwrap();
    for capabilities in &table {
        let Capabilities { format, engines, min_size, max_size, max_macroblocks, .. } = capabilities;
        println!("{format}: {engines} engines, {min_size:?} to {max_size:?}, {max_macroblocks} macroblocks");
    }
    let hd = CodedFormat { codec: Codec::H264, chroma: CodedChroma::C420, bits: 8 };
    assert!(
        table.iter().any(|capabilities| capabilities.format == hd && capabilities.check(1920, 1088).is_ok())
    );
}

/// A clip of the media folder with several groups of pictures, over and over, with times that go on.
fn repeated(packets: &[Packet], times: i64, period: i64) -> impl Iterator<Item = Packet> + '_ {
    (0..times).flat_map(move |round| {
        packets.iter().map(move |packet| {
            let later = |time: Timestamp| time.plus_ticks(round * period);
            Packet { pts: packet.pts.map(later), dts: packet.dts.map(later), ..packet.clone() }
        })
    })
}

fn period(packets: &[Packet]) -> i64 {
    let times: Vec<_> = packets.iter().filter_map(|packet| packet.pts.map(Timestamp::ticks)).collect();
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    last - first + packets[0].duration_ticks.unwrap_or(1)
}

#[test]
fn several_sessions_give_what_one_gives() {
    let (Some(gpu), Some(folder)) = (gpu(), media::media()) else { return };
    let mut split = 0;
    for path in clips(&folder.join("sessions")) {
        let clip = Clip::open(&path).unwrap();
        let video = clip.coded().unwrap();
        let packets = clip.filtered();
        let digests = |sessions| {
            let mut digests = Vec::new();
            let decoder = hardware(&gpu, &video, sessions).unwrap();
            let each = &mut |frame: HostFrame| digests.push(digest(&codes(&frame), frame.info().pts));
            decode(&gpu, decoder, packets.clone(), each).unwrap();
            digests
        };
        let one = digests(1);
        for sessions in [2, 3, 7] {
            let many = digests(sessions);
            assert!(many == one, "{} with {sessions} sessions: {} frames", path.display(), many.len());
        }
        println!("{}: {} frames alike with 1, 2, 3 and 7 sessions", path.display(), one.len());
        split += 1;
    }
    assert!(split > 0);
}

/// Decodes 200 damaged variants of a clip, on several threads.
fn damage(name: &str) {
    const VARIANTS: usize = 200;
    const THREADS: usize = 8;
    let (Some(gpu), Some(folder)) = (gpu(), media::media()) else { return };
    let clip = Clip::open(&folder.join("clips").join(name)).unwrap();
    let video = clip.coded().unwrap();
    let (next, results) = (AtomicUsize::new(0), std::sync::Mutex::new(BTreeMap::<String, usize>::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let pool = Pool::new(gpu.pool.device(), PoolOptions::default());
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= VARIANTS {
                        break;
                    }
                    let result = survive(&gpu, &pool, &clip, &video, seed as u64);
                    *results.lock().unwrap().entry(result).or_default() += 1;
                    assert_eq!(pool.health().used_bytes, 0, "{name} {seed}");
                }
            });
        }
    });
    println!("{name}: {:?}", results.into_inner().unwrap());
}

#[test]
fn damaged_h264_ends_and_leaves_nothing_behind() {
    damage("tc__nasa_13013_rotated.mp4");
}

#[test]
fn damaged_hevc_ends_and_leaves_nothing_behind() {
    damage("exo__sample_h265.ts");
}

#[test]
fn damaged_vp9_ends_and_leaves_nothing_behind() {
    damage("tc__testsrc2_odd_height_and_width_vp9.mp4");
}

#[test]
fn damaged_vp8_ends_and_leaves_nothing_behind() {
    damage("mp__big_buck_bunny_432_433.webm");
}

#[test]
fn damaged_mpeg2_ends_and_leaves_nothing_behind() {
    damage("fate__sony-ct3.mp4");
}

#[test]
fn damaged_mpeg4_ends_and_leaves_nothing_behind() {
    damage("exo__sample.avi");
}

/// What comes of a damaged stream, in words.
fn survive(gpu: &Gpu, pool: &Pool, clip: &Clip, video: &CodedVideo, seed: u64) -> String {
    let packets = media::filter(&clip.stream, &media::damaged(&clip.packets, seed));
    let packets = if seed.is_multiple_of(2) { media::damaged(&packets, seed) } else { packets };
    let mut decoder = NvDecoder::new(&gpu.library, pool, video, &DecoderOptions::default()).unwrap();
    let mut last = None;
    let mut check = |frame: rave_cuda::CudaFrame| {
        let pts = frame.info().pts;
        assert!(last.replace(pts).is_none_or(|last| last < pts), "times rise");
    };
    let mut result = packets.into_iter().try_for_each(|packet| decoder.process(packet, &mut check));
    if result.is_ok() {
        result = decoder.finish(&mut check);
    }
    match result {
        Ok(()) => "decoded".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn ten_thousand_frames_leave_memory_and_handles_flat() {
    let (Some(gpu), Some(folder)) = (gpu(), media::media()) else { return };
    let clip = Clip::open(&folder.join("clips/intel__bottle-detection.mp4")).unwrap();
    let packets = clip.filtered();
    let (mut decoder, _) = hardware(&gpu, &clip.coded().unwrap(), 1).unwrap();
    let (mut frames, mut states) = (0, Vec::new());
    for packet in repeated(&packets, 10_000 / packets.len() as i64 + 1, period(&packets)) {
        decoder.process(packet, &mut |_frame| frames += 1).unwrap();
        if frames / 1000 == states.len() + 1 {
            states.push(state(&gpu));
        }
    }
    decoder.finish(&mut |_frame| frames += 1).unwrap();
    println!("{frames} frames; device bytes free, host KiB, handles at each thousand: {states:?}");
    assert!(frames >= 10_000);
    let (first, last) = (states[1], states[states.len() - 1]);
    // Other users of the GPU and the allocator of the host may move a little.
    assert!(first.0.abs_diff(last.0) <= 4 << 20, "device memory");
    assert!(last.1 <= first.1 + (16 << 10), "host memory");
    assert_eq!(first.2, last.2, "handles");
    assert_eq!(gpu.pool.health().used_bytes, 0);
}

/// Free bytes of the device, resident KiB of the process, its open files.
fn state(gpu: &Gpu) -> (usize, u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = line.split_whitespace().next().unwrap().parse().unwrap();
    let handles = std::fs::read_dir("/proc/self/fd").unwrap().count();
    (gpu.pool.device().info().unwrap().free_bytes, resident, handles)
}

#[test]
fn a_size_that_changes_is_scaled_to_the_first_and_counted() {
    let (Some(gpu), Some(folder)) = (gpu(), media::media()) else { return };
    let clip = Clip::open(&folder.join("clips/vpf__test_res_change.h264")).unwrap();
    let video = clip.coded().unwrap();
    let mut decoder = NvDecoder::new(&gpu.library, &gpu.pool, &video, &DecoderOptions::default()).unwrap();
    let frames = media::run(&mut decoder, clip.filtered()).unwrap();
    let report = decoder.report().get();
    assert_eq!((frames.len(), report.resized_frames, report.concealed_frames), (96, 47, 0));
    assert!(frames.iter().all(|frame| (frame.layout().width(), frame.layout().height()) == (848, 464)));
}

#[test]
fn interlaced_frames_are_deinterlaced_only_when_asked() {
    let (Some(gpu), Some(folder)) = (gpu(), media::media()) else { return };
    let clip = Clip::open(&folder.join("clips/fc__xdcam-hd-1080i50.mov")).unwrap();
    let video = clip.coded().unwrap();
    let decode = |deinterlace| {
        let options = DecoderOptions { deinterlace, ..DecoderOptions::default() };
        let decoder = NvDecoder::new(&gpu.library, &gpu.pool, &video, &options).unwrap();
        let info = *decoder.info();
        let mut frames = Vec::new();
        media::decode(&gpu, (Box::new(decoder), info), clip.filtered(), &mut |frame| frames.push(frame))
            .unwrap();
        frames
    };
    let kept = decode(Deinterlace::Keep);
    assert!(kept.iter().all(|frame| frame.info().field_order == FieldOrder::TopFirst));
    for deinterlace in [Deinterlace::Bob, Deinterlace::Adaptive] {
        let frames = decode(deinterlace);
        assert_eq!(ticks(&frames), ticks(&kept));
        assert!(frames.iter().all(|frame| frame.info().field_order == FieldOrder::Progressive));
        assert!(frames.iter().zip(&kept).any(|(a, b)| codes(a) != codes(b)), "{deinterlace:?}");
    }
}

#[test]
fn limits_are_named() {
    let Some(gpu) = gpu() else { return };
    let format = CodedFormat { codec: Codec::H264, chroma: CodedChroma::C420, bits: 8 };
    let limit = Capabilities::query(&gpu.library, gpu.pool.device(), format).unwrap().max_size.0;
    let refused = |width, codec, bits| {
        let info = rave_core::VideoInfo {
            format: rave_core::PixelFormat::yuv_planar(rave_core::Chroma::C420, bits),
            width,
            height: 720,
            ..video_info()
        };
        let video = CodedVideo { codec, extradata: Vec::new(), info };
        let made = NvDecoder::new(&gpu.library, &gpu.pool, &video, &DecoderOptions::default());
        made.err().map(|error| error.to_string())
    };
    let words = refused(limit + 16, Codec::H264, 8).unwrap();
    assert!(words.contains("h264") && words.contains(&limit.to_string()), "{words}");
    assert_eq!(refused(1280, Codec::H264, 8), None);
    println!("{words}; {:?}; {:?}", refused(1280, Codec::H264, 10), refused(1280, Codec::Av1, 8));
}

fn video_info() -> rave_core::VideoInfo {
    rave_core::VideoInfo::new(
        rave_core::PixelFormat::NV12,
        (1280, 720),
        rave_core::ColorSpec::BT709,
        TimeBase::new(1, 25).unwrap(),
    )
}

#[test]
fn packets_that_hold_nothing_are_counted_and_a_stream_of_them_is_an_error() {
    let Some(gpu) = gpu() else { return };
    let video = CodedVideo { codec: Codec::H264, extradata: Vec::new(), info: video_info() };
    let mut decoder = NvDecoder::new(&gpu.library, &gpu.pool, &video, &DecoderOptions::default()).unwrap();
    let noise = Packet { data: vec![0x55; 4000], ..Packet::default() };
    for packet in [Packet::default(), noise.clone(), Packet::default(), noise] {
        decoder.process(packet, &mut |_| ()).unwrap();
    }
    let error = decoder.finish(&mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "NVDEC gives no frame for 4 packets of h264");
    assert_eq!((error.code(), decoder.report().get().corrupt_packets), (Code::DecodeFailed, 2));
    let refusal = DecodeError::from(Refusal::Format {
        format: CodedFormat { codec: Codec::Av1, chroma: CodedChroma::C420, bits: 8 },
    });
    assert!(refusal.is_for_software());
}
