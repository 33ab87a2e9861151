use core::ffi::c_void;

use super::*;

structs! {
    /// A buffer for coded pictures.
    CreateBitstreamBuffer = "NV_ENC_CREATE_BITSTREAM_BUFFER" {
        version: u32 = "version",
        size: u32 = "size",
        memory_heap: MemoryHeap = "memoryHeap",
        reserved: u32 = "reserved",
        bitstream_buffer: *mut c_void = "bitstreamBuffer",
        bitstream_buffer_ptr: *mut c_void = "bitstreamBufferPtr",
        reserved1: [u32; 58] = "reserved1",
        reserved2: [*mut c_void; 64] = "reserved2",
    }
    /// A clock time of a time code.
    ClockTimestampSet = "NV_ENC_CLOCK_TIMESTAMP_SET" {
        flags: u32 = bits [
            counting_type, set_counting_type: 0, 1 "countingType",
            discontinuity_flag, set_discontinuity_flag: 1, 1 "discontinuityFlag",
            cnt_dropped_frames, set_cnt_dropped_frames: 2, 1 "cntDroppedFrames",
            frames, set_frames: 3, 8 "nFrames",
            seconds_value, set_seconds_value: 11, 6 "secondsValue",
            minutes_value, set_minutes_value: 17, 6 "minutesValue",
            hours_value, set_hours_value: 23, 5 "hoursValue",
        ],
        time_offset: u32 = "timeOffset",
    }
    /// A time code.
    TimeCode = "NV_ENC_TIME_CODE" {
        display_pic_struct: DisplayPicStruct = "displayPicStruct",
        clock_timestamp: [ClockTimestampSet; 3] = "clockTimestamp",
        skip_clock_timestamp_insertion: u32 = "skipClockTimestampInsertion",
    }
    /// An SEI message or a metadata OBU.
    SeiPayload = "NV_ENC_SEI_PAYLOAD" {
        payload_size: u32 = "payloadSize",
        payload_type: u32 = "payloadType",
        payload: *mut u8 = "payload",
    }
    /// Parameters of an H.264 picture.
    PicParamsH264 = "NV_ENC_PIC_PARAMS_H264" {
        display_poc_syntax: u32 = "displayPOCSyntax",
        reserved3: u32 = "reserved3",
        ref_pic_flag: u32 = "refPicFlag",
        colour_plane_id: u32 = "colourPlaneId",
        force_intra_refresh_with_frame_cnt: u32 = "forceIntraRefreshWithFrameCnt",
        flags: u32 = bits [
            constrained_frame, set_constrained_frame: 0, 1 "constrainedFrame",
            slice_mode_data_update, set_slice_mode_data_update: 1, 1 "sliceModeDataUpdate",
            ltr_mark_frame, set_ltr_mark_frame: 2, 1 "ltrMarkFrame",
            ltr_use_frames, set_ltr_use_frames: 3, 1 "ltrUseFrames",
        ],
        slice_type_data: *mut u8 = "sliceTypeData",
        slice_type_array_cnt: u32 = "sliceTypeArrayCnt",
        sei_payload_array_cnt: u32 = "seiPayloadArrayCnt",
        sei_payload_array: *mut SeiPayload = "seiPayloadArray",
        slice_mode: u32 = "sliceMode",
        slice_mode_data: u32 = "sliceModeData",
        ltr_mark_frame_idx: u32 = "ltrMarkFrameIdx",
        ltr_use_frame_bitmap: u32 = "ltrUseFrameBitmap",
        ltr_usage_mode: u32 = "ltrUsageMode",
        force_intra_slice_count: u32 = "forceIntraSliceCount",
        force_intra_slice_idx: *mut u32 = "forceIntraSliceIdx",
        h264_ext_pic_params: [u64; 16] = "h264ExtPicParams",
        time_code: TimeCode = "timeCode",
        reserved: [u32; 202] = "reserved",
        reserved2: [*mut c_void; 61] = "reserved2",
    }
    /// Parameters of an HEVC picture.
    PicParamsHevc = "NV_ENC_PIC_PARAMS_HEVC" {
        display_poc_syntax: u32 = "displayPOCSyntax",
        ref_pic_flag: u32 = "refPicFlag",
        temporal_id: u32 = "temporalId",
        force_intra_refresh_with_frame_cnt: u32 = "forceIntraRefreshWithFrameCnt",
        flags: u32 = bits [
            constrained_frame, set_constrained_frame: 0, 1 "constrainedFrame",
            slice_mode_data_update, set_slice_mode_data_update: 1, 1 "sliceModeDataUpdate",
            ltr_mark_frame, set_ltr_mark_frame: 2, 1 "ltrMarkFrame",
            ltr_use_frames, set_ltr_use_frames: 3, 1 "ltrUseFrames",
        ],
        reserved1: u32 = "reserved1",
        slice_type_data: *mut u8 = "sliceTypeData",
        slice_type_array_cnt: u32 = "sliceTypeArrayCnt",
        slice_mode: u32 = "sliceMode",
        slice_mode_data: u32 = "sliceModeData",
        ltr_mark_frame_idx: u32 = "ltrMarkFrameIdx",
        ltr_use_frame_bitmap: u32 = "ltrUseFrameBitmap",
        ltr_usage_mode: u32 = "ltrUsageMode",
        sei_payload_array_cnt: u32 = "seiPayloadArrayCnt",
        reserved: u32 = "reserved",
        sei_payload_array: *mut SeiPayload = "seiPayloadArray",
        time_code: TimeCode = "timeCode",
        reserved2: [u32; 236] = "reserved2",
        reserved3: [*mut c_void; 61] = "reserved3",
    }
    /// Parameters of an AV1 picture.
    PicParamsAv1 = "NV_ENC_PIC_PARAMS_AV1" {
        display_poc_syntax: u32 = "displayPOCSyntax",
        ref_pic_flag: u32 = "refPicFlag",
        temporal_id: u32 = "temporalId",
        force_intra_refresh_with_frame_cnt: u32 = "forceIntraRefreshWithFrameCnt",
        flags: u32 = bits [
            golden_frame_flag, set_golden_frame_flag: 0, 1 "goldenFrameFlag",
            arf_frame_flag, set_arf_frame_flag: 1, 1 "arfFrameFlag",
            arf2_frame_flag, set_arf2_frame_flag: 2, 1 "arf2FrameFlag",
            bwd_frame_flag, set_bwd_frame_flag: 3, 1 "bwdFrameFlag",
            overlay_frame_flag, set_overlay_frame_flag: 4, 1 "overlayFrameFlag",
            show_existing_frame_flag, set_show_existing_frame_flag: 5, 1 "showExistingFrameFlag",
            error_resilient_mode_flag, set_error_resilient_mode_flag: 6, 1 "errorResilientModeFlag",
            tile_config_update, set_tile_config_update: 7, 1 "tileConfigUpdate",
            enable_custom_tile_config, set_enable_custom_tile_config: 8, 1 "enableCustomTileConfig",
            film_grain_params_update, set_film_grain_params_update: 9, 1 "filmGrainParamsUpdate",
        ],
        num_tile_columns: u32 = "numTileColumns",
        num_tile_rows: u32 = "numTileRows",
        reserved: u32 = "reserved",
        tile_widths: *mut u32 = "tileWidths",
        tile_heights: *mut u32 = "tileHeights",
        obu_payload_array_cnt: u32 = "obuPayloadArrayCnt",
        reserved1: u32 = "reserved1",
        obu_payload_array: *mut SeiPayload = "obuPayloadArray",
        film_grain_params: *mut c_void = "filmGrainParams",
        reserved2: [u32; 246] = "reserved2",
        reserved3: [*mut c_void; 61] = "reserved3",
    }
    /// A picture to encode.
    PicParams = "NV_ENC_PIC_PARAMS" {
        version: u32 = "version",
        input_width: u32 = "inputWidth",
        input_height: u32 = "inputHeight",
        input_pitch: u32 = "inputPitch",
        encode_pic_flags: u32 = "encodePicFlags",
        frame_idx: u32 = "frameIdx",
        input_time_stamp: u64 = "inputTimeStamp",
        input_duration: u64 = "inputDuration",
        input_buffer: *mut c_void = "inputBuffer",
        output_bitstream: *mut c_void = "outputBitstream",
        completion_event: *mut c_void = "completionEvent",
        buffer_fmt: BufferFormat = "bufferFmt",
        picture_struct: PicStruct = "pictureStruct",
        picture_type: PicType = "pictureType",
        codec_pic_params: CodecPicParams = "codecPicParams",
        me_hint_counts_per_block: [[u32; 4]; 2] = "meHintCountsPerBlock",
        me_external_hints: *mut c_void = "meExternalHints",
        reserved2: [u32; 7] = "reserved2",
        reserved5: [*mut c_void; 2] = "reserved5",
        qp_delta_map: *mut i8 = "qpDeltaMap",
        qp_delta_map_size: u32 = "qpDeltaMapSize",
        reserved_bit_fields: u32 = "reservedBitFields",
        me_hint_ref_pic_dist: [u16; 2] = "meHintRefPicDist",
        reserved4: u32 = "reserved4",
        alpha_buffer: *mut c_void = "alphaBuffer",
        me_external_sb_hints: *mut c_void = "meExternalSbHints",
        me_sb_hints_count: u32 = "meSbHintsCount",
        state_buffer_idx: u32 = "stateBufferIdx",
        output_recon_buffer: *mut c_void = "outputReconBuffer",
        reserved3: [u32; 284] = "reserved3",
        reserved6: [*mut c_void; 57] = "reserved6",
    }
}

union! {
    /// Parameters of a picture of the codec that is used.
    CodecPicParams = "NV_ENC_CODEC_PIC_PARAMS" {
        h264_pic_params: PicParamsH264 = "h264PicParams",
        hevc_pic_params: PicParamsHevc = "hevcPicParams",
        av1_pic_params: PicParamsAv1 = "av1PicParams",
        reserved: [u32; 256] = "reserved",
    }
}

versions! {
    CreateBitstreamBuffer = version(1) "NV_ENC_CREATE_BITSTREAM_BUFFER_VER",
    PicParams = version_31(7) "NV_ENC_PIC_PARAMS_VER",
}
