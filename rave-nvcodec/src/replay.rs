use std::collections::VecDeque;

use rave_core::{FrameInfo, Packet, Timestamp};

/// Keeps the packets from which another decoder can go on where one breaks, so that no frame is lost or doubled.
///
/// It is given every packet before it is decoded, in the form that the other decoder takes (for a software decoder, as it
/// comes from the container), and every frame that came out. A key packet becomes the point to go on from once its frame,
/// or a later one, was shown: all frames that are shown before it, which may need earlier packets, are out by then.
///
/// Packets without timestamps are kept from the beginning on. Of more than 512 MiB nothing is kept until the next
/// key packet.
///
/// ```
/// use rave_core::{FrameInfo, Packet, TimeBase, Timestamp};
/// use rave_nvcodec::Replay;
///
/// let pts = |ticks| Timestamp::new(ticks, TimeBase::new(1, 25).unwrap());
/// let packet = |ticks, is_key| Packet { pts: Some(pts(ticks)), is_key, ..Packet::default() };
/// let frame = |ticks| FrameInfo::new(pts(ticks));
/// let mut replay = Replay::new();
/// for (ticks, is_key) in [(0, true), (1, false), (2, true), (3, false)] {
///     replay.push(&packet(ticks, is_key));
/// }
/// (0..3).for_each(|ticks| replay.shown(&frame(ticks)));
///
/// // The decoder breaks; another one is given the packets and its frames are looked at.
/// let mut resume = replay.resume().expect("few bytes are kept");
/// assert_eq!(resume.packets().len(), 2);
/// assert_eq!([2, 3].map(|ticks| resume.is_new(&frame(ticks))), [false, true]);
/// ```
#[derive(Debug)]
pub struct Replay {
    packets: VecDeque<Packet>,
    bytes: usize,
    /// Key packets that may become the first: their place among `packets`, and their time.
    keys: VecDeque<(usize, Timestamp)>,
    /// Whether decoding can go on from the first packet.
    is_usable: bool,
    /// Whether packets were given up before.
    is_from_start: bool,
    last_shown: Option<Timestamp>,
    frames_shown: u64,
    most_bytes: usize,
}

/// Far more than the groups of pictures of any usual stream.
const MOST_BYTES: usize = 512 << 20;

impl Default for Replay {
    fn default() -> Self {
        Self::new()
    }
}

impl Replay {
    /// For a stream from its beginning on.
    pub const fn new() -> Self {
        Self::with_most_bytes(MOST_BYTES)
    }

    const fn with_most_bytes(most_bytes: usize) -> Self {
        Self {
            packets: VecDeque::new(),
            bytes: 0,
            keys: VecDeque::new(),
            is_usable: true,
            is_from_start: true,
            last_shown: None,
            frames_shown: 0,
            most_bytes,
        }
    }

    /// Takes a packet that is about to be decoded.
    pub fn push(&mut self, packet: &Packet) {
        let key = packet.pts.filter(|_| packet.is_key && !packet.is_corrupt);
        let is_kept = self.is_usable || !self.keys.is_empty() || key.is_some();
        if !is_kept {
            return;
        }
        self.keys.extend(key.map(|pts| (self.packets.len(), pts)));
        self.bytes += packet.data.len();
        self.packets.push_back(packet.clone());
        if self.bytes > self.most_bytes {
            self.give_up();
        }
    }

    /// Takes that a frame came out.
    pub fn shown(&mut self, frame: &FrameInfo) {
        self.frames_shown += 1;
        self.last_shown = Some(frame.pts);
        let mut first = None;
        while let Some(&(place, _)) = self.keys.front().filter(|(_, pts)| *pts <= frame.pts) {
            self.keys.pop_front();
            first = Some(place);
        }
        if let Some(first) = first {
            self.release(first);
        }
    }

    /// What is needed to go on; `None` if it is too much to be kept.
    pub fn resume(self) -> Option<Resume> {
        let is_timed = self.packets.front().is_none_or(|packet| packet.pts.is_some());
        let skip = match is_timed {
            true => Skip::Until(self.last_shown),
            false => Skip::Frames(self.frames_shown),
        };
        // Frames can be counted from the beginning only.
        let is_usable = self.is_usable && (is_timed || self.is_from_start);
        is_usable.then_some(Resume { packets: self.packets.into(), skip })
    }

    fn release(&mut self, packets: usize) {
        self.bytes -= self.packets.drain(..packets).map(|packet| packet.data.len()).sum::<usize>();
        self.keys.iter_mut().for_each(|(place, _)| *place -= packets);
        self.is_from_start &= packets == 0;
        self.is_usable = true;
    }

    fn give_up(&mut self) {
        self.packets.clear();
        self.keys.clear();
        self.bytes = 0;
        (self.is_usable, self.is_from_start) = (false, false);
    }
}

/// From where another decoder goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume {
    packets: Vec<Packet>,
    skip: Skip,
}

/// Which frames were shown before.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Skip {
    Until(Option<Timestamp>),
    Frames(u64),
}

impl Resume {
    /// The packets to be decoded before those that follow: from a key packet on, or from the beginning.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// Whether a frame that the other decoder gives was not shown before. To be asked for each, in order.
    pub fn is_new(&mut self, frame: &FrameInfo) -> bool {
        match &mut self.skip {
            Skip::Until(last) => last.is_none_or(|last| frame.pts > last),
            Skip::Frames(0) => true,
            Skip::Frames(left) => {
                *left -= 1;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rave_core::TimeBase;

    use super::*;

    fn pts(ticks: i64) -> Timestamp {
        Timestamp::new(ticks, TimeBase::new(1, 25).unwrap())
    }

    fn packet(ticks: Option<i64>, is_key: bool) -> Packet {
        Packet { data: vec![0; 10], pts: ticks.map(pts), is_key, ..Packet::default() }
    }

    fn frame(ticks: i64) -> FrameInfo {
        FrameInfo::new(pts(ticks))
    }

    fn ticks(resume: &Resume) -> Vec<Option<i64>> {
        resume.packets().iter().map(|packet| packet.pts.map(Timestamp::ticks)).collect()
    }

    /// An open group of pictures: the frames 4 and 5 come after the key packet 6 and are shown before it.
    fn open() -> Vec<Packet> {
        let times =
            [(0, true), (3, false), (1, false), (2, false), (6, true), (4, false), (5, false), (7, false)];
        times.map(|(ticks, is_key)| packet(Some(ticks), is_key)).to_vec()
    }

    #[test]
    fn frames_that_are_shown_before_their_key_frame_are_not_lost() {
        for shown in 0..=8 {
            let mut replay = Replay::new();
            open().iter().for_each(|packet| replay.push(packet));
            (0..shown).for_each(|ticks| replay.shown(&frame(ticks)));
            let mut resume = replay.resume().unwrap();
            let first = if shown <= 6 { Some(0) } else { Some(6) };
            assert_eq!(ticks(&resume)[0], first, "{shown} shown");
            let decoded = if shown <= 6 { 0..8 } else { 6..8 };
            let new: Vec<_> = decoded.filter(|&ticks| resume.is_new(&frame(ticks))).collect();
            assert_eq!(new, (shown..8).collect::<Vec<_>>(), "{shown} shown");
        }
    }

    #[test]
    fn only_what_may_be_needed_is_kept() {
        let mut replay = Replay::new();
        for ticks in 0..10_000 {
            replay.push(&packet(Some(ticks), ticks % 50 == 0));
            if ticks >= 20 {
                replay.shown(&frame(ticks - 20));
            }
            assert!(replay.packets.len() <= 71 && replay.bytes == replay.packets.len() * 10);
        }
        assert_eq!(ticks(&replay.resume().unwrap())[0], Some(9950));
    }

    #[test]
    fn without_times_decoding_begins_again_and_frames_are_counted() {
        let mut replay = Replay::new();
        (0..5).for_each(|index| replay.push(&packet(None, index % 2 == 0)));
        (0..3).for_each(|ticks| replay.shown(&frame(ticks)));
        let mut resume = replay.resume().unwrap();
        assert_eq!(resume.packets().len(), 5);
        assert_eq!(
            [0, 1, 2, 3, 4].map(|ticks| resume.is_new(&frame(ticks))),
            [false, false, false, true, true]
        );
    }

    #[test]
    fn a_damaged_key_packet_is_no_point_to_go_on_from() {
        let mut replay = Replay::new();
        replay.push(&packet(Some(0), true));
        replay.push(&Packet { is_corrupt: true, ..packet(Some(1), true) });
        [0, 1].into_iter().for_each(|ticks| replay.shown(&frame(ticks)));
        assert_eq!(ticks(&replay.resume().unwrap()), [Some(0), Some(1)]);
    }

    #[test]
    fn too_much_is_given_up_until_a_key_frame_was_shown() {
        let mut replay = Replay::with_most_bytes(45);
        (0..5).for_each(|ticks| replay.push(&packet(Some(ticks), ticks == 0)));
        replay.push(&packet(Some(5), false));
        assert!(replay.packets.is_empty());
        replay.push(&packet(Some(6), true));
        (0..6).for_each(|ticks| replay.shown(&frame(ticks)));
        assert!(!replay.is_usable);
        replay.shown(&frame(6));
        assert_eq!(ticks(&replay.resume().unwrap()), [Some(6)]);
        let mut untimed = Replay::with_most_bytes(5);
        untimed.push(&packet(None, true));
        assert_eq!(untimed.resume(), None);
    }

    #[test]
    fn before_the_first_packet_there_is_nothing_to_repeat() {
        let mut resume = Replay::new().resume().unwrap();
        assert!(resume.packets().is_empty() && resume.is_new(&frame(0)));
    }
}
