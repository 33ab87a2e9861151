//! What is written beside the streams: chapters, keys and values, roles, languages.

use rave_ffmpeg::{Chapter, StreamInfo};

use super::announced::Announced;
use super::finding::{Aspect, Finding, Verdict};
use super::side::Side;
use super::times::{frame_nanoseconds, nanoseconds};

pub(super) fn compare_file(
    source: &Side,
    output: &Side,
    announced: &Announced,
    shift_nanoseconds: i64,
) -> Vec<Finding> {
    let (before, after) = (&source.survey.media, &output.survey.media);
    // A millisecond is what containers round to.
    let tolerance = (frame_nanoseconds(&source.video.timestamps) / 2).max(1_500_000);
    let chapters = chapters(&before.chapters, &after.chapters, shift_nanoseconds, tolerance);
    let of_part = announced.is_of_part().then_some("the output is a part of the source");
    let mut findings = Vec::new();
    findings.extend(chapters.map(|row| row.announced_by(announced.notice(&["chapters"]).or(of_part))));
    let metadata = metadata(&before.metadata, &after.metadata);
    findings.extend(metadata.map(|row| row.announced_by(announced.notice(&["tags", "metadata"]))));
    findings
}

pub(super) fn compare_streams(
    before: &StreamInfo,
    after: &StreamInfo,
    format: &str,
    announced: &Announced,
) -> Vec<Finding> {
    let of_stream = announced.stream(before.index);
    let of_file = announced.notice(&["metadata"]);
    let told = |words: &[&str]| {
        of_stream.filter(|plan| plan.mentions(words)).and_then(|plan| plan.reason.as_deref())
    };
    let mut findings = vec![
        language(before, after).announced_by(told(&["language"]).or(of_file)),
        disposition(before, after, format).announced_by(told(&["roles"])),
    ];
    let metadata = metadata(&without_times(&before.metadata), &after.metadata);
    findings.extend(metadata.map(|row| row.announced_by(told(&["tags", "title"]).or(of_file))));
    // Rows that say nothing are left out: there would be three for each stream.
    findings.retain(|finding| finding.verdict != Verdict::Same);
    findings.into_iter().map(|finding| finding.of_stream(before.index)).collect()
}

/// MP4 dates every track; elsewhere only the file has a date.
fn without_times(pairs: &[(String, String)]) -> Vec<(String, String)> {
    pairs.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("creation_time")).cloned().collect()
}

/// A chapter starts with a frame: half of one is left for moves and roundings.
fn chapters(
    before: &[Chapter],
    after: &[Chapter],
    shift_nanoseconds: i64,
    tolerance_nanoseconds: i64,
) -> Option<Finding> {
    if before.is_empty() && after.is_empty() {
        return None;
    }
    let finding =
        |verdict| Finding::new(Aspect::Chapters, before.len().to_string(), after.len().to_string(), verdict);
    if after.is_empty() {
        return Some(finding(Verdict::Missing));
    }
    if before.len() != after.len() {
        return Some(finding(Verdict::Different));
    }
    let is_off = |(before, after): (&Chapter, &Chapter)| {
        let off = nanoseconds(after.start) - nanoseconds(before.start) - shift_nanoseconds;
        off.abs() > tolerance_nanoseconds
    };
    let pairs = || before.iter().zip(after);
    let moved = pairs().position(is_off);
    let renamed = pairs().position(|(before, after)| {
        before.title.as_deref().unwrap_or_default() != after.title.as_deref().unwrap_or_default()
    });
    Some(match (moved, renamed) {
        (Some(index), _) => {
            let seconds = |nanoseconds: i64| nanoseconds as f64 / 1e9;
            let expected = seconds(nanoseconds(before[index].start) + shift_nanoseconds);
            let found = seconds(nanoseconds(after[index].start));
            finding(Verdict::Different)
                .noted(format!("chapter {index} starts at {found:.6} s, not at {expected:.6} s"))
        }
        (_, Some(index)) => finding(Verdict::Different).noted(format!("chapter {index} has another title")),
        _ => finding(Verdict::Same),
    })
}

/// Keys that belong to the container, to the program that wrote it, or to the coded data.
const OF_THE_CONTAINER: [&str; 13] = [
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "encoded_by",
    "handler_name",
    "vendor_id",
    "duration",
    "language",
    "filename",
    "mimetype",
    "variant_bitrate",
    "alpha_mode",
];

fn belongs_to_the_container(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    OF_THE_CONTAINER.contains(&key.as_str())
        || key.starts_with("_statistics")
        || ["bps", "duration", "encoder", "number_of_frames", "number_of_bytes"]
            .iter()
            .any(|name| key == *name || key.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')))
}

/// Keys are compared without case, as containers change it.
fn metadata(before: &[(String, String)], after: &[(String, String)]) -> Option<Finding> {
    let own = |pairs: &[(String, String)]| -> Vec<(String, String)> {
        let kept =
            pairs.iter().filter(|(key, value)| !belongs_to_the_container(key) && !value.trim().is_empty());
        kept.map(|(key, value)| (key.to_ascii_lowercase(), value.clone())).collect()
    };
    let (before, after) = (own(before), own(after));
    if before.is_empty() {
        return None;
    }
    let find = |key: &str| after.iter().find(|(other, _)| other == key).map(|(_, value)| value.trim());
    let lost: Vec<&str> =
        before.iter().filter(|(key, _)| find(key).is_none()).map(|(key, _)| key.as_str()).collect();
    let changed: Vec<&str> = before
        .iter()
        .filter(|(key, value)| find(key).is_some_and(|other| !same_value(key, value.trim(), other)))
        .map(|(key, _)| key.as_str())
        .collect();
    let kept = before.len() - lost.len();
    let finding =
        |verdict| Finding::new(Aspect::Metadata, before.len().to_string(), kept.to_string(), verdict);
    let named = |words: &str, keys: &[&str]| format!("{words}: {}", keys.join(", "));
    Some(match (lost.as_slice(), changed.as_slice()) {
        ([], []) => finding(Verdict::Same),
        ([], changed) => finding(Verdict::Different).noted(named("changed", changed)),
        (lost, []) => finding(Verdict::Missing).noted(named("lost", lost)),
        (lost, changed) => {
            finding(Verdict::Missing).noted(format!("{}; {}", named("lost", lost), named("changed", changed)))
        }
    })
}

/// MP4 counts the time of creation in whole seconds, and some write it with a space.
fn same_value(key: &str, before: &str, after: &str) -> bool {
    let seconds = |text: &str| text.get(..19).map(|text| text.replace(' ', "T"));
    before == after || key == "creation_time" && seconds(before) == seconds(after)
}

/// Not to be told is to be undetermined (ISO 639-2).
fn language(before: &StreamInfo, after: &StreamInfo) -> Finding {
    const UNDETERMINED: &str = "und";
    let code = |stream: &StreamInfo| stream.language.clone().unwrap_or_else(|| UNDETERMINED.to_owned());
    let (from, to) = (code(before), code(after));
    let verdict = match (from == to, to.as_str()) {
        (true, _) => Verdict::Same,
        (false, UNDETERMINED) => Verdict::Missing,
        (false, _) => Verdict::Different,
    };
    Finding::new(Aspect::Language, from, to, verdict)
}

/// `default` says which stream to begin with: only Matroska tells it, and its muxers make one default.
fn disposition(before: &StreamInfo, after: &StreamInfo, format: &str) -> Finding {
    let text = |stream: &StreamInfo| match stream.disposition.as_slice() {
        [] => "none".to_owned(),
        roles => roles.join(", "),
    };
    let but_default = |stream: &StreamInfo| -> Vec<&'static str> {
        stream.disposition.iter().copied().filter(|&role| role != "default").collect()
    };
    let is_picture = before.is_attached_picture || after.is_attached_picture;
    let same_but_default = but_default(before) == but_default(after);
    let finding = |verdict| Finding::new(Aspect::Disposition, text(before), text(after), verdict);
    match format.split(',').next().unwrap_or_default() {
        _ if before.disposition == after.disposition => finding(Verdict::Same),
        _ if is_picture => {
            finding(Verdict::Converted).noted("cover pictures are told in each container's own way")
        }
        "matroska" if same_but_default && !before.disposition.contains(&"default") => {
            finding(Verdict::Converted).noted("the first stream of a kind is made default")
        }
        "matroska" => finding(Verdict::Different),
        name if same_but_default => {
            finding(Verdict::Converted).noted(format!("{name} does not tell a default"))
        }
        _ => finding(Verdict::Different),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rave_core::{TimeBase, Timestamp};

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn chapter(start: i64, title: &str) -> Chapter {
        let at = |ticks| Timestamp::new(ticks, TimeBase::new(1, 1000).unwrap());
        Chapter { start: at(start), end: at(start + 10), title: Some(title.into()) }
    }

    #[test]
    fn the_containers_own_keys_do_not_count() {
        let before =
            pairs(&[("major_brand", "isom"), ("title", "A film"), ("BPS-eng", "1"), ("encoder", "x")]);
        let finding = metadata(&before, &pairs(&[("TITLE", "A film")])).unwrap();
        assert_eq!((finding.verdict, finding.source.as_str()), (Verdict::Same, "1"));
        assert_eq!(metadata(&pairs(&[("encoder", "x")]), &[]), None);
    }

    #[test]
    fn lost_and_changed_keys_are_named() {
        let before = pairs(&[("title", "A"), ("artist", "B"), ("comment", "C")]);
        let finding = metadata(&before, &pairs(&[("title", "A"), ("artist", "X")])).unwrap();
        assert_eq!(finding.verdict, Verdict::Missing);
        assert_eq!(finding.note.unwrap(), "lost: comment; changed: artist");
        let times = ("creation_time", "2020-01-02T03:04:05.678900Z");
        let seconds = ("creation_time", "2020-01-02T03:04:05.000000Z");
        assert_eq!(metadata(&pairs(&[times]), &pairs(&[seconds])).unwrap().verdict, Verdict::Same);
    }

    #[test]
    fn chapters_may_be_moved_with_everything_else() {
        let source = [chapter(0, "one"), chapter(500, "two")];
        let moved = [chapter(40, "one"), chapter(540, "two")];
        assert_eq!(chapters(&source, &moved, 40_000_000, 20_000_000).unwrap().verdict, Verdict::Same);
        let different = chapters(&source, &moved, 0, 20_000_000).unwrap();
        assert_eq!(different.verdict, Verdict::Different);
        assert_eq!(different.note.unwrap(), "chapter 0 starts at 0.040000 s, not at 0.000000 s");
        let left_behind = chapters(&source, &source, 40_000_000, 20_000_000).unwrap();
        assert_eq!(left_behind.note.unwrap(), "chapter 0 starts at 0.000000 s, not at 0.040000 s");
        assert_eq!(chapters(&source, &[], 0, 20_000_000).unwrap().verdict, Verdict::Missing);
        assert_eq!(chapters(&source, &source[..1], 0, 20_000_000).unwrap().verdict, Verdict::Different);
        assert_eq!(chapters(&[], &[], 0, 20_000_000), None);
    }
}
