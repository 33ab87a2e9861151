//! A job whose frames are dealt among several GPUs, or several sessions on one.

use rave_core::{Buffer, VideoInfo};
use rave_cuda::Pool;
use rave_tensorrt::ReportHandle;

use super::convert::Wanted;
use super::device::{Gpu, Network};
use super::end::Assembling;
use super::enlarge::Enlarged;
use super::line::{Line, LineIn};
use super::picture;
use super::report::{GpuReport, LaneReport};
use crate::{Deal, Error, Report, Shares};

/// Lines that work side by side and give frames of one kind, and what joins them. None of them is dealt itself.
pub(super) struct Lanes {
    deal: Deal,
    lines: Vec<Line>,
    pub(super) info: VideoInfo,
    /// Of the device where the frames come together, if they are on devices.
    pub(super) pool: Option<Pool>,
}

impl Lanes {
    /// Deals the frames among lanes of these labels, each of which `append` goes on with.
    fn new(
        line: Line,
        labels: &[String],
        mut append: impl FnMut(Line, &mut Assembling<'_>) -> Result<Line, Error>,
        job: &mut Assembling<'_>,
    ) -> Result<(Self, Shares), Error> {
        let (queues, mut info) = (job.options.queues, *line.info());
        let format = info.format;
        let (deal, dealt) = line.queue(queues.decoded).deal(labels)?;
        let (shares, mut lines) = (deal.shares(), Vec::new());
        for line in dealt {
            let said = job.notices.len();
            let line = append(line, job)?;
            // What is said of the first lane is true of all.
            if !lines.is_empty() {
                job.notices.truncate(said);
            }
            info = *line.info();
            // Frames of a lane that is ahead wait behind it.
            job.memory.add_queue(&VideoInfo { format, ..info }, queues.upscaled)?;
            lines.push(line);
        }
        let pool = lines.first().and_then(Line::pool).cloned();
        Ok((Self { deal, lines, info, pool }, shares))
    }

    /// Changes each lane in the same way.
    fn each(self, mut change: impl FnMut(Line) -> Result<Line, Error>) -> Result<Self, Error> {
        let Self { deal, lines, mut info, mut pool } = self;
        let mut changed = Vec::new();
        for line in lines {
            let line = change(line)?;
            info = *line.info();
            pool = pool.filter(|_| line.pool().is_some());
            changed.push(line);
        }
        Ok(Self { deal, lines: changed, info, pool })
    }

    /// Sets the length of the queue at the open end of each lane.
    pub(super) fn queue(self, capacity: usize) -> Self {
        Self { lines: self.lines.into_iter().map(|line| line.queue(capacity)).collect(), ..self }
    }

    /// Converts the frames of each lane where they are; what is noted of one is true of all.
    pub(super) fn convert(
        self,
        name: &str,
        wanted: Wanted,
        notices: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let mut noted = Vec::new();
        let lanes = self.each(|line| {
            noted.clear();
            line.convert(name, wanted, &mut noted)
        })?;
        notices.append(&mut noted);
        Ok(lanes)
    }

    /// One line of all, in the order in which the frames were dealt, once `bring` has brought each where the others are.
    pub(super) fn merged<B: Buffer + 'static>(
        self,
        bring: impl Fn(Line) -> Result<LineIn<B>, Error>,
    ) -> Result<LineIn<B>, Error> {
        let Self { deal, lines, info, .. } = self;
        let chains = lines.into_iter().map(|line| Ok(bring(line)?.chain)).collect::<Result<_, Error>>()?;
        Ok(LineIn::new(deal.merge("merge", chains), info))
    }
}

/// The line behind the network, or behind one in each of several lanes.
pub(super) struct EnlargedLanes {
    pub(super) line: Line,
    pub(super) inference: Inference,
}

impl EnlargedLanes {
    /// Appends conversion, network and resampling to the line; with several networks to a lane for each.
    pub(super) fn new(
        line: Line,
        source: &VideoInfo,
        networks: Vec<Network>,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        if networks.len() > 1 {
            return Self::dealt(line, source, networks, job);
        }
        let mut inference = Inference::default();
        let mut line = line;
        for network in networks {
            line = inference.appended(line, source, network, job)?;
        }
        Ok(Self { line, inference })
    }

    fn dealt(
        line: Line,
        source: &VideoInfo,
        networks: Vec<Network>,
        job: &mut Assembling<'_>,
    ) -> Result<Self, Error> {
        let gpus: Vec<_> = networks.iter().filter_map(|network| network.gpu().cloned()).collect();
        let (labels, mut networks) = (labels(&gpus), networks.into_iter());
        let mut inference = Inference::default();
        let append = |line, job: &mut Assembling<'_>| match networks.next() {
            Some(network) => inference.appended(line, source, network, job),
            None => Ok(line),
        };
        let (lanes, shares) = Lanes::new(line, &labels, append, job)?;
        inference.shares = Some(shares);
        inference.lanes = labels.into_iter().zip(gpus).map(|(label, gpu)| Lane { label, gpu }).collect();
        Ok(Self { line: Line::Dealt(lanes), inference })
    }
}

/// `cuda:0`, and `cuda:0 #2` where the GPU has a second lane.
fn labels(gpus: &[Gpu]) -> Vec<String> {
    let label = |(index, gpu): (usize, &Gpu)| {
        let ordinal = gpu.info.ordinal;
        match gpus[..index].iter().filter(|other| other.info.ordinal == ordinal).count() {
            0 => format!("cuda:{ordinal}"),
            earlier => format!("cuda:{ordinal} #{}", earlier + 1),
        }
    };
    gpus.iter().enumerate().map(label).collect()
}

/// What the networks of a job say while they work.
#[derive(Default)]
pub(super) struct Inference {
    handles: Vec<ReportHandle>,
    /// Empty if there is one lane.
    lanes: Vec<Lane>,
    shares: Option<Shares>,
}

struct Lane {
    label: String,
    gpu: Gpu,
}

impl Inference {
    fn appended(
        &mut self,
        line: Line,
        source: &VideoInfo,
        network: Network,
        job: &mut Assembling<'_>,
    ) -> Result<Line, Error> {
        let Enlarged { line, report } = Enlarged::new(line, source, network, job)?;
        self.handles.push(report);
        picture::resized(line, source, job)
    }

    /// What all networks did together; what is the same for all is that of the first.
    pub(super) fn get(&self) -> rave_tensorrt::UpscaleReport {
        let reports = self.handles.iter().enumerate().map(|(lane, handle)| self.placed(lane, handle.get()));
        reports.reduce(added).expect("every job has a network")
    }

    /// With the frames' numbers in the job instead of those in the lane.
    fn placed(&self, lane: usize, mut report: rave_tensorrt::UpscaleReport) -> rave_tensorrt::UpscaleReport {
        if let Some(shares) = &self.shares {
            let steps = report.memory_steps.iter_mut().map(|step| &mut step.frame);
            report.not_finite_frames.iter_mut().chain(steps).for_each(|number| {
                *number = shares.place(lane, *number).unwrap_or(*number);
            });
        }
        report
    }

    /// What each lane did; nothing if there is only one.
    pub(super) fn lanes(&self, stages: &Report) -> Vec<LaneReport> {
        let report = |(lane, (Lane { label, gpu }, handle)): (usize, (&Lane, &ReportHandle))| {
            let upscale = stages.stage(&format!("upscale {label}"))?.clone();
            let gpu = GpuReport { device: gpu.info.clone(), pool: gpu.pool.health() };
            let inference = self.placed(lane, handle.get());
            Some(LaneReport { label: label.clone(), gpu, inference, upscale })
        };
        self.lanes.iter().zip(&self.handles).enumerate().filter_map(report).collect()
    }
}

fn added(
    mut sum: rave_tensorrt::UpscaleReport,
    mut next: rave_tensorrt::UpscaleReport,
) -> rave_tensorrt::UpscaleReport {
    sum.frames += next.frames;
    sum.not_finite += next.not_finite;
    sum.not_finite_frames.append(&mut next.not_finite_frames);
    sum.not_finite_frames.sort_unstable();
    sum.run_again += next.run_again;
    sum.still_not_finite += next.still_not_finite;
    sum.memory_steps.append(&mut next.memory_steps);
    sum.runtime_bytes += next.runtime_bytes;
    sum
}

#[cfg(test)]
mod tests;
