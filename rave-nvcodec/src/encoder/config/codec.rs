use rave_core::{ColorSpec, Range, Siting, VideoInfo};

use crate::encoder::capabilities::NvencProfile;
use crate::encoder::{NvencBReferences, NvencCodec, NvencOptions, NvencParameterSets, NvencRateControl};
use crate::sys::nvenc::{self, Guid};

/// Sets the part of the codec: profile, parameter sets, colour.
pub(super) fn configure(config: &mut nvenc::Config, options: &NvencOptions, info: &VideoInfo, bframes: u32) {
    let bits = info.format.bits().unwrap_or(8);
    let profile = NvencProfile::of(options.codec, bits);
    config.profile_guid = match options.rate_control {
        // H.264 has lossless in another profile, which the driver knows.
        NvencRateControl::Lossless if options.codec == NvencCodec::H264 => Guid::CODEC_PROFILE_AUTOSELECT,
        _ => profile.map_or(Guid::CODEC_PROFILE_AUTOSELECT, NvencProfile::guid),
    };
    let b_references = match (bframes, options.b_references) {
        (0, _) => Some(nvenc::BFrameRefMode::DISABLED),
        (_, mode) => mode.map(NvencBReferences::mode),
    };
    let settings = Settings { options, info, depth: bit_depth(bits), b_references };
    // SAFETY: every member of the union consists of integers and pointers, which are valid whatever another member's
    // bytes; the one that is meant is the codec's, as the driver has filled it in.
    unsafe {
        match options.codec {
            NvencCodec::H264 => h264(&mut config.encode_codec_config.h264_config, &settings),
            NvencCodec::Hevc => hevc(&mut config.encode_codec_config.hevc_config, &settings),
            NvencCodec::Av1 => av1(&mut config.encode_codec_config.av1_config, &settings),
        }
    }
}

struct Settings<'a> {
    options: &'a NvencOptions,
    info: &'a VideoInfo,
    depth: nvenc::BitDepth,
    b_references: Option<nvenc::BFrameRefMode>,
}

impl Settings<'_> {
    /// Whether parameter sets are to be left out of the stream, and whether to be repeated in it.
    const fn parameter_sets(&self) -> (u32, u32) {
        match self.options.parameter_sets {
            NvencParameterSets::Separate => (1, 0),
            NvencParameterSets::InBand => (0, 1),
        }
    }
}

const fn bit_depth(bits: u8) -> nvenc::BitDepth {
    match bits {
        10 => nvenc::BitDepth::BITS_10,
        _ => nvenc::BitDepth::BITS_8,
    }
}

/// 4:2:0.
const CHROMA_420: u32 = 1;
/// `sliceMode` 3 with 1: one slice a picture.
const ONE_SLICE: (u32, u32) = (3, 1);

fn h264(config: &mut nvenc::ConfigH264, settings: &Settings<'_>) {
    let (disable, repeat) = settings.parameter_sets();
    config.set_disable_sps_pps(disable);
    config.set_repeat_sps_pps(repeat);
    config.idr_period = settings.options.gop;
    config.chroma_format_idc = CHROMA_420;
    (config.slice_mode, config.slice_mode_data) = ONE_SLICE;
    (config.input_bit_depth, config.output_bit_depth) = (settings.depth, settings.depth);
    config.use_b_frames_as_ref = settings.b_references.unwrap_or(config.use_b_frames_as_ref);
    if settings.options.rate_control == NvencRateControl::Lossless {
        config.set_qp_prime_y_zero_transform_bypass_flag(1);
    }
    vui(&mut config.h264_vui_parameters, settings);
}

fn hevc(config: &mut nvenc::ConfigHevc, settings: &Settings<'_>) {
    let (disable, repeat) = settings.parameter_sets();
    config.set_disable_sps_pps(disable);
    config.set_repeat_sps_pps(repeat);
    config.idr_period = settings.options.gop;
    config.set_chroma_format_idc(CHROMA_420);
    (config.slice_mode, config.slice_mode_data) = ONE_SLICE;
    (config.input_bit_depth, config.output_bit_depth) = (settings.depth, settings.depth);
    config.use_b_frames_as_ref = settings.b_references.unwrap_or(config.use_b_frames_as_ref);
    vui(&mut config.hevc_vui_parameters, settings);
}

fn av1(config: &mut nvenc::ConfigAv1, settings: &Settings<'_>) {
    // MP4 wants the sequence header in every key frame.
    config.set_disable_seq_hdr(0);
    config.set_repeat_seq_hdr(1);
    // OBUs with sizes, as containers have them.
    config.set_output_annex_b_format(0);
    config.idr_period = settings.options.gop;
    config.set_chroma_format_idc(CHROMA_420);
    (config.input_bit_depth, config.output_bit_depth) = (settings.depth, settings.depth);
    config.use_b_frames_as_ref = settings.b_references.unwrap_or(config.use_b_frames_as_ref);
    let color = &settings.info.color;
    (config.color_primaries, config.transfer_characteristics, config.matrix_coefficients) =
        code_points(color);
    config.color_range = u32::from(color.range == Range::Full);
    // AV1 specification, 6.4.2: chroma_sample_position.
    config.chroma_sample_position = match color.siting {
        Siting::Left => 1,
        Siting::TopLeft => 2,
        _ => 0,
    };
}

fn code_points(
    color: &ColorSpec,
) -> (nvenc::VuiColorPrimaries, nvenc::VuiTransferCharacteristic, nvenc::VuiMatrixCoeffs) {
    (
        nvenc::VuiColorPrimaries(color.primaries.code().into()),
        nvenc::VuiTransferCharacteristic(color.transfer.code().into()),
        nvenc::VuiMatrixCoeffs(color.matrix.code().into()),
    )
}

/// Rec. ITU-T H.264, E.2.1; H.265, E.3.1.
fn vui(vui: &mut nvenc::VuiParameters, settings: &Settings<'_>) {
    let color = &settings.info.color;
    vui.video_signal_type_present_flag = 1;
    vui.video_format = nvenc::VuiVideoFormat::UNSPECIFIED;
    vui.video_full_range_flag = u32::from(color.range == Range::Full);
    vui.colour_description_present_flag = 1;
    (vui.colour_primaries, vui.transfer_characteristics, vui.colour_matrix) = code_points(color);
    if let Some(location) = chroma_location(color.siting) {
        vui.chroma_sample_location_flag = 1;
        (vui.chroma_sample_location_top, vui.chroma_sample_location_bot) = (location, location);
    }
    // A decoder that is told how many frames are held back need not guess.
    vui.bitstream_restriction_flag = u32::from(settings.options.gop > 1);
}

/// Chroma420SampleLocType (H.273).
const fn chroma_location(siting: Siting) -> Option<u32> {
    match siting {
        Siting::Unspecified => None,
        Siting::Left => Some(0),
        Siting::Center => Some(1),
        Siting::TopLeft => Some(2),
        Siting::Top => Some(3),
        Siting::BottomLeft => Some(4),
        Siting::Bottom => Some(5),
    }
}
