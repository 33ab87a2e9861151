codes! {
    /// A codec.
    VideoCodec = "cudaVideoCodec_enum" {
        MPEG1 = 0 "cudaVideoCodec_MPEG1",
        MPEG2 = 1 "cudaVideoCodec_MPEG2",
        MPEG4 = 2 "cudaVideoCodec_MPEG4",
        VC1 = 3 "cudaVideoCodec_VC1",
        H264 = 4 "cudaVideoCodec_H264",
        JPEG = 5 "cudaVideoCodec_JPEG",
        H264_SVC = 6 "cudaVideoCodec_H264_SVC",
        H264_MVC = 7 "cudaVideoCodec_H264_MVC",
        HEVC = 8 "cudaVideoCodec_HEVC",
        VP8 = 9 "cudaVideoCodec_VP8",
        VP9 = 10 "cudaVideoCodec_VP9",
        AV1 = 11 "cudaVideoCodec_AV1",
        NUM_CODECS = 12 "cudaVideoCodec_NumCodecs",
        YUV420 = 0x49595556 "cudaVideoCodec_YUV420",
        YV12 = 0x59563132 "cudaVideoCodec_YV12",
        NV12 = 0x4e563132 "cudaVideoCodec_NV12",
        YUYV = 0x59555956 "cudaVideoCodec_YUYV",
        UYVY = 0x55595659 "cudaVideoCodec_UYVY",
    }
    /// The pixel format of a decoded surface.
    SurfaceFormat = "cudaVideoSurfaceFormat_enum" {
        NV12 = 0 "cudaVideoSurfaceFormat_NV12",
        P016 = 1 "cudaVideoSurfaceFormat_P016",
        YUV444 = 2 "cudaVideoSurfaceFormat_YUV444",
        YUV444_16BIT = 3 "cudaVideoSurfaceFormat_YUV444_16Bit",
    }
    /// What is done to interlaced pictures.
    DeinterlaceMode = "cudaVideoDeinterlaceMode_enum" {
        WEAVE = 0 "cudaVideoDeinterlaceMode_Weave",
        BOB = 1 "cudaVideoDeinterlaceMode_Bob",
        ADAPTIVE = 2 "cudaVideoDeinterlaceMode_Adaptive",
    }
    /// Chroma subsampling.
    ChromaFormat = "cudaVideoChromaFormat_enum" {
        MONOCHROME = 0 "cudaVideoChromaFormat_Monochrome",
        YUV420 = 1 "cudaVideoChromaFormat_420",
        YUV422 = 2 "cudaVideoChromaFormat_422",
        YUV444 = 3 "cudaVideoChromaFormat_444",
    }
    /// Which decoder hardware is preferred.
    CreateFlags = "cudaVideoCreateFlags_enum" {
        DEFAULT = 0 "cudaVideoCreate_Default",
        PREFER_CUDA = 1 "cudaVideoCreate_PreferCUDA",
        PREFER_DXVA = 2 "cudaVideoCreate_PreferDXVA",
        PREFER_CUVID = 4 "cudaVideoCreate_PreferCUVID",
    }
    /// How the decoding of a picture went.
    DecodeStatus = "cuvidDecodeStatus_enum" {
        INVALID = 0 "cuvidDecodeStatus_Invalid",
        IN_PROGRESS = 1 "cuvidDecodeStatus_InProgress",
        SUCCESS = 2 "cuvidDecodeStatus_Success",
        ERROR = 8 "cuvidDecodeStatus_Error",
        ERROR_CONCEALED = 9 "cuvidDecodeStatus_Error_Concealed",
    }
    /// What is true of a packet; a sum of flags.
    PacketFlags = "CUvideopacketflags" {
        ENDOFSTREAM = 1 "CUVID_PKT_ENDOFSTREAM",
        TIMESTAMP = 2 "CUVID_PKT_TIMESTAMP",
        DISCONTINUITY = 4 "CUVID_PKT_DISCONTINUITY",
        ENDOFPICTURE = 8 "CUVID_PKT_ENDOFPICTURE",
        NOTIFY_EOS = 16 "CUVID_PKT_NOTIFY_EOS",
    }
}
