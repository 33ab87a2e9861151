use core::ffi::c_void;

use super::*;

structs! {
    /// Which capability is asked for.
    CapsParam = "NV_ENC_CAPS_PARAM" {
        version: u32 = "version",
        caps_to_query: Caps = "capsToQuery",
        reserved: [u32; 62] = "reserved",
    }
    /// How an encoder is made.
    InitializeParams = "NV_ENC_INITIALIZE_PARAMS" {
        version: u32 = "version",
        encode_guid: Guid = "encodeGUID",
        preset_guid: Guid = "presetGUID",
        encode_width: u32 = "encodeWidth",
        encode_height: u32 = "encodeHeight",
        dar_width: u32 = "darWidth",
        dar_height: u32 = "darHeight",
        frame_rate_num: u32 = "frameRateNum",
        frame_rate_den: u32 = "frameRateDen",
        enable_encode_async: u32 = "enableEncodeAsync",
        enable_ptd: u32 = "enablePTD",
        flags: u32 = bits [
            report_slice_offsets, set_report_slice_offsets: 0, 1 "reportSliceOffsets",
            enable_sub_frame_write, set_enable_sub_frame_write: 1, 1 "enableSubFrameWrite",
            enable_external_me_hints, set_enable_external_me_hints: 2, 1 "enableExternalMEHints",
            enable_me_only_mode, set_enable_me_only_mode: 3, 1 "enableMEOnlyMode",
            enable_weighted_prediction, set_enable_weighted_prediction: 4, 1 "enableWeightedPrediction",
            split_encode_mode, set_split_encode_mode: 5, 4 "splitEncodeMode",
            enable_output_in_vidmem, set_enable_output_in_vidmem: 9, 1 "enableOutputInVidmem",
            enable_recon_frame_output, set_enable_recon_frame_output: 10, 1 "enableReconFrameOutput",
            enable_output_stats, set_enable_output_stats: 11, 1 "enableOutputStats",
            enable_uni_directional_b, set_enable_uni_directional_b: 12, 1 "enableUniDirectionalB",
        ],
        priv_data_size: u32 = "privDataSize",
        reserved: u32 = "reserved",
        priv_data: *mut c_void = "privData",
        encode_config: *mut Config = "encodeConfig",
        max_encode_width: u32 = "maxEncodeWidth",
        max_encode_height: u32 = "maxEncodeHeight",
        max_me_hint_counts_per_block: [[u32; 4]; 2] = "maxMEHintCountsPerBlock",
        tuning_info: TuningInfo = "tuningInfo",
        buffer_format: BufferFormat = "bufferFormat",
        num_state_buffers: u32 = "numStateBuffers",
        output_stats_level: OutputStatsLevel = "outputStatsLevel",
        reserved1: [u32; 284] = "reserved1",
        reserved2: [*mut c_void; 64] = "reserved2",
    }
    /// How a running encoder is changed.
    ReconfigureParams = "NV_ENC_RECONFIGURE_PARAMS" {
        version: u32 = "version",
        reserved: u32 = "reserved",
        re_init_encode_params: InitializeParams = "reInitEncodeParams",
        flags: u32 = bits [
            reset_encoder, set_reset_encoder: 0, 1 "resetEncoder",
            force_idr, set_force_idr: 1, 1 "forceIDR",
        ],
        reserved2: u32 = "reserved2",
    }
    /// The configuration that a preset stands for; `preset_cfg.version` is to be set before the call.
    PresetConfig = "NV_ENC_PRESET_CONFIG" {
        version: u32 = "version",
        reserved: u32 = "reserved",
        preset_cfg: Config = "presetCfg",
        reserved1: [u32; 256] = "reserved1",
        reserved2: [*mut c_void; 64] = "reserved2",
    }
    /// Where the parameter sets are to be written.
    SequenceParamPayload = "NV_ENC_SEQUENCE_PARAM_PAYLOAD" {
        version: u32 = "version",
        in_buffer_size: u32 = "inBufferSize",
        sps_id: u32 = "spsId",
        pps_id: u32 = "ppsId",
        sps_pps_buffer: *mut c_void = "spsppsBuffer",
        out_sps_pps_payload_size: *mut u32 = "outSPSPPSPayloadSize",
        reserved: [u32; 250] = "reserved",
        reserved2: [*mut c_void; 64] = "reserved2",
    }
    /// A Windows event that signals completion.
    EventParams = "NV_ENC_EVENT_PARAMS" {
        version: u32 = "version",
        reserved: u32 = "reserved",
        completion_event: *mut c_void = "completionEvent",
        reserved1: [u32; 254] = "reserved1",
        reserved2: [*mut c_void; 64] = "reserved2",
    }
    /// On which device a session is opened.
    OpenEncodeSessionExParams = "NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS" {
        version: u32 = "version",
        device_type: DeviceType = "deviceType",
        device: *mut c_void = "device",
        reserved: *mut c_void = "reserved",
        api_version: u32 = "apiVersion",
        reserved1: [u32; 253] = "reserved1",
        reserved2: [*mut c_void; 64] = "reserved2",
    }
}

versions! {
    CapsParam = version(1) "NV_ENC_CAPS_PARAM_VER",
    InitializeParams = version_31(7) "NV_ENC_INITIALIZE_PARAMS_VER",
    ReconfigureParams = version_31(2) "NV_ENC_RECONFIGURE_PARAMS_VER",
    PresetConfig = version_31(5) "NV_ENC_PRESET_CONFIG_VER",
    SequenceParamPayload = version(1) "NV_ENC_SEQUENCE_PARAM_PAYLOAD_VER",
    EventParams = version(2) "NV_ENC_EVENT_PARAMS_VER",
    OpenEncodeSessionExParams = version(1) "NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER",
}
