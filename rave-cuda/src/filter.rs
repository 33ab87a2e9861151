use rave_core::{Kernel, ResampleAxis};

/// For each output sample of an axis, the first input sample that counts and the weights from there on: the tables of
/// [`rave_core::Resampler`], number by number (a test compares the results).
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    input: u32,
    taps: u32,
    starts: Vec<i32>,
    weights: Vec<f32>,
}

impl Filter {
    pub(crate) fn new(kernel: Kernel, axis: &ResampleAxis) -> Self {
        let stretch = (1.0 / axis.scale.to_f64()).max(1.0);
        let taps = ((kernel.radius() * stretch * 2.0).ceil() as u32).min(axis.input);
        let mut filter = Self { input: axis.input, taps, starts: Vec::new(), weights: Vec::new() };
        for output in 0..axis.output {
            let position = (f64::from(output) + 0.5) / axis.scale.to_f64() - 0.5 + axis.shift;
            filter.push(kernel, position, stretch);
        }
        filter
    }

    /// Weights beyond an edge are added to the edge sample's.
    fn push(&mut self, kernel: Kernel, position: f64, stretch: f64) {
        let last = i64::from(self.input) - 1;
        let reach = kernel.radius() * stretch;
        let (first, end) = ((position - reach).floor() as i64, (position + reach).ceil() as i64);
        let start = (first + 1).clamp(0, i64::from(self.input - self.taps));
        let mut weights = vec![0.0; self.taps as usize];
        for sample in first..=end {
            let tap = usize::try_from(sample.clamp(0, last) - start).ok();
            if let Some(slot) = tap.and_then(|tap| weights.get_mut(tap)) {
                *slot += kernel.weight((sample as f64 - position) / stretch);
            }
        }
        let sum: f64 = weights.iter().sum();
        self.starts.push(start as i32);
        self.weights.extend(weights.iter().map(|weight| (weight / sum) as f32));
    }

    pub(crate) const fn input(&self) -> u32 {
        self.input
    }

    pub(crate) fn output(&self) -> u32 {
        self.starts.len() as u32
    }

    pub(crate) const fn taps(&self) -> u32 {
        self.taps
    }

    /// Starts, then weights, and where the weights begin, in bytes.
    pub(crate) fn to_bytes(&self) -> (Vec<u8>, u64) {
        let mut bytes: Vec<u8> = self.starts.iter().flat_map(|start| start.to_ne_bytes()).collect();
        let offset = bytes.len() as u64;
        bytes.extend(self.weights.iter().flat_map(|weight| weight.to_ne_bytes()));
        (bytes, offset)
    }
}
