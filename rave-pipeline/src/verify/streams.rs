//! Every stream but the video: which of the output it is, what it holds, and when.

use rave_core::Timestamp;
use rave_ffmpeg::{PacketRecord, StreamInfo, StreamKind, StreamSurvey};

use super::announced::{Announced, AnnouncedStream};
use super::finding::{Aspect, Finding, Verdict};
use super::matching::partners;
use super::side::Side;
use super::tags;
use super::times::{frame_nanoseconds, nanoseconds};

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
            None => findings.push(missing(stream, plan, output)),
        }
    }
    findings.extend(partners.added.iter().map(|&index| added(&output.streams()[index], output)));
    findings
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
struct Pair<'a> {
    source: &'a Side,
    output: &'a Side,
    before: &'a StreamInfo,
    after: &'a StreamInfo,
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
        findings.extend(self.sync(before, after, announced, shift));
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
            () if same_codec && announced.is_part && before.is_continuous => {
                finding(Verdict::Announced).noted("a part of the source; where it was cut is not compared")
            }
            () if same_codec && announced.is_part && parts_of(after, before).next().is_some() => {
                finding(Verdict::Announced).noted("a part of the source, as the video")
            }
            () if same_codec && is_less_by(before, after, announced.damaged_packets) => {
                finding(Verdict::Announced).noted("damaged packets were left out")
            }
            () if same_codec => finding(Verdict::Different).noted(first_difference(before, after)),
            () => finding(Verdict::Converted).maybe_noted(reason),
        }
    }

    /// What is equal packet by packet has to be at the same times; of what is converted start and end are compared.
    fn sync(
        &self,
        before: &StreamSurvey,
        after: &StreamSurvey,
        announced: &Announced,
        shift: Option<Timestamp>,
    ) -> Option<Finding> {
        let is_timed =
            matches!(self.before.kind, StreamKind::Audio | StreamKind::Subtitle | StreamKind::Data);
        if !is_timed || is_still(self.before) || before.packets.is_empty() || after.packets.is_empty() {
            return None;
        }
        let clock = Clock {
            shift_nanoseconds: shift.map_or(0, nanoseconds),
            tolerance: self.tolerance(before, after),
        };
        // Packets of silence are alike: of all places that they could come from, the one at their time is meant.
        let off = |start: &usize| {
            let first = before.packets.get(*start).zip(after.packets.first());
            let off = first.and_then(|(before, after)| Some(clock.off(before.time?, after.time?)));
            off.map_or(i64::MAX, i64::abs)
        };
        let part = parts_of(after, before).min_by_key(off).filter(|_| !before.is_continuous);
        let worst = match part {
            Some(start) if announced.is_part || before.packets.len() == after.packets.len() => {
                let packets = before.packets[start..].iter().zip(&after.packets);
                clock.worst(packets.filter(|(before, _)| !self.is_clipped(before, announced, &clock)))
            }
            // Sound that was cut begins and ends within a packet.
            _ if announced.is_part => return None,
            _ => clock.ends(before, after),
        };
        let Some((off, tolerance)) = worst else {
            return Some(Finding::new(Aspect::Sync, "no times", "no times", Verdict::Same));
        };
        let half_frame = frame_nanoseconds(&self.source.video.timestamps) / 2;
        let at = |survey: &StreamSurvey| survey.packets.iter().find_map(|packet| packet.time);
        let text =
            |survey| at(survey).map_or("no times".to_owned(), |time| format!("from {:.3} s", time.seconds()));
        let finding = |verdict| Finding::new(Aspect::Sync, text(before), text(after), verdict);
        let milliseconds = off as f64 / 1e6;
        Some(match off.abs() {
            off if off <= tolerance => finding(Verdict::Same),
            off if off <= half_frame => finding(Verdict::Converted)
                .noted(format!("{milliseconds:+.1} ms off against the video, less than half a frame")),
            _ => finding(Verdict::Different)
                .noted(format!("up to {milliseconds:+.1} ms off against the video")),
        })
    }

    /// Whether it is a caption that began before the part that was asked for, so that it now begins with the part.
    fn is_clipped(&self, packet: &PacketRecord, announced: &Announced, clock: &Clock) -> bool {
        let begins = self.output.video.timestamps.first().copied().map(nanoseconds);
        let begun = packet.time.map(|time| nanoseconds(time) + clock.shift_nanoseconds);
        let is_earlier = begun.zip(begins).is_some_and(|(begun, begins)| begun < begins);
        announced.is_part && self.before.kind == StreamKind::Subtitle && is_earlier
    }

    /// Half a frame for what was converted: its pieces begin elsewhere.
    fn tolerance(&self, before: &StreamSurvey, after: &StreamSurvey) -> Tolerance {
        let half_frame = frame_nanoseconds(&self.source.video.timestamps) / 2;
        let piece = |survey: &StreamSurvey, stream: &StreamInfo| {
            let ticks = survey.packets.iter().filter_map(|packet| packet.duration_ticks).max().unwrap_or(0);
            nanoseconds(Timestamp::new(ticks, stream.time_base))
        };
        // A sum, as what one container tells in microseconds another rounds to milliseconds.
        let tick = |stream: &StreamInfo| nanoseconds(Timestamp::new(1, stream.time_base));
        let ticks =
            tick(self.before) + tick(self.after) + tick(&self.output.streams()[self.output.video.index]);
        Tolerance {
            exact: ticks,
            rough: ticks + half_frame.max(piece(before, self.before)).max(piece(after, self.after)),
        }
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

struct Tolerance {
    exact: i64,
    rough: i64,
}

struct Clock {
    shift_nanoseconds: i64,
    tolerance: Tolerance,
}

impl Clock {
    fn off(&self, before: Timestamp, after: Timestamp) -> i64 {
        nanoseconds(after) - nanoseconds(before) - self.shift_nanoseconds
    }

    fn worst<'a>(
        &self,
        packets: impl Iterator<Item = (&'a PacketRecord, &'a PacketRecord)>,
    ) -> Option<(i64, i64)> {
        let offs = packets.filter_map(|(before, after)| Some(self.off(before.time?, after.time?)));
        offs.max_by_key(|off| off.abs()).map(|off| (off, self.tolerance.exact))
    }

    /// The start and the end.
    fn ends(&self, before: &StreamSurvey, after: &StreamSurvey) -> Option<(i64, i64)> {
        let start = self.off(start(before)?, start(after)?);
        let end = self.off(end(before)?, end(after)?);
        let worst = if end.abs() > start.abs() { end } else { start };
        Some((worst, self.tolerance.rough))
    }
}

fn start(survey: &StreamSurvey) -> Option<Timestamp> {
    survey.packets.iter().filter_map(|packet| packet.time).min()
}

fn end(survey: &StreamSurvey) -> Option<Timestamp> {
    let ends = survey
        .packets
        .iter()
        .filter_map(|packet| packet.time.map(|time| time.plus_ticks(packet.duration_ticks.unwrap_or(0))));
    ends.max()
}

/// Pictures and files that have no times.
fn is_still(stream: &StreamInfo) -> bool {
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
fn parts_of<'a>(part: &'a StreamSurvey, whole: &'a StreamSurvey) -> impl Iterator<Item = usize> + 'a {
    let count = part.packets.len();
    let starts = (whole.packets.len() + 1).saturating_sub(count);
    (0..starts).filter(move |&start| digests(&part.packets).eq(digests(&whole.packets[start..start + count])))
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
