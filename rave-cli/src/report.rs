use rave_pipeline::{GpuReport, LaneReport, StageReport, UpscaleReport};

use crate::table;

/// What each stage did, and the memory of the GPU.
pub fn table(report: &UpscaleReport) -> String {
    let seconds = report.stages.elapsed.as_secs_f64().max(1e-9);
    let bottleneck = report.stages.bottleneck().map(|stage| stage.name.as_str());
    let header = ["stage", "in", "out", "busy", "waits in", "waits out", "queue"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.stages.stages.iter().map(|stage| row(stage, seconds, bottleneck)));
    let mut text = table::aligned(&rows);
    report.lanes.iter().for_each(|lane| text += &share(lane, report.frames()));
    if let Some(gpu) = &report.gpu {
        text += &memory(gpu, report.inference.runtime_bytes);
    }
    text
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

fn memory(gpu: &GpuReport, runtime_bytes: u64) -> String {
    let (pool, mib) = (&gpu.pool, |bytes: u64| bytes >> 20);
    format!(
        "{}: {} MiB for frames at the peak, {} MiB for the model; pool hit rate {:.3}; {} MiB to the GPU, {} MiB back\n",
        gpu.device.name,
        mib(pool.peak_bytes as u64),
        mib(runtime_bytes),
        pool.hit_rate(),
        mib(pool.uploaded_bytes),
        mib(pool.downloaded_bytes),
    )
}
