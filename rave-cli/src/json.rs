use rave_core::{BoxError, Code, ColorSpec, Rational, Timestamp, VideoInfo};
use rave_ffmpeg::{MediaInfo, StreamInfo, StreamOutcome, StreamPlan, TimeRange};
use rave_pipeline::{
    Choice, GpuReport, LaneReport, Progress, StageReport, StartStep, UpscaleReport, Written,
};
use rave_tensorrt::MemoryStep;
use serde_json::{Value, json};

use crate::{stdout, verify};

/// Version of every JSON object that is printed; it grows when a field changes its meaning or goes away.
pub const VERSION: u32 = 1;

/// Prints a result.
pub fn print(value: &Value) -> Result<(), BoxError> {
    stdout::print(&format!("{value}\n"))
}

pub fn failure(code: Code, message: &str, is_recoverable: bool) -> Value {
    json!({
        "version": VERSION,
        "error": {
            "code": code.number(),
            "name": code.name(),
            "message": message,
            "recoverable": is_recoverable,
        },
    })
}

pub fn progress(progress: &Progress) -> Value {
    json!({
        "version": VERSION,
        "frames": progress.frames,
        "total": progress.total,
        "elapsed_seconds": progress.elapsed.as_secs_f64(),
        "frames_per_second": progress.frames_per_second,
        "remaining_seconds": progress.remaining.map(|time| time.as_secs_f64()),
        "bottleneck": progress.bottleneck,
    })
}

pub fn report(report: &UpscaleReport) -> Value {
    let plan = &report.plan;
    let (output, muxing, verification, digests) = match &report.written {
        Written::File { path, muxing, verification } => {
            (path.to_string_lossy().into_owned(), Some(muxing), verification.as_ref(), None)
        }
        Written::Frames { target, summary } => {
            (target.to_string(), None, None, summary.digest().map(|_| summary))
        }
    };
    let shift = verification.map_or(muxing.and_then(|muxing| muxing.timestamp_shift), |found| found.shift);
    json!({
        "version": VERSION,
        "output": output,
        "frames": report.frames(),
        "cut_short": report.is_cut_short,
        "missing_frames": report.missing_frames,
        "missing_seconds": verification.map_or(0.0, |found| found.missing_seconds),
        "interlaced_frames": report.interlaced_frames,
        "damaged_copied_packets": muxing.map_or(0, |muxing| muxing.damaged_packets),
        "model": {
            "name": plan.model.name,
            "scale": plan.model.scale,
            "description": plan.model.to_string(),
        },
        "encoder": plan.encoder,
        "source": video(&plan.source),
        "video": video(&plan.output),
        "streams": report.streams().iter().map(stream_plan).collect::<Vec<_>>(),
        "choices": plan.choices.iter().map(choice).collect::<Vec<_>>(),
        "notices": plan.notices,
        "decoding": decoding(report),
        "switched_decoder": report.switched_decoder,
        "inference": inference(&report.inference),
        "gpu": report.gpu.as_ref().map(gpu),
        "lanes": report.lanes.iter().map(|lane| lane_report(lane, report.frames())).collect::<Vec<_>>(),
        "digest": digests.and_then(|summary| summary.digest()).map(|digest| digest.to_string()),
        "frame_digests": digests.map(|summary| summary.digests.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "bytes": report.bytes(),
        "timestamp_shift_seconds": shift.map(Timestamp::seconds),
        "verification": verification.map(verify::to_json),
        "elapsed_seconds": report.stages.elapsed.as_secs_f64(),
        "bottleneck": report.stages.bottleneck().map(|stage| &stage.name),
        "decoding_during_inference": report.decoding_during_inference(),
        "first_out_seconds": report.first_out().map(|time| time.as_secs_f64()),
        "startup": report.startup.iter().map(startup_step).collect::<Vec<_>>(),
        "stages": report.stages.stages.iter().map(stage_report).collect::<Vec<_>>(),
    })
}

/// The part of the source that was asked for; `null` for everything.
pub fn range(range: &TimeRange) -> Value {
    let seconds = |time: Option<Timestamp>| time.map(Timestamp::seconds);
    let part = json!({ "start_seconds": seconds(range.start), "end_seconds": seconds(range.end) });
    if range.is_everything() { Value::Null } else { part }
}

fn decoding(report: &UpscaleReport) -> Value {
    let decoding = &report.decoding;
    json!({
        "frames": decoding.frames,
        "corrupt_packets": decoding.corrupt_packets,
        "concealed_frames": decoding.concealed_frames,
        "reconstructed_timestamps": decoding.reconstructed_timestamps,
        "discarded_by_edit_list": decoding.discarded_by_edit_list,
        "undecodable_at_start": decoding.undecodable_at_start,
        "resized_frames": decoding.resized_frames,
    })
}

fn inference(inference: &rave_tensorrt::UpscaleReport) -> Value {
    json!({
        "provider": inference.provider.to_string(),
        "tile": inference.tile.map(|(width, height)| json!([width, height])),
        "batch": inference.batch,
        "batch_reason": inference.batch_reason.to_string(),
        "memory_steps": inference.memory_steps.iter().map(memory_step).collect::<Vec<_>>(),
        "frames": inference.frames,
        "not_finite": inference.not_finite,
        "not_finite_frames": inference.not_finite_frames,
        "run_again": inference.run_again,
        "still_not_finite": inference.still_not_finite,
        "runtime_bytes": inference.runtime_bytes,
    })
}

fn memory_step(step: &MemoryStep) -> Value {
    json!({
        "frame": step.frame,
        "batch": step.batch,
        "tile": step.tile.map(|(width, height)| json!([width, height])),
        "reason": step.reason,
    })
}

pub fn choice(choice: &Choice) -> Value {
    let refused = choice.refused.iter().map(|refused| {
        json!({
            "what": refused.what,
            "code": refused.code.map(Code::number),
            "reason": refused.reason,
        })
    });
    json!({ "part": choice.part.name(), "taken": choice.taken, "refused": refused.collect::<Vec<_>>() })
}

fn gpu(gpu: &GpuReport) -> Value {
    let pool = &gpu.pool;
    json!({
        "device": gpu.device.name,
        "ordinal": gpu.device.ordinal,
        "uploaded_bytes": pool.uploaded_bytes,
        "downloaded_bytes": pool.downloaded_bytes,
        "pool": {
            "hits": pool.hits,
            "misses": pool.misses,
            "hit_rate": pool.hit_rate(),
            "stocked": pool.stocked,
            "without_room": pool.without_room,
            "recycled": pool.recycled,
            "overflowed": pool.overflowed,
            "evicted": pool.evicted,
            "allocated_bytes": pool.allocated_bytes,
            "peak_bytes": pool.peak_bytes,
            "used_bytes": pool.used_bytes,
            "limit_mib": pool.limit_mib,
        },
    })
}

/// A lane's part of all frames, and what its network did.
fn lane_report(lane: &LaneReport, frames: u64) -> Value {
    json!({
        "label": lane.label,
        "frames": lane.frames(),
        "share": lane.frames() as f64 / frames.max(1) as f64,
        "gpu": gpu(&lane.gpu),
        "inference": inference(&lane.inference),
        "upscale": stage_report(&lane.upscale),
    })
}

fn startup_step(step: &StartStep) -> Value {
    json!({
        "name": step.name,
        "start_seconds": step.start.as_secs_f64(),
        "seconds": step.duration.as_secs_f64(),
    })
}

fn stage_report(stage: &StageReport) -> Value {
    json!({
        "name": stage.name,
        "items_in": stage.items_in,
        "items_out": stage.items_out,
        "busy_seconds": stage.busy.as_secs_f64(),
        "waiting_for_input_seconds": stage.waiting_for_input.as_secs_f64(),
        "waiting_for_output_seconds": stage.waiting_for_output.as_secs_f64(),
        "queue_capacity": stage.queue.capacity,
        "mean_queue_depth": stage.queue.mean_depth,
        "first_item_seconds": stage.first_item.map(|time| time.as_secs_f64()),
        "gpu_seconds": stage.device.map(|device| device.sum.as_secs_f64()),
        "gpu_mean_seconds": stage.device.map(|device| device.mean().as_secs_f64()),
        "gpu_max_seconds": stage.device.map(|device| device.longest.as_secs_f64()),
    })
}

fn video(info: &VideoInfo) -> Value {
    json!({
        "width": info.width,
        "height": info.height,
        "pixel_format": info.format.to_string(),
        "color": color(info.color),
        "sample_aspect_ratio": info.sample_aspect_ratio.map(ratio),
        "display_matrix": info.display_matrix,
        "frame_rate": info.frame_rate.map(ratio),
        "time_base": ratio(info.time_base.seconds_per_tick()),
    })
}

fn color(color: ColorSpec) -> Value {
    json!({
        "matrix": color.matrix.name(),
        "primaries": color.primaries.name(),
        "transfer": color.transfer.name(),
        "range": color.range.name(),
        "siting": color.siting.name(),
    })
}

fn ratio(ratio: Rational) -> Value {
    json!(ratio.to_string())
}

fn stream_plan(plan: &StreamPlan) -> Value {
    let (outcome, output_index, reason) = match &plan.outcome {
        StreamOutcome::Encoded { output_index } => ("encoded", Some(output_index), None),
        StreamOutcome::Copied { output_index } => ("copied", Some(output_index), None),
        StreamOutcome::Converted { output_index, reason, .. } => {
            ("converted", Some(output_index), Some(reason))
        }
        StreamOutcome::Dropped { reason } => ("dropped", None, Some(reason)),
    };
    json!({
        "source_index": plan.source_index,
        "kind": plan.kind.name(),
        "codec": plan.codec,
        "language": plan.language,
        "outcome": outcome,
        "output_codec": output_codec(plan),
        "output_index": output_index,
        "reason": reason,
        "notes": plan.notes,
    })
}

/// `None` for the encoded stream, whose encoder is named elsewhere.
fn output_codec(plan: &StreamPlan) -> Option<&str> {
    match &plan.outcome {
        StreamOutcome::Copied { .. } => plan.codec.as_deref(),
        StreamOutcome::Converted { codec, .. } => Some(codec),
        StreamOutcome::Encoded { .. } | StreamOutcome::Dropped { .. } => None,
    }
}

pub fn media(media: &MediaInfo) -> Value {
    json!({
        "version": VERSION,
        "format": media.format,
        "start_seconds": media.start.map(Timestamp::seconds),
        "duration_seconds": media.duration.map(Timestamp::seconds),
        "bit_rate": media.bit_rate,
        "best_video": media.best_video,
        "streams": media.streams.iter().map(stream).collect::<Vec<_>>(),
        "chapters": media.chapters.iter().map(|chapter| json!({
            "start_seconds": chapter.start.seconds(),
            "end_seconds": chapter.end.seconds(),
            "title": chapter.title,
        })).collect::<Vec<_>>(),
        "metadata": pairs(&media.metadata),
    })
}

fn stream(stream: &StreamInfo) -> Value {
    let video = stream.video.as_ref().map(|video| {
        json!({
            "width": video.width,
            "height": video.height,
            "pixel_format": video.pixel_format,
            "color": color(video.color),
            "sample_aspect_ratio": video.sample_aspect_ratio.map(ratio),
            "average_frame_rate": video.average_frame_rate.map(ratio),
            "real_frame_rate": video.real_frame_rate.map(ratio),
            "rotation_degrees": video.rotation_degrees,
        })
    });
    let audio = stream
        .audio
        .as_ref()
        .map(|audio| json!({ "sample_rate": audio.sample_rate, "channels": audio.channels }));
    json!({
        "index": stream.index,
        "kind": stream.kind.name(),
        "codec": stream.codec,
        "profile": stream.profile,
        "time_base": ratio(stream.time_base.seconds_per_tick()),
        "start_seconds": stream.start.map(Timestamp::seconds),
        "duration_seconds": stream.duration.map(Timestamp::seconds),
        "frame_count": stream.frame_count,
        "bit_rate": stream.bit_rate,
        "language": stream.language,
        "disposition": stream.disposition,
        "attached_picture": stream.is_attached_picture,
        "video": video,
        "audio": audio,
        "metadata": pairs(&stream.metadata),
    })
}

fn pairs(pairs: &[(String, String)]) -> Value {
    pairs
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
