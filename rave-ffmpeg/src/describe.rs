//! From libav's structures to [`MediaInfo`].

use rave_core::{ContentLight, MasteringDisplay, TimeBase, Timestamp};

use crate::sys::{InputContext, MediaType, PixelDescriptor, RawChapter, SideData, StreamRef, ffi, time_base};
use crate::{AudioDescription, Chapter, MediaInfo, StreamInfo, StreamKind, VideoDescription};

impl From<MediaType> for StreamKind {
    fn from(kind: MediaType) -> Self {
        match kind {
            MediaType::Video => Self::Video,
            MediaType::Audio => Self::Audio,
            MediaType::Subtitle => Self::Subtitle,
            MediaType::Data => Self::Data,
            MediaType::Attachment => Self::Attachment,
            MediaType::Unknown => Self::Unknown,
        }
    }
}

pub(crate) fn media(context: &InputContext) -> MediaInfo {
    let micros = TimeBase::new(1, ffi::AV_TIME_BASE.into()).expect("positive");
    MediaInfo {
        format: context.format_name(),
        start: context.start_micros().map(|ticks| Timestamp::new(ticks, micros)),
        duration: context.duration_micros().map(|ticks| Timestamp::new(ticks, micros)),
        bit_rate: context.bit_rate(),
        streams: context.streams().map(stream).collect(),
        chapters: context.chapters().map(|raw| chapter(&raw)).collect(),
        metadata: context.metadata().to_text(),
        best_video: best_video(context),
    }
}

/// libav's choice; where that is a cover, the largest of the others.
fn best_video(context: &InputContext) -> Option<usize> {
    let is_candidate = |stream: &StreamRef<'_>| {
        stream.parameters().media_type() == MediaType::Video && !stream.is_attached_picture()
    };
    let chosen = context.best_video().and_then(|index| context.stream(index)).filter(is_candidate);
    let pixels = |stream: &StreamRef<'_>| {
        let (width, height) = stream.parameters().size();
        i64::from(width) * i64::from(height)
    };
    chosen.or_else(|| context.streams().filter(is_candidate).max_by_key(pixels)).map(StreamRef::index)
}

fn stream(stream: StreamRef<'_>) -> StreamInfo {
    let parameters = stream.parameters();
    let kind = parameters.media_type().into();
    let time_base = stream.time_base();
    let at = |ticks| Timestamp::new(ticks, time_base);
    StreamInfo {
        index: stream.index(),
        kind,
        codec: parameters.codec(),
        profile: parameters.profile(),
        time_base,
        start: stream.start().map(at),
        duration: stream.duration().map(at),
        frame_count: stream.frame_count(),
        bit_rate: parameters.bit_rate(),
        language: stream.metadata().get(c"language").map(|text| text.to_string_lossy().into_owned()),
        metadata: stream.metadata().to_text(),
        disposition: dispositions(stream.disposition()),
        is_attached_picture: stream.is_attached_picture(),
        video: (kind == StreamKind::Video).then(|| video(stream)),
        audio: (kind == StreamKind::Audio).then(|| AudioDescription {
            sample_rate: parameters.sample_rate(),
            channels: parameters.channels(),
        }),
    }
}

fn video(stream: StreamRef<'_>) -> VideoDescription {
    let parameters = stream.parameters();
    let (width, height) = parameters.size();
    VideoDescription {
        width: u32::try_from(width).unwrap_or(0),
        height: u32::try_from(height).unwrap_or(0),
        pixel_format: PixelDescriptor::from_number(parameters.format()).map(PixelDescriptor::name),
        color: parameters.color(),
        sample_aspect_ratio: stream.sample_aspect_ratio().or_else(|| parameters.sample_aspect_ratio()),
        average_frame_rate: stream.average_frame_rate(),
        real_frame_rate: stream.real_frame_rate(),
        rotation_degrees: stream.side_data(SideData::DisplayMatrix).and_then(display_matrix).map(rotation),
        mastering_display: stream.side_data(SideData::MasteringDisplay).and_then(mastering_display),
        content_light: stream.side_data(SideData::ContentLight).and_then(content_light),
    }
}

fn chapter(raw: &RawChapter<'_>) -> Chapter {
    let time_base = time_base(raw.time_base);
    Chapter {
        start: Timestamp::new(raw.start, time_base),
        end: Timestamp::new(raw.end, time_base),
        title: raw.metadata.get(c"title").map(|text| text.to_string_lossy().into_owned()),
    }
}

const DISPOSITIONS: [(i32, &str); 18] = [
    (ffi::AV_DISPOSITION_DEFAULT, "default"),
    (ffi::AV_DISPOSITION_DUB, "dub"),
    (ffi::AV_DISPOSITION_ORIGINAL, "original"),
    (ffi::AV_DISPOSITION_COMMENT, "comment"),
    (ffi::AV_DISPOSITION_LYRICS, "lyrics"),
    (ffi::AV_DISPOSITION_KARAOKE, "karaoke"),
    (ffi::AV_DISPOSITION_FORCED, "forced"),
    (ffi::AV_DISPOSITION_HEARING_IMPAIRED, "hearing_impaired"),
    (ffi::AV_DISPOSITION_VISUAL_IMPAIRED, "visual_impaired"),
    (ffi::AV_DISPOSITION_CLEAN_EFFECTS, "clean_effects"),
    (ffi::AV_DISPOSITION_ATTACHED_PIC, "attached_pic"),
    (ffi::AV_DISPOSITION_TIMED_THUMBNAILS, "timed_thumbnails"),
    (ffi::AV_DISPOSITION_NON_DIEGETIC, "non_diegetic"),
    (ffi::AV_DISPOSITION_CAPTIONS, "captions"),
    (ffi::AV_DISPOSITION_DESCRIPTIONS, "descriptions"),
    (ffi::AV_DISPOSITION_METADATA, "metadata"),
    (ffi::AV_DISPOSITION_DEPENDENT, "dependent"),
    (ffi::AV_DISPOSITION_STILL_IMAGE, "still_image"),
];

fn dispositions(flags: i32) -> Vec<&'static str> {
    DISPOSITIONS.iter().filter(|(flag, _)| flags & flag != 0).map(|&(_, name)| name).collect()
}

/// Reads native-endian 32-bit integers, as libav's structures hold them.
fn integers<const N: usize>(data: &[u8]) -> Option<[i32; N]> {
    let mut values = [0; N];
    for (value, bytes) in values.iter_mut().zip(data.get(..4 * N)?.chunks_exact(4)) {
        *value = i32::from_ne_bytes(bytes.try_into().ok()?);
    }
    Some(values)
}

/// The matrix, unless it is that of an upright picture.
pub(crate) fn display_matrix(data: &[u8]) -> Option<[i32; 9]> {
    const UPRIGHT: [i32; 9] = [1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30];
    integers(data).filter(|&matrix| matrix != UPRIGHT)
}

/// Degrees clockwise, as ISO/IEC 14496-12 defines the matrix's a and b.
fn rotation(matrix: [i32; 9]) -> u32 {
    let (a, b) = (f64::from(matrix[0]), f64::from(matrix[1]));
    let degrees = b.atan2(a).to_degrees().round() as i32;
    degrees.rem_euclid(360).cast_unsigned()
}

/// `AVMasteringDisplayMetadata`: ten rationals (red, green, blue, white as x and y; least and greatest luminance), then
/// whether primaries and luminance are there.
const MASTERING_INTEGERS: usize = 22;
const CHROMATICITY_UNITS: i64 = 50_000;
const LUMINANCE_UNITS: i64 = 10_000;

pub(crate) fn mastering_display(data: &[u8]) -> Option<MasteringDisplay> {
    let values = integers::<MASTERING_INTEGERS>(data)?;
    let scaled = |index: usize, units: i64| {
        let (numerator, denominator) = (i64::from(values[2 * index]), i64::from(values[2 * index + 1]));
        (denominator > 0).then(|| (numerator * units + denominator / 2) / denominator)
    };
    let chromaticity = |index| u16::try_from(scaled(index, CHROMATICITY_UNITS)?).ok();
    let point = |index| Some([chromaticity(index)?, chromaticity(index + 1)?]);
    if values[20] == 0 || values[21] == 0 {
        return None;
    }
    Some(MasteringDisplay {
        primaries: [point(0)?, point(2)?, point(4)?],
        white_point: point(6)?,
        min_luminance: u32::try_from(scaled(8, LUMINANCE_UNITS)?).ok()?,
        max_luminance: u32::try_from(scaled(9, LUMINANCE_UNITS)?).ok()?,
    })
}

pub(crate) fn mastering_display_bytes(display: &MasteringDisplay) -> Vec<u8> {
    let points = display.primaries.iter().chain([&display.white_point]).flatten();
    let chromaticities = points.flat_map(|&value| [i32::from(value), CHROMATICITY_UNITS as i32]);
    let luminances = [display.min_luminance, display.max_luminance]
        .into_iter()
        .flat_map(|value| [value.cast_signed(), LUMINANCE_UNITS as i32]);
    chromaticities.chain(luminances).chain([1, 1]).flat_map(i32::to_ne_bytes).collect()
}

/// `AVContentLightMetadata`: MaxCLL and MaxFALL.
pub(crate) fn content_light(data: &[u8]) -> Option<ContentLight> {
    let [max_content, max_frame_average] = integers(data)?;
    Some(ContentLight {
        max_content: u16::try_from(max_content).ok()?,
        max_frame_average: u16::try_from(max_frame_average).ok()?,
    })
}

pub(crate) fn content_light_bytes(light: ContentLight) -> Vec<u8> {
    [i32::from(light.max_content), i32::from(light.max_frame_average)]
        .into_iter()
        .flat_map(i32::to_ne_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hdr_metadata_round_trips() {
        let display = MasteringDisplay {
            primaries: [[34000, 16000], [13250, 34500], [7500, 3000]],
            white_point: [15635, 16450],
            max_luminance: 10_000_000,
            min_luminance: 50,
        };
        assert_eq!(mastering_display(&mastering_display_bytes(&display)), Some(display));
        let light = ContentLight { max_content: 1000, max_frame_average: 400 };
        assert_eq!(content_light(&content_light_bytes(light)), Some(light));
        assert_eq!(mastering_display(&[0; 88]), None);
        assert_eq!(content_light(&[0; 7]), None);
    }

    #[test]
    fn rotation_is_clockwise() {
        const ONE: i32 = 1 << 16;
        for (a, b, degrees) in [(ONE, 0, 0), (0, ONE, 90), (-ONE, 0, 180), (0, -ONE, 270)] {
            assert_eq!(rotation([a, b, 0, -b, a, 0, 0, 0, 1 << 30]), degrees);
        }
    }
}
