//! The encoder: `nvEncodeAPI.h`.

use core::ffi::c_void;

/// Declares version words, `Type = word "spelling"`, and the constructor that sets them.
macro_rules! versions {
    ($($name:ident = $word:ident($number:literal) $nv:literal,)*) => {
        $(impl $name {
            #[doc = concat!("`", $nv, "`")]
            pub const VERSION: u32 = super::$word($number);

            /// All zero but for the version word.
            pub fn versioned() -> Self {
                Self { version: Self::VERSION, ..Self::default() }
            }
        })*

        #[cfg(test)]
        pub(in crate::sys) fn declared_versions() -> Vec<(&'static str, u32)> {
            vec![$(($nv, $name::VERSION)),*]
        }
    };
}

pub(in crate::sys) mod caps;
pub(in crate::sys) mod codes;
pub(in crate::sys) mod config;
pub(in crate::sys) mod functions;
pub(in crate::sys) mod guid;
pub(in crate::sys) mod picture;
pub(in crate::sys) mod resource;
pub(in crate::sys) mod session;
pub(in crate::sys) mod vui;

pub use caps::Caps;
pub use codes::*;
pub use config::{CodecConfig, Config, ConfigAv1, ConfigH264, ConfigHevc, Qp, RcParams, VuiParameters};
pub use functions::{FunctionList, Functions};
pub use guid::Guid;
pub use picture::{
    ClockTimestampSet, CodecPicParams, CreateBitstreamBuffer, PicParams, PicParamsAv1, PicParamsH264,
    PicParamsHevc, SeiPayload, TimeCode,
};
pub use resource::{LockBitstream, MapInputResource, RegisterResource};
pub use session::{
    CapsParam, EventParams, InitializeParams, OpenEncodeSessionExParams, PresetConfig, ReconfigureParams,
    SequenceParamPayload,
};
pub use vui::{VuiColorPrimaries, VuiMatrixCoeffs, VuiTransferCharacteristic, VuiVideoFormat};

/// An encoder session: `void *encoder`.
pub type Encoder = *mut c_void;
/// A mapped input: `NV_ENC_INPUT_PTR`.
pub type InputPointer = *mut c_void;
/// A bitstream buffer: `NV_ENC_OUTPUT_PTR`.
pub type OutputPointer = *mut c_void;
/// A registered resource: `NV_ENC_REGISTERED_PTR`.
pub type RegisteredPointer = *mut c_void;

/// `NVENCAPI_MAJOR_VERSION`
pub const MAJOR_VERSION: u32 = 12;
/// `NVENCAPI_MINOR_VERSION`
pub const MINOR_VERSION: u32 = 2;
/// `NVENCAPI_VERSION`
pub const API_VERSION: u32 = MAJOR_VERSION | (MINOR_VERSION << 24);
/// `NVENC_INFINITE_GOPLENGTH`
pub const INFINITE_GOP_LENGTH: u32 = u32::MAX;
/// `NV_MAX_SEQ_HDR_LEN`: bytes that the parameter sets have at most.
pub const MAX_SEQ_HDR_LEN: u32 = 512;

/// The version word of a struct: `NVENCAPI_STRUCT_VERSION`.
const fn version(number: u32) -> u32 {
    API_VERSION | (number << 16) | (0x7 << 28)
}

/// The version word of a struct that has bit 31 set as well.
const fn version_31(number: u32) -> u32 {
    version(number) | (1 << 31)
}

#[cfg(test)]
pub(in crate::sys) fn declared_constants() -> [(&'static str, u32); 5] {
    [
        ("NVENCAPI_MAJOR_VERSION", MAJOR_VERSION),
        ("NVENCAPI_MINOR_VERSION", MINOR_VERSION),
        ("NVENCAPI_VERSION", API_VERSION),
        ("NVENC_INFINITE_GOPLENGTH", INFINITE_GOP_LENGTH),
        ("NV_MAX_SEQ_HDR_LEN", MAX_SEQ_HDR_LEN),
    ]
}
