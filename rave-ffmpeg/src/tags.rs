//! Metadata and chapters: what goes where, and what a container has no place for.

use crate::container::Family;
use crate::range::ClockRange;
use crate::sys::{AvError, Dictionary, DictionaryRef, InputContext, StreamRef};
use crate::{Container, CopyOptions, Selection, StreamInfo};

/// Keys that say something about the source's container alone.
const CONTAINERS_OWN: [&str; 4] = ["major_brand", "minor_version", "compatible_brands", "encoder"];

/// FFmpeg's key for Matroska's statement that packets bring an alpha channel.
pub(crate) const ALPHA: &str = "alpha_mode";

/// Keys of a stream that say something about its coding or its old container.
const STREAMS_OWN: [&str; 9] = [
    "BPS",
    "DURATION",
    "NUMBER_OF_FRAMES",
    "NUMBER_OF_BYTES",
    "_STATISTICS",
    "SOURCE_ID",
    "encoder",
    "vendor_id",
    "variant_bitrate",
];

/// Keys that MP4's muxer writes for a stream; the title goes into the handler's name.
const IN_MP4_STREAM: [&str; 6] = ["language", "title", "handler_name", "timecode", "creation_time", "rotate"];

/// Keys that MP4 stores in the places that players look in.
const ITUNES: [&str; 33] = [
    "title",
    "artist",
    "album_artist",
    "composer",
    "album",
    "date",
    "encoder",
    "comment",
    "genre",
    "copyright",
    "grouping",
    "lyrics",
    "description",
    "synopsis",
    "show",
    "episode_id",
    "network",
    "keywords",
    "episode_sort",
    "season_number",
    "media_type",
    "hd_video",
    "gapless_playback",
    "compilation",
    "track",
    "disc",
    "tmpo",
    "creation_time",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "timecode",
    "location",
];

/// What a stream that is kept does not keep, a sentence each.
pub(crate) fn stream_notes(stream: &StreamInfo, container: &Container, copy: &CopyOptions) -> Vec<String> {
    let lost: Vec<&str> =
        stream.disposition.iter().copied().filter(|role| !holds_role(container, role)).collect();
    let mut notes = Vec::new();
    if !lost.is_empty() {
        notes.push(format!("{container} has no place for its roles {}", lost.join(", ")));
    }
    if copy.metadata == Selection::Omit {
        return notes;
    }
    let keys = stream.metadata.iter().map(|(key, _)| key.as_str());
    if container.family() == Family::Mov && keys.clone().any(|key| key == "title") {
        notes.push("its title becomes the name of its handler".to_owned());
    }
    let lost: Vec<&str> = keys.filter(|key| !is_own(key) && !holds_stream_key(container, key)).collect();
    if !lost.is_empty() {
        notes.push(format!("{container} has no place for its tags {}", lost.join(", ")));
    }
    notes
}

/// What FFmpeg's muxers write and its demuxers find again. That no stream is the default one is no loss where each is
/// chosen by its order, and pictures are told apart by their place.
fn holds_role(container: &Container, role: &str) -> bool {
    const IN_MP4: [&str; 7] =
        ["dub", "comment", "forced", "hearing_impaired", "visual_impaired", "captions", "descriptions"];
    const IN_MATROSKA: [&str; 6] =
        ["dub", "original", "comment", "forced", "hearing_impaired", "visual_impaired"];
    const IN_TRANSPORT_STREAM: [&str; 3] = ["hearing_impaired", "visual_impaired", "clean_effects"];
    const EVERYWHERE: [&str; 4] = ["default", "attached_pic", "timed_thumbnails", "still_image"];
    EVERYWHERE.contains(&role)
        || match (container.name(), container.family()) {
            ("mp4", _) => IN_MP4.contains(&role),
            ("mkv", _) => IN_MATROSKA.contains(&role),
            ("webm", _) => role == "forced",
            (_, Family::TransportStream) => IN_TRANSPORT_STREAM.contains(&role),
            (_, Family::Nut) => true,
            _ => false,
        }
}

fn is_own(key: &str) -> bool {
    let starts_with = |own: &&str| key.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own));
    matches!(key, "handler_name" | "rotate") || STREAMS_OWN.iter().any(starts_with)
}

fn holds_stream_key(container: &Container, key: &str) -> bool {
    match container.family() {
        Family::Matroska | Family::Nut => true,
        Family::Mov => IN_MP4_STREAM.contains(&key),
        Family::TransportStream => key == "language",
        Family::Raw | Family::Ivf => false,
    }
}

/// What of the whole file is lost, a sentence each.
pub(crate) fn file_notes(reader: &InputContext, container: &Container, copy: &CopyOptions) -> Vec<String> {
    let mut notes = Vec::new();
    let chapters = reader.chapters().count();
    let has_chapters = matches!(container.family(), Family::Mov | Family::Matroska | Family::Nut);
    if chapters > 0 && copy.chapters == Selection::Keep && !has_chapters {
        notes.push(format!("{container} has no chapters: {chapters} are left out"));
    }
    let place = place(reader, container);
    let metadata = reader.metadata().to_text();
    let keys = metadata.iter().map(|(key, _)| key.as_str());
    let lost: Vec<&str> = keys.filter(|key| !CONTAINERS_OWN.contains(key) && !place.holds(key)).collect();
    if !lost.is_empty() && copy.metadata == Selection::Keep {
        let why = if place == Place::Itunes { " beside a cover" } else { "" };
        notes.push(format!("{container} has no place for the tags {}{why}", lost.join(", ")));
    }
    notes
}

/// Where the tags of a file go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Any key.
    Anywhere,
    /// MP4's keys for any name: players look less often there, and covers cannot be beside it.
    AppleKeys,
    /// MP4's usual place, which has a list of keys.
    Itunes,
    /// The names of the service and its provider in a transport stream.
    Service,
    Nowhere,
}

impl Place {
    fn holds(self, key: &str) -> bool {
        match self {
            Self::Anywhere | Self::AppleKeys => true,
            Self::Itunes => ITUNES.contains(&key),
            Self::Service => matches!(key, "title" | "service_name" | "service_provider"),
            Self::Nowhere => false,
        }
    }
}

/// Where this source's tags go.
pub(crate) fn place(reader: &InputContext, container: &Container) -> Place {
    match container.family() {
        Family::Matroska | Family::Nut => Place::Anywhere,
        Family::TransportStream => Place::Service,
        Family::Raw | Family::Ivf => Place::Nowhere,
        Family::Mov => {
            let has_cover = reader.streams().any(StreamRef::is_attached_picture);
            let is_itunes = |key: &[u8]| ITUNES.iter().any(|known| known.as_bytes() == key);
            let has_other_keys = reader.metadata().iter().any(|(key, _)| !is_itunes(key.to_bytes()));
            if has_other_keys && !has_cover { Place::AppleKeys } else { Place::Itunes }
        }
    }
}

/// The file's tags without what belongs to its old container.
pub(crate) fn of_file(reader: &InputContext) -> Result<Dictionary, AvError> {
    filtered(reader.metadata(), |key| !CONTAINERS_OWN.iter().any(|own| own.as_bytes() == key))
}

/// A stream's tags. An encoded one has nothing of what the old coding was.
pub(crate) fn of_encoded(
    source: StreamRef<'_>,
    container: &Container,
    range: ClockRange,
) -> Result<Dictionary, AvError> {
    let is_stale = |key: &[u8]| {
        let is_of_the_start = key.eq_ignore_ascii_case(b"timecode") && range.start.is_some();
        is_of_the_start
            || key.starts_with(b"rotate")
            || key.eq_ignore_ascii_case(ALPHA.as_bytes())
            || STREAMS_OWN.iter().any(|own| starts_with(key, own.as_bytes()))
    };
    with_title(filtered(source.metadata(), |key| !is_stale(key))?, container)
}

/// Containers write the same keys in upper or in lower case.
fn starts_with(key: &[u8], start: &[u8]) -> bool {
    key.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

pub(crate) fn of_copy(
    source: StreamRef<'_>,
    container: &Container,
    copy: &CopyOptions,
) -> Result<Dictionary, AvError> {
    match copy.metadata {
        Selection::Keep => with_title(filtered(source.metadata(), |_| true)?, container),
        Selection::Omit => filtered(source.metadata(), |key| ATTACHMENT_KEYS.contains(&key)),
    }
}

/// What Matroska requires of an attachment.
const ATTACHMENT_KEYS: [&[u8]; 2] = [b"filename", b"mimetype"];

pub(crate) fn has_timecode(stream: &StreamInfo) -> bool {
    stream.metadata.iter().any(|(key, _)| key.eq_ignore_ascii_case("timecode"))
}

/// FFmpeg's MP4 muxer writes no titles of streams; players show the handler's name.
fn with_title(mut tags: Dictionary, container: &Container) -> Result<Dictionary, AvError> {
    let title = tags.as_ref().get(c"title").map(std::ffi::CStr::to_owned);
    if let Some(title) = title.filter(|_| container.family() == Family::Mov) {
        tags.set_bytes(c"handler_name", &title)?;
    }
    Ok(tags)
}

fn filtered(from: DictionaryRef<'_>, is_wanted: impl Fn(&[u8]) -> bool) -> Result<Dictionary, AvError> {
    let mut to = Dictionary::new();
    for (key, value) in from.iter().filter(|(key, _)| is_wanted(key.to_bytes())) {
        to.set_bytes(key, value)?;
    }
    Ok(to)
}
