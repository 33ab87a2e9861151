//! What a stream loses that begins in the middle of a group of pictures.

/// The presentation times of the packets before the first frame.
///
/// A decoder that cannot begin with the first packet says nothing of it: its first frame has a later time.
pub(crate) struct Beginning {
    times: Vec<i64>,
    is_over: bool,
}

impl Beginning {
    /// Of a stream that is decoded from its first packet.
    pub(crate) const fn of_stream() -> Self {
        Self { times: Vec::new(), is_over: false }
    }

    /// Of one that is entered where it was asked for, or whose times say nothing.
    pub(crate) const fn unknown() -> Self {
        Self { times: Vec::new(), is_over: true }
    }

    pub(crate) fn packet(&mut self, pts: Option<i64>) {
        if !self.is_over {
            self.times.extend(pts);
        }
    }

    /// How many packets were to be shown before the first frame, which is this one or was one before.
    pub(crate) fn frame(&mut self, pts: i64) -> usize {
        self.is_over = true;
        std::mem::take(&mut self.times).iter().filter(|&&time| time < pts).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_that_were_to_be_shown_before_the_first_frame_are_lost() {
        let mut beginning = Beginning::of_stream();
        for pts in [Some(0), Some(40), None, Some(160), Some(80)] {
            beginning.packet(pts);
        }
        assert_eq!(beginning.frame(80), 2);
        beginning.packet(Some(20));
        assert_eq!(beginning.frame(120), 0);
        let mut entered = Beginning::unknown();
        entered.packet(Some(0));
        assert_eq!(entered.frame(80), 0);
    }
}
