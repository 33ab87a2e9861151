use rave_core::{BoxError, Timestamp};
use rave_ffmpeg::{MediaInfo, StreamInfo, VideoDescription};

use crate::args::ProbeArgs;
use crate::{json, logging, stdout, table, upscale};

pub fn run(args: &ProbeArgs) -> Result<u8, BoxError> {
    logging::start(false, 0);
    let media = rave_ffmpeg::probe(&upscale::input(&args.input))?;
    if args.json {
        json::print(&json::media(&media))?;
    } else {
        stdout::print(&describe(&media))?;
    }
    Ok(0)
}

fn describe(media: &MediaInfo) -> String {
    let mut rows = vec![vec!["format".to_owned(), media.format.clone()]];
    rows.extend(row("duration", media.duration.map(seconds)));
    rows.extend(row("start", media.start.filter(|start| start.ticks() != 0).map(seconds)));
    rows.extend(row("bit rate", media.bit_rate.map(|rate| format!("{} kbit/s", rate / 1000))));
    rows.extend(row("chapters", (!media.chapters.is_empty()).then(|| media.chapters.len().to_string())));
    let mut text = table::aligned(&rows);
    text.push('\n');
    let mut streams = vec![["#", "kind", "codec", "language", "details"].map(str::to_owned).to_vec()];
    streams.extend(media.streams.iter().map(|stream| stream_row(stream, media.best_video)));
    text + &table::aligned(&streams)
}

fn row(name: &str, value: Option<String>) -> Option<Vec<String>> {
    value.map(|value| vec![name.to_owned(), value])
}

fn seconds(time: Timestamp) -> String {
    format!("{:.3} s", time.seconds())
}

fn stream_row(stream: &StreamInfo, best_video: Option<usize>) -> Vec<String> {
    let mark = if best_video == Some(stream.index) { "*" } else { "" };
    let unknown = || "-".to_owned();
    vec![
        format!("{}{mark}", stream.index),
        stream.kind.name().to_owned(),
        stream.codec.clone().unwrap_or_else(unknown),
        stream.language.clone().unwrap_or_else(unknown),
        details(stream),
    ]
}

fn details(stream: &StreamInfo) -> String {
    let mut parts = Vec::new();
    if let Some(video) = &stream.video {
        parts.extend(video_details(video));
    }
    if let Some(audio) = &stream.audio {
        parts.push(format!("{} Hz, {} channels", audio.sample_rate, audio.channels));
    }
    if stream.is_attached_picture {
        parts.push("cover picture".into());
    }
    parts.extend(stream.frame_count.map(|count| format!("{count} frames by the header")));
    parts.join(", ")
}

fn video_details(video: &VideoDescription) -> Vec<String> {
    let mut parts = vec![format!("{}x{}", video.width, video.height)];
    parts.extend(video.pixel_format.clone());
    parts.extend(video.sample_aspect_ratio.map(|ratio| format!("pixels {ratio}")));
    parts.extend(video.average_frame_rate.map(|rate| format!("{:.3} fps", rate.to_f64())));
    let color = video.color;
    parts.push(format!("{}/{}/{}/{}", color.matrix, color.primaries, color.transfer, color.range));
    parts.extend(video.rotation_degrees.map(|degrees| format!("rotated {degrees} degrees")));
    parts
}
