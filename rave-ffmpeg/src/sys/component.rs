use rave_core::Plane;

use super::{AvFrame, PixelDescriptor};

/// Where the samples of one component lie in frames of a pixel format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    plane: usize,
    /// From one sample to the next.
    step_bytes: usize,
    offset_bytes: usize,
    storage: Storage,
    /// Significant bits.
    pub(crate) bits: u8,
}

/// How one sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    Byte,
    /// Two bytes whose value is shifted up by this.
    Word(Order, u32),
    /// A byte that chooses an entry of 32 bits from the palette in the second plane; alpha is in the upper eight.
    Palette,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl PixelDescriptor {
    /// Alpha; `None` if there is none, or its samples are neither bytes nor words.
    pub(crate) fn alpha(self) -> Option<Component> {
        if !self.has_alpha() || self.is_opaque() || self.is_float() {
            return None;
        }
        if self.is_palette() {
            let storage = Storage::Palette;
            return Some(Component { plane: 0, step_bytes: 1, offset_bytes: 0, storage, bits: 8 });
        }
        self.component(self.component_count().checked_sub(1)?)
    }

    /// Luma; `None` if its samples are neither bytes nor words.
    pub(crate) fn luma(self) -> Option<Component> {
        let is_luma = !self.is_rgb() && !self.is_opaque() && !self.is_float();
        is_luma.then(|| self.component(0)).flatten()
    }

    fn component(self, index: usize) -> Option<Component> {
        let raw = self.raw_component(index)?;
        let order = if self.is_big_endian() { Order::Big } else { Order::Little };
        let storage = match (raw.depth, raw.shift) {
            (8, 0) => Storage::Byte,
            (9..=16, 0..=7) => Storage::Word(order, raw.shift.cast_unsigned()),
            _ => return None,
        };
        Some(Component {
            plane: usize::try_from(raw.plane).ok()?,
            step_bytes: usize::try_from(raw.step).ok()?,
            offset_bytes: usize::try_from(raw.offset).ok()?,
            storage,
            bits: u8::try_from(raw.depth).ok()?,
        })
    }
}

impl Component {
    const fn sample_bytes(self) -> usize {
        match self.storage {
            Storage::Byte | Storage::Palette => 1,
            Storage::Word(..) => 2,
        }
    }

    /// Bytes of a row of `samples`, from the row's start on.
    const fn row_bytes(self, samples: usize) -> usize {
        samples.saturating_sub(1) * self.step_bytes + self.offset_bytes + self.sample_bytes()
    }

    /// Copies a row's samples, as bytes or native words, into `target`.
    fn copy_row(self, source: &[u8], palette: &[u8], target: &mut [u8]) {
        let samples = source[self.offset_bytes..].chunks(self.step_bytes);
        match self.storage {
            Storage::Byte => {
                target.iter_mut().zip(samples).for_each(|(target, sample)| *target = sample[0]);
            }
            Storage::Palette => target.iter_mut().zip(samples).for_each(|(target, sample)| {
                let entry = usize::from(sample[0]) * 4;
                let bytes = [entry, entry + 1, entry + 2, entry + 3].map(|index| palette[index]);
                *target = (u32::from_ne_bytes(bytes) >> 24) as u8;
            }),
            Storage::Word(order, shift) => {
                for (target, sample) in target.chunks_exact_mut(2).zip(samples) {
                    let bytes = [sample[0], sample[1]];
                    let word = match order {
                        Order::Little => u16::from_le_bytes(bytes),
                        Order::Big => u16::from_be_bytes(bytes),
                    };
                    target.copy_from_slice(&(word >> shift).to_ne_bytes());
                }
            }
        }
    }
}

impl AvFrame {
    /// Copies one component of as many samples as `plane` of a grey layout has into `target`, which is that plane. The
    /// frame must be at least as large, and of the format that `component` is from.
    pub(crate) fn copy_component(&self, component: Component, plane: &Plane, target: &mut [u8]) {
        let samples = plane.row_bytes / component.sample_bytes();
        assert!(self.width() as usize >= samples && self.height() as usize >= plane.rows, "frame too small");
        let palette = match component.storage {
            Storage::Palette => self.palette(),
            Storage::Byte | Storage::Word(..) => &[],
        };
        for (row, target) in target.chunks_mut(plane.stride_bytes).enumerate() {
            let source = self.row(component.plane, row, component.row_bytes(samples));
            component.copy_row(source, palette, &mut target[..plane.row_bytes]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alpha(name: &str) -> Option<Component> {
        PixelDescriptor::from_name(name).unwrap().alpha()
    }

    #[test]
    fn alpha_is_found_in_every_arrangement() {
        for (name, plane, step_bytes, offset_bytes, bits) in [
            ("yuva420p", 3, 1, 0, 8),
            ("yuva444p10le", 3, 2, 0, 10),
            ("gbrap12be", 3, 2, 0, 12),
            ("rgba", 0, 4, 3, 8),
            ("argb", 0, 4, 0, 8),
            ("bgra", 0, 4, 3, 8),
            ("ya8", 0, 2, 1, 8),
            ("ya16le", 0, 4, 2, 16),
            ("rgba64be", 0, 8, 6, 16),
            ("pal8", 0, 1, 0, 8),
        ] {
            let found = alpha(name).unwrap_or_else(|| panic!("{name} has alpha"));
            let place = (found.plane, found.step_bytes, found.offset_bytes, found.bits);
            assert_eq!(place, (plane, step_bytes, offset_bytes, bits), "{name}");
        }
        for name in ["yuv420p", "rgb24", "rgb0", "gbrapf32le", "gray"] {
            assert_eq!(alpha(name), None, "{name}");
        }
    }

    #[test]
    fn samples_are_read_in_their_byte_order() {
        let mut bytes = [0; 4];
        alpha("gbrap12be").unwrap().copy_row(&[0x0a, 0xbc, 0x01, 0x23], &[], &mut bytes);
        assert_eq!(bytes, [0xabc_u16.to_ne_bytes(), 0x123_u16.to_ne_bytes()].concat()[..]);
        let mut bytes = [0; 2];
        alpha("rgba").unwrap().copy_row(&[1, 2, 3, 4, 5, 6, 7, 8], &[], &mut bytes);
        assert_eq!(bytes, [4, 8]);
        let palette: Vec<u8> =
            [0x10_00_00_00_u32, 0x7f_01_02_03].iter().flat_map(|entry| entry.to_ne_bytes()).collect();
        alpha("pal8").unwrap().copy_row(&[1, 0], &palette, &mut bytes);
        assert_eq!(bytes, [0x7f, 0x10]);
    }
}
