//! Every stream but the video: which of the output it is, what it holds, and when.

use rave_core::Timestamp;
use rave_ffmpeg::{PacketRecord, StreamInfo, StreamKind, StreamSurvey};

use super::announced::{Announced, AnnouncedStream};
use super::finding::{Aspect, Finding, Verdict};
use super::matching::partners;
use super::side::Side;
use super::sync::Sync;
use super::tags;

pub(super) fn compare(
    source: &Side,
    output: &Side,
    announced: &Announced,
    shift: Option<Timestamp>,
) -> Vec<Finding> {
    let partners = partners(source, output, announced);
    let mut findings = Vec::new();
    for stream in source.streams().iter().filter(|stream| stream.index != source.video.index) {
        let plan = announced.stream(stream.index);
        match partners.of(stream.index) {
            Some(partner) => {
                let pair = Pair { source, output, before: stream, after: &output.streams()[partner] };
                findings.extend(pair.compare(announced, plan, shift));
            }
            None if is_empty(source, stream.index) => {
                let finding = Finding::new(Aspect::Stream, label(stream), "none", Verdict::Converted);
                findings.push(finding.of_stream(stream.index).noted("it has no packets; nothing is lost"));
            }
            None => findings.push(missing(stream, plan, output)),
        }
    }
    findings.extend(partners.added.iter().map(|&index| added(&output.streams()[index], output)));
    findings
}

/// Whether a stream that a header announces holds nothing, such as subtitles without a text: muxers may not write it.
fn is_empty(source: &Side, index: usize) -> bool {
    source.packets(index).is_some_and(|stream| stream.packets.is_empty() && stream.bytes == 0)
}

fn label(stream: &StreamInfo) -> String {
    format!("{} {}", stream.kind, stream.codec.as_deref().unwrap_or("of unknown codec"))
}

fn missing(stream: &StreamInfo, plan: Option<&AnnouncedStream>, output: &Side) -> Finding {
    let finding =
        |verdict| Finding::new(Aspect::Stream, label(stream), "none", verdict).of_stream(stream.index);
    match plan {
        Some(AnnouncedStream { output_index: None, reason, .. }) => {
            finding(Verdict::Announced).maybe_noted(reason.clone())
        }
        _ if is_chapter_track(stream) && !output.survey.media.chapters.is_empty() => {
            finding(Verdict::Converted).noted("the container's own track for the chapters, which are kept")
        }
        _ => finding(Verdict::Missing),
    }
}

/// What QuickTime's and MP4's muxers add for chapters and time codes.
fn is_chapter_track(stream: &StreamInfo) -> bool {
    stream.kind == StreamKind::Data && matches!(stream.codec.as_deref(), None | Some("bin_data"))
}

fn added(stream: &StreamInfo, output: &Side) -> Finding {
    let is_own = output.is_mov() && stream.kind == StreamKind::Data;
    let verdict = if is_own { Verdict::Converted } else { Verdict::Different };
    let note = if is_own { "the container's own track" } else { "a stream that the source does not have" };
    Finding::new(Aspect::Stream, "none", format!("stream {}: {}", stream.index, label(stream)), verdict)
        .noted(note)
}

/// A stream of the source and the one of the output that it became.
pub(super) struct Pair<'a> {
    pub(super) source: &'a Side,
    pub(super) output: &'a Side,
    pub(super) before: &'a StreamInfo,
    pub(super) after: &'a StreamInfo,
}

impl Pair<'_> {
    fn compare(
        &self,
        announced: &Announced,
        plan: Option<&AnnouncedStream>,
        shift: Option<Timestamp>,
    ) -> Vec<Finding> {
        let surveys = self.source.packets(self.before.index).zip(self.output.packets(self.after.index));
        let Some((before, after)) = surveys else {
            return Vec::new();
        };
        let contents = self.contents(before, after, announced, plan);
        let mut findings = vec![contents];
        findings.extend(Sync::new(self, (before, after), announced, shift).and_then(|sync| sync.finding()));
        findings.extend(self.decoding());
        findings.extend(tags::compare_streams(self.before, self.after, self.output.format(), announced));
        let index = self.before.index;
        findings.into_iter().map(|finding| finding.of_stream(index)).collect()
    }

    fn contents(
        &self,
        before: &StreamSurvey,
        after: &StreamSurvey,
        announced: &Announced,
        plan: Option<&AnnouncedStream>,
    ) -> Finding {
        let text =
            |stream: &StreamInfo, survey: &StreamSurvey| format!("{}, {}", label(stream), size(survey));
        let finding = |verdict| {
            Finding::new(Aspect::Stream, text(self.before, before), text(self.after, after), verdict)
        };
        let reason = plan.and_then(|plan| plan.reason.clone());
        let same_codec = self.before.codec == self.after.codec || is_still(self.before);
        match () {
            () if same_codec && is_equal(before, after) => {
                finding(Verdict::Same).noted(format!("checksum {}", after.checksum))
            }
            () if same_codec && announced.is_of_part() && before.is_continuous => {
                finding(Verdict::Announced).noted("a part of the source; where it was cut is not compared")
            }
            () if same_codec && announced.is_of_part() && self.is_part(before, after) => {
                finding(Verdict::Announced).noted("a part of the source, as the video")
            }
            () if same_codec && is_less_by(before, after, announced.damaged_packets) => {
                finding(Verdict::Announced).noted("damaged packets were left out")
            }
            () if same_codec => finding(Verdict::Different).noted(first_difference(before, after)),
            () => finding(Verdict::Converted).maybe_noted(reason),
        }
    }

    /// Whether the output has some packets of the source in a row; of video, but for those that are shown before its first.
    fn is_part(&self, before: &StreamSurvey, after: &StreamSurvey) -> bool {
        parts_of(after, before).next().is_some()
            || (self.before.kind == StreamKind::Video && is_entered(after, before))
    }

    fn decoding(&self) -> Option<Finding> {
        let trial = |side: &Side, index: usize| side.trials.get(index).copied().flatten();
        let before = trial(self.source, self.before.index)?;
        let after = trial(self.output, self.after.index)?;
        let verdict = if after.errors <= before.errors { Verdict::Same } else { Verdict::Different };
        let text = |errors: u64| format!("{errors} errors");
        Some(Finding::new(Aspect::Decoding, text(before.errors), text(after.errors), verdict))
    }
}

/// Pictures and files that have no times.
pub(super) fn is_still(stream: &StreamInfo) -> bool {
    stream.is_attached_picture || stream.kind == StreamKind::Attachment
}

fn size(survey: &StreamSurvey) -> String {
    match survey.packets.len() {
        0 => format!("{} bytes", survey.bytes),
        _ if survey.is_continuous => format!("{} bytes", survey.bytes),
        packets => format!("{packets} packets, {} bytes", survey.bytes),
    }
}

fn is_equal(before: &StreamSurvey, after: &StreamSurvey) -> bool {
    let is_counted = !before.is_continuous && !before.packets.is_empty() && !after.packets.is_empty();
    before.checksum == after.checksum && (!is_counted || before.packets.len() == after.packets.len())
}

fn digests(packets: &[PacketRecord]) -> impl Iterator<Item = u64> {
    packets.iter().map(|packet| packet.digest)
}

/// At which packet of `whole` the packets of `part` begin, one after the other.
pub(super) fn parts_of<'a>(
    part: &'a StreamSurvey,
    whole: &'a StreamSurvey,
) -> impl Iterator<Item = usize> + 'a {
    let count = part.packets.len();
    let starts = (whole.packets.len() + 1).saturating_sub(count);
    (0..starts).filter(move |&start| digests(&part.packets).eq(digests(&whole.packets[start..start + count])))
}

/// Whether `part` are packets of `whole` from one on, without those that are decoded after it and shown before it.
fn is_entered(part: &StreamSurvey, whole: &StreamSurvey) -> bool {
    (0..whole.packets.len()).any(|start| {
        let rest = whole.packets[start..].iter();
        let shown = rest.filter(|packet| packet.time >= whole.packets[start].time);
        shown.take(part.packets.len()).map(|packet| packet.digest).eq(digests(&part.packets))
    })
}

/// Whether `after` is `before` without at most so many packets.
fn is_less_by(before: &StreamSurvey, after: &StreamSurvey, packets: u64) -> bool {
    let lost = before.packets.len().saturating_sub(after.packets.len()) as u64;
    let mut rest = digests(&before.packets);
    lost > 0 && lost <= packets && digests(&after.packets).all(|digest| rest.any(|other| other == digest))
}

fn first_difference(before: &StreamSurvey, after: &StreamSurvey) -> String {
    let differs =
        digests(&before.packets).zip(digests(&after.packets)).position(|(before, after)| before != after);
    let count = before.packets.len().min(after.packets.len());
    match differs.or((before.packets.len() != after.packets.len()).then_some(count)) {
        Some(index) => {
            let time = before.packets.get(index).or(after.packets.get(index)).and_then(|packet| packet.time);
            let at = time.map_or_else(String::new, |time| format!(", at {:.3} s", time.seconds()));
            format!(
                "checksums {} and {}; differs from packet {index} on{at}",
                before.checksum, after.checksum
            )
        }
        None => format!("checksums {} and {}", before.checksum, after.checksum),
    }
}
