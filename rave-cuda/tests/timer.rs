//! How long work takes, by events.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]
#![allow(clippy::duplicate_mod, reason = "each of the programs brings its own common module")]

mod common;

use std::time::{Duration, Instant};

use common::{clip, gpu, video};
use rave_core::{ChromaFilter, ColorSpec, HostFrame, PixelFormat, Stage};
use rave_cuda::{CudaConvert, CudaFrame, Download, Error, Pool, Upload, WorkTimer};

#[test]
fn every_frame_of_a_chain_is_timed_and_no_time_is_longer_than_the_run() {
    let Some((pool, _)) = gpu() else { return };
    // Its clock is not the host's.
    let is_emulated = pool.device().info().unwrap().name == "Emulated GPU";
    let start = Instant::now();
    let mut chain = Chain::new(&pool);
    let times = [chain.upload.device_times(), chain.to_rgb.device_times(), chain.download.device_times()];
    let frames = clip(&video(PixelFormat::NV12, ColorSpec::BT709, (640, 360)), 5);
    (0..200).for_each(|index| chain.push(&frames[index % frames.len()]));
    chain.download.finish(&mut |_| {}).unwrap();
    drop(chain);
    let mut ends = Vec::new();
    for times in times.map(Option::unwrap) {
        let totals = times.totals();
        println!("{totals:?}");
        assert_eq!(totals.count, 200);
        assert!(totals.longest > Duration::ZERO && totals.longest <= totals.sum);
        assert!(is_emulated || totals.sum < start.elapsed());
        let recent = times.recent();
        assert!(recent.windows(2).all(|two| two[0].end <= two[1].start), "one piece after the other");
        ends.push(recent.last().unwrap().end);
    }
    assert!(
        ends[0] < ends[1] && ends[1] < ends[2],
        "the last frame goes up, is converted, comes down: {ends:?}"
    );
}

#[test]
fn what_could_not_be_enqueued_is_not_counted() {
    let Some((pool, stream)) = gpu() else { return };
    let mut timer = WorkTimer::new(pool.device(), &stream).unwrap();
    let failed = timer.around(|| Err::<(), _>(Error::NoDevice));
    assert!(matches!(failed, Err(Error::NoDevice)));
    let times = timer.times();
    (0..10).for_each(|_| timer.around(|| Ok::<_, Error>(())).unwrap());
    drop(timer);
    assert_eq!(times.totals().count, 10);
}

/// Up, to R'G'B' and down.
struct Chain {
    upload: Upload,
    to_rgb: CudaConvert,
    download: Download,
}

impl Chain {
    fn new(pool: &Pool) -> Self {
        let video = video(PixelFormat::NV12, ColorSpec::BT709, (640, 360));
        let rgb = ColorSpec::BT709.to_rgb();
        let to_rgb =
            CudaConvert::new(pool, &video, PixelFormat::RGB_F16, rgb, ChromaFilter::Bilinear).unwrap();
        let download = Download::new(pool, to_rgb.output_info()).unwrap();
        Self { upload: Upload::new(pool, &video).unwrap(), to_rgb, download }
    }

    fn push(&mut self, frame: &HostFrame) {
        let frame: CudaFrame = self.upload.upload(frame).unwrap();
        let frame = self.to_rgb.convert(&frame).unwrap();
        self.download.process(frame, &mut |_| {}).unwrap();
    }
}
