use std::fmt;
use std::path::Path;
use std::thread::{self, Scope};

use rave_ffmpeg::{Demuxer, Input, MuxSummary};
use rave_tensorrt::Runtime;

use super::check::OutputCheck;
use super::decode::{DecodeCounts, Decoded};
use super::device::{Gpu, Network, Placed};
use super::end::{Assembling, End, FileEnd, FrameEnd, Goal, Source};
use super::fields::{FieldPlan, Sample};
use super::lanes::{EnlargedLanes, Inference};
use super::output::check_target;
use super::picture;
use super::progress::{Progress, ProgressMeter};
use super::report::{GpuReport, UpscalePlan, UpscaleReport, Written};
use super::stages::{Record, SharedRecord};
use super::startup::{Beside, Startup};
use super::{OutputSize, Target, UpscaleOptions};
use crate::verify::JobSource;
use crate::{Control, Error, Report, Verification};

/// An upscaling job: every file is open, every choice is made, nothing has been decoded.
#[must_use = "a job does nothing before it is run"]
pub struct UpscaleJob {
    plan: UpscalePlan,
    end: End,
    /// `None` if the output is not to be checked.
    check: Option<OutputCheck>,
    watched: Watched,
    startup: Startup,
}

impl fmt::Debug for UpscaleJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpscaleJob").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// What is told by the parts of a job while they work on their threads.
struct Watched {
    gpu: Option<Gpu>,
    /// What the header says, if it counts frames.
    announced_frames: Option<u64>,
    fields: FieldPlan,
    record: SharedRecord,
    decoding: DecodeCounts,
    inference: Inference,
    control: Control,
}

impl UpscaleJob {
    /// Opens source, GPU, model, decoder, encoder and output, and checks that they fit together.
    ///
    /// A file is created under a temporary name beside its final one.
    ///
    /// # Errors
    /// Whatever makes the job impossible: see [`Code`](rave_core::Code) 101 to 335, 404, 501 to 505, and 701 to 707.
    pub fn open(
        runtime: &Runtime,
        input: &Input,
        target: &Target,
        options: &UpscaleOptions,
    ) -> Result<Self, Error> {
        Self::open_stoppable(runtime, input, target, options, &Control::new())
    }

    /// As [`open`](Self::open), with a control that can stop the job while it is being opened, too.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::Abandoned`] if `control` was told to finish before the output is created.
    pub fn open_stoppable(
        runtime: &Runtime,
        input: &Input,
        target: &Target,
        options: &UpscaleOptions,
        control: &Control,
    ) -> Result<Self, Error> {
        options.check()?;
        let goal = Goal::new(target)?;
        check_names(input, target, options)?;
        thread::scope(|scope| Self::open_beside(scope, runtime, input, goal, options, control))
    }

    /// GPU and model are loaded, and the first frames are looked at, beside the opening of the source.
    fn open_beside<'scope>(
        scope: &'scope Scope<'scope, '_>,
        runtime: &'scope Runtime,
        input: &'scope Input,
        goal: Goal<'_>,
        options: &'scope UpscaleOptions,
        control: &Control,
    ) -> Result<Self, Error> {
        let mut startup = Startup::begin();
        let early = is_model_known(input, options)
            .then(|| Startup::beside(scope, GPU_AND_MODEL, || Placed::new(runtime, options)))
            .transpose()?;
        let demuxer = Demuxer::open(input, &options.demuxer).map_err(Error::leaf)?;
        startup.done("input");
        let sample = Startup::beside(scope, "look for combing", || Sample::take(input, &options.demuxer))?;
        let info = demuxer.video().info();
        let scale = options.picture.size.built_in_factor(info, options.scale);
        let options = UpscaleOptions { scale, ..options.clone() };
        let placed = match early {
            Some(placed) => placed.join(&mut startup),
            None => {
                let placed = Placed::new(runtime, &options);
                startup.done(GPU_AND_MODEL);
                placed
            }
        }?;
        Self::assembled((input, demuxer), (placed, sample, startup), goal, &options, control)
    }

    /// Puts the line together from its beginning to its end: each part is made of what the one before gives.
    fn assembled(
        (input, demuxer): (&Input, Demuxer),
        (placed, sample, startup): (Placed, Beside<'_, Sample>, Startup),
        goal: Goal<'_>,
        options: &UpscaleOptions,
        control: &Control,
    ) -> Result<Self, Error> {
        let mut job = Assembling { startup, ..Assembling::new(options, control) };
        let stream = demuxer.video().clone();
        let announced_frames =
            demuxer.media().streams[stream.index()].frame_count.filter(|_| stream.is_whole());
        let check = output_check(input, &demuxer, options);
        job.pools.extend(placed.pools());
        job.choices.extend(placed.choices);
        let model = placed.network.info().clone();
        let is_model_on_gpu = matches!(placed.network, Network::Device(..));
        let decoded = Decoded::open(demuxer, placed.gpu.as_ref(), is_model_on_gpu, &mut job)?;
        job.startup.done("decoder");
        let sample = sample.join(&mut job.startup);
        let (decoded, fields) = decoded.deinterlaced(sample, &mut job)?;
        let Decoded { line, info, record, counts } = decoded.prepared(&mut job)?;
        let source = Source { input, stream, info };
        job.startup.done("pictures before the model");
        let networks = std::iter::once(placed.network).chain(placed.others).collect();
        let EnlargedLanes { line, inference } = EnlargedLanes::new(line, &source.info, networks, &mut job)?;
        job.startup.done("model session and first run");
        let (line, repeated) = picture::repeated(line, &source.info, &mut job)?;
        if control.is_finishing() {
            return Err(Error::Abandoned);
        }
        let end = End::new(line, &source, goal, &mut job)?;
        job.startup.done("output");
        job.stock()?;
        let startup = job.startup.clone();
        let plan = plan(&source, model, &end, job);
        let control = control.clone();
        let (gpu, record, decoding) = (placed.gpu, repeated.unwrap_or(record), counts);
        let watched = Watched { gpu, announced_frames, fields, record, decoding, inference, control };
        Ok(Self { plan, end, check, watched, startup })
    }

    /// Stops the job while it runs, from any thread.
    pub fn control(&self) -> Control {
        self.watched.control.clone()
    }

    /// What the job is going to do.
    pub const fn plan(&self) -> &UpscalePlan {
        &self.plan
    }

    /// Runs the job, checks the output and gives it its final name.
    ///
    /// `progress` is called about five times a second, from this thread.
    ///
    /// # Errors
    /// The first failure of any stage; nothing is left then. [`Error::Mismatch`] if the output is not what it has to
    /// be: it then keeps its temporary name, which the error tells, as [`Error::OutputUnreadable`],
    /// [`Error::OutputUnchecked`] and [`Error::OutputUnnamed`] do.
    /// [`Error::Abandoned`] after [`Control::abandon`].
    pub fn run(self, mut progress: impl FnMut(&Progress)) -> Result<UpscaleReport, Error> {
        let Self { plan, end, check, watched, mut startup } = self;
        startup.done("announcement");
        let mut meter = ProgressMeter::new(plan.estimated_frames);
        let progress = |report: &Report| progress(&meter.update(report));
        let (written, stages) = match end {
            End::File(end) => watched.run_to_file(end, &plan, check.as_ref(), progress)?,
            End::Frames(end) => watched.run_to_frames(end, progress)?,
        };
        Ok(watched.report(plan, written, stages, startup))
    }
}

const GPU_AND_MODEL: &str = "GPU and model";

/// Whether the model can be loaded before the source is open: which built-in one it is may depend on the source's size. A file
/// that is not there is an error at once.
fn is_model_known(input: &Input, options: &UpscaleOptions) -> bool {
    let is_chosen = options.model.is_some() || options.picture.size == OutputSize::Model;
    is_chosen && matches!(input, Input::File(path) if path.is_file())
}

/// Refuses an output that would replace the source, or another file unasked.
fn check_names(input: &Input, target: &Target, options: &UpscaleOptions) -> Result<(), Error> {
    let Some(path) = target.path() else { return Ok(()) };
    let source = match input {
        Input::File(path) => path.as_path(),
        // What standard input was redirected from, where the system tells.
        Input::Stdin => Path::new("/dev/stdin"),
    };
    check_target(path, Some(source), options.existing)
}

/// What the output will be compared with, if the options ask for it.
fn output_check(input: &Input, demuxer: &Demuxer, options: &UpscaleOptions) -> Option<OutputCheck> {
    let (media, stream) = (demuxer.media().clone(), demuxer.video().clone());
    options.verify.map(|depth| OutputCheck {
        depth,
        source: JobSource { input: input.clone(), media, stream },
        is_part: !options.demuxer.range.is_everything(),
    })
}

fn plan(source: &Source<'_>, model: rave_tensorrt::ModelInfo, end: &End, job: Assembling<'_>) -> UpscalePlan {
    UpscalePlan {
        source: source.info,
        model,
        output: *end.output(),
        encoder: end.encoder().map(str::to_owned),
        streams: end.streams().to_vec(),
        estimated_frames: picture::estimate(source, job.options),
        choices: job.choices,
        notices: job.notices,
    }
}

impl Watched {
    fn run_to_file(
        &self,
        end: FileEnd,
        plan: &UpscalePlan,
        check: Option<&OutputCheck>,
        progress: impl FnMut(&Report),
    ) -> Result<(Written, Report), Error> {
        let ran = end.chain.run(&self.control, progress);
        let (muxing, stages) = ran.map_err(|error| self.unless_nothing_came(error))?;
        let written = (end.file.temporary(), &end.container);
        let checked = check.map(|check| self.checked(check, plan, &muxing, written)).transpose();
        let verification = match checked {
            Ok(verification) => verification,
            Err(error) => {
                end.file.keep_temporary()?;
                return Err(error);
            }
        };
        end.file.publish()?;
        Ok((Written::File { path: end.path, muxing, verification }, stages))
    }

    fn checked(
        &self,
        check: &OutputCheck,
        plan: &UpscalePlan,
        muxing: &MuxSummary,
        written: (&Path, &rave_ffmpeg::Container),
    ) -> Result<Verification, Error> {
        let timestamps = std::mem::take(&mut self.record.lock().timestamps);
        check.run(plan, &timestamps, muxing, written, self.control.is_finishing())
    }

    fn run_to_frames(
        &self,
        end: FrameEnd,
        progress: impl FnMut(&Report),
    ) -> Result<(Written, Report), Error> {
        let ran = end.chain.run(&self.control, progress);
        let (summary, stages) = ran.map_err(|error| self.unless_nothing_came(error))?;
        check_count(&self.record.lock(), summary.frames)?;
        if let Some(file) = end.file {
            file.publish()?;
        }
        Ok((Written::Frames { target: end.target, summary }, stages))
    }

    /// A job that was to finish before its first frame was stopped, whatever the encoder says about it.
    fn unless_nothing_came(&self, error: Error) -> Error {
        let is_stopped = self.control.is_finishing() && self.record.lock().timestamps.is_empty();
        if is_stopped { Error::Abandoned } else { error }
    }

    fn report(self, plan: UpscalePlan, written: Written, stages: Report, startup: Startup) -> UpscaleReport {
        let is_cut_short = self.control.is_finishing();
        let (decoding, switched_decoder) = (self.decoding.get(), self.decoding.switched());
        let accounted = decoding.frames + decoding.discarded_by_edit_list;
        let announced = self.announced_frames.filter(|_| !is_cut_short);
        let interlaced_frames = match self.fields {
            FieldPlan::Kept => self.record.lock().interlaced_frames,
            FieldPlan::Pictures | FieldPlan::Deinterlaced(_) => 0,
        };
        UpscaleReport {
            plan,
            written,
            decoding,
            switched_decoder,
            inference: self.inference.get(),
            gpu: self.gpu.map(|gpu| GpuReport { device: gpu.info, pool: gpu.pool.health() }),
            lanes: self.inference.lanes(&stages),
            startup: startup.with_first_items(&stages),
            stages,
            missing_frames: announced.map_or(0, |announced| announced.saturating_sub(accounted)),
            interlaced_frames,
            is_cut_short,
        }
    }
}

/// Whether as many frames were written as were decoded.
fn check_count(record: &Record, written: u64) -> Result<(), Error> {
    let decoded = record.timestamps.len() as u64;
    if decoded == written { Ok(()) } else { Err(Error::FramesLost { decoded, written }) }
}
