use std::fmt;
use std::str::FromStr;

use crate::{StreamInfo, StreamKind};

/// Streams of the source by FFmpeg's specifiers: `0:s:1` is the second subtitle stream, `-0:a` is all but the sound.
///
/// The form is `[-]0[:KIND][:NUMBER | :m:KEY[:VALUE]][?]` where KIND is `v`, `V` (video but no covers), `a`, `s`, `d`
/// or `t`; the leading `0:` may be left out before a kind. With `?` it may match nothing.
///
/// ```
/// use rave_ffmpeg::StreamMap;
/// let map: StreamMap = "0:s:m:language:eng?".parse()?;
/// assert_eq!(map.to_string(), "0:s:m:language:eng?");
/// assert!("1:a".parse::<StreamMap>().is_err(), "there is one input");
/// # Ok::<(), rave_ffmpeg::InvalidMap>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamMap {
    text: String,
    sense: Sense,
    presence: Presence,
    kind: Option<Kind>,
    choice: Choice,
}

/// The text is no stream specifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no streams: use a form such as 0:a, 0:s:1, -0:d or 0:a:m:language:eng")]
pub struct InvalidMap(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Include,
    Exclude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Of(StreamKind),
    VideoWithoutCovers,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    All,
    /// The n-th of the kind, or of all streams.
    Number(usize),
    Tag {
        key: String,
        value: Option<String>,
    },
}

impl StreamMap {
    /// The streams that it names.
    fn matches<'a>(&self, streams: &'a [StreamInfo]) -> Vec<&'a StreamInfo> {
        let of_kind = streams.iter().filter(|stream| self.kind.is_none_or(|kind| kind.holds(stream)));
        match &self.choice {
            Choice::All => of_kind.collect(),
            Choice::Number(number) => of_kind.skip(*number).take(1).collect(),
            Choice::Tag { key, value } => {
                of_kind.filter(|stream| has_tag(stream, key, value.as_deref())).collect()
            }
        }
    }
}

/// The indices that the maps leave, in the source's order. Maps are applied one after the other; where all exclude,
/// everything else is meant.
///
/// # Errors
/// The first map that matches nothing and is not optional.
pub(crate) fn chosen<'a>(
    maps: &'a [StreamMap],
    streams: &[StreamInfo],
) -> Result<Option<Vec<usize>>, &'a StreamMap> {
    if maps.is_empty() {
        return Ok(None);
    }
    let starts_full = maps.iter().all(|map| map.sense == Sense::Exclude);
    let mut is_chosen = vec![starts_full; streams.len()];
    for map in maps {
        let matched = map.matches(streams);
        if matched.is_empty() && map.presence == Presence::Required {
            return Err(map);
        }
        for stream in matched {
            is_chosen[stream.index] = map.sense == Sense::Include;
        }
    }
    Ok(Some((0..streams.len()).filter(|&index| is_chosen[index]).collect()))
}

fn has_tag(stream: &StreamInfo, key: &str, value: Option<&str>) -> bool {
    let found = stream.metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    found.is_some_and(|(_, found)| value.is_none_or(|value| found == value))
}

impl Kind {
    fn from_letter(letter: &str) -> Option<Self> {
        match letter {
            "v" => Some(Self::Of(StreamKind::Video)),
            "V" => Some(Self::VideoWithoutCovers),
            "a" => Some(Self::Of(StreamKind::Audio)),
            "s" => Some(Self::Of(StreamKind::Subtitle)),
            "d" => Some(Self::Of(StreamKind::Data)),
            "t" => Some(Self::Of(StreamKind::Attachment)),
            _ => None,
        }
    }

    fn holds(self, stream: &StreamInfo) -> bool {
        match self {
            Self::Of(kind) => stream.kind == kind,
            Self::VideoWithoutCovers => stream.kind == StreamKind::Video && !stream.is_attached_picture,
        }
    }
}

impl FromStr for StreamMap {
    type Err = InvalidMap;

    fn from_str(text: &str) -> Result<Self, InvalidMap> {
        parse(text).ok_or_else(|| InvalidMap(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<StreamMap> {
    let (rest, sense) = match text.strip_prefix('-') {
        Some(rest) => (rest, Sense::Exclude),
        None => (text, Sense::Include),
    };
    let (rest, presence) = match rest.strip_suffix('?') {
        Some(rest) => (rest, Presence::Optional),
        None => (rest, Presence::Required),
    };
    let mut parts = rest.split(':').peekable();
    let is_file = parts.peek() == Some(&"0");
    if is_file {
        parts.next();
    }
    let kind = parts.peek().and_then(|part| Kind::from_letter(part));
    if kind.is_some() {
        parts.next();
    }
    let choice = match parts.next() {
        None if is_file || kind.is_some() => Choice::All,
        Some("m") => tag(&mut parts)?,
        Some(number) if is_file || kind.is_some() => Choice::Number(number.parse().ok()?),
        _ => return None,
    };
    parts.next().is_none().then(|| StreamMap { text: text.to_owned(), sense, presence, kind, choice })
}

/// The value may hold colons.
fn tag<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<Choice> {
    let key = parts.next().filter(|key| !key.is_empty())?.to_owned();
    let value: Vec<&str> = parts.collect();
    Some(Choice::Tag { key, value: (!value.is_empty()).then(|| value.join(":")) })
}

impl fmt::Display for StreamMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::stream_for_tests as stream;

    fn chosen_of(maps: &[&str]) -> Result<Vec<usize>, String> {
        use StreamKind::{Attachment, Audio, Subtitle, Video};
        let kinds = [Video, Audio, Subtitle, Audio, Subtitle, Video, Attachment];
        let mut streams: Vec<_> =
            kinds.iter().enumerate().map(|(index, &kind)| stream(index, kind, Some("x"))).collect();
        streams[3].metadata.push(("LANGUAGE".into(), "deu".into()));
        streams[5].is_attached_picture = true;
        let maps: Vec<StreamMap> = maps.iter().map(|map| map.parse().unwrap()).collect();
        chosen(&maps, &streams).map(|chosen| chosen.unwrap()).map_err(ToString::to_string)
    }

    #[test]
    fn specifiers_are_ffmpegs() {
        for (maps, expected) in [
            (&["0"][..], &[0, 1, 2, 3, 4, 5, 6][..]),
            (&["0:a"], &[1, 3]),
            (&["a:1"], &[3]),
            (&["0:s:0", "0:t"], &[2, 6]),
            (&["0:4"], &[4]),
            (&["0:v"], &[0, 5]),
            (&["0:V"], &[0]),
            (&["0", "-0:s"], &[0, 1, 3, 5, 6]),
            (&["-0:a:0"], &[0, 2, 3, 4, 5, 6]),
            (&["0:a:m:language:deu"], &[3]),
            (&["0:m:language"], &[3]),
            (&["0:s:7?"], &[]),
        ] {
            assert_eq!(chosen_of(maps).unwrap(), expected, "{maps:?}");
        }
        assert_eq!(chosen_of(&["0:a", "0:s:7"]), Err("0:s:7".to_owned()));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "1:a", "0:x", "0:a:b", "5", "0:a:1:2", "m", "0:m", "0:a:-1", "a:"] {
            assert!(text.parse::<StreamMap>().is_err(), "{text}");
        }
    }
}
