use rave_core::{ContentLight, MasteringDisplay, VideoInfo};

use super::NvencCodec;
use crate::sys::nvenc::{PicParams, SeiPayload};

/// Payload types of SEI messages (Rec. ITU-T H.264, annex D; H.265, annex D).
const MASTERING_DISPLAY: u32 = 137;
const CONTENT_LIGHT: u32 = 144;
/// `metadata_type` of OBUs (AV1 specification, 6.7.1).
const AV1_CONTENT_LIGHT: u32 = 1;
const AV1_MASTERING_DISPLAY: u32 = 2;

/// The HDR10 metadata of a stream, as messages for each picture.
///
/// They are repeated because only the encoder knows which pictures start a sequence; equal repetitions are permitted.
pub(super) struct Metadata {
    codec: NvencCodec,
    /// Type and contents.
    messages: Vec<(u32, Vec<u8>)>,
    /// The messages as the driver wants them, made for each picture.
    payloads: Vec<SeiPayload>,
}

// SAFETY: `payloads` holds addresses of `messages` for the length of a call and nothing else.
unsafe impl Send for Metadata {}

impl Metadata {
    pub(super) fn new(codec: NvencCodec, info: &VideoInfo) -> Self {
        let mut messages = Vec::new();
        let (display, light) = match codec {
            NvencCodec::Av1 => (AV1_MASTERING_DISPLAY, AV1_CONTENT_LIGHT),
            NvencCodec::H264 | NvencCodec::Hevc => (MASTERING_DISPLAY, CONTENT_LIGHT),
        };
        if let Some(metadata) = &info.mastering_display {
            let bytes = match codec {
                NvencCodec::Av1 => mastering_display_obu(metadata),
                NvencCodec::H264 | NvencCodec::Hevc => mastering_display_sei(metadata),
            };
            messages.push((display, bytes));
        }
        messages.extend(info.content_light.as_ref().map(|metadata| (light, content_light(metadata))));
        Self { codec, messages, payloads: Vec::new() }
    }

    /// Puts the messages into a picture; they have to stay until it was sent.
    pub(super) fn attach(&mut self, params: &mut PicParams) {
        self.payloads.clear();
        self.payloads.extend(self.messages.iter_mut().map(|(payload_type, bytes)| SeiPayload {
            payload_size: bytes.len() as u32,
            payload_type: *payload_type,
            payload: bytes.as_mut_ptr(),
        }));
        if self.payloads.is_empty() {
            return;
        }
        let (count, array) = (self.payloads.len() as u32, self.payloads.as_mut_ptr());
        // SAFETY: all members consist of integers and pointers; the one written is that of the codec.
        unsafe {
            match self.codec {
                NvencCodec::H264 => {
                    let of_picture = &mut params.codec_pic_params.h264_pic_params;
                    (of_picture.sei_payload_array_cnt, of_picture.sei_payload_array) = (count, array);
                }
                NvencCodec::Hevc => {
                    let of_picture = &mut params.codec_pic_params.hevc_pic_params;
                    (of_picture.sei_payload_array_cnt, of_picture.sei_payload_array) = (count, array);
                }
                NvencCodec::Av1 => {
                    let of_picture = &mut params.codec_pic_params.av1_pic_params;
                    (of_picture.obu_payload_array_cnt, of_picture.obu_payload_array) = (count, array);
                }
            }
        }
    }
}

/// H.265, D.2.28: green, blue, red, white, then luminances.
fn mastering_display_sei(metadata: &MasteringDisplay) -> Vec<u8> {
    let [red, green, blue] = metadata.primaries;
    let chromaticities = [green, blue, red, metadata.white_point].into_iter().flatten();
    let mut bytes: Vec<u8> = chromaticities.flat_map(u16::to_be_bytes).collect();
    bytes.extend(metadata.max_luminance.to_be_bytes());
    bytes.extend(metadata.min_luminance.to_be_bytes());
    bytes
}

/// AV1 specification, 5.8.4 and 6.7.4: red, green, blue, white in 0.16 fixed point, luminances in 24.8 and 18.14.
fn mastering_display_obu(metadata: &MasteringDisplay) -> Vec<u8> {
    let chromaticities = metadata.primaries.into_iter().flatten().chain(metadata.white_point);
    let fixed = |value: u16| rescale(value.into(), 1 << 16, 50_000).min(u16::MAX.into()) as u16;
    let mut bytes: Vec<u8> = chromaticities.flat_map(|value| fixed(value).to_be_bytes()).collect();
    bytes.extend(rescale(metadata.max_luminance, 1 << 8, 10_000).to_be_bytes());
    bytes.extend(rescale(metadata.min_luminance, 1 << 14, 10_000).to_be_bytes());
    bytes
}

/// H.265, D.2.35; AV1 specification, 5.8.3.
fn content_light(metadata: &ContentLight) -> Vec<u8> {
    [metadata.max_content, metadata.max_frame_average].into_iter().flat_map(u16::to_be_bytes).collect()
}

fn rescale(value: u32, by: u64, of: u64) -> u32 {
    u32::try_from((u64::from(value) * by + of / 2) / of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BT.2020 primaries, D65, 1000 to 0.0001 cd/m2.
    const DISPLAY: MasteringDisplay = MasteringDisplay {
        primaries: [[35_400, 14_600], [8500, 39_850], [6550, 2300]],
        white_point: [15_635, 16_450],
        max_luminance: 10_000_000,
        min_luminance: 1,
    };

    #[test]
    fn an_sei_message_begins_with_green() {
        let expected = [
            0x21, 0x34, 0x9b, 0xaa, 0x19, 0x96, 0x08, 0xfc, 0x8a, 0x48, 0x39, 0x08, 0x3d, 0x13, 0x40, 0x42,
            0x00, 0x98, 0x96, 0x80, 0x00, 0x00, 0x00, 0x01,
        ];
        assert_eq!(mastering_display_sei(&DISPLAY), expected);
    }

    #[test]
    fn a_metadata_obu_begins_with_red_in_fixed_point() {
        let bytes = mastering_display_obu(&DISPLAY);
        // 0.708, 0.292 and 1000 cd/m2; 0.0001 cd/m2 are 1.6 of the smallest unit.
        assert_eq!(bytes[..4], [0xb5, 0x3f, 0x4a, 0xc1]);
        assert_eq!(bytes[16..], [0x00, 0x03, 0xe8, 0x00, 0x00, 0x00, 0x00, 0x02]);
    }

    #[test]
    fn light_levels_are_two_numbers() {
        let light = ContentLight { max_content: 1000, max_frame_average: 400 };
        assert_eq!(content_light(&light), [0x03, 0xe8, 0x01, 0x90]);
    }
}
