//! The functions, as a driver's library exports them and as its table holds them.

macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(status) => return status,
        }
    };
}

mod asking;
mod buffers;
mod making;

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::{Arc, Mutex};

use cudarc::driver::result;
use cudarc::driver::sys::CUcontext;
use rave_nvcodec::sys::nvenc::{self, Status};

use super::rules::{self, Session};
use super::{CURRENT, OPEN, State, locked};
use asking::{caps, format_count, formats, guid_count, guids, preset, profile_count, profiles};
use buffers::{
    create_output, destroy_output, map, register, register_event, unmap, unregister, unregister_event,
};
use making::{initialize, reconfigure, set_streams};

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
    let injected = state.failure.filter(|&(call, _)| call == number).map(|(_, status)| status);
    let is_lost = state.lost_from.is_some_and(|from| number >= from);
    let Some(status) = injected.or(is_lost.then_some(Status::DEVICE_NOT_EXIST)) else { return Ok(()) };
    let session = handle.and_then(|handle| state.sessions.get_mut(&handle));
    session.into_iter().for_each(|session| session.has_failed = true);
    Err(status)
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
        register_async_event: Some(register_event),
        unregister_async_event: Some(unregister_event),
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
