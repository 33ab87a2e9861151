//! Lines whose network is replaced by resampling, which the emulated driver can run: everything around it is the job's.

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{TryRecvError, unbounded};
use rave_core::{Digest, Kernel, PixelFormat};
use rave_cuda::{CudaResize, Device, Pool, PoolOptions};
use rave_ffmpeg::{Demuxer, DemuxerOptions};

use super::{Clip, Ready, every_fault_ends, options};
use crate::trap::{self, Fault, Trap};
use crate::upscale::convert::Wanted;
use crate::upscale::decode::Decoded;
use crate::upscale::end::{Assembling, End, Goal, Source};
use crate::upscale::enlarge::working_color;
use crate::upscale::lanes::Lanes;
use crate::upscale::line::Line;
use crate::upscale::{FrameTarget, Target};
use crate::{Control, Error, Report};

/// Where frames are when they are dealt.
#[derive(Clone, Copy, Debug)]
enum From {
    Host,
    Gpu,
}

/// Two GPUs, or two pools on the only one; `None` with the reason printed where there is none.
fn pools() -> Option<[Pool; 2]> {
    let pool = |device: Device| Pool::new(&device, PoolOptions::default());
    match Device::open(0) {
        Ok(first) => {
            let second = Device::open(1).unwrap_or_else(|_| first.clone());
            println!("on GPUs {} and {}", first.ordinal(), second.ordinal());
            Some([pool(first), pool(second)])
        }
        Err(reason) if std::env::var_os("RAVE_REQUIRE_GPU").is_some_and(|value| value == "1") => {
            panic!("RAVE_REQUIRE_GPU=1, but {reason}")
        }
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

fn enlarged(line: Line, pool: &Pool, job: &mut Assembling<'_>) -> Result<Line, Error> {
    let wanted = Wanted::rounded(PixelFormat::RGB_F16, working_color(line.info()));
    let line = line.convert_on(pool, "preprocess", wanted, &mut job.notices)?.queue(2).taken_by(1, pool)?;
    let size = (2 * line.info.width, 2 * line.info.height);
    let stage = CudaResize::new(pool, &line.info, size, Kernel::Lanczos3).map_err(Error::leaf)?;
    let info = *stage.output_info();
    Ok(Line::Device(line.then("upscale", stage, info), pool.clone()))
}

/// A line over the clip with a lane on each of `lanes`.
fn built(clip: &Clip, from: From, lanes: &[&Pool], target: &Target) -> Result<(End, Control), Error> {
    let (options, control, input) = (options(), Control::new(), clip.input());
    let mut job = Assembling::new(&options, &control);
    job.pools.extend(lanes.iter().map(|&pool| pool.clone()));
    let demuxer = Demuxer::open(&input, &DemuxerOptions::default()).map_err(Error::leaf)?;
    let stream = demuxer.video().clone();
    let Decoded { line, info, .. } = Decoded::open(demuxer, None, false, &mut job)?;
    let source = Source { input: &input, stream, info };
    let line = match from {
        From::Host => line,
        From::Gpu => Line::Device(line.into_device(lanes[0])?, lanes[0].clone()),
    };
    let line = match lanes {
        [pool] => enlarged(line, pool, &mut job)?,
        pools => {
            let labels: Vec<_> = (0..pools.len()).map(|lane| format!("lane {lane}")).collect();
            let mut pools = pools.iter();
            let append = |line, job: &mut Assembling<'_>| enlarged(line, pools.next().unwrap(), job);
            Line::Dealt(Lanes::new(line, &labels, append, &mut job)?.0)
        }
    };
    let end = End::new(line, &source, Goal::new(target)?, &mut job)?;
    job.stock()?;
    Ok((end, control))
}

fn run((end, control): (End, Control)) -> Result<(Vec<Digest>, Report), Error> {
    match end {
        End::File(end) => end.chain.run(&control, |_| {}).map(|(_, report)| (Vec::new(), report)),
        End::Frames(end) => {
            end.chain.run(&control, |_| {}).map(|(summary, report)| (summary.digests, report))
        }
    }
}

#[test]
fn frames_that_are_dealt_are_those_of_one_lane() {
    let Some([first, second]) = pools() else { return };
    let (clip, target) = (Clip::new(), Target::Frames(FrameTarget::Digest));
    let digests = |from, lanes: &[&Pool]| run(built(&clip, from, lanes, &target).unwrap()).unwrap();
    let (expected, _) = digests(From::Host, &[&first]);
    assert_eq!(expected.len() as u64, super::FRAMES);
    for from in [From::Host, From::Gpu] {
        let several: [&[&Pool]; 5] = [
            &[&second],
            &[&first, &first],
            &[&first, &second],
            &[&second, &first],
            &[&first, &second, &first, &second],
        ];
        for lanes in several {
            let (seen, report) = digests(from, lanes);
            assert_eq!(seen, expected, "{from:?}, {} lanes", lanes.len());
            let shares = (0..lanes.len()).filter_map(|lane| report.stage(&format!("upscale lane {lane}")));
            let shares: Vec<_> = shares.map(|stage| stage.items_out).collect();
            let dealt = if lanes.len() == 1 { 0 } else { super::FRAMES };
            assert_eq!(shares.iter().sum::<u64>(), dealt, "{shares:?}");
        }
    }
}

/// What a frame of 64x36 and its enlargement take: Y'CbCr with rows of 256 bytes, and R'G'B' of half precision.
const YUV: usize = 32 << 10;
const RGB: usize = 16 << 10;
const LARGE: usize = 64 << 10;

#[test]
fn nothing_is_allocated_once_frames_come_however_many_wait() {
    let Some([first, second]) = pools() else { return };
    let clip = Clip::new();
    // Queues of 4, 2, 4 and 4 frames, one that does not fit before each, and the one in the sink.
    let full = 5 * YUV + 3 * RGB + 5 * LARGE + 6 * LARGE;
    // All frames of the clip wait, at least those of the first GPU for what it gives back.
    let cases: [(&[&Pool], usize); 3] =
        [(&[&first], full), (&[&first, &first], 37 * RGB), (&[&first, &second], 12 * RGB)];
    for (lanes, waiting_bytes) in cases {
        for (target, sink) in [(FrameTarget::Digest, "hash"), (FrameTarget::Null, "null")] {
            let pool = first.clone();
            let before = Arc::new(OnceLock::new());
            let known = Arc::clone(&before);
            let wait = move || {
                let until = known.get().unwrap() + waiting_bytes;
                let deadline = Instant::now() + Duration::from_secs(10);
                while pool.health().used_bytes < until {
                    assert!(Instant::now() < deadline, "{pool:?}, not {until}");
                    thread::yield_now();
                }
            };
            let (alive, _ended) = unbounded();
            let trap = Trap { stage: sink.into(), item: 2, fault: Fault::Call(Arc::new(wait)), alive };
            let built = trap::with(trap, || built(&clip, From::Gpu, lanes, &Target::Frames(target)));
            let ready = [&first, &second].map(Pool::health);
            before.set(ready[0].used_bytes).unwrap();
            run(built.unwrap()).unwrap();
            for (pool, ready) in [&first, &second].into_iter().zip(ready) {
                let end = pool.health();
                let changed = [end.misses - ready.misses, end.overflowed - ready.overflowed, end.evicted];
                assert_eq!(changed, [0; 3], "{sink}, {} lanes, {pool:?}: {end:?}", lanes.len());
            }
        }
    }
}

#[test]
fn a_copy_is_there_where_the_memory_changes_and_nowhere_else() {
    let Some([first, second]) = pools() else { return };
    let names = |from, lanes: &[&Pool], target: &Target| {
        let clip = Clip::new();
        let (_, report) = run(built(&clip, from, lanes, target).unwrap()).unwrap();
        report.stages.into_iter().map(|stage| stage.name).collect::<Vec<_>>()
    };
    let hash = Target::Frames(FrameTarget::Digest);
    let on_one = names(From::Gpu, &[&first, &first], &hash);
    assert_eq!(
        on_one,
        [
            "demux",
            "decode",
            "upload",
            "deal",
            "preprocess lane 0",
            "upscale lane 0",
            "postprocess lane 0",
            "preprocess lane 1",
            "upscale lane 1",
            "postprocess lane 1",
            "merge",
            "hash",
        ]
    );
    if first.device().ordinal() == second.device().ordinal() {
        println!("skipped: there is one GPU");
        return;
    }
    let copies =
        |names: Vec<String>| names.into_iter().filter(|name| name.contains("copy")).collect::<Vec<_>>();
    let on_two = copies(names(From::Gpu, &[&first, &second], &hash));
    assert_eq!(on_two, ["copy lane 1", "copy back lane 1"]);
    assert_eq!(copies(names(From::Host, &[&first, &second], &hash)), ["copy back lane 1"]);
}

#[test]
fn a_line_with_lanes_is_finished_at_a_frame_or_abandoned() {
    let Some([first, second]) = pools() else { return };
    let (clip, target) = (Clip::new(), Target::Frames(FrameTarget::Digest));
    let lanes = [&first, &second];
    let (expected, _) = run(built(&clip, From::Gpu, &lanes, &target).unwrap()).unwrap();
    for stop in [Control::finish, Control::abandon] {
        let control = Arc::new(OnceLock::<Control>::new());
        let (alive, ended) = unbounded();
        let stopped = Arc::clone(&control);
        let fault = Fault::Call(Arc::new(move || stopped.get().into_iter().for_each(stop)));
        let trap = Trap { stage: "upscale lane 1".into(), item: 1, fault, alive };
        let (end, own) = trap::with(trap, || built(&clip, From::Gpu, &lanes, &target)).unwrap();
        control.set(own.clone()).unwrap();
        match run((end, own.clone())) {
            Ok((digests, _)) => {
                assert!(!own.is_abandoning());
                assert!(!digests.is_empty() && expected.starts_with(&digests), "{} frames", digests.len());
            }
            Err(error) => assert!(own.is_abandoning() && matches!(error, Error::Abandoned), "{error}"),
        }
        assert_eq!(ended.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!([&first, &second].map(|pool| pool.health().used_bytes), [0, 0]);
    }
}

#[test]
fn a_fault_in_any_stage_on_gpus_ends_the_line_and_gives_the_memory_back() {
    let Some([first, second]) = pools() else { return };
    let clip = Clip::new();
    let file = Target::File(clip.beside("larger.mp4"));
    for target in [file, Target::Frames(FrameTarget::Digest)] {
        let build = || -> Ready {
            let built = built(&clip, From::Gpu, &[&first, &second], &target).unwrap();
            Box::new(move || run(built).map(|(_, report)| report))
        };
        every_fault_ends(&build, &|stage| {
            assert!(clip.is_alone(), "{stage} left a file");
            for pool in [&first, &second] {
                assert_eq!(pool.health().used_bytes, 0, "{stage}: {pool:?}");
            }
        });
    }
}
