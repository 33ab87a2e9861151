//! Making and changing an encoder.

use std::ffi::c_void;

use cudarc::driver::sys::CUstream;
use rave_nvcodec::NvencCodec;
use rave_nvcodec::sys::nvenc::{self, Caps, Guid, Status};

use super::super::order::{Order, Structure};
use super::super::rules::{Encoder, codec_of};
use super::super::{Mode, State};
use super::asking::{profile_list, usual};
use super::{Handle, check_version, on_encoder, on_session};

pub unsafe extern "system" fn initialize(handle: Handle, params: *mut nvenc::InitializeParams) -> Status {
    const NAME: &str = "NvEncInitializeEncoder";
    on_session(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &*params };
        attempt!(check_version(state, NAME, params.version, nvenc::InitializeParams::VERSION));
        // SAFETY: the caller gives a configuration, or null.
        let Some(config) = (unsafe { params.encode_config.as_ref() }) else { return Status::INVALID_PTR };
        attempt!(check_version(state, NAME, config.version, nvenc::Config::VERSION));
        attempt!(check_version(state, NAME, config.rc_params.version, nvenc::RcParams::VERSION));
        check_parameters(state, NAME, params, config);
        let bframes = (config.frame_interval_p - 1).max(0).unsigned_abs();
        let lookahead = match config.rc_params.enable_lookahead() {
            0 => 0,
            _ => u32::from(config.rc_params.lookahead_depth),
        };
        let has_pyramid = b_references(params, config) == nvenc::BFrameRefMode::MIDDLE;
        let structure = Structure { gop: config.gop_length, bframes, lookahead, has_pyramid };
        let is_av1 = params.encode_guid == Guid::CODEC_AV1;
        // Hidden frames of AV1 are packed with the next that is shown: what comes out is in order.
        let structure = if is_av1 { Structure { bframes: 0, ..structure } } else { structure };
        let order = Order::new(structure, state.settings.script.clone());
        let again = state.sessions.get(&handle).is_some_and(|session| session.encoder.is_some());
        if again {
            state.breach(NAME, "an encoder is initialised once");
        }
        let encoder = Encoder {
            params: *params,
            bframes,
            order,
            stream: None,
            sent: 0,
            acknowledged: 0,
            is_flushed: false,
            finished: 0,
            told: Default::default(),
            queue: Default::default(),
            coded: Default::default(),
            inputs: Default::default(),
        };
        state.parameters = Some((*params, *config));
        state.sessions.get_mut(&handle).map_or(Status::INVALID_ENCODERDEVICE, |session| {
            session.encoder = Some(encoder);
            Status::SUCCESS
        })
    })
}

fn b_references(params: &nvenc::InitializeParams, config: &nvenc::Config) -> nvenc::BFrameRefMode {
    // SAFETY: the member is that of the codec; all consist of integers and pointers.
    unsafe {
        match codec_of(params.encode_guid) {
            NvencCodec::H264 => config.encode_codec_config.h264_config.use_b_frames_as_ref,
            NvencCodec::Hevc => config.encode_codec_config.hevc_config.use_b_frames_as_ref,
            NvencCodec::Av1 => config.encode_codec_config.av1_config.use_b_frames_as_ref,
        }
    }
}

fn check_parameters(state: &mut State, name: &str, params: &nvenc::InitializeParams, config: &nvenc::Config) {
    let side = usual(params.encode_guid, Caps::WIDTH_MAX).unsigned_abs();
    let rc = &config.rc_params;
    let bframes = config.frame_interval_p - 1;
    let is_infinite = config.gop_length == nvenc::INFINITE_GOP_LENGTH;
    let is_intra = config.gop_length == 1;
    let rules = [
        (state.settings.codecs.contains(&params.encode_guid), "encodeGUID"),
        (params.encode_width > 0 && params.encode_width <= side, "encodeWidth"),
        (params.encode_height > 0 && params.encode_height <= side, "encodeHeight"),
        (params.frame_rate_num > 0 && params.frame_rate_den > 0, "frame rate"),
        (params.dar_width > 0 && params.dar_height > 0, "display aspect ratio"),
        (params.enable_encode_async == u32::from(state.settings.mode == Mode::Event), "enableEncodeAsync"),
        (params.enable_ptd == 1, "frames in the order of display need enablePTD"),
        (params.tuning_info != nvenc::TuningInfo::default(), "tuningInfo"),
        (params.reserved1 == [0; 284], "reserved1"),
        (!is_infinite || config.frame_interval_p <= 1, "frameIntervalP is 1 with an endless group"),
        (!is_intra || config.frame_interval_p == 0, "frameIntervalP is 0 with key frames alone"),
        (config.frame_field_mode == nvenc::FrameFieldMode::FRAME, "frameFieldMode"),
        (i32::from(rc.lookahead_depth) <= 31 - bframes.max(0), "lookaheadDepth: 31 less the B-frames"),
        (rc.target_quality <= 63, "targetQuality"),
        (rc.rate_control_mode != nvenc::RcMode::CBR || rc.average_bit_rate > 0, "averageBitRate"),
        (profile_list(params.encode_guid).contains(&config.profile_guid), "profileGUID"),
        (config.reserved == [0; 278], "reserved"),
    ];
    rules.iter().filter(|(holds, _)| !holds).for_each(|(_, rule)| state.breach(name, rule));
}

pub unsafe extern "system" fn reconfigure(handle: Handle, params: *mut nvenc::ReconfigureParams) -> Status {
    const NAME: &str = "NvEncReconfigureEncoder";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &*params };
        attempt!(check_version(state, NAME, params.version, nvenc::ReconfigureParams::VERSION));
        let init = &params.re_init_encode_params;
        attempt!(check_version(state, NAME, init.version, nvenc::InitializeParams::VERSION));
        // SAFETY: the caller gives a configuration, or null.
        let Some(config) = (unsafe { init.encode_config.as_ref() }) else { return Status::INVALID_PTR };
        attempt!(check_version(state, NAME, config.version, nvenc::Config::VERSION));
        let first = state.parameters.map(|(_, first)| (first.gop_length, first.frame_interval_p));
        if first != Some((config.gop_length, config.frame_interval_p)) {
            state.breach(NAME, "the group of pictures cannot change");
        }
        let size = state.sessions.get(&handle).and_then(|session| session.encoder.as_ref());
        let size = size.map(|encoder| (encoder.params.encode_width, encoder.params.encode_height));
        if size != Some((init.encode_width, init.encode_height)) {
            state.breach(NAME, "the size cannot change");
        }
        let mode = state.parameters.map(|(first, _)| (first.enable_encode_async, first.enable_ptd));
        if mode != Some((init.enable_encode_async, init.enable_ptd)) {
            state.breach(NAME, "enableEncodeAsync and enablePTD cannot change");
        }
        state.reconfigured.push((config.rc_params.average_bit_rate, config.rc_params.max_bit_rate));
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn set_streams(handle: Handle, input: *mut c_void, output: *mut c_void) -> Status {
    const NAME: &str = "NvEncSetIOCudaStreams";
    on_encoder(NAME, handle, |state, handle| {
        if input.is_null() || output.is_null() {
            state.breach(NAME, "both are pointers to streams");
            return Status::INVALID_PTR;
        }
        // SAFETY: the caller gives pointers to streams.
        let stream = unsafe { *input.cast::<CUstream>() };
        let encoder = state.sessions.get_mut(&handle).and_then(|session| session.encoder.as_mut());
        encoder.into_iter().for_each(|encoder| encoder.stream = Some(stream));
        Status::SUCCESS
    })
}
