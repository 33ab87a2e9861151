//! Encoding by NVENC.

mod capabilities;
mod config;
mod error;
mod input;
mod level;
mod metadata;
mod options;
mod session;
mod times;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rave_core::{BoxError, FrameInfo, Packet, Stage, TimeBase, Timestamp, VideoInfo};
use rave_cuda::{CudaFrame, Pool, Stream};

pub use capabilities::{CodecCapabilities, EncoderCapabilities, NvencProfile};
pub use error::EncodeError;
pub use options::{
    NvencBReferences, NvencCodec, NvencMultiPass, NvencOptions, NvencParameterSets, NvencPreset,
    NvencRateControl, NvencSpatialAq, NvencSwitch, NvencTuning, UnknownPreset,
};

use crate::library::NvencLibrary;
use crate::sys::nvenc;
use config::Plan;
use input::Input;
use metadata::Metadata;
use session::{Completion, OutputBuffer, Session, Submitted};
use times::DecodingTimes;

/// Frames in GPU memory to packets, by the encoder of the GPU.
///
/// Frames are NV12 or P010, of even sides. Each is copied, within the GPU, to one of a ring of inputs that are registered
/// once, so that a frame goes back to its pool at once and nothing is allocated per frame. While the encoder works on the
/// oldest frames more are handed to it: [`process`](Stage::process) waits only when as many are under way as
/// B-frames, look-ahead and three to keep the encoder busy ask for.
///
/// Packets carry their frames' timestamps and durations, in the time base of the [`VideoInfo`]. They come in decoding
/// order; decoding times rise strictly and are never after the presentation time. Those of AV1 are equal to it,
/// because the encoder packs hidden frames with the next that is shown.
///
/// ```no_run
/// use rave_core::{BoxError, Packet, Stage, VideoInfo};
/// use rave_cuda::{CudaFrame, Pool};
/// use rave_nvcodec::{NvEncoder, NvencCodec, NvencLibrary, NvencOptions};
///
/// fn encode(pool: &Pool, video: &VideoInfo, frames: Vec<CudaFrame>) -> Result<Vec<Packet>, BoxError> {
///     let library = NvencLibrary::open()?;
///     let mut encoder = NvEncoder::new(&library, pool, video, &NvencOptions::new(NvencCodec::Hevc))?;
///     let mut packets = Vec::new();
///     for frame in frames {
///         encoder.process(frame, &mut |packet| packets.push(packet))?;
///     }
///     encoder.finish(&mut |packet| packets.push(packet))?;
///     Ok(packets)
/// }
/// ```
pub struct NvEncoder {
    // What belongs to the session is released before it.
    waiting: HashMap<u64, Waiting>,
    idle_inputs: Vec<Input>,
    in_flight: VecDeque<OutputBuffer>,
    idle_outputs: VecDeque<OutputBuffer>,
    /// That the last picture is coded; `None` in the synchronous mode.
    end: Option<Completion>,
    session: Arc<Session>,
    stream: Stream,
    plan: Plan,
    picture: nvenc::PicParams,
    metadata: Metadata,
    times: DecodingTimes,
    options: NvencOptions,
    info: VideoInfo,
    has_dynamic_bit_rate: bool,
    parameter_sets: Vec<u8>,
    description: String,
    frames: u64,
    last_pts: Option<Timestamp>,
    last_dts: Option<i64>,
    /// How many of `in_flight`, from the oldest on, may be locked.
    ready: usize,
    next_flags: u32,
    state: State,
}

// SAFETY: the addresses in `picture` and `plan` are null or set for the length of a call; everything else is `Send`.
unsafe impl Send for NvEncoder {}

/// A frame that the encoder has.
struct Waiting {
    input: Input,
    pts: Timestamp,
    duration_ticks: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Told that no frame follows.
    Flushed,
}

impl NvEncoder {
    /// Opens a session for frames of `input`, whose colour is to be resolved, on the pool's GPU. The ring of inputs is
    /// taken from the pool.
    ///
    /// # Errors
    /// [`EncodeError::NoEncoder`], [`EncodeError::SessionLimit`]; [`EncodeError::Codec`], [`EncodeError::Unsupported`] and
    /// [`EncodeError::Option`] for what this GPU's encoder does not do; [`EncodeError::Cuda`] if the pool has no room;
    /// the others if the driver fails.
    pub fn new(
        library: &NvencLibrary,
        pool: &Pool,
        input: &VideoInfo,
        options: &NvencOptions,
    ) -> Result<Self, EncodeError> {
        options.check()?;
        let mut session = Session::open(library, pool.device())?;
        let capabilities = CodecCapabilities::checked(&session, input, options)?;
        let preset = session.preset(options.codec, options.preset, config::tuning(options))?;
        let mut plan = Plan::new(preset, options, input, &capabilities)?;
        plan.params.enable_encode_async = session.choose_mode(options.codec)?;
        let stream = pool.device().new_stream()?;
        session.initialize(&plan.params, &plan.config, &stream)?;
        let parameter_sets = session.parameter_sets()?;
        let session = Arc::new(session);
        let any = FrameInfo::new(Timestamp::new(0, input.time_base));
        let inputs = (0..plan.buffers).map(|_| Input::new(&session, pool, &stream, input, any));
        let outputs = (0..plan.buffers).map(|_| session.create_bitstream_buffer());
        Ok(Self {
            waiting: HashMap::new(),
            idle_inputs: inputs.collect::<Result<_, _>>()?,
            in_flight: VecDeque::new(),
            idle_outputs: outputs.collect::<Result<_, _>>()?,
            end: session.create_completion()?,
            stream,
            picture: config::picture(&plan, input, options.codec),
            metadata: Metadata::new(options.codec, input),
            times: DecodingTimes::new(reorder_delay(options.codec, &plan)),
            options: *options,
            info: *input,
            has_dynamic_bit_rate: capabilities.has_dynamic_bit_rate,
            parameter_sets,
            description: config::describe(&plan, options, input, session.gpu()),
            frames: 0,
            last_pts: None,
            last_dts: None,
            ready: 0,
            next_flags: 0,
            state: State::Running,
            session,
            plan,
        })
    }

    /// The codec.
    pub const fn codec(&self) -> NvencCodec {
        self.options.codec
    }

    /// Time base of the packets' timestamps: that of the frames.
    pub const fn time_base(&self) -> TimeBase {
        self.info.time_base
    }

    /// What a decoder needs before the first packet: SPS and PPS (HEVC: VPS too) with start codes, or AV1's sequence header
    /// OBU. It is what FFmpeg calls extradata, in the form that its own NVENC encoders give.
    pub fn parameter_sets(&self) -> &[u8] {
        &self.parameter_sets
    }

    /// The encoder and its settings, in one line.
    pub fn description(&self) -> String {
        self.description.clone()
    }

    /// Makes the next frame a key frame.
    pub const fn force_key_frame(&mut self) {
        self.next_flags |= nvenc::PicFlags::FORCEIDR.0;
    }

    /// Changes the bit rate from the next frame on, without a key frame; `maximum` is that of VBR.
    ///
    /// # Errors
    /// [`EncodeError::Option`] if the encoder does not control a bit rate, the GPU cannot change it, or the numbers make no
    /// sense; the others if the driver fails.
    pub fn set_bit_rate(
        &mut self,
        kilobits_per_second: u32,
        maximum_kilobits_per_second: Option<u32>,
    ) -> Result<(), EncodeError> {
        let rate_control = match (self.options.rate_control, maximum_kilobits_per_second) {
            (NvencRateControl::Vbr { .. }, maximum_kilobits_per_second) => NvencRateControl::Vbr {
                average_kilobits_per_second: kilobits_per_second,
                maximum_kilobits_per_second,
            },
            (NvencRateControl::Cbr { .. }, None) => NvencRateControl::Cbr { kilobits_per_second },
            _ => return Err(self.options.refuse("a new bit rate", "rate control has no such bit rate")),
        };
        let options = NvencOptions { rate_control, ..self.options };
        options.check()?;
        if !self.has_dynamic_bit_rate {
            return Err(options.refuse("a new bit rate", "this GPU cannot change it while it encodes"));
        }
        let maximum = match rate_control {
            NvencRateControl::Cbr { .. } => kilobits_per_second,
            _ => maximum_kilobits_per_second.unwrap_or(0),
        };
        self.session.bind()?;
        self.plan.set_bit_rates(kilobits_per_second, maximum);
        self.session.reconfigure(&self.plan.params, &self.plan.config)?;
        self.options = options;
        Ok(())
    }

    fn check_frame(&mut self, frame: &CudaFrame) -> Result<Timestamp, EncodeError> {
        let info = &self.info;
        frame.layout().check(info.format, (info.width, info.height))?;
        let now = frame.info().pts.rescale(info.time_base);
        if let Some(last) = self.last_pts.filter(|&last| last >= now) {
            return Err(EncodeError::FrameOrder { frame: self.frames, now, last });
        }
        self.last_pts = Some(now);
        Ok(now)
    }

    /// Hands one frame to the encoder.
    fn submit(&mut self, frame: &CudaFrame) -> Result<(), EncodeError> {
        let pts = self.check_frame(frame)?;
        let (Some(mut input), Some(output)) = (self.idle_inputs.pop(), self.idle_outputs.pop_front()) else {
            return Err(starved(self.in_flight.len()));
        };
        let pointer = match input.load(&self.stream, frame) {
            Ok(pointer) => pointer,
            Err(error) => {
                self.idle_inputs.push(input);
                self.idle_outputs.push_front(output);
                return Err(error);
            }
        };
        let mut params = nvenc::PicParams {
            input_pitch: input.pitch(),
            encode_pic_flags: self.next_flags,
            frame_idx: self.frames as u32,
            input_time_stamp: self.frames,
            input_buffer: pointer,
            output_bitstream: output.pointer(),
            completion_event: output.begin(),
            ..self.picture
        };
        self.metadata.attach(&mut params);
        let submitted = match self.session.encode(&mut params) {
            Ok(submitted) => submitted,
            Err(error) => {
                input.unload().ok();
                self.idle_inputs.push(input);
                self.idle_outputs.push_front(output);
                return Err(error);
            }
        };
        let duration = frame.info().duration_ticks;
        let ticks = |ticks| Timestamp::new(ticks, frame.info().pts.time_base()).rescale(self.info.time_base);
        let duration_ticks = duration.map(|duration| ticks(duration).ticks());
        self.waiting.insert(self.frames, Waiting { input, pts, duration_ticks });
        self.in_flight.push_back(output);
        self.times.send(pts.ticks());
        self.frames += 1;
        self.next_flags = 0;
        if submitted == Submitted::Ready {
            self.ready = self.in_flight.len();
        }
        Ok(())
    }

    /// Waits for the oldest picture in the encoder.
    fn collect(&mut self) -> Result<Packet, EncodeError> {
        let Some(output) = self.in_flight.front() else { return Err(starved(0)) };
        let locked = output.lock()?;
        let (data, stamp, is_key) = (locked.bytes().to_vec(), locked.stamp(), locked.is_key());
        let unlocked = locked.unlock();
        self.idle_outputs.extend(self.in_flight.pop_front());
        self.ready = self.ready.saturating_sub(1);
        unlocked?;
        let Some(mut waiting) = self.waiting.remove(&stamp) else {
            return Err(EncodeError::Broken {
                what: format!("gave a picture numbered {stamp} that was not sent"),
            });
        };
        let unloaded = waiting.input.unload();
        self.idle_inputs.push(waiting.input);
        unloaded?;
        let dts = self.decoding_time(waiting.pts)?;
        Ok(Packet {
            data,
            pts: Some(waiting.pts),
            dts: Some(dts),
            duration_ticks: waiting.duration_ticks,
            is_key,
            ..Packet::default()
        })
    }

    fn decoding_time(&mut self, pts: Timestamp) -> Result<Timestamp, EncodeError> {
        let ticks = self.times.next().unwrap_or(i64::MIN);
        let dts = Timestamp::new(ticks, pts.time_base());
        if dts > pts || self.last_dts.is_some_and(|last| last >= ticks) {
            let what = format!("holds back more frames than its {} B-frames allow", self.plan.bframes);
            return Err(EncodeError::Broken { what });
        }
        self.last_dts = Some(ticks);
        Ok(dts)
    }

    fn encode(&mut self, frame: &CudaFrame, emit: &mut dyn FnMut(Packet)) -> Result<(), EncodeError> {
        self.session.bind()?;
        self.submit(frame)?;
        while self.in_flight.len() > self.plan.in_flight as usize && self.ready > 0 {
            emit(self.collect()?);
        }
        Ok(())
    }

    /// Tells the encoder that no frame follows: every picture is ready then.
    fn flush(&mut self) -> Result<(), EncodeError> {
        if self.state == State::Running {
            self.session.flush(self.end.as_ref())?;
            self.state = State::Flushed;
            self.ready = self.in_flight.len();
            self.end.as_ref().map_or(Ok(()), Completion::wait)?;
        }
        Ok(())
    }

    fn drain(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), EncodeError> {
        self.session.bind()?;
        self.flush()?;
        while !self.in_flight.is_empty() {
            emit(self.collect()?);
        }
        Ok(())
    }
}

impl Stage for NvEncoder {
    type Input = CudaFrame;
    type Output = Packet;

    fn process(&mut self, frame: CudaFrame, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        Ok(self.encode(&frame, emit)?)
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Packet)) -> Result<(), BoxError> {
        Ok(self.drain(emit)?)
    }
}

impl Drop for NvEncoder {
    /// An encoder is flushed and its pictures are taken before anything is released (`NvEncDestroyEncoder`); of a job that is
    /// abandoned no one wants them.
    fn drop(&mut self) {
        let _ = self.session.bind();
        let _ = self.flush();
        while self.ready > 0 && self.collect().is_ok() {}
    }
}

impl std::fmt::Debug for NvEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NvEncoder({})", self.description)
    }
}

/// Frames that may be coded before one that is shown earlier: no more than there are B-frames between two others.
const fn reorder_delay(codec: NvencCodec, plan: &Plan) -> u32 {
    match codec {
        NvencCodec::H264 | NvencCodec::Hevc => plan.bframes,
        NvencCodec::Av1 => 0,
    }
}

fn starved(frames: usize) -> EncodeError {
    EncodeError::Broken { what: format!("took {frames} frames and gave no packet") }
}
