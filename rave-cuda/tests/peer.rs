//! Frames on their way from one GPU to another.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use common::{clip, gpu, video};
use rave_core::{ChromaFilter, ColorSpec, Convert, HostFrame, PixelFormat, Stage, VideoInfo};
use rave_cuda::{CudaConvert, Device, Download, PeerCopy, Pool, PoolOptions, Upload};

/// Another GPU's pool, or another pool of the only one.
fn other() -> Pool {
    let device = Device::open(1).or_else(|_| Device::open(0)).unwrap();
    Pool::new(&device, PoolOptions::default())
}

/// Converts on one GPU, copies, and converts back on the other; without another GPU on the same one.
fn round_trip(here: &Pool, there: Option<&Pool>, video: &VideoInfo, frames: &[HostFrame]) -> Vec<HostFrame> {
    let (rgb, filter) = (video.color.to_rgb(), ChromaFilter::Bilinear);
    let mut upload = Upload::new(here, video).unwrap();
    let mut to_rgb = CudaConvert::new(here, video, PixelFormat::RGB_F16, rgb, filter).unwrap();
    let on_way = *to_rgb.output_info();
    let mut copy = there.map(|there| PeerCopy::new(here, there, &on_way).unwrap());
    let there = there.unwrap_or(here);
    let mut from_rgb = CudaConvert::new(there, &on_way, video.format, video.color, filter).unwrap();
    let mut download = Download::new(there, video).unwrap();
    let mut back = Vec::new();
    for frame in frames {
        let mut rgb = to_rgb.convert(&upload.upload(frame).unwrap()).unwrap();
        if let Some(copy) = &mut copy {
            rgb = copy.copy(&rgb).unwrap();
        }
        download.process(from_rgb.convert(&rgb).unwrap(), &mut |frame| back.push(frame)).unwrap();
    }
    download.finish(&mut |frame| back.push(frame)).unwrap();
    back
}

#[test]
fn frames_arrive_as_they_were_and_at_their_time() {
    let Some((here, _)) = gpu() else { return };
    let there = other();
    let video = video(PixelFormat::NV12, ColorSpec::BT709, (96, 54));
    let frames = clip(&video, 40);
    let straight = round_trip(&here, None, &video, &frames);
    let crossed = round_trip(&here, Some(&there), &video, &frames);
    println!("from GPU {} to GPU {}", here.device().ordinal(), there.device().ordinal());
    assert_eq!(crossed.len(), frames.len());
    for ((crossed, straight), frame) in crossed.iter().zip(&straight).zip(&frames) {
        assert_eq!(crossed.digest(), straight.digest());
        assert_eq!(crossed.info(), frame.info());
    }
    assert!(there.health().hit_rate() > 0.8, "{:?}", there.health());
}

#[test]
fn memory_that_is_still_read_is_not_overwritten() {
    let Some((here, stream)) = gpu() else { return };
    let there = other();
    let video = video(PixelFormat::NV12, ColorSpec::BT709, (96, 54));
    let frames = clip(&video, 2);
    let mut upload = Upload::new(&here, &video).unwrap();
    let [first, second] = [0, 1].map(|index: usize| upload.upload(&frames[index]).unwrap());
    let mut copy = PeerCopy::new(&here, &there, &video).unwrap();
    let (rgb, filter) = (video.color.to_rgb(), ChromaFilter::Bilinear);
    let mut to_rgb = CudaConvert::new(&there, &video, PixelFormat::RGB_F16, rgb, filter).unwrap();
    let mut download = Download::new(&there, to_rgb.output_info()).unwrap();
    let mut expected = Convert::new(&video, PixelFormat::RGB_F16, rgb, filter).unwrap();
    // The second copy goes where the first one was, whose conversion need not have run.
    let converted = to_rgb.convert(&copy.copy(&first).unwrap()).unwrap();
    let copied = copy.copy(&second).unwrap();
    let health = there.health();
    drop(second.buffer().read(&stream).unwrap());
    stream.synchronize().unwrap();
    let mut arrived = Vec::new();
    download.process(converted, &mut |frame| arrived.push(frame)).unwrap();
    download.finish(&mut |frame| arrived.push(frame)).unwrap();
    assert_eq!(health.hits, 1, "the memory was used again: {health:?}");
    assert_eq!(arrived[0].digest(), expected.convert(&frames[0]).unwrap().digest());
    drop(copied);
}

#[test]
fn a_frame_of_another_size_is_refused() {
    let Some((here, _)) = gpu() else { return };
    let small = video(PixelFormat::NV12, ColorSpec::BT709, (64, 36));
    let large = video(PixelFormat::NV12, ColorSpec::BT709, (96, 54));
    let frame = Upload::new(&here, &small).unwrap().upload(&clip(&small, 1)[0]).unwrap();
    let error = PeerCopy::new(&here, &other(), &large).unwrap().copy(&frame).err().unwrap();
    assert!(error.to_string().contains("96x54"), "{error}");
}
