use super::ffi;
use super::ffi::AVPacketSideDataType as Kind;

/// The kinds of stream side data that matter here, with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SideData {
    DisplayMatrix,
    MasteringDisplay,
    ContentLight,
    EncryptionInit,
    Encryption,
    Hdr10Plus,
    DolbyVision,
}

impl SideData {
    pub(super) const fn kind(self) -> ffi::AVPacketSideDataType {
        match self {
            Self::DisplayMatrix => Kind::AV_PKT_DATA_DISPLAYMATRIX,
            Self::MasteringDisplay => Kind::AV_PKT_DATA_MASTERING_DISPLAY_METADATA,
            Self::ContentLight => Kind::AV_PKT_DATA_CONTENT_LIGHT_LEVEL,
            Self::EncryptionInit => Kind::AV_PKT_DATA_ENCRYPTION_INIT_INFO,
            Self::Encryption => Kind::AV_PKT_DATA_ENCRYPTION_INFO,
            Self::Hdr10Plus => Kind::AV_PKT_DATA_DYNAMIC_HDR10_PLUS,
            Self::DolbyVision => Kind::AV_PKT_DATA_DOVI_CONF,
        }
    }

    /// The number in [`rave_core::PacketSideData`].
    pub(crate) const fn number(self) -> i32 {
        self.kind() as i32
    }

    pub(super) const fn frame_kind(self) -> Option<ffi::AVFrameSideDataType> {
        use ffi::AVFrameSideDataType as Frame;
        match self {
            Self::DisplayMatrix => Some(Frame::AV_FRAME_DATA_DISPLAYMATRIX),
            Self::MasteringDisplay => Some(Frame::AV_FRAME_DATA_MASTERING_DISPLAY_METADATA),
            Self::ContentLight => Some(Frame::AV_FRAME_DATA_CONTENT_LIGHT_LEVEL),
            Self::Hdr10Plus => Some(Frame::AV_FRAME_DATA_DYNAMIC_HDR_PLUS),
            Self::DolbyVision => Some(Frame::AV_FRAME_DATA_DOVI_RPU_BUFFER),
            Self::EncryptionInit | Self::Encryption => None,
        }
    }
}
