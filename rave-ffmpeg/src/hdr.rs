//! High dynamic range: what encoders are told, and what of a source's dynamic metadata is lost.

use rave_core::{MasteringDisplay, VideoInfo};

use crate::Error;
use crate::sys::{AvFrame, SideData, StreamRef};

/// SVT-AV1's parameters for HDR10 metadata: chromaticities as fractions, luminances in cd/m2.
pub(crate) fn svt_parameters(info: &VideoInfo) -> Vec<String> {
    let display =
        info.mastering_display.map(|display| format!("mastering-display={}", svt_display(&display)));
    let light = info
        .content_light
        .map(|light| format!("content-light={},{}", light.max_content, light.max_frame_average));
    display.into_iter().chain(light).collect()
}

fn svt_display(display: &MasteringDisplay) -> String {
    let point = |[x, y]: [u16; 2]| format!("({:.5},{:.5})", f64::from(x) / 50_000.0, f64::from(y) / 50_000.0);
    let luminance = |value: u32| f64::from(value) / 10_000.0;
    let [red, green, blue] = display.primaries.map(point);
    let (white, max, min) =
        (point(display.white_point), luminance(display.max_luminance), luminance(display.min_luminance));
    format!("G{green}B{blue}R{red}WP{white}L({max:.4},{min:.4})")
}

/// What is lost of metadata that changes from scene to scene.
///
/// # Errors
/// [`rave_core::Error::Color`] for Dolby Vision whose base layer has a colour space of its own.
pub(crate) fn dynamic_metadata(stream: StreamRef<'_>, frame: &AvFrame) -> Result<Vec<String>, Error> {
    let mut notices = Vec::new();
    let has = |kind| frame.side_data(kind).is_some() || stream.side_data(kind).is_some();
    if has(SideData::Hdr10Plus) {
        notices.push("the HDR10+ metadata is left out: it describes the source's own scenes".to_owned());
    }
    if let Some(record) = stream.side_data(SideData::DolbyVision).and_then(DolbyVision::parse) {
        notices.push(record.notice()?);
    } else if frame.side_data(SideData::DolbyVision).is_some() {
        notices.push("the Dolby Vision metadata is left out: the base layer is enlarged".to_owned());
    }
    Ok(notices)
}

/// What matters of the Dolby Vision configuration record, as libav holds it: a byte for each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DolbyVision {
    profile: u8,
    /// What the base layer is without the metadata: 0 nothing, 1 HDR10, 2 SDR, 4 HLG, 6 HDR10 of a disc.
    compatibility: u8,
}

impl DolbyVision {
    fn parse(record: &[u8]) -> Option<Self> {
        const PROFILE: usize = 2;
        const COMPATIBILITY: usize = 7;
        Some(Self { profile: *record.get(PROFILE)?, compatibility: *record.get(COMPATIBILITY)? })
    }

    fn notice(self) -> Result<String, Error> {
        let base = match self.compatibility {
            1 | 6 => "HDR10",
            2 => "SDR",
            4 => "HLG",
            _ if self.profile == 5 => {
                let what = format!("Dolby Vision profile {}", self.profile);
                let reason =
                    "its picture has a colour space of its own, which only a Dolby decoder shows right";
                return Err(rave_core::Error::Color { what, reason }.into());
            }
            _ => "as tagged",
        };
        Ok(format!(
            "the Dolby Vision metadata (profile {}) is left out: the base layer, {base}, is enlarged",
            self.profile
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dolby_vision_is_dropped_or_refused_by_its_base_layer() {
        let record = |profile, compatibility| [1, 0, profile, 6, 1, 0, 1, compatibility];
        let notice = |bytes: [u8; 8]| DolbyVision::parse(&bytes).unwrap().notice();
        assert!(notice(record(8, 1)).unwrap().contains("HDR10"));
        assert!(notice(record(8, 4)).unwrap().contains("HLG"));
        assert!(notice(record(7, 6)).unwrap().contains("HDR10"));
        assert!(notice(record(5, 0)).unwrap_err().to_string().contains("Dolby Vision profile 5"));
        assert_eq!(DolbyVision::parse(&[1, 0]), None);
    }

    #[test]
    fn svt_gets_fractions_and_candelas() {
        let display = MasteringDisplay {
            primaries: [[34000, 16000], [13250, 34500], [7500, 3000]],
            white_point: [15635, 16450],
            max_luminance: 10_000_000,
            min_luminance: 50,
        };
        let expected =
            "G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)L(1000.0000,0.0050)";
        assert_eq!(svt_display(&display), expected);
    }
}
