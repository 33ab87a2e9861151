//! Upscales a file: `cargo run --release --example upscale -- IN OUT`.

use rave_core::BoxError;
use rave_ffmpeg::Input;
use rave_pipeline::{Target, UpscaleJob, UpscaleOptions};
use rave_tensorrt::Runtime;

fn main() -> Result<(), BoxError> {
    let mut files = std::env::args_os().skip(1);
    let (Some(input), Some(output)) = (files.next(), files.next()) else {
        eprintln!("usage: upscale IN OUT");
        return Ok(());
    };
    let runtime = Runtime::load(None, &[])?;
    let input = Input::File(input.into());
    let job = UpscaleJob::open(&runtime, &input, &Target::File(output.into()), &UpscaleOptions::default())?;
    let report = job.run(|progress| eprintln!("{} frames", progress.frames))?;
    println!("{} frames in {:?}", report.frames(), report.stages.elapsed);
    Ok(())
}
