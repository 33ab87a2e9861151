//! The parser and the decoder: `nvcuvid.h` and `cuviddec.h`.

use core::ffi::{c_int, c_uint, c_ulong, c_void};

pub(in crate::sys) mod codes;

pub use codes::*;

/// A decoder: `CUvideodecoder`.
pub type Decoder = *mut c_void;
/// A parser: `CUvideoparser`.
pub type Parser = *mut c_void;
/// A lock of a CUDA context: `CUvideoctxlock`.
pub type ContextLock = *mut c_void;
/// A result of the CUDA driver: `CUresult`; 0 is success.
pub type CudaResult = c_int;

/// Called with each new sequence header; 0 is failure, 1 keeps the number of surfaces, more is the new number:
/// `PFNVIDSEQUENCECALLBACK`.
pub type SequenceCallback =
    unsafe extern "system" fn(user_data: *mut c_void, format: *mut VideoFormat) -> c_int;
/// Called with each picture in decoding order; 0 is failure: `PFNVIDDECODECALLBACK`.
pub type DecodeCallback =
    unsafe extern "system" fn(user_data: *mut c_void, picture: *mut PictureParams) -> c_int;
/// Called with each picture in display order, and with null at the end; 0 is failure: `PFNVIDDISPLAYCALLBACK`.
pub type DisplayCallback =
    unsafe extern "system" fn(user_data: *mut c_void, picture: *mut ParserDisplayInfo) -> c_int;
/// Called for the operating point of a scalable AV1 stream; below 0 is failure: `PFNVIDOPPOINTCALLBACK`.
pub type OperatingPointCallback =
    unsafe extern "system" fn(user_data: *mut c_void, info: *mut OperatingPointInfo) -> c_int;

exports! {
    /// What `libnvcuvid.so.1` and `nvcuvid.dll` export.
    Functions {
        get_decoder_caps = "cuvidGetDecoderCaps" fn(caps: *mut DecodeCaps) -> CudaResult;
        create_decoder = "cuvidCreateDecoder" fn(decoder: *mut Decoder, info: *mut DecodeCreateInfo) -> CudaResult;
        destroy_decoder = "cuvidDestroyDecoder" fn(decoder: Decoder) -> CudaResult;
        decode_picture = "cuvidDecodePicture" fn(decoder: Decoder, picture: *mut PictureParams) -> CudaResult;
        get_decode_status = "cuvidGetDecodeStatus"
            fn(decoder: Decoder, picture_index: c_int, status: *mut GetDecodeStatus) -> CudaResult;
        reconfigure_decoder = "cuvidReconfigureDecoder"
            fn(decoder: Decoder, info: *mut ReconfigureDecoderInfo) -> CudaResult;
        map_video_frame = "cuvidMapVideoFrame64"
            fn(
                decoder: Decoder,
                picture_index: c_int,
                device_pointer: *mut u64,
                pitch_bytes: *mut c_uint,
                params: *mut ProcessingParams
            ) -> CudaResult;
        unmap_video_frame = "cuvidUnmapVideoFrame64" fn(decoder: Decoder, device_pointer: u64) -> CudaResult;
        context_lock_create = "cuvidCtxLockCreate" fn(lock: *mut ContextLock, context: *mut c_void) -> CudaResult;
        context_lock_destroy = "cuvidCtxLockDestroy" fn(lock: ContextLock) -> CudaResult;
        create_video_parser = "cuvidCreateVideoParser"
            fn(parser: *mut Parser, params: *mut ParserParams) -> CudaResult;
        parse_video_data = "cuvidParseVideoData" fn(parser: Parser, packet: *mut SourceDataPacket) -> CudaResult;
        destroy_video_parser = "cuvidDestroyVideoParser" fn(parser: Parser) -> CudaResult;
    }
}

structs! {
    /// A rectangle in pixels; right and bottom lie outside.
    Rect16 = "" {
        left: i16 = "left",
        top: i16 = "top",
        right: i16 = "right",
        bottom: i16 = "bottom",
    }
    /// A rectangle in pixels; right and bottom lie outside.
    Rect = "" {
        left: i32 = "left",
        top: i32 = "top",
        right: i32 = "right",
        bottom: i32 = "bottom",
    }
    /// Frames per second; both parts are 0 where unknown.
    FrameRate = "" {
        numerator: u32 = "numerator",
        denominator: u32 = "denominator",
    }
    /// Width to height of the picture as shown.
    AspectRatio = "" {
        x: i32 = "x",
        y: i32 = "y",
    }
    /// Colour description, with the numbers of ITU-T H.273.
    SignalDescription = "" {
        flags: u8 = bits [
            video_format, set_video_format: 0, 3 "video_format",
            video_full_range_flag, set_video_full_range_flag: 3, 1 "video_full_range_flag",
        ],
        color_primaries: u8 = "color_primaries",
        transfer_characteristics: u8 = "transfer_characteristics",
        matrix_coefficients: u8 = "matrix_coefficients",
    }
    /// What the hardware can do with one codec, chroma format and depth; the first three fields ask, the others answer.
    DecodeCaps = "CUVIDDECODECAPS" {
        codec_type: VideoCodec = "eCodecType",
        chroma_format: ChromaFormat = "eChromaFormat",
        bit_depth_minus8: u32 = "nBitDepthMinus8",
        reserved1: [u32; 3] = "reserved1",
        is_supported: u8 = "bIsSupported",
        num_nvdecs: u8 = "nNumNVDECs",
        output_format_mask: u16 = "nOutputFormatMask",
        max_width: u32 = "nMaxWidth",
        max_height: u32 = "nMaxHeight",
        max_mb_count: u32 = "nMaxMBCount",
        min_width: u16 = "nMinWidth",
        min_height: u16 = "nMinHeight",
        is_histogram_supported: u8 = "bIsHistogramSupported",
        counter_bit_depth: u8 = "nCounterBitDepth",
        max_histogram_bins: u16 = "nMaxHistogramBins",
        reserved3: [u32; 10] = "reserved3",
    }
    /// How a decoder is to be made.
    DecodeCreateInfo = "CUVIDDECODECREATEINFO" {
        width: c_ulong = "ulWidth",
        height: c_ulong = "ulHeight",
        num_decode_surfaces: c_ulong = "ulNumDecodeSurfaces",
        codec_type: VideoCodec = "CodecType",
        chroma_format: ChromaFormat = "ChromaFormat",
        creation_flags: c_ulong = "ulCreationFlags",
        bit_depth_minus8: c_ulong = "bitDepthMinus8",
        intra_decode_only: c_ulong = "ulIntraDecodeOnly",
        max_width: c_ulong = "ulMaxWidth",
        max_height: c_ulong = "ulMaxHeight",
        reserved1: c_ulong = "Reserved1",
        display_area: Rect16 = "display_area" parts,
        output_format: SurfaceFormat = "OutputFormat",
        deinterlace_mode: DeinterlaceMode = "DeinterlaceMode",
        target_width: c_ulong = "ulTargetWidth",
        target_height: c_ulong = "ulTargetHeight",
        num_output_surfaces: c_ulong = "ulNumOutputSurfaces",
        vid_lock: *mut c_void = "vidLock",
        target_rect: Rect16 = "target_rect" parts,
        enable_histogram: c_ulong = "enableHistogram",
        reserved2: [c_ulong; 4] = "Reserved2",
    }
    /// One picture to decode, filled by the parser; the part that depends on the codec is passed on unread.
    PictureParams = "CUVIDPICPARAMS" {
        pic_width_in_mbs: i32 = "PicWidthInMbs",
        frame_height_in_mbs: i32 = "FrameHeightInMbs",
        curr_pic_idx: i32 = "CurrPicIdx",
        field_pic_flag: i32 = "field_pic_flag",
        bottom_field_flag: i32 = "bottom_field_flag",
        second_field: i32 = "second_field",
        bitstream_data_len: u32 = "nBitstreamDataLen",
        bitstream_data: *const u8 = "pBitstreamData",
        num_slices: u32 = "nNumSlices",
        slice_data_offsets: *const u32 = "pSliceDataOffsets",
        ref_pic_flag: i32 = "ref_pic_flag",
        intra_pic_flag: i32 = "intra_pic_flag",
        reserved: [u32; 30] = "Reserved",
        codec_specific: [u64; 512] = "CodecSpecific",
    }
    /// How a decoded surface is mapped.
    ProcessingParams = "CUVIDPROCPARAMS" {
        progressive_frame: i32 = "progressive_frame",
        second_field: i32 = "second_field",
        top_field_first: i32 = "top_field_first",
        unpaired_field: i32 = "unpaired_field",
        reserved_flags: u32 = "reserved_flags",
        reserved_zero: u32 = "reserved_zero",
        raw_input_dptr: u64 = "raw_input_dptr",
        raw_input_pitch: u32 = "raw_input_pitch",
        raw_input_format: u32 = "raw_input_format",
        raw_output_dptr: u64 = "raw_output_dptr",
        raw_output_pitch: u32 = "raw_output_pitch",
        reserved1: u32 = "Reserved1",
        output_stream: *mut c_void = "output_stream",
        reserved: [u32; 46] = "Reserved",
        histogram_dptr: *mut u64 = "histogram_dptr",
        reserved2: [*mut c_void; 1] = "Reserved2",
    }
    /// How the decoding of a picture went.
    GetDecodeStatus = "CUVIDGETDECODESTATUS" {
        decode_status: DecodeStatus = "decodeStatus",
        reserved: [u32; 31] = "reserved",
        reserved_pointers: [*mut c_void; 8] = "pReserved",
    }
    /// The new sizes of a decoder, after a change of sequence.
    ReconfigureDecoderInfo = "CUVIDRECONFIGUREDECODERINFO" {
        width: u32 = "ulWidth",
        height: u32 = "ulHeight",
        target_width: u32 = "ulTargetWidth",
        target_height: u32 = "ulTargetHeight",
        num_decode_surfaces: u32 = "ulNumDecodeSurfaces",
        reserved1: [u32; 12] = "reserved1",
        display_area: Rect16 = "display_area" parts,
        target_rect: Rect16 = "target_rect" parts,
        reserved2: [u32; 11] = "reserved2",
    }
    /// What the parser read from a sequence header.
    VideoFormat = "CUVIDEOFORMAT" {
        codec: VideoCodec = "codec",
        frame_rate: FrameRate = "frame_rate" parts,
        progressive_sequence: u8 = "progressive_sequence",
        bit_depth_luma_minus8: u8 = "bit_depth_luma_minus8",
        bit_depth_chroma_minus8: u8 = "bit_depth_chroma_minus8",
        min_num_decode_surfaces: u8 = "min_num_decode_surfaces",
        coded_width: u32 = "coded_width",
        coded_height: u32 = "coded_height",
        display_area: Rect = "display_area" parts,
        chroma_format: ChromaFormat = "chroma_format",
        bitrate: u32 = "bitrate",
        display_aspect_ratio: AspectRatio = "display_aspect_ratio" parts,
        video_signal_description: SignalDescription = "video_signal_description" parts,
        seqhdr_data_length: u32 = "seqhdr_data_length",
    }
    /// The operating points of a scalable AV1 stream.
    OperatingPointInfo = "CUVIDOPERATINGPOINTINFO" {
        codec: VideoCodec = "codec",
        codec_reserved: [u8; 1024] = "CodecReserved",
    }
    /// A [`VideoFormat`] with the raw sequence header after it.
    VideoFormatEx = "CUVIDEOFORMATEX" {
        format: VideoFormat = "format",
        raw_seqhdr_data: [u8; 1024] = "raw_seqhdr_data",
    }
    /// A packet for the parser.
    SourceDataPacket = "CUVIDSOURCEDATAPACKET" {
        flags: c_ulong = "flags",
        payload_size: c_ulong = "payload_size",
        payload: *const u8 = "payload",
        timestamp: i64 = "timestamp",
    }
    /// A picture that is due for display.
    ParserDisplayInfo = "CUVIDPARSERDISPINFO" {
        picture_index: i32 = "picture_index",
        progressive_frame: i32 = "progressive_frame",
        top_field_first: i32 = "top_field_first",
        repeat_first_field: i32 = "repeat_first_field",
        timestamp: i64 = "timestamp",
    }
    /// How a parser is to be made.
    ParserParams = "CUVIDPARSERPARAMS" {
        codec_type: VideoCodec = "CodecType",
        max_num_decode_surfaces: u32 = "ulMaxNumDecodeSurfaces",
        clock_rate: u32 = "ulClockRate",
        error_threshold: u32 = "ulErrorThreshold",
        max_display_delay: u32 = "ulMaxDisplayDelay",
        flags: u32 = bits [
            annexb, set_annexb: 0, 1 "bAnnexb",
        ],
        reserved1: [u32; 4] = "uReserved1",
        user_data: *mut c_void = "pUserData",
        sequence_callback: Option<SequenceCallback> = "pfnSequenceCallback",
        decode_picture: Option<DecodeCallback> = "pfnDecodePicture",
        display_picture: Option<DisplayCallback> = "pfnDisplayPicture",
        get_operating_point: Option<OperatingPointCallback> = "pfnGetOperatingPoint",
        get_sei_msg: *mut c_void = "pfnGetSEIMsg",
        reserved2: [*mut c_void; 5] = "pvReserved2",
        ext_video_info: *mut VideoFormatEx = "pExtVideoInfo",
    }
}
