use core::ffi::{c_char, c_int, c_void};

use super::*;

exports! {
    /// What `libnvidia-encode.so.1` and `nvEncodeAPI64.dll` export.
    Functions {
        get_max_supported_version = "NvEncodeAPIGetMaxSupportedVersion" fn(version: *mut u32) -> Status;
        create_instance = "NvEncodeAPICreateInstance" fn(list: *mut FunctionList) -> Status;
    }
}

structs! {
    /// The functions of an encoder session; those that RAVE has no use for are plain pointers.
    FunctionList = "NV_ENCODE_API_FUNCTION_LIST" {
        version: u32 = "version",
        reserved: u32 = "reserved",
        open_encode_session: *const c_void = "nvEncOpenEncodeSession",
        get_encode_guid_count: Option<unsafe extern "system" fn(Encoder, *mut u32) -> Status> = "nvEncGetEncodeGUIDCount",
        get_encode_profile_guid_count: Option<unsafe extern "system" fn(Encoder, Guid, *mut u32) -> Status> = "nvEncGetEncodeProfileGUIDCount",
        get_encode_profile_guids: Option<unsafe extern "system" fn(Encoder, Guid, *mut Guid, u32, *mut u32) -> Status> = "nvEncGetEncodeProfileGUIDs",
        get_encode_guids: Option<unsafe extern "system" fn(Encoder, *mut Guid, u32, *mut u32) -> Status> = "nvEncGetEncodeGUIDs",
        get_input_format_count: Option<unsafe extern "system" fn(Encoder, Guid, *mut u32) -> Status> = "nvEncGetInputFormatCount",
        get_input_formats: Option<unsafe extern "system" fn(Encoder, Guid, *mut BufferFormat, u32, *mut u32) -> Status> = "nvEncGetInputFormats",
        get_encode_caps: Option<unsafe extern "system" fn(Encoder, Guid, *mut CapsParam, *mut c_int) -> Status> = "nvEncGetEncodeCaps",
        get_encode_preset_count: Option<unsafe extern "system" fn(Encoder, Guid, *mut u32) -> Status> = "nvEncGetEncodePresetCount",
        get_encode_preset_guids: Option<unsafe extern "system" fn(Encoder, Guid, *mut Guid, u32, *mut u32) -> Status> = "nvEncGetEncodePresetGUIDs",
        get_encode_preset_config: Option<unsafe extern "system" fn(Encoder, Guid, Guid, *mut PresetConfig) -> Status> = "nvEncGetEncodePresetConfig",
        initialize_encoder: Option<unsafe extern "system" fn(Encoder, *mut InitializeParams) -> Status> = "nvEncInitializeEncoder",
        create_input_buffer: *const c_void = "nvEncCreateInputBuffer",
        destroy_input_buffer: *const c_void = "nvEncDestroyInputBuffer",
        create_bitstream_buffer: Option<unsafe extern "system" fn(Encoder, *mut CreateBitstreamBuffer) -> Status> = "nvEncCreateBitstreamBuffer",
        destroy_bitstream_buffer: Option<unsafe extern "system" fn(Encoder, OutputPointer) -> Status> = "nvEncDestroyBitstreamBuffer",
        encode_picture: Option<unsafe extern "system" fn(Encoder, *mut PicParams) -> Status> = "nvEncEncodePicture",
        lock_bitstream: Option<unsafe extern "system" fn(Encoder, *mut LockBitstream) -> Status> = "nvEncLockBitstream",
        unlock_bitstream: Option<unsafe extern "system" fn(Encoder, OutputPointer) -> Status> = "nvEncUnlockBitstream",
        lock_input_buffer: *const c_void = "nvEncLockInputBuffer",
        unlock_input_buffer: *const c_void = "nvEncUnlockInputBuffer",
        get_encode_stats: *const c_void = "nvEncGetEncodeStats",
        get_sequence_params: Option<unsafe extern "system" fn(Encoder, *mut SequenceParamPayload) -> Status> = "nvEncGetSequenceParams",
        register_async_event: Option<unsafe extern "system" fn(Encoder, *mut EventParams) -> Status> = "nvEncRegisterAsyncEvent",
        unregister_async_event: Option<unsafe extern "system" fn(Encoder, *mut EventParams) -> Status> = "nvEncUnregisterAsyncEvent",
        map_input_resource: Option<unsafe extern "system" fn(Encoder, *mut MapInputResource) -> Status> = "nvEncMapInputResource",
        unmap_input_resource: Option<unsafe extern "system" fn(Encoder, InputPointer) -> Status> = "nvEncUnmapInputResource",
        destroy_encoder: Option<unsafe extern "system" fn(Encoder) -> Status> = "nvEncDestroyEncoder",
        invalidate_ref_frames: Option<unsafe extern "system" fn(Encoder, u64) -> Status> = "nvEncInvalidateRefFrames",
        open_encode_session_ex: Option<unsafe extern "system" fn(*mut OpenEncodeSessionExParams, *mut Encoder) -> Status> = "nvEncOpenEncodeSessionEx",
        register_resource: Option<unsafe extern "system" fn(Encoder, *mut RegisterResource) -> Status> = "nvEncRegisterResource",
        unregister_resource: Option<unsafe extern "system" fn(Encoder, RegisteredPointer) -> Status> = "nvEncUnregisterResource",
        reconfigure_encoder: Option<unsafe extern "system" fn(Encoder, *mut ReconfigureParams) -> Status> = "nvEncReconfigureEncoder",
        reserved1: *mut c_void = "reserved1",
        create_mv_buffer: *const c_void = "nvEncCreateMVBuffer",
        destroy_mv_buffer: *const c_void = "nvEncDestroyMVBuffer",
        run_motion_estimation_only: *const c_void = "nvEncRunMotionEstimationOnly",
        get_last_error_string: Option<unsafe extern "system" fn(Encoder) -> *const c_char> = "nvEncGetLastErrorString",
        set_io_cuda_streams: Option<unsafe extern "system" fn(Encoder, *mut c_void, *mut c_void) -> Status> = "nvEncSetIOCudaStreams",
        get_encode_preset_config_ex: Option<unsafe extern "system" fn(Encoder, Guid, Guid, TuningInfo, *mut PresetConfig) -> Status> = "nvEncGetEncodePresetConfigEx",
        get_sequence_param_ex: *const c_void = "nvEncGetSequenceParamEx",
        restore_encoder_state: *const c_void = "nvEncRestoreEncoderState",
        lookahead_picture: *const c_void = "nvEncLookaheadPicture",
        reserved2: [*mut c_void; 275] = "reserved2",
    }
}

versions! {
    FunctionList = version(2) "NV_ENCODE_API_FUNCTION_LIST_VER",
}
