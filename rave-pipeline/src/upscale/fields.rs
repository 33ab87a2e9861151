//! Whether pictures are made of two fields, and making one of them.

use rave_core::{BoxError, CombDetector, CombReport, Deinterlace, FieldOrder, Fields, Stage};
use rave_ffmpeg::{DecoderOptions, Demuxer, DemuxerOptions, Input, SoftwareDecoder};

use super::decode::Decoded;
use super::end::Assembling;
use super::line::Line;
use crate::Error;

/// What becomes of frames that are made of two fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deinterlacing {
    /// Those that say that they are fields are made pictures, unless they are seen to be pictures. Others are never
    /// changed: fine patterns that move look like combing; it is told.
    #[default]
    Auto,
    /// They are enlarged as they are.
    Off,
    /// All frames are taken for fields that say so, or none says so.
    Bwdif,
}

/// What a job does about fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldPlan {
    /// Frames are taken as they are; those that say that they are fields are counted.
    Kept,
    /// Frames say that they are fields, but are pictures.
    Pictures,
    Deinterlaced(Fields),
}

/// The first frames of a stream, as far as fields are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    flagged: u64,
    seen: CombReport,
}

/// Frames that are looked at.
const SAMPLE_FRAMES: u64 = 40;

/// Frames that are looked at where interlacing is not to be expected and decoding takes long.
const FEW_FRAMES: u64 = 8;

/// Frames that move without a comb, after which no more are looked at.
const PLAIN_FRAMES: u64 = 12;

/// No interlaced video format has more lines (ITU-R BT.709-6), coded in blocks of 16.
const MOST_INTERLACED_LINES: u32 = 1088;

impl Sample {
    /// Looks at the first frames from the wanted beginning on with a reader of its own. What can be read only once is not
    /// looked at; a failure ends the sample, and is the job's own to meet.
    pub(super) fn take(input: &Input, options: &DemuxerOptions) -> Self {
        let mut sample = Self::default();
        if input.is_seekable()
            && let Err(error) = sample.decode(input, options)
        {
            tracing::debug!(%error, "sample of the first frames");
        }
        sample
    }

    fn decode(&mut self, input: &Input, options: &DemuxerOptions) -> Result<(), BoxError> {
        let mut options = options.clone();
        options.range.end = None;
        let demuxer = Demuxer::open(input, &options)?;
        let mut decoder = SoftwareDecoder::new(demuxer.video(), &DecoderOptions::default())?;
        let info = demuxer.video().info();
        let wanted = if info.height > MOST_INTERLACED_LINES { FEW_FRAMES } else { SAMPLE_FRAMES };
        let mut detector = CombDetector::new();
        for packet in demuxer {
            let mut seen = Ok(());
            decoder.process(packet?, &mut |frame| {
                self.flagged += u64::from(frame.info().field_order != FieldOrder::Progressive);
                seen = detector.look(&frame);
            })?;
            seen?;
            self.seen = detector.report();
            if self.seen.frames >= wanted || self.is_plain() {
                break;
            }
        }
        Ok(())
    }

    /// Whether the rest of the frames would tell nothing new: none says that it is two fields, and many move without a comb.
    const fn is_plain(self) -> bool {
        self.flagged == 0 && self.seen.combed == 0 && self.seen.moving >= PLAIN_FRAMES
    }

    /// Whether frames are combed more often than by chance; where they say that they are fields, whether most are.
    const fn is_combed(self) -> bool {
        let CombReport { frames, combed, .. } = self.seen;
        let is_fields = self.flagged > 0 && self.fields() > self.seen.pictures;
        is_fields || combed >= 2 && combed * 20 >= frames
    }

    /// Frames whose fields are of two moments.
    const fn fields(self) -> u64 {
        self.seen.top_first + self.seen.bottom_first
    }

    /// Whether enough moves to tell that frames are pictures.
    const fn can_tell(self) -> bool {
        self.seen.pictures * 5 >= self.seen.frames && self.seen.pictures > 2 * self.fields()
    }

    /// What the deinterlacer has to go by.
    const fn basis(self) -> Fields {
        if self.flagged > 0 || self.seen.frames == 0 {
            Fields::Flagged
        } else if self.seen.bottom_first > self.seen.top_first {
            Fields::AllBottomFirst
        } else {
            Fields::AllTopFirst
        }
    }

    /// What to do, and why, if there is something to say.
    fn plan(self, wanted: Deinterlacing) -> (FieldPlan, Option<&'static str>) {
        let fields = self.basis();
        match (wanted, self.is_combed()) {
            (Deinterlacing::Off, true) => {
                (FieldPlan::Kept, Some("the pictures are combed, and are enlarged as they are, as asked for"))
            }
            (Deinterlacing::Off, false) => (FieldPlan::Kept, None),
            (Deinterlacing::Bwdif, _) => {
                (FieldPlan::Deinterlaced(fields), Some("fields are made pictures (bwdif)"))
            }
            (Deinterlacing::Auto, true) if fields != Fields::Flagged => (
                FieldPlan::Kept,
                Some(
                    "the pictures look combed although they do not say that they are fields: they are enlarged as they are; \
                     --deinterlace bwdif makes pictures of fields",
                ),
            ),
            (Deinterlacing::Auto, true) => (
                FieldPlan::Deinterlaced(fields),
                Some("the pictures are combed: they are deinterlaced (bwdif)"),
            ),
            (Deinterlacing::Auto, false) if self.flagged > 0 && self.can_tell() => (
                FieldPlan::Pictures,
                Some("frames say that they are fields but show no combing: they are taken as pictures"),
            ),
            (Deinterlacing::Auto, false) if self.flagged > 0 => (
                FieldPlan::Deinterlaced(fields),
                Some(
                    "frames say that they are fields, and too little moves to tell: they are deinterlaced (bwdif)",
                ),
            ),
            (Deinterlacing::Auto, false) => (FieldPlan::Kept, None),
        }
    }
}

impl Decoded {
    /// Appends the deinterlacer where the options or the first frames ask for it.
    pub(super) fn deinterlaced(
        self,
        sample: Sample,
        job: &mut Assembling<'_>,
    ) -> Result<(Self, FieldPlan), Error> {
        let wanted = job.options.picture.deinterlacing;
        let (plan, notice) = sample.plan(wanted);
        job.notices.extend(notice.map(str::to_owned));
        job.fields = plan;
        let FieldPlan::Deinterlaced(fields) = plan else { return Ok((self, plan)) };
        let line = self.line.into_host()?;
        let (info, queue) = (line.info, job.options.queues.decoded);
        let stage = Deinterlace::new(&info, fields).map_err(Error::leaf)?;
        job.memory.add_queue(&info, queue)?;
        let line = Line::Host(line.then("deinterlace", stage, info).queue(queue));
        Ok((Self { line, ..self }, plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_combed_is_deinterlaced_and_what_is_not_is_left() {
        use Deinterlacing::{Auto, Bwdif, Off};
        let sample = |flagged, pictures, combed| Sample {
            flagged,
            seen: CombReport { frames: 40, pictures, combed, ..CombReport::default() },
        };
        let flagged = FieldPlan::Deinterlaced(Fields::Flagged);
        for (sample, wanted, plan) in [
            (sample(0, 39, 0), Auto, FieldPlan::Kept),
            (sample(0, 39, 1), Auto, FieldPlan::Kept),
            (sample(0, 39, 30), Auto, FieldPlan::Kept),
            (sample(0, 39, 30), Bwdif, FieldPlan::Deinterlaced(Fields::AllTopFirst)),
            (sample(40, 39, 30), Auto, flagged),
            (sample(40, 39, 0), Auto, FieldPlan::Pictures),
            (sample(40, 0, 0), Auto, flagged),
            (sample(40, 39, 30), Off, FieldPlan::Kept),
            (sample(0, 39, 0), Bwdif, FieldPlan::Deinterlaced(Fields::AllTopFirst)),
        ] {
            assert_eq!(sample.plan(wanted).0, plan, "{sample:?} {wanted:?}");
        }
        for (flagged, moving, combed, is_plain) in
            [(0, 12, 0, true), (0, 11, 0, false), (1, 40, 0, false), (0, 40, 1, false)]
        {
            let seen = CombReport { frames: 40, moving, combed, ..CombReport::default() };
            assert_eq!(Sample { flagged, seen }.is_plain(), is_plain, "{flagged} {moving} {combed}");
        }
        let gentle = CombReport { frames: 40, moving: 5, top_first: 30, ..CombReport::default() };
        assert_eq!(Sample { flagged: 40, seen: gentle }.plan(Auto).0, flagged);
        assert_eq!(Sample { flagged: 0, seen: gentle }.plan(Auto).0, FieldPlan::Kept);
        assert!(sample(40, 39, 30).plan(Off).1.unwrap().contains("combed"));
        assert!(sample(0, 39, 30).plan(Auto).1.unwrap().contains("look combed"));
    }
}
