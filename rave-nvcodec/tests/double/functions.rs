//! The functions, as a driver's library exports them and as its table holds them.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex};

use cudarc::driver::result;
use cudarc::driver::sys::{CUcontext, CUstream};
use rave_nvcodec::NvencCodec;
use rave_nvcodec::sys::nvenc::{self, BufferFormat, Caps, Guid, Status};

use super::order::{Order, Structure};
use super::rules::{self, Encoder, Output, Resource, Session, codec_of};
use super::{CURRENT, OPEN, State, locked};

/// What the library exports.
pub const EXPORTS: nvenc::Functions =
    nvenc::Functions { get_max_supported_version: max_supported_version, create_instance };

type Handle = *mut c_void;

/// The driver of the calling thread, which counts the call; an error if this call is made to fail.
fn enter_driver(name: &'static str) -> Result<Arc<Mutex<State>>, Status> {
    let state = CURRENT.with(|current| current.borrow().clone()).ok_or(Status::GENERIC)?;
    count(&state, name, None)?;
    Ok(state)
}

fn count(state: &Mutex<State>, name: &'static str, handle: Option<usize>) -> Result<(), Status> {
    let mut state = locked(state);
    let number = state.calls.len();
    state.calls.push(name);
    match state.failure {
        Some((call, status)) if call == number => {
            let session = handle.and_then(|handle| state.sessions.get_mut(&handle));
            session.into_iter().for_each(|session| session.has_failed = true);
            Err(status)
        }
        _ => Ok(()),
    }
}

/// Runs a call on an open session whose context is the thread's.
fn on_session(name: &'static str, handle: Handle, run: impl FnOnce(&mut State, usize) -> Status) -> Status {
    let handle = handle as usize;
    let Some(state) = locked(&OPEN).get(&handle).cloned() else {
        let state = CURRENT.with(|current| current.borrow().clone());
        state.iter().for_each(|state| locked(state).breach(name, "the session is closed"));
        return Status::INVALID_ENCODERDEVICE;
    };
    if let Err(status) = count(&state, name, Some(handle)) {
        return status;
    }
    let mut state = locked(&state);
    let current = result::ctx::get_current().ok().flatten();
    let context = state.sessions.get(&handle).map(|session| session.context);
    if current != context {
        state.breach(name, "the session's CUDA context is not the thread's");
    }
    run(&mut state, handle)
}

/// As `on_session`, for what needs an initialised encoder.
fn on_encoder(name: &'static str, handle: Handle, run: impl FnOnce(&mut State, usize) -> Status) -> Status {
    on_session(name, handle, |state, handle| {
        if state.sessions.get(&handle).is_none_or(|session| session.encoder.is_none()) {
            state.breach(name, "the encoder is not initialised");
            return Status::ENCODER_NOT_INITIALIZED;
        }
        run(state, handle)
    })
}

fn check_version(state: &mut State, name: &str, found: u32, expected: u32) -> Result<(), Status> {
    if found == expected {
        return Ok(());
    }
    state.breach(name, format!("version {found:#x} in place of {expected:#x}"));
    Err(Status::INVALID_VERSION)
}

macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(status) => return status,
        }
    };
}

unsafe extern "system" fn max_supported_version(version: *mut u32) -> Status {
    let state = attempt!(enter_driver("NvEncodeAPIGetMaxSupportedVersion"));
    // SAFETY: the caller gives a number.
    unsafe { *version = locked(&state).settings.version };
    Status::SUCCESS
}

unsafe extern "system" fn create_instance(list: *mut nvenc::FunctionList) -> Status {
    const NAME: &str = "NvEncodeAPICreateInstance";
    let state = attempt!(enter_driver(NAME));
    // SAFETY: the caller gives a table.
    let list = unsafe { &mut *list };
    attempt!(check_version(&mut locked(&state), NAME, list.version, nvenc::FunctionList::VERSION));
    *list = nvenc::FunctionList {
        open_encode_session_ex: Some(open),
        destroy_encoder: Some(destroy),
        get_encode_guid_count: Some(guid_count),
        get_encode_guids: Some(guids),
        get_encode_profile_guid_count: Some(profile_count),
        get_encode_profile_guids: Some(profiles),
        get_input_format_count: Some(format_count),
        get_input_formats: Some(formats),
        get_encode_caps: Some(caps),
        get_encode_preset_config_ex: Some(preset),
        initialize_encoder: Some(initialize),
        reconfigure_encoder: Some(reconfigure),
        set_io_cuda_streams: Some(set_streams),
        get_sequence_params: Some(sequence_params),
        create_bitstream_buffer: Some(create_output),
        destroy_bitstream_buffer: Some(destroy_output),
        register_resource: Some(register),
        unregister_resource: Some(unregister),
        map_input_resource: Some(map),
        unmap_input_resource: Some(unmap),
        encode_picture: Some(encode),
        lock_bitstream: Some(lock),
        unlock_bitstream: Some(unlock),
        get_last_error_string: Some(last_error),
        ..*list
    };
    Status::SUCCESS
}

unsafe extern "system" fn open(params: *mut nvenc::OpenEncodeSessionExParams, handle: *mut Handle) -> Status {
    const NAME: &str = "NvEncOpenEncodeSessionEx";
    let driver = attempt!(enter_driver(NAME));
    let mut state = locked(&driver);
    // SAFETY: the caller gives parameters.
    let params = unsafe { &*params };
    attempt!(check_version(&mut state, NAME, params.version, nvenc::OpenEncodeSessionExParams::VERSION));
    if params.api_version != nvenc::API_VERSION || params.device_type != nvenc::DeviceType::CUDA {
        state.breach(NAME, "apiVersion and deviceType");
    }
    if params.device.is_null() {
        state.breach(NAME, "a CUDA context is the device");
        return Status::INVALID_PTR;
    }
    if state.settings.open != Status::SUCCESS {
        return state.settings.open;
    }
    if state.sessions.len() >= state.settings.sessions {
        return Status::OUT_OF_MEMORY;
    }
    let name = state.new_handle();
    state.sessions.insert(name, Session::new(params.device as CUcontext));
    drop(state);
    locked(&OPEN).insert(name, driver);
    // SAFETY: the caller gives a place for the handle.
    unsafe { *handle = name as Handle };
    Status::SUCCESS
}

unsafe extern "system" fn destroy(handle: Handle) -> Status {
    const NAME: &str = "NvEncDestroyEncoder";
    let status = on_session(NAME, handle, |state, handle| {
        let Some(session) = state.sessions.remove(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let held: Vec<_> = session.leaks().into_iter().filter(|leak| !leak.starts_with("session")).collect();
        let unflushed = session.encoder.is_some_and(|encoder| encoder.sent > 0 && !encoder.is_flushed);
        if !session.has_failed && !held.is_empty() {
            state.breach(NAME, format!("everything is freed first, but there is {}", held.join(", ")));
        }
        if !session.has_failed && unflushed {
            state.breach(NAME, "the encoder is flushed first");
        }
        Status::SUCCESS
    });
    if status == Status::SUCCESS {
        locked(&OPEN).remove(&(handle as usize));
    }
    status
}

/// Writes a list into memory of the caller.
unsafe fn write_list<T: Copy>(list: &[T], to: *mut T, room: u32, count: *mut u32) -> Status {
    if (room as usize) < list.len() {
        return Status::INVALID_PARAM;
    }
    // SAFETY: the caller's memory has room for that many, and a place for the count.
    unsafe {
        ptr::copy_nonoverlapping(list.as_ptr(), to, list.len());
        *count = list.len() as u32;
    }
    Status::SUCCESS
}

unsafe extern "system" fn guid_count(handle: Handle, count: *mut u32) -> Status {
    on_session("NvEncGetEncodeGUIDCount", handle, |state, _| {
        // SAFETY: the caller gives a number.
        unsafe { *count = state.settings.codecs.len() as u32 };
        Status::SUCCESS
    })
}

unsafe extern "system" fn guids(handle: Handle, to: *mut Guid, room: u32, count: *mut u32) -> Status {
    on_session("NvEncGetEncodeGUIDs", handle, |state, _| {
        // SAFETY: as promised by this function's caller.
        unsafe { write_list(&state.settings.codecs, to, room, count) }
    })
}

fn profile_list(codec: Guid) -> &'static [Guid] {
    match codec_of(codec) {
        NvencCodec::H264 => &[Guid::CODEC_PROFILE_AUTOSELECT, Guid::H264_PROFILE_HIGH],
        NvencCodec::Hevc => &[Guid::HEVC_PROFILE_MAIN, Guid::HEVC_PROFILE_MAIN10],
        NvencCodec::Av1 => &[Guid::AV1_PROFILE_MAIN],
    }
}

unsafe extern "system" fn profile_count(handle: Handle, codec: Guid, count: *mut u32) -> Status {
    on_session("NvEncGetEncodeProfileGUIDCount", handle, |_, _| {
        // SAFETY: the caller gives a number.
        unsafe { *count = profile_list(codec).len() as u32 };
        Status::SUCCESS
    })
}

unsafe extern "system" fn profiles(
    handle: Handle,
    codec: Guid,
    to: *mut Guid,
    room: u32,
    count: *mut u32,
) -> Status {
    on_session("NvEncGetEncodeProfileGUIDs", handle, |_, _| {
        // SAFETY: as promised by this function's caller.
        unsafe { write_list(profile_list(codec), to, room, count) }
    })
}

const FORMATS: [BufferFormat; 3] = [BufferFormat::NV12, BufferFormat::YUV420_10BIT, BufferFormat::ARGB];

unsafe extern "system" fn format_count(handle: Handle, _: Guid, count: *mut u32) -> Status {
    on_session("NvEncGetInputFormatCount", handle, |_, _| {
        // SAFETY: the caller gives a number.
        unsafe { *count = FORMATS.len() as u32 };
        Status::SUCCESS
    })
}

unsafe extern "system" fn formats(
    handle: Handle,
    _: Guid,
    to: *mut BufferFormat,
    room: u32,
    count: *mut u32,
) -> Status {
    on_session("NvEncGetInputFormats", handle, |_, _| {
        // SAFETY: as promised by this function's caller.
        unsafe { write_list(&FORMATS, to, room, count) }
    })
}

unsafe extern "system" fn caps(
    handle: Handle,
    codec: Guid,
    params: *mut nvenc::CapsParam,
    value: *mut c_int,
) -> Status {
    const NAME: &str = "NvEncGetEncodeCaps";
    on_session(NAME, handle, |state, _| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &*params };
        attempt!(check_version(state, NAME, params.version, nvenc::CapsParam::VERSION));
        if params.reserved != [0; 62] {
            state.breach(NAME, "reserved");
        }
        let set = state.settings.capabilities.iter().find(|(caps, _)| *caps == params.caps_to_query);
        // SAFETY: the caller gives a number.
        unsafe { *value = set.map_or_else(|| usual(codec, params.caps_to_query), |(_, value)| *value) };
        Status::SUCCESS
    })
}

/// About what a GPU of 2022 says.
fn usual(codec: Guid, caps: Caps) -> c_int {
    let (side, level) = match codec_of(codec) {
        NvencCodec::H264 => (4096, 62),
        NvencCodec::Hevc => (8192, 186),
        NvencCodec::Av1 => (8192, 23),
    };
    match caps {
        Caps::WIDTH_MAX | Caps::HEIGHT_MAX => side,
        Caps::WIDTH_MIN => 32,
        Caps::HEIGHT_MIN => 32,
        Caps::MB_NUM_MAX => side * side / 256,
        Caps::MB_PER_SEC_MAX => 983_040,
        Caps::LEVEL_MAX => level,
        Caps::NUM_MAX_BFRAMES => 7,
        Caps::SUPPORT_BFRAME_REF_MODE => 3,
        Caps::ASYNC_ENCODE_SUPPORT => 0,
        _ => 1,
    }
}

unsafe extern "system" fn preset(
    handle: Handle,
    codec: Guid,
    _: Guid,
    tuning: nvenc::TuningInfo,
    params: *mut nvenc::PresetConfig,
) -> Status {
    const NAME: &str = "NvEncGetEncodePresetConfigEx";
    on_session(NAME, handle, |state, _| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &mut *params };
        attempt!(check_version(state, NAME, params.version, nvenc::PresetConfig::VERSION));
        attempt!(check_version(state, NAME, params.preset_cfg.version, nvenc::Config::VERSION));
        if tuning == nvenc::TuningInfo::default() {
            state.breach(NAME, "tuningInfo");
        }
        let (bframes, lookahead) = state.settings.preset;
        let config = &mut params.preset_cfg;
        config.gop_length = nvenc::INFINITE_GOP_LENGTH;
        config.frame_interval_p = bframes as i32 + 1;
        config.rc_params.set_enable_lookahead(u32::from(lookahead > 0));
        config.rc_params.lookahead_depth = lookahead as u16;
        if codec == Guid::CODEC_AV1 {
            config.encode_codec_config.av1_config.level = 24;
        }
        Status::SUCCESS
    })
}

unsafe extern "system" fn initialize(handle: Handle, params: *mut nvenc::InitializeParams) -> Status {
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
        (params.enable_encode_async == 0, "there is no asynchronous mode on Linux"),
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

unsafe extern "system" fn reconfigure(handle: Handle, params: *mut nvenc::ReconfigureParams) -> Status {
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
        state.reconfigured.push((config.rc_params.average_bit_rate, config.rc_params.max_bit_rate));
        Status::SUCCESS
    })
}

unsafe extern "system" fn set_streams(handle: Handle, input: *mut c_void, output: *mut c_void) -> Status {
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

/// What the parameter sets of the double are.
pub const PARAMETER_SETS: &[u8] = b"parameter sets";

unsafe extern "system" fn sequence_params(
    handle: Handle,
    params: *mut nvenc::SequenceParamPayload,
) -> Status {
    const NAME: &str = "NvEncGetSequenceParams";
    on_encoder(NAME, handle, |state, _| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &*params };
        attempt!(check_version(state, NAME, params.version, nvenc::SequenceParamPayload::VERSION));
        if params.sps_pps_buffer.is_null() || (params.in_buffer_size as usize) < PARAMETER_SETS.len() {
            return Status::INVALID_PARAM;
        }
        // SAFETY: the caller's memory has the room that was just checked, and a place for the length.
        unsafe {
            ptr::copy_nonoverlapping(
                PARAMETER_SETS.as_ptr(),
                params.sps_pps_buffer.cast(),
                PARAMETER_SETS.len(),
            );
            *params.out_sps_pps_payload_size = PARAMETER_SETS.len() as u32;
        }
        Status::SUCCESS
    })
}

unsafe extern "system" fn create_output(handle: Handle, params: *mut nvenc::CreateBitstreamBuffer) -> Status {
    const NAME: &str = "NvEncCreateBitstreamBuffer";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &mut *params };
        attempt!(check_version(state, NAME, params.version, nvenc::CreateBitstreamBuffer::VERSION));
        let name = state.new_handle();
        params.bitstream_buffer = name as *mut c_void;
        let session = state.sessions.get_mut(&handle);
        session.into_iter().for_each(|session| drop(session.outputs.insert(name, Output::default())));
        Status::SUCCESS
    })
}

unsafe extern "system" fn destroy_output(handle: Handle, output: *mut c_void) -> Status {
    const NAME: &str = "NvEncDestroyBitstreamBuffer";
    on_encoder(NAME, handle, |state, handle| {
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let has_failed = session.has_failed;
        match session.outputs.remove(&(output as usize)) {
            None => {
                state.breach(NAME, "there is no such output");
                return Status::INVALID_PARAM;
            }
            Some(output) if !has_failed && output.bytes.is_some() => state.breach(NAME, "it is locked"),
            Some(output) if !has_failed && output.is_sent => state.breach(NAME, "it is in use"),
            Some(_) => {}
        }
        Status::SUCCESS
    })
}

unsafe extern "system" fn register(handle: Handle, params: *mut nvenc::RegisterResource) -> Status {
    const NAME: &str = "NvEncRegisterResource";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &mut *params };
        attempt!(check_version(state, NAME, params.version, nvenc::RegisterResource::VERSION));
        let rules = [
            (params.resource_type == nvenc::InputResourceType::CUDADEVICEPTR, "resourceType"),
            (!params.resource_to_register.is_null(), "resourceToRegister"),
            (params.buffer_usage == nvenc::BufferUsage::INPUT_IMAGE, "bufferUsage"),
            (super::pictures::layout(params).is_some(), "format, size and pitch"),
            (params.sub_resource_index == 0 && params.reserved1 == [0; 246], "reserved"),
        ];
        rules.iter().filter(|(holds, _)| !holds).for_each(|(_, rule)| state.breach(NAME, rule));
        let name = state.new_handle();
        params.registered_resource = name as *mut c_void;
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let address = params.resource_to_register;
        let is_known = session.resources.values().any(|other| other.params.resource_to_register == address);
        session.resources.insert(name, Resource { params: *params, is_mapped: false });
        if is_known {
            state.breach(NAME, "the memory is registered already");
        }
        Status::SUCCESS
    })
}

unsafe extern "system" fn unregister(handle: Handle, resource: *mut c_void) -> Status {
    const NAME: &str = "NvEncUnregisterResource";
    on_encoder(NAME, handle, |state, handle| {
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let has_failed = session.has_failed;
        match session.resources.remove(&(resource as usize)) {
            None => {
                state.breach(NAME, "it is not registered");
                return Status::RESOURCE_NOT_REGISTERED;
            }
            Some(resource) if resource.is_mapped && !has_failed => state.breach(NAME, "it is mapped"),
            Some(_) => {}
        }
        Status::SUCCESS
    })
}

unsafe extern "system" fn map(handle: Handle, params: *mut nvenc::MapInputResource) -> Status {
    const NAME: &str = "NvEncMapInputResource";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &mut *params };
        attempt!(check_version(state, NAME, params.version, nvenc::MapInputResource::VERSION));
        let mapped = state.new_handle();
        let registered = params.registered_resource as usize;
        let session = state.sessions.get_mut(&handle);
        let Some((session, resource)) = session.and_then(|session| {
            let Session { resources, mappings, .. } = session;
            Some((mappings, resources.get_mut(&registered)?))
        }) else {
            state.breach(NAME, "it is not registered");
            return Status::RESOURCE_NOT_REGISTERED;
        };
        let was_mapped = std::mem::replace(&mut resource.is_mapped, true);
        params.mapped_resource = mapped as *mut c_void;
        params.mapped_buffer_fmt = resource.params.buffer_format;
        session.insert(mapped, registered);
        if was_mapped {
            state.breach(NAME, "it is mapped already");
        }
        Status::SUCCESS
    })
}

unsafe extern "system" fn unmap(handle: Handle, mapped: *mut c_void) -> Status {
    const NAME: &str = "NvEncUnmapInputResource";
    on_encoder(NAME, handle, |state, handle| {
        let Some(session) = state.sessions.get_mut(&handle) else { return Status::INVALID_ENCODERDEVICE };
        let mapped = mapped as usize;
        let Some(registered) = session.mappings.remove(&mapped) else {
            state.breach(NAME, "it is not mapped");
            return Status::RESOURCE_NOT_MAPPED;
        };
        let resource = session.resources.get_mut(&registered);
        resource.into_iter().for_each(|resource| resource.is_mapped = false);
        let mut inputs = session.encoder.iter().flat_map(|encoder| encoder.inputs.values());
        if inputs.any(|input| input.mapped == mapped) && !session.has_failed {
            state.breach(NAME, "its picture was not locked yet");
        }
        Status::SUCCESS
    })
}

unsafe extern "system" fn encode(handle: Handle, params: *mut nvenc::PicParams) -> Status {
    const NAME: &str = "NvEncEncodePicture";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &*params };
        attempt!(check_version(state, NAME, params.version, nvenc::PicParams::VERSION));
        match params.encode_pic_flags & nvenc::PicFlags::EOS.0 {
            0 => rules::encode(state, handle, params),
            _ => rules::flush(state, handle, params),
        }
    })
}

unsafe extern "system" fn lock(handle: Handle, params: *mut nvenc::LockBitstream) -> Status {
    const NAME: &str = "NvEncLockBitstream";
    on_encoder(NAME, handle, |state, handle| {
        // SAFETY: the caller gives parameters.
        let params = unsafe { &mut *params };
        attempt!(check_version(state, NAME, params.version, nvenc::LockBitstream::VERSION));
        rules::lock(state, handle, params)
    })
}

unsafe extern "system" fn unlock(handle: Handle, output: *mut c_void) -> Status {
    const NAME: &str = "NvEncUnlockBitstream";
    on_encoder(NAME, handle, |state, handle| {
        let session = state.sessions.get_mut(&handle);
        let output = session.and_then(|session| session.outputs.get_mut(&(output as usize)));
        if output.and_then(|output| output.bytes.take()).is_none() {
            state.breach(NAME, "it is not locked");
            return Status::INVALID_CALL;
        }
        Status::SUCCESS
    })
}

unsafe extern "system" fn last_error(handle: Handle) -> *const c_char {
    match locked(&OPEN).contains_key(&(handle as usize)) {
        true => c"the double was told to fail".as_ptr(),
        false => ptr::null(),
    }
}
