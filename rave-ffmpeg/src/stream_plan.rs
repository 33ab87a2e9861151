use crate::StreamKind;

/// What becomes of a stream of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// Index in the source.
    pub source_index: usize,
    /// What it holds.
    pub kind: StreamKind,
    /// FFmpeg's name of the codec.
    pub codec: Option<String>,
    /// Its language, as the source names it.
    pub language: Option<String>,
    /// What becomes of it.
    pub outcome: StreamOutcome,
    /// What is changed or lost although it is kept, a sentence each.
    pub notes: Vec<String>,
}

impl StreamPlan {
    /// FFmpeg's name of the codec that a copied or converted stream has in the output.
    pub(crate) fn output_codec(&self) -> Option<&str> {
        match &self.outcome {
            StreamOutcome::Copied { .. } => self.codec.as_deref(),
            StreamOutcome::Converted { codec, .. } => Some(codec),
            StreamOutcome::Encoded { .. } | StreamOutcome::Dropped { .. } => None,
        }
    }
}

/// What becomes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamOutcome {
    /// It is the video that was worked on.
    Encoded {
        /// Index in the output.
        output_index: usize,
    },
    /// It is taken over as it is. A cover becomes an attachment in Matroska.
    Copied {
        /// Index in the output.
        output_index: usize,
    },
    /// It is text that is taken over in another codec, event by event, at the same times.
    Converted {
        /// Index in the output.
        output_index: usize,
        /// FFmpeg's name of the codec that it becomes.
        codec: &'static str,
        /// Why.
        reason: String,
    },
    /// It is left out.
    Dropped {
        /// Why.
        reason: String,
    },
}

impl StreamOutcome {
    /// Its index in the output, if it has one.
    fn output_index_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Encoded { output_index }
            | Self::Copied { output_index }
            | Self::Converted { output_index, .. } => Some(output_index),
            Self::Dropped { .. } => None,
        }
    }

    /// Whether its packets come from the source, as they are or converted.
    pub(crate) const fn is_taken_over(&self) -> bool {
        matches!(self, Self::Copied { .. } | Self::Converted { .. })
    }
}

/// The plan as it came out where the muxer left out those copied or converted streams of which `is_left_out` holds.
pub(crate) fn without(
    plan: &[StreamPlan],
    is_left_out: impl Fn(&StreamPlan) -> bool,
    reason: &str,
) -> Vec<StreamPlan> {
    let settled = plan.iter().cloned().map(|mut stream| {
        if stream.outcome.is_taken_over() && is_left_out(&stream) {
            stream.outcome = StreamOutcome::Dropped { reason: reason.to_owned() };
            stream.notes.clear();
        }
        stream
    });
    with_covers(settled.collect(), &[], &[])
}

/// The plan with a note for each stream of which packets were moved.
pub(crate) fn with_moved(mut plan: Vec<StreamPlan>, moved: impl Fn(&StreamPlan) -> u64) -> Vec<StreamPlan> {
    for stream in &mut plan {
        let moved = moved(stream);
        if moved > 0 {
            stream
                .notes
                .push(format!("{moved} packets whose time stepped back come right after the one before"));
        }
    }
    plan
}

/// The plan where `covers`, by index in the source, have these places in the output, one after the other, and all
/// other streams are counted without them.
pub(crate) fn with_covers(mut plan: Vec<StreamPlan>, covers: &[usize], places: &[usize]) -> Vec<StreamPlan> {
    let (mut next_output, mut places) = (0, places.iter());
    for stream in &mut plan {
        let is_cover = covers.contains(&stream.source_index);
        let Some(index) = stream.outcome.output_index_mut() else { continue };
        if !is_cover {
            *index = next_output;
            next_output += 1;
        } else if let Some(&place) = places.next() {
            *index = place;
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(source_index: usize, outcome: StreamOutcome) -> StreamPlan {
        let notes = vec!["its title is lost".to_owned()];
        StreamPlan { source_index, kind: StreamKind::Audio, codec: None, language: None, outcome, notes }
    }

    #[test]
    fn streams_behind_one_that_is_left_out_move_up() {
        let omitted = StreamOutcome::Dropped { reason: "left out on request".to_owned() };
        let plan = [
            planned(0, StreamOutcome::Copied { output_index: 0 }),
            planned(1, omitted.clone()),
            planned(2, StreamOutcome::Encoded { output_index: 1 }),
            planned(3, StreamOutcome::Copied { output_index: 2 }),
        ];
        let settled = without(&plan, |stream| stream.source_index == 0, "it has no packet");
        let outcomes: Vec<_> = settled.iter().map(|stream| stream.outcome.clone()).collect();
        let expected = [
            StreamOutcome::Dropped { reason: "it has no packet".to_owned() },
            omitted,
            StreamOutcome::Encoded { output_index: 0 },
            StreamOutcome::Copied { output_index: 1 },
        ];
        assert_eq!(outcomes, expected);
        assert!(settled[0].notes.is_empty(), "what is lost of a stream that is not there is not told");
        assert_eq!(without(&plan, |_| false, ""), plan);
    }

    #[test]
    fn covers_are_where_the_file_has_them() {
        let copied = |index| planned(index, StreamOutcome::Copied { output_index: index });
        let plan = with_covers(vec![copied(0), copied(1), copied(2)], &[1], &[5]);
        let outcomes: Vec<_> = plan.into_iter().map(|stream| stream.outcome).collect();
        assert_eq!(outcomes, [0, 5, 1].map(|output_index| StreamOutcome::Copied { output_index }));
    }
}
