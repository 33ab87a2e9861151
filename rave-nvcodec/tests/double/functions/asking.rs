//! What the encoder can do, and what presets stand for.

use std::ffi::c_int;
use std::ptr;

use rave_nvcodec::NvencCodec;
use rave_nvcodec::sys::nvenc::{self, BufferFormat, Caps, Guid, Status};

use super::super::Mode;
use super::super::rules::codec_of;
use super::{Handle, check_version, on_session};

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

pub unsafe extern "system" fn guid_count(handle: Handle, count: *mut u32) -> Status {
    on_session("NvEncGetEncodeGUIDCount", handle, |state, _| {
        // SAFETY: the caller gives a number.
        unsafe { *count = state.settings.codecs.len() as u32 };
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn guids(handle: Handle, to: *mut Guid, room: u32, count: *mut u32) -> Status {
    on_session("NvEncGetEncodeGUIDs", handle, |state, _| {
        // SAFETY: as promised by this function's caller.
        unsafe { write_list(&state.settings.codecs, to, room, count) }
    })
}

pub fn profile_list(codec: Guid) -> &'static [Guid] {
    match codec_of(codec) {
        NvencCodec::H264 => &[Guid::CODEC_PROFILE_AUTOSELECT, Guid::H264_PROFILE_HIGH],
        NvencCodec::Hevc => &[Guid::HEVC_PROFILE_MAIN, Guid::HEVC_PROFILE_MAIN10],
        NvencCodec::Av1 => &[Guid::AV1_PROFILE_MAIN],
    }
}

pub unsafe extern "system" fn profile_count(handle: Handle, codec: Guid, count: *mut u32) -> Status {
    on_session("NvEncGetEncodeProfileGUIDCount", handle, |_, _| {
        // SAFETY: the caller gives a number.
        unsafe { *count = profile_list(codec).len() as u32 };
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn profiles(
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

pub unsafe extern "system" fn format_count(handle: Handle, _: Guid, count: *mut u32) -> Status {
    on_session("NvEncGetInputFormatCount", handle, |_, _| {
        // SAFETY: the caller gives a number.
        unsafe { *count = FORMATS.len() as u32 };
        Status::SUCCESS
    })
}

pub unsafe extern "system" fn formats(
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

pub unsafe extern "system" fn caps(
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
        let has_events = (Caps::ASYNC_ENCODE_SUPPORT, i32::from(state.settings.mode == Mode::Event));
        let set = state
            .settings
            .capabilities
            .iter()
            .chain([&has_events])
            .find(|(caps, _)| *caps == params.caps_to_query);
        // SAFETY: the caller gives a number.
        unsafe { *value = set.map_or_else(|| usual(codec, params.caps_to_query), |(_, value)| *value) };
        Status::SUCCESS
    })
}

/// About what a GPU of 2022 says.
pub fn usual(codec: Guid, caps: Caps) -> c_int {
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
        _ => 1,
    }
}

pub unsafe extern "system" fn preset(
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
