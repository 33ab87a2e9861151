use rave_pipeline::{GpuReport, LaneReport, StageReport, UpscaleReport};

use crate::table;

/// What each stage did, and the memory of the GPU.
pub fn table(report: &UpscaleReport) -> String {
    let seconds = report.stages.elapsed.as_secs_f64().max(1e-9);
    let bottleneck = report.stages.bottleneck().map(|stage| stage.name.as_str());
    let header = ["stage", "in", "out", "busy", "waits in", "waits out", "queue"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.stages.stages.iter().map(|stage| row(stage, seconds, bottleneck)));
    if report.gpu.is_some() {
        add_gpu(&mut rows, &report.stages.stages, seconds);
    }
    let mut text = table::aligned(&rows);
    report.lanes.iter().for_each(|lane| text += &share(lane, report.frames()));
    memory_of_gpus(report).iter().for_each(|(gpu, runtime_bytes)| text += &memory(gpu, *runtime_bytes));
    text + &together(report) + &overlap(report) + &startup(report)
}

/// The part of the time that the GPU worked for each stage, and how long for a frame.
fn add_gpu(rows: &mut [Vec<String>], stages: &[StageReport], seconds: f64) {
    let cell = |stage: &StageReport| {
        stage.device.map_or("-".to_owned(), |device| {
            let (share, mean) = (device.sum.as_secs_f64() / seconds, device.mean().as_secs_f64());
            format!("{:.0}%, {:.2} ms", 100.0 * share, 1000.0 * mean)
        })
    };
    let cells = std::iter::once("gpu".to_owned()).chain(stages.iter().map(cell));
    rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
}

fn overlap(report: &UpscaleReport) -> String {
    let share = report.decoding_during_inference();
    share.map_or_else(String::new, |share| {
        format!("{:.0}% of the decoder's time on the GPU passed while the model ran\n", 100.0 * share)
    })
}

/// How many frames the model had at once, if more than one.
fn together(report: &UpscaleReport) -> String {
    let batch = report.inference.batch;
    if batch > 1 { format!("{batch} frames went through the model together\n") } else { String::new() }
}

/// Where the time until the first frame went.
fn startup(report: &UpscaleReport) -> String {
    let Some(first_out) = report.first_out() else { return String::new() };
    let steps = report.startup.iter().map(|step| format!("{} {:.2}", step.name, step.duration.as_secs_f64()));
    let steps = steps.collect::<Vec<_>>().join(", ");
    format!("first output after {:.2} s: {steps}\n", first_out.as_secs_f64())
}

/// A lane's part of all frames.
fn share(lane: &LaneReport, frames: u64) -> String {
    let percent = 100.0 * lane.frames() as f64 / frames.max(1) as f64;
    format!("{} ({}): {} frames, {percent:.1} %\n", lane.label, lane.gpu.device.name, lane.frames())
}

fn row(stage: &StageReport, seconds: f64, bottleneck: Option<&str>) -> Vec<String> {
    let share = |time: std::time::Duration| format!("{:.0}%", 100.0 * time.as_secs_f64() / seconds);
    let mark = if bottleneck == Some(&stage.name) { "*" } else { "" };
    let queue = match stage.queue.capacity {
        0 => "-".to_owned(),
        capacity => format!("{:.1}/{capacity}", stage.queue.mean_depth),
    };
    vec![
        format!("{}{mark}", stage.name),
        stage.items_in.to_string(),
        stage.items_out.to_string(),
        share(stage.busy),
        share(stage.waiting_for_input),
        share(stage.waiting_for_output),
        queue,
    ]
}

/// Each GPU, and what its networks take.
fn memory_of_gpus(report: &UpscaleReport) -> Vec<(&GpuReport, u64)> {
    let mut gpus: Vec<(&GpuReport, u64)> = Vec::new();
    for lane in &report.lanes {
        let ordinal = lane.gpu.device.ordinal;
        match gpus.iter_mut().find(|(gpu, _)| gpu.device.ordinal == ordinal) {
            Some((_, bytes)) => *bytes += lane.inference.runtime_bytes,
            None => gpus.push((&lane.gpu, lane.inference.runtime_bytes)),
        }
    }
    let only = report.gpu.iter().filter(|_| report.lanes.is_empty());
    gpus.extend(only.map(|gpu| (gpu, report.inference.runtime_bytes)));
    gpus
}

fn memory(gpu: &GpuReport, runtime_bytes: u64) -> String {
    let (pool, mib) = (&gpu.pool, |bytes: u64| bytes >> 20);
    format!(
        "GPU {}, {}: {} MiB for frames at the peak, {} MiB for the model; pool hit rate {:.3}; {} MiB to the GPU, {} MiB back\n",
        gpu.device.ordinal,
        gpu.device.name,
        mib(pool.peak_bytes as u64),
        mib(runtime_bytes),
        pool.hit_rate(),
        mib(pool.uploaded_bytes),
        mib(pool.downloaded_bytes),
    )
}
