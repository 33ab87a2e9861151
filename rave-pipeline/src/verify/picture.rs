//! What the pictures are: size, shape, colour.

use rave_core::{ColorSpec, ContentLight, MasteringDisplay, Matrix, Rational, Siting, VideoInfo};

use super::announced::{Announced, AnnouncedVideo};
use super::finding::{Aspect, Finding, Verdict};
use super::samples::SampleKind;
use super::side::{Places, Side, VideoSide};

pub(super) fn compare(source: &Side, output: &Side, announced: &Announced) -> Vec<Finding> {
    let plan = announced.video.as_ref();
    let (before, after) = (&source.video, &output.video);
    let mut findings = vec![codec(before, after), size(before, after, plan)];
    findings.push(aspect_ratio(source, output, announced));
    findings.push(rotation(&before.info, &after.info, announced));
    findings.push(samples(source, output, plan));
    findings.extend(color(before, after, plan, announced.notice(&["chroma siting"])));
    let told = announced.notice(&["HDR metadata"]);
    let hdr = mastering_display(before, after).into_iter().chain(content_light(before, after));
    findings.extend(hdr.map(|row| row.announced_by(told)));
    findings
}

fn codec(before: &VideoSide, after: &VideoSide) -> Finding {
    let verdict = if before.codec == after.codec { Verdict::Same } else { Verdict::Converted };
    Finding::new(Aspect::Codec, &*before.codec, &*after.codec, verdict)
}

/// Another size is what upscaling is for; whether the shape is kept is another row.
fn size(before: &VideoSide, after: &VideoSide, plan: Option<&AnnouncedVideo>) -> Finding {
    let of = |video: &VideoSide| (video.info.width, video.info.height);
    let text = |(width, height): (u32, u32)| format!("{width}x{height}");
    let ((width, height), (new_width, new_height)) = (of(before), of(after));
    let verdict = match plan {
        Some(plan) if (plan.width, plan.height) != of(after) => Verdict::Different,
        _ if of(before) == of(after) => Verdict::Same,
        _ => Verdict::Converted,
    };
    let finding = Finding::new(Aspect::Size, text(of(before)), text(of(after)), verdict);
    match (verdict, plan) {
        (Verdict::Different, Some(plan)) => {
            finding.noted(format!("{}x{} was announced", plan.width, plan.height))
        }
        (Verdict::Converted, _) => {
            let scale = |new, old| f64::from(new) / f64::from(old);
            finding.noted(format!("x{:.4} x{:.4}", scale(new_width, width), scale(new_height, height)))
        }
        _ => finding,
    }
}

/// Of the picture as it is shown: after rotation.
fn aspect_ratio(source: &Side, output: &Side, announced: &Announced) -> Finding {
    const ASPECT: f64 = 1e-4;
    let (before, after) = (shown_ratio(&source.video.info), shown_ratio(&output.video.info));
    let planned = announced.video.as_ref().map(planned_ratio);
    let name = output.container.map(|container| container.name());
    let rounding = shape_rounding(name, output.video.info.width, output.video.info.sample_aspect_ratio);
    let is_like = |expected: f64| (after / expected - 1.0).abs() <= ASPECT + rounding;
    let finding =
        |verdict| Finding::new(Aspect::AspectRatio, format!("{before:.5}"), format!("{after:.5}"), verdict);
    let lost_turn = turns(source.video.info.display_matrix) != turns(output.video.info.display_matrix);
    let told = announced.notice(&["rotation"]).filter(|_| lost_turn);
    let container = output.container.filter(|container| !container.has_sample_aspect_ratio());
    match container {
        _ if is_like(before) => finding(Verdict::Same),
        _ if planned.is_some_and(is_like) => finding(Verdict::Announced),
        Some(container) => finding(Verdict::Different)
            .noted(format!("{container} has no place for it"))
            .announced_by(announced.notice(&["aspect ratio"])),
        None => finding(Verdict::Different).announced_by(told),
    }
}

/// How much of the shape a container loses at most, relative to it: half a pixel of the width as shown. WebM holds whole
/// pixels, and FFmpeg writes none into Matroska where they are those of the picture.
fn shape_rounding(container: Option<&str>, width: u32, sample: Option<Rational>) -> f64 {
    let shown_width = f64::from(width) * sample.map_or(1.0, Rational::to_f64);
    match container {
        Some("webm") => 0.5 / (shown_width - 0.5),
        Some("mkv") if shown_width == f64::from(width) => 0.5 / (shown_width - 0.5),
        _ => 0.0,
    }
}

fn shown_ratio(info: &VideoInfo) -> f64 {
    ratio((info.width, info.height), info.sample_aspect_ratio, info.display_matrix)
}

fn planned_ratio(plan: &AnnouncedVideo) -> f64 {
    ratio((plan.width, plan.height), plan.sample_aspect_ratio, plan.display_matrix)
}

fn ratio((width, height): (u32, u32), sample: Option<Rational>, matrix: Option<[i32; 9]>) -> f64 {
    let sample = sample.map_or(1.0, |ratio| ratio.to_f64());
    let ratio = f64::from(width) * sample / f64::from(height);
    if turns(matrix) { 1.0 / ratio } else { ratio }
}

/// Whether rows are shown as columns: the matrix's diagonal is smaller than the rest (ISO/IEC 14496-12, 6.2.2).
fn turns(matrix: Option<[i32; 9]>) -> bool {
    matrix.is_some_and(|[a, b, ..]| a.unsigned_abs() < b.unsigned_abs())
}

fn rotation(before: &VideoInfo, after: &VideoInfo, announced: &Announced) -> Finding {
    let (from, to) = (before.display_matrix, after.display_matrix);
    let is_swapped = (before.width > before.height) != (after.width > after.height);
    let finding = |verdict| Finding::new(Aspect::Rotation, rotation_text(from), rotation_text(to), verdict);
    match (from, to) {
        _ if same_turn(from, to) => finding(Verdict::Same),
        _ if announced.video.as_ref().is_some_and(|plan| same_turn(plan.display_matrix, to)) => {
            finding(Verdict::Announced)
        }
        (Some(_), None) if turns(from) && is_swapped => {
            finding(Verdict::Converted).noted("the picture itself was turned, as its size says")
        }
        _ => finding(Verdict::Different).announced_by(announced.notice(&["rotation"])),
    }
}

/// Translations do not count: they follow from the size.
fn same_turn(from: Option<[i32; 9]>, to: Option<[i32; 9]>) -> bool {
    const UPRIGHT: [i32; 4] = [1 << 16, 0, 0, 1 << 16];
    let linear = |matrix: Option<[i32; 9]>| matrix.map_or(UPRIGHT, |[a, b, _, c, d, ..]| [a, b, c, d]);
    linear(from) == linear(to)
}

/// How a picture is shown, in words.
pub(crate) fn rotation_text(matrix: Option<[i32; 9]>) -> String {
    let Some([a, b, _, c, d, ..]) = matrix else {
        return "upright".to_owned();
    };
    let degrees = f64::from(b).atan2(f64::from(a)).to_degrees().round() as i32;
    let is_mirrored = i64::from(a) * i64::from(d) < i64::from(b) * i64::from(c);
    let flip = if is_mirrored { ", flipped" } else { "" };
    format!("{} degrees clockwise{flip}", degrees.rem_euclid(360))
}

fn samples(source: &Side, output: &Side, plan: Option<&AnnouncedVideo>) -> Finding {
    let ((from, before), (to, after)) = (held(source), held(output));
    let loss = before.zip(after).and_then(|(before, after)| before.loss(&after));
    // A job names its own formats, which may have other packings, and decoders give grey with chroma beside it.
    let planned = plan.and_then(|plan| SampleKind::of(&plan.pixel_format));
    let is_announced = planned.zip(after).is_some_and(|(planned, after)| planned.loss(&after).is_none());
    let verdict = match loss {
        _ if from == to => Verdict::Same,
        None => Verdict::Converted,
        Some(_) if is_announced => Verdict::Announced,
        Some(_) => Verdict::Different,
    };
    Finding::new(Aspect::PixelFormat, from, to, verdict).maybe_noted(loss)
}

/// What the samples can hold, with the alpha that decoders of the picture do not give.
fn held(side: &Side) -> (String, Option<SampleKind>) {
    let name = side.video.pixel_format.clone();
    let kind = SampleKind::of(&name);
    if side.streams()[side.video.index].has_added_alpha() {
        return (format!("{name} and alpha"), kind.map(SampleKind::with_alpha));
    }
    (name, kind)
}

fn color(
    before: &VideoSide,
    after: &VideoSide,
    plan: Option<&AnnouncedVideo>,
    told: Option<&str>,
) -> Vec<Finding> {
    let (source, output) = (before.info.color, after.info.color);
    let (assumed, _) = source.resolve(before.info.width, before.info.height);
    let tags = Tags { source, output, assumed, planned: plan.map(|plan| plan.color) };
    let has_chroma = |video: &VideoSide| video.info.format.chroma().is_some();
    let mut findings = Vec::new();
    // A matrix means nothing without chroma, and encoders do not write it then.
    if has_chroma(before) && has_chroma(after) {
        findings.push(tags.compare(Aspect::Matrix, |color| color.matrix.name()));
        findings.push(siting(before, after, plan).announced_by(told));
    }
    findings.push(tags.compare(Aspect::Primaries, |color| color.primaries.name()));
    findings.push(tags.compare(Aspect::Transfer, |color| color.transfer.name()));
    findings.push(tags.compare(Aspect::Range, |color| color.range.name()));
    findings
}

struct Tags {
    source: ColorSpec,
    output: ColorSpec,
    /// The source with the documented default for what it does not say.
    assumed: ColorSpec,
    planned: Option<ColorSpec>,
}

impl Tags {
    /// A tag that the source does not have may become the documented default.
    fn compare(&self, aspect: Aspect, name: fn(ColorSpec) -> &'static str) -> Finding {
        const NOT_SAID: &str = "unknown";
        let (source, output, planned) = (name(self.source), name(self.output), self.planned.map(name));
        let finding = |verdict| Finding::new(aspect, source, output, verdict);
        match planned {
            _ if source == output => finding(Verdict::Same),
            _ if aspect == Aspect::Matrix && same_matrix(self.source.matrix, self.output.matrix) => {
                finding(Verdict::Same).noted("one matrix with two names")
            }
            Some(planned) if planned == output => finding(Verdict::Announced),
            _ if source == NOT_SAID && output == name(self.assumed) => {
                finding(Verdict::Converted).noted("the source does not say; this is the default for it")
            }
            Some(planned) => finding(Verdict::Different).noted(format!("{planned} was announced")),
            None => finding(Verdict::Different),
        }
    }
}

/// Only subsampled chroma has a place. Saying nothing is saying left.
fn siting(before: &VideoSide, after: &VideoSide, plan: Option<&AnnouncedVideo>) -> Finding {
    let (from, to) = (before.info.color.siting, after.info.color.siting);
    let shifts = |video: &VideoSide| video.info.format.chroma().map_or((0, 0), |chroma| chroma.shifts());
    let finding = |verdict| Finding::new(Aspect::Siting, from.name(), to.name(), verdict);
    match (shifts(before), shifts(after)) {
        _ if from == to => finding(Verdict::Same),
        _ if from.offset() == to.offset() => finding(Verdict::Converted).noted("unspecified means left"),
        _ if plan.is_some_and(|plan| plan.color.siting == to) => finding(Verdict::Announced),
        (_, (0, _)) => finding(Verdict::Converted).noted("the output's chroma is not subsampled"),
        ((1, 0), (1, 0)) if from.offset().0 == to.offset().0 => {
            finding(Verdict::Converted).noted("rows are not subsampled: the columns are the same")
        }
        _ if from == Siting::Unspecified => {
            finding(Verdict::Converted).noted("the source does not say; the output says what was used")
        }
        (before, after) if before != after => finding(Verdict::Converted).noted("another subsampling"),
        _ => finding(Verdict::Different),
    }
}

/// The two matrices of BT.601 are one, and containers may have only one code for both.
fn same_matrix(a: Matrix, b: Matrix) -> bool {
    a == b || matches!((a.luma_weights(), b.luma_weights()), (Ok(a), Ok(b)) if a == b)
}

fn mastering_display(before: &VideoSide, after: &VideoSide) -> Option<Finding> {
    let text = |display: Option<MasteringDisplay>| {
        display.map_or_else(
            || "none".to_owned(),
            |display| {
                let [red, green, blue] = display.primaries;
                let (white, least, most) =
                    (display.white_point, display.min_luminance, display.max_luminance);
                format!("G{green:?}B{blue:?}R{red:?}WP{white:?}L[{most}, {least}]")
            },
        )
    };
    hdr(
        Aspect::MasteringDisplay,
        (before.info.mastering_display, after.info.mastering_display),
        after.mastering_display,
        text,
    )
}

fn content_light(before: &VideoSide, after: &VideoSide) -> Option<Finding> {
    let text = |light: Option<ContentLight>| {
        light.map_or_else(
            || "none".to_owned(),
            |light| format!("MaxCLL {}, MaxFALL {}", light.max_content, light.max_frame_average),
        )
    };
    hdr(
        Aspect::ContentLight,
        (before.info.content_light, after.info.content_light),
        after.content_light,
        text,
    )
}

/// No row where neither file has any. `places` are those in the output.
fn hdr<T: Copy + PartialEq>(
    aspect: Aspect,
    (before, after): (Option<T>, Option<T>),
    places: Places,
    text: impl Fn(Option<T>) -> String,
) -> Option<Finding> {
    if before.is_none() && after.is_none() {
        return None;
    }
    let verdict = match (before, after) {
        (Some(before), Some(after)) if before == after => Verdict::Same,
        (Some(_), None) => Verdict::Missing,
        _ => Verdict::Different,
    };
    let place = match (places.container, places.bitstream) {
        (true, true) => Some("in the container and in the bitstream"),
        (true, false) => Some("in the container only"),
        (false, true) => Some("in the bitstream only"),
        (false, false) => None,
    };
    Some(Finding::new(aspect, text(before), text(after), verdict).maybe_noted(place.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_names_of_bt601_are_one_matrix() {
        assert!(same_matrix(Matrix::Bt470bg, Matrix::Smpte170m));
        assert!(!same_matrix(Matrix::Bt470bg, Matrix::Bt709));
        assert!(!same_matrix(Matrix::Identity, Matrix::Unspecified));
    }

    #[test]
    fn a_tag_that_the_source_lacks_may_become_the_default() {
        let tagged = |matrix| ColorSpec { matrix, ..ColorSpec::default() };
        use Matrix::{Bt470bg, Bt709, Bt2020Ncl, Smpte170m, Unspecified};
        for (source, output, planned, verdict) in [
            (Bt709, Bt709, None, Verdict::Same),
            (Bt470bg, Smpte170m, None, Verdict::Same),
            (Unspecified, Bt709, None, Verdict::Converted),
            (Unspecified, Bt2020Ncl, None, Verdict::Different),
            (Bt709, Unspecified, None, Verdict::Different),
            (Bt709, Bt2020Ncl, Some(Bt2020Ncl), Verdict::Announced),
            (Bt709, Bt2020Ncl, Some(Bt709), Verdict::Different),
        ] {
            let assumed = if source == Unspecified { Bt709 } else { source };
            let tags = Tags {
                source: tagged(source),
                output: tagged(output),
                assumed: tagged(assumed),
                planned: planned.map(tagged),
            };
            let found = tags.compare(Aspect::Matrix, |color| color.matrix.name());
            assert_eq!(found.verdict, verdict, "{source} -> {output}, {planned:?}");
        }
    }

    #[test]
    fn half_a_pixel_of_the_shown_width_may_be_lost_where_it_is_a_whole_number() {
        let narrow = Rational::new(1, 4).ok();
        assert_eq!(shape_rounding(Some("webm"), 100, None), 0.5 / 99.5);
        assert_eq!(shape_rounding(Some("webm"), 100, narrow), 0.5 / 24.5);
        assert_eq!(shape_rounding(Some("mkv"), 100, Rational::new(1, 1).ok()), 0.5 / 99.5);
        assert_eq!(shape_rounding(Some("mkv"), 100, narrow), 0.0);
        assert_eq!(shape_rounding(Some("mp4"), 100, None), 0.0);
    }

    #[test]
    fn rotation_is_told_from_flipping() {
        const ONE: i32 = 1 << 16;
        let matrix = |a, b, c, d| Some([a, b, 0, c, d, 0, 0, 0, 1 << 30]);
        assert_eq!(rotation_text(matrix(0, ONE, -ONE, 0)), "90 degrees clockwise");
        assert_eq!(rotation_text(matrix(ONE, 0, 0, -ONE)), "0 degrees clockwise, flipped");
        assert!(same_turn(matrix(ONE, 0, 0, ONE), None));
        assert!(!same_turn(matrix(0, ONE, -ONE, 0), None));
    }
}
