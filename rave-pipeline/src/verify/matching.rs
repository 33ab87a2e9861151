//! Which stream of the output a stream of the source became.

use rave_ffmpeg::{StreamInfo, StreamKind};

use super::announced::Announced;
use super::side::Side;

pub(super) struct Partners {
    /// By index in the source.
    of_source: Vec<Option<usize>>,
    /// Streams of the output that none became.
    pub(super) added: Vec<usize>,
}

impl Partners {
    pub(super) fn of(&self, source_index: usize) -> Option<usize> {
        self.of_source.get(source_index).copied().flatten()
    }
}

/// As announced; otherwise the best of the kind, by contents first, then codec and language, then order.
pub(super) fn partners(source: &Side, output: &Side, announced: &Announced) -> Partners {
    let mut search = Search {
        source,
        output,
        of_source: vec![None; source.streams().len()],
        is_taken: vec![false; output.streams().len()],
    };
    search.take(source.video.index, output.video.index);
    for plan in &announced.streams {
        if let Some(index) = plan.output_index {
            search.take(plan.source_index, index);
        }
    }
    let is_open = |index: usize| announced.stream(index).is_none();
    let rules: [fn(&Candidate<'_>) -> bool; 4] = [
        |pair| pair.same_kind() && pair.same_contents(),
        |pair| pair.same_kind() && pair.same_codec() && pair.same_language(),
        |pair| pair.same_kind() && pair.same_language(),
        |pair| pair.before.kind == pair.after.kind && !pair.is_still(),
    ];
    for rule in rules {
        search.apply(rule, is_open);
    }
    let added = (0..search.is_taken.len()).filter(|&index| !search.is_taken[index]).collect();
    Partners { of_source: search.of_source, added }
}

struct Search<'a> {
    source: &'a Side,
    output: &'a Side,
    of_source: Vec<Option<usize>>,
    is_taken: Vec<bool>,
}

impl Search<'_> {
    fn take(&mut self, source_index: usize, output_index: usize) {
        let is_free = self.is_taken.get(output_index) == Some(&false);
        if let Some(partner @ None) = self.of_source.get_mut(source_index).filter(|_| is_free) {
            *partner = Some(output_index);
            self.is_taken[output_index] = true;
        }
    }

    fn apply(&mut self, rule: fn(&Candidate<'_>) -> bool, is_open: impl Fn(usize) -> bool) {
        for before in self.source.streams() {
            if self.of_source[before.index].is_some() || !is_open(before.index) {
                continue;
            }
            let found = self.output.streams().iter().find(|after| {
                let pair = Candidate { source: self.source, output: self.output, before, after };
                !self.is_taken[after.index] && rule(&pair)
            });
            if let Some(after) = found {
                self.take(before.index, after.index);
            }
        }
    }
}

struct Candidate<'a> {
    source: &'a Side,
    output: &'a Side,
    before: &'a StreamInfo,
    after: &'a StreamInfo,
}

impl Candidate<'_> {
    fn is_still(&self) -> bool {
        let is_still =
            |stream: &StreamInfo| stream.is_attached_picture || stream.kind == StreamKind::Attachment;
        is_still(self.before) || is_still(self.after)
    }

    /// A cover may come back as an attachment, and the other way round.
    fn same_kind(&self) -> bool {
        let is_still =
            |stream: &StreamInfo| stream.is_attached_picture || stream.kind == StreamKind::Attachment;
        match (is_still(self.before), is_still(self.after)) {
            (false, false) => self.before.kind == self.after.kind,
            (before, after) => before && after,
        }
    }

    fn same_codec(&self) -> bool {
        self.before.codec == self.after.codec
    }

    fn same_language(&self) -> bool {
        let code = |stream: &StreamInfo| stream.language.clone().filter(|code| code != "und");
        code(self.before) == code(self.after)
    }

    fn same_contents(&self) -> bool {
        let surveys = self.source.packets(self.before.index).zip(self.output.packets(self.after.index));
        surveys.is_some_and(|(before, after)| before.checksum == after.checksum && before.bytes > 0)
    }
}
