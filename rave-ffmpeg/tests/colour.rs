//! What is said of a source's colours, and what encoders write of its HDR metadata.
#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod support;

use rave_core::{Matrix, Transfer};
use rave_ffmpeg::{Demuxer, DemuxerOptions, Incompatible, Input, MuxerOptions, VideoCodec};
use support::{fast, ffmpeg, make, transcode};

#[test]
fn tags_that_contradict_each_other_are_named_and_the_codecs_count() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "-f lavfi -i testsrc2=s=64x48:d=0.2 -c:v libx264 -colorspace bt709 -color_primaries bt709 \
        -color_trc bt709 -color_range tv";
    let agreed = make(folder.path(), "agreed.mp4", arguments);
    let torn = folder.path().join("torn.mp4");
    // The bitstream is changed, the container's colour box is not: it is written from the codec parameters.
    let change = "-bsf:v h264_metadata=matrix_coefficients=6:colour_primaries=1:transfer_characteristics=1";
    ffmpeg(&format!("-i {} -c copy {change} -movflags +write_colr", agreed.display()), &[torn.as_os_str()]);
    let open = |path: &std::path::Path| {
        let demuxer = Demuxer::open(&Input::from(path), &DemuxerOptions::default()).unwrap();
        (demuxer.video().info().color, demuxer.video().notices().join("; "))
    };
    let (color, notices) = open(&agreed);
    assert_eq!((color.matrix, notices.as_str()), (Matrix::Bt709, ""));
    let (color, notices) = open(&torn);
    assert_eq!(color.matrix, Matrix::Smpte170m, "{notices}");
    assert!(notices.contains("the matrix is bt709 by the container and smpte170m by the codec"), "{notices}");
}

#[test]
fn hdr_metadata_is_in_the_bitstream_itself() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = "-f lavfi -i testsrc2=s=64x64:d=0.2 -c:v libx265 -pix_fmt yuv420p10le \
        -colorspace bt2020nc -color_primaries bt2020 -color_trc smpte2084 -color_range tv -x265-params \
        log-level=none:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400";
    let source = make(folder.path(), "source.mp4", arguments);
    let info = |path: &std::path::Path| {
        *Demuxer::open(&Input::from(path), &DemuxerOptions::default()).unwrap().video().info()
    };
    let before = info(&source);
    assert_eq!(before.color.transfer, Transfer::Pq);
    for (name, codec) in [("a.265", VideoCodec::Hevc), ("b.obu", VideoCodec::Av1)] {
        let target = folder.path().join(name);
        let drop = MuxerOptions { incompatible: Incompatible::Drop, ..MuxerOptions::default() };
        transcode(&source, &target, &fast(codec), &drop).unwrap();
        let after = info(&target);
        assert_eq!(after.content_light, before.content_light, "{name}");
        let (before, after) = (before.mastering_display.unwrap(), after.mastering_display.unwrap());
        let points = |display: rave_core::MasteringDisplay| {
            display.primaries.into_iter().chain([display.white_point]).flatten().collect::<Vec<_>>()
        };
        for (before, after) in points(before).iter().zip(points(after)) {
            // AV1 counts chromaticities in 1/65536, HEVC in 1/50000.
            assert!(before.abs_diff(after) <= 1, "{name}: {before} {after}");
        }
        assert!(before.max_luminance.abs_diff(after.max_luminance) <= 40, "{name}: {after:?}");
        assert!(before.min_luminance.abs_diff(after.min_luminance) <= 1, "{name}: {after:?}");
    }
}
