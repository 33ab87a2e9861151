use std::collections::VecDeque;

use rave_core::Packet;

use crate::Codec;
use crate::coded_picture::CodedPicture;
use crate::sys::cuvid;
use crate::timings::{PacketTiming, Timings};

/// What is known of the pictures in the decoder's surfaces: where they came from and whether they can be shown.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    timings: Timings,
    /// The packet that is parsed, unless it shows nothing.
    current: Option<u64>,
    /// Packets that show a picture which was decoded before.
    repeats: VecDeque<u64>,
    surfaces: Vec<Surface>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Surface {
    /// The packet that the picture came with, until it was shown.
    packet: Option<u64>,
    /// Whether it needs no other picture.
    is_key: bool,
    /// Whether the hardware refused it, so that the surface holds something else.
    is_refused: bool,
}

/// What is known of a picture that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recalled {
    /// The number of its packet; of a picture that is shown again, of the packet that repeats it.
    pub(crate) packet: Option<u64>,
    /// What that packet says.
    pub(crate) timing: Option<PacketTiming>,
    pub(crate) is_key: bool,
    pub(crate) is_refused: bool,
}

impl Pictures {
    /// The number that the next packet will have.
    pub(crate) const fn next_packet(&self) -> u64 {
        self.timings.next()
    }

    /// A packet is parsed.
    pub(crate) fn begin(&mut self, codec: Codec, packet: &Packet) {
        let number = self.timings.keep(packet);
        self.current = codec.shows(&packet.data).then_some(number);
    }

    /// The packet holds no picture of its own.
    pub(crate) fn repeat(&mut self, codec: Codec) {
        self.repeats.extend(self.current.filter(|_| codec.repeats()));
    }

    /// A picture of the packet is given to the hardware.
    pub(crate) fn submit(&mut self, picture: &CodedPicture) {
        let index = place(picture.index());
        if self.surfaces.len() <= index {
            self.surfaces.resize(index + 1, Surface::default());
        }
        if !picture.is_second_field() {
            self.surfaces[index] =
                Surface { packet: self.current, is_key: picture.is_intra(), is_refused: false };
        }
    }

    /// The hardware refused the picture that was given to it last.
    pub(crate) fn refuse(&mut self, picture: &CodedPicture) {
        if let Some(surface) = self.surfaces.get_mut(place(picture.index())) {
            surface.is_refused |= !picture.is_second_field();
        }
    }

    /// A picture is shown.
    pub(crate) fn recall(&mut self, shown: &cuvid::ParserDisplayInfo) -> Recalled {
        let surface = self.surfaces.get_mut(place(shown.picture_index));
        let Some(surface) = surface else {
            return Recalled { packet: None, timing: None, is_key: false, is_refused: true };
        };
        let mut take = |packet| Some((packet, self.timings.take(packet)?));
        let own = surface.packet.take().and_then(&mut take);
        let found = own.or_else(|| take(self.repeats.pop_front()?));
        let (packet, timing) = found.unzip();
        Recalled { packet, timing, is_key: surface.is_key, is_refused: surface.is_refused }
    }

    /// Everything was shown, and what follows has nothing to do with it.
    pub(crate) fn clear(&mut self) {
        self.timings.clear();
        self.repeats.clear();
    }
}

/// The parser gives no negative ones.
const fn place(index: i32) -> usize {
    index.unsigned_abs() as usize
}
