use std::time::{Duration, Instant};

/// How long a frame waits for others at most: a fraction of the time between two frames of a live source.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

/// Frames that wait for others, to go through the network together.
pub(crate) struct Gathering<T> {
    frames: Vec<T>,
    size: usize,
    /// When the first of them came.
    since: Instant,
}

impl<T> Gathering<T> {
    /// Up to `size` frames.
    pub(crate) fn new(size: usize) -> Self {
        Self { frames: Vec::with_capacity(size), size, since: Instant::now() }
    }

    /// Adds a frame that comes at `now`; whether those that are there are to go.
    pub(crate) fn push(&mut self, frame: T, now: Instant) -> bool {
        if self.frames.is_empty() {
            self.since = now;
        }
        self.frames.push(frame);
        self.frames.len() >= self.size || now.saturating_duration_since(self.since) >= LATENCY
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How long the frames may still wait; `None` if there are none.
    pub(crate) fn patience(&self, now: Instant) -> Option<Duration> {
        let waited = now.saturating_duration_since(self.since);
        (!self.frames.is_empty()).then(|| LATENCY.saturating_sub(waited))
    }

    /// The frames that wait. The next ones are gathered in `empty`, so that a vector can be used again.
    pub(crate) fn take(&mut self, empty: Vec<T>) -> Vec<T> {
        debug_assert!(empty.is_empty(), "its frames are done");
        std::mem::replace(&mut self.frames, empty)
    }

    /// Up to `size` frames from now on.
    pub(crate) const fn resize(&mut self, size: usize) {
        self.size = size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_go_when_there_are_enough() {
        let (mut gathering, now) = (Gathering::new(3), Instant::now());
        assert_eq!(gathering.patience(now), None);
        assert_eq!([1, 2, 3].map(|frame| gathering.push(frame, now)), [false, false, true]);
        assert_eq!(gathering.take(Vec::new()), [1, 2, 3]);
        gathering.resize(1);
        assert!(gathering.push(4, now));
    }

    #[test]
    fn no_frame_waits_for_longer_than_the_bound() {
        let (mut gathering, start) = (Gathering::new(3), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!gathering.push(1, at(5)));
        assert_eq!(gathering.patience(at(10)), Some(Duration::from_millis(15)));
        assert_eq!(gathering.patience(at(40)), Some(Duration::ZERO));
        assert!(gathering.push(2, at(25)), "the first has waited long enough");
        assert_eq!(gathering.take(Vec::new()), [1, 2]);
        assert!(!gathering.push(3, at(90)));
        assert_eq!(gathering.patience(at(90)), Some(LATENCY));
    }
}
