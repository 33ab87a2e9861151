use super::chroma::{Subsampling, Taps};
use super::coefficients::YuvFromRgb;
use super::rows;
use super::samples::Storage;
use super::view::{Source, Target};

/// R'G'B' to Y'CbCr or grey, one row at a time: luma is written at once; chroma is reduced in width and waits, in at
/// most four rows, until the rows below that it needs are there.
#[derive(Debug)]
pub(super) struct FromRgb {
    from: Storage,
    to: Storage,
    matrix: YuvFromRgb,
    height: usize,
    chroma: Option<ChromaRows>,
    rgb: [Vec<f32>; 3],
    luma: Vec<f32>,
}

impl FromRgb {
    /// `subsampling` is `None` for grey.
    pub fn new(
        storages: (Storage, Storage),
        matrix: YuvFromRgb,
        subsampling: Option<Subsampling>,
        size: (u32, u32),
    ) -> Self {
        let row = || vec![0.0; size.0 as usize];
        Self {
            from: storages.0,
            to: storages.1,
            matrix,
            height: size.1 as usize,
            chroma: subsampling.map(|subsampling| ChromaRows::new(subsampling, size)),
            rgb: [row(), row(), row()],
            luma: row(),
        }
    }

    pub fn run(&mut self, source: Source, mut target: Target) {
        let mut chroma_done = 0;
        for y in 0..self.height {
            let [red, green, blue] = self.rgb.each_mut();
            let red = self.from.view(source.row(0, y), red);
            let green = self.from.view(source.row(1, y), green);
            let blue = self.from.view(source.row(2, y), blue);
            self.to.write(y, target.row(0, y), &mut self.luma, |luma| match &mut self.chroma {
                Some(chroma) => {
                    let (cb, cr) = chroma.full_width();
                    rows::yuv_from_rgb(&self.matrix, red, green, blue, luma, cb, cr);
                }
                None => rows::luma_from_rgb(&self.matrix, red, green, blue, luma),
            });
            if let Some(chroma) = &mut self.chroma {
                chroma.push(y);
                chroma_done = chroma.store_complete(y, chroma_done, self.to, &mut target);
            }
        }
    }
}

const RING: usize = 4;

#[derive(Debug)]
struct ChromaRows {
    width: usize,
    down: Option<[f32; 4]>,
    vertical: Vec<Taps<4>>,
    padded: [Vec<f32>; 2],
    ring: [[Vec<f32>; 2]; RING],
    blended: [Vec<f32>; 2],
}

impl ChromaRows {
    fn new(subsampling: Subsampling, (width, height): (u32, u32)) -> Self {
        let chroma_width = subsampling.chroma_width(width);
        let down = subsampling.halves_width().then(|| subsampling.horizontal_down());
        let pair = |length: usize| [vec![0.0; length], vec![0.0; length]];
        Self {
            width: width as usize,
            down,
            vertical: subsampling.vertical_down(height),
            padded: pair((2 * chroma_width + 2).max(width as usize + 1)),
            ring: std::array::from_fn(|_| pair(chroma_width)),
            blended: pair(chroma_width),
        }
    }

    /// Where the matrix leaves a row of Cb and Cr: one sample is left free before it.
    fn full_width(&mut self) -> (&mut [f32], &mut [f32]) {
        let [cb, cr] = &mut self.padded;
        (&mut cb[1..self.width + 1], &mut cr[1..self.width + 1])
    }

    /// Reduces the row that was just left and keeps it as row `y`.
    fn push(&mut self, y: usize) {
        for (padded, out) in self.padded.iter_mut().zip(&mut self.ring[y % RING]) {
            match self.down {
                Some(weights) => {
                    repeat_edges(padded, self.width);
                    rows::downsample(weights, padded, out);
                }
                None => out.copy_from_slice(&padded[1..self.width + 1]),
            }
        }
    }

    /// Writes the chroma rows from `next` on that need no row below `y`; the one after them.
    fn store_complete(&mut self, y: usize, mut next: usize, to: Storage, target: &mut Target) -> usize {
        while let Some(taps) = self.vertical.get(next).filter(|taps| taps.rows[RING - 1] <= y) {
            let slots = taps.rows.map(|row| &self.ring[row % RING]);
            if taps.weights[0] == 1.0 {
                target.store_chroma(to, next, &slots[0][0], &slots[0][1]);
            } else {
                for (component, out) in self.blended.iter_mut().enumerate() {
                    rows::blend_four(taps.weights, slots.map(|slot| slot[component].as_slice()), out);
                }
                target.store_chroma(to, next, &self.blended[0], &self.blended[1]);
            }
            next += 1;
        }
        next
    }
}

fn repeat_edges(padded: &mut [f32], width: usize) {
    padded[0] = padded[1];
    let last = padded[width];
    padded[width + 1..].fill(last);
}
