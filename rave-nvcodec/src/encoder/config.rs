use rave_core::{ColorSpec, Range, Rational, Siting, VideoInfo};

use super::capabilities::{CodecCapabilities, NvencProfile, buffer_format};
use super::{
    EncodeError, NvencBReferences, NvencCodec, NvencMultiPass, NvencOptions, NvencParameterSets,
    NvencRateControl, NvencSpatialAq, NvencSwitch, NvencTuning,
};
use crate::sys::nvenc::{self, Guid};

/// Frames a second where the stream says none: rate control needs a number.
const ASSUMED_RATE: (u32, u32) = (25, 1);
/// The encoder wants this many buffers beyond those that B-frames hold back (`NvEncCreateBitstreamBuffer`).
const EXTRA_BUFFERS: u32 = 4;

/// What an encoder is made with, and what follows from it.
pub(super) struct Plan {
    pub(super) config: nvenc::Config,
    /// Without the pointer to `config`.
    pub(super) params: nvenc::InitializeParams,
    pub(super) bframes: u32,
    pub(super) lookahead: u32,
    /// Buffers of each kind.
    pub(super) buffers: u32,
    /// Frames that may be in the encoder while it is given the next.
    pub(super) in_flight: u32,
}

/// The tuning that the options amount to.
pub(super) const fn tuning(options: &NvencOptions) -> nvenc::TuningInfo {
    match (options.rate_control, options.tuning) {
        (NvencRateControl::Lossless, _) => nvenc::TuningInfo::LOSSLESS,
        (_, NvencTuning::HighQuality) => nvenc::TuningInfo::HIGH_QUALITY,
        (_, NvencTuning::LowLatency) => nvenc::TuningInfo::LOW_LATENCY,
    }
}

impl Plan {
    /// The preset's configuration with the options put into it. Options, format and size have been checked.
    pub(super) fn new(
        preset: nvenc::Config,
        options: &NvencOptions,
        info: &VideoInfo,
        capabilities: &CodecCapabilities,
    ) -> Result<Self, EncodeError> {
        let mut config = preset;
        let bframes = structure(&mut config, options, capabilities);
        let lookahead = look_ahead(&mut config, options, bframes)?;
        rate_control(&mut config.rc_params, options);
        adaptive_quantization(&mut config.rc_params, options);
        codec(&mut config, options, info, bframes)?;
        let buffers = bframes + lookahead + EXTRA_BUFFERS;
        let in_flight = match options.tuning {
            NvencTuning::HighQuality => buffers - 1,
            NvencTuning::LowLatency => bframes + lookahead,
        };
        let params = initialize_params(options, info)?;
        Ok(Self { config, params, bframes, lookahead, buffers, in_flight })
    }

    /// Sets bit rates of a running encoder.
    pub(super) fn set_bit_rates(&mut self, average_kilobits: u32, maximum_kilobits: u32) {
        self.config.rc_params.average_bit_rate = average_kilobits.saturating_mul(1000);
        self.config.rc_params.max_bit_rate = maximum_kilobits.saturating_mul(1000);
    }
}

/// Group of pictures and B-frames; gives the number of these.
fn structure(config: &mut nvenc::Config, options: &NvencOptions, capabilities: &CodecCapabilities) -> u32 {
    let preset = u32::try_from(config.frame_interval_p - 1).unwrap_or(0).min(capabilities.max_bframes);
    let bframes = options.bframes.unwrap_or(preset).min(options.gop - 1);
    config.gop_length = options.gop;
    config.frame_interval_p = match options.gop {
        1 => 0,
        _ => bframes.cast_signed() + 1,
    };
    config.frame_field_mode = nvenc::FrameFieldMode::FRAME;
    config.mono_chrome_encoding = 0;
    bframes
}

fn look_ahead(config: &mut nvenc::Config, options: &NvencOptions, bframes: u32) -> Result<u32, EncodeError> {
    /// `NV_ENC_RC_PARAMS::lookaheadDepth`: with the B-frames.
    const MOST: u32 = 31;
    let rc = &mut config.rc_params;
    let preset = if rc.enable_lookahead() != 0 { u32::from(rc.lookahead_depth) } else { 0 };
    let most = MOST.saturating_sub(bframes);
    let depth = options.lookahead.unwrap_or(preset.min(most));
    if depth > most {
        let reason = format!("with {bframes} B-frames it is at most {most}");
        return Err(options.refuse(format!("a look-ahead of {depth} frames"), reason));
    }
    rc.set_enable_lookahead(u32::from(depth > 0));
    rc.lookahead_depth = depth as u16;
    Ok(depth)
}

fn rate_control(rc: &mut nvenc::RcParams, options: &NvencOptions) {
    rc.version = nvenc::RcParams::VERSION;
    (rc.average_bit_rate, rc.max_bit_rate, rc.target_quality, rc.target_quality_lsb) = (0, 0, 0, 0);
    (rc.vbv_buffer_size, rc.vbv_initial_delay) = (0, 0);
    match options.rate_control {
        NvencRateControl::ConstantQuality(quality) => {
            let fixed = (quality * 256.0).round() as u32;
            rc.rate_control_mode = nvenc::RcMode::VBR;
            rc.target_quality = (fixed >> 8) as u8;
            rc.target_quality_lsb = (fixed & 0xff) as u8;
        }
        NvencRateControl::Vbr { average_kilobits_per_second, maximum_kilobits_per_second } => {
            rc.rate_control_mode = nvenc::RcMode::VBR;
            rc.average_bit_rate = average_kilobits_per_second * 1000;
            rc.max_bit_rate = maximum_kilobits_per_second.unwrap_or(0) * 1000;
        }
        NvencRateControl::Cbr { kilobits_per_second } => {
            rc.rate_control_mode = nvenc::RcMode::CBR;
            rc.average_bit_rate = kilobits_per_second * 1000;
            rc.max_bit_rate = rc.average_bit_rate;
        }
        NvencRateControl::ConstantQp { intra, inter_p, inter_b } => {
            rc.rate_control_mode = nvenc::RcMode::CONSTQP;
            rc.const_qp = nvenc::Qp { qp_intra: intra, qp_inter_p: inter_p, qp_inter_b: inter_b };
        }
        NvencRateControl::Lossless => {
            rc.rate_control_mode = nvenc::RcMode::CONSTQP;
            rc.const_qp = nvenc::Qp::default();
        }
    }
}

fn adaptive_quantization(rc: &mut nvenc::RcParams, options: &NvencOptions) {
    let strength = match options.spatial_aq {
        NvencSpatialAq::Preset => None,
        NvencSpatialAq::Off => Some((0, 0)),
        NvencSpatialAq::Auto => Some((1, 0)),
        NvencSpatialAq::Strength(strength) => Some((1, u32::from(strength))),
    };
    if let Some((is_on, strength)) = strength {
        rc.set_enable_aq(is_on);
        rc.set_aq_strength(strength);
    }
    match options.temporal_aq {
        NvencSwitch::Preset => {}
        NvencSwitch::Off => rc.set_enable_temporal_aq(0),
        NvencSwitch::On => rc.set_enable_temporal_aq(1),
    }
    match options.multi_pass {
        NvencMultiPass::Preset => {}
        NvencMultiPass::One => rc.multi_pass = nvenc::MultiPass::DISABLED,
        NvencMultiPass::QuarterResolution => rc.multi_pass = nvenc::MultiPass::TWO_PASS_QUARTER_RESOLUTION,
        NvencMultiPass::FullResolution => rc.multi_pass = nvenc::MultiPass::TWO_PASS_FULL_RESOLUTION,
    }
}

/// The part of the codec: profile, parameter sets, colour.
fn codec(
    config: &mut nvenc::Config,
    options: &NvencOptions,
    info: &VideoInfo,
    bframes: u32,
) -> Result<(), EncodeError> {
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
    Ok(())
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

fn initialize_params(
    options: &NvencOptions,
    info: &VideoInfo,
) -> Result<nvenc::InitializeParams, EncodeError> {
    let (dar_width, dar_height) = display_shape(options.codec, info)?;
    let (frame_rate_num, frame_rate_den) = info
        .frame_rate
        .map_or(ASSUMED_RATE, |rate| (rate.numerator().unsigned_abs(), rate.denominator().unsigned_abs()));
    let mut params = nvenc::InitializeParams {
        encode_guid: options.codec.guid(),
        preset_guid: options.preset.guid(),
        encode_width: info.width,
        encode_height: info.height,
        dar_width,
        dar_height,
        frame_rate_num,
        frame_rate_den,
        // The encoder decides which picture is coded how.
        enable_ptd: 1,
        tuning_info: tuning(options),
        ..nvenc::InitializeParams::versioned()
    };
    params.set_split_encode_mode(nvenc::SplitEncodeMode::AUTO.0);
    Ok(params)
}

/// The display aspect ratio; for AV1 the size at which it is to be shown (`render_size`).
fn display_shape(codec: NvencCodec, info: &VideoInfo) -> Result<(u32, u32), EncodeError> {
    if codec == NvencCodec::Av1 {
        return Ok(render_size(info));
    }
    let ratio = info.display_aspect_ratio()?;
    Ok((ratio.numerator().unsigned_abs(), ratio.denominator().unsigned_abs()))
}

/// The side that the aspect ratio enlarges.
fn render_size(info: &VideoInfo) -> (u32, u32) {
    let sar = info.sample_aspect_ratio.unwrap_or(Rational::ONE);
    let (numerator, denominator) = (sar.numerator().unsigned_abs(), sar.denominator().unsigned_abs());
    let scale = |side: u32, by: u32, of: u32| {
        let scaled = (u64::from(side) * u64::from(by) + u64::from(of / 2)) / u64::from(of);
        u32::try_from(scaled).unwrap_or(u32::MAX)
    };
    match numerator >= denominator {
        true => (scale(info.width, numerator, denominator), info.height),
        false => (info.width, scale(info.height, denominator, numerator)),
    }
}

/// What is the same for every picture.
pub(super) fn picture(plan: &Plan, info: &VideoInfo, codec: NvencCodec) -> nvenc::PicParams {
    let mut params = nvenc::PicParams {
        input_width: info.width,
        input_height: info.height,
        buffer_fmt: buffer_format(info.format).unwrap_or(nvenc::BufferFormat::UNDEFINED),
        picture_struct: nvenc::PicStruct::FRAME,
        ..nvenc::PicParams::versioned()
    };
    // SAFETY: as in `codec`; the union is all zero, and the member written is the codec's.
    unsafe {
        match codec {
            NvencCodec::H264 => {
                let of_picture = &mut params.codec_pic_params.h264_pic_params;
                let of_stream = &plan.config.encode_codec_config.h264_config;
                (of_picture.slice_mode, of_picture.slice_mode_data) =
                    (of_stream.slice_mode, of_stream.slice_mode_data);
            }
            NvencCodec::Hevc => {
                let of_picture = &mut params.codec_pic_params.hevc_pic_params;
                let of_stream = &plan.config.encode_codec_config.hevc_config;
                (of_picture.slice_mode, of_picture.slice_mode_data) =
                    (of_stream.slice_mode, of_stream.slice_mode_data);
            }
            NvencCodec::Av1 => {
                let of_picture = &mut params.codec_pic_params.av1_pic_params;
                let of_stream = &plan.config.encode_codec_config.av1_config;
                of_picture.num_tile_columns = of_stream.num_tile_columns;
                of_picture.num_tile_rows = of_stream.num_tile_rows;
            }
        }
    }
    params
}

/// In words, for people.
pub(super) fn describe(plan: &Plan, options: &NvencOptions, info: &VideoInfo, gpu: &str) -> String {
    let quality = match options.rate_control {
        NvencRateControl::ConstantQuality(quality) => format!("constant quality {quality}"),
        NvencRateControl::Vbr { average_kilobits_per_second, maximum_kilobits_per_second: None } => {
            format!("{average_kilobits_per_second} kbit/s")
        }
        NvencRateControl::Vbr { average_kilobits_per_second, maximum_kilobits_per_second: Some(maximum) } => {
            format!("{average_kilobits_per_second} kbit/s, at most {maximum}")
        }
        NvencRateControl::Cbr { kilobits_per_second } => format!("constant {kilobits_per_second} kbit/s"),
        NvencRateControl::ConstantQp { intra, inter_p, inter_b } => format!("qp {intra}/{inter_p}/{inter_b}"),
        NvencRateControl::Lossless => "lossless".to_owned(),
    };
    let (codec, preset, format) = (options.codec, options.preset, info.format);
    let mut text = format!("NVENC {codec} on {gpu}, {quality}, preset {preset}, {} B-frames", plan.bframes);
    if plan.lookahead > 0 {
        text += &format!(", look-ahead {}", plan.lookahead);
    }
    if info.frame_rate.is_none() {
        text += ", 25 frames per second assumed";
    }
    text + &format!(", {format}")
}
