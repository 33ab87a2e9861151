//! A clip by NVDEC and by libavcodec.

use std::collections::BTreeMap;
use std::path::Path;

use rave_core::{BoxError, Code, HostFrame};
use rave_nvcodec::Codec;

use super::media::{Clip, Gpu, codes, decode, hardware, ticks};

/// Clips some of whose packets have decoding times alone: libavcodec shows frames at those, NVDEC's follow the frame rate.
const PARTLY_UNTIMED: &[&str] = &["fate__sony-ct3.mp4"];

/// Codecs whose inverse transform the standard does not give bit by bit (ISO/IEC 13818-2, annex A; 14496-2, annex A; T.81, A.3.3):
/// decoders differ, and differences add up until the next intra picture.
const INEXACT: [Codec; 4] = [Codec::Mpeg1, Codec::Mpeg2, Codec::Mpeg4, Codec::Mjpeg];
const INEXACT_DECIBELS: f64 = 38.0;

/// How a clip fared.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Equal(usize),
    /// Frames, and the least PSNR of one.
    Near(usize, f64),
    Refused(String),
    Different(String),
}

/// NVDEC's frames of a clip against libavcodec's.
pub fn compare(gpu: &Gpu, path: &Path) -> Result<Outcome, BoxError> {
    let clip = Clip::open(path)?;
    let Some(video) = clip.coded() else {
        return Ok(Outcome::Refused(format!("{} is decoded by no GPU", clip.stream.codec_name())));
    };
    let decoder = match hardware(gpu, &video, 1) {
        Ok(decoder) => decoder,
        Err(error) if error.code() == Code::DecoderUnsupported => {
            return Ok(Outcome::Refused(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    let expected = clip.software()?;
    let mut decoded = Vec::new();
    match decode(gpu, decoder, clip.filtered(), &mut |frame| decoded.push(frame)) {
        Err(error) if error.code() == Code::DecoderUnsupported => {
            return Ok(Outcome::Refused(error.to_string()));
        }
        result => result?,
    }
    let mut found = difference(&expected, &decoded);
    if PARTLY_UNTIMED.iter().any(|name| path.ends_with(name)) {
        found.what.retain(|what| !what.starts_with("pts"));
    }
    let fidelity =
        decoded.iter().zip(&expected).map(|(is, should)| decibels(is, should)).fold(f64::INFINITY, f64::min);
    let what = found.what.join("; ");
    Ok(match (what.as_str(), fidelity) {
        ("", f64::INFINITY) => Outcome::Equal(decoded.len()),
        ("", _) if INEXACT.contains(&video.codec) && fidelity > INEXACT_DECIBELS => {
            Outcome::Near(decoded.len(), fidelity)
        }
        _ => Outcome::Different(format!("{what}; {}; {fidelity:.1} dB", found.samples)),
    })
}

/// PSNR over all samples.
fn decibels(a: &HostFrame, b: &HostFrame) -> f64 {
    let (a_codes, b_codes) = (codes(a), codes(b));
    let squares = a_codes.iter().zip(&b_codes).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum::<f64>();
    let peak = f64::from((1_u32 << b.layout().format().bits().unwrap()) - 1);
    10.0 * (peak * peak * b_codes.len() as f64 / squares).log10()
}

struct Difference {
    what: Vec<String>,
    samples: String,
}

/// In which way frames differ.
fn difference(expected: &[HostFrame], decoded: &[HostFrame]) -> Difference {
    let (times, expected_times) = (ticks(decoded), ticks(expected));
    let mut found = Vec::new();
    if times.len() != expected_times.len() {
        found.push(format!("{} frames instead of {}", times.len(), expected_times.len()));
    }
    if let Some(index) =
        (0..times.len().min(expected_times.len())).find(|&at| times[at] != expected_times[at])
    {
        let (is, should) = (&times[index..], &expected_times[index..]);
        found.push(format!(
            "pts from {index} on {:?} for {:?}",
            &is[..is.len().min(5)],
            &should[..should.len().min(5)]
        ));
    }
    let size = |frame: &HostFrame| (frame.layout().width(), frame.layout().height());
    let mut samples = BTreeMap::new();
    let mut fields = 0;
    for (index, (is, should)) in decoded.iter().zip(expected).enumerate() {
        assert_eq!((size(is), is.color()), (size(should), should.color()), "{index}");
        fields += usize::from(is.info().field_order != should.info().field_order);
        let farthest = codes(is).iter().zip(codes(should)).map(|(&a, b)| a.abs_diff(b)).max().unwrap_or(0);
        if farthest > 0 {
            samples.insert(index, farthest);
        }
    }
    if fields > 0 {
        found.push(format!("field order of {fields} frames"));
    }
    let first: Vec<_> = samples.iter().take(4).collect();
    Difference { what: found, samples: format!("samples of {} frames, {first:?}", samples.len()) }
}
