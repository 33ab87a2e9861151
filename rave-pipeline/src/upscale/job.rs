use rave_ffmpeg::{Demuxer, Input};
use rave_tensorrt::{ReportHandle, Runtime};

use super::check::OutputCheck;
use super::decode::{DecodeCounts, Decoded};
use super::device::{Gpu, Network, Placed};
use super::end::{Assembling, End, Goal, Source};
use super::enlarge::Enlarged;
use super::fields::FieldPlan;
use super::output::check_target;
use super::picture;
use super::progress::{Progress, ProgressMeter};
use super::report::{GpuReport, UpscalePlan, UpscaleReport, Written};
use super::stages::{Record, SharedRecord};
use super::{Target, UpscaleOptions};
use crate::verify::JobSource;
use crate::{Control, Error, Report};

/// An upscaling job: every file is open, every choice is made, nothing has been decoded.
#[must_use = "a job does nothing before it is run"]
pub struct UpscaleJob {
    plan: UpscalePlan,
    end: End,
    gpu: Option<Gpu>,
    /// What the header says, if it counts frames.
    announced_frames: Option<u64>,
    fields: FieldPlan,
    /// `None` if the output is not to be checked.
    check: Option<OutputCheck>,
    record: SharedRecord,
    decoding: DecodeCounts,
    inference: ReportHandle,
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
        options.check()?;
        let goal = Goal::new(target)?;
        if let Some(path) = target.path() {
            let source_path = if let Input::File(path) = input { Some(path.as_path()) } else { None };
            check_target(path, source_path, options.existing)?;
        }
        let demuxer = Demuxer::open(input, &options.demuxer).map_err(Error::leaf)?;
        let stream = demuxer.video().clone();
        let announced_frames =
            demuxer.media().streams[stream.index()].frame_count.filter(|_| stream.is_whole());
        let scale = options.picture.size.built_in_factor(stream.info(), options.scale);
        let options = &UpscaleOptions { scale, ..options.clone() };
        let check = options.verify.map(|depth| OutputCheck {
            depth,
            source: JobSource {
                input: input.clone(),
                media: demuxer.media().clone(),
                stream: stream.clone(),
            },
            is_part: !options.demuxer.range.is_everything(),
        });
        let control = Control::new();
        let mut job = Assembling::new(options, &control);
        let placed = Placed::new(runtime, options)?;
        job.choices.extend(placed.choices);
        let model = placed.network.info().clone();
        let is_model_on_gpu = matches!(placed.network, Network::Device(..));
        let decoded = Decoded::open(demuxer, placed.gpu.as_ref(), is_model_on_gpu, &mut job)?;
        let (decoded, fields) = decoded.deinterlaced(input, &mut job)?;
        let decoded = decoded.prepared(&mut job)?;
        let source = Source { input, stream, info: decoded.info };
        let enlarged = Enlarged::new(decoded.line, &source.info, placed.network, &mut job)?;
        let line = picture::resized(enlarged.line, &source.info, &mut job)?;
        let (line, record) = picture::repeated(line, &source.info, &mut job)?;
        let end = End::new(line, &source, goal, &mut job)?;
        let plan = UpscalePlan {
            source: source.info,
            model,
            output: *end.output(),
            encoder: end.encoder().map(str::to_owned),
            streams: end.streams().to_vec(),
            estimated_frames: picture::estimate(&source, options),
            choices: job.choices,
            notices: job.notices,
        };
        Ok(Self {
            plan,
            end,
            gpu: placed.gpu,
            announced_frames,
            fields,
            check,
            record: record.unwrap_or(decoded.record),
            decoding: decoded.counts,
            inference: enlarged.report,
            control,
        })
    }

    /// Stops the job while it runs, from any thread.
    pub fn control(&self) -> Control {
        self.control.clone()
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
        let mut meter = ProgressMeter::new(self.plan.estimated_frames);
        let progress = |report: &Report| progress(&meter.update(report));
        let (record, control) = (SharedRecord::clone(&self.record), self.control.clone());
        let nothing_came = || control.is_finishing() && record.lock().timestamps.is_empty();
        let (written, stages) = match self.end {
            End::File(end) => {
                let ran = end.chain.run(&self.control, progress);
                let (muxing, stages) =
                    ran.map_err(|error| if nothing_came() { Error::Abandoned } else { error })?;
                let written = (end.file.temporary(), &end.container);
                let timestamps = std::mem::take(&mut record.lock().timestamps);
                let is_cut_short = self.control.is_finishing();
                let checked = self
                    .check
                    .map(|check| check.run(&self.plan, &timestamps, &muxing, written, is_cut_short));
                let verification = match checked.transpose() {
                    Ok(verification) => verification,
                    Err(error) => {
                        end.file.keep_temporary()?;
                        return Err(error);
                    }
                };
                end.file.publish()?;
                (Written::File { path: end.path, muxing, verification }, stages)
            }
            End::Frames(end) => {
                let ran = end.chain.run(&self.control, progress);
                let (summary, stages) =
                    ran.map_err(|error| if nothing_came() { Error::Abandoned } else { error })?;
                check_count(&record.lock(), summary.frames)?;
                if let Some(file) = end.file {
                    file.publish()?;
                }
                (Written::Frames { target: end.target, summary }, stages)
            }
        };
        let is_cut_short = self.control.is_finishing();
        let (decoding, switched_decoder) = (self.decoding.get(), self.decoding.switched());
        let accounted = decoding.frames + decoding.discarded_by_edit_list;
        let announced = self.announced_frames.filter(|_| !is_cut_short);
        let interlaced_frames = match self.fields {
            FieldPlan::Kept => record.lock().interlaced_frames,
            FieldPlan::Pictures | FieldPlan::Deinterlaced(_) => 0,
        };
        Ok(UpscaleReport {
            plan: self.plan,
            written,
            decoding,
            switched_decoder,
            inference: self.inference.get(),
            gpu: self.gpu.map(|gpu| GpuReport { device: gpu.info, pool: gpu.pool.health() }),
            stages,
            missing_frames: announced.map_or(0, |announced| announced.saturating_sub(accounted)),
            interlaced_frames,
            is_cut_short,
        })
    }
}

/// Whether as many frames were written as were decoded.
fn check_count(record: &Record, written: u64) -> Result<(), Error> {
    let decoded = record.timestamps.len() as u64;
    if decoded == written { Ok(()) } else { Err(Error::FramesLost { decoded, written }) }
}
