//! In which order pictures are coded.

use std::collections::VecDeque;

/// How a picture is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Idr,
    P,
    B,
}

/// A picture in coding order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded {
    /// The frame's number.
    pub frame: u64,
    pub kind: Kind,
}

/// How the encoder was told to group pictures.
#[derive(Clone, Copy)]
pub struct Structure {
    pub gop: u32,
    pub bframes: u32,
    pub lookahead: u32,
    pub has_pyramid: bool,
}

/// Frames whose pictures are not coded yet.
pub struct Order {
    structure: Structure,
    script: Option<VecDeque<Coded>>,
    /// Number, and whether an IDR picture is forced.
    waiting: VecDeque<(u64, bool)>,
    sent: u64,
    /// Pictures since the last IDR picture.
    since_idr: u32,
}

impl Order {
    pub fn new(structure: Structure, script: Option<Vec<Coded>>) -> Self {
        let script = script.map(VecDeque::from);
        Self { structure, script, waiting: VecDeque::new(), sent: 0, since_idr: structure.gop }
    }

    /// Takes a frame and gives what can be coded now.
    pub fn send(&mut self, frame: u64, is_forced: bool) -> Vec<Coded> {
        self.waiting.push_back((frame, is_forced));
        self.sent += 1;
        let ahead = u64::from(self.structure.lookahead);
        match &mut self.script {
            Some(script) => {
                let known = self.sent.saturating_sub(ahead);
                let mut coded = Vec::new();
                while let Some(next) = script.front().filter(|next| next.frame < known) {
                    coded.push(*next);
                    script.pop_front();
                }
                coded
            }
            None => self.decide(self.structure.lookahead as usize, false),
        }
    }

    /// Gives the rest: no frame follows.
    pub fn flush(&mut self) -> Vec<Coded> {
        match &mut self.script {
            Some(script) => script.drain(..).filter(|coded| coded.frame < self.sent).collect(),
            None => self.decide(0, true),
        }
    }

    fn decide(&mut self, ahead: usize, is_last: bool) -> Vec<Coded> {
        let mut coded = Vec::new();
        while self.waiting.len() > ahead {
            let available = self.waiting.len() - ahead;
            let (frame, is_forced) = self.waiting[0];
            if is_forced || self.since_idr >= self.structure.gop {
                self.waiting.pop_front();
                self.since_idr = 1;
                coded.push(Coded { frame, kind: Kind::Idr });
                continue;
            }
            // A run ends before the next IDR picture, whose group does not refer to this one.
            let most = (self.structure.bframes + 1).min(self.structure.gop - self.since_idr) as usize;
            let forced = self.waiting.iter().take(available).position(|&(_, is_forced)| is_forced);
            let wanted = forced.map_or(most, |position| position.min(most));
            if available < wanted && !is_last {
                break;
            }
            let run: Vec<u64> = self.waiting.drain(..wanted.min(available)).map(|(frame, _)| frame).collect();
            self.since_idr += run.len() as u32;
            coded.extend(self.code_run(&run));
        }
        coded
    }

    fn code_run(&self, run: &[u64]) -> Vec<Coded> {
        let Some((&last, between)) = run.split_last() else { return Vec::new() };
        let mut coded = vec![Coded { frame: last, kind: Kind::P }];
        let middle = between.len() / 2;
        if self.structure.has_pyramid && between.len() > 1 {
            coded.push(Coded { frame: between[middle], kind: Kind::B });
        }
        let rest = between.iter().enumerate();
        let rest =
            rest.filter(|(index, _)| !(self.structure.has_pyramid && between.len() > 1 && *index == middle));
        coded.extend(rest.map(|(_, &frame)| Coded { frame, kind: Kind::B }));
        coded
    }
}

#[test]
fn runs_of_b_frames_are_coded_after_the_frame_that_they_refer_to() {
    let structure = Structure { gop: 6, bframes: 3, lookahead: 0, has_pyramid: true };
    let mut order = Order::new(structure, None);
    let mut coded: Vec<_> = (0..8).flat_map(|frame| order.send(frame, false)).collect();
    coded.extend(order.flush());
    let frames: Vec<_> = coded.iter().map(|coded| coded.frame).collect();
    assert_eq!(frames, [0, 4, 2, 1, 3, 5, 6, 7]);
    assert_eq!(coded[6].kind, Kind::Idr);
}
