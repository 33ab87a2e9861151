use super::samples::Storage;
use super::view::{Source, Target};
use crate::{
    BoxError, Error, HostFrame, HostPool, Kernel, Layout, Packing, PixelFormat, ResampleAxis, Resampler,
    Stage, VideoInfo,
};

/// Resamples the frames of a stream to another size, plane by plane; chroma keeps its siting and the picture its shape.
///
/// Integer samples are rounded half up and clamped to what their bits can hold.
#[derive(Debug)]
pub struct Resize {
    input: Layout,
    output: VideoInfo,
    layout: Layout,
    storage: Storage,
    planes: Vec<Pass>,
    pool: HostPool,
}

/// One component of one plane.
#[derive(Debug)]
struct Pass {
    plane: usize,
    component: Component,
    resampler: Resampler,
    source: Samples,
    target: Samples,
}

/// What a plane's samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Component {
    Only,
    /// Pairs of Cb and Cr; this pass is for Cb, the next for Cr.
    Pair,
}

/// Samples of one component, or of two.
#[derive(Debug)]
struct Samples {
    width: usize,
    height: usize,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Resize {
    /// A stage for the frames that `input` describes, to `size`: width and height in pixels.
    ///
    /// # Errors
    /// [`Error::Size`] for a size that no [`Layout`] can have; [`Error::Rational`] if the pixels' new aspect ratio does not
    /// fit.
    pub fn new(input: &VideoInfo, size: (u32, u32), kernel: Kernel) -> Result<Self, Error> {
        let from = Layout::packed(input.format, input.width, input.height)?;
        let layout = Layout::packed(input.format, size.0, size.1)?;
        Ok(Self {
            input: from,
            output: input.resized(size.0, size.1)?,
            layout,
            storage: Storage::new(input.format),
            planes: passes(input, size, kernel)?,
            pool: HostPool::new(),
        })
    }

    /// What the emitted frames are.
    pub const fn output_info(&self) -> &VideoInfo {
        &self.output
    }

    /// Resamples one frame; its time and field order stay.
    ///
    /// # Errors
    /// [`Error::Layout`] if format or size are not those of the [`VideoInfo`] that the stage was built from.
    pub fn resize(&mut self, frame: &HostFrame) -> Result<HostFrame, Error> {
        let size = (self.input.width(), self.input.height());
        frame.layout().check(self.input.format(), size)?;
        let mut output = HostFrame::from_pool(&self.pool, self.layout, frame.color(), frame.info());
        let (source, mut target) = (Source::new(frame), Target::new(&mut output));
        for pass in &mut self.planes {
            pass.run(self.storage, source, &mut target);
        }
        Ok(output)
    }
}

impl Stage for Resize {
    type Input = HostFrame;
    type Output = HostFrame;

    fn process(&mut self, input: HostFrame, emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        emit(self.resize(&input)?);
        Ok(())
    }

    fn finish(&mut self, _emit: &mut dyn FnMut(HostFrame)) -> Result<(), BoxError> {
        Ok(())
    }
}

fn passes(input: &VideoInfo, size: (u32, u32), kernel: Kernel) -> Result<Vec<Pass>, Error> {
    let from = (input.width, input.height);
    let luma = [ResampleAxis::fit(from.0, size.0)?, ResampleAxis::fit(from.1, size.1)?];
    let pass = |plane, component, axes: [ResampleAxis; 2]| Pass::new(plane, component, axes, kernel);
    let mut passes = vec![pass(0, Component::Only, luma)?];
    match (input.format, input.format.chroma()) {
        (PixelFormat::Yuv { packing, .. }, Some(chroma)) => {
            let axes = ResampleAxis::fit_chroma(chroma, input.color.siting, from, size)?;
            match packing {
                Packing::SemiPlanar => passes.push(pass(1, Component::Pair, axes)?),
                Packing::Planar => {
                    passes.push(pass(1, Component::Only, axes)?);
                    passes.push(pass(2, Component::Only, axes)?);
                }
            }
        }
        (format, _) => {
            for plane in 1..format.plane_count() {
                passes.push(pass(plane, Component::Only, luma)?);
            }
        }
    }
    Ok(passes)
}

impl Pass {
    fn new(
        plane: usize,
        component: Component,
        [across, down]: [ResampleAxis; 2],
        kernel: Kernel,
    ) -> Result<Self, Error> {
        Ok(Self {
            plane,
            component,
            resampler: Resampler::new(kernel, across, down)?,
            source: Samples::new(component, across.input, down.input),
            target: Samples::new(component, across.output, down.output),
        })
    }

    fn run(&mut self, storage: Storage, source: Source, target: &mut Target) {
        self.source.load(self.plane, self.component, storage, source);
        let (from, to) = (&self.source, &mut self.target);
        self.resampler.resample(&from.first, from.width, &mut to.first, to.width);
        if self.component == Component::Pair {
            self.resampler.resample(&from.second, from.width, &mut to.second, to.width);
        }
        self.target.store(self.plane, self.component, storage, target);
    }
}

impl Samples {
    fn new(component: Component, width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let of_second = if component == Component::Pair { width * height } else { 0 };
        Self { width, height, first: vec![0.0; width * height], second: vec![0.0; of_second] }
    }

    fn load(&mut self, plane: usize, component: Component, storage: Storage, source: Source) {
        for y in 0..self.height {
            let row = y * self.width..(y + 1) * self.width;
            match component {
                Component::Only => storage.load(source.row(plane, y), &mut self.first[row]),
                Component::Pair => {
                    let (first, second) = (&mut self.first[row.clone()], &mut self.second[row]);
                    storage.load_pairs(source.row(plane, y), first, second);
                }
            }
        }
    }

    fn store(&self, plane: usize, component: Component, storage: Storage, target: &mut Target) {
        for y in 0..self.height {
            let row = y * self.width..(y + 1) * self.width;
            match component {
                Component::Only => storage.store(y, &self.first[row], target.row(plane, y)),
                Component::Pair => {
                    storage.store_pairs(y, &self.first[row.clone()], &self.second[row], target.row(plane, y));
                }
            }
        }
    }
}
