//! A stage of one's own in a chain: decodes a file, finds the darkest frame, writes nothing.
//! `cargo run --release --example custom_stage -- IN`

use std::path::PathBuf;

use rave_core::{BoxError, CustomError, HostFrame, Sink, Stage, Timestamp};
use rave_ffmpeg::{DecoderOptions, Demuxer, DemuxerOptions, Input, SoftwareDecoder};
use rave_pipeline::{Chain, Control};

/// Measures the mean luma of 8-bit frames, in code values.
struct MeanLuma;

impl Stage for MeanLuma {
    type Input = HostFrame;
    type Output = (Timestamp, f64);

    fn process(&mut self, frame: HostFrame, emit: &mut dyn FnMut(Self::Output)) -> Result<(), BoxError> {
        if frame.layout().format().bits() != Some(8) {
            return Err(CustomError::new("only 8-bit video is measured").into());
        }
        let sum: u64 = frame.rows::<u8>(0).flatten().map(|&luma| u64::from(luma)).sum();
        let pixels = f64::from(frame.layout().width()) * f64::from(frame.layout().height());
        emit((frame.info().pts, sum as f64 / pixels));
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn FnMut(Self::Output)) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Keeps the least of what it gets.
#[derive(Default)]
struct Darkest(Option<(Timestamp, f64)>);

impl Sink for Darkest {
    type Input = (Timestamp, f64);
    type Summary = Option<(Timestamp, f64)>;

    fn write(&mut self, (pts, mean): Self::Input) -> Result<(), BoxError> {
        if self.0.is_none_or(|(_, least)| mean < least) {
            self.0 = Some((pts, mean));
        }
        Ok(())
    }

    fn finish(self) -> Result<Self::Summary, BoxError> {
        Ok(self.0)
    }
}

fn main() -> Result<(), BoxError> {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: custom_stage IN");
        return Ok(());
    };
    let demuxer = Demuxer::open(&Input::File(PathBuf::from(path)), &DemuxerOptions::default())?;
    let decoder = SoftwareDecoder::new(demuxer.video(), &DecoderOptions::default())?;
    let (darkest, report) = Chain::source("demux", demuxer)
        .then("decode", decoder)
        .then("measure", MeanLuma)
        .sink("darkest", Darkest::default())
        .run(&Control::new(), |_| {})?;
    if let Some((pts, mean)) = darkest {
        println!("darkest frame at {pts}: mean luma {mean:.2}");
    }
    if let Some(stage) = report.bottleneck() {
        println!("limited by {}", stage.name);
    }
    Ok(())
}
