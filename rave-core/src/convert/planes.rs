use super::coefficients::Rescale;
use super::rows;
use super::samples::Storage;
use super::view::{Source, Target};

/// What becomes of chroma when nothing but range, depth and packing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChromaPlanes {
    /// The output has none.
    Absent,
    /// Rescaled.
    Kept,
    /// The input has none: neutral.
    Neutral,
}

/// Plane by plane: range, depth and packing change, the samples' meaning does not.
#[derive(Debug)]
pub(super) struct Planes {
    pub from: Storage,
    pub to: Storage,
    /// The input plane of each output plane that is scaled as luma.
    pub luma_like: &'static [usize],
    pub luma: Rescale,
    pub chroma_planes: ChromaPlanes,
    pub chroma: Rescale,
    pub size: (usize, usize),
    pub chroma_size: (usize, usize),
    pub scratch: [Vec<f32>; 2],
}

impl Planes {
    pub fn run(&mut self, source: Source, mut target: Target) {
        for (to_plane, &from_plane) in self.luma_like.iter().enumerate() {
            for y in 0..self.size.1 {
                self.rescale_row(y, source.row(from_plane, y), target.row(to_plane, y));
            }
        }
        let neutral = self.chroma.add;
        for y in 0..self.chroma_size.1 {
            let [cb, cr] = self.scratch.each_mut().map(|row| &mut row[..self.chroma_size.0]);
            match self.chroma_planes {
                ChromaPlanes::Absent => return,
                ChromaPlanes::Neutral => [&mut *cb, &mut *cr].into_iter().for_each(|row| row.fill(neutral)),
                ChromaPlanes::Kept => {
                    source.load_chroma(self.from, y, cb, cr);
                    rows::rescale_in_place(self.chroma, cb);
                    rows::rescale_in_place(self.chroma, cr);
                }
            }
            target.store_chroma(self.to, y, cb, cr);
        }
    }

    fn rescale_row(&mut self, y: usize, from: &[u8], to: &mut [u8]) {
        let [loaded, rescaled] = &mut self.scratch;
        let (loaded, rescaled) = (&mut loaded[..self.size.0], &mut rescaled[..self.size.0]);
        let values = self.from.view(from, loaded);
        if self.luma.is_identity() {
            return self.to.store(y, values, to);
        }
        self.to.write(y, to, rescaled, |out| rows::rescale(self.luma, values, out));
    }
}
