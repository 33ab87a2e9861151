use super::chroma::{Subsampling, Taps, UpWeights};
use super::coefficients::RgbFromYuv;
use super::rows;
use super::samples::Storage;
use super::view::{Source, Target};

/// Y'CbCr to R'G'B', one row at a time: chroma is brought to full width once per chroma row, blended with its
/// neighbour, and meets luma in the matrix.
#[derive(Debug)]
pub(super) struct ToRgb {
    from: Storage,
    to: Storage,
    matrix: RgbFromYuv,
    vertical: Vec<Taps<2>>,
    chroma: ChromaRows,
    luma: Vec<f32>,
    blended: [Vec<f32>; 2],
    rgb: [Vec<f32>; 3],
}

impl ToRgb {
    pub fn new(
        storages: (Storage, Storage),
        matrix: RgbFromYuv,
        subsampling: Subsampling,
        size: (u32, u32),
    ) -> Self {
        let row = || vec![0.0; size.0 as usize];
        Self {
            from: storages.0,
            to: storages.1,
            matrix,
            vertical: subsampling.vertical_up(size.1),
            chroma: ChromaRows::new(storages.0, subsampling, size.0),
            luma: row(),
            blended: [row(), row()],
            rgb: [row(), row(), row()],
        }
    }

    pub fn run(&mut self, source: Source, mut target: Target) {
        self.chroma.forget();
        for (y, taps) in self.vertical.iter().enumerate() {
            self.chroma.load(source, taps);
            let luma = self.from.view(source.row(0, y), &mut self.luma);
            let [cb, cr] = self.chroma.blend(taps, &mut self.blended);
            self.to.write_three(y, target.three_rows(y), &mut self.rgb, |[red, green, blue]| {
                let convert =
                    if self.matrix.is_crossed() { rows::rgb_from_crossed } else { rows::rgb_from_yuv };
                convert(&self.matrix, luma, cb, cr, red, green, blue);
            });
        }
    }
}

/// The two chroma rows in use, at luma's width. Rows are asked for in ascending order, and neighbours differ in parity.
#[derive(Debug)]
struct ChromaRows {
    storage: Storage,
    up: Option<UpWeights>,
    padded: [Vec<f32>; 2],
    slots: [Slot; 2],
}

#[derive(Debug)]
struct Slot {
    row: Option<usize>,
    components: [Vec<f32>; 2],
}

impl ChromaRows {
    fn new(storage: Storage, subsampling: Subsampling, width: u32) -> Self {
        let chroma_width = subsampling.chroma_width(width);
        let up = subsampling.halves_width().then(|| subsampling.horizontal_up());
        let out_width = if up.is_some() { 2 * chroma_width } else { chroma_width };
        let slot = || Slot { row: None, components: [vec![0.0; out_width], vec![0.0; out_width]] };
        let padded = || vec![0.0; chroma_width + 2];
        Self { storage, up, padded: [padded(), padded()], slots: [slot(), slot()] }
    }

    fn forget(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.row = None);
    }

    fn load(&mut self, source: Source, taps: &Taps<2>) {
        for row in taps.rows {
            if self.slots[row % 2].row != Some(row) {
                self.load_row(source, row);
            }
        }
    }

    fn load_row(&mut self, source: Source, row: usize) {
        let Slot { row: loaded, components: [cb, cr] } = &mut self.slots[row % 2];
        *loaded = Some(row);
        let Some(up) = self.up else { return source.load_chroma(self.storage, row, cb, cr) };
        let [padded_cb, padded_cr] = &mut self.padded;
        let inner = 1..padded_cb.len() - 1;
        source.load_chroma(self.storage, row, &mut padded_cb[inner.clone()], &mut padded_cr[inner]);
        for (padded, out) in [(padded_cb, cb), (padded_cr, cr)] {
            repeat_edges(padded);
            rows::upsample(up, padded, out);
        }
    }

    fn blend<'a>(&'a self, taps: &Taps<2>, scratch: &'a mut [Vec<f32>; 2]) -> [&'a [f32]; 2] {
        let [above, below] = taps.rows.map(|row| &self.slots[row % 2].components);
        if taps.weights[1] == 0.0 || taps.rows[0] == taps.rows[1] {
            return above.each_ref().map(Vec::as_slice);
        }
        for ((above, below), out) in above.iter().zip(below).zip(scratch.iter_mut()) {
            rows::blend_two(taps.weights, above, below, out);
        }
        scratch.each_ref().map(Vec::as_slice)
    }
}

fn repeat_edges(padded: &mut [f32]) {
    let last = padded.len() - 1;
    padded[0] = padded[1];
    padded[last] = padded[last - 1];
}
