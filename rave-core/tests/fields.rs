//! Deinterlacing against another program, and finding out whether it is needed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{components, ffmpeg};
use rave_core::{
    ColorSpec, CombDetector, CombReport, Deinterlace, FieldOrder, Fields, FrameInfo, HostBuffer, HostFrame,
    Layout, PixelFormat, Stage, TimeBase, Timestamp, VideoInfo,
};

const SIZE: (u32, u32) = (160, 96);
const COUNT: usize = 6;

fn info(format: PixelFormat) -> VideoInfo {
    VideoInfo::new(format, SIZE, ColorSpec::BT709, TimeBase::new(1, 25).unwrap())
}

/// Frames of a filter graph.
fn frames(graph: &str, format: PixelFormat, order: FieldOrder) -> Vec<HostFrame> {
    let graph = format!("{graph},trim=end_frame={COUNT}");
    let pix_fmt = format.to_string();
    let bytes =
        ffmpeg::raw_video(&["-f", "lavfi", "-i", &graph, "-fps_mode", "passthrough", "-pix_fmt", &pix_fmt]);
    let layout = Layout::packed(format, SIZE.0, SIZE.1).unwrap();
    bytes
        .chunks_exact(layout.size_bytes())
        .enumerate()
        .map(|(index, bytes)| {
            let pts = Timestamp::new(index as i64, TimeBase::new(1, 25).unwrap());
            let info = FrameInfo { pts, duration_ticks: Some(1), field_order: order };
            let mut buffer = HostBuffer::zeroed(bytes.len());
            buffer.as_bytes_mut().copy_from_slice(bytes);
            HostFrame::new(buffer, layout, ColorSpec::BT709, info).unwrap()
        })
        .collect()
}

const MOVING: &str = "testsrc2=s=160x96:r=50:d=1,scroll=h=0.02:v=0.01";

fn interlaced(format: PixelFormat, order: FieldOrder) -> String {
    let mode = if order == FieldOrder::TopFirst { "interleave_top" } else { "interleave_bottom" };
    format!("{MOVING},format={format},tinterlace={mode}")
}

fn deinterlaced(frames: &[HostFrame], format: PixelFormat, fields: Fields) -> Vec<HostFrame> {
    let mut stage = Deinterlace::new(&info(format), fields).unwrap();
    let mut pictures = Vec::new();
    for frame in frames {
        stage.process(frame.clone(), &mut |picture| pictures.push(picture)).unwrap();
    }
    stage.finish(&mut |picture| pictures.push(picture)).unwrap();
    pictures
}

#[test]
fn pictures_are_those_of_ffmpegs_bwdif() {
    if !ffmpeg::is_installed() {
        return;
    }
    for format in [PixelFormat::YUV420P, PixelFormat::YUV422P, PixelFormat::YUV420P10] {
        for order in [FieldOrder::TopFirst, FieldOrder::BottomFirst] {
            let graph = interlaced(format, order);
            let parity = if order == FieldOrder::TopFirst { "tff" } else { "bff" };
            let filtered =
                format!("{graph},trim=end_frame={COUNT},bwdif=mode=send_frame:parity={parity}:deint=all");
            let expected = frames(&filtered, format, FieldOrder::Progressive);
            let found = deinterlaced(&frames(&graph, format, order), format, Fields::Flagged);
            assert_eq!((found.len(), expected.len()), (COUNT, COUNT));
            for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found.info().field_order, FieldOrder::Progressive);
                assert_eq!(found.info().pts.ticks(), number as i64);
                for (plane, (found, expected)) in
                    components(found).iter().zip(components(expected)).enumerate()
                {
                    // Near the edges there are several ways to go on.
                    let height = if plane > 0 && format != PixelFormat::YUV422P { 48 } else { 96 };
                    let width = found.len() / height;
                    let inner = 6 * width..found.len() - 6 * width;
                    assert!(found[inner.clone()] == expected[inner], "{format} frame {number} plane {plane}");
                }
            }
        }
    }
}

#[test]
fn frames_that_are_pictures_pass_unless_all_are_meant() {
    if !ffmpeg::is_installed() {
        return;
    }
    let format = PixelFormat::YUV420P;
    let source = frames(&format!("{MOVING},format=yuv420p"), format, FieldOrder::Progressive);
    let same = |a: &[HostFrame], b: &[HostFrame]| {
        a.iter().zip(b).all(|(a, b)| a.buffer().as_bytes() == b.buffer().as_bytes())
    };
    assert!(same(&deinterlaced(&source, format, Fields::Flagged), &source));
    let all = deinterlaced(&source, format, Fields::AllTopFirst);
    assert_eq!(all.len(), source.len());
    assert!(!same(&all, &source));
}

#[test]
fn combing_is_found_where_there_is_some() {
    if !ffmpeg::is_installed() {
        return;
    }
    let seen = |graph: &str, format| -> CombReport {
        let mut detector = CombDetector::new();
        for frame in frames(graph, format, FieldOrder::Progressive) {
            detector.look(&frame).unwrap();
        }
        detector.report()
    };
    let combed = [
        interlaced(PixelFormat::YUV420P, FieldOrder::TopFirst),
        interlaced(PixelFormat::YUV420P, FieldOrder::BottomFirst),
    ];
    for graph in &combed {
        let report = seen(graph, PixelFormat::YUV420P);
        assert!(report.combed >= 3, "{graph}: {report:?}");
    }
    let (top, bottom) = (seen(&combed[0], PixelFormat::YUV420P), seen(&combed[1], PixelFormat::YUV420P));
    assert!(top.top_first >= 3 && top.bottom_first + top.pictures == 0, "{top:?}");
    assert!(bottom.bottom_first >= 3 && bottom.top_first + bottom.pictures == 0, "{bottom:?}");
    let ten = interlaced(PixelFormat::YUV420P10, FieldOrder::TopFirst);
    assert!(seen(&ten, PixelFormat::YUV420P10).combed >= 3);
    let pictures = seen(&format!("{MOVING},format=yuv420p"), PixelFormat::YUV420P);
    assert!(pictures.pictures >= 3 && pictures.top_first + pictures.bottom_first == 0, "{pictures:?}");
    for graph in [
        format!("{MOVING},format=yuv420p"),
        "testsrc2=s=160x96:r=25:d=1,format=yuv420p".to_owned(),
        "mandelbrot=s=160x96:r=25,format=yuv420p".to_owned(),
        "smptebars=s=160x96:d=1,format=yuv420p".to_owned(),
    ] {
        let report = seen(&graph, PixelFormat::YUV420P);
        assert_eq!(report.combed, 0, "{graph}: {report:?}");
    }
}
