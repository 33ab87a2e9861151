use core::ffi::c_void;

use super::*;

structs! {
    /// A coded picture, while its buffer is locked.
    LockBitstream = "NV_ENC_LOCK_BITSTREAM" {
        version: u32 = "version",
        flags: u32 = bits [
            do_not_wait, set_do_not_wait: 0, 1 "doNotWait",
            ltr_frame, set_ltr_frame: 1, 1 "ltrFrame",
            get_rc_stats, set_get_rc_stats: 2, 1 "getRCStats",
        ],
        output_bitstream: *mut c_void = "outputBitstream",
        slice_offsets: *mut u32 = "sliceOffsets",
        frame_idx: u32 = "frameIdx",
        hw_encode_status: u32 = "hwEncodeStatus",
        num_slices: u32 = "numSlices",
        bitstream_size_in_bytes: u32 = "bitstreamSizeInBytes",
        output_time_stamp: u64 = "outputTimeStamp",
        output_duration: u64 = "outputDuration",
        bitstream_buffer_ptr: *mut c_void = "bitstreamBufferPtr",
        picture_type: PicType = "pictureType",
        picture_struct: PicStruct = "pictureStruct",
        frame_avg_qp: u32 = "frameAvgQP",
        frame_satd: u32 = "frameSatd",
        ltr_frame_idx: u32 = "ltrFrameIdx",
        ltr_frame_bitmap: u32 = "ltrFrameBitmap",
        temporal_id: u32 = "temporalId",
        intra_mb_count: u32 = "intraMBCount",
        inter_mb_count: u32 = "interMBCount",
        average_mv_x: i32 = "averageMVX",
        average_mv_y: i32 = "averageMVY",
        alpha_layer_size_in_bytes: u32 = "alphaLayerSizeInBytes",
        output_stats_ptr_size: u32 = "outputStatsPtrSize",
        reserved: u32 = "reserved",
        output_stats_ptr: *mut c_void = "outputStatsPtr",
        frame_idx_display: u32 = "frameIdxDisplay",
        reserved1: [u32; 219] = "reserved1",
        reserved2: [*mut c_void; 63] = "reserved2",
        reserved_internal: [u32; 8] = "reservedInternal",
    }
    /// A registered resource, while it is mapped.
    MapInputResource = "NV_ENC_MAP_INPUT_RESOURCE" {
        version: u32 = "version",
        sub_resource_index: u32 = "subResourceIndex",
        input_resource: *mut c_void = "inputResource",
        registered_resource: *mut c_void = "registeredResource",
        mapped_resource: *mut c_void = "mappedResource",
        mapped_buffer_fmt: BufferFormat = "mappedBufferFmt",
        reserved1: [u32; 251] = "reserved1",
        reserved2: [*mut c_void; 63] = "reserved2",
    }
    /// Memory that is registered with a session.
    RegisterResource = "NV_ENC_REGISTER_RESOURCE" {
        version: u32 = "version",
        resource_type: InputResourceType = "resourceType",
        width: u32 = "width",
        height: u32 = "height",
        pitch: u32 = "pitch",
        sub_resource_index: u32 = "subResourceIndex",
        resource_to_register: *mut c_void = "resourceToRegister",
        registered_resource: *mut c_void = "registeredResource",
        buffer_format: BufferFormat = "bufferFormat",
        buffer_usage: BufferUsage = "bufferUsage",
        input_fence_point: *mut c_void = "pInputFencePoint",
        chroma_offset: [u32; 2] = "chromaOffset",
        reserved1: [u32; 246] = "reserved1",
        reserved2: [*mut c_void; 61] = "reserved2",
    }
}

versions! {
    LockBitstream = version_31(2) "NV_ENC_LOCK_BITSTREAM_VER",
    MapInputResource = version(4) "NV_ENC_MAP_INPUT_RESOURCE_VER",
    RegisterResource = version(5) "NV_ENC_REGISTER_RESOURCE_VER",
}
