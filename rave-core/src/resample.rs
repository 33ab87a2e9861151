use crate::{Chroma, Error, MAX_SIDE, Rational, Siting};

/// The weight of a sample by its distance from where the new one lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Linear interpolation.
    Triangle,
    /// The cubic convolution with a = -0.5 (Keys 1981), called bicubic.
    CatmullRom,
    /// The sinc function in a window of three lobes.
    Lanczos3,
}

impl Kernel {
    /// The distance from which on the weight is zero, in samples.
    pub const fn radius(self) -> f64 {
        match self {
            Self::Triangle => 1.0,
            Self::CatmullRom => 2.0,
            Self::Lanczos3 => 3.0,
        }
    }

    /// The weight at a distance, in samples; weights are not normalised.
    pub fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            _ if x >= self.radius() => 0.0,
            Self::Triangle => 1.0 - x,
            Self::CatmullRom if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::CatmullRom => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Lanczos3 => sinc(x) * sinc(x / 3.0),
        }
    }
}

fn sinc(x: f64) -> f64 {
    let angle = std::f64::consts::PI * x;
    if x == 0.0 { 1.0 } else { angle.sin() / angle }
}

/// One direction of a resampling. Sample `i` of the output lies at `(i + 0.5) / scale - 0.5 + shift` of the input, in
/// samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResampleAxis {
    /// Samples there are.
    pub input: u32,
    /// Samples wanted.
    pub output: u32,
    /// Output samples per input sample.
    pub scale: Rational,
    /// How far the output lies to the right of, or below, the input's middle, in input samples.
    pub shift: f64,
}

impl ResampleAxis {
    /// From `input` samples to `output`, edge to edge.
    ///
    /// # Errors
    /// [`Error::Rational`] if either is zero.
    pub fn fit(input: u32, output: u32) -> Result<Self, Error> {
        let scale = Rational::new(i64::from(output), i64::from(input))?;
        Ok(Self { input, output, scale, shift: 0.0 })
    }

    /// The horizontal and the vertical axis for chroma planes of a picture of `width` x `height` luma samples that is
    /// enlarged `factor` times and keeps its siting.
    ///
    /// A chroma sample at offset `o` from its first luma sample lies at `2 j + o` in luma samples, before and after.
    /// Luma sample `X` of the output lies at `(X + 0.5) / factor - 0.5` of the input. With `X = 2 j + o` that is chroma
    /// position `(j + 0.5) / factor - 0.5 + shift`, where `shift = (o - 0.5) / 2 * (1 / factor - 1)`: zero for centred
    /// chroma, a quarter of a sample at most otherwise.
    ///
    /// # Errors
    /// [`Error::Rational`] if `factor` is zero; [`Error::Size`] if a side of the output is too large.
    pub fn for_chroma(
        chroma: Chroma,
        siting: Siting,
        (width, height): (u32, u32),
        factor: u32,
    ) -> Result<[Self; 2], Error> {
        let scale = Rational::new(i64::from(factor), 1)?;
        let enlarged = |side: u32| side.checked_mul(factor).filter(|&side| side <= MAX_SIDE);
        let too_large =
            Error::Size { width: width.saturating_mul(factor), height: height.saturating_mul(factor) };
        let (Some(out_width), Some(out_height)) = (enlarged(width), enlarged(height)) else {
            return Err(too_large);
        };
        let (input, output) = (chroma.size(width, height), chroma.size(out_width, out_height));
        let ((x_shift, y_shift), (x, y)) = (chroma.shifts(), siting.offset());
        let shift = |reduced: u32, offset: f32| match reduced {
            0 => 0.0,
            _ => (f64::from(offset) - 0.5) / 2.0 * (1.0 / f64::from(factor) - 1.0),
        };
        Ok([
            Self { input: input.0, output: output.0, scale, shift: shift(x_shift, x) },
            Self { input: input.1, output: output.1, scale, shift: shift(y_shift, y) },
        ])
    }

    /// The axes for chroma planes of a picture that goes from one size to another, edge to edge, and keeps its siting: the
    /// derivation of [`for_chroma`](Self::for_chroma), for every scale.
    ///
    /// # Errors
    /// [`Error::Rational`] if a side is zero.
    pub fn fit_chroma(
        chroma: Chroma,
        siting: Siting,
        from: (u32, u32),
        to: (u32, u32),
    ) -> Result<[Self; 2], Error> {
        let (input, output) = (chroma.size(from.0, from.1), chroma.size(to.0, to.1));
        let ((x_shift, y_shift), (x, y)) = (chroma.shifts(), siting.offset());
        let axis = |luma: Self, input, output, reduced: u32, offset: f32| {
            let stretch = 1.0 / luma.scale.to_f64() - 1.0;
            let shift = if reduced == 0 { 0.0 } else { (f64::from(offset) - 0.5) / 2.0 * stretch };
            Self { input, output, scale: luma.scale, shift }
        };
        let (across, down) = (Self::fit(from.0, to.0)?, Self::fit(from.1, to.1)?);
        Ok([axis(across, input.0, output.0, x_shift, x), axis(down, input.1, output.1, y_shift, y)])
    }

    fn position(&self, output: u32) -> f64 {
        (f64::from(output) + 0.5) / self.scale.to_f64() - 0.5 + self.shift
    }
}

/// Resamples planes of floating-point samples, first each row, then each column.
///
/// When it makes a plane smaller the kernel is stretched, so that nothing aliases. Samples beyond an edge equal the
/// edge's. Kernels with negative lobes overshoot: nothing is clamped.
///
/// ```
/// use rave_core::{Kernel, ResampleAxis, Resampler};
/// let (x, y) = (ResampleAxis::fit(2, 4)?, ResampleAxis::fit(1, 1)?);
/// let mut resampler = Resampler::new(Kernel::Triangle, x, y)?;
/// let mut row = [0.0; 4];
/// resampler.resample(&[0.0, 1.0], 2, &mut row, 4);
/// assert_eq!(row, [0.0, 0.25, 0.75, 1.0]);
/// # Ok::<(), rave_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resampler {
    horizontal: Filter,
    vertical: Filter,
    /// Several input rows, a column of them side by side, so that one instruction works on all.
    columns: Vec<[f32; LANES]>,
    resampled: Vec<[f32; LANES]>,
    ring: Vec<f32>,
}

const LANES: usize = 8;

impl Resampler {
    /// A resampler for planes of `horizontal.input` x `vertical.input` samples. All tables are made here.
    ///
    /// # Errors
    /// [`Error::Size`] if a length is zero or above [`MAX_SIDE`]; [`Error::Layout`] if a shift is not finite.
    pub fn new(kernel: Kernel, horizontal: ResampleAxis, vertical: ResampleAxis) -> Result<Self, Error> {
        check_size(horizontal.input, vertical.input)?;
        check_size(horizontal.output, vertical.output)?;
        for axis in [horizontal, vertical] {
            if !axis.shift.is_finite() {
                return Err(Error::Layout(format!("a resampling shift of {} is not finite", axis.shift)));
            }
        }
        let (horizontal, vertical) = (Filter::new(kernel, &horizontal), Filter::new(kernel, &vertical));
        let ring_rows = vertical.taps + LANES;
        Ok(Self {
            columns: vec![[0.0; LANES]; horizontal.input],
            resampled: vec![[0.0; LANES]; horizontal.starts.len()],
            ring: vec![0.0; ring_rows * horizontal.starts.len()],
            horizontal,
            vertical,
        })
    }

    /// Resamples one plane; strides are in samples.
    ///
    /// # Panics
    /// If a slice is shorter than its plane, or a stride than its row.
    pub fn resample(
        &mut self,
        source: &[f32],
        source_stride: usize,
        target: &mut [f32],
        target_stride: usize,
    ) {
        let width = self.horizontal.starts.len();
        let ring_rows = self.vertical.taps + LANES;
        let mut ready = 0;
        for (y, &start) in self.vertical.starts.iter().enumerate() {
            ready = ready.max(start / LANES * LANES);
            while ready < start + self.vertical.taps {
                let first = ready;
                let rows = LANES.min(self.vertical.input - first);
                gather(&mut self.columns, rows, |lane| &source[(first + lane) * source_stride..]);
                self.horizontal.apply_columns(&self.columns, &mut self.resampled);
                for lane in 0..rows {
                    let slot = (first + lane) % ring_rows * width;
                    scatter(&self.resampled, lane, &mut self.ring[slot..slot + width]);
                }
                ready += LANES;
            }
            let out = &mut target[y * target_stride..][..width];
            let rows = (start..).map(|row| &self.ring[row % ring_rows * width..][..width]);
            weigh_rows(rows.zip(self.vertical.weights_of(y)), out);
        }
    }
}

fn check_size(width: u32, height: u32) -> Result<(), Error> {
    match (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) {
        true => Ok(()),
        false => Err(Error::Size { width, height }),
    }
}

/// For each output sample, the first input sample that counts and the weights from there on.
#[derive(Clone, Debug)]
struct Filter {
    input: usize,
    taps: usize,
    starts: Vec<usize>,
    weights: Vec<f32>,
}

impl Filter {
    fn new(kernel: Kernel, axis: &ResampleAxis) -> Self {
        let stretch = (1.0 / axis.scale.to_f64()).max(1.0);
        let input = axis.input as usize;
        let taps = ((kernel.radius() * stretch * 2.0).ceil() as usize).min(input);
        let mut filter = Self { input, taps, starts: Vec::new(), weights: Vec::new() };
        for output in 0..axis.output {
            filter.push(kernel, axis.position(output), stretch);
        }
        filter
    }

    /// Weights beyond an edge are added to the edge sample's.
    fn push(&mut self, kernel: Kernel, position: f64, stretch: f64) {
        let last = self.input - 1;
        let reach = kernel.radius() * stretch;
        let (first, end) = ((position - reach).floor() as i64, (position + reach).ceil() as i64);
        let start = (first + 1).clamp(0, (self.input - self.taps) as i64) as usize;
        let mut weights = vec![0.0; self.taps];
        for sample in first..=end {
            let inside = sample.clamp(0, last as i64) as usize;
            let weight = kernel.weight((sample as f64 - position) / stretch);
            if let Some(slot) = inside.checked_sub(start).and_then(|tap| weights.get_mut(tap)) {
                *slot += weight;
            }
        }
        let sum: f64 = weights.iter().sum();
        self.starts.push(start);
        self.weights.extend(weights.iter().map(|weight| (weight / sum) as f32));
    }

    fn weights_of(&self, output: usize) -> impl Iterator<Item = f32> {
        self.weights[output * self.taps..][..self.taps].iter().copied()
    }

    fn apply_columns(&self, columns: &[[f32; LANES]], out: &mut [[f32; LANES]]) {
        let weights = self.weights.chunks_exact(self.taps);
        for ((out, &start), weights) in out.iter_mut().zip(&self.starts).zip(weights) {
            let mut sum = [0.0; LANES];
            for (column, &weight) in columns[start..].iter().zip(weights) {
                for (sum, value) in sum.iter_mut().zip(column) {
                    *sum += value * weight;
                }
            }
            *out = sum;
        }
    }
}

/// Puts `count` rows side by side; lanes without a row repeat the last.
fn gather<'a>(columns: &mut [[f32; LANES]], count: usize, row: impl Fn(usize) -> &'a [f32]) {
    let width = columns.len();
    let rows: [&[f32]; LANES] = std::array::from_fn(|lane| &row(lane.min(count - 1))[..width]);
    let [a, b, c, d, e, f, g, h] = rows;
    for (x, column) in columns.iter_mut().enumerate() {
        *column = [a[x], b[x], c[x], d[x], e[x], f[x], g[x], h[x]];
    }
}

fn scatter(columns: &[[f32; LANES]], lane: usize, row: &mut [f32]) {
    for (value, column) in row.iter_mut().zip(columns) {
        *value = column[lane];
    }
}

fn weigh_rows<'a>(mut rows: impl Iterator<Item = (&'a [f32], f32)>, out: &mut [f32]) {
    out.fill(0.0);
    while let Some((a, a_weight)) = rows.next() {
        match rows.next() {
            Some((b, b_weight)) => add_two([a_weight, b_weight], a, b, out),
            None => add_two([a_weight, 0.0], a, a, out),
        }
    }
}

#[inline(never)]
fn add_two(weights: [f32; 2], a: &[f32], b: &[f32], out: &mut [f32]) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out += a * weights[0] + b * weights[1];
    }
}
